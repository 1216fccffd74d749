"""The functions on which every rule is tested: name -> (function of one array, where)."""

from __future__ import annotations

import numpy as np
import scipy.special as sp
from cases_numpy import CASES as NUMPY

RNG = np.random.default_rng(7)
LINE = np.linspace(0.31, 0.93, 5)
SIGNED = np.array([-0.83, -0.41, 0.27, 0.66, 0.95])
CELLS = np.array([-0.47, 0.17, 0.43, 0.58, 0.86])  # far from every jump of the functions tested there
WIDE = np.array([1.31, 1.77, 2.23, 2.9])
TABLE = RNG.normal(size=(3, 4))
SQUARE = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
STACK = RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3)
OTHER = RNG.normal(size=(4, 2))
CONST = RNG.normal(size=(3, 4))
PLACES = np.array([[0, 2], [1, 1]])

_UFUNCS_SIGNED = (
    "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh exp exp2 expm1 log1p square "
    "absolute fabs negative positive deg2rad rad2deg degrees radians conjugate"
)
CASES = {f"np.{n}": (getattr(np, n), SIGNED) for n in _UFUNCS_SIGNED.split()}
CASES |= {f"np.{n}": (getattr(np, n), LINE) for n in "log log2 log10 sqrt cbrt reciprocal".split()}
CASES["np.arccosh"] = (np.arccosh, WIDE)
_PAIRS = "add subtract multiply divide arctan2 hypot logaddexp logaddexp2 maximum minimum fmax fmin copysign"
for _n in _PAIRS.split():
    _f = getattr(np, _n)
    CASES[f"np.{_n}"] = (lambda x, f=_f: f(x[:2], x[2:4]), SIGNED)
    CASES[f"np.{_n}, right"] = (lambda x, f=_f: f(0.5, x), SIGNED)
    CASES[f"np.{_n}, left, broadcast"] = (lambda x, f=_f: f(x, TABLE[0][:, None]), SIGNED)
