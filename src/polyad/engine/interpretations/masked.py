"""Cotangents of which some entries are zero because nothing of them was chosen.

``np.where(x > 0, x * np.log(x), 0)`` has the derivative zero at ``x <= 0``, though ``log`` has an infinite
one there, or none: nothing depends on an entry that was not chosen. A zero that is computed is different:
``sqrt(x) * sqrt(x)`` at zero is ``0 * inf`` and has the derivative one. So the reverse sweep keeps a mask of
the entries that were chosen, computes the others too, whatever they become, and replaces them by zeros where
entries of several places are added.

Mostly no entry that was not chosen has such a derivative, and the masks change nothing. So a tape of plain
numbers is swept without them first, and with them where something comes out that is not a number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.values import PRIMITIVES, Binary, Primitive, Tracer, Value, base, shape_of

__all__ = ["MASKS", "Masked", "chosen", "picked", "settled", "shared"]

# entry by entry, and linear in the cotangent
KEEPING = frozenset("multiply divide negative conjugate real imag astype".split())
PRODUCTS = frozenset({"matmul", "einsum"})
# what moves entries about: done to the entries and to the mask
MOVING = frozenset("reshape transpose broadcast_to getitem".split())
# what adds entries up: where one that counts is among them, the sum does
ADDING = frozenset("sum cumsum scatter".split())


class _Masks(threading.local):
    """Whether the reverse sweep of this thread keeps masks."""

    kept = True


MASKS = _Masks()


class Masked(Tracer):
    """A cotangent and a mask of the entries that count; the others are zero, whatever ``value`` holds there.

    Parameters
    ----------
    value : Value
        The entries.
    mask : Value or callable
        Truth values that broadcast against them, or a function that gives them when they are needed.
    side : bool
        Which truth value counts.
    clean : bool
        Whether the other entries of ``value`` are zeros.
    """

    __slots__ = ("_mask", "clean", "side", "value")
    level = 2**62  # above every differentiation: it occurs in the reverse sweep only

    def __init__(self, value: Value, mask: Any, side: bool, *, clean: bool) -> None:
        self.value, self._mask, self.side, self.clean = value, mask, side, clean

    @property
    def mask(self) -> Value:
        """Where it counts, if ``side``, and where not otherwise."""
        if callable(self._mask):
            self._mask = self._mask()
        return self._mask

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return shape_of(self.value)

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    def lower(self) -> Value:
        return self.settled()

    def settled(self) -> Value:
        """The cotangent with its zeros."""
        if not self.clean:
            where, mask, v = PRIMITIVES["where"], self.mask, self.value
            if not (self.side and type(mask) is np.ndarray and mask.all()):
                self.value = where(mask, v, 0.0) if self.side else where(mask, 0.0, v)
            self.clean = True
        return self.value

    def alive(self) -> Value:
        """Where it counts."""
        return self.mask if self.side else PRIMITIVES["logical_not"](self.mask)

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        name = primitive.name
        masks = [a for a in args if type(a) is Masked]
        if name in KEEPING and len(masks) == 1:
            value = primitive(*[a.value if a is self else a for a in args], **params)
            return Masked(value, self._mask, self.side, clean=False)
        if name == "add" and len(masks) == 2:
            return _sum(*masks)
        if name in MOVING and not isinstance(params.get("index"), Tracer):
            return self._moved(lambda a: primitive(a, **params))
        if name in ADDING and not isinstance(params.get("index"), Tracer):
            w, touched = self.settled(), self._touched
            return Masked(primitive(w, **params), lambda: touched(primitive, params), True, clean=True)
        if name in PRODUCTS and len(masks) == 1:
            return self._product(primitive, args, params)
        return primitive(*[a.settled() if type(a) is Masked else a for a in args], **params)

    def with_number(self, primitive: Binary, a: Value, b: Value, side: int) -> Value:
        return self.process(primitive, (a, b), {})

    def _touched(self, primitive: Primitive, params: dict[str, Any]) -> Value:
        """Where a sum of entries counts."""
        return PRIMITIVES["not_equal"](primitive(self._counted(), **params), 0.0)

    def _counted(self) -> Value:
        return _full(PRIMITIVES["where"](self.alive(), 1.0, 0.0), self.shape)

    def _product(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        """A sum of products with other operands, of which what meets no entry that counts may be infinite."""
        place = next(k for k, a in enumerate(args) if a is self)
        ones = [np.broadcast_to(1.0, shape_of(a)) for a in args]

        def touched() -> Value:
            parts = [self._counted() if k == place else one for k, one in enumerate(ones)]
            return PRIMITIVES["not_equal"](primitive(*parts, **params), 0.0)

        parts: list[Value] = [self.settled() if a is self else a for a in args]
        result = primitive(*parts, **params)
        if not is_finite(result):
            parts = [self._met(primitive, place, k, a, ones, params) for k, a in enumerate(parts)]
            result = primitive(*parts, **params)
        return Masked(result, touched, True, clean=False)

    def _met(
        self, primitive: Primitive, place: int, k: int, a: Value, ones: list[Any], params: dict[str, Any]
    ) -> Value:
        """An operand, zero where it meets no entry that counts."""
        if k == place:
            return a
        parts = [self._counted() if j == place else one for j, one in enumerate(ones)]
        y = np.broadcast_to(1.0, shape_of(primitive(*ones, **params)))
        w = np.ones(y.shape)
        if primitive.joint is not None:
            (met,) = primitive.joint((k,), y, *parts, **params)(w)
        else:
            met = primitive.pulls[k](y, *parts, **params)(w)
        return PRIMITIVES["where"](PRIMITIVES["not_equal"](met, 0.0), a, 0.0)

    def _moved(self, move: Callable[[Value], Value]) -> Value:
        """The entries at other places."""
        shape = self.shape
        return Masked(move(self.value), lambda: move(_full(self.mask, shape)), self.side, clean=self.clean)

    def __repr__(self) -> str:
        return f"Masked({self.value!r})"


def is_finite(a: Value) -> bool:
    """Whether all numbers are finite, as far as there are numbers."""
    known = base(a)
    return isinstance(known, Tracer) or bool(np.isfinite(known).all())


def _full(a: Value, shape: tuple[int, ...]) -> Value:
    return a if shape_of(a) == shape else PRIMITIVES["broadcast_to"](a, shape=shape)


def _sum(a: Masked, b: Masked) -> Value:
    """A sum counts where one of them does."""
    if a._mask is b._mask and a.side == b.side:
        return Masked(a.value + b.value, a._mask, a.side, clean=a.clean and b.clean)
    union = PRIMITIVES["logical_or"]
    return Masked(a.settled() + b.settled(), lambda: union(a.alive(), b.alive()), True, clean=True)


def settled(w: Value) -> Value:
    """A cotangent with its zeros."""
    return w.settled() if type(w) is Masked else w


def picked(w: Value, places: Sequence[tuple[Any, Value]]) -> Masked:
    """A cotangent of an array of which nothing but the entries at some places was used.

    Parameters
    ----------
    w : Value
        The cotangent.
    places : sequence of (index, mask)
        The indices, without tracers, and which of the entries there count; None for all.
    """
    shape = shape_of(w)

    def used() -> np.ndarray:
        mask = np.zeros(shape, dtype=bool)
        for index, alive in places:
            if not shape:
                mask |= True if alive is None else bool(np.any(alive))
                continue
            if alive is not None:  # a place that is named twice counts where one of them does
                found = np.arange(mask.size).reshape(shape)[index]
                index = np.unravel_index(found[np.broadcast_to(alive, found.shape)], shape)
            mask[index] = True
        return mask

    return Masked(w, used, True, clean=True)


def shared(part: Value, term: Value) -> Value:
    """A term of a tangent with zeros where its part is zero, even if the tangent is infinite there."""
    if type(part) is np.ndarray and type(term) is np.ndarray:
        return np.where(part, term, 0.0)
    return PRIMITIVES["where"](PRIMITIVES["equal"](part, 0), 0.0, term)


def chosen(w: Value, mask: Any, side: bool, clean: Value = None) -> Value:
    """The part of a cotangent that reaches one of the two operands of a choice.

    Parameters
    ----------
    w : Value
        The cotangent of the result.
    mask : Value or callable
        As ``Masked`` has it.
    side : bool
        Which truth value of it counts.
    clean : Value, optional
        What reaches it, where that is known; otherwise it is picked by the mask, an array.

    Returns
    -------
    Value or None
        None where nothing of it was chosen, as far as that is a single choice.
    """
    if clean is None and isinstance(mask, np.ndarray | np.bool_) and not mask.shape:
        return w if bool(mask) is side else None
    if clean is None:
        where = PRIMITIVES["where"]
        entries = settled(w)
        clean = where(mask, entries, 0.0) if side else where(mask, 0.0, entries)
    if not MASKS.kept:
        return clean
    result = Masked(clean, mask, side, clean=True)
    if type(w) is not Masked:
        return result
    both = PRIMITIVES["logical_and"]
    return Masked(clean, lambda: both(w.alive(), result.alive()), True, clean=True)
