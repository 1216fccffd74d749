"""What is solved for: an array or a tree of arrays outside, one vector of float64 to the solver."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.arrays.trees import LEAF, flatten
from polyad.arrays.types import Array
from polyad.solvers.nlp.bounds import bound
from polyad.solvers.unknown import Flat

__all__ = ["Unknowns", "joined"]


class Unknowns(Flat):
    """The form of the unknowns, and the way from and to a vector.

    Parameters
    ----------
    start : array, number or tree of them
        Where a solver starts; its values are real. The function gets NumPy's arrays of float64 and Python's
        numbers, which what is prepared converts.

    Examples
    --------
    >>> import numpy as np
    >>> unknown = Unknowns({"a": np.ones((1, 2)), "b": 3.0})
    >>> unknown.start, unknown.split(np.array([5.0, 6.0, 7.0]))
    (array([1., 1., 3.]), {'a': array([[5., 6.]]), 'b': 7.0})
    """

    def __init__(self, start: Any) -> None:
        super().__init__(start, "the start")
        self._forms = [
            shape if hasattr(leaf, "shape") else None
            for leaf, shape in zip(self._leaves, self._shapes, strict=True)
        ]
        # most unknowns are a vector already, and nothing is to be done
        self._bare = self._structure is LEAF and self._forms[0] == (self.size,)

    def split(self, x: Array) -> Any:
        """The tree of a vector, of NumPy's arrays and Python's numbers."""
        return x if self._bare else self._structure.unflatten(self._parts(x))

    def parted(self, x: Any) -> Any:
        """The tree of a vector that is differentiated, of any library: numbers are its entries."""
        if self._bare:
            return x
        parts: list[Any] = []
        at = 0
        for shape in self._shapes:
            size = math.prod(shape)
            parts.append(x[at] if shape == () else x[at : at + size].reshape(shape))
            at += size
        return self._structure.unflatten(parts)

    def joined(self, tree: Any) -> Array:
        """The vector of a tree of the same structure."""
        return tree if self._bare else joined(tree)

    def returned(self, x: Array) -> Any:
        """The tree of a vector, of the libraries of the start."""
        leaves = [
            part if shape is None or source.plain else source.from_numpy(np.asarray(part, order="C"))
            for part, source, shape in zip(self._parts(x), self._owners, self._forms, strict=True)
        ]
        return self._structure.unflatten(leaves)

    def bound(self, given: Any, default: float, name: str) -> Array:
        """A bound for each entry, from a number, a vector, an array or a tree like the unknowns.

        ``None`` and a leaf None stand for no bound.
        """
        return bound(given, self._structure, self._shapes, default, name)

    def _parts(self, x: Array) -> list[Any]:
        parts: list[Any] = []
        at = 0
        for shape in self._forms:
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
