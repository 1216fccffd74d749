"""What torch's convolutions and poolings of tangents depend on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from polyad.engine.patterns.convolution import convolved, convolved_back, convolved_weights, pooled
from polyad.engine.patterns.reading import reaches, size_of, windows
from polyad.engine.patterns.supported import Supported
from polyad.systems.torch.sparsity.rules import Context, plain, rule

__all__: list[str] = []


def _many(values: Any, n: int) -> list[int]:
    found = list(values) if isinstance(values, list | tuple) else [values]
    return found * n if len(found) == 1 else found


@rule("convolution")
def _convolution(call: Context) -> Any:
    x, w, bias, stride, padding, dilation, transposed, _, groups = call.args
    shape, n = tuple(call.shape), len(call.shape) - 2
    parts = []
    if transposed:
        if reaches(w):
            parts += call.reader.everything([w], call.shapes)
        seen = _seen(shape, w.shape, x.shape, stride, padding, dilation)
        if reaches(x):
            sets = convolved_back(x.sets, x.shape, seen, shape[1], size_of(shape[2:]), groups, _taps(w))
            parts.append(call.reader.tangent(shape, sets))
    else:
        seen = _seen(x.shape, w.shape, shape, stride, padding, dilation)
    if reaches(x) and not transposed:
        found = convolved(x.sets, x.shape, seen, shape[1], groups, _taps(w))
        parts.append(call.reader.tangent(shape, found))
    if reaches(w) and not transposed:
        parts.append(call.reader.tangent(shape, convolved_weights(w.sets, tuple(w.shape), shape)))
    if reaches(bias):
        places = np.broadcast_to(np.arange(bias.size).reshape(-1, *(1,) * n), shape)
        parts.append(call.reader.tangent(shape, bias.sets.gathered(places)))
    return dataclasses.replace(call, args=tuple(parts), kwargs={}).elementwise()


def _taps(w: Any) -> np.ndarray | None:
    """The places of a kernel where there is any weight."""
    found: np.ndarray | None = None if type(w) is Supported else np.any(plain(w) != 0, axis=(0, 1))
    return found


def _seen(x: Any, w: Any, out: Any, stride: Any, padding: Any, dilation: Any) -> np.ndarray:
    n = len(out) - 2
    return windows(
        x[2:],
        w[2:],
        out[2:],
        stride=_many(stride, n),
        before=_many(padding, n),
        dilation=_many(dilation, n),
    )


@rule("convolution_backward")
def _convolution_backward(call: Context) -> Any:
    grad, x, w, _, stride, padding, dilation, transposed, _, groups, wanted = call.args
    shapes = call.shapes
    grids = (grad.shape, x.shape) if transposed else (x.shape, grad.shape)
    seen = _seen(grids[0], w.shape, grids[1], stride, padding, dilation)
    found = []
    back = call.reader.unknown(tuple(x.shape))
    if wanted[0]:
        if reaches(w):
            (back,) = call.reader.everything([grad, w], [tuple(x.shape)])
        elif reaches(grad):
            size = size_of(x.shape[2:])
            if transposed:
                sets = convolved(grad.sets, grad.shape, seen, x.shape[1], groups, _taps(w))
            else:
                sets = convolved_back(grad.sets, grad.shape, seen, x.shape[1], size, groups, _taps(w))
            back = call.reader.tangent(tuple(x.shape), sets)
    found.append(back)
    found += call.reader.everything([grad, x], shapes[1:2])
    found += call.reader.everything([grad], shapes[2:3])
    return found


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d", "avg_pool2d_backward", "avg_pool3d_backward")
def _pool(call: Context) -> Any:
    back = call.target._schema.name.endswith("backward")
    x, shape = call.args[0], tuple(call.shape)
    grid, out = (shape, x.shape) if back else (x.shape, shape)
    n = int(call.target._schema.name.partition("d")[0][-1])
    kernel = _many(call.argument("kernel_size"), n)
    stride = _many(call.argument("stride") or kernel, n)
    padding = _many(call.argument("padding", 0) or 0, n)
    seen = windows(grid[-n:], kernel, out[-n:], stride=stride, before=padding, dilation=[1] * n)
    sets = pooled(x.sets, x.shape[:-n], size_of(grid[-n:]), seen, back=back)
    return call.reader.tangent(shape, sets)


@rule("max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward")
@rule("upsample_nearest1d_backward", "upsample_nearest2d_backward", "upsample_bilinear2d_backward")
@rule("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_linear1d_backward")
def _planes(call: Context) -> Any:
    """Of everything in the same channel."""
    n = int(call.target._schema.name.partition("d")[0][-1])
    return call.reader.along(call.args[0], range(-n, 0), call.shape)
