"""The less common functions of NumPy, as in ``cases``: name -> (function of one array, where)."""

from __future__ import annotations

import numpy as np

import polyad as ad

RNG = np.random.default_rng(11)
LINE = np.linspace(0.31, 0.93, 5)
SIGNED = np.array([-0.83, -0.41, 0.27, 0.66, 0.95])
CELLS = np.array([-0.47, 0.17, 0.43, 0.58, 0.86])
TABLE = RNG.permutation(np.linspace(-1.7, 1.9, 12)).reshape(3, 4)  # no two entries are near
SQUARE = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
STACK = RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3)
CONST = RNG.normal(size=(3, 4))
TURN = np.array([[0.9, 2.1, 0.3], [-1.7, 0.4, 0.2], [0.1, -0.6, 2.5]])  # one real, two complex eigenvalues
REAL = np.array([[3.0, 0.3, -0.4], [0.1, 1.1, 0.2], [0.3, -0.2, -1.3]])  # three real ones
WEIGHTS = np.array([0.2, 0.5, 0.1, 0.9])
HOLES = CONST > 0.9
X4 = np.array([0.1, 0.4, 0.9, 1.7])

CASES = {
    # linear algebra
    "eig, complex": (lambda x: _eig(x), TURN),
    # from NumPy 2.5 on the result is of a complex type here too
    "eig, real": (lambda x: np.real(np.linalg.eig(x)[1] ** 2 + np.linalg.eig(x)[0]), REAL),
    "eigvals": (lambda x: _parts(np.linalg.eigvals(x)), TURN),
    "eigvals, stacks": (lambda x: _parts(np.linalg.eigvals(x)), np.stack([TURN, TURN.T + np.eye(3)])),
    "eigh, upper": (lambda x: np.linalg.eigh(x, "U")[0] + np.linalg.eigvalsh(x), SQUARE + SQUARE.T),
    "cond": (
        lambda x: np.linalg.cond(x) + np.linalg.cond(x, -2) + np.linalg.cond(x, 1) + np.linalg.cond(x, "fro"),
        STACK,
    ),
    "multi_dot": (lambda x: np.linalg.multi_dot([x[0], x, x.T, x[:, 0]]), SQUARE),
    "tensorinv": (lambda x: np.linalg.tensorinv(x.reshape(2, 3, 6)), RNG.normal(size=(6, 6)) + 3 * np.eye(6)),
    "tensorsolve": (
        lambda x: (
            np.linalg.tensorsolve(x.reshape(2, 3, 6), x[:2, :3])
            + np.linalg.tensorsolve(x.reshape(2, 6, 3), x[0].reshape(2, 3) ** 2, axes=(1,)).sum()
        ),
        RNG.normal(size=(6, 6)) + 3 * np.eye(6),
    ),
    "matrix_norm": (
        lambda x: (
            np.linalg.matrix_norm(x)
            + np.linalg.matrix_norm(x, ord=2)
            + np.linalg.matrix_norm(x, ord=-2, keepdims=True).sum()
            + np.linalg.matrix_norm(x, ord="nuc") * np.linalg.matrix_norm(x, ord=1)
            + np.linalg.matrix_norm(x, ord=-np.inf)
        ),
        STACK * np.arange(1.0, 4.0),
    ),
    "vector_norm": (
        lambda x: (
            np.linalg.vector_norm(x) * np.linalg.vector_norm(x, axis=0)
            + np.linalg.vector_norm(x, axis=(0, 1), ord=3, keepdims=True)[0]
            + np.linalg.vector_norm(x, ord=np.inf, axis=0)
            + np.linalg.vector_norm(x**2 + 0.5, ord=-1.5)
            + np.linalg.vector_norm(x, ord=0)
        ),
        TABLE,
    ),
    "norm, axes": (
        lambda x: (
            np.linalg.norm(x, axis=(0, 2), ord=2)
            + np.linalg.norm(x, axis=(-1, 0), ord="nuc", keepdims=True)[0, :, 0]
            + np.linalg.norm(x, axis=1, ord=-np.inf).sum()
            + np.linalg.norm(x, axis=(1, 2), ord="fro").sum()
        ),
        STACK,
    ),
    "norm, complex": (
        lambda x: (
            np.linalg.norm(x + 1j * x[::-1] ** 2, 2)
            + np.linalg.norm(x + 1j * x.T, "nuc")
            + np.linalg.norm(x - 2j * x.T)
        ),
        SQUARE,
    ),
    "svdvals": (
        lambda x: np.linalg.svdvals(x) + np.linalg.svd(x.T, compute_uv=False),
        TABLE * np.array([[1.0], [3.0], [7.0]]),
    ),
    "svd, hermitian": (
        lambda x: np.linalg.svd(x, hermitian=True)[0] @ np.linalg.svd(x, hermitian=True)[2],
        np.diag([2.0, -1.1, 0.4]) + 0.1 * np.ones((3, 3)),
    ),
    "qr, wide": (lambda x: np.linalg.qr(x)[1] * x + np.linalg.qr(x, mode="r"), np.hstack([SQUARE, TABLE])),
    "qr, complex": (lambda x: _complex_qr(x), SQUARE),
    "slogdet, complex": (
        lambda x: _parts(np.linalg.slogdet(x + 1j * x.T)[0] * np.linalg.slogdet(x + 2j * x.T)[1]),
        SQUARE,
    ),
    "cholesky, upper": (lambda x: np.linalg.cholesky(x @ x.T, upper=True), SQUARE),
    "cholesky, one triangle": (np.linalg.cholesky, SQUARE @ SQUARE.T),
    "pinv, hermitian": (lambda x: np.linalg.pinv(x + x.T, hermitian=True), SQUARE),
    "lstsq": (
        lambda x: np.linalg.lstsq(x.T, x[0] ** 2)[0] + np.linalg.lstsq(x.T, CONST.T)[1],
        TABLE,
    ),
    "matrix_rank": (lambda x: np.linalg.matrix_rank(x) * x, TABLE),
    "aliases": (
        lambda x: (
            np.linalg.outer(x[0], x[1])
            + np.linalg.cross(x, x**2)
            + np.linalg.trace(x)
            + np.linalg.diagonal(x, offset=0)
            + np.linalg.tensordot(x, x, axes=1)
            + np.linalg.matmul(x, x)
            + np.linalg.matrix_transpose(x)
            + np.linalg.vecdot(x, x**2)
        ),
        SQUARE,
    ),
    "vecdot, matvec, vecmat": (
        lambda x: np.vecdot(x, x**2) * np.matvec(x, x[0]) + np.vecmat(x[1], x) + np.matrix_transpose(x)[0],
        SQUARE,
    ),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, -2) + np.linalg.matrix_power(x, 0), SQUARE),
    # Fourier
    "fft, sizes and norms": (
        lambda x: (
            np.abs(np.fft.fft(x, 8, norm="ortho")) ** 2
            + np.fft.ifft(x**2, 8, norm="forward").real
            + np.fft.fft(x[:3] ** 2, 8).imag
        ),
        LINE,
    ),
    "rfft, sizes": (
        lambda x: np.fft.irfft(np.fft.rfft(x, 7, axis=0) ** 2, 6, axis=0, norm="ortho") + np.fft.irfft(x[:4]),
        LINE,
    ),
    "hfft, ihfft": (
        lambda x: (
            np.fft.hfft(x**2 + 1j * x, 6) + np.abs(np.fft.ihfft(x, 10, norm="ortho")) * np.fft.hfft(x)[:6]
        ),
        np.append(LINE, 1.2),
    ),
    "fftn, ifftn": (
        lambda x: (
            np.abs(np.fft.fftn(x, (4, 4), (0, 1), norm="ortho")) ** 2 + np.fft.ifftn(x, (4, 4), (1, 0)).real
        ),
        TABLE,
    ),
    "ifft2, shifts": (
        lambda x: np.fft.fftshift(np.fft.ifft2(x**2).imag) + np.fft.ifftshift(x, axes=1),
        TABLE,
    ),
    "rfftn, irfftn": (lambda x: np.fft.irfftn(np.fft.rfftn(x) * np.fft.rfftn(x**2), (3, 4), (0, 1)), TABLE),
    "rfft2, irfft2": (
        lambda x: np.fft.irfft2(np.fft.rfft2(x, (4, 6), norm="forward") ** 2, (3, 4), axes=(1, 0)),
        TABLE,
    ),
    # polynomials
    "polyadd, polysub": (lambda x: np.polyadd(x[:2] ** 2, x) * np.polysub(x, x[3:]), SIGNED),
    "polymul, polydiv": (
        lambda x: np.polydiv(np.polymul(x, x[:3]), x[:2] ** 2 + 1)[0] + np.polydiv(x, x[:3])[1].sum(),
        SIGNED,
    ),
    "polyder, polyint": (lambda x: np.polyint(np.polyder(x**2, 2), 2, x[:2]) + np.polyint(x[:4]), SIGNED),
    "polyfit": (lambda x: np.polyfit(X4 * x[0], x, 2) + np.polyfit(X4, x**2, 2, w=WEIGHTS), X4[::-1] + 0.3),
    "polyfit, several": (lambda x: np.polyfit(X4[:3], x, 1), TABLE),
    "poly": (lambda x: np.poly(x), SIGNED[:3]),
    "poly of a matrix": (lambda x: np.poly(x), TURN),
    "vander": (lambda x: np.vander(x, 2) * np.vander(x, 2, increasing=True), SIGNED),
    # order
    "partition": (lambda x: np.partition(x**3, 1, axis=1) * CONST, TABLE),
    "argpartition, lexsort": (
        lambda x: x[np.arange(3), np.argpartition(x, 2, axis=1)[:, 2]] + x[np.lexsort((x[:, 0],)), 1],
        TABLE,
    ),
    "searchsorted, digitize": (
        lambda x: (
            x * (np.searchsorted([0.0, 0.5], x) + np.digitize(x, [-0.5, 0.5]) + np.digitize(x, [0.4, 0.1]))
        ),
        SIGNED,
    ),
    "median": (
        lambda x: np.median(x**3, axis=(0, 1), keepdims=True) * x + np.median(x, axis=0) + np.median(x),
        TABLE,
    ),
    "quantile, methods": (
        lambda x: (
            np.quantile(x, [0.1, 0.55], axis=1, method="hazen")
            + np.quantile(x**2, 0.37, axis=1, method="median_unbiased")
            + np.quantile(x, 0.37, method="lower")
            + np.quantile(x, 0.37, method="midpoint")
            + np.percentile(x, 40, method="averaged_inverted_cdf", axis=1)
        ),
        TABLE,
    ),
    "unique": (lambda x: np.unique(x**3) * x.ravel() + np.unique_all(x).values[0], TABLE),
    "trim_zeros": (lambda x: np.trim_zeros(np.where(np.arange(5) < 2, 0.0, x)) ** 2, SIGNED),
    # nan
    "nansum, nanprod": (
        lambda x: (
            np.nansum(_holes(x**2), axis=0) * np.nanprod(_holes(x), axis=0)
            + np.nancumsum(_holes(x), axis=1)
            + np.nancumprod(_holes(x), axis=0)
        ),
        TABLE,
    ),
    "nanmean, nanvar, nanstd": (
        lambda x: np.nanmean(_holes(x), axis=1) + np.nanvar(_holes(x), axis=1, ddof=1) + np.nanstd(_holes(x)),
        TABLE,
    ),
    "nanmax, nanmin": (
        lambda x: (
            np.nanmax(_holes(x), axis=1) * np.nanmin(_holes(x), axis=1) + x.ravel()[np.nanargmax(_holes(x))]
        ),
        TABLE,
    ),
    "nanmedian, nanquantile": (
        lambda x: (
            np.nanmedian(_holes(x), axis=1)
            + np.nanquantile(_holes(x), [0.2, 0.7], axis=1)
            + np.nanpercentile(_holes(x**2), 30)
        ),
        TABLE,
    ),
    "nan_to_num": (lambda x: np.nan_to_num(_holes(x), nan=2.0) ** 2, TABLE),
    # statistics
    "average, weights": (
        lambda x: (
            np.average(x**2, axis=1, weights=x[0] ** 2)
            + np.average(x, axis=(0, 1), weights=x**2)
            + np.average(x, axis=1, returned=True, keepdims=True)[0].sum()
            + np.average(x, axis=0, weights=[1, 2, 3], returned=True)[1].sum()
        ),
        TABLE,
    ),
    "cov, weights": (
        lambda x: (
            np.cov(x, fweights=[1, 2, 1, 3], aweights=WEIGHTS) + np.cov(x, aweights=x[0] ** 2, bias=True)
        ),
        TABLE,
    ),
    "cov, two": (
        lambda x: np.cov(x[0], x[1] ** 2, ddof=0) * np.corrcoef(x[0], x[2]) + np.cov(x, rowvar=False)[:2, :2],
        TABLE,
    ),
    "bincount, histogram": (
        lambda x: (
            np.bincount([0, 2, 2, 1, 0], weights=x**2)
            + np.histogram(CELLS, 3, weights=x)[0]
            + np.histogram(x, 3)[1][1:]
            + np.histogram(x, [-1.0, 0.0, 0.3, 1.0], weights=x**2, density=True)[0]
        ),
        SIGNED,
    ),
    # calculus
    "gradient, coordinates": (
        lambda x: (
            np.gradient(x**2, np.cumsum(x[0] ** 2), axis=1, edge_order=2)
            + np.gradient(x, x[0, 0] ** 2, [0.0, 0.3, 0.7, 1.9])[0]
        ),
        TABLE,
    ),
    "trapezoid, spacings": (
        lambda x: np.trapezoid(x, np.cumsum(x**2, axis=0), axis=0) + np.trapezoid(x, dx=0.3, axis=1).sum(),
        TABLE,
    ),
    "interp, period": (
        lambda x: (
            np.interp([0.05, 1.4, -0.6], np.cumsum(x), x**2, period=1.9)
            + np.interp(x[:3], [0.0, 0.2, 1.0], [0.0, 1.0, 3.0], left=2.0, right=-1.0)
        ),
        np.array([0.5, 0.4, 0.3, 0.5, 0.45]),
    ),
    "unwrap": (
        lambda x: np.unwrap(x * 9) ** 2 + np.unwrap(x * 3, period=2.0) + np.unwrap(x * 9, discont=4.0),
        CELLS,
    ),
    "convolve, modes": (
        lambda x: (
            np.convolve(x, x[:2], "same") + np.convolve(x[:3], x, "valid").sum() * np.convolve(x[:4], x)[:5]
        ),
        LINE,
    ),
    "correlate, modes": (
        lambda x: (
            np.correlate(x, x[:2] ** 2, "same") * np.correlate(x[:4], x, "same") + np.correlate(x, x).sum()
        ),
        LINE,
    ),
    "diff, ends": (
        lambda x: (
            np.diff(x, prepend=0.0, append=x[:, :1]) + np.ediff1d(x, to_end=x[0, 0], to_begin=[1.0])[:5]
        ),
        TABLE,
    ),
    # elementary
    "copysign, heaviside, ldexp": (
        lambda x: (
            np.copysign(x**2, -x) + x * np.heaviside(x, x) + np.ldexp(x, 3) + np.ldexp(x, [1, 2, 0, 1, -1])
        ),
        SIGNED,
    ),
    "frexp": (lambda x: np.frexp(x**2)[0] * np.frexp(x)[1], np.array([-0.41, 0.43, 0.81, 1.57, 3.1])),
    "fix, spacing, nextafter": (
        lambda x: x * np.fix(3 * x) + np.nextafter(x, 1.0) + x * np.spacing(np.float64(1.0)),
        CELLS,
    ),
    "float_power, positive": (lambda x: np.float_power(x, x) + np.positive(x), LINE),
    "i0, sinc, angle": (lambda x: np.i0(x) * np.sinc(x) + np.angle(x + 1j, deg=True), SIGNED),
    "emath": (
        lambda x: (
            np.emath.sqrt(x).imag
            + np.emath.power(x, 1.5).imag
            + np.emath.logn(2, x).real
            + np.emath.arccos(3 * x + 2).imag[0]
            + np.emath.log(x).real
            + np.emath.arcsin(2 * x + 0.3).real
            + np.emath.sqrt(x * x)
        ),
        SIGNED,
    ),
    "questions": (
        lambda x: (
            x
            * (np.isclose(x, 0.27, atol=0.1) * 2 + np.isreal(x) + np.isin(np.sign(x), [1.0]) + np.isposinf(x))
            * (1.0 * np.allclose(x, x) + 1.0 * np.array_equal(x, x[::-1]) + 1.0 * np.array_equiv(x, x))
        ),
        SIGNED,
    ),
    "astype": (lambda x: np.astype(x, complex).real * np.astype(3 * x, int), CELLS),
    "real_if_close": (lambda x: np.real_if_close(x * (1 + 0j)) ** 2, SIGNED),
    # ranges and shapes
    "linspace": (
        lambda x: (
            np.linspace(x[:2], x[2:4], 4, axis=1) * np.linspace(0.0, x[4], 4, endpoint=False)
            + np.linspace(x[0], 2.0, 3, retstep=True)[1]
        ),
        SIGNED,
    ),
    "logspace, geomspace": (
        lambda x: (
            np.logspace(x[0], x[1], 4) + np.geomspace(x[2], 3.0, 4) + np.logspace(0, x[1], 4, base=x[2])
        ),
        LINE,
    ),
    "ix_, indices of a shape": (
        lambda x: (
            x[np.ix_([0, 2], [1, 3])]
            + np.ix_(x[0, :2], x[1, :2])[0] * x[np.diag_indices_from(x[:3, :3])][:2]
            + x[np.tril_indices_from(x)].sum()
            + x[np.triu_indices_from(x, 1)].sum()
        ),
        TABLE,
    ),
    "argwhere, flatnonzero": (
        lambda x: x[np.argwhere(x > 0)[:, 0]] * x[np.flatnonzero(x > 0)] + x[np.nonzero(x > 0)],
        SIGNED,
    ),
    "insert, delete": (
        lambda x: (
            np.insert(x, [1, 3], x[:2] ** 2)[1:6]
            + np.insert(x, 2, x[0])[1:]
            + np.delete(np.append(x, x), [0, 3, 9, 8, 5])
        ),
        SIGNED,
    ),
    "insert rows": (lambda x: np.insert(x, 1, x[0] ** 2, axis=0) + np.insert(x, [0], x[:1], axis=0), TABLE),
    "resize, compress, extract": (
        lambda x: np.resize(x, (2, 3))[1] * np.compress([0, 1, 1, 0, 1], x) + np.extract(SIGNED > 0.1, x**2),
        SIGNED,
    ),
    "split, unstack": (
        lambda x: (
            np.hsplit(x, 2)[0]
            * np.vsplit(x, [1, 2])[1][:, :2]
            * np.unstack(x, axis=1)[3][:, None]
            * np.dsplit(x[None], 2)[1][0]
        ),
        TABLE,
    ),
    "permute_dims, rollaxis, concat": (
        lambda x: (
            np.permute_dims(x, (1, 0)) * np.rollaxis(x, 1) + np.concat([x, x], axis=None).reshape(2, 4, 3)[0]
        ),
        TABLE,
    ),
    "broadcast_arrays, atleast_3d, sliding_window_view": (
        lambda x: (
            np.broadcast_arrays(x, x[:, :1])[1] ** 2
            + np.atleast_3d(x)[:, :, 0]
            + np.lib.stride_tricks.sliding_window_view(x, 2, axis=1)[0, 0, 1]
        ),
        TABLE,
    ),
    "cumulative": (
        lambda x: (
            np.cumulative_sum(x**2, axis=1, include_initial=True)[:, 1:]
            * np.cumulative_prod(x, axis=0)
            * np.cumulative_prod(x[0], include_initial=True)[:4]
        ),
        TABLE,
    ),
    # functions of the user's, and functions that write
    "apply_along_axis": (
        lambda x: (
            np.apply_along_axis(lambda v: v[:2] ** 2 * v[2], 0, x)
            + np.apply_along_axis(np.sum, 1, x).sum()
            + np.apply_over_axes(np.sum, x, [0, 1])
        ),
        TABLE,
    ),
    "piecewise": (
        lambda x: (
            np.piecewise(x, [x < -0.5, x > 0.5], [lambda v: v**3, np.exp, 2.0])
            + np.piecewise(x, [x > 0], [np.sqrt, np.square])
        ),
        SIGNED,
    ),
    "put, place, putmask": (lambda x: _written(x), SIGNED),
    "fill_diagonal, put_along_axis": (lambda x: _diagonal(x), TABLE),
}

