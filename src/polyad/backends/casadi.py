"""CasADi: a graph built once from NumPy code, sparse derivatives, compiled and called through buffers.

* The function runs once, at preparation, on symbols (``engine.library_casadi`` says what NumPy's
  operations are there). A branch on a value is refused then, with its line.
* Jacobians and Hessians are CasADi's own: sparsity found by propagation, compressed by coloring.
  Only entries that are not structurally zero are computed; results are dense arrays.
* ``SX`` expands everything into scalar operations, which is quickest for programs of scalars and
  small arrays; ``MX`` keeps arrays, products and linear systems whole.
* CasADi computes in float64. Single precision is computed so and rounded at the end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.casadi_symbolic import Symbolic, constant
from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.backends import derive
from polyad.backends.base import (
    Backend,
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    strategy,
    strategy_of,
)
from polyad.backends.casadi_program import Program
from polyad.errors import ArgumentError, FunctionNotSupportedError

__all__ = ["CasADi"]


@dataclasses.dataclass(frozen=True, repr=False)
class CasADi(Backend):
    """Differentiation of NumPy functions by CasADi.

    Parameters
    ----------
    symbols : {"auto", "SX", "MX"}
        Scalar or matrix expressions; ``"auto"`` takes those that make the cheaper program, and
        matrix ones where the input is large or the function solves linear systems.
    mode : {None, "forward", "reverse"}
        Force one mode; None weighs both, by the sparsity or by the shape.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda x: np.sum(x**3), np.array([1.0, 2.0]), backend=ad.CasADi())
    array([ 3., 12.])
    """

    symbols: str = "auto"

    name: ClassVar[str] = "casadi"
    library: ClassVar[str] = "numpy"
    requires: ClassVar[tuple[str, ...]] = ("casadi",)
    extra: ClassVar[str] = "casadi"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})
    complex_inputs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.symbols not in ("auto", "SX", "MX"):
            raise ArgumentError(f"symbols is 'auto', 'SX' or 'MX', not {self.symbols!r}")
        if self.lift is False:
            raise ArgumentError("CasADi takes NumPy functions, which it always lifts: leave lift out")

    @property
    def xp(self) -> Any:
        return _NAMESPACE

    # -- products -----------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        return _product(problem, transposed=False, batched=False)

    def jvp_batched(self, problem: Problem) -> Kernel:
        return _product(problem, transposed=False, batched=True)

    def vjp(self, problem: Problem) -> Kernel:
        return _product(problem, transposed=True, batched=False)

    def vjp_batched(self, problem: Problem) -> Kernel:
        return _product(problem, transposed=True, batched=True)

    # -- first order --------------------------------------------------------------------------

    def gradient(self, problem: Problem) -> Kernel:
        if not self.reverse:
            return self.jacobian(problem)  # the blocks of a scalar are shaped like the input

        @strategy("casadi.gradient")
        def kernel(x: Leaves, c: Leaves) -> Any:
            import casadi

            y, aux = _run(problem, x, c)
            point = _Point(x)
            g = casadi.jtimes(y[0].column, point.column, point.kind(1), True) if point.size else None
            return point.split(g, point.dtypes), _boxes(y), aux

        return kernel

    def jacobian(self, problem: Problem) -> Kernel:
        mode = self.mode

        @strategy("casadi.jacobian, sparse")
        def kernel(x: Leaves, c: Leaves) -> Any:
            y, aux = _run(problem, x, c)
            return _jacobian(y, _Point(x), mode), _boxes(y), aux

        return kernel

    def derivative(self, problem: Problem) -> Kernel:
        return self.jacobian(problem)

    # -- second order ---------------------------------------------------------------------------

    def hessian(self, problem: Problem) -> Kernel:
        if self.mode is not None:
            return derive.hessian(self, problem)

        @strategy("casadi.hessian, sparse and symmetric")
        def kernel(x: Leaves, c: Leaves) -> Any:
            import casadi

            y, aux = _run(problem, x, c)
            point = _Point(x)
            if not point.size:
                return point.blocks(None, point.leaves), _boxes(y), aux, x
            g = casadi.gradient(y[0].column, point.column)
            # forward over reverse, as CasADi's own hessian; see _times for why that is said
            options: dict[str, Any] = {"symmetric": True, **_FORWARD}
            h = casadi.jacobian(g, point.column, options)
            return point.blocks(h, point.leaves), _boxes(y), aux, point.split(g, point.dtypes)

        return kernel

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        # both graphs are built here, so that the linearization stays that of the function as it is now
        x, c = tuple(map(_kept, x)), tuple(map(_kept, c))
        v, w = _zeros(problem.inputs), _zeros(problem.outputs)
        forward = Program(self.jvp(problem), problem, (v,), self.symbols)
        backward = Program(self.vjp(problem), problem, (w,), self.symbols)
        _, y, aux = forward.full(x, c, v)

        def push(v: Leaves) -> Leaves:
            return forward.result(x, c, v)

        def pull(w: Leaves) -> Leaves:
            return backward.result(x, c, w)

        words = f"casadi.jtimes at the point, {forward.kind} graphs lifted from NumPy"
        many = _rowwise(push, problem.outputs), _rowwise(pull, problem.inputs)
        return Linearized(y, aux, push, pull, *many, words)

    # -- surroundings ---------------------------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        from polyad.engine import run

        c = tuple(np.array(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in problem.c)
        y, _ = run.evaluate(lambda boxes: problem.f(boxes, c), problem.x)
        specs = tuple(map(spec_of, y))
        if any(spec.is_complex for spec in specs):
            raise FunctionNotSupportedError(
                f"{problem.label} returns complex numbers, casadi computes with real ones only: "
                "use backend='numpy'"
            )
        return specs

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        program = Program(kernel, problem, seeds, self.symbols)
        words = f"{strategy_of(kernel)}, {program.kind} graph lifted from NumPy"
        single = len(problem.x) == 1 and all(len(s) == 1 for s in seeds)
        bare = program.bare if single else None
        return Executable(program.full, program.result, words, bare, exclusive=bare is not None)


class _Namespace:
    """NumPy over boxes, for derivations."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def astype(self, a: Any, dtype: Any) -> Any:
        """``numpy.astype`` takes arrays only."""
        return a.astype(dtype)


