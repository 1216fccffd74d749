"""Draw the pictures of the pages into docs/pictures: ``python docs/draw_pictures.py [NAME ...]``.

``choosing`` and ``lift`` are drawn by hand; ``steps``, ``violins`` and ``spy`` from runs, with matplotlib.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

import polyad as ad

PICTURES = Path(__file__).parent / "pictures"
INK, FAINT, FILL, STRONG = "#222222", "#666666", "#eef0fa", "#3f51b5"


# -- drawn by hand ------------------------------------------------------------------------------------


def rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    """A filled rectangle."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"{more}/>'


def words(x: float, y: float, what: str, anchor: str = "start", ink: str = FAINT) -> str:
    """A line of text."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{ink}">{escape(what)}</text>'


def box(x: float, y: float, width: float, lines: list[str], *, strong: bool = False) -> str:
    """Lines of text in a frame."""
    height = 16 * len(lines) + 16
    fill, ink = (STRONG, "white") if strong else (FILL, INK)
    parts = [rectangle(x, y, width, height, fill, f' rx="6" stroke="{STRONG}"')]
    parts += [words(x + width / 2, y + 20 + 16 * k, line, "middle", ink) for k, line in enumerate(lines)]
    return "".join(parts)


def arrow(x1: float, y1: float, x2: float, y2: float, word: str = "", *, above: bool = False) -> str:
    """An arrow, with a word at its middle."""
    line = f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{FAINT}" marker-end="url(#head)"/>'
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    said = words(x, y - 5, word, "middle") if above else words(x + 6, y + 4, word)
    return line + said * bool(word)


def drawing(width: int, height: int, parts: list[str]) -> str:
    """A whole picture."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="13"><defs><marker id="head" '
        'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{FAINT}"/></marker></defs>'
    )
    return head + rectangle(0, 0, width, height, "white") + "\n".join(parts) + "</svg>\n"


def choosing() -> str:
    """Which backend to take."""
    questions = {
        ("Is the code compiled, a program", "of its own, or a file?"): (
            '"finite"',
            "differences, with workers=",
        ),
        ("Is it written for one framework", "(jax.numpy, torch modules)?"): ("that one:", '"jax" or "torch"'),
        ("A long Python loop", "over single numbers?"): (
            '"casadi", or ad.scan:',
            "the loop is one operation",
        ),
        ("A formula of a few numbers,", "or is the formula wanted?"): ('"sympy"', ".expression shows it"),
        ("Does it branch on values", "(if x[0] > 0)?"): ('"numpy" or "torch"', "(JAX: jit=False)"),
        ("Is it called more than", "some hundred times?"): ('"jax" or "numpy:compiled"', "prepare it once"),
    }
    parts, y = [], 12
    for question, answer in questions.items():
        parts += [box(20, y, 250, list(question)), box(350, y, 250, list(answer), strong=True)]
        parts += [arrow(270, y + 24, 350, y + 24, "yes", above=True), arrow(145, y + 48, 145, y + 76, "no")]
        y += 76
    parts += [box(20, y, 250, ['leave it out: "numpy",', "polyad's own engine"], strong=True)]
    parts += [box(350, y, 250, ["Not sure?  polyad compare f.py:f", "runs and times all of them"])]
    return drawing(620, y + 62, parts)


def lift() -> str:
    """What happens to NumPy code under each kind of backend."""
    parts = [
        box(20, 100, 150, ["your function", "np.sum(np.sin(x))"]),
        box(262, 100, 150, ["a box", "looks like an array"]),
        arrow(170, 124, 262, 124, "called with", above=True),
        box(470, 12, 270, ["polyad's rules on plain arrays", "np.sin(x), and its derivative cos(x)"]),
        box(470, 76, 270, ["another library's operation", "jnp.sin, torch.sin: traced by it"]),
        box(470, 140, 270, ["a graph", "CasADi's and SymPy's symbols"]),
        box(470, 204, 270, ["a program", "the same operations without Python"]),
    ]
    users = {36: "numpy", 100: "jax, torch, autograd", 164: "casadi, sympy", 228: "numpy:compiled"}
    for y, who in users.items():
        parts += [arrow(412, 124, 470, y), words(745, y + 4, who)]
    return drawing(900, 264, parts)


# -- from runs ----------------------------------------------------------------------------------------


def figure(width: float, height: float) -> Any:
    """An empty figure, the same at each run."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "polyad", "font.size": 10})
    return pyplot.subplots(figsize=(width, height), constrained_layout=True)


def steps() -> Any:
    """The error of differences against the step."""
    made, axes = figure(6.5, 3.6)
    x, exact = 0.7, np.cos(0.7) * np.exp(np.sin(0.7))

    def f(x: Any) -> Any:
        return np.exp(np.sin(x))

    def error_of(backend: ad.FiniteDifferences) -> float:
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
    axes.axhline(max(chosen, 1e-17), color=FAINT, linestyle=":", linewidth=1)
    axes.text(1e-15, chosen * 1.5, "what polyad chooses by default", color=FAINT, fontsize=9)
    axes.set(xlabel="step", ylabel="relative error", ylim=(1e-17, 10))
    axes.legend(frameon=False, fontsize=9, loc="upper center", ncols=2)
    return made


# those that compile the loop step by step are not done within the limit
SHOWN = ["casadi", "numpy:compiled", "sympy", "numpy", "finite", "torch", "autograd"]


def violins() -> Any:
    """Run times as ``polyad compare --plot`` draws them."""
    from polyad.benchmark import compare
    from polyad.benchmark.problems import lotka_volterra

    table = compare(
        lotka_volterra, np.array([1.5, 1.0, 1.0, 3.0]), operators="gradient", seconds=0.5, backends=SHOWN
    )
    print(table)
    return table.plot()


def spy() -> Any:
    """A pattern with its colors."""

    def laplace(u: Any) -> Any:
        v = np.zeros((8, 8))
        v[1:-1, 1:-1] = u.reshape(6, 6)
        return (v[2:, 1:-1] + v[:-2, 1:-1] + v[1:-1, 2:] + v[1:-1, :-2] - 4 * u.reshape(6, 6)).ravel() + u**3

    return ad.prepare_jacobian(laplace, np.ones(36), backend=ad.Sparse("numpy")).plot()


DRAWN: dict[str, Callable[[], Any]] = {f.__name__: f for f in (choosing, lift, steps, violins, spy)}


def main(names: list[str]) -> None:
    """Draw those pictures, or all."""
    PICTURES.mkdir(exist_ok=True)
    for name in names or DRAWN:
        made, path = DRAWN[name](), PICTURES / f"{name}.svg"
        if isinstance(made, str):
            path.write_text(made)
        elif name == "violins":  # of so many points that a drawing of lines is large
            path = path.with_suffix(".png")
            made.savefig(path, dpi=90)
        else:
            made.savefig(path, metadata={"Date": None})
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1:])
