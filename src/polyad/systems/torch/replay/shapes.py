"""Operations of core ATen that move or make entries, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["OPERATIONS", "span", "typed"]


def _dtype(dtype: Any) -> Any:
    return np.dtype(str(dtype).rpartition(".")[2])


def typed(x: Any, dtype: Any) -> Any:
    """An array in one of torch's types."""
    x = x if hasattr(x, "astype") else np.asarray(x)
    return x if dtype is None or x.dtype == _dtype(dtype) else x.astype(_dtype(dtype))


# -- shapes -------------------------------------------------------------------------------------------------


def _expand(x: Any, size: Sequence[int], implicit: bool = False) -> Any:
    have = np.shape(x)
    lead = len(size) - len(have)
    return np.broadcast_to(x, [have[k - lead] if n == -1 else n for k, n in enumerate(size)])


def _transpose(x: Any, first: int = 0, second: int = 1) -> Any:
    return np.swapaxes(x, first, second) if np.ndim(x) > 1 else x


def _squeeze(x: Any, dim: Any = None) -> Any:
    shape = np.shape(x)
    axes = range(len(shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {a % len(shape) for a in axes if shape and shape[a] == 1}
    return np.reshape(x, [n for k, n in enumerate(shape) if k not in gone])


def _select(x: Any, dim: int, index: int) -> Any:
    return x[(slice(None),) * (dim % np.ndim(x)) + (index,)]


def span(x: Any, dim: int, start: Any, end: Any, step: int) -> tuple[Any, ...]:
    """The index of a slice of one axis."""
    return (slice(None),) * (dim % np.ndim(x)) + (slice(start, end, step),)


def _sliced(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return x[span(x, dim, start, end, step)]


def _split(x: Any, sizes: Any, dim: int = 0) -> list[Any]:
    n = np.shape(x)[dim]
    if isinstance(sizes, int):
        sizes = [min(sizes, n - k) for k in range(0, n, sizes)]
    return list(np.split(x, np.cumsum(sizes)[:-1].tolist(), axis=dim))


def _unbind(x: Any, dim: int = 0) -> list[Any]:
    return [_select(x, dim, k) for k in range(np.shape(x)[dim])]


def _like(value: float) -> Callable[..., Any]:
    def make(x: Any, *given: Any, dtype: Any = None, **options: Any) -> Any:
        return np.full(np.shape(x), value, dtype=x.dtype if dtype is None else _dtype(dtype))

    return make


def _new(value: float) -> Callable[..., Any]:
    def make(x: Any, size: Any, dtype: Any = None, **options: Any) -> Any:
        return np.full(size, value, dtype=x.dtype if dtype is None else _dtype(dtype))

    return make


def _full_like(x: Any, value: Any, dtype: Any = None, **options: Any) -> Any:
    return np.full(np.shape(x), value, dtype=x.dtype if dtype is None else _dtype(dtype))


def _full(size: Any, value: Any, dtype: Any = None, **options: Any) -> Any:
    return np.full(size, value, dtype=None if dtype is None else _dtype(dtype))[()]


def _scalar(value: Any, dtype: Any = None, **options: Any) -> Any:
    return np.asarray(value, dtype=None if dtype is None else _dtype(dtype))[()]


def _arange(*bounds: Any, dtype: Any = None, **options: Any) -> Any:
    return np.arange(*bounds, dtype=None if dtype is None else _dtype(dtype))


def _eye(n: int, m: int | None = None, dtype: Any = None, **options: Any) -> Any:
    return np.eye(n, m, dtype=None if dtype is None else _dtype(dtype))


def _empty(size: Sequence[int], *order: Any, dtype: Any = None, **options: Any) -> Any:
    # what nobody has written yet, and nobody may read
    return np.zeros(tuple(size), dtype=None if dtype is None else _dtype(dtype))


def _new_empty(x: Any, size: Sequence[int], *strides: Any, dtype: Any = None, **options: Any) -> Any:
    return np.zeros(tuple(size), dtype=x.dtype if dtype is None else _dtype(dtype))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "expand": _expand,
    "transpose": _transpose,
    "t": _transpose,
    "squeeze": _squeeze,
    "select": _select,
    "slice": _sliced,
    "split": _split,
    "split_with_sizes": _split,
    "unbind": _unbind,
    "full": _full,
    "full_like": _full_like,
    "scalar_tensor": _scalar,
    "arange": _arange,
    "zeros_like": _like(0.0),
    "ones_like": _like(1.0),
    "new_zeros": _new(0.0),
    "new_ones": _new(1.0),
    "eye": _eye,
    "empty": _empty,
    "empty_permuted": _empty,
    "empty_strided": _empty,
    "new_empty": _new_empty,
    "new_empty_strided": _new_empty,
    "empty_like": _like(0.0),
    "copy": lambda x, values, non_blocking=False: np.broadcast_to(typed(values, x.dtype.name), np.shape(x)),
    "_to_copy": lambda x, dtype=None, **options: typed(x, dtype),
}
