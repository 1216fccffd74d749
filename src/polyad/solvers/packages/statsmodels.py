"""statsmodels: a likelihood model whose score and Hessian are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.packages.scalar import dense_hessian, described

__all__ = ["likelihood_model"]


def likelihood_model(loglike: Callable[..., Any], endog: Any, exog: Any, start: Any, **options: Any) -> Any:
    """A ``GenericLikelihoodModel`` of a log-likelihood of NumPy code.

    Parameters
    ----------
    loglike : callable
        ``loglike(params, endog, exog)``, one number.
    endog, exog : array
        The data.
    start : array
        Where the fit starts.
    **options
        ``backend=`` and ``follow=``, as for ``gradient``.

    Returns
    -------
    statsmodels.base.model.GenericLikelihoodModel
        ``fit()`` has exact gradients, and standard errors of the exact Hessian.
    """
    from statsmodels.base.model import GenericLikelihoodModel

    endog, exog = np.asarray(endog, dtype=np.float64), np.asarray(exog, dtype=np.float64)
    p = described(loglike, start, (endog, exog), options)

    class Differentiated(GenericLikelihoodModel):
        def loglike(self, params: Array) -> float:
            return p.objective(np.asarray(params, dtype=np.float64))

        def score(self, params: Array) -> Array:
            return p.gradient(np.asarray(params, dtype=np.float64))

        def hessian(self, params: Array) -> Array:
            return dense_hessian(p, params)

        def fit(self, start_params: Any = None, **settings: Any) -> Any:
            return super().fit(start_params=p.start if start_params is None else start_params, **settings)

    return Differentiated(endog, exog)
