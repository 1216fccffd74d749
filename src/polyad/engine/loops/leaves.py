"""What a loop carries: leaves of trees, what they look like, and when they stay the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, is_leaf, library_of
from polyad.arrays.library import ArraySpec
from polyad.arrays.trees import LEAF, flatten
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import BOXES, gathered, unbox
from polyad.engine.boxes.memory import apart
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.numbers.number import ScalarBox
from polyad.engine.rules.structure import stack
from polyad.errors import ON_OTHER_ARRAYS, rule_out

__all__ = [
    "Tree",
    "can_hold",
    "looks",
    "owned",
    "part_of",
    "refused",
    "same_form",
    "settled",
    "snapshot",
    "stacked",
]

_F8 = np.dtype(np.float64)
_NUMBER = ArraySpec((), _F8)
_PYTHON = {kind: ArraySpec((), np.dtype(kind), weak=True) for kind in (float, int, complex, bool)}


class Tree:
    """Trees of one structure, taken apart quickly where they are flat."""

    def __init__(self, tree: Any, name: str) -> None:
        leaves, self.structure = flatten(tree)
        self.name = name
        self.leaves = self._leaves(leaves)
        # a tuple of leaves is what most loops carry
        self._flat = type(tree) is tuple and len(leaves) == len(tree) and all(map(is_leaf, tree))

    def _leaves(self, leaves: Sequence[Any]) -> list[Any]:
        return [_as_leaf(leaf, self, k) for k, leaf in enumerate(leaves)]

    def build(self, leaves: Sequence[Any]) -> Any:
        """The tree of these leaves."""
        if self.structure is LEAF:
            return leaves[0]
        return tuple(leaves) if self._flat else self.structure.unflatten(leaves)

    def open(self, tree: Any) -> list[Any]:
        """The leaves of another tree.

        Raises
        ------
        polyad.errors.OperationNotSupportedError
            If it is put together in another way.
        """
        if self.structure is LEAF and _is_simple(tree):
            return [tree]
        if self._flat and type(tree) is tuple and len(tree) == self.structure.count:
            if all(map(_is_simple, tree)):
                return list(tree)
        leaves, structure = flatten(tree)
        if structure != self.structure:
            raise refused(
                f"{self.name} changes its structure: it was {self.structure!r} and became {structure!r}",
                "return it put together as it came in",
            )
        return self._leaves(leaves)

    def path(self, k: int) -> str:
        """What a leaf is called in messages."""
        return self.structure.paths(self.name)[k]


def _is_simple(leaf: Any) -> bool:
    """Whether it is a box or a number of the commonest kinds, so that nothing has to be looked at."""
    kind = type(leaf)
    return kind is float or kind is np.float64 or kind in BOXES


def refused(what: str, remedy: str) -> Exception:
    """The error for a loop that cannot be one; another way of running the function would not help."""
    return rule_out(refuse(what, remedy), ON_OTHER_ARRAYS)


def _as_leaf(leaf: Any, tree: Tree, k: int) -> Any:
    """A leaf that is an array or a number; arrays of objects with boxes in them are one box."""
    if isinstance(leaf, np.ndarray) and leaf.dtype == object:
        leaf = wrap(gathered(leaf))
    if not is_leaf(leaf):
        raise refused(
            f"{tree.path(k)} is a {type(leaf).__name__}, no array and no number",
            "let the body take it from around itself",
        )
    return leaf


def looks(leaf: Any) -> ArraySpec:
    """Shape and dtype of a leaf; weak if it is a number of Python's."""
    kind = type(leaf)
    if kind is ScalarBox or kind is np.float64:
        return _NUMBER
    found = _PYTHON.get(kind)
    if found is not None:
        return found
    owner = library_of(leaf)
    assert owner is not None
    if owner is PLAIN:
        return ArraySpec(leaf.shape, leaf.dtype)
    return owner.spec(leaf)


