"""NumPy's functions of sampled functions, polynomials and signals, made of primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine import rules_structure as rules
from polyad.engine.core import Tracer, Value, base, dtype_of, is_real, ndim_of, shape_of
from polyad.engine.kinds import conj, general
from polyad.engine.numpy_reduction import axes_of, mean, sum_
from polyad.engine.numpy_structure import array_of, diff
from polyad.engine.refuse import refuse
from polyad.engine.rules_arithmetic import equal, greater, less, real, where
from polyad.engine.rules_elementwise import arctan2, imag, maximum, minimum, sin
from polyad.engine.rules_linalg import matmul, swapped
from polyad.engine.rules_reduction import searchsorted
from polyad.engine.rules_structure import getitem, reshape, transpose
from polyad.engine.series import order_of
from polyad.engine.table import function

# -- sampled functions --------------------------------------------------------------------------------


@function(np.trapezoid)
def trapezoid(y: Value, x: Value = None, dx: float = 1.0, axis: int = -1) -> Value:
    y = array_of(y)
    axis = axis % ndim_of(y)
    lead = (slice(None),) * axis
    middle = (getitem(y, index=(*lead, slice(1, None))) + getitem(y, index=(*lead, slice(0, -1)))) * 0.5
    if x is None:
        return sum_(middle * dx, axis)
    x = array_of(x)
    if ndim_of(x) == 1:
        steps = diff(x)
        steps = reshape(steps, shape=tuple(-1 if k == axis else 1 for k in range(ndim_of(y))))
    else:
        steps = diff(x, axis=axis)
    return sum_(middle * steps, axis)


@function(np.gradient)
def gradient(f: Value, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Linear in ``f``: NumPy is run on the unit vectors of one axis, which gives its matrix."""
    f = array_of(f)
    axes = axes_of(axis, ndim_of(f)) or tuple(range(ndim_of(f)))
    if any(isinstance(v, Tracer) for v in varargs):
        raise refuse("np.gradient with traced spacings", "divide np.diff by the spacing")
    spacings = list(varargs) if len(varargs) == len(axes) else list(varargs or (1.0,)) * len(axes)
    results = []
    for k, step in zip(axes, spacings, strict=True):
        n = shape_of(f)[k]
        matrix: Any = np.gradient(np.eye(n), step, axis=0, edge_order=edge_order)  # type: ignore[call-overload]
        order = (*(j for j in range(ndim_of(f)) if j != k), k)
        inverse = tuple(int(j) for j in np.argsort(order))
        results.append(transpose(matmul(transpose(f, axes=order), matrix.T), axes=inverse))
    return results[0] if len(results) == 1 else tuple(results)


@function(np.interp)
def interp(x: Value, xp: Value, fp: Value, left: Any = None, right: Any = None, period: Any = None) -> Value:
    """Piecewise linear interpolation; its derivative at a node is that of the piece to the right."""
    if period is not None:
        raise refuse("np.interp with period=", "reduce x with np.mod first")
    x, xp, fp = array_of(x), array_of(xp), array_of(fp)
    nodes, points = base(xp), base(x)
    k = searchsorted(nodes, points, side="right") - 1
    k = minimum(maximum(k, 0), shape_of(nodes)[0] - 2)
    low, high = getitem(xp, index=k), getitem(xp, index=k + 1)
    start, stop = getitem(fp, index=k), getitem(fp, index=k + 1)
    inside = start + (x - low) * (stop - start) / (high - low)
    first = getitem(fp, index=0) if left is None else left
    last = getitem(fp, index=-1) if right is None else right
    before, after = less(points, getitem(nodes, index=0)), greater(points, getitem(nodes, index=-1))
    return where(before, first, where(after, last, inside))


