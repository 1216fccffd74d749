"""Work of GradBench's kind: NumPy code through polyad beside hand-written JAX (jit) and torch, in one run.

    python benchmarks/gradbench.py [--quick] [--only NAME] [--out benchmarks/results/gradbench.md]

Each function is written once in NumPy for polyad, and by hand in JAX's and in torch's own language, with
their own loops. Calls get arrays of their own library and give such arrays: polyad under JAX gets JAX's, and
in a line of its own NumPy's, which have to be converted on both ways; compiled and CasADi get NumPy's. Times
are the least of many, taken in turns. Ratios below 1 say that polyad is ahead. The
preparation is what comes before the second call: polyad's preparation with its first call, JAX's first call
(tracing and compiling); torch has none, so it is compared by what polyad's preparation is worth in its calls.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from harness import Call, duration, header, least

import polyad as ad

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
Function = Callable[..., Any]
FROM_NUMPY = "jax, NumPy's arrays"


@dataclasses.dataclass
class Case:
    """One problem: the function three times, an argument, and polyad's recommended backends."""

    name: str
    numpy: Function
    jax: Function
    torch: Function | None
    x: Any
    backends: tuple[str, ...] = ("compiled", "jax")
    operator: str = "gradient"
    slow: bool = False


# -- Runge-Kutta: y_0' = x_0, y_i' = x_i y_{i-1}, the last state after 100 steps of RK4 ------------


def rk4(n: int, steps: int = 100) -> Case:
    h = 2.0 / steps

    def numpy(x: Any) -> Any:
        def rhs(y: Any) -> Any:
            return np.concatenate([x[:1], x[1:] * y[:-1]])

        def step(_: Any, y: Any) -> Any:
            k1 = rhs(y)
            k2 = rhs(y + h / 2 * k1)
            k3 = rhs(y + h / 2 * k2)
            k4 = rhs(y + h * k3)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

        return ad.fori_loop(0, steps, step, np.zeros(n))[-1]

    def native(x: Any) -> Any:
        def rhs(y: Any) -> Any:
            return jnp.concatenate([x[:1], x[1:] * y[:-1]])

        def step(y: Any, _: Any) -> Any:
            k1 = rhs(y)
            k2 = rhs(y + h / 2 * k1)
            k3 = rhs(y + h / 2 * k2)
            k4 = rhs(y + h * k3)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        return jax.lax.scan(step, jnp.zeros(n), None, length=steps)[0][-1]

    def in_torch(x: Any) -> Any:
        def rhs(y: Any) -> Any:
            return torch.cat([x[:1], x[1:] * y[:-1]])

        y = torch.zeros(n, dtype=torch.float64)
        for _ in range(steps):
            k1 = rhs(y)
            k2 = rhs(y + h / 2 * k1)
            k3 = rhs(y + h / 2 * k2)
            k4 = rhs(y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y[-1]

    return Case(f"rk4, n = {n}", numpy, native, in_torch, 1.0 + np.arange(n) / n)


# -- log-sum-exp -----------------------------------------------------------------------------------


def lse(n: int) -> Case:
    def numpy(x: Any) -> Any:
        top = np.max(x)
        return top + np.log(np.sum(np.exp(x - top)))

    x = np.random.default_rng(0).normal(size=n)
    return Case(f"logsumexp, n = {n}", numpy, jax.nn.logsumexp, lambda x: torch.logsumexp(x, 0), x)


# -- k-means: the sum of the squared distances to the nearest centre -------------------------------


def kmeans(n: int = 1000, k: int = 10, d: int = 8) -> Case:
    points = np.random.default_rng(0).normal(size=(n, d))
    jpoints, tpoints = jnp.asarray(points), torch.from_numpy(points)

    def numpy(centres: Any) -> Any:
        distances = np.sum((points[:, None, :] - centres[None]) ** 2, axis=2)
        return np.sum(np.min(distances, axis=1))

    def native(centres: Any) -> Any:
        distances = jnp.sum((jpoints[:, None, :] - centres[None]) ** 2, axis=2)
        return jnp.sum(jnp.min(distances, axis=1))

    def in_torch(centres: Any) -> Any:
        distances = torch.sum((tpoints[:, None, :] - centres[None]) ** 2, dim=2)
        return torch.sum(torch.min(distances, dim=1).values)

    return Case(f"k-means, {n} x {d}, k = {k}", numpy, native, in_torch, points[:k] + 0.1)


# -- Gaussian mixture: the log-likelihood in weights, means and inverse factors --------------------


def gmm(n: int = 1000, d: int = 5, k: int = 10) -> Case:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n, d))
    jpoints, tpoints = jnp.asarray(points), torch.from_numpy(points)
    below = np.tril_indices(d, -1)
    count = len(below[0])
    sizes = np.cumsum([k, k * d, k * d])
    x = rng.normal(size=sizes[-1] + k * count) * 0.3
    # places of the strictly lower triangle as a matrix product, which every library has
    spread = np.zeros((count, d * d))
    spread[np.arange(count), below[0] * d + below[1]] = 1.0
    jspread, tspread = jnp.asarray(spread), torch.from_numpy(spread)

    def parts(x: Any) -> Any:
        a, b, c = (int(s) for s in sizes)
        return x[:a], x[a:b].reshape(k, d), x[b:c].reshape(k, d), x[c:].reshape(k, count)

    def numpy(x: Any) -> Any:
        alphas, means, logs, lower = parts(x)
        factor = (lower @ spread).reshape(k, d, d)
        centred = points[None] - means[:, None]
        white = np.exp(logs)[:, None] * centred + centred @ np.swapaxes(factor, 1, 2)
        terms = alphas[:, None] + np.sum(logs, axis=1)[:, None] - 0.5 * np.sum(white**2, axis=2)
        top = np.max(terms, axis=0)
        inner = np.sum(top + np.log(np.sum(np.exp(terms - top), axis=0)))
        high = np.max(alphas)
        return inner - n * (high + np.log(np.sum(np.exp(alphas - high))))

    def native(x: Any) -> Any:
        alphas, means, logs, lower = parts(x)
        factor = (lower @ jspread).reshape(k, d, d)
        centred = jpoints[None] - means[:, None]
        white = jnp.exp(logs)[:, None] * centred + centred @ jnp.swapaxes(factor, 1, 2)
        terms = alphas[:, None] + jnp.sum(logs, axis=1)[:, None] - 0.5 * jnp.sum(white**2, axis=2)
        return jnp.sum(jax.nn.logsumexp(terms, axis=0)) - n * jax.nn.logsumexp(alphas)

    def in_torch(x: Any) -> Any:
        alphas, means, logs, lower = parts(x)
        factor = (lower @ tspread).reshape(k, d, d)
        centred = tpoints[None] - means[:, None]
        white = torch.exp(logs)[:, None] * centred + centred @ torch.swapaxes(factor, 1, 2)
        terms = alphas[:, None] + torch.sum(logs, dim=1)[:, None] - 0.5 * torch.sum(white**2, dim=2)
        return torch.sum(torch.logsumexp(terms, 0)) - n * torch.logsumexp(alphas, 0)

    return Case(f"Gaussian mixture, {n} x {d}, k = {k}", numpy, native, in_torch, x)