def settled(tree: Tree, before: Sequence[ArraySpec], after: Sequence[ArraySpec]) -> list[ArraySpec]:
    """What a loop carries, of what it starts with and what one step makes of that.

    A number of Python's takes the type that it meets; everything else stays what it is.

    Raises
    ------
    polyad.errors.OperationNotSupportedError
        If a leaf changes its shape or its dtype.
    """
    found = []
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if old.shape != new.shape:
            raise _changed(tree, k, old, new, "shape")
        if new.weak:
            kinds = {old.kind, new.kind}
            if "b" in kinds and len(kinds) == 2:
                raise _changed(tree, k, old, new, "dtype")
            found.append(ArraySpec((), np.result_type(old.dtype, new.dtype), weak=True) if old.weak else old)
        elif old.weak and _takes(old, new):
            found.append(new)
        elif old.dtype == new.dtype:
            found.append(new)
        else:
            raise _changed(tree, k, old, new, "dtype")
    return found


def _takes(old: ArraySpec, new: ArraySpec) -> bool:
    """Whether a number of Python's becomes a number of that dtype without losing anything."""
    if not isinstance(new.dtype, np.dtype) or new.kind not in "biufc":
        return new.kind != "b" and old.kind != "b"
    if "b" in (old.kind, new.kind):
        return old.kind == new.kind
    return "iufc".index(old.kind) <= "iufc".index(new.kind)


def same_form(tree: Tree, specs: Sequence[ArraySpec], leaves: Sequence[Any]) -> None:
    """Refuse leaves that are not what the loop carries."""
    for k, (spec, leaf) in enumerate(zip(specs, leaves, strict=True)):
        new = looks(leaf)
        if new is spec:
            continue
        if new.shape != spec.shape:
            raise _changed(tree, k, spec, new, "shape")
        if new.dtype != spec.dtype and not (new.weak and _takes(new, spec)):
            raise _changed(tree, k, spec, new, "dtype")


def _changed(tree: Tree, k: int, old: ArraySpec, new: ArraySpec, what: str) -> Exception:
    remedy = (
        "start with an array of the final shape, np.zeros(n)"
        if what == "shape"
        else "start with the dtype that a step gives, or convert with .astype"
    )
    return refused(f"{tree.path(k)} changes its {what} in the loop, from {old} to {new}", remedy)


# -- leaves in memory -----------------------------------------------------------------------------------


def can_hold(leaves: Sequence[Any], beside: Sequence[Any]) -> list[Any]:
    """Leaves to which active values can be written, where there are any."""
    if not any([isinstance(leaf, Box) for leaf in (*leaves, *beside)]):
        return list(leaves)
    return [
        Box(leaf.copy()) if type(leaf) is np.ndarray and leaf.dtype.kind in "fc" else leaf for leaf in leaves
    ]


def owned(leaf: Any) -> Any:
    """A leaf that the body may write to."""
    if type(leaf) is np.ndarray:
        return leaf.copy()
    return apart(leaf) if isinstance(leaf, Box) else leaf


def snapshot(leaf: Any) -> Any:
    """A leaf as it is now, whatever is written to it later."""
    if type(leaf) is np.ndarray:
        return leaf.copy()
    return unbox(leaf) if isinstance(leaf, Box) else leaf


def part_of(leaf: Any, k: int) -> Any:
    """One entry along the first axis, which the body may write to."""
    part = leaf[k]
    return part.copy() if type(part) is np.ndarray else part


def stacked(parts: Sequence[Any]) -> Any:
    """What the steps gave, one after the other along a new first axis."""
    if any(isinstance(part, Tracer) for part in parts):
        return wrap(stack(*[part if hasattr(part, "shape") else np.asarray(part) for part in parts], axis=0))
    foreign = next((part for part in parts if library_of(part) is not PLAIN), None)
    if foreign is None:
        return np.stack(parts)
    own = adapter(library_of(foreign).name)  # type: ignore[union-attr]
    arrays = [
        part if library_of(part) is not PLAIN else own.constant(np.asarray(part), foreign) for part in parts
    ]
    return own.own_stack(*arrays, axis=0)
