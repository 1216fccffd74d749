"""Whether NumPy makes a view or a copy, found out by running a function on plain arrays in place of boxes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.values import Value, base
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["Answer", "asked", "lying"]


class Answer(NamedTuple):
    """How one result of a function lies in memory.

    Attributes
    ----------
    number : bool
        Whether it is a number, not an array.
    source : int or None
        The operand whose memory it shares; None where it has its own.
    places : numpy.ndarray
        Which entries of the source it consists of, as flat positions.
    writeable : bool
        Whether NumPy lets one write to it.
    overlaps : bool
        Whether entries share memory among themselves.
    layout : numpy.ndarray or None
        An array that lies in memory as it does, where that is known.
    """

    number: bool
    source: int | None
    places: np.ndarray
    writeable: bool
    overlaps: bool
    layout: np.ndarray | None

    def agrees(self, other: Answer) -> bool:
        """Whether another answer says the same, but for the layout."""
        return (
            (self.number, self.source, self.writeable, self.overlaps)
            == (other.number, other.source, other.writeable, other.overlaps)
            and self.places.shape == other.places.shape
            and bool((self.places == other.places).all())
        )


class StandIn:
    """A plain array in memory of its own.

    Parameters
    ----------
    shape, dtype : tuple, dtype
        What the array is.
    like : numpy.ndarray
        One of its shape that lies in memory as it does.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, like: np.ndarray) -> None:
        self.array, self.buffer = lying(shape, dtype, like)
        numbers, self._numbers = lying(shape, np.intp, like)
        numbers[...] = np.arange(numbers.size).reshape(shape)

    def places(self, out: np.ndarray) -> np.ndarray | None:
        """The flat positions of the entries of which an array here consists; None for parts of entries."""
        item = self.buffer.itemsize
        start = out.__array_interface__["data"][0] - self.buffer.__array_interface__["data"][0]
        if out.dtype != self.buffer.dtype or start % item or any(s % item for s in out.strides):
            return None
        return _strided(self._numbers, out.shape, start // item, [s // item for s in out.strides]).copy()


def _strided(buffer: np.ndarray, shape: tuple[int, ...], start: int, steps: Sequence[int]) -> np.ndarray:
    item = buffer.itemsize
    return np.ndarray(shape, buffer.dtype, buffer, start * item, tuple(s * item for s in steps))


def lying(shape: tuple[int, ...], dtype: Any, like: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An array in memory of its own, in the order of another one, and that memory."""
    steps = [s // like.itemsize if n > 1 else 1 for s, n in zip(like.strides, shape, strict=True)]
    ends = [s * (n - 1) for s, n in zip(steps, shape, strict=True)]
    first = sum(-e for e in ends if e < 0)
    buffer = np.zeros(1 + first + sum(e for e in ends if e > 0), dtype)
    return _strided(buffer, shape, first, steps), buffer


def asked(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    operands: Sequence[Any],
    values: Sequence[Value],
    layouts: Sequence[np.ndarray | None],
) -> list[Answer | None]:
    """What NumPy's function does with memory, for each of its results; None where that is not known.

    Parameters
    ----------
    func, args, kwargs : callable, tuple, dict
        The call, with boxes in it.
    operands : sequence of Box
        Those among them that are arrays.
    values : sequence of value
        What they held then.
    layouts : sequence of numpy.ndarray or None
        How they lie in memory, where that is known.
    """
    plain = [base(v) for v in values]
    fillings = range(3) if any(isinstance(v, Proxy) for v in plain) else range(1)
    found: list[Answer | None] | None = None
    for likes in _memories([v.shape for v in values], layouts):
        for filling in fillings:
            stand_ins = [StandIn(v.shape, v.dtype, like) for v, like in zip(plain, likes, strict=True)]
            for s, v in zip(stand_ins, plain, strict=True):
                _fill(s.array, v, filling)
            try:
                heard = get_state()
                try:
                    set_state(SILENT)
                    result = func(
                        *_replaced(args, operands, stand_ins),
                        **{k: _replaced(a, operands, stand_ins) for k, a in kwargs.items()},
                    )
                finally:
                    set_state(heard)
            except Exception:  # a function may refuse values like these
                continue
            now = [_answer(part, stand_ins) for part in _parts(result)]
            found = now if found is None else _agreed(found, now)
            if not any(found):
                return found
    return found or []


def _memories(
    shapes: Sequence[tuple[int, ...]], layouts: Sequence[np.ndarray | None]
) -> Iterator[list[np.ndarray]]:
    """Ways in which the operands may lie in memory: one where all are known."""
    if all(known is not None for known in layouts):
        yield list(layouts)  # type: ignore[arg-type]
        return
    ways = max(_ways(len(shape)) for shape, known in zip(shapes, layouts, strict=True) if known is None)
    for k in range(ways):
        yield [
            _in_memory(shape, k) if known is None else known
            for shape, known in zip(shapes, layouts, strict=True)
        ]


def _orders(ndim: int) -> list[tuple[int, ...]]:
    """Orders of axes, of which those of C and of Fortran are the first."""
    axes = tuple(range(ndim))
    rest = itertools.permutations(axes) if ndim <= 3 else [(*axes[k:], *axes[:k]) for k in axes]
    return list(dict.fromkeys([axes, axes[::-1], *rest]))


def _ways(ndim: int) -> int:
    return len(_orders(ndim)) + 2


def _in_memory(shape: tuple[int, ...], k: int) -> np.ndarray:
    """One of the ways in which an array of that shape may lie in memory."""
    orders = _orders(len(shape))
    k %= len(orders) + 2
    if k < len(orders):
        order = orders[k]
        return np.empty([shape[n] for n in order], dtype=bool).transpose(np.argsort(order))
    if k == len(orders):  # with gaps
        return np.empty([2 * n for n in shape], dtype=bool)[tuple(slice(0, 2 * n, 2) for n in shape)]
    return np.empty(shape, dtype=bool)[(slice(None, None, -1),) * len(shape)]


def _fill(array: np.ndarray, value: Value, filling: int) -> None:
    if not isinstance(value, Proxy):
        array[...] = value
    elif filling == 0:
        array[...] = np.linspace(0.25, 1.75, array.size).reshape(array.shape)
    else:
        array[...] = filling - 1


def _replaced(a: Any, operands: Sequence[Any], stand_ins: Sequence[StandIn]) -> Any:
    """What a function is called with, without boxes."""
    if isinstance(a, list | tuple):
        parts = [_replaced(part, operands, stand_ins) for part in a]
        return type(a)(*parts) if hasattr(a, "_fields") else type(a)(parts)
    for operand, s in zip(operands, stand_ins, strict=True):
        if a is operand:
            return s.array
    value = getattr(a, "_value", None)
    if value is None:
        return a.copy() if isinstance(a, np.ndarray) else a
    value = base(value)  # a number
    return value.dtype.type(1) if isinstance(value, Proxy) else value


def _parts(result: Any) -> list[Any]:
    if isinstance(result, list | tuple):
        return [part for item in result for part in _parts(item)]
    return [result]


def _answer(out: Any, stand_ins: Sequence[StandIn]) -> Answer | None:
    if not isinstance(out, np.ndarray):
        return Answer(True, None, np.empty(0, dtype=np.intp), False, False, None)
    order = lying(out.shape, bool, out)[0]  # without its memory
    overlaps = _overlaps(out)
    writeable = not out.__array_interface__["data"][1]  # the flag itself may give a warning
    for k, s in enumerate(stand_ins):
        if out.size and np.may_share_memory(out, s.buffer):
            places = s.places(out)
            return None if places is None else Answer(False, k, places, writeable, overlaps, order)
    return Answer(False, None, np.empty(0, dtype=np.intp), writeable, overlaps, order)


def _overlaps(out: np.ndarray) -> bool:
    numbers, memory = lying(out.shape, np.intp, out)
    if memory.size >= out.size and out.flags.forc:
        return False
    memory[...] = np.arange(memory.size)
    return np.unique(numbers).size < numbers.size


def _agreed(before: list[Answer | None], now: list[Answer | None]) -> list[Answer | None]:
    """What is the same in two answers."""
    if len(before) != len(now):
        return []
    return [_of_both(a, b) for a, b in zip(before, now, strict=True)]


def _of_both(a: Answer | None, b: Answer | None) -> Answer | None:
    if a is None or b is None or not a.agrees(b):
        return None
    same = a.layout is not None and b.layout is not None and a.layout.strides == b.layout.strides
    return a if same else a._replace(layout=None)
