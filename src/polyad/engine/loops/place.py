"""Where a loop runs: in Python, or as the one operation of a library that has loops of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, library_of
from polyad.arrays.library import ArraySpec
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import Tracer, Value, settled, shape_of, under_way
from polyad.engine.interpretations.adapter import Adapter, adapter
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.proxy import Proxy, is_kept, numbers
from polyad.engine.loops.leaves import Tree, same_form
from polyad.engine.rules.structure import broadcast_to

__all__ = ["Followed", "Place", "place_of", "placed"]

Body = Callable[..., Any]


class Followed(Exception):
    """A body met what a differentiation by the engine follows, which a library's own loop cannot carry."""


class Place:
    """A library that has loops, and how the body's boxes and its arrays become each other.

    Parameters
    ----------
    own : Adapter
        The library's.
    boxed : bool
        Whether the body computes with boxes; otherwise with the library's arrays themselves.
    like : array
        One of its arrays.
    """

    def __init__(self, own: Adapter, like: Any, *, boxed: bool) -> None:
        self.own, self.boxed, self.like = own, boxed, like

    def array(self, leaf: Any, spec: ArraySpec | None = None) -> Any:
        """A leaf as the library's array, in a dtype."""
        value = unbox(leaf) if isinstance(leaf, Box) else leaf
        value = settled(value)
        if is_kept(value):
            value = numbers(value)
        if type(value) is Proxy:
            found = value.array
        elif isinstance(value, Tracer):
            raise Followed
        elif self.own.is_own(value) and library_of(value) is not PLAIN:
            found = value
        else:
            plain = np.asarray(value) if spec is None or not spec.weak else np.asarray(value, spec.dtype)
            found = self.own.constant(plain, self.like)
        return found if spec is None else self.own.cast(found, spec.dtype)

    def arrays(self, leaves: Iterable[Any], specs: Sequence[ArraySpec]) -> list[Any]:
        """Leaves as arrays of these dtypes."""
        return [self.array(leaf, spec) for leaf, spec in zip(leaves, specs, strict=True)]

    def leaf(self, array: Any, run: int) -> Any:
        """An array as the body has it."""
        return Box(Proxy(self.own.name, array, run)) if self.boxed else array

    def result(self, array: Any) -> Any:
        """An array that a loop has given, as the code around it has it."""
        if not self.boxed:
            return array
        return wrap(Proxy(self.own.name, array, self.run)) if self.own.is_own(array) else array

    run = 0
    # of the differentiations in forward mode whose tangents go through the loop, outermost last: the level,
    # and how many directions there are
    levels: tuple[tuple[int, int], ...] = ()

    def follow(self, leaves: Iterable[Any]) -> None:
        """Let the loop carry the tangents that come with leaves.

        Raises
        ------
        Followed
            If reverse mode follows one of them.
        """
        found = dict(self.levels)
        for leaf in leaves:
            _levels(unbox(leaf) if isinstance(leaf, Box) else leaf, found)
        self.levels = tuple(sorted(found.items(), reverse=True))

    def apart(self, leaves: Iterable[Any], specs: Sequence[ArraySpec]) -> list[Any]:
        """Leaves as arrays of these dtypes, each followed by its tangents."""
        found = []
        for leaf, spec in zip(leaves, specs, strict=True):
            value = settled(unbox(leaf) if isinstance(leaf, Box) else leaf)
            parts = [value]
            if _is_real(spec):
                for level, count in self.levels:
                    parts = [part for v in parts for part in _split(v, level, count, spec)]
            found += [self.array(part, spec) for part in parts]
        return found

    def together(self, arrays: Sequence[Any], specs: Sequence[ArraySpec], run: int) -> list[Any]:
        """The boxes of arrays with their tangents."""
        if not self.levels:
            return [self.leaf(array, run) for array in arrays]
        rest, found = iter(arrays), []
        for spec in specs:
            count = 2 ** len(self.levels) if _is_real(spec) else 1
            parts: list[Value] = [Proxy(self.own.name, next(rest), run) for _ in range(count)]
            if count > 1:
                for level, _ in reversed(self.levels):
                    pairs = zip(parts[::2], parts[1::2], strict=True)
                    parts = [Dual(level, primal, tangent) for primal, tangent in pairs]
            found.append(Box(parts[0]))
        return found

    def on_leaves(
        self, f: Callable[[list[Any]], list[Any]], specs: Sequence[ArraySpec]
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """As ``on_arrays``, of leaves of these forms with their tangents."""

        def call(arrays: Sequence[Any]) -> list[Any]:
            with under_way() as run:
                return f(self.together(arrays, specs, run))

        return call

    def results(self, arrays: Sequence[Any], specs: Sequence[ArraySpec]) -> list[Any]:
        """What a loop has given, as the code around it has it."""
        return self.together(arrays, specs, self.run) if self.levels else list(map(self.result, arrays))

    def on_arrays(self, f: Callable[[list[Any]], list[Any]]) -> Callable[[Sequence[Any]], list[Any]]:
        """A function of leaves as one of arrays, which the library may call whenever it traces."""

        def call(arrays: Sequence[Any]) -> list[Any]:
            with under_way() as run:
                return f([self.leaf(array, run) for array in arrays])

        return call


def place_of(leaves: Iterable[Any]) -> Place | None:
    """Where a loop of these leaves runs; None for Python."""
    found: Place | None = None
    for leaf in leaves:
        kind = type(leaf)
        if kind is float or kind is np.ndarray or kind is np.float64:
            continue
        if isinstance(leaf, Box):
            value = settled(leaf._value)
            if not isinstance(value, Tracer) or is_kept(value):
                continue
            if type(value) is not Proxy:
                return None  # the engine follows it
            if found is None or not found.boxed:
                own = adapter(value.library)
                if not own.loops:
                    return None
                found = Place(own, value.array, boxed=True)
                found.run = value.run
            continue
        owner = library_of(leaf)
        if found is None and owner is not None and owner.is_foreign and owner.adapter:
            own = adapter(owner.name)
            if own.loops:
                found = Place(own, leaf, boxed=False)
    return found


def placed(tree: Tree, specs: Sequence[ArraySpec], place: Place) -> Callable[[Any], list[Any]]:
    """From what the body returns to arrays of the form that the loop carries."""

    def arrays(found: Any) -> list[Any]:
        leaves = tree.open(found)
        same_form(tree, specs, leaves)
        return place.apart(leaves, specs)

    return arrays


def _is_real(spec: ArraySpec) -> bool:
    """Whether an array has tangents."""
    return spec.kind in "fc"


def _levels(value: Value, found: dict[int, int]) -> None:
    """The levels of forward mode that follow a value, each with the number of its directions."""
    value = settled(value)
    if type(value) is Dual:
        found[value.level] = value.tangent.shape[0]
        _levels(value.primal, found)
        _levels(value.tangent, found)
    elif isinstance(value, Tracer) and type(value) is not Proxy:
        raise Followed


def _split(value: Value, level: int, count: int, spec: ArraySpec) -> tuple[Value, Value]:
    """A value and its tangents at a level."""
    value = settled(value)
    whole = (count, *shape_of(value))
    if type(value) is Dual and value.level == level:
        t = value.tangent
        return value.primal, t if shape_of(t) == whole else broadcast_to(t, shape=whole)
    return value, np.zeros(whole, spec.dtype)
