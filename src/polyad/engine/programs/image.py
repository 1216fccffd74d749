"""Programs in a form that a file can hold: texts, constants, and functions by their names.

What an operation is computed by may be a function without a name of its own; it is known by that of its
primitive.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from polyad.engine.core.values import PRIMITIVES

__all__ = ["packed", "unpacked"]


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        # rules that callers define are theirs, and may be others under the same name elsewhere
        self._names = {id(p.compute): name for name, p in PRIMITIVES.items() if _is_ours(p)}

    def persistent_id(self, obj: Any) -> Any:
        """The name of a primitive's own function."""
        return self._names.get(id(obj)) if callable(obj) else None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        """The function of a primitive."""
        return PRIMITIVES[pid].compute


def _is_ours(primitive: Any) -> bool:
    compute = primitive.compute
    module = getattr(compute, "__module__", None) or type(compute).__module__
    return module.partition(".")[0] in ("numpy", "scipy", "polyad")


def packed(value: Any) -> bytes:
    """The bytes of a value in which functions of primitives occur."""
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


def unpacked(data: bytes) -> Any:
    """The value again."""
    return _Unpickler(io.BytesIO(data)).load()
