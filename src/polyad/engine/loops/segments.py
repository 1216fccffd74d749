"""Reverse mode that keeps the carry of a loop at a few places and computes the steps between them again.

A run of steps is one operation of a tape. Its values are computed without a tape, and its pullback records
the steps anew, from the carry with which they began, and goes back through that. (Griewank and Walther,
Evaluating Derivatives, 2nd ed., 2008, chapter 12; here with one level.) What the body takes from around
itself and is differentiated becomes an operand. A library that differentiates by itself is handed the run as
a function of its arrays (``Adapter.again``).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine import run as _engine
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.floating import same
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import Primitive, Tracer, Value, base, settled, shape_of
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.looping import compared
from polyad.engine.interpretations.masked import Masked
from polyad.engine.interpretations.masked import settled as unmasked
from polyad.engine.interpretations.proxy import Proxy, is_kept
from polyad.engine.interpretations.tape import Node
from polyad.engine.loops.leaves import Tree, looks
from polyad.errors import ArgumentError

__all__ = ["in_segments", "is_bare", "length_of", "segments_of"]

# from the values of all operands to those of all results
Run = Callable[[Sequence[Value]], list[Value]]


class _Leaks(Exception):
    """The steps use something differentiated that was not found, so that they cannot be run apart from it."""


class Segment(Primitive):
    """A run of steps as a primitive; only reverse mode treats it as one."""

    __slots__ = ()

    def __call__(self, *args: Value, **params: Any) -> Value:
        top = max((a.level for a in args if isinstance(a, Tracer)), default=0)
        for a in args:
            if type(a) is Node and a.level == top:
                return _reverse(a, args, **params)
        found: Value = tuple(params["steps"](args))
        return found


segment = Segment("segment", lambda *args, steps: tuple(steps(args)), multiple=True)


def length_of(items: Tree, length: int | None) -> int:
    """The number of steps."""
    found = None if length is None else operator.index(length)
    if found is not None and found < 0:
        raise ArgumentError(f"scan takes a number of steps, and length is {found}")
    known = None if found is None else f"length is {found}"
    for k, leaf in enumerate(items.leaves):
        shape = looks(leaf).shape
        if not shape:
            raise ArgumentError(
                f"scan goes along the first axis of every array in xs, and {items.path(k)} has no axes"
            )
        if found is None:
            found, known = shape[0], f"{items.path(k)} has {shape[0]} entries"
        elif shape[0] != found:
            raise ArgumentError(
                f"scan takes one step per entry of xs: {known}, and {items.path(k)} has {shape[0]} entries "
                "along its first axis"
            )
    if found is None:
        raise ArgumentError("scan without xs has to be told how many steps to take: length=100")
    return found


def segments_of(checkpoint: bool | int, count: int) -> int:
    """At how many places the carry is kept; 0 for at every step."""
    if checkpoint is False or not count:
        return 0
    if checkpoint is True:
        return max(1, round(count**0.5))
    found = operator.index(checkpoint)
    if found < 1:
        raise ArgumentError(f"checkpoint is True or the number of places to keep the carry at, not {found}")
    return min(found, count)


def in_segments(
    steps: Callable[..., list[Value]],
    carry: Sequence[Value],
    items: Sequence[Any],
    outer: Sequence[Any],
    order: range,
    count: int,
) -> tuple[list[Any], list[list[Any]]] | None:
    """The steps after the first in runs that reverse mode computes again.

    Parameters
    ----------
    steps : callable
        From the values of the carry, the items and what is around the body, and which items in which order,
        to those of the next carry and of what the steps gave.
    carry : sequence
        After the first step.
    items, outer : sequence
        What the loop goes through, and what the body takes from around itself.
    order : range
        The steps.
    count : int
        The number of runs.

    Returns
    -------
    tuple or None
        The last carry, and for each thing that the steps gave its rows, run by run; None where reverse mode
        has to keep everything.
    """
    after, rows = list(carry), []
    size = max(1, -(-(len(order) - 1) // count))
    for first in range(1, len(order), size):
        part = order[first : first + size]
        low, high = min(part), max(part) + 1
        here = range(len(part)) if order.step > 0 else range(len(part) - 1, -1, -1)
        operands = [*after, *(a[low:high] for a in items), *outer]
        found = _again(functools.partial(steps, here=here), operands)
        if found is None:
            return None
        after = list(found[: len(carry)])
        rows.append(found[len(carry) :])
    return after, [list(parts) for parts in zip(*rows, strict=True)]


def _again(steps: Run, operands: Sequence[Any]) -> tuple[Any, ...] | None:
    """The results of a run of steps, which reverse mode computes again; None where it has to keep them.

    Parameters
    ----------
    steps : callable
        The run, on values.
    operands : sequence
        All that it depends on and that is differentiated, and what else it begins with.
    """
    if FOLLOWING.depth:  # the body is followed now, and would not be when it is computed again
        return None
    values = [settled(unbox(a) if isinstance(a, Box) else a) for a in operands]
    tracers = [v for v in values if isinstance(v, Tracer) and not is_kept(v)]
    if not tracers:
        return None
    top = max(tracers, key=lambda v: v.level)
    if type(top) is Proxy:
        return _by_library(top, steps, values)
    try:
        found: Any = segment(*values, steps=steps)
    except _Leaks:
        return None
    return tuple(map(wrap, found))


def is_bare(a: Any) -> bool:
    """Whether it is an array of another library itself, not in a box."""
    owner = None if isinstance(a, Box) else library_of(a)
    return owner is not None and owner.is_foreign


def _is_float(v: Value) -> bool:
    return getattr(v, "dtype", np.dtype(object)).kind in "fc"


def _reverse(node: Node, args: Sequence[Value], *, steps: Run) -> tuple[Value, ...]:
    """The run on the values of a tape's nodes, and a pullback that computes it again."""
    level = node.level
    which = [k for k, a in enumerate(args) if type(a) is Node and a.level == level]
    values = [a.value if type(a) is Node and a.level == level else a for a in args]
    y: Any = segment(*values, steps=steps)
    if any(isinstance(v, Tracer) and v.level >= level for v in y):
        raise _Leaks
    floats = [k for k, v in enumerate(y) if _is_float(v)]

    def pull(w: Sequence[Value | None]) -> tuple[Value, ...]:
        def f(boxes: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
            inputs = list(values)
            for k, box in zip(which, boxes, strict=True):
                inputs[k] = unbox(box)
            out = steps(inputs)
            return [wrap(out[k]) for k in floats], ()

        recorded = _engine.record(f, [wrap(values[k]) for k in which])
        for a, b in zip(recorded.y, floats, strict=True):
            now, before = base(unbox(a)), base(y[b])
            if not isinstance(now, Tracer) and not isinstance(before, Tracer):
                compared(same(np.asarray(now), np.asarray(before)))
        full = []
        for k in floats:
            g = w[k]
            g = np.zeros(shape_of(y[k]), y[k].dtype) if g is None else g
            full.append(wrap(unmasked(g) if type(g) is Masked else g))
        return tuple([unbox(g) for g in recorded.pull(full, free=True)])

    found: tuple[Value, ...] = node._recorded(segment, y, pull, tuple([args[k].index for k in which]))
    return found


def _by_library(top: Proxy, steps: Run, values: list[Value]) -> tuple[Any, ...] | None:
    """By the means of a library that differentiates by itself."""
    own = adapter(top.library)
    which = [k for k, v in enumerate(values) if type(v) is Proxy]
    if not own.recomputes or any(v.library != top.library for v in values if type(v) is Proxy):
        return None

    def f(arrays: Sequence[Any]) -> list[Any]:
        inputs = list(values)
        with _engine.under_way() as run:
            for k, array in zip(which, arrays, strict=True):
                inputs[k] = Proxy(top.library, array, run)
            out = steps(inputs)
        return [v.array if type(v) is Proxy else own.constant(np.asarray(v), arrays[0]) for v in out]

    found = own.again(f, [values[k].array for k in which])
    if found is None:
        return None
    return tuple([Box(Proxy(top.library, a, top.run)) if own.is_own(a) else a for a in found])
