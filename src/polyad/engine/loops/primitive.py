"""The loop as a primitive: what it is in forward and in reverse mode, in terms of loops.

Forward mode carries tangents beside the carry. Reverse mode is a loop the other way round: of the derivative
of a step, everything that does not depend on cotangents is computed, and kept, in the loop forward.
(Partial evaluation; Radul, Paszke, Frostig, Johnson and Maclaurin, You only linearize once, POPL 2023.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.core.values import ALIVE, Primitive, Tracer, Value, shape_of, under_way
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.masked import Masked, settled
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.tape import Node, Tape
from polyad.engine.programs.body import Body, recorded
from polyad.engine.programs.loops import loop
from polyad.engine.rules.structure import broadcast_to, transpose

__all__ = ["scan_values"]


def _is_float(a: Any) -> bool:
    return np.asarray(a).dtype.kind in "fc"


class Scan(Primitive):
    """The primitive; its rules need to know what is differentiated, so they are no push and pull."""

    __slots__ = ()

    def __call__(self, *args: Value, **params: Any) -> Value:
        top = max((a.level for a in args if isinstance(a, Tracer)), default=0)
        for a in args:
            if type(a) is Node and a.level == top:
                return _reverse(a, args, **params)
            if type(a) is Dual and a.level == top:
                return _forward(a, args, **params)
        return super().__call__(*args, **params)


def scan_values(
    body: Body,
    carry: Sequence[Value],
    xs: Sequence[Value],
    given: Sequence[Value],
    *,
    length: int,
    reverse: bool,
    kept: Value = None,
    held: int = 0,
    keeps: int = 0,
) -> tuple[Value, ...]:
    """Run a loop on values; see ``programs.loops.loop``."""
    values = (*carry, *xs, *(() if kept is None else (kept,)), *given)
    found: tuple[Value, ...] = scan(
        *values,
        body=body,
        carries=len(carry),
        items=len(xs),
        held=held,
        keeps=keeps,
        length=length,
        reverse=reverse,
    )
    return found


# -- forward ------------------------------------------------------------------------------------------


def _forward(
    dual: Dual,
    args: Sequence[Value],
    *,
    body: Body,
    carries: int,
    items: int,
    held: int,
    keeps: int,
    length: int,
    reverse: bool,
) -> tuple[Value, ...]:
    """A loop that carries tangents too."""
    assert not keeps  # what is kept as it is has no tangents
    outer, count = dual.level, dual.tangent.shape[0]
    mine = [type(a) is Dual and a.level == outer for a in args]
    tangents = [a.tangent if m else None for a, m in zip(args, mine, strict=True)]
    operands = [a.primal if m else a for a, m in zip(args, mine, strict=True)]
    first = carries + items
    shift = 1 if held else 0
    given = list(range(first + shift, len(operands)))
    # which inputs of the body have tangents: all real ones of the carry, and the others that come with some
    moving = [k for k in range(carries) if _is_float(body.examples[k])]
    moving_items = [k for k in range(carries, first) if tangents[k] is not None]
    moving_given = [k for k in given if tangents[k] is not None]
    place = {k: k for k in range(first)} | {k: k - shift + held for k in given}
    active = [*moving, *moving_items, *(place[k] for k in moving_given)]
    results = len(body.outputs)
    made = [k for k in range(carries, results) if _is_float(body.example(k))]

    def step(*args: Value) -> list[Value]:
        state, ds = args[:carries], args[carries : carries + len(moving)]
        rest = args[carries + len(moving) :]
        xs, dxs = rest[:items], rest[items : items + len(moving_items)]
        rest = rest[items + len(moving_items) :]
        known, dgs = rest[: held + len(given)], rest[held + len(given) :]
        primals = [*state, *xs, *known]
        with under_way() as level:
            for k, t in zip(active, (*ds, *dxs, *dgs), strict=True):
                primals[k] = Dual(level, primals[k], t)
            out = body(*primals)
        found = [v.primal if type(v) is Dual and v.level == level else v for v in out]

        def tangent(k: int) -> Value:
            v = out[k]
            shape = (count, *shape_of(found[k]))
            if type(v) is Dual and v.level == level:
                return v.tangent if v.tangent.shape == shape else broadcast_to(v.tangent, shape=shape)
            return np.zeros(shape, np.asarray(body.example(k)).dtype)

        return [
            *found[:carries],
            *map(tangent, moving),
            *found[carries:],
            *map(tangent, made),
        ]

    def batch(k: int) -> Any:
        a = np.asarray(body.examples[k])
        return np.zeros((count, *a.shape), a.dtype)

    pushed = recorded(
        step,
        [
            *body.examples[:carries],
            *map(batch, moving),
            *body.examples[carries:first],
            *map(batch, moving_items),
            *body.examples[first:],
            *(batch(place[k]) for k in moving_given),
        ],
    )

    def of(k: int) -> Value:
        t = tangents[k]
        shape = (count, *shape_of(operands[k]))
        if t is None:
            return np.zeros(shape, np.asarray(body.examples[place[k]]).dtype)
        return t if t.shape == shape else broadcast_to(t, shape=shape)

    out = scan_values(
        pushed,
        [*operands[:carries], *map(of, moving)],
        [*operands[carries:first], *(_swapped(of(k)) for k in moving_items)],
        [*(operands[k] for k in given), *map(of, moving_given)],
        length=length,
        reverse=reverse,
        kept=operands[first] if held else None,
        held=held,
    )
    moved = out[carries : carries + len(moving)]
    start = carries + len(moving)
    primal = [*out[:carries], *out[start : start + results - carries]]
    found: list[Value] = list(primal)
    for k, t in zip(moving, moved, strict=True):
        found[k] = Dual(outer, primal[k], t)
    for k, t in zip(made, out[start + results - carries :], strict=True):
        found[k] = Dual(outer, primal[k], _swapped(t))
    return tuple(found)


def _swapped(t: Value) -> Value:
    """A batch of stacks as a stack of batches, and the other way round."""
    return transpose(t, axes=(1, 0, *range(2, len(t.shape))))


# -- reverse ------------------------------------------------------------------------------------------


def _reverse(
    node: Node,
    args: Sequence[Value],
    *,
    body: Body,
    carries: int,
    items: int,
    held: int,
    keeps: int,
    length: int,
    reverse: bool,
) -> tuple[Value, ...]:
    """The loop on the values of a tape's nodes, its pullback written down."""
    assert not keeps
    level, first = node.level, carries + items
    shift = 1 if held else 0
    which = [k for k, a in enumerate(args) if type(a) is Node and a.level == level]
    values = [a.value if k in set(which) else a for k, a in enumerate(args)]
    moving = [k for k in range(carries) if _is_float(body.examples[k])]
    moving_items = [k for k in which if carries <= k < first]
    moving_given = [k for k in which if k >= first + shift]
    place = {k: k for k in range(first)} | {k: k - shift + held for k in range(first + shift, len(values))}
    active = [*moving, *moving_items, *(place[k] for k in moving_given)]
    results, inputs = len(body.outputs), len(body.inputs)
    made = [k for k in range(carries, results) if _is_float(body.example(k))]

    def step(*parts: Value) -> list[Value]:
        primals, seeds = list(parts[:inputs]), parts[inputs:]
        tape = Tape()
        try:
            ALIVE.add(tape.level)
            nodes = [tape.enter(primals[k]) for k in active]
            for k, entered in zip(active, nodes, strict=True):
                primals[k] = entered
            out = body(*primals)
        finally:
            ALIVE.difference_update((tape.level, tape.inner))
        pairs = list(zip([out[k] for k in (*moving, *made)], seeds, strict=True))
        pulled = tape.pull(pairs, nodes, free=True)
        found = [v.value if type(v) is Node and v.tape is tape else v for v in out]
        zeros = [np.zeros(n.shape, n.dtype) if g is None else g for g, n in zip(pulled, nodes, strict=True)]
        return [*found, *zeros]

    examples = [np.asarray(body.example(k)) for k in (*moving, *made)]
    both = recorded(step, [*body.examples, *(np.ones(a.shape, a.dtype) for a in examples)])
    forward, backward, needs = both.parted(inputs, results)
    known = needs[: len(forward.outputs) - results]
    stays = {v: k for k, v in enumerate(both.inputs[:inputs])}
    # of the inputs that the reverse sweep needs, those of the steps are kept with what was computed
    of_steps = [v for v in needs[len(known) :] if stays[v] < first + held]
    forward.outputs += of_steps
    forward.known.update({v: body.examples[stays[v]] for v in of_steps})
    whole = [v for v in needs[len(known) :] if stays[v] >= first + held]
    # what a loop keeps as it is can be neither differentiated nor kept by a loop around it
    plain = all(_is_outermost(v) for v in values if isinstance(v, Tracer))
    size = len(known) + len(of_steps)
    out = scan_values(
        forward,
        values[:carries],
        values[carries:first],
        values[first + shift :],
        length=length,
        reverse=reverse,
        kept=values[first] if held else None,
        held=held,
        keeps=size if plain else 0,
    )
    y, more = out[:results], out[results:]
    fixed = [values[stays[v] - held + shift] for v in whole]
    turned = _turned(backward, len(moving), len(made), len(moving_items), len(moving_given), size)

    def pull(w: Sequence[Value | None]) -> tuple[Value, ...]:
        full = [
            np.zeros(shape_of(part), part.dtype) if g is None else g for g, part in zip(w, y, strict=True)
        ]
        full = [settled(g) if type(g) is Masked else g for g in full]
        sums = [np.zeros(shape_of(values[k]), values[k].dtype) for k in moving_given]
        found = scan_values(
            turned,
            [*(full[k] for k in moving), *sums],
            [*(full[k] for k in made), *(() if plain else more)],
            fixed,
            length=length,
            reverse=not reverse,
            kept=more[0] if plain and size else None,
            held=size if plain else 0,
        )
        start = found[: len(moving)]
        total = found[len(moving) : len(moving) + len(moving_given)]
        stacks = found[len(moving) + len(moving_given) :]
        cotangents = dict(zip(moving, start, strict=True))
        cotangents |= dict(zip(moving_items, stacks, strict=True))
        cotangents |= dict(zip(moving_given, total, strict=True))
        return tuple(cotangents[k] for k in differentiable)

    differentiable = [k for k in which if k in set(moving) | set(moving_items) | set(moving_given)]
    parents = tuple(args[k].index for k in differentiable)
    result: tuple[Value, ...] = node._recorded(scan, y, pull, parents)
    return result


def _is_outermost(value: Tracer) -> bool:
    """Whether a value is one of a program, and of no body of a loop in it."""
    if type(value) is not Proxy:
        return False
    recording = value.array.recording
    return recording is None or recording.values is None


def _turned(back: Body, carries: int, made: int, items: int, given: int, held: int) -> Body:
    """The reverse sweep of one step as the body of a loop, which adds up the cotangents of what stays.

    It goes from the cotangents of the carry, the sums so far, the cotangents of what a step gave, what was
    kept and what stays, to the cotangents of the carry, the new sums and the cotangents of the items.
    """

    def step(*parts: Value) -> list[Value]:
        state, sums = parts[:carries], parts[carries : carries + given]
        rest = parts[carries + given :]
        out = back(*state, *rest)
        more = out[carries + items :]
        return [
            *out[:carries],
            *(a + b for a, b in zip(sums, more, strict=True)),
            *out[carries : carries + items],
        ]

    zeros = [np.zeros_like(back.example(carries + items + k)) for k in range(given)]
    return recorded(step, [*back.examples[:carries], *zeros, *back.examples[carries:]])


scan = Scan("scan", loop, multiple=True)
