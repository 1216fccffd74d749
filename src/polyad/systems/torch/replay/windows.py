"""Convolutions, pooling, resampling and padding of core ATen in NumPy.

A convolution gathers windows and takes a product; its derivatives are a product, and the scatter of windows.
What is linear in one array (means over windows, resampling, padding by reflection, and the derivatives of
these) is a matrix: torch itself applied to the unit vectors of one channel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.systems.derive.replay import NotReplayable
from polyad.systems.torch.replay.entries import added

__all__ = ["OPERATIONS"]

LARGEST = 4_000_000  # entries of a matrix


# -- windows ------------------------------------------------------------------------------------------------


def _places(
    shape: Sequence[int], sizes: Sequence[int], strides: Any, padding: Any, steps: Any, counts: Sequence[int]
) -> Any:
    """Of each place of a window the entries it reads, over the padded array: ``(places, *counts)``."""
    full = [n + 2 * p for n, p in zip(shape, padding, strict=True)]
    flat = np.arange(math.prod(full)).reshape(full)
    found = []
    for place in itertools.product(*map(range, sizes)):
        key = tuple(
            slice(k * step, k * step + (count - 1) * stride + 1, stride)
            for k, step, stride, count in zip(place, steps, strides, counts, strict=True)
        )
        found.append(flat[key])
    return full, np.stack(found)


def _counts(shape: Any, sizes: Any, strides: Any, padding: Any, steps: Any) -> list[int]:
    return [
        (n + 2 * p - (size - 1) * step - 1) // stride + 1
        for n, size, stride, p, step in zip(shape, sizes, strides, padding, steps, strict=True)
    ]


def _each(values: Any, dims: int) -> list[int]:
    values = list(values)
    return values * dims if len(values) == 1 else values


class _Windows:
    """The windows of arrays of shape ``(..., *shape)``, and what goes back from them."""

    def __init__(self, shape: Any, sizes: Any, strides: Any, padding: Any, steps: Any) -> None:
        dims = len(shape)
        strides, padding, steps = (_each(v, dims) for v in (strides, padding, steps))
        self.shape, self.padding = tuple(shape), padding
        self.counts = _counts(shape, sizes, strides, padding, steps)
        self.full, self.places = _places(shape, sizes, strides, padding, steps, self.counts)

    def taken(self, x: Any, fill: float = 0.0) -> Any:
        """``(batch, channels, places, entries)`` of ``(batch, channels, *shape)``."""
        lead = np.shape(x)[:2]
        if any(self.padding):
            width = [(0, 0), (0, 0), *((p, p) for p in self.padding)]
            x = np.pad(x, width, constant_values=fill)
        rows = np.reshape(x, (*lead, math.prod(self.full)))
        return rows[:, :, self.places.reshape(len(self.places), -1)]

    def given(self, windows: Any) -> Any:
        """The transpose of ``taken``."""
        lead = np.shape(windows)[:2]
        zeros = np.zeros((*lead, math.prod(self.full)), dtype=windows.dtype)
        key = (slice(None), slice(None), self.places.reshape(len(self.places), -1))
        whole = np.reshape(added(zeros, key, windows), (*lead, *self.full))
        inner = tuple(slice(p, p + n) for p, n in zip(self.padding, self.shape, strict=True))
        return whole[(slice(None), slice(None), *inner)]


# -- convolutions ------------------------------------------------------------------------------------------


def _grouped(a: Any, groups: int, axis: int) -> Any:
    shape = np.shape(a)
    return np.reshape(a, (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


def _kernels(w: Any, groups: int) -> Any:
    """``(groups, first / groups, second, places)`` of a kernel ``(first, second, *sizes)``."""
    shape = np.shape(w)
    return np.reshape(w, (groups, shape[0] // groups, shape[1], math.prod(shape[2:])))


def _joined(a: Any) -> Any:
    """Groups and channels in one axis: ``(batch, groups, channels, ...)``."""
    shape = np.shape(a)
    return np.reshape(a, (shape[0], shape[1] * shape[2], *shape[3:]))


def _convolution(
    x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, extra: Any,
    groups: int,
) -> Any:  # fmt: skip
    sizes = np.shape(w)[2:]
    if not transposed:
        windows = _Windows(np.shape(x)[2:], sizes, stride, padding, dilation)
        rows = _grouped(windows.taken(x), groups, 1)
        y = _joined(np.einsum("bgcks,gock->bgos", rows, _kernels(w, groups)))
        y = np.reshape(y, (*np.shape(y)[:2], *windows.counts))
    else:
        windows = _Windows(_spread(np.shape(x)[2:], sizes, stride, padding, dilation, extra), sizes,
                           stride, padding, dilation)  # fmt: skip
        rows = np.reshape(x, (*np.shape(x)[:2], -1))
        y = windows.given(
            _joined(np.einsum("bgcs,gcok->bgoks", _grouped(rows, groups, 1), _kernels(w, groups)))
        )
    return y if bias is None else y + np.reshape(bias, (-1, *[1] * len(sizes)))


def _spread(counts: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, extra: Any) -> list[int]:
    """The shape of what a transposed convolution gives."""
    dims = len(sizes)
    parts = (_each(v, dims) for v in (stride, padding, dilation, extra))
    return [
        (n - 1) * s - 2 * p + d * (size - 1) + e + 1
        for n, size, s, p, d, e in zip(counts, sizes, *parts, strict=True)
    ]


def _convolution_backward(
    g: Any, x: Any, w: Any, bias_sizes: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    extra: Any, groups: int, mask: Any,
) -> list[Any]:  # fmt: skip
    sizes, shape = np.shape(w)[2:], np.shape(w)
    of_x: Any = None
    of_w: Any = None
    of_bias: Any = None
    if not transposed:
        windows = _Windows(np.shape(x)[2:], sizes, stride, padding, dilation)
        rows = _grouped(np.reshape(g, (*np.shape(g)[:2], -1)), groups, 1)
        if mask[0]:
            of_x = windows.given(_joined(np.einsum("bgos,gock->bgcks", rows, _kernels(w, groups))))
        if mask[1]:
            of_w = np.einsum("bgos,bgcks->gock", rows, _grouped(windows.taken(x), groups, 1))
    else:
        windows = _Windows(np.shape(g)[2:], sizes, stride, padding, dilation)
        rows = _grouped(windows.taken(g), groups, 1)
        if mask[0]:
            found = _joined(np.einsum("bgoks,gcok->bgcs", rows, _kernels(w, groups)))
            of_x = np.reshape(found, np.shape(x))
        if mask[1]:
            columns = _grouped(np.reshape(x, (*np.shape(x)[:2], -1)), groups, 1)
            of_w = np.einsum("bgcs,bgoks->gcok", columns, rows)
    if mask[1]:
        of_w = np.reshape(of_w, shape)
    if mask[2]:
        of_bias = np.sum(g, axis=(0, *range(2, np.ndim(g))))
    return [of_x, of_w, of_bias]


# -- the largest of a window ----------------------------------------------------------------------


def _max_pool(
    x: Any, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil: bool = False
) -> list[Any]:
    if ceil:
        raise NotReplayable("torch's max_pool2d with ceil_mode")
    bare = np.ndim(x) == 3
    x = x[None] if bare else x
    kernel = _each(kernel, 2)
    windows = _Windows(np.shape(x)[2:], kernel, stride or kernel, padding, dilation)
    rows = windows.taken(x, -np.inf)
    which = np.argmax(rows, axis=2)[:, :, None]
    values = np.take_along_axis(rows, which, axis=2)
    pad = _each(padding, 2)
    inside = np.pad(
        np.arange(math.prod(windows.shape)).reshape(windows.shape), [(p, p) for p in pad]
    ).ravel()[windows.places.reshape(len(windows.places), -1)]
    places = np.take_along_axis(np.broadcast_to(inside, np.shape(rows)), which, axis=2)
    shape = (*np.shape(x)[:2], *windows.counts)
    found = [np.reshape(values, shape), np.reshape(places, shape)]
    return [part[0] for part in found] if bare else found


# -- matrices ------------------------------------------------------------------------------------------------


def _linear(name: str, dims: int, *, like: bool = False, sized: int | None = None) -> Callable[..., Any]:
    """An operation that is linear in its first operand, channel by channel.

    Parameters
    ----------
    name : str
        torch's name.
    dims : int
        How many axes at the end it works on.
    like : bool
        Whether the second operand is an array of which only the form counts.
    sized : int, optional
        Which argument is the shape of the result, of which the channels are replaced.
    """

    def call(x: Any, *args: Any, **options: Any) -> Any:
        import torch

        shape = np.shape(x)
        lead, inner = shape[: len(shape) - dims], shape[len(shape) - dims :]
        count = math.prod(inner)
        given = list(args)
        if like:
            form = np.shape(given[0])
            given[0] = torch.zeros((count, 1, *form[len(form) - dims :]), dtype=torch.float64)
        if sized is not None:
            given[sized] = [count, 1, *given[sized][-dims:]]
        units = torch.eye(count, dtype=torch.float64).reshape(count, 1, *inner)
        packet = getattr(torch.ops.aten, name)
        with torch.no_grad():
            rows = packet(units, *given, **options)
        out = tuple(rows.shape[2:])
        matrix = rows.reshape(count, -1).numpy()
        if matrix.size > LARGEST:
            raise NotReplayable(f"torch's {name} of so many entries")
        found = np.matmul(np.reshape(x, (math.prod(lead), count)), matrix.astype(x.dtype))
        return np.reshape(found, (*lead, *out))

    return call


def _constant_pad(x: Any, pad: Sequence[int], value: Any = 0.0) -> Any:
    count = np.ndim(x)
    width = [(0, 0)] * (count - len(pad) // 2)
    width += [(pad[k], pad[k + 1]) for k in range(len(pad) - 2, -1, -2)]
    # less than nothing is taken away
    x = x[tuple(slice(max(-a, 0), np.shape(x)[k] - max(-b, 0)) for k, (a, b) in enumerate(width))]
    return np.pad(x, [(max(a, 0), max(b, 0)) for a, b in width], constant_values=value)


def _unfold(x: Any, dim: int, size: int, step: int) -> Any:
    n, dim = np.shape(x)[dim], dim % np.ndim(x)
    starts = np.arange(0, n - size + 1, step)
    taken = x[(slice(None),) * dim + (starts[:, None] + np.arange(size),)]
    return np.moveaxis(taken, dim + 1, -1)


def _unfold_backward(g: Any, sizes: Sequence[int], dim: int, size: int, step: int) -> Any:
    dim = dim % len(sizes)
    starts = np.arange(0, sizes[dim] - size + 1, step)
    key = (slice(None),) * dim + (starts[:, None] + np.arange(size),)
    return added(np.zeros(tuple(sizes), dtype=g.dtype), key, np.moveaxis(g, -1, dim + 1))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    "max_pool2d_with_indices": _max_pool,
    "constant_pad_nd": _constant_pad,
    "unfold": _unfold,
    "unfold_backward": _unfold_backward,
    "avg_pool2d": _linear("avg_pool2d", 2),
    "avg_pool2d_backward": _linear("avg_pool2d_backward", 2, like=True),
    "_adaptive_avg_pool2d": _linear("_adaptive_avg_pool2d", 2),
    "_adaptive_avg_pool2d_backward": _linear("_adaptive_avg_pool2d_backward", 2, like=True),
    **{
        name: _linear(name, dims)
        for dims, names in {
            1: "reflection_pad1d replication_pad1d upsample_nearest1d upsample_linear1d",
            2: "reflection_pad2d replication_pad2d upsample_nearest2d upsample_bilinear2d upsample_bicubic2d",
        }.items()
        for name in names.split()
    },
    **{
        f"{name}_backward": _linear(f"{name}_backward", dims, like=True)
        for dims, names in {
            1: "reflection_pad1d replication_pad1d",
            2: "reflection_pad2d replication_pad2d",
        }.items()
        for name in names.split()
    },
    **{
        f"{name}_backward": _linear(f"{name}_backward", dims, sized=1)
        for dims, names in {
            1: "upsample_nearest1d upsample_linear1d",
            2: "upsample_nearest2d upsample_bilinear2d upsample_bicubic2d",
        }.items()
        for name in names.split()
    },
}
