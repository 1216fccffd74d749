"""A loop over a recorded body, run on plain arrays: the one operation that a program has for it.

Where all is double precision and small, the loop is one Python function on numbers, its body written out
once; elsewhere the body's own program is called in every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.programs.body import Body
from polyad.engine.programs.code import Code
from polyad.engine.programs.numbers import Writer, compiled, literal
from polyad.engine.programs.recording import Variable

__all__ = ["Kept", "loop"]

_NOTHING = np.zeros(()).flags


class Kept:
    """What the steps of a loop hand to those of its reverse, as it is: a row for each step."""

    __slots__ = ("flat", "rows")
    shape: tuple[int, ...] = ()
    dtype = np.dtype(object)
    flags = _NOTHING
    ndim = 0
    size = 1

    def __init__(self, rows: list[Any], *, flat: bool = False) -> None:
        self.rows, self.flat = rows, flat

    def as_numbers(self) -> list[Any]:
        """All entries of a row after each other."""
        if self.flat:
            return self.rows
        return [[e for a in row for e in np.ravel(a).tolist()] for row in self.rows]

    def as_arrays(self, forms: Sequence[Variable]) -> list[Any]:
        """The arrays of each row."""
        if not self.flat:
            return self.rows
        stops = np.cumsum([v.size for v in forms])[:-1]
        return [
            [part.reshape(v.shape)[()] for part, v in zip(np.split(np.array(row), stops), forms, strict=True)]
            for row in self.rows
        ]


def loop(
    *values: Any,
    body: Body,
    carries: int,
    items: int,
    held: int,
    keeps: int,
    length: int,
    reverse: bool,
) -> tuple[Any, ...]:
    """Run a loop.

    Parameters
    ----------
    *values
        What it carries, what it goes through, what an earlier loop has kept (if ``held``), and what stays.
    body : Body
        From the carry, the items of a step, the ``held`` values of its row and what stays, to the next
        carry, what the step gives, and the ``keeps`` values to keep.
    carries, items : int
        How many arrays are carried, and how many it goes through.
    length : int
        The number of steps.
    reverse : bool
        Whether it begins at the end.

    Returns
    -------
    tuple
        The last carry, what the steps gave, stacked, and a ``Kept`` where there is something to keep.
    """
    form = (carries, items, held, keeps)
    quick = body.loops.get(form, body)
    if quick is body:
        quick = body.loops[form] = _on_numbers(body, *form)
    arrays = values[carries : carries + items]
    rest = values[carries + items :]
    kept_before, given = (rest[0], rest[1:]) if held else (None, rest)
    if quick is not None:
        return quick(values[:carries], arrays, kept_before, given, length, reverse)
    run, state = body.code, list(values[:carries])
    rows = None if kept_before is None else kept_before.as_arrays(body.inputs[carries + items :][:held])
    last = len(body.outputs) - keeps
    kept: list[Any] = [None] * length
    made: list[Any] = [None] * length
    for k in range(length - 1, -1, -1) if reverse else range(length):
        out = run(*state, *[a[k] for a in arrays], *(rows[k] if rows is not None else ()), *given)
        state = out[:carries]
        made[k] = out[carries:last]
        if keeps:
            kept[k] = out[last:]
    columns: Sequence[Any] = [np.stack(parts) for parts in zip(*made, strict=True)]
    return (*state, *columns, Kept(kept)) if keeps else (*state, *columns)


# -- on numbers -----------------------------------------------------------------------------------------


def _on_numbers(body: Body, carries: int, items: int, held: int, keeps: int) -> Callable[..., Any] | None:
    """The loop as a function of Python's numbers; None where that is not faster, or not possible."""
    graph = Code(body.program, "a loop").graph
    if graph is None:
        return None
    first = carries + items + held
    writer = Writer(graph, range(first, len(body.inputs)))
    texts = iter(writer.results)
    outs: list[list[str]] = []
    for k, out in enumerate(body.outputs):
        if type(out) is Variable:
            outs.append([next(texts) for _ in range(out.size)])
            continue
        known = np.asarray(body.example(k))
        if known.dtype != np.float64:
            return None
        outs.append(list(map(literal, known.ravel().tolist())))
    names = [writer.entries.get(k, []) for k in range(len(body.inputs))]
    last = len(outs) - keeps

    def row(parts: list[list[str]]) -> str:
        return "".join(f"{name}, " for part in parts for name in part)

    def unpacked(parts: list[list[str]], source: str) -> list[str]:
        return [f"{row(parts)}= {source}"] if any(parts) else []

    both = bool(items and held)
    gives, keep = outs[carries:last], outs[last:]
    inner = [
        *unpacked(names[:carries], "state"),
        *(unpacked(names[carries : carries + items], "item") if both else []),
        *(unpacked(names[carries + items : first], "old") if both else []),
        *writer.lines,
        *([f"give(({row(gives)}))"] if any(gives) else []),
        *([f"keep(({row(keep)}))"] if keeps else []),
        f"state = ({row(outs[:carries])})",
    ]
    lines = [
        *writer.declared,
        *unpacked(names[first:], "given"),
        "given, kept = [], []",
        "give, keep = given.append, kept.append",
        f"for {'item, old' if both else row(names[carries:first]) or '_'} in steps:",
        *(f"    {line}" for line in inner),
        "return state, given, kept",
    ]
    text = "def program(state, steps, given):\n" + "".join(f"    {line}\n" for line in lines)
    run = compiled(text, writer, "<polyad loop>", _as_numpys)
    states, stacks = body.outputs[:carries], [np.shape(body.example(k)) for k in range(carries, last)]
    stops = np.cumsum([math.prod(shape) for shape in stacks])
    shapes = [np.shape(body.example(k)) for k in range(len(states))]

    def call(
        state: Sequence[Any],
        arrays: Sequence[Any],
        before: Kept | None,
        given: Sequence[Any],
        length: int,
        reverse: bool,
    ) -> tuple[Any, ...]:
        tables = [np.reshape(a, (length, -1)) for a in arrays]
        steps: list[Any] = np.concatenate(tables, axis=1).tolist() if items else [0.0] * length
        if before is not None:
            rows = before.as_numbers()
            steps = list(zip(steps, rows, strict=True)) if both else rows
        final, made, kept = run(_flat(state), steps[::-1] if reverse else steps, _flat(given))
        if reverse:
            made, kept = made[::-1], kept[::-1]
        found, start = [], 0
        for shape in shapes:
            size = math.prod(shape)
            found.append(np.array(final[start : start + size], dtype=float).reshape(shape)[()])
            start += size
        if stacks:
            table = np.array(made, dtype=float).reshape(length, -1)
            parts = np.split(table, stops[:-1], axis=1)
            found += [
                np.ascontiguousarray(part).reshape(length, *shape)
                for part, shape in zip(parts, stacks, strict=True)
            ]
        return (*found, Kept(kept, flat=True)) if keeps else tuple(found)

    return call


def _flat(values: Sequence[Any]) -> list[Any]:
    return [e for a in values for e in (np.ravel(a).tolist() if getattr(a, "shape", ()) else (float(a),))]


def _as_numpys(a: Any) -> Any:
    """Python's floats in lists and tuples as NumPy's."""
    return [_as_numpys(e) for e in a] if isinstance(a, list | tuple) else np.float64(a)
