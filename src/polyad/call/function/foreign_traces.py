"""A differentiation inside another one, or inside another framework's trace.

Values that something around us follows come in two forms: boxes, where the function around us is NumPy
code, and the framework's own arrays, where it is written for these. A backend differentiates them again
if it is theirs, or if it computes with boxes itself (``hosts``); any other would lose the derivative
around it, and refuses. Results leave in the form that the function around us computes with.

What is followed may reach an inner function without being an argument, as a captured variable. So what a
result is decides, not what went in: a result that is followed is never made a plain array.
"""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, is_followed, library_of
from polyad.arrays.trees import flatten
from polyad.call.inputs.arguments import Static
from polyad.call.inputs.scratch import Cache
from polyad.combine.guest import Guest, exposed
from polyad.errors import FunctionNotSupportedError
from polyad.systems.base import Backend
from polyad.systems.registry import names

__all__ = ["AROUND", "Guests", "admitted", "any_followed", "array_in", "guests", "is_box", "lost"]


class Around(threading.local):
    """The library whose arrays the NumPy code that is running in this thread has in its boxes."""

    library: str | None = None


AROUND = Around()

# what no differentiation follows
UNFOLLOWED = frozenset({np.ndarray, float, int, bool, complex, np.float64, type(None)})


class Guests:
    """How followed values enter an inner differentiation, and how its results leave.

    Parameters
    ----------
    backend : Backend
        Who differentiates inside.
    boxes : bool
        Whether the function around us computes with boxes.
    inside : bool
        Whether something around us is known to follow values.
    """

    def __init__(self, backend: Backend, *, boxes: bool, inside: bool = True) -> None:
        self.inside = inside
        self._backend = backend
        self._boxes = boxes
        # what the function captures of the differentiation around it, and takes as arguments here
        self.extra: tuple[Any, ...] = ()
        self._count: int | None = None

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """All arguments, as the backend computes with them; those that are whole already stay so."""
        if not self.extra:
            return self.enter(args)
        if self._count is None:
            self._count = len(args)
        return self.enter(args if len(args) > self._count else (*args, *self.extra))

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as the backend computes with them."""
        if all([type(a) in UNFOLLOWED for a in args]):
            return args
        form = _boxed if self._backend.hosts else self._opened
        return tuple(
            [a if type(a) in UNFOLLOWED or library_of(a) is PLAIN else _entered(form, a) for a in args]
        )

    def leave(self, result: Any) -> Any:
        """A result as the function around us computes with it."""
        if type(result).__module__ == "numpy":  # the usual one: an array that nothing follows
            return result
        form = _boxed if self._boxes else _unboxed
        if type(result) is tuple:  # of a result and what comes with it
            parts = tuple(_mapped(form, part) for part in result)
            return result if all(map(operator.is_, parts, result)) else parts
        return _mapped(form, result)

    def _opened(self, leaf: Any) -> Any:
        """What is in a box, for a backend that is of the same framework."""
        if not is_box(leaf):
            return leaf
        from polyad.engine.lift import opened

        name, content = opened(leaf)
        if name == "numpy":
            return content
        if name == self._backend.follows:
            return leaf if self._backend.keeps_boxes else content
        raise lost(leaf._value, repr(self._backend))


def guests(backend: Backend, values: tuple[Any, ...], *, once: bool) -> Guests | None:
    """The conversions at the border of an inner differentiation; None where none are needed.

    Parameters
    ----------
    backend : Backend
        Who differentiates inside.
    values : tuple
        Its arguments and seed.
    once : bool
        Whether it is made for a single call, whose function may have captured what is followed.
    """
    plain = all([type(value) in UNFOLLOWED for value in values])
    followed = [] if plain else [leaf for leaf in _leaves(values) if is_followed(leaf)]
    boxes = AROUND.library is not None or any(is_box(leaf) for leaf in followed)
    if boxes or (backend.hosts and (once or followed)):
        return Guests(backend, boxes=boxes, inside=boxes or bool(followed))
    return None


def admitted(
    backend: Backend, f: Callable[..., Any], args: tuple[Any, ...], seed: Any, *, once: bool
) -> tuple[Backend, Callable[..., Any], tuple[Any, ...]]:
    """Who differentiates inside of what follows some of these values, and what else the function takes.

    A backend that cannot follow them runs as their guest (``combine.guest``), and what the function captures
    of them becomes arguments.
    """
    if backend.hosts or not backend.exact or backend.own_forms or isinstance(backend, Guest):
        return backend, f, ()
    given, extra = f, ()
    if once:
        given, extra = exposed(f, len(args))
    if all([type(value) in UNFOLLOWED for value in (*args, seed, *extra)]):
        return backend, f, ()
    if any(_is_foreign(leaf, backend) for leaf in _leaves((*args, seed, *extra))):
        return Guest(backend), given, extra
    return backend, f, ()


def _is_foreign(leaf: Any, backend: Backend) -> bool:
    """Whether something follows a value that the backend cannot follow itself."""
    owner = library_of(leaf)
    if owner is None or owner is PLAIN:
        return False
    if not owner.boxes:
        return owner.name != backend.follows and owner.is_traced(leaf)
    from polyad.engine.lift import opened

    return opened(leaf)[0] not in ("numpy", backend.follows)


def any_followed(values: tuple[Any, ...]) -> bool:
    """Whether a differentiation or a trace around us follows one of the values."""
    return any(map(is_followed, _leaves(values)))


def lost(value: Any, inner: str) -> FunctionNotSupportedError:
    """The error for a value of an outer differentiation in an inner one that cannot follow it."""
    owner = library_of(value)
    name = getattr(value, "library", None if owner is None else owner.name)
    named = name in names()
    outer = name if named else "numpy"
    return FunctionNotSupportedError(
        f"{inner} met a value that the differentiation around it (backend={outer!r}) follows, whose "
        f"derivative it would lose: use backend={outer!r} inside as well"
        + ("" if not named else ", or backend='numpy', which works inside every other")
    )


def _leaves(values: tuple[Any, ...]) -> Iterable[Any]:
    found: list[Any] = []
    for value in values:
        if value is None:
            continue
        if library_of(value) is not None:  # one array or number, as mostly
            found.append(value)
        elif not isinstance(value, Static):
            found.extend(flatten(value.array if isinstance(value, Cache) else value)[0])
    return found


def is_box(leaf: Any) -> bool:
    """Whether a leaf is a box of polyad's engine."""
    owner = library_of(leaf)
    return owner is not None and owner.boxes


def array_in(box: Any) -> Any:
    """The array of another library at the bottom of a box, or None."""
    # a box is there, so the engine is; an import statement would ask for locks
    return sys.modules["polyad.engine.lift"].array_in(box)


def _entered(form: Any, a: Any) -> Any:
    if isinstance(a, Static):
        return a
    return Cache(_mapped(form, a.array)) if isinstance(a, Cache) else _mapped(form, a)


def _mapped(form: Any, tree: Any) -> Any:
    leaves, structure = flatten(tree)
    formed = [form(leaf) for leaf in leaves]
    if all(map(operator.is_, formed, leaves)):
        return tree  # the caller's ``out`` stays itself
    return structure.unflatten(formed)


def _boxed(leaf: Any) -> Any:
    """A framework's followed array in a box; anything else as it is."""
    if not is_followed(leaf) or is_box(leaf):
        return leaf
    from polyad.engine.lift import lift

    return lift(library_of(leaf).name, leaf)  # type: ignore[union-attr]


def _unboxed(leaf: Any) -> Any:
    """The array of a framework in a box; boxes of polyad's own differentiations stay."""
    if not is_box(leaf):
        return leaf
    from polyad.engine.lift import unlift

    array = unlift(leaf)
    return leaf if library_of(array) is None else array
