"""One argument of a call: its role, its leaves, and the check of later calls against it.

* An argument is active, constant or static; its leaves are arrays and numbers.
* The check is the conversion: one closure per argument returns the leaves in the framework's
  form, by a few identity comparisons where everything is as it was at preparation.
* Python numbers among the active arguments are float64 (complex128); among the constants they
  stay Python numbers, which adapt to the precision of what they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.conversion import converter
from polyad.arrays.libraries import ArraySpec, Library, library, library_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.arrays.types import Leaves
from polyad.call.inputs.scratch import Cache, writable
from polyad.errors import ArgumentError, InputTypeError
from polyad.systems.registry import names

__all__ = ["DOUBLES", "Argument", "Mismatch", "Static", "describe", "describe_value"]


_DOUBLE = np.dtype(np.float64)
# the owners of the leaves of an argument that is one of NumPy's arrays of doubles, or a number
DOUBLES = (library("numpy"),)
_NUMBER = (ArraySpec((), _DOUBLE, weak=True),)


class Mismatch(Exception):
    """A call that does not fit; the operators turn it into the public error."""


class Static:
    """Marks an argument that is neither differentiated nor traced: a string, a size, a flag.

    Parameters
    ----------
    value : object
        Handed to the function as it is. A prepared object keeps it and refuses another.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def f(x, power):
    ...     return (x**power).sum()
    >>> ad.gradient(f, np.array([1.0, 2.0]), ad.Static(3), backend="jax")
    array([ 3., 12.])
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Static({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and bool(np.all(self.value == other.value))

    __hash__ = None  # type: ignore[assignment]


class Argument:
    """One positional argument: its role, structure and leaves at preparation."""

    def __init__(self, position: int, value: Any, *, active: bool, where: str = "") -> None:
        self.active = active
        self.where = where or f"argument {position}"
        self.leaves: Leaves
        self.structure: Structure
        self.specs: tuple[ArraySpec, ...]
        self.owners: tuple[Library, ...]
        self.scalars: tuple[bool, ...]
        kind = type(value)
        if (kind is np.ndarray and value.dtype is _DOUBLE) or (kind is float and not active):
            # what most arguments are: nothing is to be found out
            array = kind is np.ndarray
            self.static, self.cache = None, False
            self.leaves, self.structure, self.owners = (value,), LEAF, DOUBLES
            self.specs = (ArraySpec(value.shape, _DOUBLE),) if array else _NUMBER
            self.scalars = (not array,)
            return
        owner = library_of(value)
        if owner is not None:  # one array or number, as mostly
            self.static, self.cache = None, False
            self.leaves, self.structure, self.owners = (value,), LEAF, (owner,)
            self.specs = (_spec(value, owner, self.where, active=active),)
            self.scalars = (owner.plain and not isinstance(value, np.ndarray),)
            return
        self.static = value if isinstance(value, Static) else None
        self.cache = isinstance(value, Cache)
        if self.static is not None:
            if active:
                raise ArgumentError(f"argument {position} is Static, so it cannot be active (argnums)")
            self.leaves, self.structure = (), LEAF
        else:
            if self.cache and active:
                raise ArgumentError(f"argument {position} is a Cache, so it cannot be active (argnums)")
            self.leaves, self.structure = flatten(value.array if self.cache else value)
        names = self.structure.paths("") if self.static is None else []
        self.specs = tuple(
            _spec(leaf, library_of(leaf), f"{self.where}{name and ' at '}{name}", active=active)
            for leaf, name in zip(self.leaves, names, strict=True)
        )
        if self.cache:
            for spec in self.specs:
                writable(spec.dtype, self.where)
        self.owners = tuple(_owner(leaf) for leaf in self.leaves)
        # NumPy scalars and Python numbers come back as NumPy scalars, 0-d arrays as arrays.
        self.scalars = tuple(
            owner.plain and not isinstance(leaf, np.ndarray)
            for leaf, owner in zip(self.leaves, self.owners, strict=True)
        )

    def describe(self) -> str:
        """The argument as messages show it."""
        words = describe(self.structure, self.specs, self.owners, self.static)
        return f"Cache of {words}" if self.cache else words

    def leaf_checkers(self, target: Library) -> list[Callable[[Any], Any]]:
        """A closure per leaf, from the leaf of a call to the target library's."""
        return [
            _leaf_checker(leaf, spec, owner, target)
            for leaf, spec, owner in zip(self.leaves, self.specs, self.owners, strict=True)
        ]

    def checker(self, target: Library) -> Callable[[Any], Leaves]:
        """A closure from the argument of a call to its leaves in the target library."""
        if self.static is not None:
            static = self.static

            def check_static(a: Any) -> Leaves:
                if a == static:
                    return ()
                raise Mismatch

            return check_static
        if self.cache:
            check_array = self._checker_of_tree(target)

            def check_cache(a: Any) -> Leaves:
                if isinstance(a, Cache):
                    return check_array(a.array)
                raise Mismatch

            return check_cache
        return self._checker_of_tree(target)

    def _checker_of_tree(self, target: Library) -> Callable[[Any], Leaves]:
        checks = self.leaf_checkers(target)
        if self.structure is LEAF:
            check = checks[0]
            return lambda a: (check(a),)
        structure = self.structure

        def check_tree(a: Any) -> Leaves:
            leaves, found = flatten(a)
            if found != structure:
                raise Mismatch
            return tuple([check(leaf) for check, leaf in zip(checks, leaves, strict=True)])

        return check_tree


def describe(
    structure: Structure, specs: Sequence[ArraySpec], owners: Sequence[Library], static: Static | None
) -> str:
    """A structure with its leaves spelled out."""
    if static is not None:
        return repr(static)
    words = [
        str(spec) if spec.weak else f"{owner.name} {spec}" for spec, owner in zip(specs, owners, strict=True)
    ]
    if structure is LEAF:
        return words[0]
    text = ", ".join(f"{path or '.'}: {word}" for path, word in zip(structure.paths(""), words, strict=True))
    return f"tree of {structure.count} leaves ({text})"


def _owner(leaf: Any) -> Library:
    owner = library_of(leaf)
    assert owner is not None  # _spec has refused what no library owns
    return owner


def _spec(leaf: Any, owner: Library | None, where: str, *, active: bool) -> ArraySpec:
    """The spec of a leaf, or the error that says why it cannot be one."""
    if owner is None:
        kind = type(leaf).__name__
        meant = isinstance(leaf, str) and leaf.partition(":")[0] in names()
        raise InputTypeError(
            f"{where} is a {kind}, which is no array and no number: "
            + ("pass an array" if active else "wrap it in polyad.Static, or pass an array")
            + (f"; for the backend say backend={leaf!r}" if meant else "")
        )
    spec = owner.spec(leaf)
    if active:
        if spec.weak and not spec.is_inexact:
            raise InputTypeError(
                f"{where} is the {np.dtype(spec.dtype).name} {leaf!r}: derivatives need "
                f"floating-point numbers, pass {float(leaf)}"
            )
        if spec.weak:
            return ArraySpec((), spec.dtype)
        if not spec.is_inexact:
            raise InputTypeError(
                f"{where} has dtype {spec.dtype}: derivatives need floating-point numbers, "
                "pass x.astype(float), or make it a constant with argnums"
            )
    elif spec.kind in ("O", "S", "U", "M", "m"):
        raise InputTypeError(f"{where} has dtype {spec.dtype}: wrap it in polyad.Static")
    return spec


_NUMBERS: dict[str, type] = {"f": float, "i": int, "c": complex, "b": bool}


def _leaf_checker(leaf: Any, spec: ArraySpec, owner: Library, target: Library) -> Callable[[Any], Any]:
    """A closure that returns the converted leaf of a call, or raises Mismatch."""
    if spec.weak:
        number = _NUMBERS[np.dtype(spec.dtype).kind]
        kinds = {"b": "b", "i": "bi", "f": "bif", "c": "bifc"}[np.dtype(spec.dtype).kind]

        def check_number(a: Any) -> Any:
            if type(a) is number:
                return a
            found = library_of(a)
            if found is None or not found.plain or np.ndim(a) or np.result_type(a).kind not in kinds:
                raise Mismatch
            return number(a)

        return check_number
    kind, shape, dtype = type(leaf), spec.shape, getattr(leaf, "dtype", None)
    convert = converter(owner, target)
    if owner.plain and not spec.dtype.isnative:
        convert = _native(spec.dtype.newbyteorder("="), convert)
    if owner.plain and not isinstance(leaf, np.ndarray):
        scalar = np.dtype(spec.dtype).type  # Python floats become np.float64
        enter = convert or (lambda a: a)

        def check_scalar(a: Any) -> Any:
            if type(a) is not scalar:
                found = library_of(a)
                if found is None or not found.plain or np.ndim(a):
                    raise Mismatch
                if not np.can_cast(np.result_type(a), spec.dtype, "safe") or np.result_type(a).kind in "bui":
                    raise Mismatch
                a = scalar(a)
            return enter(a)

        return check_scalar

    def check_slowly(a: Any) -> Any:
        found = library_of(a)
        if found is not None and (plain := found.released(a)) is not a:
            a, found = plain, library_of(plain)  # of a differentiation that is finished
        if found is not owner or found.spec(a)[:2] != spec[:2]:
            raise Mismatch
        return a if convert is None else convert(a)

    # The identity of type and dtype is the common case and costs tens of nanoseconds; equal but
    # not identical ones (a torch Parameter, a dtype out of a file) take the slower comparison.
    if convert is None:

        def check(a: Any) -> Any:
            if type(a) is kind and a.dtype is dtype and a.shape == shape:
                return a
            return check_slowly(a)

    else:

        def check(a: Any) -> Any:
            if type(a) is kind and a.dtype is dtype and a.shape == shape:
                return convert(a)
            return check_slowly(a)

    return check


def _native(dtype: Any, convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """A conversion that first gives an array the machine's own byte order, which frameworks need."""
    if convert is None:
        return lambda a: a.astype(dtype)
    return lambda a: convert(a.astype(dtype))


def describe_value(value: Any) -> str:
    """A value as messages show it, whatever it is."""
    if isinstance(value, Static):
        return repr(value)
    if isinstance(value, Cache):
        return f"Cache of {describe_value(value.array)}"
    leaves, structure = flatten(value)
    owners = [library_of(leaf) for leaf in leaves]
    if any(owner is None for owner in owners):
        return f"a {type(value).__name__}"
    try:
        specs = [owner.spec(leaf) for owner, leaf in zip(owners, leaves, strict=True)]  # type: ignore[union-attr]
    except InputTypeError as error:
        return str(error)
    return describe(structure, specs, owners, None)  # type: ignore[arg-type]
