"""SciPy's special functions as SymPy functions with the partial derivatives of the table.

For those that neither SymPy nor ``sympy_functions`` has: the partial derivatives of a rule, applied to
symbols, are expressions of such functions again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.expressions import Expressions
from polyad.engine import host, kinds
from polyad.engine.core import Primitive, Value
from polyad.engine.proxy import Proxy
from polyad.engine.sympy_entries import entry, objects
from polyad.engine.sympy_functions import PARTIALS, is_number, named

__all__ = ["COMPUTE", "special"]

# name -> the function on numbers, for the compiled code
COMPUTE: dict[str, Callable[..., Any]] = {}


def special(primitive: Primitive) -> Any:
    """The SymPy function of a primitive; None where its values are complex numbers."""
    name = primitive.name
    if name not in COMPUTE:
        partials = kinds.PARTIALS[name][0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that what counts is no integer here
                dtype = host.result_dtype(primitive, [np.dtype(np.float64)] * len(partials))
        except TypeError:  # it takes integers only
            return None
        if dtype.kind == "c":
            return None
        COMPUTE[name] = primitive.compute
        PARTIALS[name] = tuple(None if d is None else _rule(name, d) for d in partials)
    return named(name)


def _rule(name: str, d: Callable[..., Value]) -> Callable[..., Any]:
    def rule(*entries: Any) -> Any:
        y = _value(named(name)(*entries))
        slope = d(y, *map(_value, entries))
        return slope.array.array[()] if type(slope) is Proxy else entry(slope)

    return rule


def _value(e: Any) -> Value:
    """An entry as the rules compute with it; numbers as numbers, so that a known degree stays one."""
    if is_number(e):
        return int(e) if e.is_Integer else float(e)
    return Proxy("sympy", Expressions(objects([e], ()), np.dtype(np.float64)))
