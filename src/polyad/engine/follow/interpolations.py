"""Interpolations of SciPy's that exist already, and are evaluated where it is differentiated, by polyad's."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from polyad.engine.follow.counterparts import has_box
from polyad.engine.follow.places import Holder, instead

__all__ = ["of_interpolation"]


def of_interpolation(name: str) -> Iterator[Holder]:
    """The methods of a module of ``scipy.interpolate`` that get other code."""
    if not name.startswith("scipy.interpolate."):
        return
    module = sys.modules[name]
    for cls, own in _EVALUATED.items():
        f = vars(getattr(module, cls, object)).get("__call__")
        if isinstance(f, types.FunctionType) and f.__module__ == name:
            yield _evaluated(f, own)


@functools.cache
def _evaluated(f: types.FunctionType, own: Callable[..., Any]) -> Holder:
    return instead(f, own)


def _pieces(self: Any, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
    room = importlib.import_module("polyad.interpolate.pieces")
    return room.Pieces(self.c, self.x, self.extrapolate, self.axis)(x, nu, extrapolate)


def _one(self: Any, x: Any) -> Any:
    if not hasattr(self, "_kind") or has_box((self.y,)):
        return NotImplemented
    room = importlib.import_module("polyad.interpolate")
    options = {"bounds_error": self.bounds_error, "fill_value": self.fill_value}
    return room.interp1d(self.x, self.y, self._kind, self.axis, **options)(x)


def _grid(self: Any, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
    if nu is not None:
        return NotImplemented
    room = importlib.import_module("polyad.interpolate")
    options = {"bounds_error": self.bounds_error, "fill_value": self.fill_value}
    return room.RegularGridInterpolator(self.grid, self.values, method or self.method, **options)(xi)


_EVALUATED = {
    "PPoly": _pieces,
    "_PPolyBase": _pieces,
    "_Interpolator1D": _one,
    "RegularGridInterpolator": _grid,
}
