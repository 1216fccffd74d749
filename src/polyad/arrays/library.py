"""What is asked of an array library: the base class of each, and the description of an array."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ArraySpec", "Library", "loaded"]


def loaded(module: str) -> Any:
    """The module, if it is imported; None while another thread is still at it.

    A module stands in ``sys.modules`` from the beginning of its import, when most of it is not there yet.
    """
    found = sys.modules.get(module)
    if found is None or getattr(getattr(found, "__spec__", None), "_initializing", False):
        return None
    return found


class ArraySpec(NamedTuple):
    """Shape and dtype of a leaf; ``weak`` marks a Python number, which adapts its precision."""

    shape: tuple[int, ...]
    dtype: Any
    weak: bool = False

    def __str__(self) -> str:
        if self.weak:
            return f"Python {np.dtype(self.dtype).kind.translate(_KINDS)}"
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def size(self) -> int:
        """Number of entries."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def kind(self) -> str:
        """NumPy's letter for the kind of dtype; empty for dtypes NumPy does not have."""
        return str(getattr(self.dtype, "kind", ""))

    @property
    def is_complex(self) -> bool:
        """Whether the entries are complex."""
        return self.kind == "c"

    @property
    def is_inexact(self) -> bool:
        """Whether the entries are floating-point numbers, so that a derivative exists."""
        # the small floats (bfloat16, float8_*) have kind "V" in ml_dtypes and none in torch
        return self.kind in ("f", "c") or (self.kind in ("V", "") and "float" in str(self.dtype))


_KINDS = str.maketrans({"f": "float", "i": "int", "c": "complex", "b": "bool"})


class Library:
    """One array library: recognising, describing and converting its arrays."""

    name: str = "?"
    module: str = "?"
    immutable: bool = False
    # whether an array counts what is written to it
    counts: bool = False
    # whether an index that is out of bounds is no error
    clamps: bool = False

    def array_types(self) -> tuple[type, ...]:
        """Types of the library's arrays; called only once its module is loaded."""
        raise NotImplementedError

    def spec(self, a: Any) -> ArraySpec:
        """Shape and NumPy dtype of an array."""
        return ArraySpec(tuple(a.shape), a.dtype)

    def to_numpy(self, a: Any) -> Any:
        """The array as NumPy, sharing memory where the library allows it."""
        raise NotImplementedError

    def hand_over(self, a: Any) -> Any:
        """``to_numpy`` for another framework, which refuses what carries a derivative of this one.

        A derivative inside a derivative of another framework would lose the outer one in silence.
        """
        return self.to_numpy(a)

    def is_traced(self, a: Any) -> bool:
        """Whether a differentiation or a trace follows the array, so that it cannot be handed over."""
        return False

    def from_numpy(self, a: Any) -> Any:
        """A NumPy array as this library's, for reading only."""
        raise NotImplementedError

    def take(self, a: Any) -> Any:
        """A result that nobody else holds, as a NumPy array that may be written to."""
        return self.to_numpy(a)

    def fresh(self, a: Any, others: tuple[Any, ...]) -> Any:
        """The array itself, or a copy where it shares memory with any of ``others``."""
        return a

    def cast(self, a: Any, dtype: Any) -> Any:
        """The array in another dtype, through NumPy where the library may narrow it."""
        return np.asarray(self.to_numpy(a)).astype(dtype)

    def device(self, a: Any) -> dict[str, Any]:
        """The keyword that creates a new array where ``a`` is."""
        return {}

    def copy_into(self, out: Any, result: Any) -> None:
        """Write ``result`` into ``out``; shapes and dtypes were checked."""
        out[...] = result

    def writeable(self, out: Any) -> bool:
        """Whether ``copy_into`` can write to the array."""
        return True

    # -- whose memory it is ------------------------------------------------------------------------

    def own(self, a: Any) -> Any:
        """The array in memory that nobody else holds."""
        return a

    def guarded(self, a: Any) -> Any:
        """The array for a function that must not write to it, where that needs anything."""
        return a

    def writes(self, a: Any) -> int:
        """How often the array has been written to, where the library counts that."""
        return 0

    def memory_of(self, a: Any) -> int:
        """A number that identifies its memory: arrays for which it differs share none."""
        return id(a)

    def released(self, a: Any) -> Any:
        """The array, or its numbers where it is left over from a differentiation that is finished."""
        return a

    def is_leak(self, error: Exception) -> bool:
        """Whether an error says that an array was used whose trace is finished."""
        return False

    def describe_memory(self, a: Any) -> np.ndarray | None:
        """A NumPy array over the same memory, never to be read; None where nobody can write to it."""
        return None