CASES |= {
    # polyad's own, where SciPy's read plain arrays only
    "expm": (lambda x: ad.linalg.expm(x / 3) + ad.linalg.expm(x[0] / 4), STACK),
    "expm, complex": (lambda x: _parts(ad.linalg.expm(1j * x + 0.2 * x.T)), SQUARE / 2),
    "logm, sqrtm": (lambda x: ad.linalg.logm(x) @ ad.linalg.sqrtm(x), STACK),
    "solve_triangular": (
        lambda x: (
            ad.linalg.solve_triangular(x, x[:, 0], lower=True)
            + ad.linalg.solve_triangular(x, x, trans="T")[0]
            + ad.linalg.solve_triangular(SQUARE, x, trans=2, lower=True, unit_diagonal=True)
        ),
        SQUARE,
    ),
    "solve_triangular, stacks": (lambda x: ad.linalg.solve_triangular(x, SQUARE, lower=True) * x, STACK),
    "cho_factor, cho_solve": (
        lambda x: (
            ad.linalg.cho_solve(ad.linalg.cho_factor(x @ x.T), x[0])
            + ad.linalg.cho_solve(ad.linalg.cho_factor(x @ x.T, lower=True), x)
        ),
        SQUARE,
    ),
    "block_diag, toeplitz": (
        lambda x: (
            ad.linalg.block_diag(x[:2], x[0, 0], x[2:] ** 2)
            + ad.linalg.toeplitz(x[:, 0], x.ravel()[:9])[:1, :]
        ),
        TABLE,
    ),
    "logsumexp": (
        lambda x: (
            ad.special.logsumexp(x**2) * ad.special.logsumexp(x, axis=0)
            + ad.special.logsumexp(x, axis=1, b=x**2, keepdims=True)[0]
            + ad.special.logsumexp(x, axis=(0, 1), b=CONST, return_sign=True)[0]
        ),
        TABLE,
    ),
    "softmax, log_softmax": (
        lambda x: (
            ad.special.softmax(x, axis=1) * ad.special.log_softmax(x**2, axis=0) + ad.special.softmax(x)
        ),
        TABLE,
    ),
}

