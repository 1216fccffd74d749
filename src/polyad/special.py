"""Functions of ``scipy.special`` that are no universal functions, on everything that polyad follows.

Its universal functions (``erf``, ``gammaln``, ``jv`` and the like) are followed as they are; these three
read plain arrays only.
"""

from __future__ import annotations

from typing import Any

from polyad.engine.boxes import scipy as own
from polyad.engine.boxes.scipy import on_values

__all__ = ["log_softmax", "logsumexp", "softmax"]


@on_values
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, *, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """The logarithm of a sum of exponentials, without overflow and without loss of small terms.

    Parameters
    ----------
    a : array
        The exponents.
    axis : int or tuple of int, optional
        The axes of the sum; all by default.
    b : array, optional
        Factors of the exponentials.
    keepdims : bool
        Whether these axes stay, with length one.
    return_sign : bool
        Whether the sign of the sum is returned as well, and the logarithm of its size.

    Returns
    -------
    array, or tuple of two arrays
        As ``scipy.special.logsumexp``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(ad.special.logsumexp, np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    return own.logsumexp(a, axis, b, keepdims=keepdims, return_sign=return_sign)


@on_values
def softmax(x: Any, axis: Any = None) -> Any:
    """Exponentials divided by their sum.

    Parameters
    ----------
    x : array
        The exponents.
    axis : int or tuple of int, optional
        The axes of the sum; all by default.

    Returns
    -------
    array
        As ``scipy.special.softmax``.
    """
    return own.softmax(x, axis)


@on_values
def log_softmax(x: Any, axis: Any = None) -> Any:
    """The logarithm of ``softmax``.

    Parameters
    ----------
    x : array
        The exponents.
    axis : int or tuple of int, optional
        The axes of the sum; all by default.

    Returns
    -------
    array
        As ``scipy.special.log_softmax``.
    """
    return own.log_softmax(x, axis)
