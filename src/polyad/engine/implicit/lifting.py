"""NumPy code on arrays of any library, boxes, numbers and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes import methods  # noqa: F401  (fills the table and gives the box its methods)
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import base, settled
from polyad.engine.implicit.captured import active
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["lifted", "numbers_of"]


def lifted(f: Callable[..., Any], *args: Any) -> Any:
    """``f(*args)`` with each argument a box or None, or an array where none is active.

    The result is of the kind of the arguments.
    """
    if not active(args):
        return f(*[None if a is None else _plain(a) for a in args])
    kept = any(isinstance(a, Box) or _has_boxes(a) for a in args)
    out = f(*[None if a is None else _boxed(a) for a in args])
    if kept or not isinstance(out, Box):
        return out
    value = settled(out._value)
    return value.array if type(value) is Proxy else value


def _has_boxes(a: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == object
    return isinstance(a, list | tuple) and any(isinstance(part, Box) or _has_boxes(part) for part in a)


def _plain(a: Any) -> Any:
    a = np.asarray(a)
    return a.astype(float) if a.dtype.kind in "biu" else a


def _boxed(a: Any) -> Box:
    value = unbox(a)
    if not hasattr(value, "shape"):
        value = np.asarray(value, dtype=float)[()]
    elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biu":
        value = value.astype(float)
    return Box(value)


def numbers_of(a: Any, label: str) -> Any:
    """The plain numbers of something, without its derivative."""
    value = base(settled(unbox(a)))
    if type(value) is not Proxy:
        return value
    found = adapter(value.library).values(value.array)
    if found is None:
        raise refuse(
            f"{label} needs numbers, and {value.library} has none yet",
            "use backend='numpy', 'torch' or 'autograd'",
        )
    return found if found.shape else found[()]
