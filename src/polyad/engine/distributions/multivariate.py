"""The normal and Student's distribution of vectors, the distributions of Dirichlet and Wishart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.boxes.box import Box
from polyad.engine.core.refusals import refuse
from polyad.engine.distributions.methods import Frozen, entered, floating

__all__ = ["LOGARITHMS", "Multivariate"]

Array = Any
LOG_2PI = float(np.log(2 * np.pi))


def _quantiles(x: Array, dim: int) -> Array:
    """The data with one axis for the components, the last."""
    x = floating(x)
    if x.ndim == 0:
        return np.reshape(x, (1,))
    return np.reshape(x, (*x.shape, 1)) if x.ndim == 1 and dim == 1 else x


def _dimension(mean: Array, matrix: Array) -> int:
    sizes = [np.shape(a)[-1] for a in (mean, matrix) if a is not None and np.ndim(a)]
    return max(sizes, default=1)


def _matrix(a: Array, dim: int) -> Array:
    """A symmetric matrix: of a number or of a diagonal as well."""
    if a is None:
        return np.eye(dim)
    a = floating(a)
    if a.ndim < 2:
        return np.eye(dim) * a
    return (a + np.swapaxes(a, -1, -2)) / 2


def _squared(deviations: Array, matrix: Array) -> tuple[Array, Array]:
    """``d' inv(matrix) d`` and the logarithm of the determinant."""
    factor = np.linalg.cholesky(matrix)
    flat = np.reshape(deviations, (-1, deviations.shape[-1]))
    white = np.linalg.solve(factor, flat.T)
    size = np.reshape(np.sum(white * white, axis=0), deviations.shape[:-1])
    return size, 2 * np.sum(np.log(np.diagonal(factor)))


def normal(x: Array, mean: Array = None, cov: Array = 1, allow_singular: bool = False) -> Array:
    """``multivariate_normal.logpdf``."""
    if hasattr(cov, "log_pdet") and hasattr(cov, "whiten"):
        x = _quantiles(x, cov.shape[-1])
        deviations = x if mean is None else x - floating(mean)
        white = deviations @ cov.whiten(np.eye(cov.shape[-1]))
        return -(cov.rank * LOG_2PI + cov.log_pdet + np.sum(white * white, axis=-1)) / 2
    dim = _dimension(mean, cov)
    x = _quantiles(x, dim)
    deviations = x if mean is None else x - np.reshape(floating(mean), (-1,))
    if allow_singular and isinstance(cov, Box):
        raise refuse(
            "a covariance that may be singular is differentiated",
            "use allow_singular=False, or make it a constant",
        )
    if allow_singular:
        from scipy.stats import _multivariate

        known = _multivariate._PSD(_matrix(cov, dim), allow_singular=True)
        white = deviations @ known.U
        return -(known.rank * LOG_2PI + known.log_pdet + np.sum(white * white, axis=-1)) / 2
    squared, logdet = _squared(deviations, _matrix(cov, dim))
    return -(deviations.shape[-1] * LOG_2PI + logdet + squared) / 2


def student(
    x: Array, loc: Array = None, shape: Array = 1, df: Array = 1, allow_singular: bool = False
) -> Array:
    """``multivariate_t.logpdf``."""
    if not isinstance(df, Box) and np.isinf(df):
        return normal(x, loc, shape, allow_singular)
    if allow_singular:
        raise refuse("multivariate_t with a shape that may be singular", "use allow_singular=False")
    dim = _dimension(loc, shape)
    x, df = _quantiles(x, dim), floating(df)
    deviations = x if loc is None else x - np.reshape(floating(loc), (-1,))
    squared, logdet = _squared(deviations, _matrix(shape, dim))
    n = deviations.shape[-1]
    front = sp.gammaln((df + n) / 2) - sp.gammaln(df / 2) - n / 2 * np.log(df * np.pi) - logdet / 2
    return front - (df + n) / 2 * np.log1p(squared / df)


