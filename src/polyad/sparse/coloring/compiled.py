"""Running the loops: compiled by numba where it is installed and pays, in Python on lists otherwise."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["THRESHOLD", "ahead", "run"]

# Importing numba, and what it does before its first loop, be that in its cache or not, takes as long as so
# many steps in Python: it is done after them. Where somebody else has imported it, a third of that is left.
THRESHOLD = 4_500_000
_spent = 0
_ready: dict[Callable[..., int], Callable[..., int]] = {}


def run(kernel: Callable[..., int], work: float, *arguments: Any, compiled: bool | None = None) -> int:
    """Call a loop of ``kernels`` on arrays; those that may be written to are.

    Both give the same result. ``work`` is about how many steps it takes.
    """
    global _spent
    if compiled is None:
        _spent += int(work) if kernel not in _ready else 0
        compiled = kernel in _ready or (_spent > _threshold() and _has_numba())
    if compiled:
        return int((_ready.get(kernel) or _compile(kernel))(*arguments))
    lists = [a.tolist() if isinstance(a, np.ndarray) else a for a in arguments]
    found = kernel(*lists)
    for array, values in zip(arguments, lists, strict=True):
        if isinstance(array, np.ndarray) and array.flags.writeable and array.size:
            array[:] = values
    return found


def ahead(work: float) -> None:
    """Say that so many steps will be taken: where numba pays for them, it is loaded for the first."""
    global _spent
    if _spent + work > _threshold():
        _spent = THRESHOLD + 1


def _threshold() -> float:
    return THRESHOLD / 3 if "numba" in sys.modules else THRESHOLD


def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


def _compile(kernel: Callable[..., int]) -> Callable[..., int]:
    from numba import njit

    try:
        made = njit(kernel, cache=True, nogil=True)
    except RuntimeError:  # there is no folder to keep it in, neither beside the source nor the user's own
        made = njit(kernel, nogil=True)
    _ready[kernel] = made
    return made
