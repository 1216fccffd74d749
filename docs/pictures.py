"""Draws the pictures of the pages on solvers and of the examples: ``python docs/pictures.py [name ...]``.

A picture is a function here that returns a figure of matplotlib's; its name is that of the file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PICTURES: dict[str, Callable[[Any], Any]] = {}
sys.path.insert(0, str(HERE.parent / "examples"))


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


def main() -> None:
    """Draw those that are named, or all."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "polyad", "axes.spines.top": False, "axes.spines.right": False})
    for name in sys.argv[1:] or PICTURES:
        figure = PICTURES[name](plt)
        figure.savefig(HERE / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)
        print(f"{name}.svg")


if __name__ == "__main__":
    main()
