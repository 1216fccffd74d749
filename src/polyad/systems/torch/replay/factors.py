"""Factors of matrices, transforms and complex numbers of core ATen in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import PRIMITIVES
from polyad.systems.derive.replay import NotReplayable

__all__ = ["OPERATIONS"]


# -- factors ---------------------------------------------------------------------------------------------


def _svd(a: Any, full_matrices: bool = False, compute_uv: bool = True, driver: Any = None) -> list[Any]:
    if not compute_uv:
        return [None, np.linalg.svd(a, compute_uv=False), None]
    return list(np.linalg.svd(a, full_matrices=full_matrices))


def _qr(a: Any, mode: Any = "reduced") -> list[Any]:
    if mode == "r":
        return [None, np.linalg.qr(a, mode="r")]
    return list(np.linalg.qr(a, mode=mode))


def _cholesky_solve(b: Any, factor: Any, upper: bool = False) -> Any:
    factor = np.swapaxes(factor, -1, -2) if upper else factor
    low = PRIMITIVES["solve_triangular"](unbox(factor), unbox(b), lower=True, unit_diagonal=False)
    turned = unbox(np.swapaxes(factor, -1, -2))
    return wrap(PRIMITIVES["solve_triangular"](turned, low, lower=False, unit_diagonal=False))


def _pinv(a: Any, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    if atol is not None or rtol is not None or hermitian:
        raise NotReplayable("torch's pinv with tolerances")
    return np.linalg.pinv(a, rcond=max(np.shape(a)[-2:]) * np.finfo(a.dtype).eps)


# -- transforms ---------------------------------------------------------------------------------------------


# torch's numbers: as it comes, by the root of the number, by the number
def _scale(normalization: int, count: int) -> float:
    return {0: 1.0, 1: 1.0 / math.sqrt(count), 2: 1.0 / count}[normalization]


def _fft_c2c(x: Any, dim: Sequence[int], normalization: int, forward: bool) -> Any:
    shape = np.shape(x)
    for axis in dim:
        x = np.fft.fft(x, axis=axis) if forward else np.fft.ifft(x, axis=axis) * shape[axis]
    return x * _scale(normalization, math.prod(shape[a] for a in dim))


def _fft_r2c(x: Any, dim: Sequence[int], normalization: int, onesided: bool) -> Any:
    if not onesided:
        return _fft_c2c(x, dim, normalization, True)
    shape = np.shape(x)
    found = np.fft.rfft(x, axis=dim[-1])
    for axis in dim[:-1]:
        found = np.fft.fft(found, axis=axis)
    return found * _scale(normalization, math.prod(shape[a] for a in dim))


def _fft_c2r(x: Any, dim: Sequence[int], normalization: int, last: int) -> Any:
    sizes = [np.shape(x)[a] for a in dim[:-1]]
    for axis, size in zip(dim[:-1], sizes, strict=True):
        x = np.fft.ifft(x, axis=axis) * size
    found = np.fft.irfft(x, n=last, axis=dim[-1]) * last
    return found * _scale(normalization, math.prod(sizes) * last)


def _view_as_real(x: Any) -> Any:
    return np.stack([np.real(x), np.imag(x)], axis=-1)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "_linalg_svd": _svd,
    "linalg_qr": _qr,
    "cholesky_solve": _cholesky_solve,
    "linalg_pinv": _pinv,
    "_fft_c2c": _fft_c2c,
    "_fft_r2c": _fft_r2c,
    "_fft_c2r": _fft_c2r,
    "view_as_real": _view_as_real,
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
    "complex": lambda a, b: a + 1j * b,
    **{"_conj": np.conj, "conj": np.conj, "_conj_physical": np.conj, "conj_physical": np.conj},
    **{"real": np.real, "imag": np.imag, "angle": np.angle},
    **dict.fromkeys("resolve_conj resolve_neg _neg_view".split(), lambda x: x),
}
OPERATIONS["_neg_view"] = np.negative
