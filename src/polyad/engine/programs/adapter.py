"""The adapter under which NumPy code is computed and recorded at once.

A recorded array is a ``Proxy`` over a ``Cell``, a concrete example of the array together with its name
in the program. Every primitive on cells is computed, so that shapes and dtypes are NumPy's own, and
appended to the recording. As all derivative rules are written in primitives, a derivative that runs on
cells leaves the whole derivative as a straight list of operations.

What would make the list depend on the example's values is refused: a branch on a value, a number
taken out of an array, an array whose shape depends on values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.refusals import Deviates, noted, refuse
from polyad.engine.core.values import Primitive, keys_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.programs.recording import Captured, Cell, Constant

__all__ = ["RecordingAdapter"]

REMEDY = (
    "use np.where for a choice between numbers (np.maximum and np.minimum for max and min), polyad.Static(c) "
    "for an argument that never changes, or polyad.NumPy(compile=False)"
)
# their results have as many entries as the values say
SHAPED = frozenset({"nonzero", "bincount"})


class RecordingAdapter(Adapter):
    """NumPy's arrays, with every operation on them recorded."""

    name = "recording"
    extended = True
    raises = False
    mixed = Captured
    promotes = False  # NumPy itself computes
    records = True

    def main(self) -> Any:
        return np

    def namespaces(self, home: str) -> tuple[Any, ...]:
        return ()

    def compute(self, primitive: Primitive) -> Callable[..., Any] | None:
        name = primitive.name
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = getattr(self, f"own_{name}", None) or _recorded(primitive)
        return found

    def dtype(self, a: Any) -> np.dtype[Any]:
        dtype: np.dtype[Any] = a.value.dtype
        return dtype

    def constant(self, a: Any, beside: Any) -> Any:
        if not isinstance(a, np.ndarray) or beside.recording is None:
            return a
        return Cell(a, Constant(beside.recording.held(a)), None)

    def is_own(self, a: Any) -> bool:
        return type(a) is Cell

    def truth(self, a: Any) -> bool:
        raise refuse("a compiled program has no branches, and one depends on a value", REMEDY)

    def values(self, a: Any) -> np.ndarray:
        raise refuse("an operation whose form depends on values cannot be compiled", REMEDY)

    def example(self, a: Any) -> np.ndarray:
        return np.asarray(a.value)

    def stop(self, a: Any) -> Any:
        return a

    def later(self, check: Callable[..., Any], arrays: tuple[Any, ...]) -> bool:
        recording = next((a.recording for a in arrays if type(a) is Cell and a.recording is not None), None)
        values = [a.value if type(a) is Cell else a for a in arrays]
        check(*values)
        if recording is not None:
            recording.demand(check, [a.source if type(a) is Cell else a for a in arrays])
        return True

    # What Adapter defines in terms of a framework's own functions is NumPy's here.
    own_concatenate = own_stack = own_einsum = own_svd = own_searchsorted = None  # type: ignore[assignment]
    own_pinv = own_fft = own_ifft = own_argsort = own_argpartition = None  # type: ignore[assignment]
    own_truncate_to = own_astype = None  # type: ignore[assignment]

    def may_repeat(self, shape: tuple[int, ...], index: Any, plain: bool) -> bool:
        """Whether it does so in the example; otherwise the program looks at every run (``_set_once``)."""
        places = np.arange(int(np.prod(shape))).reshape(shape)[_example(index)]
        return np.unique(places).size < np.size(places)

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, dtype=like.dtype)

    def own_getitem(self, x: Any, index: Any) -> Any:
        for k in keys_of(index):
            if type(k) is Cell and k.dtype.kind == "b":
                raise refuse(
                    "a mask computed from values picks entries, whose number a compiled program cannot know",
                    "use np.where(mask, x, 0), or polyad.NumPy(compile=False)",
                )
        return _GETITEM(x, index=index)

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        keys = [k for k in keys_of(index) if type(k) is Cell]
        if any(k.dtype.kind == "b" for k in keys):
            if getattr(v, "shape", ()):
                raise refuse(
                    "an array is written where a mask computed from values says, whose number of entries a "
                    "compiled program cannot know",
                    "use np.where(mask, v, x), or polyad.NumPy(compile=False)",
                )
        elif keys:
            return _SET_ONCE(x, v, index=index)
        return _SETITEM(x, v, index=index)


