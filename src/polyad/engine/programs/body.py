"""The body of a loop as a program of its own: recorded once, and run again on whatever values.

A body is closed: all that it depends on are its inputs. Its operations are primitives, so it runs under
every interpretation, and the body of a derivative is recorded from that of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.values import PRIMITIVES, Value, base, under_way
from polyad.engine.interpretations.proxy import Proxy, later
from polyad.engine.programs.code import Code
from polyad.engine.programs.recording import Cell, Constant, Operation, Recording, Variable
from polyad.engine.programs.simplify import ArrayProgram, needed, optimised

__all__ = ["Body", "finished", "recorded"]


class Body:
    """Operations on values, with what goes in and what comes out.

    Parameters
    ----------
    inputs : sequence of Variable
        What goes in.
    operations : sequence of Operation
        What is done.
    outputs : sequence
        What comes out: variables and constants.
    examples : sequence of array
        Of the inputs, at which it was recorded.
    known : dict
        From variables to what they are at the examples.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        operations: Sequence[Operation],
        outputs: Sequence[Any],
        examples: Sequence[Any],
        known: dict[Any, Any],
    ) -> None:
        self.inputs, self.operations, self.outputs = list(inputs), list(operations), list(outputs)
        self.examples, self.known = list(examples), known
        self.loops: dict[Any, Any] = {}  # by how many are carried and so on, the loop that runs it

    def __getstate__(self) -> dict[str, Any]:
        """Without the programs that were written of it, which are written again."""
        return {**{k: v for k, v in vars(self).items() if k != "code"}, "loops": {}}

    def __call__(self, *values: Value) -> list[Value]:
        """Run it on values."""
        now: dict[Variable, Value] = dict(zip(self.inputs, values, strict=True))

        def read(a: Any) -> Any:
            if type(a) is Variable:
                return now[a]
            return a.value if type(a) is Constant else a

        def read_index(k: Any) -> Any:
            return tuple(map(read_index, k)) if type(k) is tuple else base(read(k))

        for op in self.operations:
            operands = [read(a) for a in op.operands]
            if op.name == "check":
                _checked(op.compute, operands)
                continue
            params = op.params
            if "index" in params:
                params = {**params, "index": read_index(params["index"])}
            found = PRIMITIVES[op.name](*operands, **params)
            parts = found if op.multiple else (found,)
            now.update(zip(op.results, parts, strict=True))
        return [read(out) for out in self.outputs]

    def example(self, k: int) -> Any:
        """What the k-th output is at the examples."""
        out = self.outputs[k]
        if type(out) is Variable:
            return self.known[out] if out in self.known else _anything(out)
        return out.value if type(out) is Constant else out

    @cached_property
    def code(self) -> Callable[..., list[Any]]:
        """From inputs in a row to fresh outputs."""
        fixed = [None if type(out) is Variable else (self.example(k),) for k, out in enumerate(self.outputs)]
        call = Code(self.program, "a loop").call
        if not any(fixed):
            return lambda *values: list(call(*values))

        def run(*values: Any) -> list[Any]:
            found = iter(call(*values))
            return [next(found) if known is None else known[0] for known in fixed]

        return run

    @property
    def program(self) -> ArrayProgram:
        """What is computed, without the constants among the outputs."""
        return ArrayProgram(self.inputs, self.operations, [v for v in self.outputs if type(v) is Variable])

    def parted(self, count: int, outputs: int) -> tuple[Body, Body, list[Variable]]:
        """Two bodies: what depends on the first inputs only, with the first outputs, and all the rest.

        Parameters
        ----------
        count : int
            How many inputs come first.
        outputs : int
            How many outputs do.

        Returns
        -------
        first, second : Body
            The first gives, after its outputs, what the second needs of what it computed. The second takes
            the other inputs, then that, then those of the first inputs that it needs.
        needs : list of Variable
            What the second needs of the first's variables, inputs included.
        """
        late: set[Any] = set(self.inputs[count:])
        early: list[Operation] = []
        rest: list[Operation] = []
        for op in self.operations:
            depends = any(v in late for v in op.variables())
            (rest if depends else early).append(op)
            if depends:
                late.update(op.results)
        others = self.outputs[outputs:]
        rest = needed(rest, others)
        made = {v for op in rest for v in op.results} | set(self.inputs[count:])
        used = [v for op in rest for v in op.variables()] + [v for v in others if type(v) is Variable]
        needs = list(dict.fromkeys(v for v in used if v not in made))
        own = set(self.inputs[:count])
        kept = [v for v in needs if v not in own]
        given = [v for v in self.inputs[:count] if v in set(needs)]
        finals = [*self.outputs[:outputs], *kept]
        first = Body(self.inputs[:count], needed(early, finals), finals, self.examples[:count], self.known)
        examples = dict(zip(self.inputs, self.examples, strict=True))
        of_kept = list(map(_anything, kept))
        second = Body(
            [*self.inputs[count:], *kept, *given],
            rest,
            others,
            [*self.examples[count:], *of_kept, *(examples[v] for v in given)],
            self.known,
        )
        return first, second, [*kept, *given]


def _anything(v: Variable) -> Any:
    """An array of the form of a variable."""
    return (np.ones if v.dtype.kind in "fc" else np.zeros)(v.shape, v.dtype)[()]


def _checked(check: Callable[..., Any], values: list[Any]) -> None:
    """Make a check on values, now or whenever there are any."""
    plain = [base(v) for v in values]
    if any(type(v) is Proxy for v in plain):
        later(check, *plain)
    else:
        check(*plain)


def recorded(f: Callable[..., Sequence[Value]], examples: Sequence[Any]) -> Body:
    """The body of a closed function of values.

    Parameters
    ----------
    f : callable
        The function, which may differentiate within.
    examples : sequence of array
        What it is recorded at.
    """
    recording = Recording(is_body=True)
    heard = get_state()
    try:
        set_state(SILENT)
        with under_way() as run:
            cells = [Proxy("recording", recording.enter(_number(a)), run) for a in examples]
            return finished(recording, f(*cells), examples)
    finally:
        set_state(heard)


def finished(recording: Recording, outputs: Sequence[Value], examples: Sequence[Any]) -> Body:
    """What has been recorded, as a body with these outputs."""
    found: list[Any] = []
    known: dict[Any, Any] = dict(recording.values or {})
    for out in outputs:
        cell = out.array if type(out) is Proxy else out
        if type(cell) is Cell:
            known[cell.source] = cell.value
            cell = cell.source
        elif isinstance(cell, np.ndarray):
            cell = Constant(cell.copy())
        found.append(cell)
    program = optimised(recording.inputs, recording.operations, found)
    known.update(
        {new: known[old] for new, old in zip(program.outputs, found, strict=True) if type(old) is Variable}
    )
    return Body(program.inputs, program.operations, program.outputs, examples, known)


def _number(a: Any) -> Any:
    """An example as recordings take it."""
    return np.asarray(a)[()]
