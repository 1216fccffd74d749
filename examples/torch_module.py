"""Fit a small ``torch.nn.Module`` with SciPy: its parameters are a dict, which polyad takes as it is.

``torch.func.functional_call`` makes the module a function of its parameters; polyad gives the
value and the gradient as a dict of the same keys. Nothing of the module is changed on the way: no
``requires_grad``, no ``.grad``.

Run it with ``python examples/torch_module.py``.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize

import polyad as ad


def problem() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """A network with seven tanh units, and 40 points of a sine to fit."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(1, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1)).double()
    x = torch.linspace(-3.0, 3.0, 40, dtype=torch.float64)[:, None]
    return net, x, torch.sin(x)


def main() -> tuple[float, float]:
    """The loss before and after the fit."""
    net, x, y = problem()
    parameters = {name: p.detach().clone() for name, p in net.named_parameters()}

    def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.mean((torch.func.functional_call(net, parameters, (x,)) - y) ** 2)

    grad = ad.prepare_gradient(loss, parameters, x, y, backend="torch")
    print(grad)

    # SciPy wants one vector: the dict is taken apart and put together again around the call
    names, sizes = list(parameters), [p.numel() for p in parameters.values()]

    def split(vector: np.ndarray) -> dict[str, torch.Tensor]:
        parts = torch.from_numpy(vector).split(sizes)
        return {name: part.reshape(parameters[name].shape) for name, part in zip(names, parts, strict=True)}

    def value_and_gradient(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = grad.value_and(split(vector), x, y)
        return float(value), np.concatenate([gradient[name].ravel() for name in names])

    start = np.concatenate([p.numpy().ravel() for p in parameters.values()])
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    before, after = value_and_gradient(start)[0], float(found.fun)
    print(f"loss {before:.4f} -> {after:.2e} in {found.nit} iterations, {found.nfev} gradients")

    # the curvature along the last step's direction, without a Hessian
    hv = ad.hvp(loss, split(found.x), x, y, v=split(found.x - start), backend="torch")
    print("curvature reaches", ", ".join(f"{name} {tuple(hv[name].shape)}" for name in names))
    return before, after


if __name__ == "__main__":
    main()
