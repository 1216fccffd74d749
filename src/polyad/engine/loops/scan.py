"""``polyad.scan`` and ``polyad.fori_loop``: loops whose number of steps is known."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec
from polyad.engine import run as _engine  # noqa: F401  (fills the table of rules)
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.interpretations.looping import Steps
from polyad.engine.loops.captured import closed, example, recording_of
from polyad.engine.loops.closures import active, replaced
from polyad.engine.loops.leaves import (
    Tree,
    can_hold,
    looks,
    owned,
    part_of,
    refused,
    same_form,
    settled,
    snapshot,
    stacked,
)
from polyad.engine.loops.place import Followed, Place, place_of, placed
from polyad.engine.loops.primitive import scan_values
from polyad.engine.loops.segments import in_segments, is_bare, length_of, segments_of
from polyad.engine.programs.recording import Recording
from polyad.engine.rules.structure import astype
from polyad.errors import OperationNotSupportedError

__all__ = ["fori_loop", "scan"]

Step = Callable[[Any, Any], Any]
Body = Callable[[Sequence[Any], Sequence[Any]], tuple[Any, Any]]


def scan(
    step: Step,
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    checkpoint: bool | int = False,
) -> tuple[Any, Any]:
    """Go through ``xs`` step by step with something that is carried along: ``jax.lax.scan`` in NumPy code.

    It is ``for x in xs: carry, y = step(carry, x)``, with the ``y`` of all steps stacked. Backends that run
    on values do just that. Under JAX it is one ``lax.scan``, in compiled programs of NumPy and under CasADi
    one loop over a body that is recorded once, however many steps there are.

    Parameters
    ----------
    step : callable
        ``step(carry, x)``, giving the next carry and a ``y``, written in NumPy. What it uses from around it
        may be differentiated as well.
    carry : array, number or tree of them
        What the first step begins with. Its structure, shapes and dtypes stay the same in all steps; a
        Python number takes the dtype that the first step gives it.
    xs : array or tree of them, optional
        Each leaf has one entry per step along its first axis. None: ``step`` gets None for ``x``.
    length : int, optional
        The number of steps, needed where ``xs`` is None.
    reverse : bool
        Begin at the end of ``xs``; ``y`` stands where its ``x`` stands.
    checkpoint : bool or int
        Reverse mode keeps what the steps computed. With an int JAX, NumPy, torch and autograd keep the carry
        at so many places and compute the steps between them again; True takes the square root of the number
        of steps. The steps have to give the same when they are run again. Other backends give the same
        result, without saving memory by it.

    Returns
    -------
    carry : like ``carry``
        After the last step.
    ys : like ``y``
        Each leaf with one more leading axis, of the number of steps.

    Raises
    ------
    polyad.errors.ArgumentError
        If the number of steps is not known, or leaves of ``xs`` disagree on it.
    polyad.errors.OperationNotSupportedError
        If the carry changes its structure, a shape or a dtype.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def compound(balance, rate):
    ...     balance = balance * (1 + rate)
    ...     return balance, balance
    >>> final, history = ad.scan(compound, 100.0, np.array([0.1, 0.2]))
    >>> np.round(history, 6)
    array([110., 132.])
    >>> ad.gradient(lambda rates: ad.scan(compound, 100.0, rates)[0], np.array([0.1, 0.2]))
    array([120., 110.])
    """
    start, items = Tree(carry, "carry"), Tree(xs, "xs")
    count = length_of(items, length)
    segments = segments_of(checkpoint, count)

    def made(step: Step) -> Body:
        def body(leaves: Sequence[Any], x: Sequence[Any]) -> tuple[Any, Any]:
            out = step(start.build(leaves), items.build(x))
            if not isinstance(out, tuple) or len(out) != 2:
                raise refused(
                    f"a step of scan returned {_described(out)}",
                    "it returns the carry and what to keep of it, (carry, y); (carry, None) for nothing",
                )
            return out

        return body

    return _Scan(step, made, start, items, count, reverse=reverse, segments=segments).run()


def _described(out: Any) -> str:
    return f"a tuple of {len(out)}" if isinstance(out, tuple) else f"a {type(out).__name__}, no pair"


class _Scan:
    """One loop.

    Parameters
    ----------
    step : callable
        The caller's.
    made : callable
        Makes of it the body: from the leaves of the carry and those of ``x`` to trees of the new carry and
        of ``y``.
    carry, items : Tree
        What it begins with, and what it goes through.
    count : int
        The number of steps.
    """

    def __init__(
        self,
        step: Any,
        made: Callable[[Any], Body],
        carry: Tree,
        items: Tree,
        count: int,
        *,
        reverse: bool,
        segments: int,
    ) -> None:
        self._step, self._made, self._body = step, made, made(step)
        self._carry, self._items, self._count = carry, items, count
        self._reverse, self._segments = reverse, segments

    def run(self) -> tuple[Any, Any]:
        """What the loop gives."""
        carry, items = self._carry, self._items
        order = range(self._count - 1, -1, -1) if self._reverse else range(self._count)
        if not self._count:
            return self._nothing()
        leaves = can_hold(carry.leaves, items.leaves)
        first = [part_of(a, order[0]) for a in items.leaves]
        for _ in range(3):
            given = list(map(looks, leaves))
            new, y = self._body([owned(a) for a in leaves], [owned(a) for a in first])
            after, made = carry.open(new), Tree(y, "y")
            place = place_of((*leaves, *items.leaves, *after, *made.leaves))
            if place is not None:
                arrays = [place.array(a, spec) for a, spec in zip(leaves, given, strict=True)]
                given = [
                    ArraySpec(s.shape, s.dtype, g.weak)
                    for s, g in zip((looks(place.leaf(a, 0)) for a in arrays), given, strict=True)
                ]
            specs = settled(carry, given, list(map(looks, after)))
            turned = [_as_kind(a, spec) for a, spec in zip(leaves, specs, strict=True)]
            if all(map(operator.is_, turned, leaves)):
                break
            leaves = turned  # a whole number that becomes a float: the first step counts with the float
        if place is not None:
            try:
                return self._placed(place, leaves, specs)
            except Followed:
                pass
            except OperationNotSupportedError:
                # a branch of the body may be taken on values, or an index by a number that is counted
                if not (place.own.unrolls or place.own.has_values(place.like)):
                    raise
        outer = recording_of((*leaves, *items.leaves, *after, *made.leaves))
        if outer is not None and self._count > 1:
            try:
                return self._recorded(outer, leaves, specs)
            except (OperationNotSupportedError, np.linalg.LinAlgError):
                pass  # with all its steps written out it may be possible
        if self._segments:
            return self._in_segments(order, after, made, specs)
        return self._on_values(order, after, made, specs)

    def _recorded(self, outer: Recording, leaves: list[Any], specs: list[ArraySpec]) -> tuple[Any, Any]:
        """As one operation of a program that is being recorded."""
        carry, items, count = self._carry, self._items, len(self._carry.leaves)
        made: list[Tree] = []

        def step(boxes: list[Any]) -> list[Any]:
            new, y = self._body(boxes[:count], boxes[count:])
            after = carry.open(new)
            same_form(carry, specs, after)
            made[:] = [Tree(y, "y")]
            return [*map(value_of, after, specs), *map(value_of, made[0].leaves)]

        start = list(map(value_of, leaves, specs))
        xs = list(map(value_of, items.leaves))
        parts = [example(x)[0] for x in xs]
        forms = [ArraySpec(np.shape(a), a.dtype) for a in parts]
        body, given = closed(step, [*start, *parts], [*specs, *forms], outer)
        found = scan_values(body, start, xs, given, length=self._count, reverse=self._reverse)
        found = tuple(map(wrap, found))
        return carry.build(found[:count]), made[0].build(found[count:])

    def _nothing(self) -> tuple[Any, Any]:
        """Of no steps: the carry as it is, and no entries of what a step would give."""
        carry, items = self._carry, self._items
        x = [_zeros(looks(a), looks(a).shape[1:]) for a in items.leaves]
        _, y = self._body([owned(a) for a in carry.leaves], x)
        made = Tree(y, "y")
        empty = [_zeros(looks(a), (0, *looks(a).shape)) for a in made.leaves]
        return carry.build(carry.leaves), made.build(empty)

    def _on_values(
        self, order: range, after: list[Any], made: Tree, specs: list[ArraySpec]
    ) -> tuple[Any, Any]:
        """In Python; the first step has been taken."""
        kept: list[list[Any]] = [[snapshot(leaf)] for leaf in made.leaves]
        after = self._steps(self._body, after, self._items.leaves, order[1:], made, specs, kept)
        ys = [stacked(parts[::-1] if self._reverse else parts) for parts in kept]
        return self._carry.build(after), made.build(ys)

    def _steps(
        self,
        body: Body,
        after: list[Any],
        items: Sequence[Any],
        order: range,
        made: Tree,
        specs: list[ArraySpec],
        kept: list[list[Any]],
    ) -> list[Any]:
        """The carry after some steps; what they give is added to what is kept."""
        for k in order:
            new, y = body([owned(a) for a in after], [part_of(a, k) for a in items])
            after = self._carry.open(new)
            same_form(self._carry, specs, after)
            for parts, leaf in zip(kept, made.open(y), strict=True):
                parts.append(snapshot(leaf))
        return after

    def _in_segments(
        self, order: range, after: list[Any], made: Tree, specs: list[ArraySpec]
    ) -> tuple[Any, Any]:
        """In Python, in runs of steps that reverse mode computes again; the first step has been taken."""
        items, count, outer = self._items.leaves, len(after), active(self._step)
        if any(map(is_bare, (*after, *items, *made.leaves, *outer))):
            return self._on_values(order, after, made, specs)  # arrays of a library itself

        def steps(values: Sequence[Any], here: range) -> list[Any]:
            leaves = list(map(wrap, values))
            state, xs, given = (
                leaves[:count],
                leaves[count : count + len(items)],
                leaves[count + len(items) :],
            )
            body = self._made(replaced(self._step, outer, given)) if outer else self._body
            ys: list[list[Any]] = [[] for _ in made.leaves]
            new = self._steps(body, state, xs, here, made, specs, ys)
            rows = [stacked(parts[::-1] if self._reverse else parts) for parts in ys]
            return [*map(value_of, new, specs), *map(value_of, rows)]

        found = in_segments(
            steps, list(map(value_of, after, specs)), items, outer, order, min(self._segments, len(order))
        )
        if found is None:
            return self._on_values(order, after, made, specs)
        final, rows = found
        first = [[stacked([snapshot(leaf)])] for leaf in made.leaves]
        columns = [[*one, *more] for one, more in zip(first, rows, strict=True)] if rows else first
        ys = [np.concatenate(parts[::-1] if self._reverse else parts) for parts in columns]
        return self._carry.build(final), made.build(ys)

    def _placed(self, place: Place, leaves: list[Any], specs: list[ArraySpec]) -> tuple[Any, Any]:
        """As one operation of a library."""
        carry, items, count = self._carry, self._items, len(self._carry.leaves)
        made: list[Tree] = []
        into = placed(carry, specs, place)

        def step(boxes: list[Any]) -> list[Any]:
            new, y = self._body(boxes[:count], boxes[count:])
            made[:] = [Tree(y, "y")]
            return [*into(new), *map(place.array, made[0].leaves)]

        on_arrays = place.on_arrays(step)

        def body(state: Sequence[Any], x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            out = on_arrays([*state, *x])
            return out[:count], out[count:]

        start = place.arrays(leaves, specs)
        xs = [place.array(a) for a in items.leaves]
        loop = Steps(body, start, xs, self._count, self._reverse, self._segments)
        final, ys = place.own.scan(loop)
        return carry.build(list(map(place.result, final))), made[0].build(list(map(place.result, ys)))


def value_of(leaf: Any, spec: ArraySpec | None = None) -> Any:
    """A leaf as a value, of a dtype."""
    value = (
        unbox(leaf) if isinstance(leaf, Box) else np.asarray(leaf, None if spec is None else spec.dtype)[()]
    )
    if spec is not None and value.dtype != spec.dtype:
        value = astype(value, dtype=spec.dtype)
    return value


def _zeros(spec: ArraySpec, shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, spec.dtype if isinstance(spec.dtype, np.dtype) else float)


def _as_kind(leaf: Any, spec: ArraySpec) -> Any:
    """A Python number of the kind that the loop carries."""
    kind = type(leaf)
    if kind not in (int, float) or not isinstance(spec.dtype, np.dtype) or spec.kind not in "fc":
        return leaf
    wanted = float if spec.kind == "f" else complex
    return leaf if kind is wanted else wanted(leaf)


def fori_loop(
    lower: int,
    upper: int,
    body: Callable[[Any, Any], Any],
    init: Any,
    *,
    checkpoint: bool | int = False,
) -> Any:
    """Count from ``lower`` to ``upper``: ``for i in range(lower, upper): carry = body(i, carry)``.

    Parameters
    ----------
    lower, upper : int
        The first number, and the one before which it ends; known numbers, no traced ones.
    body : callable
        ``body(i, carry)``, giving the next carry, written in NumPy.
    init : array, number or tree of them
        What the first step begins with; see ``scan``.
    checkpoint : bool or int
        As in ``scan``.

    Returns
    -------
    like ``init``
        The carry after the last step.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def power(x):
    ...     return ad.fori_loop(0, 5, lambda i, y: y * x, 1.0)
    >>> float(ad.derivative(power, 2.0))
    80.0
    """
    try:
        first, last = operator.index(lower), operator.index(upper)
    except TypeError:
        raise refused(
            "fori_loop counts between numbers that are known",
            "use polyad.while_loop where the number of steps is computed",
        ) from None
    start, numbers = Tree(init, "carry"), Tree(np.arange(first, max(first, last)), "i")
    count = len(numbers.leaves[0])
    if not count:
        return init

    def made(body: Callable[[Any, Any], Any]) -> Body:
        def step(leaves: Sequence[Any], i: Sequence[Any]) -> tuple[Any, Any]:
            (k,) = i
            return body(int(k) if isinstance(k, np.integer) else k, start.build(leaves)), None

        return step

    segments = segments_of(checkpoint, count)
    return _Scan(body, made, start, numbers, count, reverse=False, segments=segments).run()[0]
