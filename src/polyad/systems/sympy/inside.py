"""SymPy's expressions inside of another framework: their parts, computed by NumPy's functions.

The compiled code of an expression (``code``) is for numbers: it branches on them and calls ``math``. Here
every shared part is computed once as well, by functions that know boxes, and a choice is ``np.where``.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.stop import stop_gradient
from polyad.systems.contract import Kernel, Leaves
from polyad.systems.sympy.calculus import ordered
from polyad.systems.sympy.code import BOTH, PAIRS, SPECIAL
from polyad.systems.sympy.expressions import Expressions
from polyad.systems.sympy.special import COMPUTE

__all__ = ["portable"]

RELATIONS: dict[str, Callable[..., Any]] = {
    "StrictLessThan": np.less,
    "LessThan": np.less_equal,
    "StrictGreaterThan": np.greater,
    "GreaterThan": np.greater_equal,
    "Equality": np.equal,
    "Unequality": np.not_equal,
}


def portable(program: Any) -> Kernel:
    """The kernel of a program of expressions on boxes, or on plain arrays."""
    trace = program.trace
    parts = [program.result, trace.y, trace.aux] + ([] if program.first is None else [program.first])
    leaves = [leaf for part in parts for leaf in part if isinstance(leaf, Expressions)]
    order = ordered([e for leaf in leaves for e in leaf.array.flat])
    steps = [(node, _step(node)) for node in order if node.args]
    groups = program._groups

    def call(*args: Leaves) -> Any:
        known: dict[Any, Any] = {}
        for symbols, leaf in zip(groups, (leaf for some in args for leaf in some), strict=True):
            row = np.reshape(leaf if hasattr(leaf, "shape") else np.asarray(leaf), (len(symbols),))
            known.update((symbol, row[k]) for k, symbol in enumerate(symbols))

        def value(node: Any) -> Any:
            found = known.get(node)
            return _number(node) if found is None else found

        for node, step in steps:
            if step is not None:
                known[node] = step(value)

        def made(leaf: Any) -> Any:
            if not isinstance(leaf, Expressions):
                return leaf
            entries = [value(e) for e in leaf.array.flat]
            row = np.stack(entries) if entries else np.zeros(0)
            return _typed(np.reshape(row, leaf.shape), leaf.dtype)

        return tuple(tuple(map(made, part)) for part in parts)

    return Kernel(call, f"{program.strategy}, its expressions on its arrays")


def _typed(a: Any, dtype: Any) -> Any:
    return a if a.dtype == dtype else a.astype(dtype)


def _number(node: Any) -> Any:
    import sympy

    if node is sympy.true or node is sympy.false:
        return np.bool_(bool(node))
    return np.float64("nan") if node is sympy.nan else np.float64(float(node))


Value = Callable[[Any], Any]


def _step(node: Any) -> Callable[[Value], Any] | None:
    """How one expression is computed of its parts; None for what is read with the one that has it."""
    import sympy

    args = node.args
    kind = type(node).__name__
    if kind == "ExprCondPair":
        return None
    if node.is_Add:
        return lambda value: functools.reduce(operator.add, map(value, args))
    if node.is_Mul:
        return lambda value: functools.reduce(operator.mul, map(value, args))
    if node.is_Pow or kind == "power":
        return _power(node)
    if node.is_Piecewise:
        return lambda value: _choice([(value(a), value(test)) for a, test in (pair.args for pair in args)])
    f = _function(kind, node, sympy)
    return lambda value: f(*map(value, args))


def _power(node: Any) -> Callable[[Value], Any]:
    import sympy

    base, exponent = node.args
    if base is sympy.E:
        return lambda value: np.exp(value(exponent))
    if exponent.is_Number and exponent < 0:
        raised = _raised(base, -exponent)
        return lambda value: 1.0 / raised(value)
    return _raised(base, exponent)


def _raised(base: Any, exponent: Any) -> Callable[[Value], Any]:
    if exponent == 1:
        return lambda value: value(base)
    if exponent.is_Integer:
        whole = int(exponent)
        return lambda value: value(base) ** whole
    if exponent.is_Number and exponent * 2 == 1:
        return lambda value: np.sqrt(value(base))
    return lambda value: np.power(value(base), value(exponent))


def _choice(pieces: Sequence[tuple[Any, Any]]) -> Any:
    found: Any = np.float64("nan")
    for value, test in reversed(pieces):
        found = value if test is np.True_ else np.where(test, value, found)
    return found


def _function(kind: str, node: Any, sympy: Any) -> Callable[..., Any]:
    import scipy.special

    if kind in RELATIONS:
        return RELATIONS[kind]
    if isinstance(node, sympy.And | sympy.Or | sympy.Xor):
        f: Any = np.logical_and if isinstance(node, sympy.And) else np.logical_or
        f = np.logical_xor if isinstance(node, sympy.Xor) else f
        return lambda *tests: functools.reduce(f, tests)
    if isinstance(node, sympy.Not):
        return np.logical_not
    if isinstance(node, sympy.ITE):
        return np.where
    if kind in ("maximum", "minimum"):
        return lambda *xs: functools.reduce(getattr(np, kind), xs)
    if kind == "pick":
        return lambda index, *entries: np.stack(entries)[_whole(index)]
    if kind == "constant":
        return stop_gradient
    if kind == "Abs":
        return np.abs
    if kind == "polygamma":
        return _polygamma
    if kind in PAIRS:
        name, k = PAIRS[kind]
        return lambda x: getattr(scipy.special, name)(x)[k]
    if kind in SPECIAL:
        return getattr(scipy.special, SPECIAL[kind])
    if kind in BOTH:
        return getattr(np, BOTH[kind])
    if kind in PRIMITIVES and (kind in COMPUTE or not hasattr(np, kind)):
        primitive = PRIMITIVES[kind]
        return lambda *xs: wrap(primitive(*map(unbox, xs)))
    if hasattr(np, kind):
        return getattr(np, kind)
    raise refuse(f"{kind} has no counterpart in NumPy", "use backend='numpy'")


def _polygamma(n: Any, x: Any) -> Any:
    import scipy.special

    order = int(n)
    if order == 0:
        return scipy.special.digamma(x)
    return (-1.0) ** (order + 1) * math.factorial(order) * scipy.special.zeta(order + 1.0, x)


def _whole(index: Any) -> Any:
    return index.astype(np.int64)
