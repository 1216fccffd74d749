"""Universal functions in the types that NumPy or the caller says, and those that are made of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import constant
from polyad.engine.core.table import map_ufunc
from polyad.engine.core.values import Tracer, Value
from polyad.engine.functions.structure import cast
from polyad.engine.interpretations.promotion import kind_of, loop_of
from polyad.engine.rules.arithmetic import power, where
from polyad.engine.rules.elementwise import absolute, floor_divide, ldexp, remainder, trunc

__all__ = ["in_type", "only_where"]

_DOUBLE = np.dtype(np.float64)


def in_type(
    ufunc: np.ufunc,
    own: Callable[..., Value],
    values: list[Value],
    dtype: Any = None,
    casting: Any = "same_kind",
    order: str = "K",
    subok: bool = True,
) -> Value:
    """A universal function with ``dtype=``: computed in that type, not made one of it afterwards."""
    if dtype is None:
        return own(*values)
    wanted = (*(None,) * ufunc.nin, *(np.dtype(dtype),) * ufunc.nout)
    known = (*map(kind_of, values), *(None,) * ufunc.nout)
    types = ufunc.resolve_dtypes(known, signature=wanted, casting=casting)
    return cast(own(*map(cast, values, types)), types[-1])


def only_where(mask: Value, values: list[Value]) -> list[Value]:
    """The operands for ``where=``: 1 in entries that are left out.

    None of those gives NaN in the value then or, as 0 * nan, in the derivative.
    """
    return [where(mask, v, 1.0) if isinstance(v, Tracer) or _is_float(v) else v for v in values]


def _is_float(v: Value) -> bool:
    return isinstance(v, float) or getattr(getattr(v, "dtype", None), "kind", "") in "fc"


def _brought(ufunc: np.ufunc, args: tuple[Value, ...]) -> list[Value]:
    """The operands as NumPy's loop takes them; Python numbers adapt."""
    kinds = tuple(map(kind_of, args))
    if all(k is _DOUBLE for k in kinds):
        return list(args)
    return [
        cast(a, dtype) if isinstance(a, Tracer | np.ndarray | np.generic) else dtype.type(a)
        for a, dtype in zip(args, loop_of(ufunc, kinds), strict=False)
    ]


def _made(ufunc: np.ufunc) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function on values that stands for a universal function."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        map_ufunc(ufunc, lambda *args: f(*_brought(ufunc, args)))
        return f

    return register


@_made(np.fabs)
def fabs(x: Value) -> Value:
    return absolute(x)


@_made(np.positive)
def positive(x: Value) -> Value:
    return x


@_made(np.float_power)
def float_power(a: Value, b: Value) -> Value:
    return power(a, b)


@_made(np.divmod)
def divmod_(a: Value, b: Value) -> tuple[Value, Value]:
    return floor_divide(a, b), remainder(a, b)


@_made(np.modf)
def modf(x: Value) -> tuple[Value, Value]:
    whole = trunc(x)
    return x - whole, whole


_exponent = constant("frexp_exponent", lambda x: np.frexp(x)[1])


@_made(np.frexp)
def frexp(x: Value) -> tuple[Value, Value]:
    """The exponent is constant in pieces."""
    exponent = _exponent(x)
    return ldexp(x, -exponent), exponent
