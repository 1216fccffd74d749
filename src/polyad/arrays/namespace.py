"""The array namespace for a function that every library is to run."""

from __future__ import annotations

import importlib
from typing import Any

from polyad.arrays.libraries import PLAIN, library_of

__all__ = ["namespace"]


def namespace(*arrays: Any) -> Any:
    """Functions of the array library that the arguments belong to.

    Any other library takes precedence over NumPy arrays and Python numbers, so that constants may stay NumPy.

    Parameters
    ----------
    *arrays : array_like
        Arrays, tracers or numbers.

    Returns
    -------
    module
        A namespace with the functions of the array API standard: ``numpy``, ``jax.numpy``,
        ``array_api_compat.torch`` or ``autograd.numpy`` under the names of the standard.

    Raises
    ------
    TypeError
        If the arguments belong to two libraries besides NumPy.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def f(x):
    ...     xp = ad.namespace(x)
    ...     return xp.sum(xp.exp(x))
    >>> float(f(np.zeros(3)))
    3.0
    """
    owners = map(library_of, arrays)
    found = {owner.namespace for owner in owners if owner is not None} - {PLAIN.namespace}
    if len(found) > 1:
        raise TypeError(f"arrays of several libraries in one function: {', '.join(sorted(found))}")
    return importlib.import_module(found.pop() if found else PLAIN.namespace)