def _recorded(primitive: Primitive, compute: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """The primitive on cells, numbers and constant arrays."""
    compute, name = compute or primitive.compute, primitive.name

    def apply(*args: Any, **params: Any) -> Any:
        recording, others = None, name in SHAPED
        values, operands = [], []
        for a in args:
            if type(a) is Cell:
                if recording is not None and a.recording not in (None, recording):
                    return _innermost(apply, args, params)
                values.append(a.value)
                operands.append(a.source)
                recording = recording or a.recording
            else:
                values.append(a)
                operands.append(a)
                if type(a) is not float:
                    others = True
        if not params and recording is not None and not others:
            y = compute(*values)
            if type(y) is np.float64:
                return recording.append_number(name, compute, tuple(operands), y)
            return recording.append(name, compute, operands, params, y)
        index = params.get("index")
        if index is None or not _has_cell(index):
            given = params
        else:
            found = {k.recording for k in keys_of(index) if type(k) is Cell and k.recording is not None}
            if len(found | {recording} - {None}) > 1:
                return _innermost(apply, args, params)
            recording = recording or next(iter(found))
            given = {**params, "index": _example(index)}
            params = {**params, "index": _named(index)}
        if "strict" in given:  # the example must not raise, since the user did not ask about it
            y = compute(*values, **{**given, "strict": False})
        else:
            y = compute(*values, **given)
        if recording is None:  # of constants, which a recording holds only beside others
            return y
        if name in SHAPED:
            raise refuse(f"np.{name}, the form of whose result depends on values, cannot be compiled", REMEDY)
        return recording.append(name, compute, operands, params, y)

    return apply


def _innermost(apply: Callable[..., Any], args: Sequence[Any], params: dict[str, Any]) -> Any:
    """An operation of the body of a loop on what is from around it, which becomes an input of the body."""
    index = params.get("index")
    cells = [a for a in (*args, *keys_of(index)) if type(a) is Cell]
    met = [cell.recording for cell in cells if cell.recording is not None]
    inner = met[0]
    for each in met:
        if each.is_within(inner):
            inner = each
    if any(each is not inner and not inner.is_within(each) for each in met):
        raise noted(Captured())

    if index is not None and any(a.recording is not inner and a.dtype.kind in "fc" for a in cells):
        raise refuse(
            "an array from around a loop is read or written at a place that the loop counts",
            "let the loop go through it (xs), or use polyad.NumPy(compile=False)",
        )

    def entered(a: Any) -> Any:
        if type(a) is tuple:
            return tuple(map(entered, a))
        if type(a) is not Cell or a.recording in (None, inner):
            return a
        return inner.capture(a, a.value)

    if index is not None:
        params = {**params, "index": entered(index)}
    return apply(*map(entered, args), **params)


def _has_cell(index: Any) -> bool:
    return any(type(k) is Cell for k in keys_of(index))


def _example(index: Any) -> Any:
    if type(index) is tuple:
        return tuple(map(_example, index))
    return index.value if type(index) is Cell else index


def _named(index: Any) -> Any:
    if type(index) is tuple:
        return tuple(map(_named, index))
    return index.source if type(index) is Cell else index


def _set_once(x: Any, v: Any, index: Any) -> Any:
    """``x[index] = v`` where the derivative is right only if the index names no entry twice."""
    places = np.arange(x.size).reshape(x.shape)[index]
    if np.unique(places).size < places.size:
        raise Deviates
    return _PRIMITIVES["setitem"].compute(x, v, index=index)


from polyad.engine.core.values import PRIMITIVES as _PRIMITIVES  # noqa: E402
from polyad.engine.rules import structure as _structure  # noqa: E402, F401  (defines them)

_GETITEM = _recorded(_PRIMITIVES["getitem"])
_SETITEM = _recorded(_PRIMITIVES["setitem"])
_SET_ONCE = _recorded(_PRIMITIVES["setitem"], _set_once)
