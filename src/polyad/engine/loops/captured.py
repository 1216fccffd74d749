"""The body of a loop, closed: recorded once, what it takes from around itself made inputs of it.

The body runs on tracers of a level above all others. So what a differentiation around the loop follows does
not take part in the body's operations as what it is, but as an input of the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import Primitive, Tracer, Value, base, settled, under_way
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.programs.body import Body, finished
from polyad.engine.programs.recording import Cell, Recording

__all__ = ["closed", "recording_of"]


class Inner(Tracer):
    """A value within the body of a loop."""

    __slots__ = ("cell", "level", "recording")

    def __init__(self, level: int, recording: Recording, cell: Proxy) -> None:
        self.level, self.recording, self.cell = level, recording, cell

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.cell.shape

    @property
    def dtype(self) -> Any:
        return self.cell.dtype

    def lower(self) -> Value:
        return self.cell

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        y = primitive(*[self._taken(a) for a in args], **params)
        return tuple(map(self._left, y)) if primitive.multiple else self._left(y)

    def _taken(self, a: Value) -> Value:
        """An operand as the recording of the body has it."""
        if not isinstance(a, Tracer):
            return a
        if type(a) is Inner and a.level == self.level:
            return a.cell
        if type(a) is Proxy and a.array.recording in (None, self.recording):
            return a
        return Proxy("recording", self.recording.capture(a, example(a)), self.level)

    def _left(self, y: Value) -> Value:
        return Inner(self.level, self.recording, y) if type(y) is Proxy else y


def example(value: Value) -> Any:
    """The numbers at which a value is recorded."""
    value = base(value)
    return value.array.value if type(value) is Proxy else np.asarray(value)[()]


def recording_of(leaves: Sequence[Any]) -> Recording | None:
    """The innermost recording that one of the leaves is part of; None where nothing is recorded."""
    found: Recording | None = None
    for leaf in leaves:
        if not isinstance(leaf, Box):
            continue
        value = base(settled(leaf._value))
        if type(value) is Proxy and adapter(value.library).records:
            recording = value.array.recording
            if found is None or (recording is not None and recording.is_within(found)):
                found = recording
    return found


def closed(
    f: Callable[[list[Any]], list[Any]],
    operands: Sequence[Value],
    specs: Sequence[ArraySpec],
    outer: Recording,
) -> tuple[Body, list[Value]]:
    """A function of boxes as a body, and the values of what it takes from around itself.

    Parameters
    ----------
    f : callable
        From boxes to leaves.
    operands : sequence of value
        Like those that the body will have, at which it is recorded.
    specs : sequence of ArraySpec
        Their forms.
    outer : Recording
        The one around the loop.
    """
    recording = Recording(outer, is_body=True)
    examples = [np.asarray(example(v), s.dtype)[()] for v, s in zip(operands, specs, strict=True)]
    heard = get_state()
    try:
        set_state(SILENT)
        with under_way() as level:
            inner = [Inner(level, recording, Proxy("recording", recording.enter(a), level)) for a in examples]
            outputs = []
            for leaf in f([Box(value) for value in inner]):
                value = settled(unbox(leaf))
                if type(value) is Inner and value.level == level:
                    value = value.cell
                elif isinstance(value, Tracer) and not (
                    type(value) is Proxy and value.array.recording is recording
                ):
                    value = Proxy("recording", recording.capture(value, example(value)), level)
                outputs.append(value)
    finally:
        set_state(heard)
    captured = [value for value, _ in recording.captured.values()]
    given = [value if isinstance(value, Tracer) else _around(value) for value in captured]
    examples += [cell.value for _, cell in recording.captured.values()]
    return finished(recording, outputs, examples), given


def is_of(value: Value, recording: Recording) -> bool:
    """Whether a value is recorded there itself."""
    return type(value) is Proxy and value.array.recording is recording


def _around(cell: Cell) -> Value:
    return Proxy("recording", cell)
