"""A derivative as SymPy expressions, and as compiled code.

``Trace`` is the user's function run once on symbols; ``SymbolicProgram`` what one operator makes of it: a
kernel in the sense of ``base``, which carries its expressions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.errors import FOLLOWED, FunctionNotSupportedError, rule_out
from polyad.systems.contract import Executable, Leaves, Problem
from polyad.systems.sympy.calculus import ordered, renamed
from polyad.systems.sympy.code import compiled
from polyad.systems.sympy.entries import numeric
from polyad.systems.sympy.expressions import Expressions

__all__ = [
    "SymbolicExecutable",
    "SymbolicProgram",
    "Trace",
    "by_rows",
    "check_size",
    "is_inside",
    "leaf_of",
    "symbols",
]


@dataclasses.dataclass(frozen=True)
class SymbolicExecutable(Executable):
    """An executable with the expressions that it computes, one array of objects for each leaf."""

    program: Any = None

    @property
    def expression(self) -> tuple[Any, ...]:
        """The result's expressions."""
        found: tuple[Any, ...] = self.program.expression
        return tuple(e.copy() if isinstance(e, np.ndarray) else e for e in found)


def symbols(name: str, leaves: Sequence[Any]) -> tuple[Expressions, ...]:
    """A leaf of real symbols for every leaf: ``x``, ``x_0``, ``x_0_1``; numbered where they are many."""
    return tuple(_symbols(name if len(leaves) == 1 else f"{name}{k}", leaf) for k, leaf in enumerate(leaves))


def _symbols(name: str, leaf: Any) -> Expressions:
    import sympy

    weak = not hasattr(leaf, "dtype")
    dtype = np.dtype(type(leaf)) if weak else leaf.dtype
    if dtype.kind not in "fiub" or dtype.char == "g":
        raise refuse(
            f"SymPy's symbols stand for real numbers of double precision, an argument is {dtype}",
            "use backend='numpy'" + ("" if dtype.char == "g" else ", 'jax' or 'torch'"),
        )
    entries = np.empty(np.shape(leaf), dtype=object)
    for place in np.ndindex(entries.shape):
        # one that equals no other of its name: a symbol of an outer or an earlier function is not this one
        symbol = sympy.Dummy("_".join((name, *map(str, place))), real=True)
        entries[place] = sympy.Ne(symbol, 0) if dtype.kind == "b" else symbol
    return Expressions(entries, dtype, weak=weak)


def free(leaves: Sequence[Expressions]) -> list[list[Any]]:
    """The symbols of every leaf, in order."""
    return [
        [next(iter(e.free_symbols)) if leaf.dtype.kind == "b" else e for e in leaf.array.flat]
        for leaf in leaves
    ]


