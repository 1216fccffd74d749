"""Unit seeds over leaves in a row, and the small arithmetic that derivations need around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, library_of
from polyad.arrays.types import Leaves

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = [
    "Stack",
    "as_block",
    "as_dtype",
    "basis",
    "chunk_of",
    "conj",
    "device",
    "dtype",
    "is_complex",
    "size",
    "swept",
]


# Seeds and tangents of one batch together stay near this many entries (256 MiB of float64).
BATCH_ENTRIES = 2**25


def basis(
    xp: Any, specs: Sequence[ArraySpec], like: Leaves, chunk: int, *, real: bool = False
) -> Iterator[tuple[int, Leaves]]:
    """Batches of unit seeds over all leaves in a row.

    Parameters
    ----------
    xp : module
        Array namespace of the seeds.
    specs : sequence of ArraySpec
        What the seeds look like.
    like : tuple
        One array per leaf, whose device the seeds share; may be empty.
    chunk : int
        Largest batch.
    real : bool
        Add ``1j`` times each unit vector for complex leaves.

    Yields
    ------
    leaf : int
        The leaf in which the units of this batch stand.
    seeds : tuple
        One array per leaf with a leading batch axis, zero in the other leaves.
    """
    for i, spec in enumerate(specs):
        units = (1.0, 1j) if real and spec.is_complex else (1.0,)
        for unit in units:
            for start in range(0, spec.size, chunk):
                stop = min(start + chunk, spec.size)
                yield (
                    i,
                    tuple(
                        _units(xp, spec, start, stop, unit, device(like, k))
                        if k == i
                        else xp.zeros((stop - start, *other.shape), dtype=dtype(xp, other), **device(like, k))
                        for k, other in enumerate(specs)
                    ),
                )


def _units(xp: Any, spec: ArraySpec, start: int, stop: int, unit: complex, device: dict[str, Any]) -> Any:
    block = xp.eye(stop - start, spec.size, k=start, dtype=dtype(xp, spec), **device)
    if len(spec.shape) != 1:
        block = xp.reshape(block, (stop - start, *spec.shape))
    return block if unit == 1.0 else block * unit


def swept(product: Any, x: Leaves, c: Leaves, batches: Iterable[tuple[Any, Leaves]]) -> Iterator[Any]:
    """The outcome of a batched product for each ``(tag, seeds)``, with its tag, in their order."""
    many = getattr(product, "many", None)
    if many is not None:
        yield from many(x, c, batches)
        return
    for tag, seeds in batches:
        yield tag, product(x, c, seeds)


class Stack:
    """The products of batches, which stand under each other. Plain arrays are written to their place at once.

    So no batch is kept, and they need not be put together in memory of its own at the end.

    Parameters
    ----------
    total : int
        Directions of all batches.
    """

    def __init__(self, total: int) -> None:
        self._parts: list[Leaves] = []
        self._total, self._filled = total, -1

    def append(self, leaves: Leaves) -> None:
        """The products of one more batch."""
        plain = all([type(leaf) is np.ndarray for leaf in leaves])
        if not self._parts and plain and len(leaves[0]) < self._total:
            whole = tuple(np.empty((self._total, *leaf.shape[1:]), leaf.dtype) for leaf in leaves)
            self._parts, self._filled = [whole], 0
        if self._filled < 0:
            self._parts.append(leaves)
            return
        (whole,) = self._parts
        if not (plain and all(a.dtype == b.dtype for a, b in zip(whole, leaves, strict=True))):
            self._parts, self._filled = [tuple(a[: self._filled] for a in whole), leaves], -1
            return
        stop = self._filled + len(leaves[0])
        for place, leaf in zip(whole, leaves, strict=True):
            place[self._filled : stop] = leaf
        self._filled = stop

    def __iter__(self) -> Iterator[Leaves]:
        return iter(self._parts)


def dtype(xp: Any, spec: ArraySpec) -> Any:
    """The dtype of a spec as the namespace calls it."""
    if xp is np:
        return spec.dtype
    name = str(spec.dtype)
    return getattr(xp, name, spec.dtype)


def device(like: Leaves, k: int) -> dict[str, Any]:
    """The keyword that puts a new array beside ``like[k]``, for libraries that have devices."""
    owner = library_of(like[k]) if like else None
    return owner.device(like[k]) if owner is not None else {}


def chunk_of(backend: Backend, directions: int, entries: int) -> int:
    """Seeds per batch: the backend's ``chunk_size``, or what keeps memory in bounds."""
    chosen = getattr(backend, "chunk_size", None)
    if chosen is None:
        chosen = BATCH_ENTRIES // max(1, entries)
    return max(1, min(chosen, -(-directions // backend.pieces)))


def size(specs: Sequence[ArraySpec]) -> int:
    """Entries of all leaves together."""
    return sum(spec.size for spec in specs)


def is_complex(a: Any) -> bool:
    """Whether an array of any library is complex."""
    return "complex" in str(a.dtype)


def conj(xp: Any, a: Any) -> Any:
    """The conjugate; real arrays stay as they are, for libraries that would copy them."""
    return xp.conj(a) if is_complex(a) else a


def as_block(xp: Any, a: Any, out: ArraySpec, spec: ArraySpec) -> Any:
    """A block of a Jacobian in the dtype that an output and an input leaf have together."""
    return a if out.dtype == spec.dtype else as_dtype(xp, a, np.result_type(out.dtype, spec.dtype))


def as_dtype(xp: Any, a: Any, wanted: Any) -> Any:
    """The array in that dtype."""
    name = str(wanted)
    # torch writes "torch.float32"
    return a if str(a.dtype).endswith(name) else xp.astype(a, getattr(xp, name, wanted))
