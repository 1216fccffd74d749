"""Draw the chart of the README from the printed results: ``python benchmarks/chart.py``.

It reads the newest ``benchmarks/results/rosenbrock-*.md`` (from ``prepared.py``) and ``engine-*.md`` (from
``engine.py``) and writes ``docs/benchmarks.svg``. A test compares, so run it after new results.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CHART = ROOT / "docs" / "benchmarks.svg"
NAMES = {"jax": "JAX", "torch": "PyTorch", "autograd": "autograd"}
ENGINE = {
    "by hand": "NumPy by hand",
    "jitted JAX": "jitted JAX",
    "NumPy()": "polyad's engine",
    "torch": "PyTorch",
    "autograd": "autograd",
}
PLAIN, POLYAD, INK, FAINT = "#9aa3b5", "#3f51b5", "#222222", "#666666"
WIDTH, HEIGHT, ROW, TOP = 860, 334, 24, 66


def rows(kind: str) -> tuple[str, list[dict[str, str]]]:
    """The head line of the newest results of a kind, and its table."""
    text = sorted(RESULTS.glob(f"{kind}-*.md"))[-1].read_text()
    lines = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|--")
    ]
    return text.splitlines()[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def microseconds(printed: str) -> float:
    """A printed duration."""
    number, unit = printed.split()
    return float(number) * {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}[unit]


def text(x: float, y: float, what: str, anchor: str = "start", ink: str = INK, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{ink}"{more}>{escape(what)}</text>'


def bar(x: float, y: float, width: float, color: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.1f}" height="14" rx="2" fill="{color}"/>'


def heads(x: float, y: float, first: str, second: str) -> list[str]:
    return [text(x, y, first, more=' font-weight="bold"'), text(x, y + 17, second, ink=FAINT)]


def overhead() -> list[str]:
    """How long a prepared gradient through polyad takes, over hand-written code."""
    _, table = rows("rosenbrock")
    left, scale = 158, 102
    parts = heads(
        16, 28, "A prepared gradient through polyad", "over hand-written code of the same framework"
    )
    y = TOP
    for system, name in NAMES.items():
        for n in ("10", "1000", "100000"):
            (row,) = [
                row
                for row in table
                if (row["system"], row["n"], row["operator"], row["arrays"])
                == (system, n, "gradient", "NumPy")
            ]
            ratio = float(row["ratio"])
            parts.append(text(left - 8, y + 11, f"{name}, n = {n}", "end"))
            parts.append(bar(left, y, ratio * scale, POLYAD))
            parts.append(text(left + ratio * scale + 6, y + 11, f"{ratio:.2f}"))
            times = f"{row['native']} → {row['polyad']}".replace("us", "µs")
            parts.append(text(370, y + 11, times, ink=FAINT))
            y += ROW
        y += 3
    one = f'x1="{left + scale}" x2="{left + scale}" y1="{TOP - 6}" y2="{y - 6}"'
    parts.append(f'<line {one} stroke="{INK}" stroke-dasharray="3 3"/>')
    return parts


def engines() -> list[str]:
    """How long one gradient takes by polyad's engine and by others."""
    _, table = rows("engine")
    chosen = [row for row in table if row["problem"] == "Rosenbrock gradient" and row["n"] == "1000"]
    times = {row["this"]: row["this takes"] for row in chosen} | {"NumPy()": chosen[0]["that takes"]}
    left, scale = 630, 150 / max(map(microseconds, times.values()))
    parts = heads(515, 28, "One gradient of that function, n = 1000", "microseconds a call, NumPy in and out")
    for k, name in enumerate(sorted(ENGINE, key=lambda name: microseconds(times[name]))):
        y, took = TOP + k * 22, microseconds(times[name])
        mine = name == "NumPy()"
        parts.append(text(left - 8, y + 11, ENGINE[name], "end", more=' font-weight="bold"' if mine else ""))
        parts.append(bar(left, y, took * scale, POLYAD if mine else PLAIN))
        parts.append(text(left + took * scale + 6, y + 11, f"{took:.3g}"))
    return parts


def loop() -> list[str]:
    """What value and gradient of a loop on numbers cost, over the plain function."""
    _, table = rows("engine")
    times = {
        row["this"]: float(row["quotient"])
        for row in table
        if row["problem"] == "Lotka-Volterra value and gradient"
    }
    chosen = {"CasADi()": "CasADi", "NumPy(compile=True)": "engine, compiled", 'NumPy("forward")': "engine"}
    left, scale = 630, 150 / max(times[name] for name in chosen)
    parts = heads(
        515,
        213,
        "Value and gradient of an ODE solved in a loop",
        "all through polyad, over the plain Python function",
    )
    for k, (name, shown) in enumerate(chosen.items()):
        y = 242 + k * 22
        parts.append(text(left - 8, y + 11, shown, "end"))
        parts.append(bar(left, y, times[name] * scale, POLYAD))
        parts.append(text(left + times[name] * scale + 6, y + 11, f"{times[name]:.2f}"))
    return parts


def chart() -> str:
    """The chart, as SVG."""
    (first, _), (second, _) = rows("rosenbrock"), rows("engine")
    dates = sorted({line.partition(",")[0] for line in (first, second)})
    source = (
        f"Chained Rosenbrock function, float64, two x86-64 cores. From benchmarks/results, {', '.join(dates)}"
    )
    body = "\n".join([*overhead(), *engines(), *loop(), text(16, HEIGHT - 10, source, ink=FAINT)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    CHART.write_text(chart())
    print(f"wrote {CHART.relative_to(ROOT)}")
