"""Reverse mode: operations recorded on a tape, and the reverse sweep over it.

* The tape is a list in order of execution, so the sweep is a loop from its end. An entry holds
  the pullbacks of one operation and the places of its operands, and only what those need.
* Values are immutable here: whatever the user's code may still write to has been copied before
  it arrives (``hold``).
* A cotangent may be smaller than its value as long as it broadcasts to it: the gradient of a sum
  stays one number until something needs it in full.
* Cotangents of indexed parts are added into one buffer, so that a loop over entries costs as
  much as the loop and not as its square.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.floating import same
from polyad.engine.core.kinds import expand
from polyad.engine.core.refusals import no_rule
from polyad.engine.core.values import (
    ALIVE,
    PRIMITIVES,
    Binary,
    Primitive,
    Tracer,
    Value,
    new_level,
    shape_of,
)
from polyad.engine.interpretations.accumulation import (
    accumulate,
    add_entry,
    add_part,
    add_pick,
    as_number,
    full,
    note_part,
)
from polyad.engine.interpretations.cotangents import Part, Pick, add, is_number, is_plain
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.masked import MASKS, Masked, picked, settled

__all__ = ["NEVER", "Node", "Tape"]

# the place of what a tape does not hold
NEVER = 2**62
Entry = tuple[Any, ...]
_array, _new = np.ndarray, object.__new__


class Tape(list[Entry | None]):
    """One reverse-mode differentiation: the list of its entries.

    An entry is None for an input, and else one of

    * ``(pulls, parents, shape)``: an operation on arrays;
    * ``(index, parent, shape)``: one number out of an array;
    * ``(parent, partial, ...)`` in pairs: an operation on numbers (``numbers``).
    """

    __slots__ = ("_held", "chooses", "inner", "level", "limit", "steep")

    def __init__(self) -> None:
        self.level = new_level()
        # the first entry of a primitive whose derivative may be infinite (``STEEP``): before it, zero
        # cotangents need no mask, because zero times a finite partial is zero
        self.steep = NEVER
        self.chooses = False  # whether a choice was recorded, whose cotangents may need masks
        self.limit = 2**62  # a tape has to keep everything, unlike the programs of forward mode
        self._held: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.inner = 0  # the level of tangents that this differentiation adds itself; 0 where there are none

    def __bool__(self) -> bool:
        return True

    def enter(self, value: Value) -> Node:
        """An input of the function."""
        self.append(None)
        return Node(self, self.level, len(self) - 1, value)

    def inner_level(self) -> int:
        """A level right under this tape's, the same whenever it is asked for; alive as long as the tape's."""
        if not self.inner:
            self.inner = self.level - 1
            ALIVE.add(self.inner)
        return self.inner

    def tracer(self, index: int, x: float) -> Node:
        """A number as a node."""
        return Node(self, self.level, index, np.float64(x))

    def successor(self) -> Tape:
        """The list to which numbers of this one move; a tape is never full, so it is itself."""
        return self

    def hold(self, a: np.ndarray) -> np.ndarray:
        """The array as it is now, whatever is written to it later.

        A constant that is used again and again is copied once: comparing is cheap beside the
        memory of a copy at every use.
        """
        known = self._held.get(id(a))
        if known is not None and same(a, known[1]):
            return known[1]
        copy = a.copy()
        copy.flags.writeable = False
        if a.size > 64:
            self._held[id(a)] = (a, copy)  # the array is kept too: its id could be reused if it were freed
        return copy

    def pull(
        self, seeds: Sequence[tuple[Value, Value]], inputs: Sequence[Node], *, free: bool
    ) -> list[Value]:
        """Cotangents of the inputs; None where no output depends on one.

        Parameters
        ----------
        seeds : sequence of (value, cotangent)
            The outputs; one that is no node of this tape is ignored.
        inputs : sequence of Node
            What ``enter`` gave.
        free : bool
            Drop every entry when it has been used; the tape is then spent.
        """
        places = [(v.index, w) for v, w in seeds if type(v) is Node and v.tape is self]
        return self.back(places, inputs, free=free)

    def back(self, seeds: Sequence[tuple[int, Value]], inputs: Sequence[Node], *, free: bool) -> list[Value]:
        """As ``pull``, the outputs by their places on the tape."""
        before = get_state()
        try:
            set_state(SILENT)
            return self._pulled(list(self), seeds, inputs, free=free)  # a plain list is read faster
        finally:
            set_state(before)

    def _pulled(
        self,
        entries: list[Entry | None],
        seeds: Sequence[tuple[int, Value]],
        inputs: Sequence[Node],
        *,
        free: bool,
    ) -> list[Value]:
        if free:
            self.clear()
        if not self.chooses:
            return self._swept(entries, seeds, inputs, self.steep, free=free)
        kept = MASKS.kept
        try:
            if all(map(is_plain, (*[node.value for node in inputs], *[w for _, w in seeds]))):
                # a mask matters only where zero meets an infinite partial, and then something is no number
                MASKS.kept = False
                try:
                    found = self._swept(entries, seeds, inputs, NEVER, free=False)
                    if all(map(is_number, found)):
                        return found
                except Exception:  # it may be of what a mask keeps out
                    pass
            MASKS.kept = True
            return self._swept(entries, seeds, inputs, self.steep, free=free)
        finally:
            MASKS.kept = kept

    @staticmethod
    def _swept(
        entries: list[Entry | None],
        seeds: Sequence[tuple[int, Value]],
        inputs: Sequence[Node],
        steep: int,
        *,
        free: bool,
    ) -> list[Value]:
        """The reverse sweep over these entries; with masks of the parts from the place ``steep`` on."""
        cotangents: list[Any] = [None] * len(entries)
        last = -1
        for k, w in seeds:
            last = max(last, k)
            cotangents[k] = w if cotangents[k] is None else add(cotangents[k], w)
        owned: set[int] = set()
        places: dict[int, list[Any]] = {}  # of cotangents that are made of parts: which
        for i in range(last, -1, -1):
            w = cotangents[i]
            entry = entries[i]
            if w is None or entry is None:
                continue
            length = len(entry)
            if length != 3:  # an entry of numbers: it holds no arrays that could be freed
                if type(w) is not float and type(w := as_number(w)) is not float:
                    cotangents[i] = None  # a batch
                if length == 4:
                    a, p, b, q = entry
                    known = cotangents[a]
                    cotangents[a] = w * p if known is None else known + w * p
                    known = cotangents[b]
                    cotangents[b] = w * q if known is None else known + w * q
                    continue
                for k in range(0, length, 2):  # mostly once
                    a, p = entry[k], entry[k + 1]
                    known = cotangents[a]
                    cotangents[a] = w * p if known is None else known + w * p
                continue
            cotangents[i] = None
            if free:
                entries[i] = None
            pulls, parents, shape = entry
            if type(w) is float:
                w = np.float64(w)
            kind = type(pulls)
            if kind is int:
                if type(w) is Masked:
                    w = w.settled()
                if parents >= steep:
                    note_part(places, cotangents, parents, pulls, None)
                add_entry(cotangents, owned, parents, pulls, shape, w)
                continue
            if places and i in places:
                w = picked(w, places.pop(i))
            if shape is not None and w.shape != shape:
                w = expand(w, shape)
            if type(parents) is int:
                if kind is Part and pulls.can_add(plain := w if type(w) is np.ndarray else settled(w)):
                    if parents >= steep:
                        alive = w.alive() if type(w) is Masked else None
                        note_part(places, cotangents, parents, pulls.index, alive)
                    add_part(cotangents, owned, parents, pulls, plain)
                    continue
                if kind is Pick:
                    add_pick(cotangents, parents, pulls, w)
                    continue
                g = pulls(w)
                if kind is Part and parents >= steep and type(w) is not Masked and pulls.is_known():
                    g = picked(g, [(pulls.index, None)])
                if cotangents[parents] is None:
                    cotangents[parents] = g
                else:
                    accumulate(cotangents, owned, parents, g, places)
            elif kind is tuple:
                for parent, pull in zip(parents, pulls):  # noqa: B905  (of one length, and the hot loop)
                    g = pull(w)
                    if cotangents[parent] is None:
                        cotangents[parent] = g
                    else:
                        accumulate(cotangents, owned, parent, g, places)
            else:
                for parent, g in zip(parents, pulls(w), strict=True):
                    accumulate(cotangents, owned, parent, g, places)
        return [None if (g := cotangents[node.index]) is None else full(g, node.shape) for node in inputs]


class Node(Tracer):
    """A value and the place of its entry on a tape."""

    __slots__ = ("index", "level", "tape", "value")

    def __init__(self, tape: Tape, level: int, index: int, value: Value) -> None:
        self.tape = tape
        self.level = level
        self.index = index
        self.value = value

    # without a frame of Python's, because every operation asks several times
    shape = property(operator.attrgetter("value.shape"))
    dtype = property(operator.attrgetter("value.dtype"))

    def lower(self) -> Value:
        return self.value

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        level = self.level
        if len(args) == 1 and primitive.pulls:
            value = self.value
            compute = primitive.compute if type(value) is np.ndarray else primitive
            y = compute(value, **params)
            return self._recorded(primitive, y, primitive.pulls[0](y, value, **params), self.index)
        values = []
        which = []
        parents = []
        for k, a in enumerate(args):
            if type(a) is Node and a.level == level:
                values.append(a.value)
                which.append(k)
                parents.append(a.index)
            else:
                values.append(a)
        y = primitive(*values, **params)
        pulls = primitive.pulls
        record: Any
        where: Any = tuple(parents)
        if primitive.joint is not None:
            record = primitive.joint(tuple(which), y, *values, **params)
        elif not pulls:
            raise no_rule(primitive.name, "reverse")
        elif len(which) == 1:
            record, where = pulls[which[0]](y, *values, **params), parents[0]
        else:
            record = tuple([pulls[k](y, *values, **params) for k in which])
        return self._recorded(primitive, y, record, where)

    def with_value(self, primitive: Binary, a: Value, b: Value) -> Value:
        level = self.level
        if type(a) is Node and a.level == level:
            i, a = a.index, a.value
        else:
            i = -1
        if type(b) is Node and b.level == level:
            j, b = b.index, b.value
        else:
            j = -1
        kind = type(a)
        if kind is _array and type(b) is _array:
            y = primitive.compute(a, b)
        elif kind is Dual and type(b) is Dual and a.level == b.level:
            y = a.with_value(primitive, a, b)
        else:
            y = primitive(a, b)
        first, second = primitive.pulls
        tape = self.tape
        k = len(tape)
        if primitive.steep and tape.steep > k:
            tape.steep = k
        if j < 0:
            tape.append((first(y, a, b), i, None))
        elif i < 0:
            tape.append((second(y, a, b), j, None))
        else:
            tape.append(((first(y, a, b), second(y, a, b)), (i, j), None))
        node = _new(Node)  # without a frame of Python's
        node.tape, node.level, node.index, node.value = tape, level, k, y
        return node

    def with_number(self, primitive: Binary, a: Value, b: Value, side: int) -> Value:
        value = self.value
        if side:
            b = value
        else:
            a = value
        # a plain array has no tracer that would have to process the operation
        if type(value) is np.ndarray:
            y = primitive.compute(a, b)
        else:
            y = value.with_number(primitive, a, b, side) if type(value) is Dual else primitive(a, b)
        tape = self.tape
        k = len(tape)
        if primitive.steep and (side or (b != 2 and primitive.name == "power")) and tape.steep > k:
            tape.steep = k
        tape.append((primitive.numbers[2 * side + 1](y, a, b), self.index, None))
        node = _new(Node)
        node.tape, node.level, node.index, node.value = tape, self.level, k, y
        return node

    def sliced(self, index: slice) -> Value:
        """A slice of an array: the same as ``getitem``, in fewer steps."""
        a = self.value
        if type(a) is np.ndarray:
            y = a[index]
        elif type(a) is Dual or type(a) is Node:
            y = a.sliced(index)
        else:
            return PRIMITIVES["getitem"](self, index=index)
        tape = self.tape
        tape.append((Part(index, a.shape, a.dtype, basic=True, unique=True), self.index, y.shape))
        return Node(tape, self.level, len(tape) - 1, y)

    def _recorded(self, primitive: Primitive, y: Value, record: Any, where: Any) -> Value:
        """The result, its pullbacks written down."""
        tape, level = self.tape, self.level
        if primitive.steep and tape.steep > len(tape):
            tape.steep = len(tape)
        if primitive.masks:
            tape.chooses = True
        if primitive.multiple:
            tape.append((record, where, None))
            source = len(tape) - 1
            outputs = []
            for k, part in enumerate(y):
                tape.append((Pick(k, len(y)), source, shape_of(part)))
                outputs.append(Node(tape, level, len(tape) - 1, part))
            return tuple(outputs)
        tape.append((record, where, None if primitive.lazy else y.shape))
        node = _new(Node)
        node.tape, node.level, node.index, node.value = tape, level, len(tape) - 1, y
        return node

    def __repr__(self) -> str:
        return f"Node({self.value!r})"
