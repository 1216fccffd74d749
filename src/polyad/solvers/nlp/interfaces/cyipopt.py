"""cyipopt's contract, which ``pounce-solver`` has too: the program itself is the object that they take."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.solvers.nlp.interfaces.solution import Solution

if TYPE_CHECKING:
    from polyad.solvers.nlp.guard import Guard
    from polyad.solvers.nlp.program import Program

__all__ = ["Contract", "modes", "run"]

modes = ("exact", "approximate")


class Contract:
    """The methods of the contract, each watched; without ``hessian`` where it is approximated."""

    def __init__(self, p: Program, guard: Guard, hessian: str) -> None:
        self.objective, self.gradient = guard(p.objective), guard(p.gradient)
        self.constraints, self.jacobian = guard(p.constraints), guard(p.jacobian)
        self.jacobianstructure = p.jacobianstructure
        self.iterations = 0
        if hessian == "exact":
            self.hessian, self.hessianstructure = guard(p.hessian), p.hessianstructure
        self._guard = guard

    def intermediate(self, *state: Any) -> bool:
        """Called once an iteration; False ends the run."""
        self.iterations = int(state[1])
        return self._guard.error is None


def run(p: Program, guard: Guard, hessian: str, options: dict[str, Any], package: str) -> Solution:
    """Solve a program by a package with cyipopt's contract."""
    contract = Contract(p, guard, hessian)
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
