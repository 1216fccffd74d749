"""CasADi: a graph built once from NumPy code, sparse derivatives, compiled and called through buffers.

* The function runs once, at preparation, on symbols (``adapter`` says what NumPy's
  operations are there). A branch on a value is refused then, with its line.
* Jacobians and Hessians are CasADi's own: sparsity found by propagation, compressed by coloring.
  Only entries that are not structurally zero are computed; results are dense arrays.
* ``SX`` expands everything into scalar operations, which is quickest for programs of scalars and
  small arrays; ``MX`` keeps arrays, products and linear systems whole.
* CasADi computes in float64. Single precision is computed so and rounded at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.errors import KEPT, ArgumentError, FunctionNotSupportedError
from polyad.systems.base import Backend
from polyad.systems.casadi import kernels
from polyad.systems.casadi.products import TooLarge, by_products, limited
from polyad.systems.casadi.program import CasADiProgram
from polyad.systems.contract import (
    Compression,
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    strategy,
    strategy_of,
)
from polyad.systems.derive import operators

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
    freezes: ClassVar[bool] = True
    keeps_boxes: ClassVar[bool] = True
    compresses: ClassVar[frozenset[str]] = frozenset({"jacobian", "hessian"})
    compared_sparse: ClassVar[bool] = True
    native: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.symbols not in ("auto", "SX", "MX"):
            raise ArgumentError(f"symbols is 'auto', 'SX' or 'MX', not {self.symbols!r}")
        if self.lift is False:
            raise ArgumentError("CasADi takes NumPy functions, which it always lifts: leave lift out")

    @property
    def refusals(self) -> Mapping[str, str]:
        found = {
            "branch": "casadi's graph is built without values: use np.where, or 'numpy'",
            "complex": "casadi computes with real numbers only: use 'numpy' or 'jax'",
        }
        if self.symbols == "SX":
            found["linear algebra"] = "scalar expressions cannot pivot: use CasADi(symbols='MX')"
        return found

    @property
    def follows(self) -> str | None:
        return "casadi"

    @property
    def xp(self) -> Any:
        return _NAMESPACE

    # -- products -----------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        return kernels.product(problem, transposed=False, batched=False)

    def jvp_batched(self, problem: Problem) -> Kernel:
        return kernels.product(problem, transposed=False, batched=True)

    def vjp(self, problem: Problem) -> Kernel:
        return kernels.product(problem, transposed=True, batched=False)

    def vjp_batched(self, problem: Problem) -> Kernel:
        return kernels.product(problem, transposed=True, batched=True)

    # -- first order --------------------------------------------------------------------------

    def gradient(self, problem: Problem) -> Kernel:
        if not self.reverse:
            return self.jacobian(problem)  # the blocks of a scalar are shaped like the input

        @strategy("casadi.gradient")
        def kernel(x: Leaves, c: Leaves) -> Any:
            import casadi

            y, aux = kernels.called(problem, x, c)
            point = kernels.Column(x)
            g = casadi.jtimes(y[0].column, point.column, point.kind(1), True) if point.size else None
            return point.split(g, point.dtypes), kernels.boxes(y), aux

        return kernel

    def jacobian(self, problem: Problem) -> Kernel:
        mode = self.mode

        @strategy("casadi.jacobian, sparse")
        def kernel(x: Leaves, c: Leaves) -> Any:
            y, aux = kernels.called(problem, x, c)
            return kernels.jacobian(y, kernels.Column(x), mode), kernels.boxes(y), aux

        columns = kernels.product(problem, transposed=False, batched=False)
        return dataclasses.replace(kernel, own=columns)

    def derivative(self, problem: Problem) -> Kernel:
        return self.jacobian(problem)

    # -- second order ---------------------------------------------------------------------------

    def hessian(self, problem: Problem) -> Kernel:
        if self.mode is not None:
            return operators.hessian(self, problem)

        @strategy("casadi.hessian, sparse and symmetric")
        def kernel(x: Leaves, c: Leaves) -> Any:
            import casadi

            y, aux = kernels.called(problem, x, c)
            point = kernels.Column(x)
            if not point.size:
                return point.blocks(None, point.leaves), kernels.boxes(y), aux, x
            g = casadi.gradient(y[0].column, point.column)
            h = kernels.sparse_hessian(g, point)
            return point.blocks(h, point.leaves), kernels.boxes(y), aux, point.split(g, point.dtypes)

        return dataclasses.replace(kernel, own=kernels.curvature(problem))

    def sparse_jacobian(self, problem: Problem, plan: Compression) -> Kernel:
        mode = self.mode

        @strategy("casadi.jacobian, its nonzeros")
        def kernel(x: Leaves, c: Leaves) -> Any:
            y, aux = kernels.called(problem, x, c)
            point = kernels.Column(x)
            matrix = kernels.sparse_jacobian(y, point, mode) if len(plan.rows) else None
            return kernels.entries(matrix, point, y, plan), kernels.boxes(y), aux

        return kernel

    def sparse_hessian(self, problem: Problem, plan: Compression) -> Kernel:
        @strategy("casadi.hessian, its nonzeros")
        def kernel(x: Leaves, c: Leaves) -> Any:
            import casadi

            y, aux = kernels.called(problem, x, c)
            point = kernels.Column(x)
            if not point.size:
                return kernels.entries(None, point, point.leaves, plan), kernels.boxes(y), aux, x
            g = casadi.gradient(y[0].column, point.column)
            matrix = kernels.sparse_hessian(g, point) if len(plan.rows) else None
            entries = kernels.entries(matrix, point, point.leaves, plan)
            return entries, kernels.boxes(y), aux, point.split(g, point.dtypes)

        return kernel

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        # both graphs are built here, so that the linearization stays that of the function as it is now
        v, w = _zeros(problem.inputs), _zeros(problem.outputs)
        forward = CasADiProgram(self.jvp(problem), problem, (v,), self.symbols)
        backward = CasADiProgram(self.vjp(problem), problem, (w,), self.symbols)
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
        y, _ = run.evaluate(problem.f, problem.x, c)
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
        columns = getattr(kernel, "own", None)  # its products, where it is a matrix
        try:
            with limited(columns is not None):
                program = CasADiProgram(kernel, problem, seeds, self.symbols)
        except TooLarge as large:
            assert columns is not None
            program = CasADiProgram(columns, problem, (_zeros(problem.inputs),), self.symbols)
            words = f"{strategy_of(kernel)}, {program.kind} graph lifted from NumPy"
            return by_products(program.full, problem, large, words, patterned=program.patterned)
        words = f"{strategy_of(kernel)}, {program.kind} graph lifted from NumPy"
        single = len(problem.x) == 1 and all(len(s) == 1 for s in seeds)
        bare = program.bare if single else None
        return Executable(
            program.full, program.result, words, bare, exclusive=bare is not None, image=program.image
        )

    def explain(self, error: Exception) -> str | None:
        if isinstance(error, RuntimeError) and "free" in str(error) and "Function" in str(error):
            return KEPT  # symbols that are no inputs of the graph
        return None


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


def _rowwise(product: Callable[[Leaves], Leaves], like: Sequence[ArraySpec]) -> Callable[[Leaves], Leaves]:
    """A product for every entry of a leading axis."""

    def rows(seeds: Leaves) -> Leaves:
        if not len(seeds[0]):
            return tuple(np.zeros((0, *spec.shape), dtype=spec.dtype) for spec in like)
        found = [product(tuple(s[k] for s in seeds)) for k in range(len(seeds[0]))]
        return tuple(np.stack(leaves) for leaves in zip(*found, strict=True))

    return rows
