"""What rewritten code calls where methods of plain arrays, and writes into them, meet boxes.

Each is the ordinary thing in a thread that follows nothing, and where no box is concerned.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.follow.conversions import buffer
from polyad.engine.follow.counterparts import COUNTERPARTS, has_box
from polyad.engine.follow.libraries.functions import Listed, beside, is_listed
from polyad.engine.follow.places import Helper
from polyad.engine.follow.python import class_of

__all__ = ["HELPERS", "METHODS"]

# methods of a plain array that are functions of NumPy's, which know boxes
_FUNCTIONS = {
    name: getattr(np, name) for name in ("dot", "searchsorted", "clip", "choose", "take", "compress")
}
# those that give a new array
_MAKERS = frozenset(("copy", "astype", "flatten"))
# those that write into the array
_WRITERS = frozenset(("fill", "put"))
METHODS = frozenset((*_FUNCTIONS, *_MAKERS, *_WRITERS, "__array__"))


def method(owner: Any, name: str) -> Any:
    """A method, as code is about to call it."""
    if not FOLLOWING.depth:
        return getattr(owner, name)
    if type(owner) is np.ndarray:
        return Method(owner, name)
    if name == "__array__" and type(owner) in BOXES:
        return lambda dtype=None, copy=None: found(np.asarray)(owner, dtype, copy=copy)
    if owner is np.ndarray and name in _FUNCTIONS:
        return lambda a, *args, **kwargs: Method(a, name)(*args, **kwargs)
    return getattr(owner, name)


class Method:
    """A method of a plain array."""

    __slots__ = ("array", "name")

    def __init__(self, array: Any, name: str) -> None:
        self.array, self.name = array, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        array, name = self.array, self.name
        if name in _FUNCTIONS and (has_box(args) or has_box(kwargs.values())):
            return _FUNCTIONS[name](array, *args, **kwargs)
        result = getattr(array, name)(*args, **kwargs)
        return buffer(result) if name in _MAKERS and result is not array else result


class Key:
    """``KEY[i]`` is the key by which ``a[i]`` asks an array."""

    def __getitem__(self, key: Any) -> Any:
        return key


def _count(held: list[Any]) -> int:
    return sys.getrefcount(held[0])


# the count of an object that nothing but one list refers to
_ALONE = _count([np.empty(1)])
_COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()


def _is_alone(held: list[Any]) -> bool:
    """Whether nothing but a list of one refers to the array in it, nor to its memory."""
    if not _COUNTS or _count(held) > _ALONE:
        return False
    flags = held[0].flags
    if not flags.writeable:
        return False
    if held[0].base is None:
        return bool(flags.owndata)
    whole = [held[0].base]
    if type(whole[0]) is not np.ndarray or sys.getrefcount(whole[0]) > _ALONE + 1:
        return False
    return whole[0].base is None and bool(whole[0].flags.owndata)


def owned(held: list[Any], *items: Any) -> Any:
    """The array that is about to be written to: one that takes boxes, where nobody else has the plain one.

    Nobody can tell that it has become another then. Where somebody else has it, it stays as it is, and the
    write is refused.
    """
    if not FOLLOWING.depth or type(held[0]) is not np.ndarray or not has_box(items):
        return held[0]
    if not held[0].shape or held[0].dtype.kind not in "fc" or not _is_alone(held):
        return held[0]
    return _boxed(held[0])


def _boxed(array: Any) -> Box:
    box = Box(array)
    if array.ndim != 1:
        box._layout = array
    return box


def augmented(held: list[Any], key: Any, item: Any) -> tuple[Any, Any]:
    """The array of ``a[key] += item``, and what the operator is applied to.

    ``held`` has the array and ``a[key]``, which may be a view of it, and nothing else has the latter.
    """
    part = held.pop()
    if not FOLLOWING.depth or type(held[0]) is not np.ndarray or not has_box((item,)):
        return held[0], part
    is_view = type(part) is np.ndarray and np.may_share_memory(part, held[0])
    own = None if is_view else part
    del part
    array = owned(held, item)
    if type(array) is np.ndarray:
        return array, array[key] if is_view else own
    if is_view:
        return array, array[key]
    return array, _boxed(own) if type(own) is np.ndarray and own.shape else own


def kind(item: Any) -> type:
    """``type(item)``: of a box that of what it stands for."""
    return class_of(item) if FOLLOWING.depth and type(item) in BOXES else type(item)


def found(value: Any) -> Any:
    """What a function has imported by itself."""
    return COUNTERPARTS.get(id(value), value) if FOLLOWING.depth else value


def listed(f: Any) -> Any:
    """A function that is about to be called: one of NumPy's is to make arrays of lists with boxes in them."""
    if not FOLLOWING.depth:
        return f
    f = COUNTERPARTS.get(id(f), f)
    return Listed(f) if is_listed(f) else f


def matmul(a: Any, b: Any) -> Any:
    """``a @ b``, of which one may be a list with boxes in it."""
    return beside(a, b) @ beside(b, a)


HELPERS = {f.__name__: Helper(f) for f in (method, owned, augmented, kind, found, listed, matmul)}
HELPERS["key"] = Helper(Key())
