"""Functions of NumPy and SciPy as SymPy functions with the partial derivatives of the table.

For those that SymPy lacks, or whose own derivative loses digits: the partial derivatives of a rule, applied
to symbols, are expressions of such functions again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core import kinds
from polyad.engine.core.values import PRIMITIVES, Primitive, Value
from polyad.engine.interpretations import scipy_values
from polyad.engine.interpretations.proxy import Proxy
from polyad.systems.sympy.entries import entry, objects
from polyad.systems.sympy.expressions import Expressions
from polyad.systems.sympy.functions import PARTIALS, is_number, named

__all__ = ["COMPUTE", "fill", "special"]

# name -> the function on numbers, for the compiled code
COMPUTE: dict[str, Callable[..., Any]] = {}


def special(primitive: Primitive) -> Any:
    """The SymPy function of a primitive; None where its values are complex numbers."""
    name = primitive.name
    if name not in COMPUTE:
        try:
            dtype = _dtype(primitive, [np.dtype(np.float64)] * len(kinds.PARTIALS[name][0]))
        except TypeError:  # it takes integers only
            return None
        if dtype.kind == "c":
            return None
        fill(name)
    return named(name)


def _dtype(primitive: Primitive, operands: list[np.dtype[Any]]) -> np.dtype[Any]:
    compute = primitive.compute
    if isinstance(compute, np.ufunc):  # not run: some warn of a count that is no integer
        return compute.resolve_dtypes((*operands, *[None] * compute.nout))[-1]
    return scipy_values.result_dtype(primitive, operands)


def fill(name: str) -> tuple[Any, ...]:
    """The partial derivatives of the table as functions of expressions, entered under the name."""
    COMPUTE[name] = PRIMITIVES[name].compute
    rules = tuple(None if d is None else _rule(name, d) for d in kinds.PARTIALS[name][0])
    PARTIALS[name] = rules
    return rules


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
