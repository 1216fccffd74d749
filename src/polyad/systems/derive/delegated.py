"""A kernel inside of another framework that cannot follow it: the other one asks, this backend computes.

The kernel is one function of a vector for the framework around it (``engine.rules.delegated``); its
derivatives are this backend's own, of any order, each prepared when it is first asked for. Whole numbers
among the arguments are part of the function: other ones make another.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, library, library_of, spec_of
from polyad.errors import FunctionNotSupportedError
from polyad.systems.contract import Kernel, Leaves, Problem, strategy_of

if TYPE_CHECKING:
    from polyad.engine.rules.delegated import Delegate
    from polyad.systems.base import Backend

__all__ = ["DELEGATED", "delegated"]

# what marks a kernel that calls its own framework
DELEGATED = object()
KEPT = 8  # functions of one kernel for other whole numbers


def delegated(backend: Backend, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> Kernel:
    """The kernel as NumPy code whose values and derivatives the backend computes by its own means."""
    from polyad.engine.boxes.box import wrap
    from polyad.engine.boxes.boxing import unbox
    from polyad.engine.core.values import Tracer
    from polyad.engine.rules.delegated import delegated as primitive

    groups = (problem.x, problem.c, *seeds)
    examples = [leaf for group in groups for leaf in group]
    outcome = backend.finish(kernel, problem, seeds, prepared=False).full(*groups)
    lengths, results = [len(group) for group in outcome], [leaf for group in outcome for leaf in group]
    for leaf, kinds in (*((a, "fiub") for a in examples), *((a, "f") for a in results)):
        if library_of(leaf) is None or spec_of(leaf).kind not in kinds:
            raise FunctionNotSupportedError(
                f"{problem.label} has a {type(leaf).__name__} among its arguments or results, which is no "
                f"array of real numbers: {backend!r} cannot hand that to another framework"
            )
    real = [spec_of(leaf).kind == "f" for leaf in examples]
    specs, outputs = [spec_of(leaf) for leaf in examples], tuple(map(spec_of, results))
    # a Python number is differentiated as an array of one: of what it would become beside the others
    wide = np.result_type(*(spec.dtype for spec in specs if spec.kind == "f" and not spec.weak), np.float16)
    source = library(backend.library)
    moving = tuple(
        source.from_numpy(np.array(leaf, dtype=wide)) if spec.weak else leaf
        for leaf, spec in zip(examples, specs, strict=True)
        if spec.kind == "f"
    )
    made: OrderedDict[Any, _Level] = OrderedDict()
    lock = threading.Lock()

    def level(fixed: Leaves) -> _Level:
        """The function of the real leaves, at these whole numbers."""
        key = tuple((np.shape(a), np.asarray(a).tobytes()) for a in fixed)
        with lock:
            if key not in made:
                made[key] = _Level(
                    backend,
                    Problem(_at(kernel, groups, real, fixed), moving, (), lambda _: outputs, problem.label),
                    outputs,
                )
                if len(made) > KEPT:
                    made.popitem(last=False)
            return made[key]

    def call(*args: Leaves) -> Any:
        leaves = [leaf for group in args for leaf in group]
        fixed = []
        for leaf, floats in zip(leaves, real, strict=True):
            if floats:
                continue
            value = unbox(leaf)
            if isinstance(value, Tracer):
                raise FunctionNotSupportedError(
                    f"{problem.label} has whole numbers among its arguments, which have no values while "
                    f"another framework traces around {backend!r}: make them Static"
                )
            fixed.append(value)
        here = level(tuple(fixed))
        rows = [
            np.reshape(_as(leaf, here.dtype), (spec.size,))
            for leaf, spec, floats in zip(leaves, specs, real, strict=True)
            if floats
        ]
        vector = np.concatenate(rows) if len(rows) > 1 else rows[0]
        found = wrap(primitive(unbox(vector), by=here.delegate))
        parts, start = [], 0
        for spec in outputs:
            part = np.reshape(found[start : start + spec.size], spec.shape)
            parts.append(_as(part, spec.dtype))
            start += spec.size
        split = iter(parts)
        return tuple(tuple(next(split) for _ in range(length)) for length in lengths)

    return Kernel(call, f"{strategy_of(kernel)}, delegated", own=DELEGATED)


def _at(
    kernel: Kernel, groups: Sequence[Leaves], real: Sequence[bool], fixed: Leaves
) -> Callable[[Leaves, Leaves], tuple[Leaves, Leaves]]:
    """Everything that a kernel gives as a function of the real leaves."""
    counts = [len(group) for group in groups]

    def f(xs: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
        whole, moving, start, split = iter(fixed), iter(xs), 0, []
        leaves = [next(moving) if floats else next(whole) for floats in real]
        for count in counts:
            split.append(tuple(leaves[start : start + count]))
            start += count
        return tuple(leaf for group in kernel(*split) for leaf in group), ()

    return f


def _as(leaf: Any, dtype: Any) -> Any:
    leaf = leaf if hasattr(leaf, "astype") else np.asarray(leaf)
    return leaf if leaf.dtype == dtype else leaf.astype(dtype)


class _Level:
    """A function of leaves as a delegate, and its derivatives as others."""

    def __init__(self, backend: Backend, problem: Problem, outputs: Sequence[ArraySpec]) -> None:
        from polyad.engine.rules.delegated import Delegate

        self._backend, self._problem, self._outputs = backend, problem, tuple(outputs)
        self._finished: Any = None
        self._both: Any = None
        # of a number: where its slope was computed with its value, and whether that was asked for
        self._slope: tuple[Any, Any] | None = None
        self._wanted = False
        # of a pullback: what is known of it already
        self._known: Callable[[Any], Any] | None = None
        self._kept: list[_Level] = []
        self._lock = threading.Lock()
        self.inputs = tuple(map(spec_of, problem.x))
        self.dtype = np.result_type(*(spec.dtype for spec in (*self.inputs, *self._outputs)))
        sizes = sum(spec.size for spec in self.inputs), sum(spec.size for spec in self._outputs)
        self.delegate: Delegate = Delegate(
            self._value,
            sizes,
            self.dtype,
            lambda: self._derived(False),
            lambda: self._derived(True),
            f"{problem.label} by {backend!r}",
        )

    def _value(self, vector: Any) -> Any:
        if self._wanted:  # whoever asked for the last slope will for this one: both in one computation
            self._wanted = False
            return self._with_slope(vector)
        known = None if self._known is None else self._known(vector)
        if known is not None:
            return known
        with self._lock:
            if self._finished is None:
                backend, problem = self._backend, self._problem
                self._finished = backend.finish(backend.value(problem), problem, (), prepared=True).result
        row = self._row(self._finished(self._given(vector), ()))
        if row.size != self.delegate.sizes[1]:
            raise FunctionNotSupportedError(
                f"the result of {self._problem.label} has {row.size} entries, and at the example had "
                f"{self.delegate.sizes[1]}: another framework has to know its form before it asks "
                f"{self._backend!r}, so let it depend on shapes only"
            )
        return row

    def _given(self, vector: Any) -> Leaves:
        """The arguments whose entries are joined in a vector, as the backend's arrays."""
        source = library(self._backend.library)
        leaves, start = [], 0
        for spec in self.inputs:
            part = np.array(vector[start : start + spec.size], dtype=spec.dtype).reshape(spec.shape)
            leaves.append(source.from_numpy(part))
            start += spec.size
        return tuple(leaves)

    def _row(self, leaves: Leaves) -> Any:
        source = library(self._backend.library)
        flat = [np.ravel(source.to_numpy(leaf)) for leaf in leaves]
        return np.concatenate(flat).astype(self.dtype, copy=False)

    def _with_slope(self, vector: Any) -> Any:
        """The value of a number, whose slope is kept for the pullback that follows."""
        from polyad.systems.derive import operators

        ones = np.ones(self._outputs[0].shape, self._outputs[0].dtype)
        one = library(self._backend.library).from_numpy(ones)
        with self._lock:
            if self._both is None:
                backend, problem = self._backend, self._problem
                kernel = operators.pullback(backend, problem)
                self._both = backend.finish(kernel, problem, ((one,),), prepared=True).full
        pulled, y, _ = self._both(self._given(vector), (), (one,))
        self._slope = np.array(vector), self._row(pulled)
        return self._row(y)

    def _pulled(self, vector: Any) -> Any:
        """A pullback of what was computed last, where that was at this point; else None."""
        slope, size = self._slope, len(vector) - 1
        self._wanted = True
        if slope is None or not (np.isfinite(vector[size]) and vector[size]):
            return None
        return slope[1] * vector[size] if np.array_equal(slope[0], vector[:size]) else None

    def _derived(self, back: bool) -> Delegate:
        """The pushforward, or the pullback, as a function of the point and the direction."""
        from polyad.systems.derive import operators

        if not self._backend.nestable:
            raise FunctionNotSupportedError(
                f"{self._backend!r} cannot differentiate its own derivatives, so that another framework has "
                "nobody to ask: use backend='numpy' inside"
            )
        problem, count = self._problem, len(self.inputs)
        product = (operators.pullback if back else operators.pushforward)(self._backend, problem)
        like, outputs = (self._outputs, self.inputs) if back else (self.inputs, self._outputs)
        source = library(self._backend.library)
        zeros = tuple(source.from_numpy(np.zeros(spec.shape, dtype=spec.dtype)) for spec in like)

        def f(xs: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
            return tuple(product(xs[:count], c, xs[count:])[0]), ()

        made = Problem(f, (*problem.x, *zeros), (), lambda _: outputs, problem.label)
        level = _Level(self._backend, made, outputs)
        if back and len(self._outputs) == 1 and self.delegate.sizes[1] == 1:
            level._known = self._pulled
        self._kept.append(level)  # a delegate does not keep its level
        return level.delegate