CASES |= {
    "power": (lambda x: x[:2] ** x[2:4], LINE),
    "power, number": (lambda x: x**3 + x**-1.5 + x**2 + x**1 + x**0.5, LINE),
    "power of a number": (lambda x: 2.0**x, SIGNED),
    "float_power": (lambda x: np.float_power(x, 2.5), LINE),
    "remainder": (
        lambda x: np.remainder(x * 3, 1.0) + (np.array([-0.7, 0.23, 0.66, 0.9, 1.3]) % x) + x % 0.37,
        CELLS,
    ),
    "fmod": (lambda x: np.fmod(x * 3, 1.0) + np.fmod(-x, 0.35), CELLS),
    "divmod, modf": (lambda x: divmod(x * 3, 1.0)[1] + np.modf(-3 * x)[0], CELLS),
    "heaviside": (lambda x: x * np.heaviside(x, 0.5), SIGNED),
    "floor, ceil, rint, sign": (
        lambda x: x * (np.floor(3 * x) + np.ceil(x) + np.rint(3 * x + 0.5) + np.sign(x)),
        CELLS,
    ),
    "operators": (lambda x: (3 - x) / (2 + x) * (1 / x) - (-x) + (+x) - abs(x), SIGNED),
    "where": (lambda x: np.where(x > 0, x**2, np.sin(x)) + np.where(x < 0, 1.0, x), SIGNED),
    "ufunc where": (lambda x: np.log(x, where=x > 0.4, out=np.zeros_like(x)), SIGNED),
    "clip": (lambda x: np.clip(x, -0.5, 0.7) * x, SIGNED),
    "select": (lambda x: np.select([x < -0.5, x < 0.5], [x, x**2], np.exp(x)), SIGNED),
    "choose": (lambda x: np.choose([0, 1, 0, 1, 1], [x, x**3]), SIGNED),
    "sinc": (np.sinc, SIGNED),
    # reductions
    "sum": (lambda x: np.sum(x**2) + x.sum(0) + x.sum(axis=-1, keepdims=True)[:1], TABLE),
    "sum of axes": (lambda x: np.sum(x**2, axis=(0, 1), keepdims=True), TABLE),
    "sum where, initial": (lambda x: np.sum(x**3, axis=0, where=CONST > 0, initial=2.0), TABLE),
    "mean": (lambda x: np.mean(x**2, axis=1) * x.mean(), TABLE),
    "var, std": (lambda x: np.var(x, axis=0) + np.std(x, axis=0, ddof=1) + x.var() + x.std(), TABLE),
    "average": (lambda x: np.average(x**2, axis=0, weights=[0.2, 0.3, 0.5]), TABLE),
    "prod": (lambda x: np.prod(x, axis=1) * x.prod(), TABLE),
    "prod with a zero": (
        lambda x: np.prod(x - x.shape[0] + 3.0) + np.prod(x * np.array([1, 0, 1.0])),
        TABLE[0, :3],
    ),
    "max, min": (lambda x: np.max(x**3, axis=0) + np.min(x, axis=0) * x.max() + np.ptp(x, axis=0), TABLE),
    "cumsum, cumprod": (lambda x: np.cumsum(x**2, axis=0) + np.cumprod(x, axis=1) + np.cumsum(x)[3], TABLE),
    "sort": (lambda x: np.sort(x**3, axis=1) * CONST, TABLE),
    "median, quantile": (lambda x: np.median(x**3, axis=1) + np.quantile(x, 0.3, axis=1), TABLE),
    "percentile": (lambda x: np.percentile(x**2, [20, 60], axis=0), TABLE),
    "nansum, nanmean": (
        lambda x: np.nansum(x**2, axis=0) + np.nanmean(x, axis=0) + np.nanmax(x) * np.nanmin(x),
        TABLE,
    ),
    "ufunc.reduce": (lambda x: np.add.reduce(x**2) + np.multiply.reduce(x) + np.maximum.reduce(x), TABLE),
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x, axis=1), TABLE),
    "ufunc.accumulate": (lambda x: np.multiply.accumulate(x) + np.maximum.accumulate(x, axis=1), TABLE),
    "ufunc.outer": (lambda x: np.multiply.outer(x, x**2) + np.subtract.outer(x, CONST[0, :3]), LINE[:3]),
    "linalg.norm": (lambda x: np.linalg.norm(x) * np.linalg.norm(x, axis=0), TABLE),
    "linalg.norm, orders": (
        lambda x: (
            np.linalg.norm(x[0], 1) * np.linalg.norm(x[1], 3)
            + np.linalg.norm(x, np.inf)
            + np.linalg.norm(x, 1)
        ),
        SQUARE * np.array([1.0, 2, 4]),
    ),
    "linalg.norm, singular values": (lambda x: np.linalg.norm(x, 2) + np.linalg.norm(x, "nuc"), TABLE),
    # structure
    "reshape, T": (
        lambda x: x.reshape(4, 3) * x.T + x.reshape(-1)[:3] + np.transpose(x) + np.ravel(x)[0],
        TABLE,
    ),
    "swapaxes, moveaxis": (lambda x: np.swapaxes(x**2, 0, 1) + np.moveaxis(x, 0, 1), TABLE),
    "squeeze, expand_dims": (lambda x: np.squeeze(np.expand_dims(x**2, 1), 1) + x[:, None, :][:, 0], TABLE),
    "order F": (lambda x: np.reshape(x**2, (2, 6), order="F") * np.arange(6.0), TABLE),
    "broadcast_to": (lambda x: np.broadcast_to(x**2, (2, 5)) * np.arange(10.0).reshape(2, 5), SIGNED),
    "indexing": (lambda x: x[1:, ::2] ** 2 + x[-1, 1:3] * x[0, 0] + x[..., :2][:2], TABLE),
    "indexing with arrays": (
        lambda x: x[PLACES, 1] * x[[0, 2]][:, [1, 3]] + x[x > -9].sum() * x[1, PLACES],
        TABLE,
    ),
    "indexing, separated": (lambda x: x[None][0, :, :][PLACES[:, :, None], [0, 3]] ** 2, TABLE),
    "concatenate, stack": (
        lambda x: (
            np.concatenate([x**2, CONST, x], axis=1)[:, 2:10] * np.stack([x, x**2], axis=1).reshape(3, 8)
        ),
        TABLE,
    ),
    "hstack, vstack, dstack": (
        lambda x: (
            np.vstack([x, x[0]]).sum() * np.hstack([x, x**2])
            + np.dstack([x, x]).sum()
            + np.column_stack([x, x])
        ),
        TABLE,
    ),
    "block, append": (lambda x: np.block([[x, x**2], [CONST, x]]) * np.append(x, x).sum(), TABLE),
    "flip, roll, rot90": (
        lambda x: np.flip(x) * np.roll(x, 1, axis=0) + np.rot90(x, 2) ** 2 + np.fliplr(x) * np.flipud(x),
        TABLE,
    ),
    "tile, repeat": (lambda x: np.tile(x, (2, 1)) ** 2 + np.repeat(x, 2, axis=0), TABLE),
    "diag, diagonal, trace": (
        lambda x: np.diag(np.diag(x) ** 2) + np.trace(x) * np.diagonal(x, 1).sum(),
        SQUARE,
    ),
    "tril, triu": (lambda x: np.tril(x**2) + np.triu(x, 1) * 3, SQUARE),
    "pad": (
        lambda x: np.pad(x**2, 1) + np.pad(x, ((1, 1), (1, 1)), mode="reflect") + np.pad(x, 1, mode="edge"),
        TABLE,
    ),
    "take": (
        lambda x: np.take(x**2, [2, 0], axis=1) + x.take(PLACES[0], axis=1) * x.take([3, 3], axis=1),
        TABLE,
    ),
    "take_along_axis": (lambda x: np.take_along_axis(x**2, np.argsort(CONST, axis=1), axis=1), TABLE),
    "split": (lambda x: np.split(x**2, 2, axis=1)[1] + np.array_split(x, 2, axis=1)[0], TABLE),
    "delete, insert": (lambda x: np.delete(x**2, 1, axis=1) + np.insert(x, 1, 2.0)[:3], TABLE),
    "meshgrid": (lambda x: np.meshgrid(x, x**2)[0] * np.meshgrid(x, x**2)[1], LINE),
    "atleast": (lambda x: np.atleast_2d(x) ** 2 + np.atleast_1d(x[0]), LINE),
    "diff": (lambda x: np.diff(x**2, axis=1) + np.diff(x, 2, axis=1).sum() + np.ediff1d(x)[:3], TABLE),
    "gradient": (lambda x: np.gradient(x**2, 0.1, axis=1) + np.gradient(x)[0], TABLE),
    "trapezoid": (
        lambda x: np.trapezoid(x**2, axis=0) + np.trapezoid(x, np.cumsum(x[0] ** 2), axis=1).sum(),
        TABLE,
    ),
    "interp": (
        lambda x: np.interp([0.01, 0.45, 1.2, 1.7], np.cumsum(x), np.sin(x)),
        np.array([0.31, 0.4, 0.3, 0.5, 0.4]),
    ),
    "convolve": (lambda x: np.convolve(x, x[:3] ** 2) * np.convolve(x[:3], x).sum(), LINE),
    "correlate": (lambda x: np.correlate(x, x[:3], mode="valid"), LINE),
    "cov": (lambda x: np.cov(x) + np.corrcoef(x), TABLE),
    "polyval, vander": (lambda x: np.polyval(x, x**2) + np.vander(x, 3) @ x[:3], LINE),
    "object arrays": (lambda x: np.array([x[0] * x[1], np.sin(x[2]), 2.0]) * x[:3], LINE),
    # assignment
    "buffer": (lambda x: _buffer(x), LINE),
    "views": (lambda x: _views(x), TABLE),
    "accumulation": (lambda x: _accumulated(x), LINE),
    "ufunc.at, repeated places": (lambda x: _scattered(x), LINE),
    # linear algebra
    "matmul": (lambda x: x @ OTHER + (x.T @ x)[:3, :2] + np.dot(x, x[0])[:, None] + x[0] @ x[1], TABLE),
    "matmul, stacks": (lambda x: np.matmul(x, x.swapaxes(1, 2)) + SQUARE @ x + x @ SQUARE[0][:, None], STACK),
    "matmul, vectors": (lambda x: x @ SQUARE[0] + SQUARE[1] @ x, STACK),
    "vdot, inner, outer": (lambda x: np.vdot(x, x) * np.inner(x, x) + np.outer(x[0], x[1])[:3, :3], TABLE),
    "tensordot": (
        lambda x: np.tensordot(x, CONST, axes=(1, 1)) + np.tensordot(x, x, axes=([0, 1], [0, 1])),
        TABLE,
    ),
    "einsum": (
        lambda x: np.einsum("ij,kj->ik", x, x) + np.einsum("ij,ij->i", x, CONST) + np.einsum("ij->", x),
        TABLE,
    ),
    "einsum, three": (
        lambda x: np.einsum("ij,jk,lk->il", x, OTHER, x @ OTHER) * np.einsum("...j,j", x, x[0]),
        TABLE,
    ),
    "einsum, diagonal": (lambda x: np.einsum("ii->i", x**2) * np.einsum("ii", x), SQUARE),
    "kron, cross": (lambda x: np.kron(x, x[:1])[:3, :3] + np.cross(x, x**2), SQUARE),
    "multi_dot, matrix_power": (
        lambda x: np.linalg.multi_dot([x, x, x]) + np.linalg.matrix_power(x, 3),
        SQUARE,
    ),
    "inv": (np.linalg.inv, STACK),
    "solve": (lambda x: np.linalg.solve(x, x[0] ** 2) + np.linalg.solve(SQUARE, x)[0], SQUARE),
    "solve, stacks": (lambda x: np.linalg.solve(x, SQUARE) + np.linalg.solve(SQUARE, x), STACK),
    "det, slogdet": (lambda x: np.linalg.det(x) * np.linalg.slogdet(x)[1], STACK),
    "cholesky": (lambda x: np.linalg.cholesky(x @ x.T), SQUARE),
    "eigh": (lambda x: _eigh(x), SQUARE),
    "svd": (lambda x: _svd(x), TABLE),
    "qr": (lambda x: _qr(x), np.vstack([SQUARE, [[0.4, 0.6, -0.5]]])),
    "pinv, lstsq": (lambda x: np.linalg.pinv(x) @ x[:, :3] + np.linalg.lstsq(x.T, x[0])[0], TABLE),
    # Fourier
    "fft": (lambda x: np.abs(np.fft.fft(x)) ** 2 + np.fft.ifft(x**2).imag, LINE),
    "rfft, irfft": (lambda x: np.fft.irfft(np.fft.rfft(x**2) * np.fft.rfft(x), 5), LINE),
    "fft2": (lambda x: np.abs(np.fft.fft2(x, norm="ortho")) + np.fft.fftn(x).real, TABLE),
    "complex parts": (lambda x: np.angle(x + 1j * x[::-1] ** 2) + np.abs(x * (1 + 2j)) + (x * 1j).imag, LINE),
}

