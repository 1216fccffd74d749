"""A compiled function of CasADi, called through preallocated buffers.

Arguments and results of a call lie in arrays whose addresses CasADi knows. One set of them, a
**slot**, holds the arrays, the buffer and its trigger together, for the trigger of a buffer that
is gone would read freed memory. A slot serves one call at a time: each thread takes one from the
pool, or makes another, and a call that is running keeps its own alive.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.errors import DomainError
from polyad.systems.casadi.symbolic import Symbolic

__all__ = ["BUILDING", "SCALARS_PER_CALL", "Call", "Output"]

# Expressions and buffers are built under one lock: their reference counts are not made for several threads.
BUILDING = threading.RLock()
# instructions of matrix expressions that can fail
FAILING = ("CALL", "SOLVE", "INVERSE", "DETERMINANT", "MAP", "BSPLINE", "ASSERTION")

# scalar instructions that cost what one on arrays costs besides its arithmetic (measured)
SCALARS_PER_CALL = 8


@dataclasses.dataclass(frozen=True)
class Output:
    """How a leaf of the outcome is read: computed, with structural zeros, or fixed."""

    shape: tuple[int, ...]
    dtype: Any
    places: Any = None  # flat positions of the entries that are not structurally zero
    fixed: Any = None

    @property
    def plain(self) -> bool:
        """Whether the values as they lie are the result."""
        return self.places is None and self.dtype == np.float64

    def read(self, values: Any) -> Any:
        """A fresh array of the values."""
        if self.places is None:
            return values.copy() if self.dtype == np.float64 else values.astype(self.dtype)
        full = np.zeros(self.shape, dtype=self.dtype)
        full.reshape(-1)[self.places] = values
        return full


def _may_fail(function: Any) -> bool:
    """Whether an evaluation can fail: arithmetic cannot, and asking whether it did costs as much as it."""
    import casadi

    risky = {getattr(casadi, f"OP_{name}") for name in FAILING}
    return any(function.instruction_id(k) in risky for k in range(function.n_instructions()))


def _instructions(function: Any, known: dict[str, int]) -> int:
    """The instructions of a function with those of the functions that it calls.

    Scalar instructions within a function of matrices count for less than its own.
    """
    import casadi

    count = int(function.n_instructions())
    if function.is_a("SXFunction"):
        return count
    for k in range(count):
        if function.instruction_id(k) == casadi.OP_CALL:
            called = function.instruction_MX(k).which_function()
            if called.name() not in known:
                inner = _instructions(called, known) if called.is_a("MXFunction") else 0
                if called.is_a("SXFunction"):
                    inner = called.n_instructions() // SCALARS_PER_CALL
                known[called.name()] = int(inner)
            count += known[called.name()]
    return count


class Call:
    """A compiled function with its pool of slots; ``call(leaves)`` gives fresh arrays."""

    nodes: Sequence[Any] = ()  # what the function calls, for CasADi does not keep it

    def __init__(self, inputs: Sequence[Symbolic], outputs: Sequence[tuple[Any, Output]], label: str) -> None:
        import casadi

        columns = [x.raw for x in inputs]
        function = casadi.Function("polyad", columns, [expression for expression, _ in outputs])
        self._set(label, [x.shape for x in inputs], [output for _, output in outputs], function)

    def _set(self, label: str, shapes: list[Any], outputs: list[Output], function: Any) -> None:
        self._label, self._shapes, self._outputs, self._function = label, shapes, outputs, function
        self.instructions = _instructions(self._function, {})
        self._fails = not self._function.is_a("SXFunction") and _may_fail(self._function)
        self._pool: list[Any] = [self._slot()]

    def image(self) -> tuple[Any, ...]:
        """What ``of`` makes the same call of."""
        with BUILDING:
            return self._label, self._shapes, self._outputs, self._function.serialize()

    @classmethod
    def of(cls, image: tuple[Any, ...]) -> Call:
        """A call that was compiled before."""
        import casadi

        label, shapes, outputs, text = image
        made = object.__new__(cls)
        with BUILDING:
            made._set(label, shapes, outputs, casadi.Function.deserialize(text))
        return made

    def _slot(self) -> Any:
        with BUILDING:
            buffer: Any
            buffer, trigger = self._function.buffer()
            arguments: list[Any] = [np.zeros(shape) for shape in self._shapes]
            results: list[Any] = [
                np.zeros(output.shape if output.places is None else len(output.places))
                for output in self._outputs
            ]
            for k, array in enumerate(arguments):
                if array.size:
                    buffer.set_arg(k, memoryview(array))
            for k, array in enumerate(results):
                if array.size:
                    buffer.set_res(k, memoryview(array))
        return arguments, results, trigger, buffer

    def _take(self) -> Any:
        try:
            return self._pool.pop()
        except IndexError:
            return self._slot()

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        slot = self._take()
        arguments, results, trigger, buffer = slot
        for place, leaf in zip(arguments, leaves, strict=True):
            place[...] = leaf
        trigger()
        if self._fails and buffer.ret():
            raise self._failed()
        found = [output.read(values) for output, values in zip(self._outputs, results, strict=True)]
        self._pool.append(slot)
        return found

    def bare(self) -> Callable[..., Any]:
        """The call for leaves in a row and one result; frames and loops are saved for one or two leaves."""
        pop, push, make, failed, fails = (
            self._pool.pop,
            self._pool.append,
            self._slot,
            self._failed,
            self._fails,
        )
        (output,) = self._outputs
        read = None if output.plain else output.read

        def one(a: Any) -> Any:
            try:
                slot = pop()
            except IndexError:
                slot = make()
            (place,), (values,), trigger, buffer = slot
            place[...] = a
            trigger()
            if fails and buffer.ret():
                raise failed()
            found = values.copy() if read is None else read(values)
            push(slot)
            return found

        def two(a: Any, b: Any) -> Any:
            try:
                slot = pop()
            except IndexError:
                slot = make()
            (first, second), (values,), trigger, buffer = slot
            first[...] = a
            second[...] = b
            trigger()
            if fails and buffer.ret():
                raise failed()
            found = values.copy() if read is None else read(values)
            push(slot)
            return found

        def call(*leaves: Any) -> Any:
            return self(leaves)[0]

        ways: dict[int, Callable[..., Any]] = {1: one, 2: two}
        return ways.get(len(self._shapes), call)

    def _failed(self) -> Exception:
        waiting = list(self.nodes)
        seen = set[int]()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            error, node.error = node.error, None
            if error is not None:
                return error
            waiting += node.below
        return DomainError(
            f"casadi could not evaluate {self._label} at these arguments (a singular matrix, say, or "
            "vectors of equal eigenvalues): "
            "backend='numpy' tells where"
        )
