"""Draws the pictures of the pages into docs/pictures: ``python docs/pictures.py [name ...]``.

A picture is a function here that returns a figure of matplotlib's, or one of ``charts``, drawn by hand; its
name is that of the file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import charts
import numpy as np

HERE = Path(__file__).parent
PICTURES: dict[str, Callable[[Any], Any]] = {}
sys.path.insert(0, str(HERE.parent / "examples" / "algorithms"))


def picture(draw: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Register a picture."""
    PICTURES[draw.__name__] = draw
    return draw


@picture
def swing(plt: Any) -> Any:
    """The pendulum of the page on nonlinear programs."""
    sys.path.insert(0, str(HERE.parent / "benchmarks"))
    from nlp import pendulum

    steps = 40
    found = pendulum(steps).solve("casadi")
    figure, axes = plt.subplots(figsize=(6, 3))
    t = np.linspace(0, 4, steps + 1)
    axes.plot(t, found.x["angle"], label="angle")
    axes.plot(t, found.x["speed"], label="speed")
    axes.step(t[1:], found.x["torque"], where="pre", label="torque")
    axes.axhline(np.pi, color="0.8", zorder=0)
    axes.set_xlabel("time")
    axes.legend(frameon=False)
    return figure


@picture
def fit(plt: Any) -> Any:
    """The curve of the page on fits, with the band of its standard errors by the delta method."""
    import polyad as ad
    from polyad.solvers.scipy import curve_fit

    def model(t: Any, scale: Any, rate: Any, offset: Any) -> Any:
        return scale * np.exp(-rate * t) + offset

    t = np.linspace(0.0, 4.0, 25)
    data = model(t, 2.5, 1.3, 0.5) + 0.15 * np.random.default_rng(0).normal(size=t.size)
    popt, pcov = curve_fit(model, t, data, p0=(1, 1, 1))
    fine = np.linspace(0.0, 4.0, 200)
    J = ad.jacobian(lambda p: model(fine, p[0], p[1], p[2]), popt)
    error = np.sqrt(np.sum((J @ pcov) * J, axis=1))
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot(t, data, ".", color="0.4", label="data")
    curve = axes.plot(fine, model(fine, *popt), label="fit")[0]
    axes.fill_between(
        fine,
        model(fine, *popt) - 2 * error,
        model(fine, *popt) + 2 * error,
        color=curve.get_color(),
        alpha=0.25,
        lw=0,
        label="two standard errors",
    )
    axes.set_xlabel("t")
    axes.legend(frameon=False)
    return figure


@picture
def stiff(plt: Any) -> Any:
    """Robertson's equations of the page on ODEs."""
    from polyad.solvers.scipy import solve_ivp

    def robertson(t: Any, y: Any) -> Any:
        a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return [b - a, a - b - c, c]

    sol = solve_ivp(robertson, (0, 1e6), [1, 0, 0], method="Radau", rtol=1e-8, atol=1e-10)
    figure, axes = plt.subplots(figsize=(6, 3))
    for row, label in zip(sol.y * [[1.0], [1e4], [1.0]], ("$y_1$", "$10^4 y_2$", "$y_3$"), strict=True):
        axes.semilogx(sol.t[1:], row[1:], label=label)
    axes.set_xlabel("t")
    axes.legend(frameon=False)
    return figure


