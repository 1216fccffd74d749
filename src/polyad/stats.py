"""The distributions of ``scipy.stats``, differentiable in all parameters and in the data.

``polyad.stats.gamma.logpdf(x, a, loc=0, scale=1)`` is ``scipy.stats.gamma.logpdf`` on plain arrays, and has
its values and derivatives on whatever polyad follows and on the arrays of other libraries. Methods: ``pdf``,
``logpdf``, ``pmf``, ``logpmf``, ``cdf``, ``logcdf``, ``sf``, ``logsf``, ``ppf``, ``isf`` and ``nnlf``; of
``multivariate_normal``, ``multivariate_t``, ``dirichlet`` and ``wishart`` the density and its logarithm. A
distribution that is called has its parameters, as in SciPy.

Examples
--------
>>> import numpy as np, polyad as ad
>>> x = np.array([0.5, 1.2, 3.1])
>>> def loss(p):
...     return -np.sum(ad.stats.gamma.logpdf(x, p[0], scale=p[1]))
>>> ad.gradient(loss, np.array([2.0, 0.8])).round(6)
array([-0.021654,  0.      ])
"""

from __future__ import annotations

from typing import Any

__all__ = ["counterpart"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from polyad.engine.distributions.counterparts import distribution

    found = distribution(name)
    if found is None:
        raise AttributeError(
            f"polyad.stats has no distribution {name!r}, as scipy.stats has none of that name"
        )
    return found


def __dir__() -> list[str]:
    import scipy.stats

    kinds = (scipy.stats.rv_continuous, scipy.stats.rv_discrete)
    more = ("multivariate_normal", "multivariate_t", "dirichlet", "wishart")
    return sorted({*__all__, *more, *(n for n, d in vars(scipy.stats).items() if isinstance(d, kinds))})


def counterpart(f: Any) -> Any:
    """The differentiable counterpart of a distribution of ``scipy.stats`` or of a method of one.

    Parameters
    ----------
    f : callable
        ``scipy.stats.norm``, ``scipy.stats.norm.logpdf``, or a method of ``scipy.stats.norm(0, 2)``.

    Returns
    -------
    callable or None
        With the same signature and values; None where there is none.

    Examples
    --------
    >>> import numpy as np, scipy.stats, polyad as ad
    >>> logpdf = ad.stats.counterpart(scipy.stats.norm.logpdf)
    >>> float(ad.derivative(lambda s: logpdf(1.0, scale=s), 2.0))
    -0.375
    """
    from polyad.engine.distributions.counterparts import counterpart as found

    return found(f)
