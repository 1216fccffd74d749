"""Functions that fill an array given to them, as functions that return it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.trees import flatten
from polyad.call.inputs.scratch import bare, buffer
from polyad.errors import ArgumentError, OutputTypeError

__all__ = ["inplace"]


class InPlace:
    """A function of ``(y, *args)`` that fills ``y``, as one of ``args`` that returns it."""

    def __init__(self, f: Callable[..., Any], like: Any) -> None:
        leaves, self._structure = flatten(like)
        if not leaves:
            raise ArgumentError("inplace needs like=, an array or a tree of arrays shaped like the result")
        self._f = f
        self._shapes = [np.shape(leaf) for leaf in leaves]
        functools.update_wrapper(self, f, updated=())

    def __call__(self, *args: Any) -> Any:
        leaves, _ = flatten(args)
        y = self._structure.unflatten(buffer(shape, leaves) for shape in self._shapes)
        returned = self._f(y, *args)
        if returned is not None and returned is not y:
            raise OutputTypeError(
                f"the in-place function returned a {type(returned).__name__}: it must fill its first "
                "argument and return nothing"
            )
        return self._structure.unflatten(bare(a, leaves) for a in flatten(y)[0])

    def __repr__(self) -> str:
        return f"inplace({self._f!r})"


def inplace(f: Callable[..., Any], *, like: Any) -> Callable[..., Any]:
    """Make a function that fills its first argument an ordinary one, which every operator accepts.

    Parameters
    ----------
    f : callable
        ``f(y, *args)`` writes its result into ``y`` and returns nothing, as the right-hand sides of
        ODE codes do.
    like : array or tree of arrays
        What the result looks like; only its shapes count.

    Returns
    -------
    callable
        A function of ``args`` that returns ``y``. Each call has an array of zeros of its own, which can
        hold active values under every backend, in the common dtype of the arrays among ``args``.

    Raises
    ------
    polyad.errors.OutputTypeError
        From a call, if ``f`` returns something.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def lotka_volterra(dy, y):
    ...     dy[0] = 1.5 * y[0] - y[0] * y[1]
    ...     dy[1] = y[0] * y[1] - 3.0 * y[1]
    >>> f = ad.inplace(lotka_volterra, like=np.zeros(2))
    >>> ad.jacobian(f, np.array([1.0, 2.0]))
    array([[-0.5, -1. ],
           [ 2. , -2. ]])
    """
    if not callable(f):
        raise ArgumentError(f"inplace takes the function first: f is {f!r}")
    return InPlace(f, like)
