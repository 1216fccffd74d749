"""Which boxes share memory: views for certain, copies for certain, and what cannot be known.

NumPy's ``reshape`` and ``ravel`` give a view where the strides of the array allow it and a copy
elsewhere. The strides that NumPy's arrays would have are known for arrays of the user's, for buffers
(``np.zeros_like``, ``copy``), for everything of one axis, and for views of those. Elsewhere the result
of a reshape is a ``Doubtful``: it and its source may be read, and one of them written to, but reading
the other one after that is refused, for its entries would depend on what is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.box import Box, Rearranged, Slice, View, wrap
from polyad.engine.core import Primitive, Tracer, Value, base
from polyad.engine.refuse import refuse

__all__ = ["Doubtful", "apart", "is_array", "layout", "rearranged"]

Reader = Callable[[Value], Value]
Writer = Callable[[Value, Value], Value]


def layout(a: Box) -> np.ndarray | None:
    """An array that lies in memory as NumPy's would, of any content; None where that is not known."""
    if isinstance(a, Slice):
        inner = layout(a._source)
        return None if inner is None else inner[a._index]
    if isinstance(a, Rearranged):
        inner = layout(a._source)
        return None if inner is None else a._reader(inner)
    if isinstance(a, Doubtful):
        return None
    known: np.ndarray | None = getattr(a, "_layout", None)
    if known is not None:
        return known
    shape = a.shape
    return np.empty(shape, dtype=bool) if sum(n != 1 for n in shape) <= 1 else None


def apart(a: Box) -> Box:
    """A box of the same value and layout, which can be written to without the other's knowing."""
    if type(a) is not Box and not isinstance(a, View):  # a number, which cannot be written to
        return a
    box = Box(a._value)
    known = layout(a)
    if known is not None and known.ndim > 1:
        box._layout = known
    return box


def is_array(a: Box) -> bool:
    """Whether a box stands for an array, which can be written to; without axes it may be a number."""
    if a.shape or isinstance(a, View) or getattr(a, "_layout", None) is not None:
        return True
    return type(base(a._value)) is np.ndarray


def rearranged(a: Box, value: Value, shape: Callable[[Any], Any], reader: Reader, writer: Writer) -> Box:
    """A reshaped box: a view, a copy, or a doubtful one.

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
        return Doubtful(a, value)
    after = shape(before)
    if before.size and not np.may_share_memory(before, after):
        copy: Box = wrap(value)
        if isinstance(copy, Box):
            copy._layout = after
        return copy
    return Rearranged(a, value, reader, writer)


class Doubtful(View):
    """A reshaped array of which NumPy might have made a view or a copy."""

    __slots__ = ()

    _source: Box | None  # type: ignore[assignment]

    @property
    def _value(self) -> Value:
        if self._source is not None and self._source._value is not self._seen:
            raise _unknown()
        return self._cache

    @_value.setter
    def _value(self, value: Value) -> None:
        self._cache = value
        source, self._source = self._source, None
        while isinstance(source, View) and source._source is not None:
            source = source._source
        if source is not None:
            source._value = Unknown()


class Unknown(Tracer):
    """What stands in a box whose entries depend on how NumPy would have shared memory."""

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
        "an array was read after another one was written to, of which it is a reshape: whether NumPy "
        "would have shared their memory depends on strides that are not known here",
        "reshape a copy, x.copy().reshape(shape), or write through one of the two only",
    )