# Which libraries refuse a case: JAX where values decide the form of the result, and what has no counterpart.
REFUSED = {
    "polymul, polydiv": {"jax"},
    "unique": {"jax"},
    "trim_zeros": {"jax"},
    "bincount, histogram": {"jax"},
    "emath": {"jax"},
    "real_if_close": {"jax"},
    "logm, sqrtm": {"jax", "torch"},
}

# NumPy hands np.roots on only if an entry of its argument is followed: not where values alone are wanted.
FOLLOWED = {
    "roots": (lambda x: _parts(np.roots(x)), np.array([1.3, -0.4, 2.0, 0.7])),
}


def _parts(z):
    return z.real * 2 - z.imag


def _holes(x):
    return np.where(HOLES, np.nan, x)


def _eig(x):
    d, v = np.linalg.eig(x)
    return _parts(v**2 * np.exp(d / 4))  # the sign of a vector depends on the library


def _complex_qr(x):
    q, r = np.linalg.qr(x + 1j * x.T @ x)
    return _parts(q * r.T + r)


def _written(x):
    y, z = np.zeros_like(x), x * 1.0
    np.put(y, [0, -1, 2], x[:2] ** 2)
    np.place(z, x > 0.3, x[:2])
    w = x**2
    np.putmask(w, SIGNED < 0.3, [x[0], 2.0])
    np.copyto(w, x**3, where=SIGNED > 0.9)
    return y + z * w


def _diagonal(x):
    y = x * 1.0
    np.fill_diagonal(y, x[0, :3] ** 2)
    np.put_along_axis(y, np.array([[3], [0], [1]]), x[:, :1] * 2, axis=1)
    return y * x