def leaf_of(entries: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> Expressions:
    """Expressions in a row as an array."""
    flat = np.empty(len(entries), dtype=object)
    flat[:] = entries
    return Expressions(flat.reshape(shape), dtype)


def check_size(roots: Sequence[Any], limit: int) -> None:
    """Refuse what has more distinct parts than the limit."""
    count = len(ordered(roots))
    if count > limit:
        error = FunctionNotSupportedError(
            f"the function has {count} operations on numbers, whose derivatives would take SymPy long: "
            f"pass backend=polyad.SymPy(max_operations={count}) to try, or use backend='numpy', 'jax' "
            "or 'torch'"
        )
        raise rule_out(error, FOLLOWED)  # it would be as long


# Whether a function is being run on symbols in this thread.
_TRACING: ContextVar[bool] = ContextVar("running on symbols", default=False)


class Trace:
    """The user's function on symbols.

    Parameters
    ----------
    problem : Problem
        The problem.
    limit : int
        The largest number of symbols.
    operations : int
        The largest number of distinct subexpressions.
    """

    def __init__(self, problem: Problem, limit: int, operations: int) -> None:
        total = sum(int(np.size(leaf)) for leaf in (*problem.x, *problem.c))
        if total > limit:
            error = FunctionNotSupportedError(
                f"the arguments have {total} entries, each of which would be a symbol, and the time grows "
                f"faster than their number: pass backend=polyad.SymPy(max_symbols={total}) to try, or use "
                "backend='numpy', 'jax' or 'torch'"
            )
            raise rule_out(error, FOLLOWED)  # as many
        self.x, self.c = symbols("x", problem.x), symbols("c", problem.c)
        before = _TRACING.get()
        try:  # Ctrl-C may come between any two calls
            _TRACING.set(True)
            y, aux = problem.f(self.x, self.c)
        finally:
            _TRACING.set(before)
        self.y = tuple(map(_as_expressions, y))
        self.aux = tuple(aux)
        check_size(self.roots, operations)

    @cached_property
    def active(self) -> list[Any]:
        """All active symbols in a row."""
        return [s for leaf in free(self.x) for s in leaf]

    @cached_property
    def roots(self) -> list[Any]:
        """All outputs in a row."""
        return [e for leaf in self.y for e in leaf.array.flat]

    def split(self, entries: Sequence[Any], like: Sequence[Expressions]) -> tuple[Expressions, ...]:
        """A row of entries as leaves like these."""
        found, start = [], 0
        for leaf in like:
            found.append(leaf_of(entries[start : start + leaf.size], leaf.shape, leaf.dtype))
            start += leaf.size
        return tuple(found)

    def blocks(self, rows: Sequence[Sequence[Any]], like: Sequence[Expressions]) -> tuple[Expressions, ...]:
        """Rows of derivatives as blocks of shape ``output.shape + input.shape``."""
        found, top = [], 0
        for out in like:
            left = 0
            for leaf in self.x:
                entries = [e for row in rows[top : top + out.size] for e in row[left : left + leaf.size]]
                dtype = np.result_type(out.dtype, leaf.dtype)
                found.append(leaf_of(entries, out.shape + leaf.shape, dtype))
                left += leaf.size
            top += out.size
        return tuple(found)


def _as_expressions(leaf: Any) -> Expressions:
    """An output as expressions of a floating-point dtype."""
    if isinstance(leaf, Expressions):
        return leaf if leaf.dtype.kind == "f" else Expressions(leaf.array, np.float64)
    from polyad.engine.interpretations.adapter import adapter

    value = np.asarray(leaf)
    made: Expressions = adapter("sympy").constant(
        value if value.dtype.kind in "fc" else value.astype(float), None
    )
    return made


class SymbolicProgram:
    """A kernel made of expressions; called with numbers, it computes everything it has.

    Parameters
    ----------
    trace : Trace
        The function on symbols.
    result : tuple of Expressions
        The leaves of the result.
    seeds : tuple of Expressions
        The symbols of its seeds.
    first : tuple of Expressions, optional
        The leaves of the lower derivative, for second order.
    strategy : str
        Words for ``repr``.
    """

    def __init__(
        self,
        trace: Trace,
        result: tuple[Expressions, ...],
        *,
        seeds: tuple[Expressions, ...] = (),
        first: tuple[Expressions, ...] | None = None,
        strategy: str,
    ) -> None:
        self.trace, self.result, self.first = trace, result, first
        self.strategy = strategy
        self._groups = [g for leaves in (trace.x, trace.c, seeds) for g in free(leaves)]

    @cached_property
    def expression(self) -> tuple[Any, ...]:
        """The result's expressions: an array of objects, or one expression, for each leaf."""
        import sympy

        own = [s for group in self._groups for s in group]
        names = {s: sympy.Symbol(s.name, real=True) for s in own}
        found = iter(renamed([e for leaf in self.result for e in leaf.array.flat], names))
        arrays = [
            leaf_of([next(found) for _ in range(leaf.size)], leaf.shape, leaf.dtype).array
            for leaf in self.result
        ]
        return tuple(a if a.shape else a[()] for a in arrays)

    @cached_property
    def bare(self) -> Callable[..., tuple[np.ndarray, ...]]:
        """From all leaves in a row to the result's leaves."""
        return self._compiled(self.result)

    @cached_property
    def full(self) -> Callable[..., Any]:
        """The kernel with everything that it gives."""
        trace = self.trace
        traced = [isinstance(leaf, Expressions) for leaf in trace.aux]
        aux = tuple(leaf for leaf, own in zip(trace.aux, traced, strict=True) if own)
        parts = [self.result, trace.y, aux, self.first or ()]
        run = self._compiled(tuple(leaf for part in parts for leaf in part))
        stops = np.cumsum([len(part) for part in parts])

        def kernel(*args: Leaves) -> Any:
            found = run(*(leaf for leaves in args for leaf in leaves))
            result, y = found[: stops[0]], found[stops[0] : stops[1]]
            computed = iter(found[stops[1] : stops[2]])
            others = tuple(
                next(computed) if own else leaf for leaf, own in zip(trace.aux, traced, strict=True)
            )
            if self.first is None:
                return result, y, others
            return result, y, others, found[stops[2] :]

        return kernel

    def __call__(self, *args: Leaves) -> Any:
        return self._inlined(*args) if _TRACING.get() else self.full(*args)

    def _inlined(self, *args: Leaves) -> Any:
        """Everything as part of the expressions of the function around, which is being run on symbols."""
        from polyad.engine.interpretations.adapter import adapter

        own = adapter("sympy")
        names: dict[Any, Any] = {}
        for symbols_of, leaf in zip(self._groups, (leaf for leaves in args for leaf in leaves), strict=True):
            given = leaf if isinstance(leaf, Expressions) else own.constant(leaf, None)
            values = map(numeric, given.array.flat)
            names.update(zip(symbols_of, values, strict=True))

        def replaced(leaf: Any) -> Any:
            if not isinstance(leaf, Expressions):
                return leaf
            return leaf_of(renamed(list(leaf.array.flat), names), leaf.shape, leaf.dtype)

        trace = self.trace
        parts = [tuple(map(replaced, part)) for part in (self.result, trace.y, trace.aux)]
        return tuple(parts) if self.first is None else (*parts, tuple(map(replaced, self.first)))

    def executable(self) -> Executable:
        """All of it compiled, so that what has no number is refused now."""
        if _TRACING.get():
            return Executable(self._inlined, lambda *args: self._inlined(*args)[0], self.strategy)
        bare, full = self.bare, self.full

        def result(*args: Leaves) -> Leaves:
            return bare(*(leaf for leaves in args for leaf in leaves))

        single = len(self.result) == 1
        return SymbolicExecutable(
            full,
            result,
            f"{self.strategy}, compiled",
            (lambda *leaves: bare(*leaves)[0]) if single else None,
            exclusive=single,
            program=self,
        )

    def _compiled(self, leaves: tuple[Expressions, ...]) -> Callable[..., tuple[np.ndarray, ...]]:
        shapes = [(leaf.shape, leaf.dtype) for leaf in leaves]
        entries = [list(leaf.array.flat) for leaf in leaves]
        makers = [_maker(e, *shape) for e, shape in zip(entries, shapes, strict=True)]
        kept = [made[0] for made in makers]
        run = compiled(self._groups, [e for part in kept for e in part])
        stops = [0, *map(int, np.cumsum([len(part) for part in kept]))]
        finish = [made[1] for made in makers]
        if len(finish) == 1:
            only = finish[0]
            return lambda *args: (only(run(*map(_numbers, args))),)

        def call(*args: Any) -> tuple[np.ndarray, ...]:
            values = run(*map(_numbers, args))
            return tuple(f(values[stops[k] : stops[k + 1]]) for k, f in enumerate(finish))

        return call


def is_inside() -> bool:
    """Whether a function is being run on symbols around this call."""
    return _TRACING.get()


def by_rows(product: Callable[[Leaves], Leaves], seeds: Leaves, like: Sequence[Any]) -> Leaves:
    """A product for every entry of the leading axis of its seeds, any of which may be symbolic."""
    arrays = [leaf.array if isinstance(leaf, Expressions) else np.asarray(leaf) for leaf in seeds]

    def row(leaf: Any, a: np.ndarray, k: int) -> Any:
        return Expressions(np.asarray(a[k], dtype=object), leaf.dtype) if leaf is not a else a[k]

    found = [
        product(tuple(row(leaf, a, k) for leaf, a in zip(seeds, arrays, strict=True)))
        for k in range(len(arrays[0]))
    ]
    if not found:
        return tuple(np.zeros((0, *leaf.shape), dtype=leaf.dtype) for leaf in like)
    return tuple(
        Expressions(np.stack([leaf.array for leaf in leaves]), leaves[0].dtype)
        for leaves in zip(*found, strict=True)
    )


def _numbers(leaf: Any) -> list[Any]:
    return leaf.ravel().tolist() if isinstance(leaf, np.ndarray) else [leaf]


def _maker(
    entries: list[Any], shape: tuple[int, ...], dtype: Any
) -> tuple[list[Any], Callable[[list[Any]], np.ndarray]]:
    """The entries to compute, and what makes a fresh array of their values; zeros are not computed."""
    import sympy

    places = [k for k, e in enumerate(entries) if e is not sympy.S.Zero]
    if len(entries) <= 256 or len(places) * 2 > len(entries):
        if shape == ():
            return entries, lambda values: np.array(values[0], dtype=dtype)
        if len(shape) == 1:
            return entries, lambda values: np.array(values, dtype=dtype)
        return entries, lambda values: np.array(values, dtype=dtype).reshape(shape)
    where = np.array(places, dtype=np.intp)

    def scattered(values: list[Any]) -> np.ndarray:
        out = np.zeros(len(entries), dtype=dtype)
        out[where] = values
        return out.reshape(shape)

    return [entries[k] for k in places], scattered
