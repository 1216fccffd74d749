"""What is solved for: an array or a tree of arrays outside, one vector of float64 to the solver."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, library_of
from polyad.arrays.trees import LEAF, flatten
from polyad.arrays.types import Array
from polyad.errors import ArgumentError, InputTypeError
from polyad.solvers.nlp.bounds import bound

__all__ = ["Unknowns", "joined"]


class Unknowns:
    """The form of the unknowns, and the way from and to a vector.

    Parameters
    ----------
    start : array, number or tree of them
        Where a solver starts; its values are real.

    Examples
    --------
    >>> import numpy as np
    >>> unknown = Unknowns({"a": np.ones((1, 2)), "b": 3.0})
    >>> unknown.start, unknown.split(np.array([5.0, 6.0, 7.0]))
    (array([1., 1., 3.]), {'a': array([[5., 6.]]), 'b': 7.0})
    """

    def __init__(self, start: Any) -> None:
        leaves, self._structure = flatten(start)
        if not leaves:
            raise ArgumentError("the start holds no numbers: pass an array, a number or a tree of them")
        self.library: Any = PLAIN
        self._sources, arrays = [], []
        for leaf in leaves:
            source = library_of(leaf)
            if source is None:
                raise InputTypeError(
                    f"the start holds a {type(leaf).__name__}, which is no array and no number"
                )
            array = np.asarray(source.to_numpy(leaf) if hasattr(leaf, "shape") else leaf)
            if array.dtype.kind not in "fiu":
                raise InputTypeError(
                    f"the start holds numbers of dtype {array.dtype}, and solvers take real ones: pass the "
                    "real and the imaginary part as two leaves"
                )
            arrays.append(array.astype(np.float64))
            self._sources.append(source)
            if not source.plain:
                self.library = source
        self._shapes = [
            np.shape(array) if hasattr(leaf, "shape") else None
            for leaf, array in zip(leaves, arrays, strict=True)
        ]
        self.start = np.concatenate([array.reshape(-1) for array in arrays])
        self.size = len(self.start)
        # most unknowns are a vector already, and nothing is to be done
        self._bare = self._structure is LEAF and self._shapes[0] == (self.size,)

    def split(self, x: Array) -> Any:
        """The tree of a vector, of NumPy's arrays and Python's numbers."""
        return x if self._bare else self._structure.unflatten(self._parts(x))

    def joined(self, tree: Any) -> Array:
        """The vector of a tree of the same structure."""
        return tree if self._bare else joined(tree)

    def returned(self, x: Array) -> Any:
        """The tree of a vector, of the libraries of the start."""
        leaves = [
            part if shape is None or source.plain else source.from_numpy(np.ascontiguousarray(part))
            for part, source, shape in zip(self._parts(x), self._sources, self._shapes, strict=True)
        ]
        return self._structure.unflatten(leaves)

    def bound(self, given: Any, default: float, name: str) -> Array:
        """A bound for each entry, from a number, a vector, an array or a tree like the unknowns.

        ``None`` and a leaf None stand for no bound.
        """
        return bound(given, self._structure, [() if s is None else s for s in self._shapes], default, name)

    def _parts(self, x: Array) -> list[Any]:
        parts: list[Any] = []
        at = 0
        for shape in self._shapes:
            if shape is None:
                parts.append(float(x[at]))
                at += 1
            else:
                size = math.prod(shape)
                parts.append(x[at : at + size].reshape(shape))
                at += size
        return parts


def joined(tree: Any) -> Array:
    """The entries of all leaves of a tree of NumPy's arrays and numbers, in one vector."""
    leaves = flatten(tree)[0]
    if len(leaves) == 1:
        return np.asarray(leaves[0], dtype=np.float64).reshape(-1)
    return np.concatenate([np.asarray(leaf, dtype=np.float64).reshape(-1) for leaf in leaves])
