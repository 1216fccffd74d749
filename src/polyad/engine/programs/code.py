"""From recorded operations to something that can be called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.programs.arrays import ArrayCode
from polyad.engine.programs.graph import NotScalar, ScalarGraph
from polyad.engine.programs.numbers import cost, numbers
from polyad.engine.programs.simplify import ArrayProgram, is_ufunc

__all__ = ["Code"]

POOLED = 16  # sets of buffers that wait for the next call
# what an operation on arrays costs besides its arithmetic, in nanoseconds: (with axes, without)
CALL, NUMBER, ENTRY = 600.0, 90.0, 0.4
NODES = 200_000
# what the quickest operation on numbers takes (``cost``), and how many times too long is out of the question
QUICKEST, FAR = 14.0, 4.0


class Code:
    """A program, written when it is first called.

    Parameters
    ----------
    program : ArrayProgram
        The program, optimised; every output is a variable.
    label : str
        The user's name for the function, for tracebacks.

    Attributes
    ----------
    graph : ScalarGraph or None
        The program as one of numbers, where that is faster; None when it has been written.
    """

    def __init__(self, program: ArrayProgram, label: str) -> None:
        self._program: ArrayProgram | None = program
        self._label = label
        self._lock = threading.Lock()
        self._call: Callable[..., Sequence[Any]] | None = None
        self.graph = _graph(program)
        self.operations = len(program.operations if self.graph is None else self.graph.nodes)
        kind = "NumPy calls" if self.graph is None else "operations on numbers"
        self.words = f"a program of {self.operations} {kind}"

    @property
    def call(self) -> Callable[..., Sequence[Any]]:
        """From the inputs in a row to fresh outputs."""
        if self._call is None:
            with self._lock:
                if self._program is not None:
                    self._call = self._written(self._program)
                    # a million objects, which the collector would look through from now on
                    self._program = self.graph = None
        call = self._call
        assert call is not None
        return call

    def _written(self, program: ArrayProgram) -> Callable[..., Sequence[Any]]:
        if self.graph is not None:
            return _on_numbers(self.graph, program, f"<polyad program of {self._label}>")
        return _on_arrays(ArrayCode(program), program)


def _graph(program: ArrayProgram) -> ScalarGraph | None:
    """The program as one of numbers, where that is faster."""
    limit = sum(
        CALL + ENTRY * sum(v.size for v in op.results) if any(v.shape for v in op.results) else NUMBER
        for op in program.operations
    )
    limit += 300.0 * len(program.outputs)
    if any(v.size > limit / 30 for v in (*program.inputs, *program.outputs)):
        return None
    # what would take so long that even numbers which turn out equal or constant hardly make it faster
    if QUICKEST * sum(v.size for op in program.operations for v in op.results if is_ufunc(op)) > FAR * limit:
        return None
    try:
        graph = ScalarGraph(program, min(NODES, int(limit / 10) + 100))
    except NotScalar:
        return None
    return graph if cost(graph) <= limit else None


def _on_numbers(graph: ScalarGraph, program: ArrayProgram, label: str) -> Callable[..., Sequence[Any]]:
    run = numbers(graph, label)
    shapes = [v.shape for v in program.outputs]
    if len(shapes) == 1 and len(shapes[0]) == 1:
        return lambda *inputs: (np.array(run(*inputs), dtype=float),)
    stops = [0, *map(int, np.cumsum([v.size for v in program.outputs]))]

    def call(*inputs: Any) -> Sequence[Any]:
        values = run(*inputs)
        return [
            np.array(values[stops[k] : stops[k + 1]], dtype=float).reshape(shape)
            if shape
            else np.float64(values[stops[k]])
            for k, shape in enumerate(shapes)
        ]

    return call


def _on_arrays(code: ArrayCode, program: ArrayProgram) -> Callable[..., Sequence[Any]]:
    run, slot = code.run, code.slot
    kinds = [None if v.shape else v.dtype.type for v in program.inputs]
    enter = any(kinds)
    if not code.buffers:
        if not enter:
            return lambda *inputs: run((), *inputs)
        return lambda *inputs: run((), *_numbers(kinds, inputs))
    pool: list[Any] = []

    def call(*inputs: Any) -> Sequence[Any]:
        try:
            mine = pool.pop()
        except IndexError:
            mine = slot()
        found: Sequence[Any] = run(mine, *(_numbers(kinds, inputs) if enter else inputs))
        if len(pool) < POOLED:
            pool.append(mine)
        return found

    return call


def _numbers(kinds: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Inputs without axes as NumPy's numbers."""
    return [a if kind is None or type(a) is kind else kind(a) for kind, a in zip(kinds, inputs, strict=True)]
