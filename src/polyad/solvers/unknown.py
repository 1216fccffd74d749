"""The unknown of a solver: one vector of float64 for the solver, a tree of arrays for the user's function."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, Library, library_of
from polyad.arrays.namespace import namespace
from polyad.arrays.trees import LEAF, flatten
from polyad.arrays.user_code import stack_level
from polyad.errors import (
    ArgumentError,
    HolomorphicError,
    InputTypeError,
    PrecisionWarning,
    TangentMismatchError,
)

__all__ = ["Flat", "Unknown", "warn_of_precision", "without_none"]

_DOUBLE = np.dtype(np.float64)


class Flat:
    """The leaves of what a solver looks for: real numbers, in one vector of float64.

    Numbers in lists are the array that SciPy makes of them; anything else keeps its form.

    Parameters
    ----------
    x0 : scalar, array or tree of them
        Where the search begins.
    what : str
        What a message calls it.

    Attributes
    ----------
    start : numpy.ndarray
        The beginning as a vector.
    library : Library
        Whose arrays the function takes.
    """

    def __init__(self, x0: Any, what: str) -> None:
        self._leaves, self._structure = flatten(_as_array(x0))
        if not self._leaves:
            raise InputTypeError(f"{what} holds no arrays and no numbers: pass an array, or a tree of arrays")
        self._names = self._structure.paths(what)
        self._owners = [_owner(leaf, name) for leaf, name in zip(self._leaves, self._names, strict=True)]
        self._specs = [owner.spec(leaf) for owner, leaf in zip(self._owners, self._leaves, strict=True)]
        for spec, name in zip(self._specs, self._names, strict=True):
            if spec.is_complex:
                raise HolomorphicError(
                    f"{name} is complex, and the solver works with real numbers: pass real and imaginary "
                    "parts as two arrays, and put them together in the function"
                )
            if not (spec.is_inexact or spec.kind in ("i", "u", "b")):
                raise InputTypeError(f"{name} has dtype {spec.dtype}: pass floating-point numbers")
        foreign = [owner for owner in self._owners if not owner.plain]
        self.what = what
        self.library: Library = foreign[0] if foreign else PLAIN
        arrays = [np.asarray(o.to_numpy(a)) for o, a in zip(self._owners, self._leaves, strict=True)]
        self._shapes = [a.shape for a in arrays]
        self.start = np.concatenate([np.ravel(a) for a in arrays]).astype(np.float64)
        if not self.start.size:
            raise ArgumentError(f"{what} has no entries: there is nothing to search for")
        for a, name in zip(arrays, self._names, strict=True):
            wrong = np.argwhere(~np.isfinite(a))
            if len(wrong):
                at = wrong[0].tolist()
                raise ArgumentError(
                    f"{name} is {a[tuple(at)]}{f' at {at}' if at else ''}: pass finite numbers, from which a "
                    "search can begin"
                )

    @property
    def size(self) -> int:
        """How many numbers are unknown."""
        return len(self.start)


class Unknown(Flat):
    """What a solver looks for.

    Numbers, lists of numbers and arrays are taken as SciPy takes them: as an array of float64, with at least
    one axis. Anything else that polyad takes as an argument (arrays of several axes, dicts, dataclasses,
    arrays of other libraries) keeps its form: the solver sees one vector, the user's function what it was
    given. Whole numbers stand for floating-point ones.

    Parameters
    ----------
    x0 : scalar, array or tree of them
        Where the search begins.
    what : str
        What a message calls it.

    Attributes
    ----------
    start : numpy.ndarray
        The beginning as a vector.
    plain : bool
        Whether the vector is what the function takes.
    library : Library
        Whose arrays the function takes.
    dtype : numpy.dtype
        In what the function computes: float64, or less where the arrays of ``x0`` have less.
    """

    def __init__(self, x0: Any, what: str = "x0") -> None:
        super().__init__(x0, what)
        leaves, owners, names = self._leaves, self._owners, self._names
        self._like = None if self.library.plain else leaves[owners.index(self.library)]
        self._dtypes = [s.dtype if s.is_inexact and not s.weak else _DOUBLE for s in self._specs]
        self._one = self._structure is LEAF
        if self._one and self._shapes == [()]:
            self._shapes = [(1,)]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self._scalars = [
            not self._one and owner.plain and not isinstance(leaf, np.ndarray)
            for owner, leaf in zip(owners, leaves, strict=True)
        ]
        widths = [np.dtype(d).itemsize if _is_numpys(d) else 2 for d in self._dtypes]
        self.dtype = np.dtype(self._dtypes[int(np.argmax(widths))]) if max(widths) > 2 else np.dtype("f4")
        self._mixed = any(str(d) != str(self.dtype) for d in self._dtypes)
        self.narrow = next(
            (
                f"{name} is {dtype}"
                for name, dtype, width in zip(names, self._dtypes, widths, strict=True)
                if width < 8
            ),
            "",
        )
        self.one_axis = self._one and len(self._shapes[0]) == 1
        self.plain = self.one_axis and self.library.plain and self.dtype == _DOUBLE

    @property
    def form(self) -> tuple[Any, ...]:
        """What unknowns have in common whose functions of a vector are the same."""
        dtypes = tuple(map(str, self._dtypes))
        device = "" if self.library.plain else str(self.library.device(self._like))
        return self._structure, tuple(self._shapes), dtypes, tuple(self._scalars), self.library.name, device

    # -- to the user's function -----------------------------------------------------------------------

    def enter(self, x: Any) -> Any:
        """The solver's vector as a vector of the function's library and precision, in memory of its own."""
        if self.plain:
            return x
        moved = x.astype(self.dtype)
        if self.library.plain:
            return moved
        moved = self.library.from_numpy(moved)
        device = self.library.device(self._like)
        if device and device != self.library.device(moved):
            moved = namespace(moved).asarray(moved, **device)
        return moved

    def taken_apart(self, x: Any) -> Any:
        """What the function takes, of a vector of its library or of one that is being differentiated."""
        if self.one_axis:
            return x
        leaves, at = [], 0
        for shape, size, dtype in zip(self._shapes, self._sizes, self._dtypes, strict=True):
            leaf = x[at : at + size].reshape(shape)
            if self._mixed and str(dtype) != str(leaf.dtype):
                leaf = namespace(leaf).astype(leaf, getattr(namespace(leaf), str(dtype)))
            leaves.append(leaf)
            at += size
        return self._structure.unflatten(leaves)

    def given(self, x: Any) -> Any:
        """What the function takes, of the solver's vector: for functions that are only called."""
        return self.taken_apart(self.enter(x))

    def of_vector(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the unknown as one of a vector; the function itself where there is no difference."""
        if self.one_axis:
            return f

        @functools.wraps(f)
        def of_vector(x: Any, *args: Any) -> Any:
            return f(self.taken_apart(x), *args)

        return of_vector

    # -- from the solver, and from the user --------------------------------------------------------------

    def result(self, x: Any) -> Any:
        """The solver's vector in the form of ``x0``, in memory of its own."""
        if self.plain:
            return x
        leaves = list(flatten(self.given(np.array(x, dtype=np.float64)))[0])
        for k, (scalar, dtype) in enumerate(zip(self._scalars, self._dtypes, strict=True)):
            if scalar:
                leaves[k] = np.dtype(dtype).type(leaves[k])
            elif not self.library.plain:
                leaves[k] = self.library.own(leaves[k])
        return self._structure.unflatten(leaves)

    def columns(self, y: Any) -> Any:
        """A matrix of which each column is a vector, in the form of the unknown: the last axis is theirs."""
        leaves, at = [], 0
        for shape, size in zip(self._shapes, self._sizes, strict=True):
            leaves.append(y[at : at + size].reshape(*shape, y.shape[1]))
            at += size
        if not self.library.plain:
            leaves = [self.library.from_numpy(np.asarray(leaf, order="C")) for leaf in leaves]
        return self._structure.unflatten(leaves)

    def vector(self, tree: Any, what: str) -> Any:
        """What has the form of the unknown (a gradient, bounds) as a vector of float64."""
        leaves, structure = flatten(tree if not self._one else _as_array(tree))
        owners = [_owner(leaf, what) for leaf in leaves]
        arrays = [np.asarray(o.to_numpy(a), dtype=np.float64) for o, a in zip(owners, leaves, strict=True)]
        if self._one and len(arrays) == 1 and arrays[0].size == self.size:
            return arrays[0].reshape(-1)
        if structure != self._structure or [a.shape for a in arrays] != self._shapes:
            raise TangentMismatchError(
                f"{what} has not the form of {self.what}: pass {self._structure!r} with arrays of shapes "
                f"{', '.join(map(str, self._shapes))}"
            )
        return np.concatenate([a.reshape(-1) for a in arrays])

    def limits(self, bounds: Any) -> Any:
        """Bounds as SciPy takes them; of a tree also as ``(lower, upper)``, each None, a number or a tree."""
        if self.one_axis or not (isinstance(bounds, tuple) and len(bounds) == 2):
            return bounds
        if self._structure is not LEAF:
            bounds = tuple(
                b if b is None else without_none(b, none)
                for b, none in zip(bounds, (-np.inf, np.inf), strict=True)
            )
        if not all(b is None or np.isscalar(b) or flatten(b)[1] == self._structure for b in bounds):
            return bounds
        from scipy.optimize import Bounds

        ends = []
        for bound, none in zip(bounds, (-np.inf, np.inf), strict=True):
            if bound is None or np.isscalar(bound):
                ends.append(np.full(self.size, none if bound is None else bound, dtype=np.float64))
            else:
                leaves = flatten(bound)[0]
                filled = [
                    np.broadcast_to(np.asarray(b, dtype=np.float64), shape).reshape(-1)
                    for b, shape in zip(leaves, self._shapes, strict=True)
                ]
                ends.append(np.concatenate(filled))
        return Bounds(*ends)


def without_none(tree: Any, default: float) -> Any:
    """A tree with a number in place of each None, which would be a container without leaves."""
    if tree is None:
        return default
    if isinstance(tree, dict):
        made = copy.copy(tree)
        made.update((key, without_none(part, default)) for key, part in tree.items())
        return made
    if type(tree) in (list, tuple):
        return type(tree)(without_none(part, default) for part in tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(without_none(part, default) for part in tree))
    return tree


def warn_of_precision(what: str, solver: str) -> None:
    """Say that a solver which works in float64 is given derivatives of less."""
    warnings.warn(
        f"{what}, so {solver} is given values and derivatives of less than its float64: it may stop early, "
        "or not at all, for want of digits. Compute in float64, or ask for wider tolerances (tol=)",
        PrecisionWarning,
        stacklevel=stack_level(),
    )


def _as_array(x0: Any) -> Any:
    """Numbers in lists or tuples as the array that SciPy makes of them; anything else as it is."""
    if type(x0) in (list, tuple) and x0 and _all_numbers(x0):
        return np.asarray(x0)
    return x0


def _all_numbers(x: Any) -> bool:
    if type(x) in (list, tuple):
        return all(map(_all_numbers, x))
    return isinstance(x, int | float | complex | np.generic)


def _owner(leaf: Any, name: str) -> Library:
    owner = library_of(leaf)
    if owner is None:
        raise InputTypeError(f"{name} is a {type(leaf).__name__}, which is no array and no number")
    return owner


def _is_numpys(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "f"
