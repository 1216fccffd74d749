"""``Sparse``: a backend around another that computes Jacobians and Hessians compressed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.arrays.types import Array
from polyad.combine.wrapper import Passing
from polyad.errors import (
    ArgumentError,
    FunctionNotSupportedError,
    PolyadError,
    PreparationMismatchError,
)
from polyad.sparse.captured import Captured
from polyad.sparse.check import check_product, turned
from polyad.sparse.choice import chosen
from polyad.sparse.detection import detector_of
from polyad.sparse.form import DENSE, SCIPY, SparseForm
from polyad.sparse.known import Kept, KnownPattern
from polyad.sparse.pattern import Pattern
from polyad.sparse.plan import compression, describe, uncolored
from polyad.sparse.selection import by_selection
from polyad.systems.base import Backend
from polyad.systems.contract import Compression, Executable, Kernel, Leaves, Problem
from polyad.systems.derive import compressed

__all__ = ["Sparse"]

# the rounding of a function shows in its differences so many times
NOISE = 10.0


@dataclasses.dataclass(frozen=True, eq=False)
class _Matrix:
    """What ``finish`` needs besides the kernel of a sparse matrix."""

    kernel: Kernel
    form: SparseForm
    plan: Compression
    second: bool
    # the whole numbers among the constants that the pattern was found for, and who finds that for others
    fixed: tuple[Array, ...]
    detector: Any
    # whether the pattern is that of some points, so that each call has to look
    of_points: bool
    inner: Backend


@dataclasses.dataclass(frozen=True, repr=False)
class Sparse(Passing):
    """Sparse Jacobians and Hessians by another backend, at the cost of a few products.

    The pattern is found from the function, its columns (or rows) are colored so that those of one color
    share a product, and the entries are picked out of the products. Everything but ``jacobian`` and
    ``hessian`` is the other backend's.

    Parameters
    ----------
    backend : Backend or str
        Who computes the products; ``MixedMode(forward, reverse)`` lets a Jacobian be compressed by columns
        and rows at once.
    detector : "auto" or detector
        Who finds the pattern; "auto" finds it from the function. ``KnownPattern(S)`` is one that is known,
        and ``polyad.sparse`` has others: objects with ``jacobian_sparsity`` and ``hessian_sparsity``.
    coloring : "auto", Coloring or callable
        "auto" takes the coloring with the fewest products; a ``Coloring`` of the pattern is taken as it is,
        and a callable is called as ``polyad.sparse.color`` is.
    format : str
        "csr", "csc" or "coo" for SciPy's sparse arrays, "dense" for arrays of shape ``output.shape +
        input.shape``, "bcoo" (of JAX), "torch_coo" or "torch_csr" for the sparse arrays of the framework.
    flat : bool
        Whether several leaves make one matrix of all output entries by all input entries, in place of a
        tree of blocks.
    check : bool
        Whether preparation compares one random product with the matrix with the backend's own, so that a
        pattern which lacks an entry is noticed.
    memory : int, optional
        Bytes that the seeds of a batch and their products may take; None leaves it to the backend's
        ``chunk_size``, or some 256 MiB.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> J = ad.jacobian(lambda x: x + x[[1, 2, 3, 3]] ** 2, np.arange(4.0), backend=ad.Sparse("numpy"))
    >>> J.nnz
    7
    """

    detector: Any = "auto"
    coloring: Any = "auto"
    format: str = "csr"
    flat: bool = False
    check: bool = True
    memory: int | None = None

    name: ClassVar[str] = "sparse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self._inner, Sparse):
            raise ArgumentError(f"{self._inner!r} is sparse already: pass the backend that it is made of")
        if self.lift is None and self._inner.lift is not None:
            object.__setattr__(self, "lift", self._inner.lift)
        kinds = (*SCIPY, DENSE, *library(self._inner.library).sparse_kinds)
        if self.format not in kinds:
            raise ArgumentError(
                f"format={self.format!r} is none that {self._inner!r} can give: {', '.join(map(repr, kinds))}"
            )
        if not (isinstance(self.detector, str) or hasattr(self.detector, "jacobian_sparsity")):
            raise ArgumentError(
                f"detector={self.detector!r} is no detector: pass 'auto', or KnownPattern(S) for a pattern S"
            )
        if self.memory is not None and (type(self.memory) is not int or self.memory < 1):
            raise ArgumentError(f"memory is a number of bytes, not {self.memory!r}: memory=2**28, say")
        if self.flat and self.format == DENSE:
            raise ArgumentError("flat=True makes one sparse matrix: with format='dense' leave flat out")

    def __repr__(self) -> str:
        fields = [f for f in dataclasses.fields(self) if f.name not in ("backend", "mode", "lift")]
        changed = [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields
            if repr(getattr(self, f.name)) != repr(f.default)
        ]
        return f"Sparse({', '.join([repr(self._inner), *changed])})"

    @property
    def own_forms(self) -> frozenset[str]:  # type: ignore[override]
        """The operators whose results are not blocks of arrays."""
        return frozenset() if self.format == DENSE else frozenset({"jacobian", "hessian"})

    # -- the two operators ------------------------------------------------------------------------

    def jacobian(self, problem: Problem) -> Kernel:
        return self._matrix(problem, second=False)

    def hessian(self, problem: Problem) -> Kernel:
        return self._matrix(problem, second=True)

    def _matrix(self, problem: Problem, *, second: bool) -> Kernel:
        detector = detector_of(self.detector, self._inner)
        pattern = self._pattern(detector, problem, second=second)
        inner = self._inner.directed(problem)
        name = "hessian" if second else "jacobian"
        own = name in inner.compresses
        coloring = known = None
        if own and isinstance(self.coloring, str) and self.coloring == "auto":
            plan = uncolored(pattern)
        else:
            known = getattr(detector, "coloring", None)
            coloring = chosen(self.coloring, pattern, inner, second=second, known=known)
            plan = compression(pattern, coloring)
        make: Any = getattr(type(inner), f"sparse_{name}")
        if own and coloring is not None:
            if not inner.exact:
                raise ArgumentError(
                    f"{inner!r} approximates, and entry by entry it does so best: leave out coloring="
                )
            # compressed by products, as the caller wants it, not by the backend itself
            make = getattr(Backend, f"sparse_{name}")
        if library(inner.library).plain and make is getattr(Backend, f"sparse_{name}"):
            # the gather costs nothing more outside, where its result is written to where the caller wants it
            plan = dataclasses.replace(plan, index=None)
        plan = dataclasses.replace(plan, memory=self.memory)
        apart = None
        for_all = getattr(detector, "for_all_constants", False)
        automatic = isinstance(self.coloring, str) and coloring is not None and coloring is not known
        # where entries are selected is known for these whole numbers only
        if automatic and not second and not (for_all and self._whole(problem.c)):
            assert coloring is not None
            apart = by_selection(inner, problem, pattern, coloring, self.memory)
        if apart is None:
            kernel = make(inner, problem, plan)
            outside = coloring.plan if coloring is not None and plan.index is None else None
        else:
            kernel, outside, coloring = apart.kernel, apart.decompress, None
        form = SparseForm(
            pattern,
            coloring,
            problem,
            second=second,
            format=self.format,
            flat=self.flat,
            source=library(inner.library),
            decompress=outside,
        )
        if apart is not None:
            form.products = apart.products
        words = f"{kernel.words}; {describe(pattern)}{'' if coloring is None else f', {coloring!r}'}"
        fixed = () if for_all else _copies(self._whole(problem.c))
        searching = getattr(detector, "searching", detector)
        of_points = form.of_points = getattr(detector, "of_points", False)
        searching = searching if apart is None or apart.anywhere else None
        own_part = _Matrix(kernel, form, plan, second, fixed, searching, of_points, inner)
        return Kernel(kernel.call, words, own=own_part)

    def _whole(self, c: Leaves) -> tuple[Array, ...]:
        """The whole numbers among the constants."""
        source, found = library(self._inner.library), []
        for leaf in c:
            mine = library_of(leaf) is source
            if not (mine and source.is_traced(leaf)):
                array = np.asarray(source.to_numpy(leaf) if mine else leaf)
                if array.dtype.kind in "biu":
                    found.append(array)
        return tuple(found)

    def _pattern(self, detector: Any, problem: Problem, *, second: bool) -> Pattern:
        detect = detector.hessian_sparsity if second else detector.jacobian_sparsity
        try:
            found: Pattern = detect(problem)
        except PolyadError:
            raise
        except Exception as error:
            raise FunctionNotSupportedError(
                f"the pattern of {problem.label} could not be found ({type(error).__name__}: {error}): "
                "write it in NumPy, or pass detector=polyad.KnownPattern(S), or "
                "detector=polyad.sparse.DenseDetector() if it is small"
            ) from error
        return found.symmetric() if second else found

    def kept(self, form: Any) -> Sparse:
        known = KnownPattern(form.pattern, form.coloring)
        detector = self.detector.detector if isinstance(self.detector, Kept) else self.detector
        return self.replace(detector=Kept(known, detector))

    # -- surroundings -------------------------------------------------------------------------------

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        inner, matrix = self._inner, getattr(kernel, "own", None)
        if not isinstance(matrix, _Matrix):
            return inner.finish(kernel, problem, seeds, prepared=prepared)
        if matrix.inner is not inner:
            return self.replace(backend=matrix.inner).finish(kernel, problem, seeds, prepared=prepared)
        given: tuple[Leaves, ...] = ()
        own = matrix.kernel.own
        if isinstance(own, compressed.Tables):
            given = (tuple(inner.table(leaf, problem) for leaf in own.leaves),)
        innermost = dataclasses.replace(matrix.kernel, image=getattr(kernel, "image", None))
        executable = inner.finish(innermost, problem, given, prepared=prepared)
        form = matrix.form
        fixed = self._same(matrix, problem)
        check = self._checked(problem, matrix, prepared=prepared) if self.check else None
        # a pattern of some points is compared at each other one, and any pattern where what it was found for
        # is not what it was
        again = check if matrix.of_points else None
        captured = None
        if prepared and check is not None and again is None and not inner.freezes:
            captured = Captured(getattr(problem.f, "origins", (problem.f,)))

        def looked_at(x: Leaves, c: Leaves, found: Leaves) -> None:
            if again is not None:
                again(x, c, found)
            elif captured is not None and (what := captured.changed() or captured.unseen):
                check(x, c, found, what)  # type: ignore[misc]

        def full(x: Leaves, c: Leaves) -> Any:
            if fixed is not None:
                fixed(c)
            outcome = executable.full(x, c, *given)
            looked_at(x, c, outcome[0])
            return outcome

        def result(x: Leaves, c: Leaves) -> Leaves:
            if fixed is not None:
                fixed(c)
            found = executable.result(x, c, *given)
            looked_at(x, c, found)
            return found

        why = "" if form.coloring is None else f" ({form.coloring.method})"
        strategy = f"{executable.strategy}; {describe(form.pattern)}{why}"
        if check is not None and self._has_numbers(problem.x, problem.c):
            form.lower = check(problem.x, problem.c, executable.result(problem.x, problem.c, *given))
        if self.format != DENSE:
            return Executable(full, result, strategy, form=form, image=executable.image)

        def dense(leaves: Leaves) -> Leaves:
            return tuple(inner.table(block, problem) for block in form.dense(leaves))

        def dense_full(x: Leaves, c: Leaves) -> Any:
            outcome = full(x, c)
            return dense(outcome[0]), *outcome[1:]

        return Executable(dense_full, lambda x, c: dense(result(x, c)), strategy, image=executable.image)

    def _same(self, matrix: _Matrix, problem: Problem) -> Callable[[Leaves], None] | None:
        """The check of the whole numbers for which the pattern was found: others must have the same."""
        if not matrix.fixed:
            return None
        known, pattern = [matrix.fixed], matrix.form.pattern

        def check(c: Leaves) -> None:
            now = self._whole(c)
            if len(now) == len(known[0]) and all(map(np.array_equal, now, known[0])):
                return
            searching = None
            if len(now) == len(matrix.fixed) and matrix.detector is not None:
                searching = dataclasses.replace(problem, c=c)
            if (
                searching is None
                or self._pattern(matrix.detector, searching, second=matrix.second) != pattern
            ):
                raise PreparationMismatchError(
                    f"the pattern of {problem.label} was found for the whole numbers among its constant "
                    "arguments, which say where entries are; for others it is, or may be, another: prepare "
                    "again, or pass detector=polyad.KnownPattern(S) with a pattern for all of them"
                )
            known[0] = _copies(now)

        return check

    def _has_numbers(self, x: Leaves, c: Leaves) -> bool:
        source = library(self._inner.library)
        return not any(source.is_traced(leaf) for leaf in (*x, *c) if library_of(leaf) is source)

    def _checked(self, problem: Problem, matrix: _Matrix, *, prepared: bool) -> Callable[..., Leaves | None]:
        """What compares one random product with the inner backend's own, at a point.

        It takes ``x``, ``c``, the result there, and the name of what has changed since preparation; it gives
        the gradient that came with the product of a Hessian.
        """
        inner, source, form = self._inner, library(self._inner.library), matrix.form
        pulls = not matrix.second and not inner.forward
        specs = problem.outputs if pulls else problem.inputs
        run: list[Any] = []
        whole = matrix.second or not inner.exact
        told: list[Any] = []  # the value, aux and the gradient, with the last product
        compiles = prepared and inner.takes_tables  # operation by operation it would compile longer
        eps = max(float(np.finfo(s.dtype).eps) for s in (*problem.inputs, *form.outputs))
        what = f"{'Hessian' if matrix.second else 'Jacobian'} of {problem.label}"

        def times(x: Leaves, c: Leaves, v: Array) -> Array:
            leaves, at = [], 0
            for spec in specs:
                leaf = v[at : at + spec.size].reshape(spec.shape).astype(spec.dtype)
                leaves.append(inner.table(leaf, problem))
                at += spec.size
            if not run:
                kernel = inner.hvp(problem) if matrix.second else (inner.vjp if pulls else inner.jvp)(problem)
                made = inner.finish(kernel, problem, (tuple(leaves),), prepared=compiles)
                run.append(made.full if whole else made.result)
            images = run[0](x, c, tuple(leaves))
            if whole:
                images, *told[:] = images
            rows = [np.asarray(source.to_numpy(image)).reshape(-1) for image in images]
            return np.concatenate(rows)

        def scaled(x: Leaves, scale: Array) -> Leaves:
            arrays = [np.asarray(source.to_numpy(leaf)) for leaf in x]
            moved = [a * np.resize(scale, a.shape).astype(a.dtype) for a in arrays]
            return tuple(inner.table(a, problem) for a in moved)

        def floor() -> Any:
            """What differences make of the rounding of values, of each where they are the rows."""
            values = np.concatenate([abs(np.asarray(source.to_numpy(y))).reshape(-1) for y in told[0]])
            values = np.where(np.isfinite(values), values, 0.0)
            if matrix.second:
                return NOISE * float(np.max(values, initial=0.0)) * eps ** (1 / 2)
            return NOISE * values * eps ** (2 / 3)

        def check(x: Leaves, c: Leaves, result: Leaves, changed: str = "") -> Leaves | None:
            if not self._has_numbers(x, c):
                return None  # there are none yet
            pattern, entries = form.pattern, form._numbers(form.entries(result))
            if pulls:
                real = not any(spec.is_complex for spec in problem.inputs)
                pattern, entries = turned(pattern, entries.real if real else np.conj(entries))
            check_product(
                pattern,
                entries,
                lambda v: times(x, c, v),
                eps=eps,
                exact=inner.exact,
                transposed=pulls,
                what=what,
                local=matrix.of_points,
                changed=changed,
                floor=floor,
                nearby=lambda v, scale: times(scaled(x, scale), c, v),
            )
            return told[2] if matrix.second and told else None

        return check


def _copies(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(a.copy() for a in arrays)