_SPECIAL = {
    "erf erfc erfcx erfi dawsn ndtr log_ndtr expit log_expit exprel cosm1 exp10 sindg cosdg": SIGNED,
    "j0 j1 i0 i1 i0e i1e": SIGNED,
    "erfinv": SIGNED / 2,
    "erfcinv ndtri logit entr tandg cotdg gamma gammaln loggamma rgamma psi exp1 expi spence": LINE,
    "y0 y1 k0 k1 k0e k1e ellipk ellipe": LINE,
}
CASES |= {f"sp.{n}": (getattr(sp, n), at) for names, at in _SPECIAL.items() for n in names.split()}
for _n in "xlogy xlog1py rel_entr kl_div beta betaln poch".split():
    _f = getattr(sp, _n)
    CASES[f"sp.{_n}"] = (lambda x, f=_f: f(x[:2], x[2:4]), LINE)
for _n in "jv yv iv kv ive kve gammainc gammaincc pseudo_huber".split():
    _f = getattr(sp, _n)
    CASES[f"sp.{_n}"] = (lambda x, f=_f: f(1.5, x), LINE)
CASES |= {
    "sp.huber": (lambda x: sp.huber(0.5, x), SIGNED),
    "sp.expn": (lambda x: sp.expn(3, x), LINE),
    "sp.betainc": (lambda x: sp.betainc(1.5, 2.5, x), LINE),
    "sp.boxcox": (lambda x: sp.boxcox(x, 0.7) + sp.boxcox1p(x, 0.7) + sp.inv_boxcox(x, 0.7), LINE),
    "sp.sici, shichi": (lambda x: sp.sici(x)[0] + sp.sici(x)[1] + sp.shichi(x)[0] * sp.shichi(x)[1], LINE),
}

