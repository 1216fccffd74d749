"""Loops and choices in CasADi's graphs: the body is traced once, and is a function that the graph calls.

* What the body takes from around itself becomes a parameter of that function, and what it computes from such
  values alone is computed once, outside.
* In scalar expressions (SX) the calls are written out by CasADi, without Python: the graph is the same as
  that of a Python loop. In matrix expressions (MX) a loop is a tower of functions, each of which calls the
  one below it ten times. So derivatives of a few functions are made, however long the loop is, and reverse
  mode computes the lower functions again instead of keeping what they computed.
* A choice is a ``Switch``, which evaluates one function and its derivative only; scalars have none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.interpretations.looping import Choice, Looping, Repeated, Steps
from polyad.systems.casadi.call import SCALARS_PER_CALL
from polyad.systems.casadi.numpy_nodes import NeedsMatrices
from polyad.systems.casadi.symbolic import Symbolic

__all__ = ["CasADiLoops"]

Arrays = Sequence[Any]
BASE = 10  # calls of one function by the one above it
SCALARS = 50_000  # operations from which on a loop is not written out in scalars


class CasADiLoops(Looping):
    """``polyad.scan`` and its siblings on symbols."""

    loops = True
    unrolls = True

    def has_values(self, a: Any) -> bool:
        return False

    def shapes(self, f: Callable[[Arrays], list[Any]], arrays: Arrays) -> None:
        f(list(arrays))

    def scan(self, loop: Steps) -> tuple[list[Any], list[Any]]:
        body, carry, xs, length, reverse = loop.body, loop.carry, loop.xs, loop.length, loop.reverse
        import casadi

        kind = carry[0].kind if carry else xs[0].kind
        items = [Symbolic(kind(0, 1), a.shape[1:], a.dtype) for a in xs]
        forms: list[list[Symbolic]] = [[], []]

        def step(state: Any, x: Any) -> tuple[Any, Any]:
            forms[0], forms[1] = body(_parts(state, carry), _parts(x, items))
            return _column(forms[0], kind), _column(forms[1], kind)

        one, given = _closed(step, kind, _size(carry), _size(items))
        rows = [casadi.reshape(a.column, math.prod(a.shape[1:]), length) for a in xs]
        x = casadi.vertcat(*rows) if rows else kind(0, length)
        x = x[:, ::-1] if reverse else x
        state, given = _column(carry, kind), casadi.densify(given)
        if kind is casadi.SX:
            if length * one.n_instructions() > SCALARS:
                raise NeedsMatrices(
                    f"a loop of {length} steps is too long for scalar expressions: use CasADi(symbols='MX')"
                )
            kept = []
            for k in range(length):
                state, y = one(state, x[:, k], given)
                kept.append(y)
            ys = casadi.horzcat(*kept)
        else:
            state, ys = _tower(_in_scalars(one), length)(state, x, given)
        ys = ys[:, ::-1] if reverse else ys
        sizes = np.cumsum([0, *(a.size for a in forms[1])]).tolist()
        stacked = [
            a.like(casadi.vec(ys[i:j, :]), (length, *a.shape))
            for a, i, j in zip(forms[1], sizes[:-1], sizes[1:], strict=True)
        ]
        return _parts(state, carry), stacked

    def while_loop(self, loop: Repeated) -> list[Any]:
        cond, body, carry, max_steps = loop.cond, loop.body, loop.carry, loop.max_steps
        if max_steps is None:
            raise refuse(
                "a graph of casadi has no loop whose number of steps is not known",
                "give while_loop a limit, max_steps=100, or use backend='numpy'",
            )

        def step(state: Arrays, x: Arrays) -> tuple[list[Any], list[Any]]:
            return self.choose(Choice(cond(state), [list, body], state, truth=True)), []

        state, _ = self.scan(Steps(step, carry, [], max_steps))
        over = cond(state)
        import casadi

        lost = casadi.if_else(over.column, math.nan, 1.0)  # then there is no result, and no derivative either
        return [a.like(a.column * lost) if a.dtype.kind == "f" else a for a in state]

    def choose(self, choice: Choice) -> list[Any]:
        functions, arrays, which = choice.functions, choice.arrays, choice.choice
        import casadi

        kind = which.kind
        if kind is casadi.SX:
            raise NeedsMatrices("scalar expressions compute both sides of a choice: use CasADi(symbols='MX')")
        forms: list[Symbolic] = []

        def computed(k: int) -> Callable[[Any, Any], tuple[Any, Any]]:
            def call(state: Any, x: Any) -> tuple[Any, Any]:
                forms[:] = functions[k](_parts(state, arrays))
                return _column(forms, kind), kind(0, 1)

            return call

        closed = [_closed(computed(k), kind, _size(arrays), 0) for k in range(len(functions))]
        sizes = [int(given.numel()) for _, given in closed]
        total, first = sum(sizes), 0
        branches = []
        for (one, _), size in zip(closed, sizes, strict=True):
            state, given = kind.sym("s", _size(arrays)), kind.sym("p", total)
            result, _ = one(state, kind(0, 1), given[first : first + size])
            branches.append(casadi.Function("branch", [state, given], [result]))
            first += size
        number = casadi.fmin(casadi.fmax(casadi.floor(which.column), 0), len(functions) - 1)
        number = casadi.if_else(which.column, 1, 0) if choice.truth else number
        switch = casadi.Function.conditional("choice", branches[:-1], branches[-1])
        given = casadi.vertcat(*[casadi.densify(given) for _, given in closed])
        return _parts(switch(number, _column(arrays, kind), given), forms)


def _size(arrays: Arrays) -> int:
    return sum(a.size for a in arrays)


def _column(arrays: Arrays, kind: Any) -> Any:
    """Arrays as one column."""
    import casadi

    return casadi.vertcat(*[a.column for a in arrays]) if arrays else kind(0, 1)


def _parts(column: Any, forms: Arrays) -> list[Symbolic]:
    """A column as arrays of these shapes and dtypes."""
    found, first = [], 0
    for a in forms:
        found.append(Symbolic(column[first : first + a.size], a.shape, a.dtype))
        first += a.size
    return found


def _closed(f: Callable[[Any, Any], tuple[Any, Any]], kind: Any, state: int, item: int) -> tuple[Any, Any]:
    """A body as a function of all that it depends on, and the values of what it takes from around itself."""
    import casadi

    s, x = kind.sym("s", state), kind.sym("x", item)
    results = [casadi.densify(a) for a in f(s, x)]
    outer = _free([s, x], results)
    names: list[Any] = []
    values: list[Any] = []
    if outer:
        results, names, values = casadi.extract_parametric(results, outer, {})
        more = _free([s, x, *names], results)
        names, values = [*names, *more], [*values, *more]
    inner = casadi.Function("body", [s, x, *names], results)
    sizes = np.cumsum([0, *(n.numel() for n in names)]).tolist()
    p = kind.sym("p", sizes[-1])
    parts = [
        casadi.reshape(p[i:j], n.size1(), n.size2())
        for n, i, j in zip(names, sizes[:-1], sizes[1:], strict=True)
    ]
    outcome = inner.call([s, x, *parts], True, False)
    given = casadi.vertcat(*[casadi.vec(casadi.densify(v)) for v in values]) if values else kind(0, 1)
    return casadi.Function("body", [s, x, p], outcome), given


def _free(own: list[Any], results: list[Any]) -> list[Any]:
    """The symbols, besides its own, that an expression is made of."""
    import casadi

    function = casadi.Function("body", own, results, {"allow_free": True})
    if isinstance(own[0], casadi.SX):
        return [casadi.SX(a) for a in function.free_sx()]
    return list(function.free_mx())


def _in_scalars(function: Any) -> Any:
    """The function in scalar expressions where those are quicker, and it can be written so."""
    try:
        scalars = function.expand()
    except RuntimeError:  # it calls NumPy, say
        return function
    few = scalars.n_instructions() <= SCALARS_PER_CALL * function.n_instructions()
    return scalars if few else function


def _tower(one: Any, length: int) -> Any:
    """A function that takes so many steps: the state, a column of items for each, and parameters."""
    import casadi

    made: dict[int, Any] = {1: one}
    state, item, given = (one.numel_in(k) for k in range(3))

    def steps(count: int) -> Any:
        if count in made:
            return made[count]
        part = BASE ** max(0, math.ceil(math.log(count, BASE) - 1e-9) - 1)
        s, x, p = casadi.MX.sym("s", state), casadi.MX.sym("x", item, count), casadi.MX.sym("p", given)
        now, kept, first = s, [], 0
        while first < count:
            size = min(part, count - first)
            now, y = steps(size)(now, x[:, first : first + size], p)
            kept.append(y)
            first += size
        made[count] = casadi.Function(f"steps{count}", [s, x, p], [now, casadi.horzcat(*kept)])
        return made[count]

    return steps(length)