@picture
def methods(plt: Any) -> Any:
    """How methods of ``minimize`` come down, of the page on optimisation."""
    from polyad.solvers.scipy import minimize

    def f(x: Any) -> Any:
        return np.sum(10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    figure, axes = plt.subplots(figsize=(6, 3))
    start = np.linspace(-0.5, 0.5, 20)
    for method in ("CG", "BFGS", "L-BFGS-B", "Newton-CG", "trust-krylov", "trust-exact"):
        values = [f(start)]
        with np.errstate(all="ignore"):  # trust-exact goes on below what rounding can tell
            minimize(f, start, method=method, callback=lambda x, v=values: v.append(f(x)), tol=1e-10)
        axes.semilogy(np.maximum(values, 1e-20), label=method)
    axes.set_ylim(1e-18, None)
    axes.set_xlim(0, 90)
    axes.set_xlabel("iteration")
    axes.set_ylabel("f")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@picture
def band(plt: Any) -> Any:
    """The Poisson regression of the page on statistics, with its band."""
    import polyad as ad
    from polyad.solvers import nlp as programs

    rng = np.random.default_rng(0)
    X = np.stack([np.ones(200), rng.normal(size=200)], axis=1)
    y = rng.poisson(np.exp(X @ np.array([0.3, 0.7])))
    x = np.linspace(X[:, 1].min(), X[:, 1].max(), 100)

    def loglike(b: Any) -> Any:
        return np.sum(y * (X @ b) - np.exp(X @ b))

    def curve(b: Any) -> Any:
        return np.exp(b[0] + b[1] * x)

    b = programs.program(lambda b: -loglike(b), np.zeros(2)).solve("trust-constr").x
    J, covariance = ad.jacobian(curve, b), np.linalg.inv(-ad.hessian(loglike, b))
    width = 1.96 * np.sqrt(np.sum((J @ covariance) * J, axis=1))
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot(X[:, 1], y, ".", color="0.6")
    axes.plot(x, curve(b))
    axes.fill_between(x, curve(b) - width, curve(b) + width, alpha=0.3)
    axes.set_xlabel("x")
    axes.set_ylabel("count")
    return figure


@picture
def brusselator(plt: Any) -> Any:
    """The stiff example over space and time."""
    from odes import brusselator, stiff

    n = 64
    x = np.linspace(0, 1, n, endpoint=False)
    found = stiff(brusselator, np.concatenate([1 + np.sin(2 * np.pi * x), np.full(n, 3.0)]), 10.0)
    figure, axes = plt.subplots(figsize=(6, 3))
    shown = axes.pcolormesh(found.t, x, found.y[:n], shading="gouraud", rasterized=True)
    figure.colorbar(shown, label="u")
    axes.set_xlabel("time")
    axes.set_ylabel("place")
    return figure


@picture
def bratu(plt: Any) -> Any:
    """Zeros of Bratu's problem by the example's Newton-Krylov, for more and more heat."""
    import roots

    figure, axes = plt.subplots(figsize=(6, 3))
    x = np.linspace(0, 1, 52)
    for heat in (0.5, 1.5, 2.5, 3.3):
        u = roots.newton_krylov(roots.bratu, np.zeros(50), heat, backend="numpy")
        axes.plot(x, np.concatenate([[0.0], u, [0.0]]), label=f"heat {heat}")
    axes.set_xlabel("place")
    axes.set_ylabel("u")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@picture
def ways(plt: Any) -> Any:
    """Where Adam and saddle-free Newton of the examples are after each step."""
    import minima

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    x, y = np.meshgrid(np.linspace(-1.6, 1.6, 120), np.linspace(-0.6, 1.8, 120))
    valley = 100 * (y - x**2) ** 2 + (1 - x) ** 2
    left.contour(x, y, valley, np.logspace(-1, 3, 9), colors="0.8", linewidths=0.7)
    y = np.linspace(-1.5, 1.5, 120)[:, None] + 0 * x
    right.contour(x, y, minima.saddle(np.stack([x, y])), 12, colors="0.8", linewidths=0.7)
    start = np.array([-1.2, 1.0])
    adam = [minima.adam(minima.rosenbrock, start, backend="numpy", steps=k) for k in range(0, 500, 10)]
    free = [minima.saddle_free(minima.rosenbrock, start, backend="numpy", steps=k) for k in range(25)]
    left.plot(*np.array(adam).T, ".-", ms=3, lw=1, label="Adam, every tenth step")
    left.plot(*np.array(free).T, ".-", ms=4, lw=1, label="saddle-free Newton")
    left.legend(frameon=False, fontsize=8, loc="lower left")
    left.set_title("Rosenbrock's valley", fontsize=9)
    for start in ([0.9, 0.02], [-1.2, -0.02], [0.5, 0.3]):
        found = [
            minima.saddle_free(minima.saddle, np.array(start), backend="numpy", steps=k) for k in range(12)
        ]
        right.plot(*np.array(found).T, ".-", ms=4, lw=1)
    right.set_title("away from a saddle", fontsize=9)
    return figure


@picture
def network(plt: Any) -> Any:
    """The network of the examples while it learns a sine."""
    import networks

    figure, axes = plt.subplots(figsize=(6, 3))
    parameters, x, y = networks.start()
    axes.plot(x, y, ".", color="0.4", label="data")
    for steps in (5, 20, 200):
        found, losses = networks.trained(networks.loss, parameters, x, y, backend="numpy", steps=steps)
        axes.plot(x, networks.network(found, x), label=f"{steps} steps, loss {losses[-1]:.3f}")
    axes.legend(frameon=False)
    return figure


@picture
def sensitivities(plt: Any) -> Any:
    """Rabbits and foxes, and how their number at each time depends on the birth rate."""
    import odes
    from scipy.integrate import solve_ivp

    y0, p = np.array([1.0, 0.5]), np.array([1.0, 1.0, 0.5])
    times = np.linspace(0.0, 15.0, 61)
    found = solve_ivp(lambda t, y: odes.rabbits(t, y, p), (0, 15), y0, t_eval=times, rtol=1e-9)
    S = [np.zeros(2)]
    S += [
        odes.forward_sensitivities(odes.rabbits, y0, p, t, backend="numpy:compiled")[:, 0] for t in times[1:]
    ]
    figure, (above, below) = plt.subplots(2, 1, figsize=(6, 4), sharex=True)
    for row, slope, label in zip(found.y, np.array(S).T, ("rabbits", "foxes"), strict=True):
        above.plot(times, row, label=label)
        below.plot(times, slope)
    above.set_ylabel("number")
    above.legend(frameon=False)
    below.set_ylabel("by the birth rate")
    below.set_xlabel("time")
    return figure


@picture
def posterior(plt: Any) -> Any:
    """The log posterior of the examples, its maximum and the ellipses of the normal approximation."""
    import fits

    rng = np.random.default_rng(1)
    t = np.linspace(0, 3, 12)
    y = 2.0 * np.exp(-0.8 * t) + 0.1 * rng.normal(size=t.size)
    best, covariance = fits.most_probable(fits.log_posterior, np.array([1.8, 0.7]), t, y, backend="numpy")
    a, b = np.meshgrid(np.linspace(1.75, 2.3, 90), np.linspace(0.6, 1.0, 90))
    value = np.array(
        [
            [fits.log_posterior(np.array(p), t, y) for p in zip(*r, strict=True)]
            for r in zip(a, b, strict=True)
        ]
    )
    figure, axes = plt.subplots(figsize=(6, 3.2))
    axes.contourf(a, b, np.exp(value - value.max()), 12, cmap="Blues")
    circle = np.linspace(0, 2 * np.pi, 100)
    axis = np.linalg.cholesky(covariance) @ np.stack([np.cos(circle), np.sin(circle)])
    for k in (1, 2):
        axes.plot(*(best[:, None] + k * axis), color="C1", lw=1.5)
    axes.plot(*best, "o", color="C1", label="most probable, one and two standard deviations")
    axes.set_xlabel("scale")
    axes.set_ylabel("rate")
    axes.legend(frameon=False, fontsize=8)
    return figure


@picture
def steps(plt: Any) -> Any:
    """The error of differences against the step."""
    import polyad as ad

    figure, axes = plt.subplots(figsize=(6.5, 3.6))
    x, exact = 0.7, np.cos(0.7) * np.exp(np.sin(0.7))

    def f(x: Any) -> Any:
        return np.exp(np.sin(x))

    def error_of(backend: Any) -> float:
        try:
            return float(abs(ad.derivative(f, x, backend=backend) - exact) / exact)
        except ad.errors.FunctionNotSupportedError:  # a complex step that is too long
            return np.nan

    h = np.logspace(-15, 0, 200)
    for scheme, order, label in (
        ("forward", 1, "forward"),
        ("central", 2, "central"),
        ("central", 4, "central, order 4"),
        ("complex", None, "complex step"),
    ):
        error = [error_of(ad.FiniteDifferences(scheme, order=order, step=step)) for step in h]
        axes.loglog(h, np.maximum(error, 1e-17), label=label, linewidth=1.2)
    chosen = error_of(ad.FiniteDifferences())
    axes.axhline(max(chosen, 1e-17), color="#666666", linestyle=":", linewidth=1)
    axes.text(1e-15, chosen * 1.5, "what polyad chooses by default", color="#666666", fontsize=9)
    axes.set(xlabel="step", ylabel="relative error", ylim=(1e-17, 10))
    axes.legend(frameon=False, fontsize=9, loc="upper center", ncols=2)
    return figure


# those that compile the loop step by step are not done within the limit
SHOWN = ["casadi", "numpy:compiled", "sympy", "numpy", "finite", "torch", "autograd"]


@picture
def violins(plt: Any) -> Any:
    """Run times as ``polyad compare --plot`` draws them."""
    from polyad.benchmark import compare
    from polyad.benchmark.problems import lotka_volterra

    table = compare(
        lotka_volterra, np.array([1.5, 1.0, 1.0, 3.0]), operators="gradient", seconds=0.5, backends=SHOWN
    )
    print(table)
    return table.plot()


@picture
def spy(plt: Any) -> Any:
    """A pattern with its colors."""
    import polyad as ad

    def laplace(u: Any) -> Any:
        v = np.zeros((8, 8))
        v[1:-1, 1:-1] = u.reshape(6, 6)
        return (v[2:, 1:-1] + v[:-2, 1:-1] + v[1:-1, 2:] + v[1:-1, :-2] - 4 * u.reshape(6, 6)).ravel() + u**3

    return ad.prepare_jacobian(laplace, np.ones(36), backend=ad.Sparse("numpy")).plot()


def main() -> None:
    """Draw those that are named, or all."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "polyad", "axes.spines.top": False, "axes.spines.right": False})
    for name in sys.argv[1:] or [*PICTURES, "choosing", "lift"]:
        path = HERE / "pictures" / f"{name}.svg"
        if name not in PICTURES:
            path.write_text(getattr(charts, name)())
        elif name == "violins":  # of so many points that a drawing of lines is large
            PICTURES[name](plt).savefig(path.with_suffix(".png"), dpi=90)
        else:
            PICTURES[name](plt).savefig(path, bbox_inches="tight", metadata={"Date": None})
        plt.close("all")
        print(path.name)


if __name__ == "__main__":
    main()
