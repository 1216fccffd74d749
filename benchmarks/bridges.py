"""Functions of one framework inside another, beside what they must cost: ratios in one run.

* JAX outside, torch inside: value and gradient under ``jax.jit``, over one bare callback to the host and the
  guest's own value and gradient.
* torch outside, compiled JAX inside: the same, over JAX's own compiled value and gradient and one gradient of
  torch's of the same length.
* Under compiled JAX, the Hessian-vector product of pairs over JAX's own.

    python benchmarks/bridges.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import polyad as ad

N = 1000
X = np.linspace(0.1, 1.0, N)
V = np.linspace(-1.0, 1.0, N)


def best(functions: dict[str, Callable[[], Any]], repeats: int = 200) -> dict[str, float]:
    """The shortest time of each, taking turns."""
    found = dict.fromkeys(functions, np.inf)
    for _ in range(repeats):
        for name, f in functions.items():
            start = time.perf_counter()
            f()
            found[name] = min(found[name], time.perf_counter() - start)
    return found


def of_torch(x: Any) -> Any:
    """A chained Rosenbrock function."""
    return torch.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def of_jax(x: Any) -> Any:
    """The same, of JAX."""
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def of_numpy(x: Any) -> Any:
    """The same, of NumPy."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def torchs_own(x: Any) -> Any:
    """Value and gradient by torch."""
    x = x.clone().requires_grad_()
    y = of_torch(x)
    return y.detach(), torch.autograd.grad(y, x)[0]


def jax_outside() -> None:
    bridge = ad.differentiate_with(of_torch, "torch")
    with jax.enable_x64(True):
        x = jnp.asarray(X)
        shapes = jax.ShapeDtypeStruct((), x.dtype), jax.ShapeDtypeStruct((N,), x.dtype)
        bare = jax.jit(lambda x: jax.pure_callback(lambda x: (np.float64(0.0), np.asarray(x)), shapes, x))
        hosted = jax.jit(jax.value_and_grad(bridge))
        wanted = ad.gradient(of_numpy, X)
        assert np.allclose(hosted(x)[1], wanted, rtol=1e-12)
        inside = torch.tensor(X)
        found = best(
            {
                "bridge": lambda: jax.block_until_ready(hosted(x)),
                "callback": lambda: jax.block_until_ready(bare(x)),
                "torch": lambda: torchs_own(inside),
            }
        )
    report("JAX outside, torch inside", found, ("callback", "torch"))


def torch_outside() -> None:
    bridge = ad.differentiate_with(jax.jit(of_jax), "jax")

    def hosted() -> Any:
        x = inside.clone().requires_grad_()
        y = bridge(x)
        return y.detach(), torch.autograd.grad(y, x)[0]

    inside = torch.tensor(X)
    with jax.enable_x64(True):
        own = jax.jit(jax.value_and_grad(of_jax))
        assert np.allclose(hosted()[1].numpy(), ad.gradient(of_numpy, X), rtol=1e-12)
        found = best(
            {
                "bridge": hosted,
                "JAX": lambda: jax.block_until_ready(own(X)),
                "torch": lambda: torchs_own(inside),
            }
        )
    report("torch outside, compiled JAX inside", found, ("JAX", "torch"))


def pairs() -> None:
    own = ad.prepare_hvp(of_jax, X, backend="jax")
    products = {
        "run on its arrays": ad.prepare_hvp(of_numpy, X, backend=ad.SecondOrder("jax", "numpy")),
        "replayed": ad.prepare_hvp(of_torch, X, backend=ad.SecondOrder("jax", "torch")),
        "native": ad.prepare_hvp(of_jax, X, backend=ad.SecondOrder("jax:forward", "jax:reverse")),
    }
    for p in products.values():
        assert np.allclose(p(X, v=V), own(X, v=V), rtol=1e-12)
    found = best(
        {"JAX": lambda: own(X, v=V), **{name: lambda p=p: p(X, v=V) for name, p in products.items()}}, 400
    )
    for name in products:
        print(f"| under compiled JAX, {name} | {found[name] / found['JAX']:.2f} of JAX's own product |")


def report(what: str, found: dict[str, float], parts: tuple[str, ...]) -> None:
    """One row: over the sum of what it is made of."""
    total = sum(found[part] for part in parts)
    words = " + ".join(f"{part} {1e6 * found[part]:.0f}" for part in parts)
    print(f"| {what}, n = {N} | {found['bridge'] / total:.2f} of {words} µs |", flush=True)


if __name__ == "__main__":
    print("| what | ratio |\n|---|---|")
    jax_outside()
    torch_outside()
    pairs()
