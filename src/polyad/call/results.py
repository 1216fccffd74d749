"""From a kernel's leaves to what the caller gets: the caller's structure, arrays and ``out``.

* A result never shares memory with anything that the caller passed in.
* ``out`` is checked before anything runs, and written only after everything succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.conversion import leaving
from polyad.arrays.libraries import ArraySpec, Library, library, library_of, spec_of
from polyad.arrays.overlap import meets_itself, overlap, same_place, separate
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.arrays.types import Leaves
from polyad.call.function.flat import FlatFunction
from polyad.call.inputs.signature import Signature
from polyad.errors import OutMismatchError
from polyad.systems.contract import Problem

__all__ = ["Delivery", "fills"]

Convert = Callable[[Any], Any]
NUMPY = library("numpy")


class Delivery:
    """Results of one prepared object as the caller's trees of the caller's arrays.

    Parameters
    ----------
    signature : Signature
        The arguments at preparation, whose structure and library results take.
    flat : FlatFunction
        The function, which knows the structure of its output once it was called.
    source : Library
        The library of the kernel's leaves.
    gives : {"input", "output", "jacobian", "hessian"}
        What the result is like.
    batched : bool
        Whether the result has a leading axis.
    """

    def __init__(
        self, signature: Signature, flat: FlatFunction, source: Library, gives: str, *, batched: bool
    ) -> None:
        self.signature, self.flat, self.source = signature, flat, source
        self.target = signature.library
        self.gives, self.batched = gives, batched

    def structure(self, kind: str) -> Structure:
        """Structure of the active argument (``"input"``) or of the output."""
        structure = self.signature.x_structure if kind == "input" else self.flat.y_structure
        assert structure is not None
        return structure

    def converts(self, kind: str, count: int, *, batched: bool) -> list[Convert]:
        """One conversion per leaf of a result of that kind."""
        if kind == "input":
            return [
                leaving(self.source, self.target, scalar=scalar and not batched, dtype=spec.dtype)
                for scalar, spec in zip(self.signature.x_scalars, self.signature.x_specs, strict=True)
            ]
        scalar = kind == "output" and not batched
        return [leaving(self.source, self.target, scalar=scalar)] * count

    def tree(self, kind: str, leaves: Leaves, others: Sequence[Any], *, batched: bool | None = None) -> Any:
        """Leaves as the caller's tree; ``others`` is what they must not share memory with."""
        batched = self.batched if batched is None else batched
        if len(leaves) == 1 and self._is_as_it_comes(kind, leaves[0]):
            return self.target.fresh(leaves[0], _arrays_in(others))
        converts = self.converts(kind, len(leaves), batched=batched)
        apart = _arrays_in(others)
        arrays = [
            self.target.fresh(convert(leaf), apart) for convert, leaf in zip(converts, leaves, strict=True)
        ]
        return self.arranged(kind, separate(arrays))

    def _is_as_it_comes(self, kind: str, leaf: Any) -> bool:
        """Whether the only leaf of a result is what the caller gets, as far as its memory is its own."""
        if type(leaf) is not np.ndarray or not (self.source is self.target is NUMPY):
            return False
        signature = self.signature
        if signature.x_structure is not LEAF:
            return False
        if kind == "input":
            return not signature.x_scalars[0] and leaf.dtype is signature.x_specs[0].dtype
        return kind == "hessian" or (kind == "jacobian" and self.flat.y_structure is LEAF)

    def value(self, leaves: Leaves) -> Any:
        """The value as the caller's tree, in memory of its own, since the function may return an argument."""
        converts = self.converts("output", len(leaves), batched=False)
        arrays = [self._owned(convert(leaf)) for convert, leaf in zip(converts, leaves, strict=True)]
        return self.arranged("output", arrays)

    def _owned(self, leaf: Any) -> Any:
        """A converted leaf in memory of its own; immutable arrays need none."""
        owner = library_of(leaf)
        if owner is None or (self.source.immutable and owner is self.target):
            return leaf
        return owner.own(leaf)

    def arranged(self, kind: str, arrays: Sequence[Any]) -> Any:
        """Leaves of a result of that kind in its structure."""
        if kind in ("input", "output"):
            return self.structure(kind).unflatten(arrays)
        inner = self.signature.x_structure
        outer = inner if kind == "hessian" else self.structure("output")
        rows = [arrays[k : k + inner.count] for k in range(0, len(arrays), inner.count)]
        return outer.unflatten(inner.unflatten(row) for row in rows)

    def result(self, leaves: Leaves, places: Leaves | None, others: Sequence[Any], out: Any) -> Any:
        """The result, or ``out`` with the result in it."""
        tree = self.tree(self.gives, leaves, others)
        if places is None:
            return tree
        results = flatten(tree)[0]
        for place, result in zip(places, results, strict=True):
            _check_fits(spec_of(place), spec_of(result))
        for place, result in zip(places, results, strict=True):
            library_of(place).copy_into(place, result)  # type: ignore[union-attr]
        return out

    def aux(self, leaves: Leaves) -> Any:
        """The user's auxiliary output, its arrays in the caller's library."""
        structure = self.flat.aux_structure
        assert structure is not None
        convert = leaving(self.source, self.target, scalar=True)
        return structure.unflatten(
            self._owned(convert(leaf))
            if (owner := library_of(leaf)) is self.source
            else leaf
            if owner is None
            else owner.own(leaf)
            for leaf in leaves
        )

    def expected(self, problem: Problem) -> list[ArraySpec] | None:
        """Specs of the result's leaves; None where the number of directions is the call's."""
        if self.batched:
            return None
        x = list(self.signature.x_specs)
        if self.gives == "input":
            return [ArraySpec(s.shape, s.dtype) for s in x]
        y = x if self.gives == "hessian" else list(problem.outputs)
        if self.gives == "output":
            return [ArraySpec(s.shape, s.dtype) for s in y]
        return [ArraySpec(a.shape + b.shape, np.result_type(a.dtype, b.dtype)) for a in y for b in x]

    def nbytes(self, problem: Problem) -> int:
        """Bytes of the result; those of one direction where the number of directions is the call's."""
        specs = self.expected(problem) or self.signature.x_specs
        return sum(spec.size * np.dtype(spec.dtype).itemsize for spec in specs)

    def places(self, out: Any, problem: Problem, others: Sequence[Any]) -> Leaves:
        """The leaves of ``out``, after every check that can be made before anything runs."""
        places, _ = flatten(out)
        expected = self.expected(problem)
        if expected is not None and len(places) != len(expected):
            raise OutMismatchError(f"out has {len(places)} leaves, the result has {len(expected)}")
        for k, place in enumerate(places):
            owner = library_of(place)
            if owner is None or not hasattr(place, "shape") or not owner.writeable(place):
                kind = f"a {type(place).__module__}.{type(place).__name__}"
                raise OutMismatchError(f"out is {kind} that cannot be written to: pass a writable array")
            if meets_itself(place):
                raise OutMismatchError(
                    f"out has shape {tuple(place.shape)} on fewer places in memory, so that entries of the "
                    "result would overwrite each other: pass np.empty of that shape"
                )
            if expected is not None:
                _check_fits(owner.spec(place), expected[k])
        _check_apart(places, others)
        return places


