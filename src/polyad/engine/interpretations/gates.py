"""Choices in other frameworks: what was not chosen stays out of their derivatives.

Their rule of ``where`` gives the branch that was not taken a zero, and its rules multiply that by an infinite
partial, which is not a number. So a branch in which that may happen is computed again from gated operands,
``where(chosen, x, stop(x))``: their values are the same, and what comes back to an entry that was not chosen
is dropped, to any order. The framework drops what nobody uses of the first computation.

Which entries of an operand a choice needs is asked step by step, from the choice back: of an operation entry
by entry the same, of a sum those that were summed, of a choice those that it chose (``Reach``). ``masked`` is
the engine's own, which follows the cotangents themselves.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from polyad.engine.core.kinds import summed
from polyad.engine.core.shifts import SHIFTS, Shift
from polyad.engine.core.values import CHOICES, PRIMITIVES, Primitive, Tracer, Value, keys_of, shape_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.numpy_errors import FAILING

__all__ = ["FOLLOWED", "Made", "gated", "made", "short_way"]

# A value that is longer away from the input than that, or that so many choices lie behind, is taken as it is.
DEPTH, NESTED = 256, 8
# A loop that chooses at every step must not compute its past again at every step: together the choices of a
# run compute no more again than so many times what it has computed, and each may look back over the nearest.
SHARE, AT_ONCE, NEAREST = 2, 128, 24
# What is looked through besides operations entry by entry: what moves, adds up or multiplies entries.
FOLLOWED = frozenset(
    "where reshape transpose broadcast_to sum astype getitem setitem concatenate stack cumsum matmul einsum "
    "max min".split()
)
# of which an infinite operand spoils the derivatives by the others
PRODUCTS = frozenset({"matmul", "einsum"})
# whose cotangents are those of the result at other places
MOVING = frozenset("reshape transpose sum max min astype concatenate stack".split())

# of these the derivatives are finite where the second operand is such a number
_TAME: dict[str, Callable[[Value], bool]] = {
    "power": lambda b: type(b) in (int, float) and b >= 0 and b == int(b),
    "divide": lambda b: type(b) in (int, float) and b != 0,
}

_serials = itertools.count()
_DOUBLE = np.dtype(np.float64)
# of rows of no more entries Python tells whether all are finite
FEW = 24


class Ledger(threading.local):
    """What the run of a function has computed again for its choices, and where its own operations began."""

    run = 0
    start = 0
    again = 0

    def of(self, run: int, how: Made) -> Ledger:
        """The ledger, opened for a run."""
        if run != self.run:
            self.run, self.start, self.again = run, how.serial - how.depth, 0
        return self


LEDGER = Ledger()


class Made:
    """How a value was made."""

    __slots__ = ("args", "choices", "depth", "params", "primitive", "serial", "shift", "steep")

    def __init__(
        self,
        primitive: Primitive,
        args: tuple[Value, ...],
        params: Any,
        counts: tuple[int, int],
        steep: bool,
        shift: Shift | None = None,
    ) -> None:
        self.primitive, self.args, self.params = primitive, args, params
        self.shift = shift
        self.depth, self.choices = counts
        self.steep = steep
        self.serial = next(_serials)


def made(primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Made | None:
    """What is to be remembered of a result.

    None where it is not looked through, and where that tells nothing: without an infinite partial, and
    without a choice.
    """
    steep, depth = primitive.steep or (primitive.lazy and primitive.home != "numpy"), 0
    if steep and primitive.name in _TAME and _TAME[primitive.name](args[1]):
        steep = False
    choices, plain = 0, False
    for a in args:
        before = getattr(a, "made", None)
        if before is not None:
            if before.depth >= depth:
                depth = before.depth + 1
            if before.choices > choices:
                choices = before.choices
            if before.steep:
                steep = True
        elif isinstance(a, np.ndarray):
            plain = True
            if not steep and a.dtype.kind in "fc":
                # of a short row a sum by Python tells it, mostly: that takes less, and warns of nothing
                quick = a.ndim == 1 and a.dtype is _DOUBLE and a.size <= FEW
                steep = not ((quick and isfinite(sum(a.tolist()))) or np.isfinite(a).all())
    if steep and primitive.name == "where":
        choices += 1
    shift = SHIFTS[primitive.name](args, params) if primitive.name in SHIFTS else None
    if not (steep or choices or shift) or depth > DEPTH or choices > NESTED:
        return None
    if plain:  # it may be made again when these have been written to
        args = tuple([a.copy() if isinstance(a, np.ndarray) else a for a in args])
    if "index" in params:
        params = {**params, "index": _fixed(params["index"])}
    return Made(primitive, args, params, (depth, choices), steep, shift)


def _fixed(index: Any) -> Any:
    """An index that nobody writes to."""
    if type(index) is tuple:
        return tuple(map(_fixed, index))
    return index.copy() if isinstance(index, np.ndarray) else index


def _is_steep(a: Value) -> bool:
    found = getattr(a, "made", None)
    return found is not None and found.steep


def gated(
    primitive: Primitive,
    args: tuple[Value, ...],
    params: dict[str, Any],
    stop: Callable[[Value], Value],
    run: int = 0,
) -> tuple[Value, ...]:
    """The operands of a choice, each such that nothing comes back to what was not chosen of it."""
    if not any(map(_is_steep, args)):
        return args
    before = next(_serials)
    ledger = LEDGER.of(run, next(a.made for a in args if _is_steep(a)))
    needs = _needs(primitive, args, params, stop)
    if needs is None:
        return args
    found = []
    for a, mask in zip(args, needs, strict=True):
        if mask is not None and _is_steep(a):
            reach = Reach(stop, ledger)
            reach.wants(a, mask if shape_of(mask) == shape_of(a) else _any(mask, shape_of(a)))
            a = reach.again().get(id(a), a)
        found.append(a)
    ledger.start += next(_serials) - before  # what was made for the gates is not the function's
    return tuple(found)


def _needs(
    primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any], stop: Callable[[Value], Value]
) -> tuple[Value, ...] | None:
    """Which entries of its operands a choice takes: truth values that broadcast, or None for all."""
    name = primitive.name
    if name == "where":
        c = args[0]
        return None, c, PRIMITIVES["logical_not"](c) if _is_steep(args[2]) else None
    if name in ("max", "min"):
        (x,) = args
        top = PRIMITIVES[name](stop(x), **{**params, "keepdims": True})
        if params["axis"] is None:
            top = PRIMITIVES["reshape"](top, shape=(1,) * len(shape_of(x)))
        return (PRIMITIVES["equal"](x, top),)
    if name in ("setitem", "getitem"):
        return _at_index(name, args, params["index"])
    a, b = args
    order = PRIMITIVES["greater_equal" if name in ("maximum", "fmax") else "less_equal"]
    return order(a, b), order(b, a)


def _at_index(name: str, args: tuple[Value, ...], index: Any) -> Any:
    """What is written to, and what a mask picks from; other indices may be as many as entries."""
    x, *rest = args
    shape, picks = shape_of(x), name == "getitem"
    if isinstance(index, Tracer | np.ndarray) and index.dtype.kind == "b" and shape_of(index) == shape:
        return index if picks else PRIMITIVES["logical_not"](index), *[None] * len(rest)
    keys = keys_of(index)
    if picks or any(isinstance(k, Tracer) for k in keys):
        return None
    mask = np.ones(shape, dtype=bool)
    mask[index] = False
    return mask, *[None] * len(rest)


def short_way(own: Adapter, primitive: Primitive) -> tuple[Any, bool, bool, bool] | None:
    """How a primitive is computed where all is double precision; None where more has to be checked first.

    Also whether a choice has to know how its results were made, whether it is a choice itself, and whether
    truth values decide that.
    """
    compute = own.compute(primitive)
    if compute is None or primitive.multiple or (not own.raises and primitive.name in FAILING):
        return None
    remembers = own.traps and (primitive.lazy or primitive.name in FOLLOWED)
    return compute, remembers, own.traps and primitive.chooses, primitive.name == "where"


class Reach:
    """Which entries a choice needs of what it is made of, back to what has no infinite partial behind it."""

    def __init__(self, stop: Callable[[Value], Value], ledger: Ledger) -> None:
        self.stop, self.ledger = stop, ledger
        # by the value's id: the value and the truth values of its entries; None for all
        self.needed: dict[int, tuple[Any, Value]] = {}
        self._queue: list[tuple[int, int]] = []
        # the operands of each value, each with the entries of the result that need it, or of itself
        self._steps: list[tuple[Any, list[Value]]] = []

    def wants(self, value: Any, mask: Value) -> None:
        """Need some entries of a value, besides those that others need."""
        key = id(value)
        if key not in self.needed:
            self.needed[key] = value, mask
            heapq.heappush(self._queue, (-value.made.serial, key))
            return
        known = self.needed[key][1]
        if known is None or mask is None:
            self.needed[key] = value, None
        elif known is not mask:
            self.needed[key] = value, PRIMITIVES["logical_or"](known, mask)

    def again(self) -> dict[int, Value]:
        """The values made again of gated operands, by the ids of those that they stand for."""
        ledger = self.ledger
        known = -self._queue[0][0] - ledger.start
        room = max(NEAREST, AT_ONCE + SHARE * known - ledger.again)
        taken: set[int] = set()
        while self._queue and len(self._steps) < room:
            _, key = heapq.heappop(self._queue)
            value, mask = self.needed[key]
            taken.add(key)
            masks = self._back(value.made, mask, shape_of(value))
            self._steps.append((value, masks))
            for a, part in zip(value.made.args, masks, strict=True):
                if _is_steep(a) and id(a) not in taken:
                    whole = part is None or shape_of(part) == shape_of(a)
                    self.wants(a, part if whole else _any(part, shape_of(a)))
        ledger.again += len(self._steps)
        return self._made(taken)

    def _back(self, how: Made, mask: Value, shape: tuple[int, ...]) -> list[Value]:
        """What a value's entries need of each of its operands: truth values that broadcast to these."""
        primitive, args, params = how.primitive, how.args, how.params
        own = _needs(primitive, args, params, self.stop) if primitive.name in CHOICES else None
        own = own or (None,) * len(args)
        found: list[Value] = []
        for k, (a, chosen) in enumerate(zip(args, own, strict=True)):
            if not isinstance(a, Tracer | np.ndarray) or a.dtype.kind not in "fc":
                found.append(None)
            elif primitive.lazy or primitive.name == "where":
                found.append(_and(mask, chosen))  # a smaller operand is gated as it is when broadcast
            elif mask is None:
                found.append(chosen)
            else:
                part = self._transposed(primitive, k, args, params, mask, shape)
                found.append(_and(part, chosen))
        return found

    def _transposed(
        self,
        primitive: Primitive,
        k: int,
        args: tuple[Value, ...],
        params: dict[str, Any],
        mask: Value,
        shape: tuple[int, ...],
    ) -> Value:
        """Whether an entry of an operand has a part in one that is needed: a cotangent of ones says so."""
        if shape_of(mask) != shape:
            mask = PRIMITIVES["broadcast_to"](mask, shape=shape)
        name = primitive.name
        if name in ("max", "min"):  # of which each may be the one
            primitive = PRIMITIVES["sum"]
        counts = name not in MOVING
        w = PRIMITIVES["where"](mask, 1.0, 0.0) if counts else mask
        ones = [np.broadcast_to(1.0, shape_of(a)) for a in args]
        y = np.broadcast_to(1.0, shape)
        if primitive.joint is not None:
            (part,) = primitive.joint((k,), y, *ones, **params)(w)
        else:
            part = primitive.pulls[k](y, *ones, **params)(w)
        return PRIMITIVES["not_equal"](part, 0.0) if counts else part

    def _made(self, taken: set[int]) -> dict[int, Value]:
        new: dict[int, Value] = {}
        gates: dict[tuple[int, int], Value] = {}

        def gate(a: Any, mask: Value, instead: Value = None) -> Value:
            """The same values, or others where nothing is needed; nothing comes back from there."""
            if instead is not None:
                return _plainly(PRIMITIVES["where"], (mask, a, instead), {})
            key = id(a), id(mask)
            if key not in gates:
                gates[key] = _plainly(PRIMITIVES["where"], (mask, a, self.stop(a)), {})
            return gates[key]

        for value, masks in sorted(self._steps, key=lambda step: step[0].made.serial):
            how = value.made
            product = how.primitive.name in PRODUCTS
            parts = []
            for a, mask in zip(how.args, masks, strict=True):
                part = new.get(id(a), a)
                if mask is None:
                    pass
                elif product:
                    # in a product what is not needed may not be infinite either
                    if part is not a or isinstance(a, Tracer) or not np.isfinite(a).all():
                        part = gate(part, mask, 1.0)
                elif how.primitive.lazy and part is not a:
                    # others may need more of it, or of what it was gathered from, than this operation does
                    if self.needed[id(a)][1] is not mask or a.made.primitive.name in FOLLOWED:
                        part = gate(part, mask)
                elif how.primitive.lazy and isinstance(a, Tracer):
                    part = gate(a, mask)
                parts.append(part)
            if all(p is a for p, a in zip(parts, how.args, strict=True)):
                continue
            made = _plainly(how.primitive, tuple(parts), how.params)
            wanted = self.needed[id(value)][1]
            if product and wanted is not None:
                made = gate(made, wanted, self.stop(value))
            new[id(value)] = made
        return new


def _plainly(primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
    """The result of an operation that does not ask what its operands are made of."""
    first: Any = next(a for a in args if hasattr(a, "plainly"))
    return first.plainly(primitive, args, params)


def _and(a: Value, b: Value) -> Value:
    """Both of two truth values, where None is true."""
    return b if a is None else a if b is None else PRIMITIVES["logical_and"](a, b)


def _any(mask: Value, shape: tuple[int, ...]) -> Value:
    """Whether an entry of a smaller operand is needed anywhere."""
    full = np.broadcast_shapes(shape_of(mask), shape)
    if shape_of(mask) != full:
        mask = PRIMITIVES["broadcast_to"](mask, shape=full)
    return PRIMITIVES["not_equal"](summed(PRIMITIVES["where"](mask, 1.0, 0.0), shape), 0.0)
