"""Derivatives of SymPy expressions that share their parts.

SymPy's ``diff`` walks an expression as a tree, so what a loop has built of shared parts takes it
exponentially long. Here every distinct subexpression is visited once, forwards (``tangents``) or
backwards (``cotangents``); the partial derivatives of functions are SymPy's own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from polyad.engine.core.refusals import refuse
from polyad.systems.sympy.functions import PARTIALS, added, named, partial, product, raised, select

__all__ = ["cotangents", "jacobian", "ordered", "renamed", "tangents"]


def ordered(roots: Iterable[Any]) -> list[Any]:
    """Every distinct subexpression, each after all that it is made of."""
    found: dict[Any, None] = {}
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if node in found:
                continue
            if done or not node.args:
                found[node] = None
            else:
                stack.append((node, True))
                # numbers are left out: they have no parts, and the hash of a float is dear
                stack.extend((arg, False) for arg in node.args if not arg.is_Number and arg not in found)
    return list(found)


def renamed(roots: Sequence[Any], names: Mapping[Any, Any]) -> list[Any]:
    """The expressions with other symbols; ``xreplace`` would walk shared parts again and again.

    Nothing is evaluated anew: what was kept apart stays apart. The order of operands goes by the
    names of symbols, which stay.
    """
    import sympy

    known = dict(names)
    for node in ordered(roots):
        if node in known:
            continue
        args = [known.get(arg, arg) for arg in node.args]
        if all(a is b for a, b in zip(args, node.args, strict=True)):
            continue
        if node.is_Add or node.is_Mul:
            known[node] = node._new_rawargs(*args)
        elif node.is_Piecewise or type(node).__name__ == "ExprCondPair":
            known[node] = sympy.Basic.__new__(type(node), *args)
        else:
            known[node] = node.func(*args, evaluate=False)
    return [known.get(root, root) for root in roots]


def times(a: Any, b: Any) -> Any:
    """A product that does not grow by merging, and that stays out of branches not taken."""
    import sympy

    if a is sympy.S.Zero or b is sympy.S.Zero:
        return sympy.S.Zero
    if a is sympy.S.One or b is sympy.S.One:
        return b if a is sympy.S.One else a
    for mask, other in ((a, b), (b, a)):
        if _is_mask(mask):
            # zero times the infinite slope of a branch that is not taken would be NaN
            return select(*((times(e, other), c) for e, c in mask.args))
        if mask.is_Add and len(mask.args) <= FEW and all(map(_is_mask, mask.args)) and not other.is_Number:
            return added(*(times(part, other) for part in mask.args))
    return product(a, b)


# masks whose sum is multiplied one by one
FEW = 4


def _is_mask(e: Any) -> bool:
    """Whether it is zero where some branch is not taken."""
    import sympy

    return e.is_Piecewise and any(value is sympy.S.Zero for value, _ in e.args)


def partials(node: Any) -> list[Any]:
    """The partial derivative of an expression by each of its parts."""
    import sympy

    zero, one = sympy.S.Zero, sympy.S.One
    if node.is_Add:
        return [one] * len(node.args)
    if node.is_Mul:
        args = node.args
        return [functools.reduce(product, args[:k] + args[k + 1 :], one) for k in range(len(args))]
    if node.is_Pow:
        return _of_power(node)
    if node.is_Piecewise:
        return [zero] * len(node.args)  # its branches are the sweeps' own affair
    if isinstance(node, sympy.Abs):
        return [named("sign")(node.args[0])]
    if not isinstance(node, sympy.Function):
        return [zero] * len(node.args)  # conditions have no derivative
    name = type(node).__name__
    if _is_ours(name) and type(node) is named(name):
        return [_of_function(node, k, partial(name, node.args, k)) for k in range(len(node.args))]
    return [_native(node, k) for k in range(len(node.args))]


def _is_ours(name: str) -> bool:
    return name in PARTIALS or name in ("maximum", "minimum", "pick")


def _of_power(node: Any) -> list[Any]:
    import sympy

    base, exponent = node.args
    if exponent.is_Number:
        return [product(exponent, raised(base, exponent - 1)), sympy.S.Zero]
    # the limits where the exponent, or the base, is zero are those of polyad's engine
    none = sympy.And(sympy.Eq(exponent, 0, evaluate=False), sympy.Eq(base, 0, evaluate=False), evaluate=False)
    lower = raised(base, added(exponent, sympy.S.NegativeOne))
    by_base = select((sympy.S.Zero, none), (product(exponent, lower), sympy.true))
    if base.is_Number:
        return [sympy.S.Zero, product(node, sympy.log(base)) if base != 0 else sympy.S.Zero]
    empty = sympy.Eq(base, 0, evaluate=False)
    by_exponent = select((sympy.S.Zero, empty), (product(node, sympy.log(base, evaluate=False)), sympy.true))
    return [by_base, by_exponent]


class _Missing:
    """A partial derivative that does not exist, refused where it is needed."""

    def __init__(self, node: Any, k: int) -> None:
        self.node, self.k = node, k

    def refuse(self) -> Exception:
        return refuse(
            f"{type(self.node).__name__} has no derivative with respect to its operand {self.k}",
            "make it a constant (argnums), or use backend='finite' where the derivative is needed",
        )


def _of_function(node: Any, k: int, found: Any) -> Any:
    return _Missing(node, k) if found is None else found


# the commonest, said here because SymPy would spend its time on simplifying them
COMMON: dict[str, Any] = {
    "exp": lambda sp, y, x: y,
    "log": lambda sp, y, x: raised(x, -1),
    "sin": lambda sp, y, x: sp.cos(x, evaluate=False),
    "cos": lambda sp, y, x: product(sp.sin(x, evaluate=False), sp.S.NegativeOne),
    "sinh": lambda sp, y, x: sp.cosh(x, evaluate=False),
    "cosh": lambda sp, y, x: sp.sinh(x, evaluate=False),
    "tanh": lambda sp, y, x: 1 - raised(y, 2),
    "tan": lambda sp, y, x: 1 + raised(y, 2),
    # SymPy's own lose their digits beside one
    "asin": lambda sp, y, x: partial("arcsin", (x,), 0),
    "acos": lambda sp, y, x: partial("arccos", (x,), 0),
    "atanh": lambda sp, y, x: partial("arctanh", (x,), 0),
}


# for each Bessel function, the signs of its neighbours in its derivative, and of the first at order zero
BESSEL = {"besselj": (1, -1, -1), "bessely": (1, -1, -1), "besseli": (1, 1, 1), "besselk": (-1, -1, -1)}


def _of_bessel(sp: Any, node: Any) -> Any:
    order, x = node.args
    below, above, first = BESSEL[type(node).__name__]
    if order == 0:
        return product(sp.Integer(first), node.func(1, x, evaluate=False))
    return added(
        product(sp.Rational(below, 2), node.func(order - 1, x, evaluate=False)),
        product(sp.Rational(above, 2), node.func(order + 1, x, evaluate=False)),
    )


# By the operand at a place. SymPy's own simplify every new function of a long argument, for a second each.
PLACED: dict[tuple[str, int], Any] = {
    **{(name, 1): _of_bessel for name in BESSEL},
    ("gamma", 0): lambda sp, y: product(y, sp.polygamma(0, y.args[0], evaluate=False)),
    ("loggamma", 0): lambda sp, y: sp.polygamma(0, y.args[0], evaluate=False),
    ("polygamma", 1): lambda sp, y: sp.polygamma(y.args[0] + 1, y.args[1], evaluate=False),
}


def _native(node: Any, k: int) -> Any:
    import sympy

    placed = PLACED.get((type(node).__name__, k))
    if placed is not None:
        return placed(sympy, node)
    common = COMMON.get(type(node).__name__)
    if common is not None:
        return common(sympy, node, node.args[0])
    try:
        found = node.fdiff(k + 1)
    except (sympy.core.function.ArgumentIndexError, NotImplementedError):
        return _Missing(node, k)
    if found.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta, sympy.Integral):
        return _Missing(node, k)
    return found


def _given(p: Any) -> Any:
    if isinstance(p, _Missing):
        raise p.refuse()
    return p


def _dependent(order: Sequence[Any], symbols: Iterable[Any]) -> set[Any]:
    """The subexpressions in which any of the symbols occurs."""
    found = set(symbols)
    for node in order:
        if any(not arg.is_Number and arg in found for arg in node.args):
            found.add(node)
    return found


def tangents(roots: Sequence[Any], seeds: Mapping[Any, Any], order: Sequence[Any] | None = None) -> list[Any]:
    """Forward mode: the derivative of every root along a direction of symbols."""
    import sympy

    zero = sympy.S.Zero
    order = ordered(roots) if order is None else order
    dependent = _dependent(order, [s for s, t in seeds.items() if t is not zero])
    known = dict(seeds)
    for node in order:
        if node not in dependent or node in known:
            continue
        if node.is_Piecewise:
            known[node] = select(*((known.get(e, zero), c) for e, c in node.args))
        elif isinstance(node, sympy.logic.boolalg.Boolean) or not isinstance(node, sympy.Expr):
            continue
        else:
            known[node] = added(
                *(
                    times(known[arg], _given(p))
                    for arg, p in zip(node.args, partials(node), strict=True)
                    if not arg.is_Number and known.get(arg, zero) is not zero
                )
            )
    return [known.get(root, zero) if root in dependent else zero for root in roots]


def cotangents(seeds: Sequence[tuple[Any, Any]], symbols: Sequence[Any]) -> list[Any]:
    """Reverse mode: the derivative by every symbol of roots weighted by their seeds."""
    import sympy

    zero = sympy.S.Zero
    order = ordered(root for root, _ in seeds)
    dependent = _dependent(order, symbols)
    terms: dict[Any, list[Any]] = {}
    for root, seed in seeds:
        terms.setdefault(root, []).append(seed)
    for node in reversed(order):
        if not node.args or node not in dependent or node not in terms:
            continue
        if not isinstance(node, sympy.Expr):
            continue
        w = added(*terms.pop(node))
        if w is zero:
            continue
        if node.is_Piecewise:
            for k, (e, _) in enumerate(node.args):
                if e in dependent:
                    taken = select(*((w if j == k else zero, c) for j, (_, c) in enumerate(node.args)))
                    terms.setdefault(e, []).append(taken)
            continue
        for arg, p in zip(node.args, partials(node), strict=True):
            if not arg.is_Number and arg in dependent:
                g = times(w, _given(p))
                if g is not zero:
                    terms.setdefault(arg, []).append(g)
    return [added(*terms[s]) if s in terms else zero for s in symbols]


def jacobian(roots: Sequence[Any], symbols: Sequence[Any]) -> list[list[Any]]:
    """One row for each root, in the direction with fewer sweeps."""
    import sympy

    one = sympy.S.One
    if len(symbols) < len(roots):
        order = ordered(roots)
        columns = [tangents(roots, {s: one}, order) for s in symbols]
        return [list(row) for row in zip(*columns, strict=True)]
    return [cotangents([(root, one)], symbols) for root in roots]
