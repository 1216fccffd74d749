"""Comparing what came out with what must come out: structure, type, shape, dtype, entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, Library, library_of
from polyad.errors import ConformanceError
from polyad.testing.scenario import RTOL
from polyad.testing.trees import children, leaves, same_container

__all__ = ["Snapshot", "assert_apart", "assert_equal"]


def as_numpy(leaf: Any) -> Any:
    """An array of any library as NumPy."""
    owner = library_of(leaf)
    return np.asarray(leaf if owner is None else owner.to_numpy(leaf))


def assert_equal(
    got: Any,
    want: Any,
    what: str,
    *,
    like: Any = None,
    library: Library = PLAIN,
    rtol: Mapping[str, float] | float = RTOL,
    scale: float = 0.0,
) -> None:
    """Raise ``ConformanceError`` unless ``got`` is the tree ``want``.

    Parameters
    ----------
    got, want : tree
        What came and what must come; ``want`` holds NumPy arrays or numbers.
    what : str
        Its name in messages.
    like : tree, optional
        The argument that the result pairs with: where it holds arrays the result must too.
    library : Library
        The library whose arrays must come.
    rtol : float or mapping from dtype to float
        Allowed error relative to the largest entry of the reference.
    scale : float
        A magnitude below which errors are relative to it (finite differences of zero).
    """
    if children(want) is not None:
        if not same_container(got, want):
            raise ConformanceError(f"{what} is {_outline(got)}, it must be {_outline(want)}")
        likes = dict(children(like) or ()) if children(like) is not None else {}
        for (name, a), (_, b) in zip(children(got) or (), children(want) or (), strict=True):
            part = likes.get(name)
            assert_equal(a, b, what + name, like=part, library=library, rtol=rtol, scale=scale)
        return
    owner = library_of(got)
    if children(got) is not None or owner is not library:
        found = owner.name if owner else type(got).__name__
        raise ConformanceError(f"{what} is {_outline(got)} of {found}, it must be an array of {library.name}")
    if library.plain and not isinstance(got, np.ndarray | np.generic):
        raise ConformanceError(f"{what} is the Python number {got!r}, it must be an array or a NumPy scalar")
    if isinstance(like, np.ndarray) and library.plain and not isinstance(got, np.ndarray):
        raise ConformanceError(f"{what} is a scalar, it must be an array like the argument")
    assert_close(as_numpy(got), np.asarray(want), what, rtol, scale)


def assert_close(
    got: Any, want: Any, what: str, rtol: Mapping[str, float] | float, scale: float = 0.0
) -> None:
    """Raise ``ConformanceError`` unless two arrays agree in shape, dtype and entries."""
    if got.shape != want.shape:
        raise ConformanceError(f"{what} has shape {got.shape}, it must have {want.shape}")
    if got.dtype.newbyteorder("=") != want.dtype.newbyteorder("="):
        raise ConformanceError(f"{what} has dtype {got.dtype}, it must have {want.dtype}")
    if not want.size:
        return
    if want.dtype.kind not in "fc":
        if not np.array_equal(got, want):
            raise ConformanceError(f"{what} is {got}, it must be {want}")
        return
    allowed = rtol if isinstance(rtol, float) else rtol[want.dtype.newbyteorder("=").name]
    allowed *= max(float(np.max(np.abs(want))), scale, np.finfo(want.dtype).tiny)
    error = np.abs(got - want)
    if not np.all(error <= allowed):  # written so that nan fails
        k = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        index = f"[{', '.join(map(str, k))}]" if k else ""
        raise ConformanceError(
            f"{what}{index} is {got[k]!r}, it must be {want[k]!r} "
            f"(error {error[k]:.3g}, allowed {allowed:.3g})"
        )


def _outline(tree: Any) -> str:
    parts = children(tree)
    if tree is None:
        return "None"
    if parts is None:
        return f"a {type(tree).__name__}"
    return f"{type(tree).__name__}({', '.join(name for name, _ in parts)})"


class Snapshot:
    """What some values were, bit for bit, to prove that nothing wrote to them.

    Parameters
    ----------
    *trees : object
        The values; arrays of other libraries than NumPy are remembered by their entries.
    """

    def __init__(self, *trees: Any) -> None:
        self._kept = [(path, leaf, _bits(leaf), np.array(as_numpy(leaf))) for path, leaf in leaves(trees)]

    def assert_unchanged(self, what: str) -> None:
        """Raise ``ConformanceError`` if any value is not what it was."""
        for path, leaf, bits, _ in self._kept:
            if _bits(leaf) != bits:
                raise ConformanceError(f"{what} was changed at {path}")

    def restore(self) -> None:
        """Give every NumPy array its entries back, for whoever uses the values next."""
        for _, leaf, bits, entries in self._kept:
            if isinstance(leaf, np.ndarray) and leaf.flags.writeable and _bits(leaf) != bits:
                leaf[...] = entries


def _bits(leaf: Any) -> Any:
    if library_of(leaf) is None:
        return repr(leaf)
    a = as_numpy(leaf)
    flags = (leaf.flags.writeable, leaf.strides) if isinstance(leaf, np.ndarray) else None
    return (a.dtype.str, a.shape, a.tobytes(), flags)


def assert_apart(results: Any, others: Any, what: str) -> None:
    """Raise ``ConformanceError`` if a NumPy result shares memory with ``others`` or refuses writing."""
    arrays = [leaf for _, leaf in leaves(others) if isinstance(leaf, np.ndarray)]
    for path, leaf in leaves(results):
        if not isinstance(leaf, np.ndarray):
            continue
        if not leaf.flags.writeable:
            raise ConformanceError(f"{what}{path} is read-only")
        if leaf.size > 1 and not all(s for s, n in zip(leaf.strides, leaf.shape, strict=True) if n > 1):
            raise ConformanceError(f"{what}{path} is a broadcast view, whose entries share memory")
        if any(np.may_share_memory(leaf, other) for other in arrays):
            raise ConformanceError(f"{what}{path} shares memory with an argument or another result")