_NAMESPACE = _Namespace()


def _zeros(specs: Sequence[ArraySpec]) -> Leaves:
    return tuple(np.zeros(spec.shape, dtype=spec.dtype) for spec in specs)


def _kept(leaf: Any) -> Any:
    """A leaf whose values stay when the caller writes to its own."""
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _rowwise(product: Callable[[Leaves], Leaves], like: Sequence[ArraySpec]) -> Callable[[Leaves], Leaves]:
    """A product for every entry of a leading axis."""

    def rows(seeds: Leaves) -> Leaves:
        if not len(seeds[0]):
            return tuple(np.zeros((0, *spec.shape), dtype=spec.dtype) for spec in like)
        found = [product(tuple(s[k] for s in seeds)) for k in range(len(seeds[0]))]
        return tuple(np.stack(leaves) for leaves in zip(*found, strict=True))

    return rows


# -- what kernels are made of -------------------------------------------------------------------------


def _of(leaf: Any) -> Symbolic:
    """The symbols in a box."""
    from polyad.engine import run

    found = run.unlift(leaf)
    assert isinstance(found, Symbolic)
    return found


def _box(array: Symbolic) -> Any:
    from polyad.engine import run

    return run.lift("casadi", array)


def _boxes(arrays: Sequence[Symbolic]) -> Leaves:
    return tuple(map(_box, arrays))


def _run(problem: Problem, x: Leaves, c: Leaves) -> tuple[list[Symbolic], Leaves]:
    """The function on symbols; it gets boxes of its own, so that what it writes stays with it."""
    from polyad.engine import run

    kind = _of(x[0]).kind
    constants = tuple(_own(leaf) for leaf in c)
    y, aux = run.called(lambda boxes: problem.f(boxes, constants), tuple(_box(_of(leaf)) for leaf in x))
    values = [run.unlift(run.boxed(leaf)) for leaf in y]
    return [v if isinstance(v, Symbolic) else constant(v, kind) for v in values], tuple(aux)


def _own(leaf: Any) -> Any:
    """A constant that the function may write to."""
    from polyad.engine import run

    found = run.unlift(leaf)
    if isinstance(found, Symbolic):
        return _box(found)
    return found.copy() if isinstance(found, np.ndarray) else found


