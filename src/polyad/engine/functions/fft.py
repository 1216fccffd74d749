"""NumPy's discrete Fourier transforms, made of the one along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj, general
from polyad.engine.core.table import function
from polyad.engine.core.values import Value, axis_of, is_real, ndim_of, shape_of
from polyad.engine.functions.structure import array_of
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import real, where
from polyad.engine.rules.structure import getitem

__all__ = ["fft", "ifft", "irfft", "rfft"]

Norm = str | None
Axes = Sequence[int] | None


def _transform(name: str, f: Callable[..., Any], scale: Callable[[int], float]) -> Any:
    """A discrete Fourier transform along one axis: linear, its adjoint is the other one, scaled."""

    def push(y: Value, tangents: tuple[Value, ...], x: Value, axis: int) -> Value:
        return primitive(tangents[0], axis=axis + 1)

    def pull(y: Value, x: Value, axis: int) -> Any:
        n, plain = shape_of(x)[axis], is_real(x)

        def adjoint(w: Value) -> Value:
            g = OTHER[name](w, axis=axis) * scale(n)
            return real(g) if plain else g

        return adjoint

    primitive = general(name, lambda x, axis: f(x, axis=axis), push, pull)
    return primitive


_fft = _transform("fft", np.fft.fft, lambda n: float(n))
_ifft = _transform("ifft", np.fft.ifft, lambda n: 1.0 / n)
OTHER = {"fft": _ifft, "ifft": _fft}


def _sized(x: Value, n: int | None, axis: int) -> Value:
    """The axis cut or filled with zeros to length ``n``."""
    have = shape_of(x)[axis]
    if n is None or n == have:
        return x
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    lead = (slice(None),) * axis
    if n < have:
        return getitem(x, index=(*lead, slice(0, n)))
    shape = tuple(n if k == axis else m for k, m in enumerate(shape_of(x)))
    return rules.scatter(x, index=(*lead, slice(0, have)), shape=shape)


def _norm(n: int, norm: Norm, forward: bool) -> float:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    if norm == "ortho":
        return float(1 / np.sqrt(n) if forward else np.sqrt(n))
    if norm == "forward":
        return 1 / n if forward else float(n)
    return 1.0


def _scaled(a: Value, scale: float) -> Value:
    return a if scale == 1.0 else a * scale


# -- along one axis ---------------------------------------------------------------------------------------


@function(np.fft.fft)
def fft(a: Value, n: int | None = None, axis: int = -1, norm: Norm = None) -> Value:
    a = array_of(a)
    axis = axis_of(axis, ndim_of(a))
    a = _sized(a, n, axis)
    return _scaled(_fft(a, axis=axis), _norm(shape_of(a)[axis], norm, True))


@function(np.fft.ifft)
def ifft(a: Value, n: int | None = None, axis: int = -1, norm: Norm = None) -> Value:
    a = array_of(a)
    axis = axis_of(axis, ndim_of(a))
    a = _sized(a, n, axis)
    return _scaled(_ifft(a, axis=axis), _norm(shape_of(a)[axis], norm, False))


@function(np.fft.rfft)
def rfft(a: Value, n: int | None = None, axis: int = -1, norm: Norm = None) -> Value:
    a = array_of(a)
    if not is_real(a):
        raise TypeError("the transform of real input does not take complex numbers")
    axis = axis_of(axis, ndim_of(a))
    full = fft(a, n, axis, norm)
    return getitem(full, index=(*(slice(None),) * axis, slice(0, shape_of(full)[axis] // 2 + 1)))


@function(np.fft.irfft)
def irfft(a: Value, n: int | None = None, axis: int = -1, norm: Norm = None) -> Value:
    a = array_of(a)
    axis = axis_of(axis, ndim_of(a))
    n = 2 * (shape_of(a)[axis] - 1) if n is None else n
    half = _sized(a if not is_real(a) else a + 0j, n // 2 + 1, axis)
    lead = (slice(None),) * axis
    k = np.arange(n)
    spread = getitem(half, index=(*lead, np.where(k <= n // 2, k, n - k)))
    shape = tuple(-1 if j == axis else 1 for j in range(ndim_of(a)))
    mirrored = np.reshape(k > n // 2, shape)
    # the entries for frequency 0 and the highest one of an even length count with their real part only
    plain = np.reshape((k == 0) | (2 * k == n), shape)
    whole = where(mirrored, conj(spread), where(plain, real(spread) + 0j, spread))
    return real(ifft(whole, None, axis, norm))


_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@function(np.fft.hfft)
def hfft(a: Value, n: int | None = None, axis: int = -1, norm: Norm = None) -> Value:
    a = array_of(a)
    n = 2 * (shape_of(a)[axis] - 1) if n is None else n
    return irfft(conj(a), n, axis, _OPPOSITE[norm])


@function(np.fft.ihfft)
def ihfft(a: Value, n: int | None = None, axis: int = -1, norm: Norm = None) -> Value:
    return conj(rfft(a, n, axis, _OPPOSITE[norm]))


# -- along several ----------------------------------------------------------------------------------------


def _axes(
    shape: tuple[int, ...], s: Sequence[int | None] | None, axes: Axes
) -> tuple[list[int], list[int | None]]:
    """The axes from 0 on, and the length of each; None where it stays."""
    if axes is None:
        axes = range(-len(s), 0) if s is not None else range(len(shape))
    sizes: list[int | None] = (
        [None] * len(axes) if s is None else [None if n in (None, -1) else int(n) for n in s]
    )
    if len(sizes) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return [axis_of(k, len(shape)) for k in axes], sizes


def _several(one: Callable[..., Value], axes: Axes) -> Callable[..., Value]:
    def apply(a: Value, s: Any = None, axes: Axes = axes, norm: Norm = None) -> Value:
        a = array_of(a)
        for axis, n in reversed(list(zip(*_axes(shape_of(a), s, axes), strict=True))):
            a = one(a, n, axis, norm)
        return a

    return apply


def _real_several(axes: Axes) -> Callable[..., Value]:
    def apply(a: Value, s: Any = None, axes: Axes = axes, norm: Norm = None) -> Value:
        a = array_of(a)
        places, sizes = _axes(shape_of(a), s, axes)
        a = rfft(a, sizes[-1], places[-1], norm)
        for axis, n in zip(places[:-1], sizes[:-1], strict=True):
            a = fft(a, n, axis, norm)
        return a

    return apply


def _inverse_real_several(axes: Axes) -> Callable[..., Value]:
    def apply(a: Value, s: Any = None, axes: Axes = axes, norm: Norm = None) -> Value:
        a = array_of(a)
        places, sizes = _axes(shape_of(a), s, axes)
        for axis, n in zip(places[:-1], sizes[:-1], strict=True):
            a = ifft(a, n, axis, norm)
        return irfft(a, sizes[-1], places[-1], norm)

    return apply


TWO = (-2, -1)
function(np.fft.fft2)(_several(fft, TWO))
function(np.fft.ifft2)(_several(ifft, TWO))
function(np.fft.fftn)(_several(fft, None))
function(np.fft.ifftn)(_several(ifft, None))
function(np.fft.rfft2)(_real_several(TWO))
function(np.fft.rfftn)(_real_several(None))
function(np.fft.irfft2)(_inverse_real_several(TWO))
function(np.fft.irfftn)(_inverse_real_several(None))
