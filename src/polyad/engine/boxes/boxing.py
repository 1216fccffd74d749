"""From what the user wrote (boxes, numbers, arrays of any library, lists of them) to values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Rational
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, Value, base, shape_of
from polyad.engine.functions.sparse_products import is_sparse, refused
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.series import Series
from polyad.engine.interpretations.tape import Node, Tape
from polyad.engine.rules.structure import reshape, stack

__all__ = [
    "BOXES",
    "KEEPERS",
    "contains_box",
    "gathered",
    "has_stranger",
    "is_stranger",
    "recorder",
    "steps_back",
    "unbox",
    "unbox_index",
]

# the class of boxes and all its subclasses: asked at every operation
BOXES: set[type] = set()
_KEYS = frozenset({int, slice, type(None), type(Ellipsis)})
_PLAIN = frozenset({float, int, complex, bool, np.float64, np.float32, np.complex128, np.int64, np.bool_})


def unbox(a: Any, beside: Value = None) -> Value:
    """What the user wrote as a value.

    Parameters
    ----------
    a : object
        A box, number, array of any library, or list of them.
    beside : value, optional
        A value it meets: a tape there gets its own copy of what the user may write to later.
    """
    kind = type(a)
    if kind in BOXES:
        return a._value
    if kind in _PLAIN:
        # Python's complex times a NumPy number would be Python's again
        return np.complex128(a) if kind is complex and not shape_of(beside) else a
    if isinstance(a, np.ndarray):
        if a.dtype == object:
            return gathered(a)
        if kind is not np.ndarray and isinstance(a, np.ma.MaskedArray):
            if FOLLOWING.depth and not np.any(a.mask):
                return unbox(np.asarray(a), beside)
            raise refuse(
                "a masked array beside x",
                "use np.where(mask, 0, np.asarray(a)), or np.asarray(a) where nothing is masked",
            )
        tape = recorder(beside)
        return a if tape is None else tape.hold(a)
    if isinstance(a, Tracer | np.generic) or a is None:
        return a
    if isinstance(a, list | tuple):
        return gathered(a)
    owner = library_of(a)
    if owner is not None and not owner.plain:
        plain = owner.released(a)
        return Proxy(owner.name, a) if plain is a else unbox(plain, beside)
    if is_sparse(a):
        raise refused(a)
    return float(a) if isinstance(a, Rational) else a


@functools.lru_cache(256)
def _has_own_functions(kind: Any) -> bool:
    own = getattr(kind, "__array_ufunc__", None)
    return own is not None and own is not np.ndarray.__array_ufunc__ and kind not in BOXES


def is_stranger(a: Any) -> bool:
    """Whether NumPy would ask an object what its functions do with it: a quantity with a unit, say."""
    kind: Any = type(a)
    if kind is np.ndarray or kind in _PLAIN or kind in BOXES or not _has_own_functions(kind):
        return False
    return library_of(a) is None or isinstance(a, np.ndarray)


def has_stranger(types: Any, args: Any) -> bool:
    """Whether there is one among the arguments of a function of NumPy's, of which it has said the types."""
    if len(types) == 1 or not any(map(_has_own_functions, types)):
        return False
    return any(has_stranger(types, a) if isinstance(a, list | tuple) else is_stranger(a) for a in args)


def steps_back(a: Any, reflected: str, is_array: bool) -> bool:
    """Whether the operator of an array, or of a number, leaves the result to that of the other operand."""
    if isinstance(a, np.ndarray | np.generic | Tracer | list | tuple | Rational):
        return False
    kind = type(a)
    if not hasattr(kind, reflected) or library_of(a) is not None:
        return False
    if hasattr(kind, "__array_ufunc__"):
        return kind.__array_ufunc__ is None
    return not is_array or getattr(kind, "__array_priority__", 0.0) > 0.0


def recorder(value: Value) -> Tape | None:
    """A tape that keeps what a value meets, at whichever level."""
    if type(value) is Node:
        return value.tape
    if type(value) is Dual:
        return recorder(value.tangent) or recorder(value.primal)
    keeper = KEEPERS.get(type(value))
    return None if keeper is None else keeper(value)


def _of_series(value: Series) -> Tape | None:
    return next(filter(None, map(recorder, value.coefficients)), None)


# how other kinds of values know the tape under them
KEEPERS: dict[type, Callable[[Any], Tape | None]] = {Series: _of_series}


def unbox_index(index: Any, beside: Value) -> Any:
    """An index without boxes and lists, its arrays safe from later writing."""
    if type(index) is tuple:
        if all([type(k) in _KEYS for k in index]):
            return index
        return tuple([_unbox_key(k, beside) for k in index])
    return _unbox_key(index, beside)


def _unbox_key(k: Any, beside: Value) -> Any:
    kind = type(k)
    if kind is int or kind is slice or k is None or k is Ellipsis:
        return k
    if kind in (bool, np.bool_, list):
        k = _listed(k)
        if k.size == 0 and k.dtype == float:
            k = k.astype(int)
    if isinstance(k, np.ndarray):
        if k.dtype == object and contains_box(list(k.ravel())):  # numbers without values, in a list
            counts = [unbox(n) if type(n) in BOXES else np.asarray(n) for n in k.ravel()]
            return _as_index(reshape(stack(*counts, axis=0), shape=k.shape))
        tape = recorder(beside)
        return k if tape is None else tape.hold(k)
    if isinstance(k, np.integer):
        return int(k)
    if kind in BOXES:
        return _as_index(k._value)
    owner = library_of(k)
    if owner is not None and not owner.plain:
        return Proxy(owner.name, k)
    return k


def _as_index(value: Value) -> Value:
    """What is left of a traced index."""
    value = base(value)
    if value.dtype.kind not in "iub":
        raise IndexError(
            "only integers, slices, None, Ellipsis, integer and boolean arrays are valid indices"
        )
    return value


def _listed(k: Any) -> np.ndarray:
    try:
        return np.asarray(k)
    except ValueError:
        raise refuse(
            "an index that is no array: a list of lists of several lengths, or one that contains itself",
            "use an array of integers",
        ) from None


def gathered(items: Any) -> Value:
    """A list, or an array of objects, with boxes in it as one value; without boxes, as it is."""
    if isinstance(items, np.ndarray):
        flat = [unbox(item) for item in items.ravel()]
        if not any(isinstance(v, Tracer) for v in flat):
            if not all(isinstance(v, float | int | complex | np.number) for v in flat):
                return items
            numbers = np.array(flat)  # of boxes of plain numbers, maybe
            return numbers.astype(np.result_type(numbers, 1.0), copy=False).reshape(items.shape)
        return reshape(stack(*map(_scalar, flat), axis=0), shape=items.shape)
    if not contains_box(items):
        return np.asarray(items)
    values = [unbox(item) for item in items]
    shape = np.broadcast_shapes(*(shape_of(v) for v in values))
    if any(shape_of(v) != shape for v in values):
        raise ValueError("a list of arrays of several shapes is no array")
    return stack(*map(_scalar, values), axis=0)


def _scalar(v: Value) -> Value:
    return v if hasattr(v, "shape") else np.asarray(v, dtype=np.result_type(v, 1.0))


def contains_box(items: Any) -> bool:
    """Whether there is a box in a nesting of lists and tuples."""
    return any(
        type(item) in BOXES or (isinstance(item, list | tuple) and contains_box(item)) for item in items
    )
