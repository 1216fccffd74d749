"""The parameters of a network: one training loop, whatever the arrays are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

import polyad as ad


def trained(
    loss: Callable[..., Any],
    parameters: Any,
    *data: Any,
    backend: Any = None,
    rate: float = 0.1,
    steps: int = 200,
) -> tuple[Any, list[float]]:
    """Gradient descent with momentum over a tree of parameters, and the losses on the way."""
    gradient = ad.prepare_gradient(loss, parameters, *data, backend=backend)
    speed, losses = optree.tree_map(lambda p: 0 * p, parameters), []
    for _ in range(steps):
        value, g = gradient.value_and(parameters, *data)
        speed = optree.tree_map(lambda v, g: 0.9 * v - rate * g, speed, g)
        parameters = optree.tree_map(lambda p, v: p + v, parameters, speed)
        losses.append(float(value))
    return parameters, losses


def network(p: Any, x: Any) -> Any:
    """One hidden layer."""
    xp = ad.namespace(x)
    return xp.tanh(x @ p["in"] + p["bias"]) @ p["out"]


def loss(p: Any, x: Any, y: Any) -> Any:
    """Mean squared error."""
    xp = ad.namespace(x)
    return xp.mean((network(p, x) - y) ** 2)


def start(units: int = 8) -> tuple[dict[str, Any], Any, Any]:
    """Parameters, and 40 points of a sine."""
    rng = np.random.default_rng(0)
    parameters = {
        "in": rng.normal(size=(1, units)),
        "bias": rng.normal(size=units),
        "out": rng.normal(size=(units, 1)) / units,
    }
    x = np.linspace(-3, 3, 40)[:, None]
    return parameters, x, np.sin(x)


if __name__ == "__main__":
    import torch

    parameters, x, y = start()
    for name in ("numpy", "jax", "torch"):
        print(name, "in NumPy's arrays:", trained(loss, parameters, x, y, backend=name, steps=50)[1][-1])
    tensors = [optree.tree_map(torch.from_numpy, a) for a in (parameters, x, y)]
    print("in torch's tensors:", trained(loss, *tensors, steps=50)[1][-1])