# -- the determinant by expansion along rows -------------------------------------------------------


def determinant(n: int) -> Case:
    def expanded(a: Any, row: int, columns: tuple[int, ...]) -> Any:
        if len(columns) == 1:
            return a[row, columns[0]]
        total = 0.0
        for k, column in enumerate(columns):
            term = a[row, column] * expanded(a, row + 1, columns[:k] + columns[k + 1 :])
            total = total + term if k % 2 == 0 else total - term
        return total

    def f(x: Any) -> Any:
        return expanded(x.reshape(n, n), 0, tuple(range(n)))

    x = np.random.default_rng(0).normal(size=n * n)
    return Case(f"recursive determinant, {n} rows", f, f, f, x, ("compiled", "casadi"))


# -- gradient descent inside gradient descent, both until the gradient is small --------------------


RATE, SMALL = 0.2, 1e-4


def nested() -> Case:
    weights = np.array([1.0, 2.0])

    def numpy(t: Any) -> Any:
        def descent(f: Function, y: Any) -> Any:
            def gradient(y: Any) -> Any:
                return ad.gradient(f, y, backend="numpy:forward")

            def step(s: Any) -> Any:
                y = s[0] - RATE * s[1]
                return y, gradient(y)

            return ad.while_loop(lambda s: np.sum(s[1] ** 2) > SMALL, step, (y, gradient(y)))[0]

        def inner(z: Any) -> Any:
            return descent(lambda y: np.sum(0.5 * weights * (y - z) ** 2 + 0.1 * y**4), z)

        return descent(lambda z: np.sum((inner(z) - t) ** 2), t * np.ones(2))

    def native(t: Any) -> Any:
        def descent(f: Function, y: Any) -> Any:
            gradient = jax.jacfwd(f)

            def step(s: Any) -> Any:
                y = s[0] - RATE * s[1]
                return y, gradient(y)

            return jax.lax.while_loop(lambda s: jnp.sum(s[1] ** 2) > SMALL, step, (y, gradient(y)))[0]

        def inner(z: Any) -> Any:
            return descent(lambda y: jnp.sum(0.5 * weights * (y - z) ** 2 + 0.1 * y**4), z)

        return descent(lambda z: jnp.sum((inner(z) - t) ** 2), t * jnp.ones(2))

    def in_torch(t: Any) -> Any:
        tensor = torch.from_numpy(weights)

        def descent(f: Function, y: Any) -> Any:
            gradient = torch.func.grad(f)
            g = gradient(y)
            while torch.sum(g**2) > SMALL:
                y = y - RATE * g
                g = gradient(y)
            return y

        def inner(z: Any) -> Any:
            y = z
            while True:  # torch has no branch on a value under its transforms, so the inner one is by hand
                g = tensor * (y - z) + 0.4 * y**3
                if torch.sum(g.detach() ** 2) <= SMALL:
                    return y
                y = y - RATE * g

        def outer(z: Any) -> Any:
            (g,) = torch.autograd.grad(torch.sum((inner(z) - t) ** 2), z, create_graph=True)
            return g

        z = t * torch.ones(2, dtype=torch.float64)
        g = outer(z)
        while torch.sum(g.detach() ** 2) > SMALL:
            z = z - RATE * g
            g = outer(z)
        return z

    return Case(
        "descent inside descent",
        numpy,
        native,
        in_torch,
        0.7,
        ("jax:forward", "numpy:forward"),
        "derivative",
        True,
    )


