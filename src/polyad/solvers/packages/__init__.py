"""Other people's packages: one file for each, with derivatives in the form that it takes.

Each imports its package when one of its functions is called. ``checks`` is what they share: what arguments
must be, and functions whose value is one number.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyad.solvers.packages import (
        iminuit,
        lmfit,
        nlopt,
        openmdao,
        optimagic,
        pygmo,
        pymoo,
        pytensor,
        statsmodels,
        sundae,
    )

__all__ = [
    "iminuit",
    "lmfit",
    "nlopt",
    "openmdao",
    "optimagic",
    "pygmo",
    "pymoo",
    "pytensor",
    "statsmodels",
    "sundae",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """A module of this room, when it is first asked for."""
        if name in __all__:
            return importlib.import_module(f"polyad.solvers.packages.{name}")
        raise AttributeError(f"module 'polyad.solvers.packages' has no attribute {name!r}")
