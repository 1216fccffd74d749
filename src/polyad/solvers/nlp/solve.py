"""A program handed to a solver by name."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polyad.errors import ArgumentError, OptionalPackageError
from polyad.solvers.caught import Caught
from polyad.solvers.nlp.interfaces.solution import Solution

if TYPE_CHECKING:
    from polyad.solvers.nlp.program import Program

__all__ = ["solve", "solvers"]


class _Solver(NamedTuple):
    name: str
    package: str
    install: str
    interface: str
    # what its interface is told besides the program
    more: dict[str, str]


# the first one that is installed is taken where none is named
_SOLVERS = {
    solver.name: solver
    for solver in (
        _Solver("ipyopt", "ipyopt", "ipyopt", "ipyopt", {}),
        _Solver("casadi", "casadi", "casadi", "casadi", {}),
        _Solver("cyipopt", "cyipopt", "cyipopt", "cyipopt", {"package": "cyipopt"}),
        _Solver("pounce", "pounce", "pounce-solver", "cyipopt", {"package": "pounce"}),
        _Solver("uno", "unopy", "unopy", "uno", {}),
        _Solver("trust-constr", "scipy", "scipy", "trust_constr", {}),
    )
}


def _installed(solver: _Solver) -> bool:
    return importlib.util.find_spec(solver.package) is not None


def solvers() -> dict[str, bool]:
    """The names that ``solve`` takes, and whether what they need is installed.

    Examples
    --------
    >>> from polyad.solvers import nlp
    >>> nlp.solvers()["trust-constr"]
    True
    """
    return {name: _installed(solver) for name, solver in _SOLVERS.items()}


def solve(
    program: Program,
    method: str | None = None,
    *,
    hessian: str = "exact",
    options: dict[str, Any] | None = None,
) -> Any:
    """Solve a nonlinear program.

    Parameters
    ----------
    program : Program
        What ``polyad.solvers.nlp.program`` has made.
    method : str, optional
        "ipyopt", "casadi", "cyipopt" and "pounce" are Ipopt's method, the last one in a library of its own;
        "uno", and "trust-constr" of SciPy. None takes the first of them that is installed.
    hessian : {"exact", "products", "approximate"}
        The sparse matrix; its products alone, for "uno" and "trust-constr"; or the solver's own approximation
        from gradients.
    options : dict, optional
        Options of the solver, in its own names.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x`` (in the form of the start), ``fun``, ``success``, ``message``, ``constraints``, ``multipliers``
        (of the constraints: the gradient of ``f + multipliers @ c`` is in balance with those of the bounds),
        ``lower_multipliers`` and ``upper_multipliers``, ``nit``, ``method``, and ``raw``, what the solver
        returned.

    Raises
    ------
    polyad.errors.ArgumentError
        If there is no such solver, or it does not take the Hessian in that form.
    polyad.errors.OptionalPackageError
        If it is not installed.
    Exception
        What the functions raise, with their own traceback: it ends the solver.
    """
    if method is None:
        method = next(name for name, solver in _SOLVERS.items() if _installed(solver))
    solver = _SOLVERS.get(method)
    if solver is None:
        raise ArgumentError(
            f"method={method!r} is no solver here: pass one of {', '.join(map(repr, _SOLVERS))}"
        )
    if not _installed(solver):
        others = ", ".join(repr(name) for name, found in solvers().items() if found)
        raise OptionalPackageError(
            f"method={method!r} needs a package that is not installed: pip install {solver.install}; "
            f"installed are {others}"
        )
    interface = importlib.import_module(f"polyad.solvers.nlp.interfaces.{solver.interface}")
    if hessian not in interface.modes:
        able = [name for name, s in _SOLVERS.items() if hessian in _modes(s)]
        modes = ("exact", "products", "approximate")
        hint = f"methods that take it are {', '.join(map(repr, able))}" if able else f"pass one of {modes}"
        raise ArgumentError(f"method={method!r} takes no hessian={hessian!r}: {hint}")
    run: Callable[..., Solution] = functools.partial(interface.run, **solver.more)
    caught = Caught()
    found = caught.run(run, program, caught, hessian, dict(options or {}))
    return _result(program, found, method)


def _modes(solver: _Solver) -> tuple[str, ...]:
    return importlib.import_module(f"polyad.solvers.nlp.interfaces.{solver.interface}").modes


def _result(program: Program, found: Solution, method: str) -> Any:
    from scipy.optimize import OptimizeResult

    x = np.array(found.x)
    fun, constraints = program.objective(x), program.constraints(x)
    message = found.message
    if not found.success:
        message += _undefined(program, x)
    return OptimizeResult(
        x=program.unknown.returned(x),
        fun=fun,
        success=found.success,
        message=message,
        constraints=constraints,
        multipliers=found.multipliers,
        lower_multipliers=found.lower,
        upper_multipliers=found.upper,
        nit=found.iterations,
        method=method,
        raw=found.raw,
    )


def _undefined(program: Program, x: Any) -> str:
    """What is no number at the point where a solver gave up, in words."""
    values = {
        "the objective": np.array([program.objective(x)]),
        "the gradient": program.gradient(x),
        "the constraints": program.constraints(x),
        "the Jacobian of the constraints": program.jacobian(x),
    }
    wrong = [name for name, value in values.items() if not np.isfinite(value).all()]
    return f" (not finite there: {', '.join(wrong)})" if wrong else ""
