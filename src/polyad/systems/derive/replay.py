"""Graphs of other frameworks as programs of NumPy code: what they computed once, computed on any arrays.

A framework's trace of a kernel (JAX's jaxpr, torch's FX graph) is read once into steps, each a function of
NumPy on values. What depends on no input is computed then, and what nobody needs is left out. The program
runs on plain arrays and on boxes, so whatever differentiates around it differentiates the steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from polyad.systems.contract import Kernel

__all__ = ["NotReplayable", "Program", "Recorder", "or_asked"]


class NotReplayable(Exception):
    """An operation that has no counterpart in NumPy here; the message names it."""


def or_asked(replayed: Kernel, ask: Callable[[], Kernel]) -> Kernel:
    """A replay, or, on arrays for which a step has no counterpart (places that are computed), a request."""

    def call(*args: Any) -> Any:
        try:
            return replayed.call(*args)
        except NotReplayable:
            return ask().call(*args)

    return dataclasses.replace(replayed, call=call)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a program keeps a value."""

    number: int


@dataclasses.dataclass(frozen=True)
class _Step:
    run: Callable[..., Any]
    ins: tuple[Any, ...]  # places, or constants
    outs: tuple[int, ...]
    lacking: str = ""  # what it would be, where there is no counterpart
    flat: bool = False
    stop: bool = False


class Recorder:
    """A program while it is written.

    Parameters
    ----------
    count : int
        The number of inputs.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._steps: list[_Step] = []
        self._size = count

    @property
    def inputs(self) -> list[Any]:
        """The places of the inputs."""
        return [_Place(k) for k in range(self._count)]

    @staticmethod
    def is_known(value: Any) -> bool:
        """Whether a value is a constant."""
        return not isinstance(value, _Place)

    def step(
        self,
        run: Callable[..., Any],
        ins: Sequence[Any],
        results: int,
        *,
        flat: bool = False,
        stop: bool = False,
    ) -> list[Any]:
        """One more operation; computed now if all is known.

        Parameters
        ----------
        run : callable
            The operation on values.
        ins : sequence
            Places and constants.
        results : int
            How many results it gives, in a sequence.
        flat : bool
            Whether it is constant in pieces, so that it has no derivative.
        stop : bool
            Whether it hands its operand on without its derivative.
        """
        if all(map(self.is_known, ins)):
            return list(run(*ins))
        places = tuple(range(self._size, self._size + results))
        self._size += results
        self._steps.append(_Step(run, tuple(ins), places, flat=flat, stop=stop))
        return [_Place(k) for k in places]

    def missing(self, what: str, ins: Sequence[Any], results: int) -> list[Any]:
        """An operation without a counterpart, of which perhaps nothing is needed."""

        def run(*args: Any) -> Any:
            raise NotReplayable(what)

        places = tuple(range(self._size, self._size + results))
        self._size += results
        self._steps.append(_Step(run, tuple(ins), places, what))
        return [_Place(k) for k in places]

    def program(self, outputs: Sequence[Any]) -> Program:
        """What computes these outputs, and nothing else."""
        needed = {out.number for out in outputs if isinstance(out, _Place)}
        kept: list[_Step] = []
        for step in reversed(self._steps):
            if needed.isdisjoint(step.outs):
                continue
            if step.lacking:
                raise NotReplayable(step.lacking)
            kept.append(step)
            needed.update(a.number for a in step.ins if isinstance(a, _Place))
        steps = kept[::-1]
        idle = _idle(steps, self._count, outputs)
        steps = [dataclasses.replace(s, run=_handed) if s.stop and s.outs[0] in idle else s for s in steps]
        return Program(self._count, self._size, steps, list(outputs))


def _handed(x: Any) -> list[Any]:
    return [x]


def _numbers(atoms: Sequence[Any]) -> set[int]:
    return {a.number for a in atoms if isinstance(a, _Place)}


def _idle(steps: Sequence[_Step], count: int, outputs: Sequence[Any]) -> set[int]:
    """Places without a derivative to be stopped: none comes in, or none goes on to an output.

    Not every framework can stop one, and most stops are of signs and of what is compared.
    """
    active = set(range(count))
    for step in steps:
        if active & _numbers(step.ins) and not step.flat:
            active.update(step.outs)
    wanted = _numbers(outputs)
    for step in reversed(steps):
        if wanted.intersection(step.outs) and not (step.flat or step.stop):
            wanted |= _numbers(step.ins)
    idle: set[int] = set()
    for step in steps:
        if step.stop and not (active & _numbers(step.ins) and step.outs[0] in wanted):
            idle.update(step.outs)
    return idle


class Program:
    """Steps in order: called with a value for each input, it gives a value for each output."""

    def __init__(self, count: int, size: int, steps: list[_Step], outputs: list[Any]) -> None:
        self._count, self._size, self._steps, self._outputs = count, size, steps, outputs

    def __len__(self) -> int:
        return len(self._steps)

    def __call__(self, *inputs: Any) -> list[Any]:
        known: list[Any] = [None] * self._size
        known[: self._count] = inputs
        for step in self._steps:
            values = [known[a.number] if type(a) is _Place else a for a in step.ins]
            for place, value in zip(step.outs, step.run(*values), strict=True):
                known[place] = value
        return [known[a.number] if type(a) is _Place else a for a in self._outputs]
