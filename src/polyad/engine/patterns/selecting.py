"""What a function selects of its input before it computes: which numbers, and the function of these.

The input runs through the function as ``Moved`` values. What moves entries to known places gives another such
value; anything else takes what was selected so far, of which the rest of the function is a function.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine import run
from polyad.engine.boxes.boxing import KEEPERS, recorder
from polyad.engine.core.indices import is_basic
from polyad.engine.core.values import ALIVE, PRIMITIVES, Primitive, Tracer, Value, keys_of, new_level

__all__ = ["Elsewhere", "Path", "followed", "found"]

MOVES = frozenset({"getitem", "reshape", "transpose", "broadcast_to"})
# of a function that takes its input apart in more steps, a program would be long
MOST_STEPS, MOST_PARTS = 256, 64
Function = Callable[..., tuple[Sequence[Any], Sequence[Any]]]


class Elsewhere(Exception):
    """The function selects other entries than it did at preparation."""


class Path:
    """What was selected when a function ran first.

    Attributes
    ----------
    steps : list of tuple
        Of each step which value it moved (inputs first), the name of the operation, its parameters, and the
        shape of what came out.
    parts : list of int
        The values that something else was computed with, in the order in which that happened.
    positions : list of array
        Of each of these which entries of the input, counted through all leaves.
    gathers : bool
        Whether a step picks entries by an array of indices.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[int, str, dict[str, Any], tuple[int, ...]]] = []
        self.parts: list[int] = []
        self.positions: list[np.ndarray] = []
        self.gathers = False


class _Walk:
    """One run of the function: what it has moved, and what it has taken."""

    def __init__(self, path: Path, count: int, level: int) -> None:
        self.path, self.level = path, level
        self.count = count  # how many values there are
        self.taken: dict[int, Value] = {}
        self.strays = False  # whether it has selected others, which the user's code may have caught
        self.keeper: Value = None  # a value on the tape that keeps what is met

    def moved(self, x: Moved, primitive: Primitive, params: dict[str, Any]) -> Value | None:
        raise NotImplementedError

    def part(self, x: Moved) -> Value:
        known = self.taken.get(x.index)
        if known is None:
            known = self.taken[x.index] = self.first(x)
        return known

    def first(self, x: Moved) -> Value:
        raise NotImplementedError


class _Finding(_Walk):
    """The first run, on numbers."""

    def __init__(self, path: Path, count: int, level: int, flat: np.ndarray) -> None:
        super().__init__(path, count, level)
        self.flat = flat

    def moved(self, x: Moved, primitive: Primitive, params: dict[str, Any]) -> Value | None:
        path = self.path
        places = primitive.compute(x.places, **params)
        if primitive.name == "broadcast_to" and np.size(places) != x.places.size:
            return None
        if len(path.steps) >= MOST_STEPS or not np.shape(places):
            return None  # a number is taken out of what was selected
        index = params.get("index")
        if index is not None and not is_basic(index):
            path.gathers = True
            params = {"index": _copied(index)}
        path.steps.append((x.index, primitive.name, params, np.shape(places)))
        self.count += 1
        return Moved(self, self.count - 1, places, np.shape(places), x.dtype)

    def first(self, x: Moved) -> Value:
        self.path.parts.append(x.index)
        self.path.positions.append(x.places)
        return self.flat[x.places].astype(x.dtype)


class _Following(_Walk):
    """A later run, which has to take the same steps."""

    def __init__(self, path: Path, count: int, level: int, given: Sequence[Value]) -> None:
        super().__init__(path, count, level)
        self.given, self.start = given, count
        self.keeper = next(filter(recorder, given), None)

    def moved(self, x: Moved, primitive: Primitive, params: dict[str, Any]) -> Value | None:
        k = self.count - self.start
        steps = self.path.steps
        if k >= len(steps):
            if len(steps) < MOST_STEPS:
                self._otherwise(x, primitive, params)
            return None
        index, name, known, shape = steps[k]
        if index != x.index or name != primitive.name or not _same(known, params):
            self._otherwise(x, primitive, params)
            return None
        self.count += 1
        return Moved(self, self.count - 1, None, shape, x.dtype)

    def _otherwise(self, x: Moved, primitive: Primitive, params: dict[str, Any]) -> None:
        """What is no step is a number taken out, or an array made larger; otherwise it is another path."""
        shape = primitive.compute(np.broadcast_to(0, x.shape), **params).shape
        larger = primitive.name == "broadcast_to" and np.prod(shape) != x.size
        if shape and not larger:
            self.strays = True
            raise Elsewhere
        return None

    def first(self, x: Moved) -> Value:
        k = len(self.taken)
        if k >= len(self.path.parts) or self.path.parts[k] != x.index:
            self.strays = True
            raise Elsewhere
        value = self.given[k]
        axes = tuple(range(len(x.shape)))[::-1]
        return PRIMITIVES["transpose"](value, axes=axes) if len(axes) > 1 else value


