"""What CasADi's kernels are made of: the function on symbols, and derivatives as CasADi's own matrices.

Jacobians and Hessians are matrices with CasADi's pattern up to the point where ``Column.blocks`` makes leaves
of them: what wants pattern and values takes ``sparse_jacobian`` and ``sparse_hessian``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.systems.casadi.products import check_size, star_pays
from polyad.systems.casadi.symbolic import Symbolic, constant
from polyad.systems.contract import Call, Compression, Kernel, Leaves, Problem, strategy

__all__ = [
    "Column",
    "boxes",
    "called",
    "curvature",
    "entries",
    "jacobian",
    "product",
    "sparse_hessian",
    "sparse_jacobian",
]


def _of(leaf: Any) -> Symbolic:
    """The symbols in a box."""
    from polyad.engine import run

    found = run.unlift(leaf)
    assert isinstance(found, Symbolic)
    return found


def _box(array: Symbolic) -> Any:
    from polyad.engine import run

    return run.lift("casadi", array)


def boxes(arrays: Sequence[Symbolic]) -> Leaves:
    """Symbols as what NumPy code computes with."""
    return tuple(map(_box, arrays))


def called(problem: Problem, x: Leaves, c: Leaves) -> tuple[list[Symbolic], Leaves]:
    """The function on symbols; it gets boxes of its own, so that what it writes stays with it."""
    from polyad.engine import run

    kind = _of(x[0]).kind
    constants = tuple(_own(leaf) for leaf in c)
    y, aux = run.called(lambda leaves: problem.f(leaves, constants), tuple(_box(_of(leaf)) for leaf in x))
    values = [run.unlift(run.boxed(leaf)) for leaf in y]
    return [v if isinstance(v, Symbolic) else constant(v, kind) for v in values], tuple(aux)


def _own(leaf: Any) -> Any:
    """A constant that the function may write to."""
    from polyad.engine import run

    found = run.unlift(leaf)
    if isinstance(found, Symbolic):
        return _box(found)
    return found.copy() if isinstance(found, np.ndarray) else found


class Column:
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


def entries(matrix: Any, point: Column, outputs: Sequence[Symbolic], plan: Compression) -> Leaves:
    """The entries of a matrix that a pattern has, in its order; of none where there is no matrix."""
    import casadi

    dtype = np.result_type(*(leaf.dtype for leaf in outputs), *point.dtypes)
    if matrix is None:
        return (_box(constant(np.zeros(len(plan.rows), dtype=dtype), point.kind)),)
    # CasADi goes by columns, the pattern by rows
    height, width = plan.shape
    indptr, columns = plan.indptr.tolist(), plan.columns.tolist()
    pattern = casadi.Sparsity(width, height, indptr, columns)
    found = casadi.project(matrix.T, pattern).nz[:]
    return (_box(Symbolic(found, (len(plan.rows),), dtype)),)


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


def jacobian(y: Sequence[Symbolic], point: Column, mode: str | None) -> Leaves:
    """The blocks of the Jacobian."""
    if not (point.size and any(leaf.size for leaf in y)):
        return point.blocks(None, y)
    return point.blocks(sparse_jacobian(y, point, mode), y)


def sparse_jacobian(y: Sequence[Symbolic], point: Column, mode: str | None) -> Any:
    """CasADi's matrix of all outputs by all inputs, with its own pattern."""
    import casadi

    column = casadi.vertcat(*(leaf.column for leaf in y if leaf.size))
    check_size(column, point)
    if isinstance(column, casadi.MX):
        rows = column.numel()
        if mode == "reverse" or (mode is None and 4 * rows <= point.size and rows < _colors(column, point)):
            seeds = casadi.MX(casadi.DM.eye(rows))
            return _times(column, point.column, seeds, transposed=True).T
        mode = "forward"
    options = {None: {}, "forward": _FORWARD, "reverse": _REVERSE}[mode]
    return casadi.jacobian(column, point.column, options)


def _colors(column: Any, point: Column) -> int:
    """How many forward directions a compressed Jacobian takes."""
    import casadi

    return int(casadi.jacobian_sparsity(column, point.column).uni_coloring().size2())


def sparse_hessian(g: Any, point: Column) -> Any:
    """CasADi's matrix of second derivatives from a gradient, with its own pattern."""
    import casadi

    check_size(g, point, second=True)
    # forward over reverse, as CasADi's own hessian; see _times for why that is said
    symmetric = star_pays(casadi.jacobian_sparsity(g, point.column))
    options: dict[str, Any] = {"symmetric": symmetric, **_FORWARD}
    return casadi.jacobian(g, point.column, options)


def curvature(problem: Problem) -> Call:
    """The product of the Hessian with one direction, with the gradient beside it."""

    def kernel(x: Leaves, c: Leaves, seed: Leaves) -> Any:
        import casadi

        y, aux = called(problem, x, c)
        point = Column(x)
        g = casadi.gradient(y[0].column, point.column)
        v = casadi.vertcat(*(s.column for s in _seeds(seed, point.kind) if s.size))
        h = casadi.jtimes(g, point.column, v)
        return point.split(h, point.dtypes), boxes(y), aux, point.split(g, point.dtypes)

    return kernel


def product(problem: Problem, *, transposed: bool, batched: bool) -> Kernel:
    """Jacobian times directions, or its transpose times them."""

    @strategy(f"casadi.jtimes{', transposed' if transposed else ''}")
    def kernel(x: Leaves, c: Leaves, seed: Leaves) -> Any:
        import casadi

        y, aux = called(problem, x, c)
        inside, outside = Column(x), Column(y)
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
        return target.split(result, target.dtypes, count), boxes(y), aux

    return kernel


def _seeds(seed: Leaves, kind: Any) -> list[Symbolic]:
    """Seeds as symbols; derivations give plain arrays where a seed is known."""
    from polyad.engine import run

    found: list[Callable[..., Any] | Any] = [run.unlift(leaf) for leaf in seed]
    return [s if isinstance(s, Symbolic) else constant(s, kind) for s in found]
