"""``stop_gradient`` where derivatives are differences: what is stopped keeps its value at the point.

Differences see a function from outside, so a value that is meant to be constant has to be the same at
every sample. It is noted down at the point itself and given again beside it, call by call in order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import Structure, flatten
from polyad.errors import OperationNotSupportedError

__all__ = ["Stops", "differenced", "elsewhere", "kept"]


class _State(threading.local):
    stops: Stops | None = None


STATE = _State()


class Unrecorded(BaseException):
    """Something is to be stopped beside a point at which nothing was noted down yet."""


class Stops:
    """What a function stops, at one point.

    Parameters
    ----------
    at_point : callable
        Runs the function at the point.
    """

    def __init__(self, at_point: Callable[[], Any]) -> None:
        self._at_point = at_point
        self._noted: list[tuple[tuple[Any, ...], Structure]] | None = None
        self._outer = STATE.stops
        self._recording = False
        self._next = 0

    def run(self, f: Callable[..., Any], *args: Any) -> Any:
        """The function beside the point."""
        STATE.stops, self._next = self, 0
        try:
            return f(*args)
        except Unrecorded:
            pass
        finally:
            STATE.stops = self._outer
        self._note()
        return self.run(f, *args)

    def _note(self) -> None:
        STATE.stops, self._noted, self._recording = self, [], True
        try:
            self._at_point()
        finally:
            STATE.stops, self._recording = self._outer, False

    def value(self, tree: Any) -> Any:
        """The tree that takes the place of one that is stopped."""
        if self._noted is None:
            raise Unrecorded
        if self._recording:
            if self._outer is not None:
                tree = self._outer.value(tree)
            leaves, structure = flatten(tree)
            self._noted.append((tuple(map(_own, leaves)), structure))
            return tree
        k, self._next = self._next, self._next + 1
        structure = flatten(tree)[1]
        if k >= len(self._noted) or self._noted[k][1] != structure:
            raise OperationNotSupportedError(
                "stop_gradient stops other values beside the point than at it, so that differences cannot "
                "know which are meant: use backend='numpy'"
            )
        return structure.unflatten(map(_own, self._noted[k][0]))


class _Elsewhere(Stops):
    """For other processes, which do not know the values at the point."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def value(self, tree: Any) -> Any:
        raise OperationNotSupportedError(
            "stop_gradient in a function whose differences are evaluated by workers, which do not know its "
            "values at the point: leave out workers=, or use backend='numpy'"
        )


def elsewhere(f: Callable[..., Any], *args: Any) -> Any:
    """The function where nothing is known of the point."""
    return _Elsewhere().run(f, *args)


def differenced() -> bool:
    """Whether the code that asks runs for differences, here or for another process."""
    return STATE.stops is not None


def kept(tree: Any) -> Any:
    """What stands for a stopped tree: its value at the point, where differences are being taken."""
    stops = STATE.stops
    return tree if stops is None else stops.value(tree)


def _own(leaf: Any) -> Any:
    owner = library_of(leaf)
    return leaf if owner is None else owner.own(leaf)
