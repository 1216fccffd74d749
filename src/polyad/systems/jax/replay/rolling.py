"""JAX's running maxima, largest entries, transforms and factors in NumPy; rules as in ``primitives``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.systems.derive.replay import NotReplayable
from polyad.systems.jax.replay.structure import Rule, is_bare, one, plain

__all__ = ["RULES"]


def _running(combine: Callable[[Any, Any], Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        axis, backwards = p["axis"], p["reverse"]

        def call(x: Any) -> Any:
            x = np.moveaxis(x, axis, 0)
            n = np.shape(x)[0]
            rows: list[Any] = []
            for k in reversed(range(n)) if backwards else range(n):
                rows.append(combine(rows[-1], x[k]) if rows else x[k])
            if not rows:
                return np.moveaxis(x, 0, axis)
            return np.moveaxis(np.stack(rows[::-1] if backwards else rows), 0, axis)

        return call

    return one(make)


def _top(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    k, axis = params["k"], params.get("axis", -1)

    def call(x: Any) -> list[Any]:
        order = np.argsort(-x, axis=axis, kind="stable")  # of equal ones the first
        key = [slice(None)] * len(np.shape(x))
        key[axis] = slice(0, k)
        order = order[tuple(key)]
        return [np.take_along_axis(x, order, axis=axis), order.astype(eqn.outvars[1].aval.dtype)]

    return call


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "FFT": np.fft.fft,
    "IFFT": np.fft.ifft,
    "RFFT": np.fft.rfft,
    "IRFFT": np.fft.irfft,
}


def _fft(p: dict[str, Any]) -> Callable[..., Any]:
    kind = getattr(p["fft_type"], "name", str(p["fft_type"]))
    lengths = tuple(p["fft_lengths"])
    f = TRANSFORMS.get(kind)
    if f is None or (len(lengths) > 1 and kind not in ("FFT", "IFFT")):
        raise NotReplayable(f"JAX's fft ({kind} of {len(lengths)} axes)")

    def call(x: Any) -> Any:
        for k, n in enumerate(lengths, start=-len(lengths)):
            x = f(x, n=n, axis=k)
        return x

    return call


def _svd(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    if params.get("subset_by_index") is not None:
        raise NotReplayable("JAX's svd of some singular values")

    def call(a: Any) -> list[Any]:
        if not params["compute_uv"]:
            return [np.linalg.svd(a, compute_uv=False)]
        u, s, v = np.linalg.svd(a, full_matrices=params["full_matrices"])
        return [s, u, v]

    return call


def _qr(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    if params.get("pivoting"):
        raise NotReplayable("JAX's qr with pivoting")
    mode: Any = "complete" if params["full_matrices"] else "reduced"
    return lambda a: list(np.linalg.qr(a, mode=mode))


def _lu(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    import scipy.linalg

    def call(a: Any) -> list[Any]:
        known = plain(a)
        if known is None or np.ndim(a) != 2:
            raise NotReplayable("JAX's lu, whose order of rows depends on numbers")
        factors, pivots = scipy.linalg.lu_factor(known, check_finite=False)
        order = np.arange(np.shape(a)[0])
        for k, other in enumerate(pivots):
            order[[k, other]] = order[[other, k]]
        if not is_bare(a):
            factors = _eliminated(a[order])
        return [factors, pivots.astype(np.int32), order.astype(np.int32)]

    return call


def _eliminated(m: Any) -> Any:
    """Both factors in one matrix, by Gauss's elimination in the order of the rows."""
    rows, columns = np.shape(m)
    upper, lower = [], []
    for _ in range(min(rows, columns)):
        upper.append(m[0])
        lower.append(m[1:, 0] / m[0, 0])
        m = m[1:, 1:] - np.expand_dims(lower[-1], 1) * m[0, 1:]
    whole = []
    for i in range(rows):
        parts = [lower[k][i - k - 1 : i - k] for k in range(min(i, len(lower)))]
        whole.append(np.concatenate([*parts, upper[i]] if i < len(upper) else parts))
    return np.stack(whole)


RULES: dict[str, Rule] = {
    "cummax": _running(np.maximum),
    "cummin": _running(np.minimum),
    "cumlogsumexp": _running(np.logaddexp),
    "top_k": _top,
    "fft": one(_fft),
    "svd": _svd,
    "qr": _qr,
    "lu": _lu,
}
