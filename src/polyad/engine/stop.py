"""``polyad.stop_gradient``: dropping a derivative on purpose."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.stopped import kept
from polyad.arrays.trees import flatten
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import gathered
from polyad.engine.core.values import Tracer, Value, base
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.errors import InputTypeError

__all__ = ["stop_gradient"]

# leaves of a tree that hold no derivative
_NUMBERLESS = (str, bytes, enum.Enum, type, type(None), type(...), slice, np.dtype)


def stop_gradient(x: Any) -> Any:
    """The value of ``x``, taken as constant by every differentiation that is running.

    Parameters
    ----------
    x : array, number or tree of them
        Of any library; in a function that polyad's engine differentiates the result is a plain
        NumPy array (of its own memory), which can be printed, plotted and passed to any code.

    Returns
    -------
    like ``x``
        With derivative zero, in containers of its own.

    Raises
    ------
    polyad.errors.InputTypeError
        If ``x`` is or holds an object that is no array, no number and no tree, whose derivative could
        not be stopped.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> float(ad.derivative(lambda x: x * ad.stop_gradient(x), 3.0))
    3.0
    >>> ad.gradient(lambda x: np.sum(x * ad.stop_gradient({"w": x})["w"]), np.array([1.0, 2.0]))
    array([1., 2.])
    """
    leaves, structure = flatten(x)
    return kept(structure.unflatten([_stopped(leaf) for leaf in leaves]))


def _stopped(x: Any) -> Any:
    if isinstance(x, Box):
        return _of_value(x._value)
    if isinstance(x, np.ndarray) and x.dtype == object:
        return _of_objects(x)
    owner = library_of(x)
    if owner is None:
        if isinstance(x, _NUMBERLESS):
            return x
        raise InputTypeError(
            f"stop_gradient met a {type(x).__module__}.{type(x).__name__}, whose derivative it cannot stop: "
            "pass the arrays in it, or a tree of them (tuple, list, dict, dataclass)"
        )
    if not owner.is_foreign:
        return owner.own(x)
    return owner.own(adapter(owner.name).stop(x))


def _of_value(value: Value) -> Any:
    value = base(value)
    if not isinstance(value, Proxy):
        return value.copy()
    own = adapter(value.library)
    stopped = own.stop(value.array)
    return Box(Proxy(value.library, stopped, value.run)) if own.is_own(stopped) else stopped.copy()


def _of_objects(x: np.ndarray) -> Any:
    """An array of objects: of boxes or a framework's numbers, or of what holds no derivative."""
    value = gathered(x)
    if isinstance(value, Tracer):
        return _of_value(value)
    stopped = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        stopped[place] = stop_gradient(x[place])
    return stopped
