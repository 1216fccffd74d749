"""From recorded operations to something that can be called."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.programs.arrays import ArrayCode
from polyad.engine.programs.graph import NotScalar, ScalarGraph
from polyad.engine.programs.numbers import cost, executed, numbers
from polyad.engine.programs.simplify import ArrayProgram, is_ufunc
from polyad.engine.programs.text import code_of

__all__ = ["Code", "Text"]

POOLED = 16  # sets of buffers that wait for the next call
# what an operation on arrays costs besides its arithmetic, in nanoseconds: (with axes, without)
CALL, NUMBER, ENTRY = 600.0, 90.0, 0.4
NODES = 200_000
# what the quickest operation on numbers takes (``cost``), and how many times too long is out of the question
QUICKEST, FAR = 14.0, 4.0


@dataclasses.dataclass(frozen=True)
class Text:
    """A program as it is written: a text, what it calls by names, and how its inputs and outputs lie.

    Parameters
    ----------
    source : str
        The text, on numbers where there are ``shapes``, on arrays elsewhere.
    named : dict
        What it calls by names.
    shapes : list of tuple, optional
        The shapes of the outputs, whose entries a program of numbers gives in a row.
    kinds : list, optional
        Of a program of arrays: the types of inputs without axes, None for the others.
    buffers : bool
        Whether a program of arrays has buffers.
    """

    source: str
    named: dict[str, Any]
    shapes: list[tuple[int, ...]] | None = None
    kinds: list[Any] | None = None
    buffers: bool = False

    def call(self, label: str) -> Callable[..., Sequence[Any]]:
        """From the inputs in a row to fresh outputs."""
        if self.shapes is not None:
            return _on_numbers(executed(self.source, self.named, label), self.shapes)
        space = dict(self.named)
        exec(code_of(self.source, "<polyad program>"), space)
        return _on_arrays(space["run"], space["slot"], self.kinds or [], buffers=self.buffers)


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
        self._text: Text | None = None
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
                    self._text = self._written(self._program)
                    self._call = self._text.call(f"<polyad program of {self._label}>")
                    # a million objects, which the collector would look through from now on
                    self._program = self.graph = None
        call = self._call
        assert call is not None
        return call

    @property
    def text(self) -> Text:
        """The program as it is written."""
        self.call  # noqa: B018  (writes it)
        assert self._text is not None
        return self._text

    @classmethod
    def of(cls, text: Text, label: str, words: str) -> Code:
        """A program that was written before."""
        made = object.__new__(cls)
        made._program = made.graph = None
        made._lock, made._label, made.words = threading.Lock(), label, words
        made._text, made.operations = text, text.source.count("\n")
        made._call = text.call(f"<polyad program of {label}>")
        return made

    def _written(self, program: ArrayProgram) -> Text:
        if self.graph is not None:
            return Text(*numbers(self.graph), [v.shape for v in program.outputs])
        code = ArrayCode(program)
        kinds = [None if v.shape else v.dtype.type for v in program.inputs]
        return Text(code.source, code.named, None, kinds, code.buffers)


def _graph(program: ArrayProgram) -> ScalarGraph | None:
    """The program as one of numbers, where that is faster."""
    numbers, entries, limit = 0, 0, 300.0 * len(program.outputs)
    for op in program.operations:
        results = op.results
        if len(results) == 1 and not results[0].shape:
            numbers += 1
        elif any([v.shape for v in results]):
            size = sum([v.size for v in results])
            entries += size if is_ufunc(op) else 0
            limit += CALL + ENTRY * size
        else:
            limit += NUMBER
    limit += NUMBER * numbers
    if any(v.size > limit / 30 for v in (*program.inputs, *program.outputs)):
        return None
    # what would take so long that even numbers which turn out equal or constant hardly make it faster
    if QUICKEST * (numbers + entries) > FAR * limit:
        return None
    try:
        graph = ScalarGraph(program, min(NODES, int(limit / 10) + 100))
    except NotScalar:
        return None
    return graph if cost(graph) <= limit else None


def _on_numbers(
    run: Callable[..., list[Any]], shapes: Sequence[tuple[int, ...]]
) -> Callable[..., Sequence[Any]]:
    if len(shapes) == 1 and len(shapes[0]) == 1:
        return lambda *inputs: (np.array(run(*inputs), dtype=float),)
    stops = [0, *map(int, np.cumsum([math.prod(shape) for shape in shapes]))]

    def call(*inputs: Any) -> Sequence[Any]:
        values = run(*inputs)
        return [
            np.array(values[stops[k] : stops[k + 1]], dtype=float).reshape(shape)
            if shape
            else np.float64(values[stops[k]])
            for k, shape in enumerate(shapes)
        ]

    return call


def _on_arrays(
    run: Callable[..., Any], slot: Callable[[], Any], kinds: Sequence[Any], *, buffers: bool
) -> Callable[..., Sequence[Any]]:
    enter = any(kinds)
    if not buffers:
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
