"""Functions of NumPy's that write what another function gives into an array of their own, and assertions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import Tracer, base
from polyad.engine.follow.conversions import as_box, buffer, is_subclass
from polyad.engine.follow.counterparts import Maker, counterpart, has_box
from polyad.errors import FunctionNotSupportedError

__all__ = ["ENTER", "Listed", "beside", "is_listed"]

_piecewise: Any = np.piecewise
_along: Any = np.apply_along_axis


@counterpart(np.piecewise, Maker)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    if type(x) in BOXES or not any(map(callable, funclist)):
        return _piecewise(x, condlist, funclist, *args, **kw)
    x = np.asarray(x)
    if np.isscalar(condlist) or (not isinstance(condlist[0], list | np.ndarray) and x.ndim):
        condlist = [condlist]
    chosen = np.asarray(condlist, dtype=bool)
    if len(chosen) == len(funclist) - 1:
        chosen = np.concatenate([chosen, ~np.any(chosen, axis=0, keepdims=True)], axis=0)
    if len(chosen) != len(funclist):
        return _piecewise(x, condlist, funclist, *args, **kw)  # raises
    y = buffer(np.zeros_like(x))
    for where, f in zip(chosen, funclist, strict=True):
        if not callable(f):
            y[where] = f
        elif (entries := x[where]).size:
            y[where] = f(entries, *args, **kw)
    return y


@counterpart(np.apply_along_axis, Maker)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    arr = as_box(arr) if has_box((arr,)) else np.asarray(arr)
    if not arr.size:
        return _along(func1d, axis, arr, *args, **kwargs)
    lines = np.moveaxis(arr, axis, -1)
    around = lines.shape[:-1]
    found = [func1d(lines[k], *args, **kwargs) for k in np.ndindex(around)]
    found = [as_box(a) if has_box((a,)) else np.asanyarray(a) for a in found]
    if not has_box(found):
        rows = iter(found)  # what the functions gave, in the order in which NumPy asks
        return buffer(_along(lambda _: next(rows), axis, np.empty(arr.shape)))
    inner = found[0].ndim
    whole = np.reshape(np.stack(found), around + found[0].shape)
    at = axis % arr.ndim
    return np.moveaxis(whole, list(range(-inner, 0)), list(range(at, at + inner))) if inner else whole


# -- lists ---------------------------------------------------------------------------------------------------

# functions of a list of arrays: its members are what may be lists
SEQUENCES = frozenset(
    "concatenate stack vstack hstack dstack column_stack select choose multi_dot lexsort ix_".split()
)
# a list is not an array to these
OTHERWISE = frozenset("block result_type can_cast shape ndim size broadcast_shapes array_repr".split())
_DISPATCHED: type = type(np.concatenate)


def is_listed(f: Any) -> bool:
    """Whether it is one of NumPy's functions, or of SciPy's of that kind, that make arrays of lists."""
    kind = type(f)
    return kind is np.ufunc or (kind is _DISPATCHED and f.__name__ not in OTHERWISE)


class Listed:
    """Such a function about to be called: a list with boxes in it is made an array first, as NumPy does."""

    __slots__ = ("f",)

    def __init__(self, f: Any) -> None:
        self.f = f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.f.__name__ in SEQUENCES:
            given = [list(map(_array, a)) if isinstance(a, list | tuple) else a for a in args]
        else:
            given = list(map(_array, args))
            kwargs = {name: _array(a) for name, a in kwargs.items()}
        if not any(map(is_subclass, given)):
            return self.f(*given, **kwargs)
        try:
            return self.f(*given, **kwargs)  # which may give one of that class
        except (TypeError, FunctionNotSupportedError):
            return self.f(*[as_box(a) if is_subclass(a) else a for a in given], **kwargs)


def _array(a: Any) -> Any:
    if type(a) in BOXES or not has_box((a,)):
        return a
    return as_box(a)


def beside(items: Any, other: Any) -> Any:
    """A list that an operator is about to meet: an array, where the other is one, as NumPy makes it."""
    if not FOLLOWING.depth or not isinstance(other, np.ndarray) or not isinstance(items, list | tuple):
        return items
    return _array(items)


# -- assertions ----------------------------------------------------------------------------------------------


ASSERTIONS = (
    "equal almost_equal approx_equal allclose array_equal array_less array_almost_equal "
    "array_almost_equal_nulp array_max_ulp"
)


def _testing(module: Any) -> None:
    for name in ASSERTIONS.split():
        original = getattr(module, f"assert_{name}")
        counterpart(original)(_of_numbers(original))


def _of_numbers(original: Any) -> Callable[..., Any]:
    """What is asserted of numbers, which gives nothing that could lose a derivative."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        return original(*map(_plain, args), **kwargs)

    return apply


def _plain(a: Any) -> Any:
    if type(a) in BOXES or not has_box((a,)):
        known = base(a._value) if type(a) in BOXES else a
        return a if isinstance(known, Tracer) else known
    return _plain(as_box(a))


ENTER: dict[str, Callable[[Any], None]] = {"numpy.testing": _testing}
