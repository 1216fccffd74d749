"""Functions of six numbers, one for each thing that NumPy code can do: for the tests of patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

RANDOM = np.random.default_rng(20261130)
BAND = np.diag(np.arange(1.0, 7.0)) + np.diag(np.ones(5), 1)
DENSE = RANDOM.random((6, 6))
SPD = DENSE @ DENSE.T + 6 * np.eye(6)
PLACES = np.array([3, 1, 1, 5])
POINTS = [RANDOM.standard_normal(6) for _ in range(12)] + [np.abs(RANDOM.standard_normal(6)) + 0.1]


def loop(x: Any) -> Any:
    y = x.copy()
    for k in range(1, 6):
        y[k] = y[k] * y[k - 1]
    return y


def views(x: Any) -> Any:
    y = np.zeros_like(x).reshape(2, 3)
    row = y[0]
    row[...] = x[:3]
    y.T[1, 1] = x[5]
    return y * 2


def added(x: Any) -> Any:
    y = x[::-1] * 1.0
    np.add.at(y, PLACES, x[:4])
    return y


# those of which the pattern is exact, and those of which it may have more entries
EXACT: dict[str, Callable[[Any], Any]] = {
    "square": lambda x: x**2,
    "sign": lambda x: np.sign(x) + x[::-1],
    "floor": lambda x: np.floor(x * 3) * x,
    "constant": lambda x: np.ones(4) * 2,
    "sum": lambda x: np.sum(x[:3]),
    "sum of an axis": lambda x: x.reshape(2, 3).sum(0),
    "mean": lambda x: x - x.mean(),
    "prod": lambda x: np.prod(x[1:4]),
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "diff": np.diff,
    "roll": lambda x: np.roll(x, 2) * x,
    "slice": lambda x: x[1:5:2] * x[0],
    "index": lambda x: x[PLACES] ** 2,
    "mask": lambda x: x[np.array([1, 0, 1, 1, 0, 0], bool)],
    "where of a constant": lambda x: np.where(np.arange(6) > 2, x, 2 * x[::-1]),
    "maximum": lambda x: np.maximum(x, x[::-1]),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "sort of rows": lambda x: np.sort(x.reshape(2, 3), axis=1),
    "band": lambda x: BAND @ x,
    "band from the right": lambda x: x @ BAND,
    "dense": lambda x: DENSE @ x,
    "outer": lambda x: np.outer(x[:3], x[3:]),
    "matmul": lambda x: x.reshape(2, 3) @ x.reshape(3, 2),
    "stack of matrices": lambda x: np.matmul(np.stack([BAND[:2, :2], DENSE[:2, :2]]), x[:4].reshape(2, 2, 1)),
    "einsum": lambda x: np.einsum("ij,j->i", BAND, x),
    "einsum of both": lambda x: np.einsum("ij,ij->j", x.reshape(2, 3), x.reshape(2, 3)),
    "kron": lambda x: np.kron(x[:2], x[2:4]),
    "convolve": lambda x: np.convolve(x, np.array([1.0, 0, -1]), mode="same"),
    "solve": lambda x: np.linalg.solve(SPD, x),
    "solve of columns": lambda x: np.linalg.solve(SPD[:3, :3], x.reshape(3, 2)),
    "solve of a matrix": lambda x: np.linalg.solve(np.eye(2) * 3 + x[:4].reshape(2, 2), x[4:]),
    "inv": lambda x: np.linalg.inv(x[:4].reshape(2, 2) + 3 * np.eye(2)),
    "det": lambda x: np.linalg.det(x[:4].reshape(2, 2)),
    "eigvalsh": lambda x: np.linalg.eigvalsh(SPD + np.diag(x)),
    "norm": lambda x: np.linalg.norm(x[:4]),
    "fft": lambda x: np.abs(np.fft.fft(x)),
    "ifft of rows": lambda x: np.real(np.fft.ifft(x.reshape(2, 3), axis=1)),
    "concatenate": lambda x: np.concatenate([x[3:], np.ones(2), x[:2] ** 2]),
    "stack": lambda x: np.stack([x[:3], x[3:]], 1),
    "pad": lambda x: np.pad(x, 2, mode="reflect"),
    "tile": lambda x: np.tile(x[:2], 3),
    "repeat": lambda x: np.repeat(x[:3], 2),
    "loop": loop,
    "views": views,
    "diag": lambda x: np.diag(x[:2]),
    "trace": lambda x: np.trace(x[:4].reshape(2, 2)),
    "interp": lambda x: np.interp(x, np.linspace(-3, 3, 5), np.arange(5.0) ** 2),
    "gammaln": lambda x: sp.gammaln(np.abs(x) + 1) * x[0],
    "arctan2": lambda x: np.arctan2(x[:3], x[3:]),
    "power": lambda x: np.abs(x[:3]) ** x[3:],
    "var": lambda x: np.var(x.reshape(2, 3), axis=0),
    "gradient": np.gradient,
    "cross": lambda x: np.cross(x[:3], x[3:]),
    "complex": lambda x: np.abs(x[:3] + 1j * x[3:]) ** 2,
    "broadcast": lambda x: x[:3, None] + x[None, 3:],
    "numbers": lambda x: x[0] * x[3] + 2,
    "empty": lambda x: x[:0],
}
CONSERVATIVE: dict[str, Callable[[Any], Any]] = {
    "where": lambda x: np.where(x > 0, x, x[::-1]),
    "max": np.max,
    "sort": np.sort,
    "argsort": lambda x: x[np.argsort(x)],
    "median": np.median,
    "cholesky": lambda x: np.linalg.cholesky(SPD + np.diag(x)),
    "add.at": added,
    "times zero": lambda x: x * np.arange(6.0),
    "argmax": lambda x: x[np.argmax(x)] * x,
}
SCALAR_EXACT: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: np.sum(DENSE @ x),
    "separable": lambda x: np.sum(np.exp(x)),
    "quadratic form of a band": lambda x: x @ BAND @ x,
    "square of a sum": lambda x: np.sum(x) ** 2,
    "one product": lambda x: x[0] * x[1] + x[2],
    "corners": lambda x: np.sum(np.maximum(x, 0)),
    "chain": lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    "chain of products": lambda x: np.sum(x[:-1] ** 2 * x[1:]),
    "log-determinant": lambda x: np.linalg.slogdet(SPD + np.diag(x))[1],
    "norm": lambda x: np.linalg.norm(x[:3]),
    "huber": lambda x: np.sum(np.where(np.abs(x) > 0.5, np.abs(x), x**2 / 2)),
    "loop": lambda x: loop(x)[5],
    "rows of an einsum": lambda x: np.sum(np.sin(np.einsum("ij,ij->j", x.reshape(2, 3), x.reshape(2, 3)))),
}
