"""Entries of arrays of SymPy expressions: numbers, conditions, quotients and powers as NumPy has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.refusals import refuse
from polyad.systems.sympy.functions import condition, is_number, named, product, raised, select

__all__ = ["boolean", "checked", "entry", "mapped", "numeric", "objects", "power", "quotient"]


def objects(items: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Entries in a row as an array of objects."""
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(shape)


def mapped(f: Callable[[Any], Any], a: np.ndarray) -> np.ndarray:
    """``f`` on every entry."""
    return objects([f(e) for e in a.flat], a.shape)


def entry(value: Any) -> Any:
    """A number as SymPy has it."""
    import sympy

    if isinstance(value, bool | np.bool_):
        return sympy.true if value else sympy.false
    if isinstance(value, complex | np.complexfloating):
        raise refuse("a complex number met SymPy's real symbols", "use backend='numpy', 'jax' or 'torch'")
    if isinstance(value, int | np.integer):
        return sympy.Integer(int(value))
    number = float(value)
    if not np.isfinite(number):
        return sympy.nan if np.isnan(number) else (sympy.oo if number > 0 else -sympy.oo)
    return sympy.Integer(int(number)) if number.is_integer() and abs(number) < 2**53 else sympy.Float(number)


def numeric(e: Any) -> Any:
    """An entry as a number: conditions count one or zero."""
    import sympy

    if not isinstance(e, sympy.logic.boolalg.Boolean) or e.is_Symbol:
        return e
    return select((sympy.S.One, e), (sympy.S.Zero, sympy.true))


def boolean(e: Any) -> Any:
    """An entry as a condition."""
    import sympy

    if isinstance(e, sympy.logic.boolalg.Boolean) and not e.is_Symbol:
        return e
    return condition("Ne", e, sympy.S.Zero)


def quotient(a: Any, b: Any) -> Any:
    """``a / b``; zero below is NumPy's affair, or refused."""
    if is_number(b) and (is_number(a) or b == 0):
        if not is_number(a):
            raise refuse("division of a symbol by the constant zero", "divide by what is not zero")
        heard = get_state()
        try:
            set_state(SILENT)
            return entry(np.float64(float(a)) / np.float64(float(b)))
        finally:
            set_state(heard)
    return product(a, raised(b, -1))


def _small(e: Any, limit: int = 40) -> bool:
    """Whether an expression has few parts, so that SymPy knows soon what holds of it."""
    stack = [e]
    while stack and limit:
        stack.extend(stack.pop().args)
        limit -= 1
    return not stack


def power(a: Any, b: Any) -> Any:
    """``a ** b``, by SymPy's power only where its rules hold for every number that may come.

    ``sqrt(x) * sqrt(x)`` is ``x`` to SymPy, where NumPy's value is NaN for negative ``x``: roots of what
    may be negative are therefore functions of their own, which nothing merges.
    """
    import sympy

    if is_number(a) and is_number(b):
        heard = get_state()
        try:
            set_state(SILENT)
            return entry(np.float64(float(a)) ** np.float64(float(b)))
        finally:
            set_state(heard)
    if b.is_Float and float(2 * b).is_integer():
        b = sympy.Rational(int(2 * b), 2)
    if b.is_Integer:
        return checked("power", raised(a, b))
    if _small(a) and a.is_nonnegative:
        return checked("power", a**b)
    return named("power")(a, b)


def checked(name: str, e: Any) -> Any:
    """An expression that is real wherever NumPy's value is a number."""
    import sympy

    parts = (e, *e.args, *(inner for part in e.args[:3] for inner in part.args))
    if any(part is sympy.I or part is sympy.zoo for part in parts):
        raise refuse(
            f"{name} has no real value here whatever its symbols are (SymPy finds {e})",
            "correct its argument",
        )
    return e
