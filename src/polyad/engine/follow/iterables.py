"""Functions that take whatever gives numbers one by one, and those that call a function for each entry."""

from __future__ import annotations

import functools
import math
import statistics
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.follow.conversions import as_box, dtype_of
from polyad.engine.follow.counterparts import COUNTERPARTS, Counterpart, Maker, counterpart, has_box
from polyad.engine.numbers.python import as_python

__all__ = ["MADE", "of_entries", "remade"]


class Consuming(Counterpart):
    """Stands for a function whose first argument may be an iterator, which can be looked at once only."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth and args and isinstance(args[0], Iterator):
            args = (list(args[0]), *args[1:])
        return super().__call__(*args, **kwargs)


@counterpart(math.fsum, Consuming)
def _fsum(items: Any, /) -> Any:
    return as_python(sum(items, 0.0))


@counterpart(math.prod, Consuming)
def _prod(items: Any, /, *, start: Any = 1) -> Any:
    for item in items:
        start = start * item
    return start


@counterpart(np.fromiter, Consuming)
def _fromiter(items: Any, dtype: Any, count: int = -1, **_: Any) -> Any:
    wanted = dtype_of(dtype)
    items = list(items)[: None if count < 0 else count]
    return as_box(items).astype(wanted) if wanted.kind in "fc" else np.fromiter(items, wanted)


# -- statistics ----------------------------------------------------------------------------------------------


def _of_data(original: Any, own: Callable[..., Any]) -> None:
    @counterpart(original, Consuming)
    def apply(data: Any, center: Any = None, /, **kwargs: Any) -> Any:
        if kwargs or len(data) < 2:
            return original(data, center, **kwargs)  # refuses
        return as_python(own(as_box(data) if type(data) not in BOXES else data, center))


def _mean(x: Any, _: Any) -> Any:
    return np.sum(x) / x.shape[0]


def _squares(x: Any, center: Any) -> Any:
    return np.sum((x - (_mean(x, None) if center is None else center)) ** 2)


_of_data(statistics.mean, _mean)
_of_data(statistics.fmean, _mean)
_of_data(statistics.pvariance, lambda x, c: _squares(x, c) / x.shape[0])
_of_data(statistics.variance, lambda x, c: _squares(x, c) / (x.shape[0] - 1))
_of_data(statistics.pstdev, lambda x, c: np.sqrt(_squares(x, c) / x.shape[0]))
_of_data(statistics.stdev, lambda x, c: np.sqrt(_squares(x, c) / (x.shape[0] - 1)))


def _two(original: Any, own: Callable[..., Any]) -> None:
    @counterpart(original)
    def apply(x: Any, y: Any, /, **kwargs: Any) -> Any:
        if kwargs or len(x) != len(y) or len(x) < 2:
            return original(x, y, **kwargs)  # refuses
        x, y = (as_box(v) if has_box((v,)) else np.asarray(v, dtype=float) for v in (x, y))
        return own(x - np.mean(x), y - np.mean(y), x, y)


def _line(dx: Any, dy: Any, x: Any, y: Any) -> Any:
    slope = np.sum(dx * dy) / np.sum(dx**2)
    return statistics.LinearRegression(as_python(slope), as_python(np.mean(y) - slope * np.mean(x)))


_two(statistics.covariance, lambda dx, dy, x, _: as_python(np.sum(dx * dy) / (x.shape[0] - 1)))
_two(
    statistics.correlation,
    lambda dx, dy, *_: as_python(np.sum(dx * dy) / np.sqrt(np.sum(dx**2) * np.sum(dy**2))),
)
_two(statistics.linear_regression, _line)


def _whole(original: Any, own: Callable[..., Any]) -> None:
    @counterpart(original, Consuming)
    def apply(data: Any, weights: Any = None) -> Any:
        if weights is not None or len(data) < 1:
            return original(data, weights) if weights is not None else original(data)  # refuses
        return as_python(own(as_box(data) if type(data) not in BOXES else data))


_whole(statistics.geometric_mean, lambda x: np.exp(np.mean(np.log(x))))
_whole(statistics.harmonic_mean, lambda x: x.shape[0] / np.sum(1 / x))
_whole(statistics.median, np.median)


# -- a function for each entry -------------------------------------------------------------------------------


@counterpart(np.ndenumerate)
def _ndenumerate(arr: Any) -> Any:
    return zip(np.ndindex(arr.shape), (arr[k] for k in np.ndindex(arr.shape)), strict=True)


class _Vectorized(np.vectorize):
    """A vectorized function that forgets the types of its outputs where boxes come, which have theirs."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth and (has_box(args) or has_box(kwargs.values())):
            return of_entries(self)(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def of_entries(vectorized: Any) -> Callable[..., Any]:
    """The function of a vectorized one, called with each entry; what it is made of is followed too."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        types = vectorized.otypes
        if types is not None and not all(np.dtype(t).kind in "fc" for t in types):
            return np.vectorize.__call__(vectorized, *args, **kwargs)
        f = _stand_in(vectorized.pyfunc)
        own = np.vectorize(f, excluded=vectorized.excluded, signature=vectorized.signature)
        return own(*args, **kwargs)

    apply.__wrapped__ = vectorized.pyfunc  # type: ignore[attr-defined]
    return apply


@counterpart(np.vectorize, Maker)
def _vectorize(*args: Any, **kwargs: Any) -> Any:
    return _Vectorized(*args, **kwargs)


MADE: frozenset[type] = frozenset((functools._lru_cache_wrapper, functools.partial, np.vectorize))


def remade(value: Any) -> Counterpart | None:
    """The counterpart of something that a module has made of a function; None of anything else."""
    kind = type(value)
    if kind is functools._lru_cache_wrapper:
        # it asks for the hash of what it is given, which a box refuses: the cache is passed by
        python = getattr(value, "__wrapped__", None)
        return Counterpart(value, python) if isinstance(python, types.FunctionType) else None
    if kind is np.vectorize:
        return Counterpart(value, of_entries(value))
    if kind is functools.partial:
        return _partial(value)
    return None


def _stand_in(value: Any) -> Any:
    """What stands for a value, or the value."""
    found = COUNTERPARTS.get(id(value)) or remade(value)
    return value if found is None else found


def _partial(value: functools.partial[Any]) -> Counterpart | None:
    """The function with arguments given, where it or one of them has a counterpart."""
    held = value.func, *value.args, *value.keywords.values()
    found = [*map(_stand_in, held)]
    if all(a is b for a, b in zip(found, held, strict=True)):
        return None
    rest = len(value.args) + 1
    f, args = found[0], found[1:rest]
    keywords = dict(zip(value.keywords, found[rest:], strict=True))
    return Counterpart(value, functools.partial(f, *args, **keywords))
