"""SciPy's solvers with exact derivatives: the same signatures, and the same results.

Each function here has the name and the signature of SciPy's, which does the work; what it would approximate
by differences comes from polyad, in the form that the method accepts. Keywords say how: ``backend=``,
``follow=``. A function's module, and SciPy's solver, come when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyad.solvers.scipy.boundary import solve_bvp
    from polyad.solvers.scipy.checks import check_grad
    from polyad.solvers.scipy.fits import curve_fit, least_squares
    from polyad.solvers.scipy.initial import solve_ivp
    from polyad.solvers.scipy.minima import minimize
    from polyad.solvers.scipy.roots import fsolve, newton_krylov, root
    from polyad.solvers.scipy.scalars import newton, root_scalar

__all__ = [
    "check_grad",
    "curve_fit",
    "fsolve",
    "least_squares",
    "minimize",
    "newton",
    "newton_krylov",
    "root",
    "root_scalar",
    "solve_bvp",
    "solve_ivp",
]

# a module has no name of a function, which it would hide once it is imported
_NAMES = {
    "boundary": "solve_bvp",
    "checks": "check_grad",
    "fits": "curve_fit least_squares",
    "initial": "solve_ivp",
    "minima": "minimize",
    "roots": "fsolve newton_krylov root",
    "scalars": "newton root_scalar",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


if not TYPE_CHECKING:  # a type checker that saw it would believe that the room has every name

    def __getattr__(name: str) -> Any:
        """A function, when it is first asked for."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'polyad.solvers.scipy' has no attribute {name!r}")
        module = importlib.import_module(f"polyad.solvers.scipy.{home}")
        found = globals()[name] = getattr(module, name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
