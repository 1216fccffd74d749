"""Derivatives handed to solvers, each in exactly the form that the solver accepts.

A folder or module for each family of solvers: ``scipy`` has SciPy's own functions, with their signatures.
``nlp`` describes nonlinear programs, sparse; ``packages`` has other people's packages, ``density`` samplers,
``starts`` many starts of one solver.
Importing this imports no solver: a module here comes when it is first asked for, and brings the package that
it serves when one of its functions is called. ``point`` is what they share: what belongs to one point is
computed once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyad.solvers import nlp, packages, scipy
    from polyad.solvers.density import LogDensity, log_density
    from polyad.solvers.starts import Starts, multistart

__all__ = ["LogDensity", "Starts", "log_density", "multistart", "nlp", "packages", "scipy"]
_NAMES = {"LogDensity": "density", "log_density": "density", "Starts": "starts", "multistart": "starts"}


if not TYPE_CHECKING:  # a type checker that saw it would believe that the room has every name

    def __getattr__(name: str) -> Any:
        """A module of this room, when it is first asked for."""
        if name in _NAMES:
            return getattr(importlib.import_module(f"polyad.solvers.{_NAMES[name]}"), name)
        if name in __all__:
            return importlib.import_module(f"polyad.solvers.{name}")
        raise AttributeError(f"module 'polyad.solvers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
