"""Quantiles that SciPy finds by a search, as numbers without derivatives in every library.

A search has no derivative that rules could follow. Two steps of Newton's from its result have the first three
of the quantile, whatever the derivative of the start; so the start is a primitive whose partials are zero,
and a library that traces calls SciPy for its values.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box
from polyad.engine.core.kinds import elementwise
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Primitive, Tracer, base

__all__ = ["start_of"]

_SEARCHES: dict[tuple[int, str], tuple[Any, Primitive]] = {}
_NUMBERS = itertools.count(1)
_MOST = 4  # operands of an elementwise primitive


def start_of(original: Any, method: str, *args: Any) -> Any:
    """SciPy's quantile of a probability and shape parameters, without a derivative.

    Parameters
    ----------
    original : scipy.stats.rv_continuous
        SciPy's distribution, or somebody's own.
    method : str
        ``ppf`` or ``isf``.
    *args : box or array
        The probability, and the shape parameters.
    """
    plain = [base(a._value) if isinstance(a, Box) else a for a in args]
    if not any(isinstance(a, Tracer) for a in plain):
        return np.asarray(getattr(original, method)(*plain), dtype=float)[()]
    if len(plain) > _MOST:
        raise refuse(
            f"{method} of scipy.stats.{original.name} is found by a search, which needs values",
            "use backend='numpy'",
        )
    found: Any = _search(original, method, len(plain))(*plain)
    return Box(found) if isinstance(found, Tracer) else found


def _search(original: Any, method: str, count: int) -> Primitive:
    key = id(original), method
    if key not in _SEARCHES or _SEARCHES[key][0] is not original:
        name = f"{original.name}_{method}"
        if not name.isidentifier() or name in PRIMITIVES:  # somebody's own may have any name
            name = f"quantile_{next(_NUMBERS)}_{method}"
        f = getattr(original, method)

        def compute(*values: Any) -> Any:
            return np.asarray(f(*values), dtype=float)[()]

        primitive = elementwise(name, compute, *[lambda: 0.0] * count)
        primitive.home = "scipy.special"
        _SEARCHES[key] = original, primitive
    return _SEARCHES[key][1]