class _Point:
    """Leaves in a row as one column of CasADi, and results of CasADi as leaves."""

    def __init__(self, leaves: Sequence[Any]) -> None:
        import casadi

        self.leaves = [leaf if isinstance(leaf, Symbolic) else _of(leaf) for leaf in leaves]
        self.kind = self.leaves[0].kind
        self.dtypes = [leaf.dtype for leaf in self.leaves]
        self.column = casadi.vertcat(*(leaf.column for leaf in self.leaves if leaf.size))
        self.size = sum(leaf.size for leaf in self.leaves)

    def split(self, matrix: Any, dtypes: Sequence[Any], count: int | None = None) -> Leaves:
        """The rows of a matrix as leaves; its columns, if counted, become a leading axis."""
        import casadi

        lead = () if count is None else (count,)
        parts, start = [], 0
        for leaf, dtype in zip(self.leaves, dtypes, strict=True):
            stop = start + leaf.size
            shape = (*lead, *leaf.shape)
            if math.prod(shape) == 0 or matrix is None:
                parts.append(_box(constant(np.zeros(shape, dtype=dtype), self.kind)))
            else:
                parts.append(_box(Symbolic(casadi.vec(matrix[start:stop, :]), shape, dtype)))
            start = stop
        return tuple(parts)

    def blocks(self, matrix: Any, outputs: Sequence[Symbolic]) -> Leaves:
        """The blocks of a Jacobian or Hessian, row by row, sparse as they are."""
        import casadi

        found, top = [], 0
        for out in outputs:
            start = 0
            for leaf in self.leaves:
                stop = start + leaf.size
                shape, dtype = (*out.shape, *leaf.shape), np.result_type(out.dtype, leaf.dtype)
                if matrix is None or math.prod(shape) == 0:
                    block = constant(np.zeros(shape, dtype=dtype), self.kind)
                else:
                    part = matrix[top : top + out.size, start:stop]
                    block = Symbolic(casadi.vec(part.T), shape, dtype)
                found.append(_box(block))
                start = stop
            top += out.size
        return tuple(found)


_FORWARD: dict[str, Any] = {"helper_options": {"ad_weight": 0.0}}
_REVERSE: dict[str, Any] = {"helper_options": {"ad_weight": 1.0}}


def _times(y: Any, x: Any, directions: Any, *, transposed: bool) -> Any:
    """Jacobian times directions, or its transpose times them.

    CasADi 3.8's matrix expressions give wrong numbers for several cotangents at once where a number
    was broadcast over a vector, so these go one by one.
    """
    import casadi

    count = directions.shape[1]
    if transposed and count > 1 and isinstance(y, casadi.MX):
        return casadi.horzcat(*(casadi.jtimes(y, x, directions[:, k], True) for k in range(count)))
    return casadi.jtimes(y, x, directions, transposed)


def _jacobian(y: Sequence[Symbolic], point: _Point, mode: str | None) -> Leaves:
    import casadi

    rows = sum(leaf.size for leaf in y)
    if not (rows and point.size):
        return point.blocks(None, y)
    column = casadi.vertcat(*(leaf.column for leaf in y if leaf.size))
    if isinstance(column, casadi.MX):
        if mode == "reverse" or (mode is None and 4 * rows <= point.size):
            seeds = casadi.MX(casadi.DM.eye(rows))
            return point.blocks(_times(column, point.column, seeds, transposed=True).T, y)
        mode = "forward"
    options = {None: {}, "forward": _FORWARD, "reverse": _REVERSE}[mode]
    return point.blocks(casadi.jacobian(column, point.column, options), y)


def _product(problem: Problem, *, transposed: bool, batched: bool) -> Kernel:
    """Jacobian times directions, or its transpose times them."""

    @strategy(f"casadi.jtimes{', transposed' if transposed else ''}")
    def kernel(x: Leaves, c: Leaves, seed: Leaves) -> Any:
        import casadi

        y, aux = _run(problem, x, c)
        inside, outside = _Point(x), _Point(y)
        seeds = _seeds(seed, inside.kind)
        count = seeds[0].shape[0] if batched else None
        columns = 1 if count is None else count
        target, source = (inside, outside) if transposed else (outside, inside)
        result = None
        if inside.size and outside.size and columns:
            directions = casadi.vertcat(
                *(
                    casadi.reshape(s.column, leaf.size, columns)
                    for s, leaf in zip(seeds, source.leaves, strict=True)
                    if leaf.size
                )
            )
            result = _times(outside.column, inside.column, directions, transposed=transposed)
        return target.split(result, target.dtypes, count), _boxes(y), aux

    return kernel


def _seeds(seed: Leaves, kind: Any) -> list[Symbolic]:
    """Seeds as symbols; derivations give plain arrays where a seed is known."""
    from polyad.engine import run

    found: list[Callable[..., Any] | Any] = [run.unlift(leaf) for leaf in seed]
    return [s if isinstance(s, Symbolic) else constant(s, kind) for s in found]
