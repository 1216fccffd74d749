"""Functions that ask of what type a number is, and do something else under differentiation.

``type(x) is float``, ``hasattr(x, "shape")``, ``except ZeroDivisionError`` or warnings that are made errors
are answered by the stand-in of the number or by the framework's arrays, and no single operation is at fault.
So where the code of a function asks such a thing, its value under differentiation is compared with what it
gives of the plain numbers, in calls that are made for one and at preparation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.types import Array, Leaves
from polyad.call.function.flat import label_of
from polyad.call.undefined import numbers
from polyad.errors import FunctionNotSupportedError

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["check_value"]

# how well values agree that are computed in another order, by what each dtype can show
AGREEMENT = 1e3
# and how well those that are nothing but rounding, by what rounding of the input makes of them
NOISE = 100.0


def check_value(prepared: Prepared, x: Leaves, c: Leaves, value: Leaves) -> None:
    """Refuse a function whose value under differentiation is not the one that it has.

    Parameters
    ----------
    prepared : Prepared
        Whose function it is.
    x, c : tuple
        Active and constant leaves of the call.
    value : tuple
        The leaves of the output under differentiation.
    """
    given, constants = [numbers(leaf) for leaf in x], [numbers(leaf) for leaf in c]
    found = [numbers(leaf) for leaf in value]
    if any(a is None for a in (*given, *found)):
        return
    held = tuple([leaf if a is None else _copied(leaf, a) for leaf, a in zip(c, constants, strict=True)])

    def plain(factor: float = 1.0) -> list[Array]:
        leaves = prepared._flat.on_numbers(tuple([_moved(a, factor) for a in given]), held)
        return [np.asarray(leaf) for leaf in leaves]

    digits = max([np.finfo(float).eps, *(np.finfo(a.dtype).eps for a in given if a.dtype.kind in "fc")])
    try:
        expected = plain()
        if _agree(found, expected, digits) or not _agree(plain(), expected, digits):
            return  # the same, or never twice the same
        # where large terms cancel, as much as rounding the input changes
        beside = [plain(1 + factor * digits) for factor in (4, -4)]
        noise = [NOISE * _distance(e, *others) for e, *others in zip(expected, *beside, strict=True)]
        if _agree(found, expected, digits, noise):
            return
    except Exception:  # it is not made for plain numbers
        return
    error = FunctionNotSupportedError(
        f"{label_of(prepared.f)} has another value under {prepared.backend!r} than on plain numbers: it asks "
        "of what type its input is (type(x), hasattr(x, ...)), or catches an error that plain numbers raise, "
        "and is answered otherwise there. Use isinstance(x, float) or isinstance(x, np.ndarray), or "
        "backend='finite'"
    )
    raise error


def _copied(leaf: Any, a: Array) -> Any:
    """A constant in plain numbers: an array of its own, or the number that it is."""
    owner = library_of(leaf)
    if owner is not None and owner.plain:
        return a.copy() if isinstance(leaf, np.ndarray) else leaf
    return a.copy() if a.shape else a[()]


def _moved(a: Array, factor: float) -> Array:
    """A copy, moved a little where it has floating-point numbers."""
    # without axes, too, an array stays one
    return a.copy() if factor == 1 or a.dtype.kind not in "fc" else np.asarray(a * factor, dtype=a.dtype)


def _distance(a: Array, *others: Array) -> float:
    """The largest difference of finite entries."""
    if any(b.shape != a.shape for b in others):
        return 0.0
    gaps = np.array([abs(b - a) for b in others])
    return float(np.max(gaps[np.isfinite(gaps)], initial=0.0))


def _agree(
    found: list[Array], expected: list[Array], digits: float, noise: list[float] | None = None
) -> bool:
    """Whether values agree that were computed of numbers of so many digits."""
    if [a.shape for a in found] != [a.shape for a in expected]:
        return False
    for a, b, more in zip(found, expected, noise or [0.0] * len(found), strict=True):
        if b.dtype.kind not in "fciub":
            raise TypeError(b.dtype)
        shown = max(np.finfo(k.dtype).eps if k.dtype.kind in "fc" else 0.0 for k in (a, b))
        near = AGREEMENT * max(digits, shown)
        size = np.max(abs(b[np.isfinite(b)]), initial=0.0)
        if not np.allclose(a, b, rtol=near, atol=near * size + more, equal_nan=True):
            return False
    return True
