"""SymPy: exact expressions of derivatives, written out and compiled once.

* The NumPy function is run once, on an array of symbols for every argument; constants are symbols as
  well, so they may change between calls. What depends on a symbol's value (a branch, a shape, a sort)
  is refused at preparation.
* Derivatives are symbolic. Every part of an expression is differentiated once, and computed once in
  the compiled code, however often it occurs.
* The compiled code works on single numbers: right for small functions called often, and refused for
  large arrays (``max_symbols``).
* SymPy cancels as it builds: ``x / x`` is 1 and ``0 * x`` is 0, also where NumPy would give NaN (at
  zero, at infinity), and so does a derivative (that of ``exp(log(x))`` is 1). Entries are taken to be
  finite real numbers. Roots of what may be negative are kept apart (``power``), since SymPy's rules
  would make a number of their NaN; ``expression.rewrite(sympy.Pow)`` hands them over to SymPy.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.contract import Executable, Kernel, Leaves, Linearized, Problem, strategy, strategy_of
from polyad.systems.sympy import calculus
from polyad.systems.sympy.program import (
    SymbolicProgram,
    Trace,
    by_rows,
    check_size,
    is_inside,
    leaf_of,
    symbols,
)

__all__ = ["SymPy"]


@dataclasses.dataclass(frozen=True, repr=False)
class SymPy(Backend):
    """Exact symbolic differentiation by SymPy, compiled to Python code of single numbers.

    A prepared object has the ``expression`` of its result.

    Parameters
    ----------
    max_symbols : int
        The largest number of entries of all arguments together; each is a symbol, and time and
        memory grow faster than their number.
    max_operations : int
        The largest number of operations on numbers, each counted once; a thousand of them take a second
        for a gradient, several for an ``hvp``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> grad = ad.prepare_gradient(lambda x: np.sin(x[0]) * x[1], np.ones(2), backend="sympy")
    >>> grad(np.array([0.0, 2.0]))
    array([2., 0.])
    >>> grad.expression
    array([x_1*cos(x_0), sin(x_0)], dtype=object)
    """

    max_symbols: int = 1000
    max_operations: int = 20_000
    # symbols calculate through the lift only, so there is nothing to find out
    lift: bool | None = dataclasses.field(default=True, kw_only=True)

    name: ClassVar[str] = "sympy"
    requires: ClassVar[tuple[str, ...]] = ("sympy",)
    extra: ClassVar[str] = "sympy"
    nestable: ClassVar[bool] = False
    freezes: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    calls_out: ClassVar[bool] = False
    native: ClassVar[bool] = False
    complex_inputs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.mode is not None:
            raise ArgumentError(f"SymPy differentiates expressions and has no modes: {self.mode!r} is none")
        if self.lift is not True:
            raise ArgumentError("SymPy takes NumPy functions: lift=True is the only way")
        for name in ("max_symbols", "max_operations"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be positive, not {getattr(self, name)}")

    @property
    def forward(self) -> bool:
        """Expressions have no forward or reverse mode, so there is none to choose."""
        return True

    @property
    def reverse(self) -> bool:
        return True

    @property
    def refusals(self) -> Mapping[str, str]:
        return {
            "branch": "SymPy runs the function on symbols, which have no values: use np.where, or 'numpy'",
            "complex": "SymPy's symbols are real numbers: use 'numpy', 'jax' or 'torch'",
        }

    @property
    def lifts_to(self) -> str | None:
        return "sympy"

    def _trace(self, problem: Problem) -> Trace:
        """The function on symbols, run once for a problem and kept with it."""
        kept = vars(problem)  # as ``cached_property`` does: the problem itself is frozen
        if "sympy_trace" not in kept:
            kept["sympy_trace"] = Trace(problem, self.max_symbols, self.max_operations)
        trace: Trace = kept["sympy_trace"]
        return trace

    # -- first order ----------------------------------------------------------------------------

    def value(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        return _kernel(SymbolicProgram(trace, trace.y, strategy="expressions"))

    def jvp(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        v = symbols("v", problem.x)
        seeds = dict(zip(trace.active, _row(v), strict=True))
        dy = calculus.tangents(trace.roots, seeds)
        return _kernel(
            SymbolicProgram(trace, trace.split(dy, trace.y), seeds=v, strategy="symbolic, along a direction")
        )

    def vjp(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        w = trace.split(_row(symbols("w", [np.empty(leaf.shape) for leaf in trace.y])), trace.y)
        pairs = list(zip(trace.roots, _row(w), strict=True))
        dx = calculus.cotangents(pairs, trace.active)
        return _kernel(
            SymbolicProgram(trace, trace.split(dx, trace.x), seeds=w, strategy="symbolic, backwards")
        )

    def gradient(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        return _kernel(SymbolicProgram(trace, self._gradient(trace), strategy="symbolic gradient"))

    def _gradient(self, trace: Trace) -> tuple[Any, ...]:
        import sympy

        g = calculus.cotangents([(trace.roots[0], sympy.S.One)], trace.active)
        return trace.split(g, trace.x)

    def derivative(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        return _kernel(
            SymbolicProgram(trace, self._derivative(trace, trace.roots), strategy="symbolic derivative")
        )

    def _derivative(self, trace: Trace, roots: list[Any]) -> tuple[Any, ...]:
        import sympy

        (t,) = trace.active
        return trace.split(calculus.tangents(roots, {t: sympy.S.One}), trace.y)

    def jacobian(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        rows = calculus.jacobian(trace.roots, trace.active)
        return _kernel(SymbolicProgram(trace, trace.blocks(rows, trace.y), strategy="symbolic Jacobian"))

    # -- second order ---------------------------------------------------------------------------

    def second_derivative(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        first = self._derivative(trace, trace.roots)
        second = self._derivative(trace, _row(first))
        return _kernel(SymbolicProgram(trace, second, first=first, strategy="symbolic derivative, twice"))

    def hvp(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        g = self._gradient(trace)
        v = symbols("v", problem.x)
        # the Hessian is symmetric: its product is the gradient of the slope along v
        hv = calculus.cotangents(list(zip(_row(g), _row(v), strict=True)), trace.active)
        words = "symbolic gradient of the slope along a direction"
        return _kernel(SymbolicProgram(trace, trace.split(hv, trace.x), seeds=v, first=g, strategy=words))

    def hessian(self, problem: Problem) -> Kernel:
        trace = self._trace(problem)
        g = self._gradient(trace)
        rows = calculus.jacobian(_row(g), trace.active)
        return _kernel(
            SymbolicProgram(trace, trace.blocks(rows, trace.x), first=g, strategy="symbolic Hessian")
        )

    def taylor(self, problem: Problem, order: int) -> Kernel:
        import math

        import sympy

        trace = self._trace(problem)
        v = symbols("v", problem.x)
        seeds = dict(zip(trace.active, _row(v), strict=True))
        rows = [trace.roots]
        for _ in range(order):
            rows.append(calculus.tangents(rows[-1], seeds))
            check_size([e for row in rows for e in row], self.max_operations)
        parts = [
            [calculus.times(e, sympy.Rational(1, math.factorial(j))) for e in r] for j, r in enumerate(rows)
        ]
        leaves = [trace.split(part, trace.y) for part in parts]
        result = tuple(
            leaf_of(
                [e for leaf in column for e in leaf.array.flat],
                (order + 1, *column[0].shape),
                column[0].dtype,
            )
            for column in zip(*leaves, strict=True)
        )
        return _kernel(
            SymbolicProgram(
                trace, result, seeds=v, strategy=f"{order} symbolic derivatives along a direction"
            )
        )

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        outside = None if is_inside() else super().linearize(problem, x, c)
        forward = functools.cache(lambda: self.jvp(problem))
        backward = functools.cache(lambda: self.vjp(problem))

        def push(v: Leaves) -> Leaves:
            return forward()(x, c, v)[0]

        def pull(w: Leaves) -> Leaves:
            return backward()(x, c, w)[0]

        def here(usual: str, product: Callable[[Leaves], Leaves]) -> Callable[[Leaves], Leaves]:
            """The product with numbers, or as part of the expressions around it."""
            return lambda seeds: product(seeds) if is_inside() else getattr(outside, usual)(seeds)

        y, aux = self.value(problem)(x, c)[1:] if outside is None else (outside.y, outside.aux)
        return Linearized(
            y,
            aux,
            here("push", push),
            here("pull", pull),
            here("push_batched", lambda v: by_rows(push, v, problem.outputs)),
            here("pull_batched", lambda w: by_rows(pull, w, problem.inputs)),
            "symbolic products" if outside is None else outside.strategy,
        )

    def jvp_batched(self, problem: Problem) -> Kernel:
        return _batched(self.jvp(problem), super().jvp_batched(problem), lambda: problem.outputs)

    def vjp_batched(self, problem: Problem) -> Kernel:
        return _batched(self.vjp(problem), super().vjp_batched(problem), lambda: problem.inputs)

    def hvp_batched(self, problem: Problem) -> Kernel:
        return _batched(self.hvp(problem), super().hvp_batched(problem), lambda: problem.inputs)

    def portable(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, once: bool = False
    ) -> Kernel:
        from polyad.systems.sympy.inside import portable

        return portable(kernel.own) if kernel.own is not None else super().portable(kernel, problem, seeds)

    # -- surroundings -------------------------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        return tuple(ArraySpec(leaf.shape, leaf.dtype) for leaf in self._trace(problem).y)

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        program = getattr(kernel, "own", None)
        if program is not None:
            return program.executable()
        return super().finish(kernel, problem, seeds, prepared=prepared)


def _kernel(program: SymbolicProgram) -> Kernel:
    return Kernel(program, program.strategy, own=program)


def _batched(single: Kernel, usual: Kernel, like: Callable[[], Sequence[ArraySpec]]) -> Kernel:
    """A product for a batch; inside of another function on symbols its rows are expressions."""

    @strategy(strategy_of(usual))
    def kernel(x: Leaves, c: Leaves, seeds: Leaves) -> Any:
        if not is_inside():
            return usual(x, c, seeds)
        rest: list[Any] = []

        def product(seed: Leaves) -> Leaves:
            result, *rest[:] = single(x, c, seed)
            return result

        rows = by_rows(product, seeds, like())
        if not rest:
            product(tuple(np.zeros(leaf.shape[1:]) for leaf in seeds))
        return (rows, *rest)

    return kernel


def _row(leaves: tuple[Any, ...]) -> list[Any]:
    """The entries of all leaves in a row."""
    return [e for leaf in leaves for e in leaf.array.flat]
