"""Unit seeds over leaves in a row, and the small arithmetic that derivations need around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, library_of
from polyad.arrays.types import Leaves

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = ["as_block", "as_dtype", "basis", "chunk_of", "conj", "device", "dtype", "is_complex", "size"]


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
    return max(1, chosen if chosen is not None else min(directions, BATCH_ENTRIES // max(1, entries)))


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
