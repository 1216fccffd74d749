"""The pictures that are drawn by hand: boxes, words and arrows as SVG."""

from __future__ import annotations

from xml.sax.saxutils import escape

INK, FAINT, FILL, STRONG = "#222222", "#666666", "#eef0fa", "#3f51b5"


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