@function(np.unwrap)
def unwrap(p: Value, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Value:
    values = np.asarray(base(p))
    return p + (np.unwrap(values, discont, axis, period=period) - values)


@function(np.convolve)
def convolve(a: Value, v: Value, mode: str = "full") -> Value:
    """A product with the band matrix of the shorter one."""
    a, v = reshape(array_of(a), shape=(-1,)), reshape(array_of(v), shape=(-1,))
    if a.size < v.size:
        a, v = v, a
    n, m = a.size, v.size
    lag = np.arange(n + m - 1)[:, None] - np.arange(m)[None, :]
    band = where((lag >= 0) & (lag < n), getitem(a, index=np.clip(lag, 0, n - 1)), 0.0)
    full = matmul(band, v)
    if mode == "full":
        return full
    if mode == "same":
        start = (m - 1) // 2
        return getitem(full, index=slice(start, start + n))
    return getitem(full, index=slice(m - 1, n))


@function(np.correlate)
def correlate(a: Value, v: Value, mode: str = "valid") -> Value:
    a, v = array_of(a), array_of(v)
    if a.size < v.size and mode != "full":
        raise refuse("np.correlate with the longer array second", "exchange the arrays")
    return convolve(a, conj(getitem(v, index=slice(None, None, -1))), mode)


@function(np.cov)
def cov(
    m: Value,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Value:
    if y is not None or fweights is not None or aweights is not None:
        raise refuse("np.cov with y= or weights", "stack the variables, weigh the deviations")
    x = array_of(m)
    x = reshape(x, shape=(1, -1)) if ndim_of(x) == 1 else x if rowvar else swapped(x)
    deviation = x - mean(x, 1, keepdims=True)
    count = x.shape[1] - (ddof if ddof is not None else 0 if bias else 1)
    result = matmul(deviation, conj(swapped(deviation))) / count
    return reshape(result, shape=()) if result.shape == (1, 1) else result


@function(np.corrcoef)
def corrcoef(x: Value, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Value:
    c = cov(x, y, rowvar)
    if not shape_of(c):
        return c / c
    n = c.shape[0]
    scale = getitem(c, index=(np.arange(n), np.arange(n))) ** 0.5
    return c / (reshape(scale, shape=(n, 1)) * reshape(scale, shape=(1, n)))


# -- polynomials --------------------------------------------------------------------------------------


@function(np.polyval)
def polyval(p: Value, x: Value) -> Value:
    p, x = array_of(p), array_of(x)
    result: Value = getitem(p, index=0) + x * 0.0
    for k in range(1, shape_of(p)[0]):
        result = result * x + getitem(p, index=k)
    return result


@function(np.vander)
def vander(x: Value, N: int | None = None, increasing: bool = False) -> Value:
    x = array_of(x)
    n = shape_of(x)[0] if N is None else N
    powers: list[Value] = [x * 0.0 + 1.0]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    return rules.stack(*(powers if increasing else powers[::-1]), axis=1)


# -- complex numbers and special forms -------------------------------------------------------------------


@function(np.angle)
def angle(z: Value, deg: bool = False) -> Value:
    result = arctan2(imag(z), real(z))
    return result * (180 / np.pi) if deg else result


@function(np.sinc)
def sinc(x: Value) -> Value:
    """By its power series where the quotient and its derivatives would be ``0 / 0``."""
    z = array_of(x) * np.pi
    small = np.abs(np.asarray(base(z))) < 0.05 if not isinstance(base(z), Tracer) else equal(z, 0)
    safe = where(small, 1.0, z)
    s = where(small, z, 0.0) ** 2
    series = 1.0
    for k in range(4 + order_of(z) // 2, 0, -1):
        series = 1 - s / (2 * k * (2 * k + 1)) * series
    return where(small, series, sin(safe) / safe)


@function(np.nan_to_num)
def nan_to_num(x: Value, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Value:
    values = base(x)
    if isinstance(values, Tracer):
        raise refuse("np.nan_to_num of another library's array", "use np.where(np.isnan(x), 0, x)")
    limits = np.finfo(dtype_of(x))
    x = where(np.isnan(values), nan, x)
    x = where(np.isposinf(values), limits.max if posinf is None else posinf, x)
    return where(np.isneginf(values), limits.min if neginf is None else neginf, x)


@function(np.real_if_close)
def real_if_close(a: Value, tol: float = 100) -> Value:
    return a if is_real(a) or np.iscomplexobj(np.real_if_close(base(a), tol)) else real(a)


@function(np.fix)
def fix(x: Value, out: None = None) -> Value:
    return np.fix(base(x))


# -- Fourier transforms ---------------------------------------------------------------------------------


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
    lead = (slice(None),) * axis
    if n < have:
        return getitem(x, index=(*lead, slice(0, n)))
    shape = tuple(n if k == axis else m for k, m in enumerate(shape_of(x)))
    return rules.scatter(x, index=(*lead, slice(0, have)), shape=shape)


def _norm(n: int, norm: str | None, forward: bool) -> float:
    if norm == "ortho":
        return 1 / np.sqrt(n) if forward else np.sqrt(n)
    if norm == "forward":
        return 1 / n if forward else float(n)
    return 1.0


@function(np.fft.fft)
def fft(a: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Value:
    axis = axis % ndim_of(a)
    a = _sized(a, n, axis)
    scale = _norm(shape_of(a)[axis], norm, True)
    return _fft(a, axis=axis) if scale == 1.0 else _fft(a, axis=axis) * scale


@function(np.fft.ifft)
def ifft(a: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Value:
    axis = axis % ndim_of(a)
    a = _sized(a, n, axis)
    scale = _norm(shape_of(a)[axis], norm, False)
    return _ifft(a, axis=axis) if scale == 1.0 else _ifft(a, axis=axis) * scale


@function(np.fft.rfft)
def rfft(a: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Value:
    axis = axis % ndim_of(a)
    full = fft(a, n, axis, norm)
    return getitem(full, index=(*(slice(None),) * axis, slice(0, shape_of(full)[axis] // 2 + 1)))


@function(np.fft.irfft)
def irfft(a: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Value:
    axis = axis % ndim_of(a)
    n = 2 * (shape_of(a)[axis] - 1) if n is None else n
    half = _sized(a, n // 2 + 1, axis)
    lead = (slice(None),) * axis
    k = np.arange(n)
    source = np.where(k <= n // 2, k, n - k)
    spread = getitem(half, index=(*lead, source))
    shape = tuple(-1 if j == axis else 1 for j in range(ndim_of(a)))
    mirrored = np.reshape(k > n // 2, shape)
    # the entries for frequency 0 and the highest one of an even length count with their real part only
    plain = np.reshape((k == 0) | (2 * k == n), shape)
    whole = where(mirrored, conj(spread), where(plain, real(spread) + 0j, spread))
    return real(ifft(whole, None, axis, norm))


def _several(one: Callable[..., Value], default: int | None) -> Callable[..., Value]:
    def apply(a: Value, s: Any = None, axes: Any = None, norm: str | None = None) -> Value:
        if axes is None:
            axes = tuple(range(-default, 0)) if default else tuple(range(ndim_of(a)))
            if s is not None:
                axes = axes[-len(s) :]
        sizes = [None] * len(axes) if s is None else list(s)
        for axis, n in zip(axes, sizes, strict=True):
            a = one(a, n, axis, norm)
        return a

    return apply


for _f, _one, _default in (
    (np.fft.fft2, fft, 2),
    (np.fft.ifft2, ifft, 2),
    (np.fft.fftn, fft, None),
    (np.fft.ifftn, ifft, None),
):
    function(_f)(_several(_one, _default))
del _f
