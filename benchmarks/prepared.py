"""polyad's prepared call beside the best hand-written native call, in the same run.

    python benchmarks/prepared.py [--quick] [--problem Rosenbrock] [--out benchmarks/results/prepared.md]

Native code is what an expert writes: a jitted JAX function under its 64-bit setting,
``torch.autograd.grad`` (for Hessian products: double backward), autograd's own operators.
"NumPy" rows take and give NumPy arrays, "own" rows the framework's arrays.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import autograd
import autograd.numpy as anp
import jax
import numpy as np
import torch
from harness import Row, compare, header, table

import polyad as ad

torch.set_num_threads(1)

SYSTEMS = ("jax", "torch", "autograd")


def rosenbrock(x: Any) -> Any:
    """Chained Rosenbrock."""
    xp = ad.namespace(x)
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(x: Any, data: Any) -> Any:
    """Logistic regression with ridge penalty; ``data`` is (samples, n) signed by the labels."""
    xp = ad.namespace(x)
    margin = data @ x
    return xp.sum(xp.log1p(xp.exp(-margin))) + 0.5 * xp.sum(x * x)


def mlp(x: Any, data: Any) -> Any:
    """Two-layer tanh network on 8 features, as many hidden units as ``x`` has room for."""
    xp = ad.namespace(x)
    hidden = max(1, x.shape[0] // 10)
    w1 = xp.reshape(x[: 8 * hidden], (8, hidden)) if x.shape[0] >= 10 else x[:1] * xp.ones_like(data[:1, :]).T
    w2 = x[8 * hidden : 9 * hidden] if x.shape[0] >= 10 else x[1:2]
    return xp.mean(xp.sum(xp.tanh(data @ w1) * w2, axis=1) ** 2)


PROBLEMS: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]]]] = {
    "Rosenbrock": (rosenbrock, lambda n: ()),
    "logistic": (logistic, lambda n: (np.random.default_rng(1).standard_normal((64, n)) / np.sqrt(n),)),
    "MLP": (mlp, lambda n: (np.random.default_rng(2).standard_normal((32, 8)),)),
}


def native_jax(f: Callable[..., Any], operator: str, args: tuple[Any, ...], v: Any, own: bool) -> Any:
    """A jitted derivative under the scoped 64-bit setting."""
    if operator == "gradient":
        call = jax.jit(jax.grad(f))
    elif operator == "hvp":
        call = jax.jit(lambda x, v, *c: jax.jvp(lambda x: jax.grad(f)(x, *c), (x,), (v,))[1])
    else:
        call = jax.jit(jax.hessian(f))
    given = (args[0], v, *args[1:]) if operator == "hvp" else args

    def run() -> Any:
        with jax.enable_x64(True):
            result = call(*given)
            return result.block_until_ready() if own else np.asarray(result)

    return run


def native_torch(f: Callable[..., Any], operator: str, args: tuple[Any, ...], v: Any, own: bool) -> Any:
    """``torch.autograd.grad``, twice for second order."""
    enter = (lambda a: a) if own else torch.from_numpy
    leave = (lambda t: t) if own else (lambda t: t.numpy())

    def gradient() -> Any:
        x = enter(args[0]).detach().requires_grad_()
        return leave(torch.autograd.grad(f(x, *map(enter, args[1:])), x)[0])

    def hvp() -> Any:
        x = enter(args[0]).detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x, *map(enter, args[1:])), x, create_graph=True)
        return leave(torch.autograd.grad(g, x, enter(v))[0])

    def hessian() -> Any:
        x = enter(args[0])
        rest = tuple(map(enter, args[1:]))
        return leave(torch.autograd.functional.hessian(lambda x: f(x, *rest), x, vectorize=True))

    return {"gradient": gradient, "hvp": hvp, "hessian": hessian}[operator]


def native_autograd(f: Callable[..., Any], operator: str, args: tuple[Any, ...], v: Any, own: bool) -> Any:
    """The package's own operators."""
    if operator == "gradient":
        call = autograd.grad(f)
        return lambda: call(*args)
    if operator == "hvp":
        call = autograd.grad(lambda x, *c: anp.sum(autograd.grad(f)(x, *c) * v))
        return lambda: call(*args)
    call = autograd.hessian(f)
    return lambda: call(*args)


def to_own(system: str, a: Any) -> Any:
    """The framework's array of a NumPy array."""
    if system == "torch":
        return torch.from_numpy(a)
    with jax.enable_x64(True):
        return jax.numpy.asarray(a)


def ours(f: Callable[..., Any], operator: str, args: tuple[Any, ...], v: Any, system: str, own: bool) -> Any:
    """The prepared call of polyad."""
    p: Any = getattr(ad, f"prepare_{operator}")(f, *args, backend=system)
    if operator == "hvp":
        call = lambda: p(*args, v=v)  # noqa: E731
    else:
        call = lambda: p(*args)  # noqa: E731
    if own and system == "jax":
        return lambda: call().block_until_ready()
    return call


def cases(quick: bool, problems: list[str]) -> Iterator[tuple[str, str, str, bool, int]]:
    """Problem, operator, system, own arrays, n."""
    for problem in problems:
        for n in (10, 1000) if quick else (2, 10, 1000, 100_000):
            for system in SYSTEMS:
                for operator in ("gradient", "hvp", "hessian"):
                    if (
                        operator == "hessian"
                        and n not in (10, 100)
                        and not (n == 1000 and system != "autograd")
                    ):
                        continue
                    for own in (False, True):
                        if not (own and system == "autograd"):
                            yield problem, operator, system, own, n


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes only")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    parser.add_argument("--problem", choices=PROBLEMS, action="append", help="only this problem")
    options = parser.parse_args()
    natives = {"jax": native_jax, "torch": native_torch, "autograd": native_autograd}
    rows = []
    for problem, operator, system, own, n in cases(options.quick, options.problem or list(PROBLEMS)):
        f, constants = PROBLEMS[problem]
        random = np.random.default_rng(0)
        args = (random.standard_normal(n), *constants(n))
        v = random.standard_normal(n)
        if own:
            args, v = tuple(to_own(system, a) for a in args), to_own(system, v)
        native = natives[system](f, operator, args, v, own)
        mine = ours(f, operator, args, v, system, own)
        np.testing.assert_allclose(np.asarray(mine()), np.asarray(native()), rtol=1e-8, atol=1e-8)
        a, b, ratio = compare(native, mine)
        row = Row(problem, operator, system, "own" if own else "NumPy", n, a, b, ratio)
        rows.append(row)
        print(f"{problem} {operator} {system} {row.arrays} n={n}: {ratio:.2f}", flush=True)
    text = f"{header()}\n\n{table(rows)}\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
