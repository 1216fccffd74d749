"""statsmodels: a likelihood model whose score and Hessian are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError, InputTypeError
from polyad.solvers.packages.checks import dense_hessian, described, function, needing

__all__ = ["likelihood_model"]


def likelihood_model(
    loglike: Callable[..., Any],
    endog: Any,
    exog: Any,
    start: Any,
    *,
    backend: Any = None,
    follow: Any = None,
) -> Any:
    """A ``GenericLikelihoodModel`` of a log-likelihood of NumPy code.

    Parameters
    ----------
    loglike : callable
        ``loglike(params, endog, exog)``, one number.
    endog, exog : array
        The data, with as many rows.
    start : array
        Where the fit starts.
    backend, follow
        As for ``gradient``.

    Returns
    -------
    statsmodels.base.model.GenericLikelihoodModel
        ``fit()`` has exact gradients, and standard errors of the exact Hessian.

    Raises
    ------
    polyad.errors.ArgumentError
        If rows of the data are missing, or the log-likelihood at the start is no finite number.
    """
    with needing("statsmodels", "statsmodels"):
        from statsmodels.base.model import GenericLikelihoodModel

    function(loglike, "log-likelihood")
    endog, exog = _data(endog, "endog"), _data(exog, "exog")
    if endog.shape[:1] != exog.shape[:1]:
        raise ArgumentError(
            f"endog has shape {endog.shape} and exog {exog.shape}: pass a row of both for each observation"
        )
    p = described(loglike, start, (endog, exog), backend, follow)

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


def _data(given: Any, name: str) -> Array:
    """Data as an array of float64; what is missing there is left to the log-likelihood."""
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"{name} holds what is no real number ({error}): pass numbers, codes for categories"
        ) from error