CASES |= NUMPY


def _buffer(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[i] ** 2
        y[i] += np.sin(x[0])
    z = np.empty_like(x)
    z[:] = 1.0
    z[1:3] = y[:2] * x[1]
    z[[3, 4]] = x[:2]
    return y * z


def _views(x):
    x = x.copy()
    row = x[1]
    row *= 2
    part = x[:, 1:3][1:]
    part[0] = x[0, :2] ** 2
    flat = x.reshape(-1)
    flat[0] = x[2, 2] * 3
    x.T[3, 2] = x[0, 1]
    return x * row


def _accumulated(x):
    y = x * 1.0
    for k in range(1, len(x)):
        y[k] += y[k - 1] * x[k]
        y *= 1.1
    y -= x
    y /= 2
    y **= 2
    return y


def _scattered(x):
    y = np.zeros_like(x)
    np.add.at(y, [0, 0, 3, 1], x[:4] ** 2)
    y[[2, 2]] = x[:2]
    y[[4, 4, 1]] += x[1:4]
    return y


def _eigh(x):
    d, v = np.linalg.eigh(x @ x.T)
    return v * np.exp(-d / 10) @ v.T + d


def _svd(x):
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * s**2) @ vh + s.sum()


def _qr(x):
    q, r = np.linalg.qr(x)
    return q @ (r * r) + q
