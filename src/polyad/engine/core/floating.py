"""What NumPy says of floating point in rules of derivatives: nothing.

``sqrt`` at zero has an infinite derivative, and that times zero is no number. NumPy would warn of both, at a
line of a rule; polyad warns of results that are not a number itself. What NumPy says of the function's own
values stays, so only rules are silent, and only those that can be infinite where the value is not.
"""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy._core import umath

__all__ = ["SHARP", "begin_silence", "end_silence", "silent", "step"]

# whose derivative is infinite, or a product of infinity and zero, at points where the value is finite
SHARP = frozenset("sqrt cbrt power arcsin arccos arccosh entr rel_entr kl_div xlogy xlog1py leg".split())


# counts the uses of their rules in forward mode, in whichever thread: too many do no harm
step = itertools.count().__next__


def _state() -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """How to begin and to end a silence: ``np.errstate`` takes as long as an operation on a small array."""
    variable: Any = getattr(umath, "_extobj_contextvar", None)
    if not isinstance(variable, contextvars.ContextVar):  # another NumPy

        def begin() -> Any:
            state = np.errstate(all="ignore")
            state.__enter__()
            return state

        return begin, lambda state: state.__exit__(None, None, None)
    with np.errstate(all="ignore"):
        ignored = variable.get()
    return lambda: variable.set(ignored), variable.reset


begin_silence, end_silence = _state()


def silent(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The same rule, of which NumPy says nothing, and which is counted."""

    @wraps(rule)
    def quiet(*args: Any) -> Any:
        step()
        before = begin_silence()
        try:
            return rule(*args)
        finally:
            end_silence(before)

    return quiet
