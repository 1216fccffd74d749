"""cyipopt's contract, which ``pounce-solver`` has too: the program itself is the object that they take."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.solvers.nlp.interfaces.solution import Solution

if TYPE_CHECKING:
    from polyad.solvers.caught import Caught
    from polyad.solvers.nlp.program import Program

__all__ = ["Contract", "modes", "run"]

modes = ("exact", "approximate")


class Contract:
    """The methods of the contract, each watched; without ``hessian`` where it is approximated."""

    def __init__(self, p: Program, caught: Caught, hessian: str) -> None:
        self.objective, self.gradient = caught.watched(p.objective), caught.watched(p.gradient)
        self.constraints, self.jacobian = caught.watched(p.constraints), caught.watched(p.jacobian)
        self.jacobianstructure = p.jacobianstructure
        self.iterations = 0
        if hessian == "exact":
            self.hessian, self.hessianstructure = caught.watched(p.hessian), p.hessianstructure
        self._caught = caught

    def intermediate(self, *state: Any) -> bool:
        """Called once an iteration; False ends the run."""
        self.iterations = int(state[1])
        return not self._caught.failed


def run(p: Program, caught: Caught, hessian: str, options: dict[str, Any], package: str) -> Solution:
    """Solve a program by a package with cyipopt's contract."""
    contract = Contract(p, caught, hessian)
    made = importlib.import_module(package).Problem(
        n=p.n,
        m=p.m,
        problem_obj=contract,
        lb=p.lower,
        ub=p.upper,
        cl=p.constraint_lower,
        cu=p.constraint_upper,
    )
    options = {"print_level": 0, "sb": "yes", **options}
    if hessian == "approximate":
        options["hessian_approximation"] = "limited-memory"
    for name, value in options.items():
        made.add_option(name, value)
    x, info = made.solve(p.start.copy())
    message = info["status_msg"]
    message = message.decode() if isinstance(message, bytes) else str(message)
    return Solution(
        np.asarray(x),
        info["status"] in (0, 1),
        message,
        np.asarray(info["mult_g"]),
        np.asarray(info["mult_x_L"]),
        np.asarray(info["mult_x_U"]),
        contract.iterations,
        info,
    )
