"""Calls that NumPy does not accept: NumPy is asked itself, on plain arrays of the shapes.

Composite functions of the engine are written for what fits, and might make something of what does not. So
those in ``ASKED`` are asked for at the first call of each form; a form that was accepted is remembered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.values import Tracer, base
from polyad.engine.interpretations.numpy_errors import raised_by_numpy, stand_in

__all__ = ["ASKED", "ask", "said_by_numpy"]

_NUMPY = """
    average convolve correlate cross expand_dims geomspace histogram interp linspace logspace moveaxis
    percentile quantile rot90 squeeze
"""
_LINALG = "cholesky eigh eigvalsh"
ASKED: frozenset[Any] = frozenset(
    getattr(module, name) for module, names in ((np, _NUMPY), (np.linalg, _LINALG)) for name in names.split()
)
ACCEPTED: set[Any] = set()
MOST = 4096
# more entries than this are not computed with for a question
LARGEST = 100_000
# a constant of so many entries belongs to the form with its values: weights may sum to zero
FEW = 16


def ask(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise what NumPy raises of a call whose form was not accepted before."""
    try:
        key = (func, _form(args), _form(tuple(kwargs.items())))
        if key in ACCEPTED:
            return
    except (TypeError, RecursionError):  # it has no hash, or no end
        key = None
    error = said_by_numpy(func, args, kwargs)
    if error is not None:
        raise error
    if key is not None and len(ACCEPTED) < MOST:
        ACCEPTED.add(key)


def _form(a: Any) -> Any:
    kind = type(a)
    if kind in BOXES:
        return a.shape, a.dtype
    if kind is np.ndarray:
        return a.shape, a.dtype, a.tobytes() if a.size <= FEW else None
    if kind is tuple or kind is list:
        return tuple([_form(part) for part in a])
    return kind, a


def said_by_numpy(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception | None:
    """What NumPy raises of a call on plain arrays; None where it raises nothing, or cannot be asked."""
    try:
        plain = [_plain(a) for a in args]
        named = {name: _plain(a) for name, a in kwargs.items() if name != "out"}
    except (LookupError, RecursionError):  # a list that contains itself has no plain counterpart
        return None
    return raised_by_numpy(func, plain, named)


def _plain(a: Any) -> Any:
    if type(a) in BOXES:
        value = base(a._value)
        if isinstance(value, Tracer) and (value.dtype.kind not in "fc" or value.size > LARGEST):
            raise LookupError  # what counts has no value that would do
        return stand_in(value)
    if isinstance(a, list | tuple) and not hasattr(a, "_fields"):
        return type(a)(_plain(part) for part in a)
    return a
