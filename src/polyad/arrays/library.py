"""What is asked of an array library: the base class of each, and the description of an array."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ArraySpec", "Host", "Library", "loaded"]


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
    """One array library: recognising, describing and converting its arrays.

    Whatever polyad asks of a library is an attribute or a method here, so that one more library is one
    more class, registered by the entry-point group ``polyad.libraries`` under its name.

    Attributes
    ----------
    name : str
        The word for it: in ``Backend.library``, in ``polyad.define(..., lifts={name: f})``, in messages.
        It is the name of the entry point and the package whose import makes the arrays possible.
    module : str
        The module that must be loaded for there to be arrays.
    packages : tuple of str
        Top-level packages whose functions and objects are the library's, the one that users import first.
    namespace : str
        The module with its functions under the names of the array API standard.
    adapter : str
        ``"module:Class"`` of the adapter by which NumPy code runs on its arrays; empty where it cannot.
    backends : tuple of str
        Backends for its arrays where none is named, in order of preference.
    plain : bool
        Whether its arrays are NumPy's, which give way to those of any other.
    boxes : bool
        Whether its arrays are the boxes of polyad's engine.
    hidden : bool
        Whether only polyad itself makes its arrays, so that nobody needs to name it.
    symbolic : bool
        Whether its arrays are met in boxes only, so that functions for them are written in NumPy.
    stages : bool
        Whether what it computes with plain numbers while it traces is part of that trace.
    immutable : bool
        Whether nobody can write to an array.
    counts : bool
        Whether an array counts what is written to it.
    clamps : bool
        Whether an index that is out of bounds is no error.
    enters_objects : bool
        Whether NumPy makes arrays of objects of its arrays without an error, in which derivatives are lost.
    takes_numpy : bool
        Whether its kernels take NumPy arrays as they are.
    carried : bool
        Whether backends of NumPy's arrays take its arrays as they are.
    copies_scratch : bool
        Whether a function can write to an array, so that scratch memory is copied for it.
    sparse_kinds : tuple of str
        Names of the sparse matrices that it has.
    """

    name: str = "?"
    module: str = "?"
    packages: tuple[str, ...] = ()
    namespace: str = "numpy"
    adapter: str = ""
    backends: tuple[str, ...] = ()
    plain: bool = False
    boxes: bool = False
    hidden: bool = False
    symbolic: bool = False
    stages: bool = False
    immutable: bool = False
    counts: bool = False
    clamps: bool = False
    enters_objects: bool = False
    takes_numpy: bool = False
    carried: bool = False
    copies_scratch: bool = False
    sparse_kinds: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether its arrays are another framework's: neither NumPy's nor boxes."""
        return not (self.plain or self.boxes)

    def array_types(self) -> tuple[type, ...]:
        """Types of the library's arrays; called only once its module is loaded.

        None for a library whose arrays are met in boxes only.
        """
        return ()

    def spec(self, a: Any) -> ArraySpec:
        """Shape and NumPy dtype of an array."""
        return ArraySpec(tuple(a.shape), a.dtype)

    def to_numpy(self, a: Any) -> Any:
        """The array as NumPy, sharing memory where the library allows it."""
        raise NotImplementedError

    def doubles(self, a: Any) -> Any:
        """The numbers of an array of doubles that nothing follows, as NumPy's array over the same memory.

        None where more has to be found out, as for arrays of other devices.
        """
        return None

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

    def adopt(self, a: Any) -> Any:
        """A result as the caller's array, made of a NumPy array that nothing else refers to."""
        return self.from_numpy(a)

    def example(self, a: Any) -> Any:
        """An array as users of the library hold it, of the same dtype; for tests."""
        return self.from_numpy(np.array(a))

    def leaver(self) -> Callable[[Any], Any] | None:
        """A quicker way than the general one from a result to a NumPy array that may be written to.

        What a differentiation around this one follows stays what it is.
        """
        return None

    def waiter(self, a: Any) -> Callable[[Any], Any] | None:
        """What waits until a result is computed; None where it is there at once."""
        return None

    def take(self, a: Any) -> Any:
        """A result that nobody else holds, as a NumPy array that may be written to."""
        return self.to_numpy(a)

    def fresh(self, a: Any, others: tuple[Any, ...]) -> Any:
        """The array itself, or a copy where it shares memory with any of ``others``."""
        return a

    def cast(self, a: Any, dtype: Any) -> Any:
        """The array in another dtype, through NumPy where the library may narrow it."""
        return np.asarray(self.to_numpy(a)).astype(dtype)

    def sparse_maker(
        self, kind: str, shape: tuple[int, int], indptr: Any, columns: Any, rows: Any, like: Any
    ) -> Callable[[Any], Any]:
        """From the entries of a pattern, row by row, to a sparse matrix where ``like`` is."""
        raise NotImplementedError

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


class Host(Library):
    """A library whose arrays stand for NumPy's where they are met: conversions leave them as they are."""

    def to_numpy(self, a: Any) -> Any:
        return a

    def from_numpy(self, a: Any) -> Any:
        return a

    def fresh(self, a: Any, others: tuple[Any, ...]) -> Any:
        if type(a) is np.ndarray:
            if not all(a.strides) and a.size > 1:  # broadcast: entries share one place
                return a.copy()
            alone = a.base is None
            for other in others:
                if type(other) is np.ndarray:
                    # of two arrays that each have memory of their own, neither has the other's
                    if alone and other.base is None and other is not a:
                        continue
                    if np.may_share_memory(a, other):
                        return a.copy()
        return a

    def cast(self, a: Any, dtype: Any) -> Any:
        return a.astype(dtype)

    def copy_into(self, out: Any, result: Any) -> None:
        np.copyto(out, result)

    def writeable(self, out: Any) -> bool:
        return isinstance(out, np.ndarray) and out.flags.writeable

    def own(self, a: Any) -> Any:
        return a.copy() if isinstance(a, np.ndarray) else a
