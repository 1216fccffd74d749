"""polyad's own engine on NumPy arrays: plain NumPy functions, nothing to install.

* Forward mode carries any number of directions at once, so a Jacobian by columns is one run of the
  function. Reverse mode records a tape at every call; Python branches and loops are followed as
  they happen.
* All state is in objects of one call, so threads need no lock.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.systems.base import Backend
from polyad.systems.contract import (
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    Selection,
    Variant,
    strategy,
)
from polyad.systems.derive import operators
from polyad.systems.derive.basis import size

__all__ = ["NumPy"]


# numbers from which on two sweeps over a tape are worth more than a batch of tangents
LARGE = 2**14


@functools.cache
def _run() -> Any:
    """The engine, loaded when it is used; an import statement at every call would ask for locks."""
    return importlib.import_module("polyad.engine.run")


def _is_one_array(x: Leaves) -> bool:
    return len(x) == 1 and type(x[0]) is np.ndarray


@dataclasses.dataclass(frozen=True, repr=False)
class NumPy(Backend):
    """Differentiation of NumPy functions by polyad's own engine.

    Parameters
    ----------
    mode : {None, "forward", "reverse"}
        Force one mode; None takes what suits the shapes.
    chunk_size : int, optional
        Directions per batch in Jacobians and Hessians; None bounds the memory of a batch.
    compile : bool
        Whether preparation records the derivative as a program, which calls replay without Python's
        dispatch. The function must have no branch that depends on values; one that has is refused.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda x: np.sum(np.sin(x)), np.zeros(2), backend=ad.NumPy())
    array([1., 1.])
    """

    mode: str | None = None
    chunk_size: int | None = None
    compile: bool = False

    name: ClassVar[str] = "numpy"
    library: ClassVar[str] = "numpy"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})
    by_value: ClassVar[bool] = True
    hosts: ClassVar[bool] = True
    fast_path: ClassVar[bool] = True
    compared_sparse: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Variant]] = {"compiled": Variant({"compile": True}, compared=True)}

    @property
    def freezes(self) -> bool:  # type: ignore[override]
        return self.compile

    @property
    def refusals(self) -> Mapping[str, str]:
        if not self.compile:
            return {}
        return {"branch": "a compiled program has no branches: use np.where, or NumPy(compile=False)"}

    # -- primitives -------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        run, f = _run(), problem.f

        @strategy("forward, duals")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            dy, y, aux = run.push(f, x, [run.as_row(leaf) for leaf in v], c)
            return tuple([run.first_row(leaf) for leaf in dy]), y, aux

        return kernel

    def jvp_batched(self, problem: Problem) -> Kernel:
        run, f = _run(), problem.f

        @strategy("forward, duals with a batch of tangents")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            return run.push(f, x, v, c)

        return kernel

    def vjp(self, problem: Problem) -> Kernel:
        run, f = _run(), problem.f

        @strategy("reverse, tape")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            recorded = run.record(f, x, c)
            return recorded.pull(w, free=True), recorded.y, recorded.aux

        return kernel

    def vjp_batched(self, problem: Problem) -> Kernel:
        from polyad.engine.rows import each_alone

        run, f = _run(), problem.f

        @strategy("reverse, a batch of cotangents down one tape")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            recorded = run.record(f, x, c)
            pulled = each_alone(recorded, w)
            return recorded.pull_batched(w) if pulled is None else pulled, recorded.y, recorded.aux

        return kernel

    # -- overrides ----------------------------------------------------------------------------

    def gradient(self, problem: Problem) -> Kernel:
        run, f = _run(), problem.f
        if not self.reverse:
            if any(spec.is_complex for spec in problem.inputs):
                return operators.gradient(self, problem)
            return self._gradient_forward(problem)

        def kernel(x: Leaves, c: Leaves) -> Any:
            if _is_one_array(x):
                g, y, aux = run.gradient(f, x[0], c)
                return (g,), (y,), aux
            recorded = run.record(f, x, c)
            one = recorded.y[0].dtype.type(1.0)
            return recorded.pull((one,), free=True), recorded.y, recorded.aux

        def direct(x: Leaves, c: Leaves) -> Leaves:
            return run.gradient(f, x[0], c)[:1] if _is_one_array(x) else kernel(x, c)[0]

        def bare(a: Any, *c: Any) -> Any:
            return run.gradient(f, a, c)[0]

        return Kernel(kernel, "reverse, tape", direct=direct, bare=bare)

    def _gradient_forward(self, problem: Problem) -> Kernel:
        """All partial derivatives as one row of tangents."""
        jacobian = operators.jacobian_by_columns(self, problem)

        @strategy(f"forward, {size(problem.inputs)} tangents")
        def kernel(x: Leaves, c: Leaves) -> Any:
            return jacobian(x, c)  # the blocks of a scalar's Jacobian are shaped like the input

        return kernel

    def taylor(self, problem: Problem, order: int) -> Kernel:
        from polyad.engine.expand import expand

        f = problem.f

        @strategy(f"Taylor mode to order {order}")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            return expand(lambda boxes: f(boxes, c), x, v, order)

        return kernel

    def laplacian(self, problem: Problem, order: int) -> Kernel:
        from polyad.systems.numpy.laplacian import laplacian

        return laplacian(self, problem, order)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        run = _run()

        recorded = run.record(problem.f, x, c)
        transposed = run.Transposed(recorded)
        return Linearized(
            recorded.y,
            recorded.aux,
            transposed.push,
            recorded.pull,
            transposed.push_batched,
            recorded.pull_batched,
            "the kept tape for pullbacks, the pullback of its pullback for pushforwards",
        )

    def portable(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, once: bool = False
    ) -> Kernel:
        # the engine computes with whatever is in its boxes
        return dataclasses.replace(kernel, words=f"{kernel.words}, run on its arrays")

    def selection(self, problem: Problem, most: int) -> Selection | None:
        from polyad.systems.numpy.selection import selection

        # run operation by operation, small arrays go through forward mode sooner
        return selection(problem, most) if self.compile or most >= LARGE else None

    def folded(self, a: Any, places: Any) -> Any:
        from polyad.systems.numpy.selection import folded

        return folded(a, places)

    def value(self, problem: Problem) -> Kernel:
        run = _run()

        @strategy("evaluation")
        def kernel(x: Leaves, c: Leaves) -> Any:
            y, aux = run.evaluate(problem.f, x, c)
            return y, y, aux

        return kernel

    # -- surroundings -------------------------------------------------------------------------

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        if self.compile and prepared:
            from polyad.engine.programs.recording import Captured
            from polyad.systems.numpy.compiled import are_plain, compiled

            if are_plain(problem.x, problem.c, *seeds):  # no other differentiation goes on around this one
                try:
                    return compiled(kernel, problem, seeds)
                except Captured:  # or one does, as its function shows
                    pass
        executable = super().finish(kernel, problem, seeds, prepared=prepared)
        if prepared and isinstance(kernel, Kernel) and kernel.bare and _is_one_array(problem.x):
            return dataclasses.replace(executable, bare=kernel.bare)
        return executable

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        run = _run()

        y, _ = run.evaluate(problem.f, problem.x, problem.c)
        return tuple(map(spec_of, y))