def dirichlet(x: Array, alpha: Array) -> Array:
    """``dirichlet.logpdf``."""
    x, alpha = floating(x), floating(alpha)
    if not isinstance(x, Box):
        from scipy.stats import _multivariate

        plain = alpha if not isinstance(alpha, Box) else np.ones(alpha.shape)
        x = _multivariate._dirichlet_check_input(plain, x)
    elif x.shape[0] == alpha.shape[0] - 1:
        x = np.concatenate([x, np.reshape(1 - np.sum(x, axis=0), (1, *x.shape[1:]))])
    elif x.shape[0] != alpha.shape[0]:
        raise ValueError(f"x has {x.shape[0]} rows, alpha has {alpha.shape[0]} entries")
    powers = np.reshape(alpha - 1, (-1, *(1,) * (x.ndim - 1)))
    logbeta = np.sum(sp.gammaln(alpha)) - sp.gammaln(np.sum(alpha))
    return np.sum(sp.xlogy(powers, x), axis=0) - logbeta


def wishart(x: Array, df: Array, scale: Array) -> Array:
    """``wishart.logpdf``: of one matrix, or of several along a third axis."""
    scale = floating(scale)
    scale = _matrix(scale, 1 if scale.ndim == 0 else scale.shape[-1])
    dim = scale.shape[-1]
    x, df = floating(x), floating(df)
    if x.ndim < 2:
        x = np.reshape(x, (1, 1, -1)) if dim == 1 else x * np.eye(dim) if x.ndim == 0 else np.diag(x)
    several = x.ndim == 3
    x = np.moveaxis(x, -1, 0) if several else x
    x = (x + np.swapaxes(x, -1, -2)) / 2
    if not isinstance(df, Box) and np.any(df <= dim - 1):
        raise ValueError(
            f"the degrees of freedom are {df}: they must be more than the dimension less 1, {dim - 1}"
        )
    factor, known = np.linalg.cholesky(scale), np.linalg.cholesky(x)
    logdet = 2 * np.sum(np.log(np.diagonal(factor)))
    own = 2 * np.sum(np.log(np.diagonal(known, axis1=-2, axis2=-1)), axis=-1)
    trace = np.sum(np.linalg.inv(scale) * x, axis=(-2, -1))
    norm = dim * (dim - 1) / 4 * float(np.log(np.pi))
    norm = norm + np.sum(sp.gammaln((df - np.arange(dim)) / 2))
    result = ((df - dim - 1) * own - trace - df * dim * float(np.log(2)) - df * logdet) / 2 - norm
    return np.squeeze(result) if several else result


# name -> the logarithm of the density
LOGARITHMS: dict[str, Callable[..., Array]] = {
    "multivariate_normal": normal,
    "multivariate_t": student,
    "dirichlet": dirichlet,
    "wishart": wishart,
}


class Multivariate:
    """A distribution of vectors or matrices.

    Parameters
    ----------
    name : str
        Its name in ``scipy.stats``.
    original : scipy.stats.multi_rv_generic
        SciPy's.
    """

    def __init__(self, name: str, original: Any) -> None:
        self.name = name
        self.original = original

    def method(self, name: str) -> Callable[..., Any]:
        """``logpdf`` or ``pdf``."""
        logarithm, plain = LOGARITHMS[self.name], getattr(self.original, name)
        if name not in ("pdf", "logpdf"):

            def refused(*args: Any, **kwargs: Any) -> Any:
                raise refuse(f"{name} of scipy.stats.{self.name} has no formula", "use backend='finite'")

            return lambda *args, **kwargs: entered(refused, plain, args, kwargs)

        def f(*args: Any, **kwargs: Any) -> Any:
            y = logarithm(*args, **kwargs)
            return y if name == "logpdf" else np.exp(y)

        return lambda *args, **kwargs: entered(f, plain, args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The distribution with its parameters."""
        plain = entered(lambda *a, **k: None, self.original, args, kwargs)
        return Frozen(self, args, kwargs, plain)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("original", "name"):
            raise AttributeError(name)
        return (
            self.method(name) if name in ("pdf", "logpdf", "cdf", "logcdf") else getattr(self.original, name)
        )

    def __repr__(self) -> str:
        return f"<distribution {self.name} of scipy.stats>"
