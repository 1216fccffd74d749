"""Operations of core ATen that look for entries by their size, or run along an axis, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.stop import stop_gradient

__all__ = ["OPERATIONS"]


def _extreme(all_of: Callable[..., Any], where: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return all_of(x)
        if np.ndim(x) == 0:
            return [x, np.zeros((), dtype=np.int64)]
        which = where(x, axis=dim, keepdims=True)
        return _picked(x, which, dim, keepdim)

    return call


def _picked(x: Any, which: Any, dim: int, keepdim: bool) -> list[Any]:
    """Entries along an axis, one of each row, and where they are."""
    found = np.take_along_axis(x, which, axis=dim)
    return [found, which] if keepdim else [np.squeeze(found, dim), np.squeeze(which, dim)]


def _order(x: Any, dim: int, largest: bool) -> Any:
    if not largest:
        return np.argsort(x, axis=dim, kind="stable")
    # turned twice, for NaN counts as the largest, and what is equal stays in its order
    last = np.shape(x)[dim] - 1
    return np.flip(last - np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)


def _sort(x: Any, dim: int = -1, descending: bool = False, stable: Any = None) -> list[Any]:
    order = _order(x, dim, descending)
    return [np.take_along_axis(x, order, axis=dim), order]


def _topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> list[Any]:
    order = np.take(_order(x, dim, largest), np.arange(k), axis=dim)
    return [np.take_along_axis(x, order, axis=dim), order]


def _kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> list[Any]:
    return _picked(x, np.take(_order(x, dim, False), [k - 1], axis=dim), dim, keepdim)


def _median(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if dim is None:
        flat = np.reshape(x, (-1,))
        found = stop_gradient(_median(flat, 0)[0])
        equal = stop_gradient(flat) == found  # torch's derivative is the mean over what is equal
        share = (equal / np.maximum(np.sum(equal), 1)).astype(x.dtype)
        moved = np.where(equal & np.isfinite(found), flat - stop_gradient(flat), np.zeros((), x.dtype))
        return found + np.sum(moved * share)
    # the middle one, or the first that is NaN
    odd = stop_gradient(x)
    odd = odd != odd
    middle = np.take(_order(x, dim, False), [(np.shape(x)[dim] - 1) // 2], axis=dim)
    first = np.argmax(odd, axis=dim, keepdims=True)
    return _picked(x, np.where(np.any(odd, axis=dim, keepdims=True), first, middle), dim, keepdim)


def _running(better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Running extremes with their places, of equal ones the last."""

    def call(x: Any, dim: int) -> list[Any]:
        x = np.moveaxis(x, dim, 0)
        best, place = x[0], np.zeros(np.shape(x)[1:], dtype=np.int64)
        rows, places = [best], [place]
        for k in range(1, np.shape(x)[0]):
            new = better(x[k], best) | (x[k] != x[k])
            best, place = np.where(new, x[k], best), np.where(new, k, place)
            rows.append(best)
            places.append(place)
        return [np.moveaxis(np.stack(part), 0, dim) for part in (rows, places)]

    return call


def _logcumsumexp(x: Any, dim: int) -> Any:
    x = np.moveaxis(x, dim, 0)
    rows = [x[0]]
    for k in range(1, np.shape(x)[0]):
        rows.append(np.logaddexp(rows[-1], x[k]))
    return np.moveaxis(np.stack(rows), 0, dim)


def _bucketize(x: Any, bounds: Any, out_int32: bool = False, right: bool = False) -> Any:
    beyond = np.greater if right else np.greater_equal  # not less, for NaN comes after all bounds
    found = np.sum(~beyond(bounds, np.expand_dims(x, -1)), axis=-1)
    return found.astype(np.int32) if out_int32 else found


OPERATIONS: dict[str, Callable[..., Any]] = {
    "max": _extreme(np.max, np.argmax),
    "min": _extreme(np.min, np.argmin),
    "sort": _sort,
    "topk": _topk,
    "kthvalue": _kthvalue,
    "median": _median,
    "cummax": _running(np.greater_equal),
    "cummin": _running(np.less_equal),
    "logcumsumexp": _logcumsumexp,
    "bucketize": _bucketize,
}