def _arrays_in(others: Sequence[Any]) -> tuple[Any, ...]:
    """The leaves of what a result must not share memory with; numbers have none."""
    found: list[Any] = []
    for other in others:
        if type(other) is np.ndarray:
            found.append(other)
        elif type(other) is not float:
            found.extend(flatten(other)[0])
    return tuple(found)


def _check_fits(found: ArraySpec, wanted: ArraySpec) -> None:
    if found.shape != wanted.shape:
        raise OutMismatchError(f"out has shape {found.shape}, the result has shape {wanted.shape}")
    if not np.can_cast(wanted.dtype, found.dtype, "safe"):
        raise OutMismatchError(
            f"out has dtype {found.dtype}, the result has dtype {wanted.dtype}, which does not fit into it: "
            f"pass np.empty({found.shape}, dtype={str(wanted.dtype)!r})"
        )


def _check_apart(places: Leaves, others: Sequence[Any]) -> None:
    """Refuse places that overlap; one that is an argument as a whole is the caller's wish."""
    for k, place in enumerate(places):
        if any(overlap(place, other) for other in places[:k]):
            raise OutMismatchError(
                "two arrays of out share memory, so that one result would overwrite the other: "
                "pass an array for each"
            )
        for other in others:
            for leaf in flatten(other)[0]:
                _check_argument(place, leaf)


def _check_argument(place: Any, leaf: Any) -> None:
    """Refuse a place that shares some memory with an argument and is not the argument."""
    if place is not leaf and overlap(place, leaf) and not same_place(place, leaf):
        raise OutMismatchError(
            "out shares a part of its memory with an argument, which would be left half overwritten: "
            "pass another array, or the argument itself to replace it"
        )


def fills(out: Any, spec: ArraySpec | None, args: tuple[Any, ...], seed: tuple[Any, ...]) -> bool:
    """Whether ``out`` is exactly the plain array that a result of that spec fills."""
    if not (
        spec is not None
        and type(out) is np.ndarray
        and out.dtype is spec.dtype
        and out.shape == spec.shape
        and out.flags.writeable
        and out.flags.c_contiguous
    ):
        return False
    alone = out.base is None
    for given in (args, seed):
        for a in given:
            # of two arrays that each have memory of their own, neither has the other's
            if not (type(a) is np.ndarray and alone and a.base is None):
                for leaf in flatten(a)[0]:
                    _check_argument(out, leaf)
    return True
