"""The directions of products: checked against what they pair with, and converted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.conversion import converter
from polyad.arrays.libraries import PLAIN, ArraySpec, Library, library_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.arrays.types import Leaves
from polyad.call.inputs.arguments import describe_value
from polyad.errors import TangentMismatchError

__all__ = ["Seeds"]


class Seeds:
    """The directions of a product: checked against what they pair with, and converted.

    Parameters
    ----------
    name : str
        The keyword, ``"v"`` or ``"w"``.
    structure : Structure
        Structure that they must have.
    specs : sequence of ArraySpec
        Leaves that they must have, without the batch axis.
    pairs_with : str
        What they pair with, for messages.
    batched : bool
        Whether every leaf has one more leading axis.
    target : Library
        Library to convert to.
    like : array, optional
        An array of the target library that a correct seed resembles in type, shape and dtype.
    """

    def __init__(
        self,
        name: str,
        structure: Structure,
        specs: Sequence[ArraySpec],
        pairs_with: str,
        *,
        batched: bool,
        target: Library,
        like: Any = None,
    ) -> None:
        self.name, self.structure, self.specs = name, structure, tuple(map(_native, specs))
        self.pairs_with, self.batched, self.target = pairs_with, batched, target
        # what a correct NumPy seed looks like; anything else goes through the slower check
        self._fast = structure is LEAF and not batched
        self._shape = self.specs[0].shape if self.specs else ()
        self._dtype = np.dtype(self.specs[0].dtype) if self._fast and self.specs[0].is_inexact else None
        self._convert = converter(PLAIN, target)
        self._like = (type(like), like.dtype) if self._fast and hasattr(like, "dtype") else (None, None)

    def enter(self, value: Any) -> Leaves:
        """The leaves of a seed in the target library.

        Raises
        ------
        TangentMismatchError
            If it does not have the structure, the shapes or a dtype that casts.
        """
        if self._fast:
            kind = type(value)
            if kind is np.ndarray:
                if value.dtype is self._dtype and value.shape == self._shape:
                    return (value if self._convert is None else self._convert(value),)
            elif kind is self._like[0] and value.dtype is self._like[1] and value.shape == self._shape:
                return (value,)
        leaves, structure = flatten(value)
        if structure != self.structure:
            raise TangentMismatchError(
                f"{self.name} is {describe_value(value)}, but {self.pairs_with} is "
                f"{self._expected()}: they must have the same structure"
            )
        names = structure.paths(self.name)
        entered = tuple(
            self._leaf(leaf, spec, name) for leaf, spec, name in zip(leaves, self.specs, names, strict=True)
        )
        if self.batched:
            sizes = {int(leaf.shape[0]) for leaf in entered}
            if len(sizes) > 1:
                raise TangentMismatchError(
                    f"the leaves of {self.name} have leading axes of {sorted(sizes)}: "
                    "all leaves of a batch must have the same number of directions"
                )
        return entered

    def _leaf(self, leaf: Any, spec: ArraySpec, name: str) -> Any:
        owner = library_of(leaf)
        if owner is None:
            raise TangentMismatchError(f"{name} is a {type(leaf).__name__}: pass an array")
        found = owner.spec(leaf)
        shape = found.shape
        if self.batched and not shape:
            raise TangentMismatchError(
                f"{name} has no axis for the batch: with batched=True pass shape (k, ...)"
            )
        if (shape[1:] if self.batched else shape) != spec.shape:
            wanted = ", ".join(map(str, spec.shape))
            raise TangentMismatchError(
                f"{name} has shape {shape}, but {self.pairs_with} has shape {spec.shape}"
                + (f": with batched=True pass shape (k, {wanted})" if self.batched else "")
                + (
                    "; for many directions at once say batched=True"
                    if not self.batched and shape[1:] == spec.shape
                    else ""
                )
            )
        if found.is_inexact and found.is_complex and not spec.is_complex:
            raise TangentMismatchError(f"{name} is complex, but {self.pairs_with} is real")
        if not found.is_inexact and found.kind not in ("i", "u", "b"):
            raise TangentMismatchError(f"{name} has dtype {found.dtype}: pass numbers")
        if found.dtype != spec.dtype or found.weak:
            leaf = owner.cast(leaf, spec.dtype)
            owner = PLAIN if isinstance(leaf, np.ndarray) else owner
        convert = converter(owner, self.target)
        return leaf if convert is None else convert(leaf)

    def _expected(self) -> str:
        texts = [str(spec) for spec in self.specs]
        return texts[0] if self.structure is LEAF else f"a tree of {len(texts)} leaves ({', '.join(texts)})"


def _native(spec: ArraySpec) -> ArraySpec:
    """The spec in the machine's own byte order, in which frameworks compute."""
    return (
        spec if getattr(spec.dtype, "isnative", True) else spec._replace(dtype=spec.dtype.newbyteorder("="))
    )
