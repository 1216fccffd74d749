"""What NumPy says of floating point in rules of derivatives: nothing.

``sqrt`` at zero has an infinite derivative, and that times zero is no number. NumPy would warn of both, at a
line of a rule; polyad warns of results that are not a number itself. What NumPy says of the function's own
values stays, so only rules are silent, and only those that can be infinite where the value is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state

__all__ = ["SHARP", "same", "silent", "step"]

# whose derivative is infinite, or a product of infinity and zero, at points where the value is finite
SHARP = frozenset("sqrt cbrt power arcsin arccos arccosh entr rel_entr kl_div xlogy xlog1py leg".split())


# counts the uses of their rules in forward mode, in whichever thread: too many do no harm
step = itertools.count().__next__


def silent(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The same rule, of which NumPy says nothing, and which is counted."""

    @wraps(rule)
    def quiet(*args: Any) -> Any:
        step()
        before = get_state()
        try:
            set_state(SILENT)
            return rule(*args)
        finally:
            set_state(before)

    return quiet


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal bit by bit, so that nan equals nan and 0.0 is not -0.0."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.itemsize == 8 and not a.dtype.hasobject and a.flags.c_contiguous and b.flags.c_contiguous:
        return bool((a.view(np.int64) == b.view(np.int64)).all())
    return a.tobytes() == b.tobytes()