class Moved(Tracer):
    """Entries of the input, as they are.

    Parameters
    ----------
    walk : _Walk
        The run.
    index : int
        Its number.
    places : array of int or None
        Which entries; None in a later run.
    shape, dtype
        As of any array.
    """

    __slots__ = ("dtype", "index", "level", "places", "shape", "walk")

    def __init__(self, walk: _Walk, index: int, places: Any, shape: tuple[int, ...], dtype: Any) -> None:
        self.walk, self.level, self.index, self.places = walk, walk.level, index, places
        self.shape, self.dtype = shape, dtype

    def lower(self) -> Value:
        return self.walk.part(self)

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        if len(args) == 1 and primitive.name in MOVES and _is_known(params.get("index", 0)):
            found = self.walk.moved(self, primitive, params)
            if found is not None:
                return found
        level = self.level
        parts = [a.walk.part(a) if type(a) is Moved and a.level == level else a for a in args]
        return primitive(*parts, **params)


KEEPERS[Moved] = lambda value: recorder(value.walk.keeper)


def found(f: Function, x: Sequence[Any], c: Any) -> Path | None:
    """What a function selects; None where it gathers nothing, or takes its input apart in many steps.

    Parameters
    ----------
    f : callable
        ``f(x, c) -> (y, aux)`` on boxes.
    x : sequence of array
        Its active leaves.
    c : tuple
        The others.
    """
    flat = np.concatenate([np.reshape(leaf, -1) for leaf in x])
    path, start, shapes = Path(), 0, []
    for leaf in x:
        shapes.append(np.arange(start, start + leaf.size).reshape(leaf.shape))
        start += leaf.size
    _ran(f, x, c, lambda level: _Finding(path, len(shapes), level, flat), shapes)
    if not path.gathers or len(path.parts) > MOST_PARTS or len(path.steps) >= MOST_STEPS:
        return None
    return path


def followed(f: Function, x: Sequence[Any], c: Any, path: Path, parts: Sequence[Any]) -> Any:
    """The output and aux of the function of what it selects.

    Parameters
    ----------
    f : callable
        ``f(x, c) -> (y, aux)`` on boxes.
    x : sequence of array
        Examples of its active leaves.
    c : tuple
        The others.
    path : Path
        What it selects.
    parts : sequence
        The numbers themselves, each array with its axes the other way round.

    Raises
    ------
    Elsewhere
        If it selects anything else.
    """
    values = [run.enter(part) for part in parts]
    return _ran(f, x, c, lambda level: _Following(path, len(x), level, values), [None] * len(x))


def _ran(f: Function, x: Sequence[Any], c: Any, walk_at: Any, places: Sequence[Any]) -> Any:
    level = new_level()
    try:
        ALIVE.add(level)
        walk = walk_at(level)
        boxes = tuple(
            run.given(Moved(walk, k, place, leaf.shape, leaf.dtype), leaf)
            for k, (leaf, place) in enumerate(zip(x, places, strict=True))
        )
        y, aux = f(boxes, c)
        if walk.strays:
            raise Elsewhere
        outputs = [run.outcome(leaf) for leaf in y]
        outputs = [walk.part(v) if type(v) is Moved and v.level == level else v for v in outputs]
    finally:
        ALIVE.discard(level)
    return tuple(run.leave(v, level) for v in outputs), tuple(run.lowered(leaf, level) for leaf in aux)


def _is_known(index: Any) -> bool:
    return not any(isinstance(k, Tracer) for k in keys_of(index))


def _copied(index: Any) -> Any:
    return (
        tuple(np.copy(k) if isinstance(k, np.ndarray) else k for k in index)
        if type(index) is tuple
        else np.copy(index)
    )


def _same(a: Any, b: Any) -> bool:
    """Whether two parameters of an operation are the same."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)
        )
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(_same, a, b))
    if type(a) is dict:
        return a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if type(a) is slice and type(b) is slice:
        return (a.start, a.stop, a.step) == (b.start, b.stop, b.step)
    return type(a) is type(b) and bool(operator.eq(a, b))
