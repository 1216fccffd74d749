"""A function of leaves, differentiated: the door between backends and the engine.

``f`` takes a tuple of boxes and returns ``(outputs, aux)``, tuples of whatever it makes. Leaves that
come in may be NumPy's, or boxes of an outer differentiation; leaves that go out are NumPy's where no
outer one is running, boxes otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine.boxes.box import Box, as_point
from polyad.engine.boxes.boxing import BOXES, gathered, unbox
from polyad.engine.core.floating import step
from polyad.engine.core.handlers import innermost, is_own_recursion
from polyad.engine.core.kinds import zeros_of
from polyad.engine.core.refusals import LAST, ignored, refuse
from polyad.engine.core.values import ALIVE, Tracer, Value, is_over, new_level, settled, shape_of, under_way
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.masked import Masked
from polyad.engine.interpretations.proxy import Proxy, numbers
from polyad.engine.interpretations.tape import NEVER, Node, Tape
from polyad.engine.lift import is_number, lift, unlift
from polyad.engine.numbers.functions import entered
from polyad.engine.numbers.number import ScalarBox
from polyad.engine.numbers.python import TOLD, PythonScalar, as_python
from polyad.engine.numbers.tangents import PROGRAMS
from polyad.engine.rows import contracted, like, limits, not_numbers, one_by_one
from polyad.engine.rules.structure import broadcast_to, getitem, reshape
from polyad.errors import ON_OTHER_ARRAYS, DegenerateError, OperationNotSupportedError, rule_out

__all__ = [
    "TOLD",
    "Recorded",
    "as_point",
    "as_python",
    "boxed",
    "evaluate",
    "gradient",
    "lift",
    "push",
    "record",
    "under_way",
    "unlift",
]

Function = Callable[..., tuple[Sequence[Any], Sequence[Any]]]


def enter(leaf: Any) -> Value:
    """A leaf as a value: an array with axes, or a NumPy number."""
    if type(leaf) is np.ndarray:
        return leaf if leaf.shape else leaf[()]
    value = unbox(leaf)
    return value if hasattr(value, "shape") else np.result_type(value, 1.0).type(value)


def is_bare(leaf: Any) -> bool:
    """Whether a leaf is another library's array itself, not in a box: so then are the results."""
    return type(leaf) not in BOXES and not isinstance(leaf, np.ndarray | np.generic | float | int | complex)


def stripped(leaves: Sequence[Any], x: Sequence[Any]) -> tuple[Any, ...]:
    """Results as their library's arrays where the inputs were, so that an outer framework recognises them."""
    if (len(x) != 1 or type(x[0]) is not np.ndarray) and any(map(is_bare, x)):
        return tuple(map(unlift, leaves))
    return tuple(leaves)


def leave(value: Value, level: int = 0) -> Any:
    """A value as a leaf, of which nothing of that level may be left."""
    value = settled(value)
    if isinstance(value, Tracer):
        if level and value.level >= level:
            raise refuse(
                "a value of an inner differentiation was kept beyond its end (in an array of an outer one)",
                "return it from the function that is differentiated, as its output or with has_aux=True",
            )
        return Box(value)
    return value


def outcome(leaf: Any) -> Value:
    """An output of the user's function as a value."""
    if type(leaf) not in BOXES and isinstance(leaf, np.ndarray) and leaf.dtype == object:
        leaf = gathered(leaf)
    value = settled(unbox(leaf))
    if hasattr(value, "shape"):
        return value
    return np.result_type(value, 1.0).type(value)


def whole(a: np.ndarray) -> Any:
    """An array of objects as one array of what they are: a box, a framework's array, or plain numbers."""
    value = gathered(a)
    if type(value) is Proxy:
        return value.array if is_foreign(a) else Box(value)
    return Box(value) if isinstance(value, Tracer) else value


def is_foreign(a: np.ndarray) -> bool:
    """Whether an array of objects holds a framework's numbers themselves, not in boxes."""
    return not any(isinstance(item, Box) for item in a.flat)


def given(value: Value, leaf: Any) -> Box:
    """The box of an input, which lies in memory as the caller's array does."""
    if type(leaf) is not np.ndarray:
        return entered(value)
    box = Box(value)
    # of one axis without gaps it is known anyway; without axes it is an array all the same, no number
    if leaf.ndim != 1 or leaf.strides[0] != leaf.itemsize:
        box._layout = leaf
    return box


