"""Silence of NumPy on floating point, which ends whatever happens and costs a tenth of ``np.errstate``.

What NumPy says is a context variable. ``np.errstate`` sets it within functions in Python, where an interrupt
(Ctrl-C) can come between setting it and remembering that it was set: then NumPy is silent for the rest of the
session. Python looks for interrupts only where its own functions begin and after calls, so that a state that
was read first, and is set again in a ``finally``, is never lost::

    before = get_state()
    try:
        set_state(SILENT)
        ...
    finally:
        set_state(before)
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy._core import umath

__all__ = ["SILENT", "get_state", "quiet", "set_state"]

P = ParamSpec("P")
R = TypeVar("R")


def _state() -> tuple[Callable[[], Any], Callable[[Any], Any], Any]:
    variable: Any = getattr(umath, "_extobj_contextvar", None)
    if isinstance(variable, contextvars.ContextVar):
        with np.errstate(all="ignore"):
            return variable.get, variable.set, variable.get()
    return np.geterr, lambda state: np.seterr(**state), dict.fromkeys(np.geterr(), "ignore")  # another NumPy


get_state, set_state, SILENT = _state()


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, during which NumPy says nothing of floating point."""

    @wraps(function)
    def silently(*args: P.args, **kwargs: P.kwargs) -> R:
        before = get_state()
        try:
            set_state(SILENT)
            return function(*args, **kwargs)
        finally:
            set_state(before)

    return silently