# -- measuring -------------------------------------------------------------------------------------


def clocked(f: Call) -> tuple[float, Any]:
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result


def jax_call(case: Case) -> Call:
    make = jax.grad if case.operator == "gradient" else jax.jacfwd
    compiled, x = jax.jit(make(case.jax)), jnp.asarray(case.x)
    return lambda: compiled(x).block_until_ready()


def torch_call(case: Case) -> Call | None:
    f = case.torch
    if f is None:
        return None
    x = torch.as_tensor(case.x, dtype=torch.float64)
    if case.operator == "gradient":

        def gradient() -> Any:
            leaf = x.clone().requires_grad_()
            (found,) = torch.autograd.grad(f(leaf), leaf)
            return found

        return gradient

    def derivative() -> Any:
        leaf = x.clone().requires_grad_()
        y = f(leaf)
        return torch.stack([torch.autograd.grad(part, leaf, retain_graph=True)[0] for part in y])

    return derivative


def polyad_call(case: Case, backend: str) -> tuple[float, Call]:
    chosen = {"compiled": ad.NumPy(compile=True), FROM_NUMPY: "jax"}.get(backend, backend)
    prepare = ad.prepare_gradient if case.operator == "gradient" else ad.prepare_derivative
    on_jax = backend.startswith("jax") and backend != FROM_NUMPY
    x = jnp.asarray(case.x) if on_jax else case.x

    def prepared() -> Any:
        found = prepare(case.numpy, x, backend=chosen)
        jax.block_until_ready(found(x))
        return found

    seconds, found = clocked(prepared)
    if on_jax:
        return seconds, lambda: found(x).block_until_ready()
    return seconds, lambda: found(x)


def measured(case: Case, rounds: int) -> list[str]:
    """A line for each backend that was tried, the first being the recommended one."""
    native = jax_call(case)
    compiling, expected = clocked(native)
    calls: dict[str, Call] = {"JAX": native}
    eager = torch_call(case)
    if eager is not None:
        calls["torch"] = eager
        np.testing.assert_allclose(eager().numpy(), expected, rtol=1e-4, atol=1e-8)
    preparing = {}
    backends = (*case.backends, *((FROM_NUMPY,) if "jax" in case.backends else ()))
    for backend in backends:
        preparing[backend], calls[backend] = polyad_call(case, backend)
        np.testing.assert_allclose(calls[backend](), expected, rtol=1e-5, atol=1e-8)
    seconds = least(calls, min(rounds, 5) if case.slow else rounds)
    lines = []
    for backend in sorted(backends, key=seconds.__getitem__):
        mine = seconds[backend]
        torch_time = seconds.get("torch")
        beside = f"{duration(torch_time)} | {mine / torch_time:.2f}" if torch_time else "- | -"
        paid = f"{preparing[backend] / torch_time:.0f}" if torch_time else "-"
        lines.append(
            f"| {case.name} | {backend} | {duration(mine)} | {duration(seconds['JAX'])} | "
            f"{mine / seconds['JAX']:.2f} | {beside} | {duration(preparing[backend])} | "
            f"{preparing[backend] / compiling:.2f} | {paid} |"
        )
    return lines


CASES: dict[str, Callable[[], Case]] = {
    "rk4-1000": lambda: rk4(1000),
    "rk4-10000": lambda: rk4(10000),
    "lse": lambda: lse(40000),
    "kmeans": kmeans,
    "gmm": gmm,
    "det5": lambda: determinant(5),
    "nested": nested,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--only", choices=CASES, nargs="+", help="these alone")
    parser.add_argument("--out", type=Path, help="where to write the table")
    args = parser.parse_args()
    lines = [
        "| problem | backend | polyad | JAX | ratio | torch | ratio | prepared | over JAX's | in torch's |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for backend in ("compiled", "casadi", "jax"):  # what is imported at first use is no preparation
        polyad_call(lse(3), backend)
    jax_call(lse(3))()
    for name in args.only or CASES:
        found = measured(CASES[name](), 5 if args.quick else 21)
        print("\n".join(found), flush=True)
        lines += found
    if args.out:
        words = "\n".join(line for line in (__doc__ or "").splitlines()[4:])
        args.out.write_text(
            f"# Work of GradBench's kind\n\n{header()}\n{words}\n\n" + "\n".join(lines) + "\n"
        )


if __name__ == "__main__":
    main()
