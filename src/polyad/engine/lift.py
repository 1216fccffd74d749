"""The engine's door for arrays of other libraries: into boxes, on which NumPy code runs, and out again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine.boxes import methods  # noqa: F401  (fills the table and gives the box its methods)
from polyad.engine.boxes.box import Box, unbox
from polyad.engine.boxes.boxing import gathered
from polyad.engine.core.kinds import zeros_of
from polyad.engine.core.values import ALIVE, Tracer, base, settled
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.numbers.number import ScalarBox
from polyad.engine.rules.structure import astype

__all__ = [
    "LIFTED",
    "array_in",
    "box_of",
    "is_number",
    "lift",
    "numbers_in",
    "opened",
    "unlift",
    "zeros_beside",
]


class Lifted(threading.local):
    """The run that arrays belong to which are lifted in this thread."""

    run = 0


LIFTED = Lifted()


def lift(library: str, array: Any, run: int | None = None) -> Box:
    """An array of another library as a box on which NumPy code runs, in the run of that level."""
    return Box(Proxy(library, array, LIFTED.run if run is None else run))


def unlift(leaf: Any) -> Any:
    """What a lifted function returned, as its library's array; anything else as it is."""
    if isinstance(leaf, np.ndarray) and leaf.dtype == object:
        leaf = Box(gathered(leaf))
    if isinstance(leaf, Box):
        value = settled(leaf._value)
        return value.array if type(value) is Proxy else value
    return leaf


def opened(box: Any) -> tuple[str, Any]:
    """What is in a box, and whose it is.

    Another library's array with the name of that library, plain numbers with ``"numpy"``, or the box
    itself with ``"engine"`` where a differentiation by the engine follows it.
    """
    value = box._value
    if not isinstance(value, Tracer):
        return "numpy", value
    return (value.library, value.array) if type(value) is Proxy else ("engine", box)


def array_in(box: Any) -> Any:
    """The array of another library at the bottom of a box, or None."""
    if type(box) is ScalarBox:  # at whose bottom is a float
        return None
    value = base(box._value)
    return value.array if type(value) is Proxy else None


def is_number(box: Any) -> bool:
    """Whether a box is a double number of a differentiation that is running."""
    return type(box) is ScalarBox and box._entries.level in ALIVE


def numbers_in(leaf: Any) -> np.ndarray | None:
    """The numbers that a box or another library's array stands for, or None where there are none now."""
    if isinstance(leaf, Box):
        value = base(leaf._value)
        if type(value) is not Proxy:
            return np.asarray(value)
        library, array = value.library, value.array
    else:
        owner = library_of(leaf)
        library, array = "" if owner is None else owner.name, leaf
    try:
        return adapter(library).values(array)
    except Exception:  # each library has an error of its own for what is being traced
        return None


def box_of(leaf: Any) -> Box:
    """A box of its own around what a leaf holds now: what is written there does not reach the leaf."""
    return Box(unbox(leaf))


def zeros_beside(arrays: Sequence[Any], shape: tuple[int, ...]) -> Box:
    """Zeros in a box that can hold what is computed from these arrays, in their common dtype."""
    values = [unbox(a) for a in arrays]
    # the array of another library, if there is one, says where the zeros must be
    like = next((v for v in values if isinstance(base(v), Tracer)), values[0])
    dtype = np.result_type(*(v.dtype for v in values))
    zeros = zeros_of(like, shape)
    return Box(zeros if zeros.dtype == dtype else astype(zeros, dtype=dtype))
