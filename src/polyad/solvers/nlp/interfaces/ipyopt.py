"""``ipyopt``: Ipopt, bundled; entries are written into memory that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.nlp.interfaces.solution import IPOPT, Solution

if TYPE_CHECKING:
    from polyad.solvers.caught import Caught
    from polyad.solvers.nlp.program import Program

__all__ = ["modes", "run"]

modes = ("exact", "approximate")


def run(p: Program, caught: Caught, hessian: str, options: dict[str, Any]) -> Solution:
    """Solve a program by ``ipyopt``."""
    import ipyopt

    def into(function: Any) -> Any:
        def fill(*args: Any) -> None:
            args[-1][...] = function(*args[:-1])

        return caught.watched(fill)

    counted = {"iterations": 0}

    def intermediate(*state: Any) -> bool:
        counted["iterations"] = state[1]
        return not caught.failed  # or Ipopt would look for a point that can be computed

    second: dict[str, Any] = {}
    structure: Any = (np.zeros(0, int), np.zeros(0, int))
    if hessian == "exact":
        second["eval_h"] = into(p.hessian)
        structure = p.hessianstructure()
    options = {"print_level": 0, "sb": "yes", **options}
    if hessian == "approximate":
        options["hessian_approximation"] = "limited-memory"
    made = ipyopt.Problem(
        p.n,
        p.lower.copy(),
        p.upper.copy(),
        p.m,
        p.constraint_lower.copy(),
        p.constraint_upper.copy(),
        p.jacobianstructure(),
        structure,
        caught.watched(p.objective),
        into(p.gradient),
        into(p.constraints),
        into(p.jacobian),
        intermediate_callback=intermediate,
        ipopt_options=options,
        **second,
    )
    multipliers, lower, upper = np.zeros(p.m), np.zeros(p.n), np.zeros(p.n)
    found: tuple[Array, float, int] = made.solve(
        p.start.copy(), mult_g=multipliers, mult_x_L=lower, mult_x_U=upper
    )
    x, _, status = found
    message = IPOPT.get(status, str(status))
    return Solution(x, status in (0, 1), message, multipliers, lower, upper, counted["iterations"], found)
