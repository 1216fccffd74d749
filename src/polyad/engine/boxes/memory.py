"""Which boxes share memory, found out by running NumPy's functions on plain arrays when it matters.

Whether the result of a function is a view of its argument or a copy decides what a later write to one of
them does to the other. As long as nothing is written it makes no difference and is not found out. The
result of every function that is not known to compute (``COMPUTING``) remembers its call (``Undecided``);
at the first write to it, or to what it was made from, the same function is run by NumPy on stand-ins:
plain arrays of the same shapes, dtypes, strides and, where there are any, values. Where the result of
that lies in the memory of a stand-in, its address and its strides say which entries it shares.

The strides of NumPy's arrays are known for arrays of the user's, for buffers (``np.zeros_like``,
``copy``), for everything of one axis, and for views of those. Elsewhere several are tried; only an answer
that is the same for all of them counts. Without an answer the two arrays may be read, and one of them
written to, but reading the other one after that is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, Rearranged, Slice, View, wrap
from polyad.engine.boxes.boxing import BOXES
from polyad.engine.boxes.stand_ins import Answer, asked, lying
from polyad.engine.core.refusals import read_only, refuse
from polyad.engine.core.values import Primitive, Tracer, Value
from polyad.engine.rules.structure import gather, reshape, setitem

__all__ = ["Undecided", "apart", "layout", "linked", "rearranged", "share_memory"]

Reader = Callable[[Value], Value]
Writer = Callable[[Value, Value], Value]

# so many results may be made one from the other before memory is found out
LONGEST = 16


# the slot itself, whose absence is told without asking the box for a method of that name
_layout_of = vars(Box)["_layout"].__get__


def layout(a: Any, ask: bool = False) -> np.ndarray | None:
    """An array that lies in memory as NumPy's would, of any content; None where that is not known.

    Parameters
    ----------
    a : Box
        The array.
    ask : bool
        Whether to run the function that made it once more, should it be needed for the answer.
    """
    kind = type(a)  # whoever asks a box of what class it is runs its answer for the user's code
    if issubclass(kind, Slice):
        inner = layout(a._source, ask)
        return None if inner is None else inner[a._index]
    if issubclass(kind, Rearranged):
        inner = layout(a._source, ask)
        if inner is not None and a._cache.dtype != a._source.dtype:  # the parts of complex numbers lie apart
            return lying(inner.shape, complex, inner)[0].real
        return None if inner is None else a._reader(inner)
    if kind is Undecided and ask and a._question is not None:
        a.settle()
    try:
        known: Any = _layout_of(a)
        if known is not False:  # which says that it is a number
            found: np.ndarray = known
            return found
    except AttributeError:
        pass
    if kind is Undecided:
        return None
    shape = a.shape
    return np.empty(shape, dtype=bool) if sum(n != 1 for n in shape) <= 1 else None


def apart(a: Box) -> Box:
    """A box of the same value and layout; writing to one does not change the other."""
    if not a._is_array():  # a number, which cannot be written to
        return a
    box = Box(a._value)
    if len(box._value.shape) != 1:
        known = layout(a)
        if known is not None:
            box._layout = known
    return box


def rearranged(a: Box, value: Value, shape: Callable[[Any], Any], reader: Reader, writer: Writer) -> Box:
    """A reshaped box: a view, a copy, or one of which that is not known yet.

    Parameters
    ----------
    a : Box
        The source.
    value : value
        The reshaped value.
    shape : callable
        NumPy's function on an array.
    reader, writer : callable
        From the source's value to this one's, and back.
    """
    before = layout(a)
    if before is None:
        return Undecided(Question(shape, (a,), {}, (a,)), 0, value)
    after = shape(before)
    if before.size and not np.may_share_memory(before, after):
        copy: Box = wrap(value)
        if isinstance(copy, Box):
            copy._layout = after
        return copy
    return Rearranged(a, value, reader, writer)


# -- results of functions ------------------------------------------------------------------------------------


def linked(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """What a function of boxes gave, as results that may share memory with them.

    Parameters
    ----------
    func : callable
        NumPy's function.
    args, kwargs : tuple, dict
        What it was called with.
    result : object
        A box, or a list or tuple of such.
    """
    if "out" in kwargs:
        return result
    operands: list[Box] = []
    _collect((*args, *kwargs.values()), operands)
    if not operands:
        return result
    question = Question(func, args, kwargs, tuple(operands))
    return _link(result, question, itertools.count())


def _link(part: Any, question: Question, places: Iterator[int]) -> Any:
    if isinstance(part, tuple | list):
        parts = [_link(p, question, places) for p in part]
        return type(part)(*parts) if hasattr(part, "_fields") else type(part)(parts)
    k = next(places)
    if isinstance(part, Box):
        return Undecided(question, k, part._value) if part.size else part
    # a number may be an array without axes
    return Undecided(question, k, part) if isinstance(part, np.inexact) else part


def _collect(items: Any, found: list[Box]) -> None:
    """The arrays among what a function was called with."""
    for a in items:
        if type(a) in BOXES:
            if a._is_array() and not any(a is b for b in found):
                found.append(a)
        elif isinstance(a, list | tuple):
            _collect(a, found)


class Question:
    """How the results of one call lie in the memory of its operands.

    Parameters
    ----------
    func, args, kwargs : callable, tuple, dict
        The call.
    operands : tuple of Box
        The arrays in it.
    """

    __slots__ = ("_answers", "args", "func", "kwargs", "links", "operands")

    def __init__(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], operands: tuple[Box, ...]
    ) -> None:
        self.func, self.args, self.kwargs, self.operands = func, args, dict(kwargs), operands
        self.links = tuple((a, a._value) for a in operands)
        self._answers: list[Answer | None] | None = None

    def answer(self, part: int) -> Answer | None:
        """What is true of one result; None where that is not known."""
        if self._answers is None:
            values = [seen for _, seen in self.links]
            known = [layout(a, ask=True) for a in self.operands]
            self._answers = asked(self.func, self.args, self.kwargs, self.operands, values, known)
        return self._answers[part] if part < len(self._answers) else None


class Undecided(View):
    """A result that might be a view of an operand or a copy; which of them is found out when it matters."""

    __slots__ = ("_age", "_answer", "_links", "_part", "_question")

    _links: tuple[tuple[Box, Value], ...]  # what it may be a view of, with the values last seen
    _question: Question | None  # until it is decided
    _answer: Answer | None
    _age: int  # how many undecided ones it was made from, one after the other

    def __init__(self, question: Question, part: int, value: Value) -> None:
        self._cache = value
        self._question, self._part, self._answer = question, part, None
        self._links = question.links
        older = [a for a in question.operands if isinstance(a, Undecided) and a._question is not None]
        self._age = 1 + max((a._age for a in older), default=0)
        if self._age > LONGEST:  # so that a loop does not keep all its results
            for a in older:
                a.settle()
            self._age = 0

    def settle(self) -> bool:
        """Find out whether it is a view; whether that is known now."""
        question = self._question
        if question is None:
            return True
        answer = question.answer(self._part)
        if answer is None:
            return False
        self._question, self._answer = None, answer
        self._links = () if answer.source is None else (self._links[answer.source],)
        if answer.layout is not None:
            self._layout = answer.layout
        return True

    def _is_array(self) -> bool:
        if self._cache.shape or not self.settle() or self._answer is None:
            return True
        return not self._answer.number  # of NumPy's, which is not written to but replaced

    @property
    def _value(self) -> Value:
        for source, seen in self._links:
            if source._value is not seen:
                self._refresh()
                break
        return self._cache

    @_value.setter
    def _value(self, value: Value) -> None:
        if not self.settle():
            links, self._links, self._question = self._links, (), None
            for source, _ in links:
                _forget(source)
        else:
            self._write_through(value)
        self._cache = value

    def _refresh(self) -> None:
        if not self.settle():
            raise _unknown()
        if self._answer is None or not self._links:
            return
        ((source, seen),) = self._links
        now = source._value
        if now is not seen:
            self._cache = gather(now, self._answer.places)
            self._links = ((source, now),)

    def _write_through(self, value: Value) -> None:
        answer = self._answer
        if answer is None:
            return
        if answer.overlaps:
            raise refuse(
                "writing to an array whose entries share memory among themselves (a broadcast array, windows "
                "that overlap)",
                "write to a copy of it, or to the array that it was made of",
            )
        if not answer.writeable:
            raise read_only()
        if not self._links:
            return
        source, old = self._links[0][0], self._links[0][0]._value
        new = setitem(reshape(old, shape=(-1,)), reshape(value, shape=(-1,)), index=answer.places.ravel())
        source._value = reshape(new, shape=old.shape)
        self._links = ((source, source._value),)


# -- what is asked about it ----------------------------------------------------------------------------------


def share_memory(a: Any, b: Any) -> bool:
    """``np.shares_memory`` of two arrays, of which one at least is a box."""
    if not isinstance(a, Box) or not isinstance(b, Box):
        return False  # no array outside shares its memory with a box
    (root, mine), (other, theirs) = _memory(a), _memory(b)
    return root is other and bool(np.intersect1d(mine, theirs).size)


def _memory(a: Box) -> tuple[Box, np.ndarray]:
    """The box whose memory it is, and which entries of it."""
    if isinstance(a, Undecided):
        if not a.settle():
            raise refuse(
                "np.shares_memory of the result of a function, which depends on unknown strides",
                "take a copy, x.copy(), which shares memory with nobody",
            )
        if a._links and a._answer is not None:
            root, places = _memory(a._links[0][0])
            return root, places.ravel()[a._answer.places]
        return a, np.arange(a.size).reshape(a.shape)
    if isinstance(a, Slice):
        root, places = _memory(a._source)
        return root, places[a._index]
    if isinstance(a, Rearranged):
        root, places = _memory(a._source)
        if a.dtype != a._source.dtype:
            raise refuse("np.shares_memory of the real or the imaginary part of an array", "leave it away")
        return root, a._reader(places)
    return a, np.arange(a.size).reshape(a.shape)


# -- what cannot be known ------------------------------------------------------------------------------------


def _forget(a: Box) -> None:
    """Mark an array whose entries now depend on whether memory was shared, which is not known."""
    if isinstance(a, Undecided):
        for source, _ in a._links:
            _forget(source)
        if not a._links:
            a._cache = Unknown()
    elif isinstance(a, View):
        _forget(a._source)
    else:
        a._value = Unknown()


class Unknown(Tracer):
    """The value of a box whose entries depend on how NumPy would share memory: reading it is refused."""

    __slots__ = ()
    level = 2**62

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        raise _unknown()

    @property
    def dtype(self) -> Any:
        raise _unknown()

    def lower(self) -> Value:
        raise _unknown()

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        raise _unknown()


def _unknown() -> Exception:
    return refuse(
        "an array was read after another one was written to, of which it is a reshape or which a function "
        "made of it: whether NumPy would have shared their memory depends on strides that are not known here",
        "take a copy first, x.copy().reshape(shape), or write through one of the two only",
    )
