"""Where dropping a derivative is meant."""

from __future__ import annotations

from typing import Any

from polyad.arrays.libraries import library_of
from polyad.engine.box import Box
from polyad.engine.core import base
from polyad.engine.libraries import adapter
from polyad.engine.proxy import Proxy

__all__ = ["stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The value of ``x``, taken as constant by every differentiation under way.

    Parameters
    ----------
    x : array or number
        Of any library; in a function that polyad's engine differentiates the result is a plain
        NumPy array (of its own memory), which can be printed, plotted and passed to any code.

    Returns
    -------
    array or number
        With derivative zero.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> float(ad.derivative(lambda x: x * ad.stop_gradient(x), 3.0))
    3.0
    """
    if isinstance(x, Box):
        value = base(x._value)
        if isinstance(value, Proxy):
            stopped = adapter(value.library).stop(value.array)
            return Box(Proxy(value.library, stopped)) if adapter(value.library).is_own(stopped) else stopped
        return value.copy()
    owner = library_of(x)
    if owner is None or owner.name in ("numpy", "engine"):
        return x
    return adapter(owner.name).stop(x)
