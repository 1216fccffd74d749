"""Functions of SciPy's in compiled code that are linear in their first argument: filters, transforms.

Where nothing but that argument is differentiated, such a function is a matrix, which it gives by itself of
the unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import counterpart, has_box

__all__ = ["ENTER"]

FILTERS = (
    "gaussian_filter gaussian_filter1d uniform_filter uniform_filter1d convolve convolve1d correlate "
    "correlate1d gaussian_laplace laplace prewitt sobel spline_filter spline_filter1d shift zoom rotate "
    "affine_transform"
)
SIGNALS = "filtfilt sosfiltfilt savgol_filter detrend resample resample_poly hilbert decimate"
TRANSFORMS = (
    "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn fftshift ifftshift"
)
COSINES = "dct idct dst idst dctn idctn dstn idstn"
# beyond so many entries the matrix is not made
MOST = 4096


def _linear(original: Any) -> Callable[..., Any]:
    def apply(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, list | tuple) and has_box(x):
            x = as_box(x)
        if type(x) not in BOXES or x.size > MOST or has_box(args) or has_box(kwargs.values()):
            return original(x, *args, **kwargs)
        start = np.asarray(original(np.zeros(x.shape), *args, **kwargs))
        columns = []
        for k in range(x.size):
            unit = np.zeros(x.size)
            unit[k] = 1.0
            columns.append(np.ravel(original(unit.reshape(x.shape), *args, **kwargs) - start))
        matrix = np.stack(columns, axis=1)
        return start + np.reshape(np.matmul(matrix, np.reshape(x, (-1,))), start.shape)

    return apply


def _filters(module: Any) -> None:
    for name in FILTERS.split():
        original = getattr(module, name)
        counterpart(original)(_linear(original))


def _transforms(module: Any) -> None:
    for name in TRANSFORMS.split():
        counterpart(getattr(module, name))(_transform(getattr(np.fft, name)))
    for name in COSINES.split():
        counterpart(getattr(module, name))(_linear(getattr(module, name)))


def _transform(own: Any) -> Callable[..., Any]:
    def apply(
        x: Any, *args: Any, overwrite_x: Any = None, workers: Any = None, plan: Any = None, **kwargs: Any
    ) -> Any:
        return own(as_box(x) if isinstance(x, list | tuple) else x, *args, **kwargs)

    return apply


def _signal(module: Any) -> None:
    for name in SIGNALS.split():
        original = getattr(module, name, None)
        if original is not None:
            counterpart(original)(_linear(original))

    lfilter_, sosfilt_ = module.lfilter, module.sosfilt
    by_matrix = _linear(lambda x, b, a, axis: lfilter_(b, a, x, axis))

    @counterpart(lfilter_)
    def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
        if zi is not None:
            return lfilter_(b, a, x, axis, zi)  # refuses
        if not (has_box((b,)) or has_box((a,))):
            return by_matrix(x, b, a, axis)
        b, a, x = (as_box(v) if has_box((v,)) else np.asarray(v, dtype=float) for v in (b, a, x))
        if x.ndim != 1 or a.ndim != 1 or b.ndim != 1:
            return lfilter_(b, a, x, axis)
        driven = np.convolve(b / a[0], x)[: x.shape[0]]
        later = a[1:] / a[0]
        out: list[Any] = []
        for n in range(x.shape[0]):
            y = driven[n]
            for k in range(min(n, later.shape[0])):
                y = y - later[k] * out[n - 1 - k]
            out.append(y)
        return np.stack(out)

    by_sections = _linear(lambda x, sos, axis: sosfilt_(sos, x, axis))

    @counterpart(sosfilt_)
    def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
        return sosfilt_(sos, x, axis, zi) if zi is not None or has_box((sos,)) else by_sections(x, sos, axis)

    for name in ("convolve", "fftconvolve", "oaconvolve"):
        counterpart(getattr(module, name))(_convolution(getattr(module, name), np.convolve))
    counterpart(module.correlate)(_convolution(module.correlate, _correlated))


def _correlated(a: Any, b: Any, mode: Any) -> Any:
    return np.convolve(a, np.flip(b), mode)


def _convolution(original: Any, own: Any) -> Callable[..., Any]:
    def apply(in1: Any, in2: Any, mode: str = "full", *args: Any, **kwargs: Any) -> Any:
        a, b = (as_box(v) if has_box((v,)) else np.asarray(v) for v in (in1, in2))
        if a.ndim != 1 or b.ndim != 1 or (mode != "full" and a.shape[0] < b.shape[0]):
            return original(in1, in2, mode, *args, **kwargs)
        return own(a, b, mode)

    return apply


ENTER: dict[str, Callable[[Any], None]] = {
    "scipy.ndimage": _filters,
    "scipy.fft": _transforms,
    "scipy.signal": _signal,
}