def called(f: Function, boxes: tuple[Any, ...], *constants: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """The user's function, with clear errors for those that NumPy and Python raise in an obscure form."""
    outer, failed = LAST.refused, None
    try:  # Ctrl-C may come between any two calls
        LAST.message, LAST.refused = "", []  # earlier refusals are forgotten
        out = f(boxes, *constants)
        if LAST.refused and (refusal := ignored()) is not None:
            raise refusal
        return out
    except TypeError as error:
        failed = error
        if str(error).startswith("Iterator operand"):
            refusal = refuse(
                "np.nditer of a traced array",
                "loop over x.ravel(), or over np.ndindex(x.shape)",
                innermost(error),
            )
            # it gives numbers where a framework only evaluates, and then fails
            raise rule_out(refusal, ON_OTHER_ARRAYS) from None
        if str(error).startswith("descriptor '") and "'numpy.ndarray'" in str(error):
            called = str(error).split("'")[1]
            raise refuse(
                f"np.ndarray.{called}(x, ...), a method that is called on its class",
                f"use x.{called}(...)",
                innermost(error),
            ) from None
        raise
    except RecursionError as error:
        if is_own_recursion(error):
            raise refuse(
                "a list that contains itself", "use arrays, and np.stack", innermost(error)
            ) from None
        raise
    except ValueError as error:
        if isinstance(error.__cause__, OperationNotSupportedError):
            raise error.__cause__ from None
        raise
    finally:
        LAST.refused = outer
        if outer is not None and isinstance(failed, OperationNotSupportedError):
            outer.append(failed)  # a refusal that leaves the function reaches the one around it
        failed = None  # it knows this frame


def lowered(leaf: Any, level: int) -> Any:
    """A leaf of ``aux`` without what this level added to it."""
    if type(leaf) in BOXES:
        return leave(leaf._value, level)
    if isinstance(leaf, np.ndarray) and leaf.dtype == object:
        leaf = whole(leaf)
    return leave(leaf._value, level) if isinstance(leaf, Box) else leaf


def evaluate(f: Function, x: Sequence[Any], *constants: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The function itself, on boxes: what it writes to does not reach the caller's arrays."""
    with under_way():
        y, aux = called(f, tuple([given(enter(leaf), leaf) for leaf in x]), *constants)
    outputs = [leave(outcome(leaf)) for leaf in y]
    rest = [lowered(leaf, 0) for leaf in aux]
    return stripped(outputs, x), stripped(rest, x)


def push(
    f: Function, x: Sequence[Any], tangents: Sequence[Any], *constants: Any
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Forward mode along a batch of directions.

    Parameters
    ----------
    f : callable
        The function on boxes.
    x : sequence
        Its leaves.
    tangents : sequence
        A batch for each leaf, of shape ``(k, *leaf.shape)``.
    *constants
        What else the function takes.

    Returns
    -------
    dy, y, aux : tuple
        Batches of tangents of the outputs, the outputs, and what came with them.
    """
    level, before = new_level(), step()
    rows = [unbox(t) for t in tangents]
    count = rows[0].shape[0]
    PROGRAMS[level] = None
    try:
        ALIVE.add(level)
        boxes = tuple([given(Dual(level, enter(leaf), t), leaf) for leaf, t in zip(x, rows, strict=True)])
        outputs, aux = called(f, boxes, *constants)
        values = [outcome(leaf) for leaf in outputs]
    except DegenerateError:
        recorded = Recorded(f, x, *constants)
        return contracted(recorded, rows), recorded.y, recorded.aux
    finally:
        del PROGRAMS[level]
        ALIVE.discard(level)
    dy, y = [], []
    for value in values:
        if type(value) is Dual and value.level == level:
            primal, tangent = value.primal, like(value.primal, value.tangent, count)
        else:
            primal = value
            tangent = zeros_of(value, (count, *shape_of(value)))
        y.append(leave(primal, level))
        dy.append(leave(tangent, level))
    if step() != before + 1 and any(map(not_numbers, dy)):
        dy = list(limits(dy, y, rows, lambda: Recorded(f, x, *constants)))
    rest = stripped([lowered(leaf, level) for leaf in aux], x) if aux else ()
    return stripped(dy, x), stripped(y, x), rest


class Recorded:
    """A function at a point, its tape kept: ``y``, ``aux`` and the reverse sweep."""

    __slots__ = ("_inputs", "_leaves", "_outputs", "_tape", "_x", "aux", "y")

    def __init__(self, f: Function, x: Sequence[Any], *constants: Any) -> None:
        self._tape = tape = Tape()
        self._leaves = x
        self._x = values = [enter(leaf) for leaf in x]
        self._inputs = [tape.enter(value) for value in values]
        boxes = tuple([given(node, leaf) for node, leaf in zip(self._inputs, x, strict=True)])
        level = tape.level
        try:
            ALIVE.add(level)
            outputs, aux = called(f, boxes, *constants)
            self._outputs = [outcome(leaf) for leaf in outputs]
        finally:
            ALIVE.difference_update((level, tape.inner))
        y = [leave(v.value if type(v) is Node and v.level == level else v, level) for v in self._outputs]
        self.y = stripped(y, x)
        self.aux = stripped([lowered(leaf, level) for leaf in aux], x) if aux else ()

    def pull(self, w: Sequence[Any], *, free: bool = False) -> tuple[Any, ...]:
        """The cotangents of the inputs; ``free`` drops each entry of the tape when it has been used."""
        seeds = list(zip(self._outputs, [self._seed(leaf) for leaf in w], strict=True))
        cotangents = self._tape.pull(seeds, self._inputs, free=free)
        result = [
            leave(zeros_of(x, shape_of(x)) if g is None else g)
            for x, g in zip(self._x, cotangents, strict=True)
        ]
        return stripped(result, self._leaves)

    def _seed(self, leaf: Any) -> Value:
        """A cotangent, of which zeros stay zeros where some derivative may be infinite."""
        w = enter(leaf)
        if self._tape.steep == NEVER or type(w) is not np.ndarray or w.all():
            return w
        return Masked(w, w != 0, True, clean=True)

    def pull_batched(self, w: Sequence[Any]) -> tuple[Any, ...]:
        """The pullback of every row of a batch at once: as tangents of a zero cotangent, for it is linear."""
        rows = [unbox(leaf) for leaf in w]
        with under_way() as level:
            seeds = [
                (out, Dual(level, zeros_of(t, shape_of(out)), t))
                for out, t in zip(self._outputs, rows, strict=True)
            ]
            cotangents = self._tape.pull(seeds, self._inputs, free=False)
        count = rows[0].shape[0]
        result = []
        for x, g in zip(self._x, cotangents, strict=True):
            shape = (count, *shape_of(x))
            if type(g) is Dual and g.level == level:
                g = g.tangent if g.tangent.shape == shape else broadcast_to(g.tangent, shape=shape)
            else:
                g = zeros_of(x, shape)
            result.append(leave(g))
        if self._tape.steep != NEVER:
            one_by_one(self, w, result)
        return stripped(result, self._leaves)


class Transposed:
    """The pushforward at the point of a kept tape: the pullback of its pullback.

    That is linear in its cotangent, so it may be recorded at any; at one without zeros, since rules may
    treat a cotangent that is exactly zero by itself. (Townsend, 2017: "A new trick for calculating
    Jacobian vector products".)
    """

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._lock = threading.Lock()
        self._built: Recorded | None = None

    def _pullback(self) -> Recorded:
        with self._lock:
            if self._built is None:
                seeds = [_generic(leaf) for leaf in self._recorded.y]
                self._built = record(lambda w: (self._recorded.pull(w), ()), seeds)
        return self._built

    def push(self, v: Sequence[Any]) -> tuple[Any, ...]:
        """The tangent of the outputs along ``v``."""
        try:
            return self._pullback().pull(v)
        except DegenerateError:
            return tuple(map(first_row, contracted(self._recorded, [as_row(leaf) for leaf in v])))

    def push_batched(self, v: Sequence[Any]) -> tuple[Any, ...]:
        """The tangents along every row of a batch."""
        try:
            return self._pullback().pull_batched(v)
        except DegenerateError:
            return contracted(self._recorded, v)


def _generic(leaf: Any) -> Any:
    """An array like this one, of plain numbers none of which is zero or equal to another."""
    shape, dtype = np.shape(leaf), leaf.dtype
    values = 1.0 + np.random.default_rng(20261127).random(shape)
    return values.astype(dtype) if shape else dtype.type(values)


def record(f: Function, x: Sequence[Any], *constants: Any) -> Recorded:
    """Reverse mode: run the function and keep its tape."""
    return Recorded(f, x, *constants)


def gradient(f: Function, leaf: np.ndarray, constants: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """The gradient by one array of NumPy's, the value and aux: as ``record`` and ``pull``, in fewer steps."""
    tape = Tape()
    node = tape.enter(leaf if leaf.shape else leaf[()])
    level = tape.level
    try:
        ALIVE.add(level)
        ((out,), aux) = called(f, (given(node, leaf),), constants)
        if type(out) in (ScalarBox, PythonScalar) and out._entries is tape:  # known by its place
            seeds, y = [(out._index, 1.0)], np.float64(out._x)
        elif type(y := outcome(out)) is Node and y.tape is tape:
            seeds, y = [(y.index, y.dtype.type(1.0))], y.value
        else:
            seeds = []
    finally:
        ALIVE.difference_update((level, tape.inner))
    y = leave(y, level)
    rest = tuple([lowered(part, level) for part in aux]) if aux else ()
    (cotangent,) = tape.back(seeds, (node,), free=True)
    return zeros_of(leaf, leaf.shape) if cotangent is None else leave(cotangent), y, rest


def first_row(leaf: Any) -> Any:
    """The only row of a batch of one."""
    if type(leaf) is np.ndarray:
        return leaf[0]
    return leave(getitem(unbox(leaf), index=0))


def as_row(leaf: Any) -> Any:
    """A direction as a batch of one."""
    if type(leaf) is np.ndarray:
        return leaf[None]
    value = enter(leaf)
    return leave(reshape(value, shape=(1, *shape_of(value))))


def released(box: Box) -> Any:
    """A box of a differentiation that is running, or the numbers in one of a differentiation that is over."""
    if is_number(box):
        return box
    value = box._value
    if value.__class__ is Node and value.level in ALIVE:
        return box
    value = settled(value)
    if is_over(value):
        return numbers(value)
    if type(value) is Proxy and (owner := library_of(value.array)) is not None:
        plain = owner.released(value.array)
        if plain is not value.array:
            return plain
    return box if value is box._value else Box(value)


def boxed(leaf: Any) -> Any:
    """A leaf as a box, if it is not one."""
    return leaf if isinstance(leaf, Box) else Box(enter(leaf))
