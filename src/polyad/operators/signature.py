"""What a prepared object was prepared for, and the check of every call against it.

* An argument is active, constant or static; its leaves are arrays and numbers.
* The check is the conversion: one closure per argument returns the leaves in the framework's
  form, by a few identity comparisons where everything is as it was at preparation.
* Python numbers among the active arguments are float64 (complex128); among the constants they
  stay Python numbers, which adapt to the precision of what they meet.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, Library, converter, library, library_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.errors import ArgumentError, InputTypeError, TangentMismatchError

__all__ = ["Mismatch", "Seeds", "Signature", "Static"]

Leaves = tuple[Any, ...]


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
        self.static = value if isinstance(value, Static) else None
        self.leaves: Leaves
        self.structure: Structure
        if self.static is not None:
            if active:
                raise ArgumentError(f"argument {position} is Static, so it cannot be active (argnums)")
            self.leaves, self.structure = (), LEAF
        else:
            self.leaves, self.structure = flatten(value)
        self.where = where or f"argument {position}"
        names = self.structure.paths("") if self.static is None else []
        self.specs: tuple[ArraySpec, ...] = tuple(
            _spec(leaf, f"{self.where}{name and ' at '}{name}", active=active)
            for leaf, name in zip(self.leaves, names, strict=True)
        )
        self.owners: tuple[Library, ...] = tuple(_owner(leaf) for leaf in self.leaves)
        # NumPy scalars and Python numbers come back as NumPy scalars, 0-d arrays as arrays.
        self.scalars = tuple(
            owner.name == "numpy" and not isinstance(leaf, np.ndarray)
            for leaf, owner in zip(self.leaves, self.owners, strict=True)
        )

    def describe(self) -> str:
        """The argument as messages show it."""
        return describe(self.structure, self.specs, self.owners, self.static)

    def checker(self, target: Library) -> Callable[[Any], Leaves]:
        """A closure from the argument of a call to its leaves in the target library."""
        if self.static is not None:
            static = self.static

            def check_static(a: Any) -> Leaves:
                if a == static:
                    return ()
                raise Mismatch

            return check_static
        checks = [
            _leaf_checker(leaf, spec, owner, target)
            for leaf, spec, owner in zip(self.leaves, self.specs, self.owners, strict=True)
        ]
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


def _spec(leaf: Any, where: str, *, active: bool) -> ArraySpec:
    """The spec of a leaf, or the error that says why it cannot be one."""
    owner = library_of(leaf)
    if owner is None:
        kind = type(leaf).__name__
        raise InputTypeError(
            f"{where} is a {kind}, which is no array and no number: "
            + ("pass an array" if active else "wrap it in polyad.Static, or pass an array")
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
    elif getattr(spec.dtype, "kind", "") in "OSUMm" and getattr(spec.dtype, "kind", ""):
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
            if found is None or found.name != "numpy" or np.ndim(a) or np.result_type(a).kind not in kinds:
                raise Mismatch
            return number(a)

        return check_number
    kind, shape, dtype = type(leaf), spec.shape, getattr(leaf, "dtype", None)
    convert = converter(owner, target)
    if owner.name == "numpy" and not isinstance(leaf, np.ndarray):
        scalar = np.dtype(spec.dtype).type  # Python floats become np.float64
        enter = convert or (lambda a: a)

        def check_scalar(a: Any) -> Any:
            if type(a) is not scalar:
                found = library_of(a)
                if found is None or found.name != "numpy" or np.ndim(a):
                    raise Mismatch
                if not np.can_cast(np.result_type(a), spec.dtype, "safe") or np.result_type(a).kind in "bui":
                    raise Mismatch
                a = scalar(a)
            return enter(a)

        return check_scalar

    def check_slowly(a: Any) -> Any:
        found = library_of(a)
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


class Signature:
    """The arguments of a function at preparation.

    Parameters
    ----------
    args : tuple
        The positional arguments.
    argnums : int or tuple of int
        Which of them are active.
    """

    def __init__(self, args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> None:
        self.single = isinstance(argnums, int | np.integer)
        self.active = _positions(argnums, len(args))
        self.count = len(args)
        self.arguments = [Argument(k, value, active=k in self.active) for k, value in enumerate(args)]
        chosen = [self.arguments[k] for k in self.active]
        self.x_leaves = tuple(leaf for argument in chosen for leaf in argument.leaves)
        self.x_specs = tuple(spec for argument in chosen for spec in argument.specs)
        self.x_owners = tuple(owner for argument in chosen for owner in argument.owners)
        self.x_scalars = tuple(s for argument in chosen for s in argument.scalars)
        if not self.x_leaves:
            raise InputTypeError("the active argument holds no arrays and no numbers")
        if self.single:
            self.x_structure = chosen[0].structure
        else:
            _, self.x_structure = flatten(tuple(a.structure.unflatten(a.leaves) for a in chosen))
        others = [owner for owner in self.x_owners if owner.name != "numpy"]
        self.library: Library = others[0] if others else library("numpy")
        self._constants = [k for k in range(self.count) if k not in self.active]
        # f's own arguments are (x, *constants) already: nothing is to be put in order
        self._plain = self.active == (0,) and all(
            a.static is None and a.structure is LEAF for a in self.arguments
        )

    def enter(self, target: Library) -> Callable[[tuple[Any, ...]], tuple[Leaves, Leaves]]:
        """A closure from the arguments of a call to ``(x, c)`` in the target library."""
        checks = [argument.checker(target) for argument in self.arguments]
        count, active, constants = self.count, self.active, self._constants
        if self._plain and count == 1:
            only = checks[0]

            def enter_one(args: tuple[Any, ...]) -> tuple[Leaves, Leaves]:
                if len(args) != 1:
                    raise Mismatch
                return only(args[0]), ()

            return enter_one

        def enter(args: tuple[Any, ...]) -> tuple[Leaves, Leaves]:
            if len(args) != count:
                raise Mismatch
            parts = [check(a) for check, a in zip(checks, args, strict=True)]
            x = parts[active[0]] if len(active) == 1 else sum((parts[k] for k in active), ())
            c = parts[constants[0]] if len(constants) == 1 else sum((parts[k] for k in constants), ())
            return x, c

        return enter

    def rebuild(self, x: Leaves, c: Leaves) -> tuple[Any, ...]:
        """The arguments of the user's function from leaves."""
        if self._plain:
            return (*x, *c)
        xs, cs = iter(x), iter(c)
        args: list[Any] = [None] * self.count
        for k in (*self.active, *self._constants):
            argument = self.arguments[k]
            if argument.static is not None:
                args[k] = argument.static.value
            else:
                leaves = xs if argument.active else cs
                args[k] = argument.structure._build(leaves)
        return tuple(args)

    def report(self, f: Callable[..., Any], args: tuple[Any, ...]) -> str:
        """A line per argument: prepared with, called with."""
        names = _parameter_names(f)
        lines = []
        for k in range(max(self.count, len(args))):
            was = self.arguments[k].describe() if k < self.count else "nothing"
            now = _describe_value(args[k]) if k < len(args) else "nothing"
            mark = " " if was == now else "*"
            name = f" ({names[k]})" if k < len(names) else ""
            lines.append(f" {mark} argument {k}{name}: prepared with {was} / called with {now}")
        return "\n".join(lines)

    def describe(self) -> str:
        """The whole signature in one line."""
        return ", ".join(
            f"{argument.describe()}{' (active)' if argument.active else ''}" for argument in self.arguments
        )


def _describe_value(value: Any) -> str:
    if isinstance(value, Static):
        return repr(value)
    leaves, structure = flatten(value)
    owners = [library_of(leaf) for leaf in leaves]
    if any(owner is None for owner in owners):
        return f"a {type(value).__name__}"
    try:
        specs = [owner.spec(leaf) for owner, leaf in zip(owners, leaves, strict=True)]  # type: ignore[union-attr]
    except InputTypeError as error:
        return str(error)
    return describe(structure, specs, owners, None)  # type: ignore[arg-type]


def _parameter_names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def _positions(argnums: Any, count: int) -> tuple[int, ...]:
    """``argnums`` as a tuple of positions from the left."""
    wanted = (argnums,) if isinstance(argnums, int | np.integer) else tuple(argnums)
    if not wanted:
        raise ArgumentError("argnums is empty: name at least one argument")
    positions = []
    for k in wanted:
        if isinstance(k, bool) or not isinstance(k, int | np.integer):
            raise ArgumentError(f"argnums must be an int or a tuple of int, not {argnums!r}")
        if not -count <= k < count:
            raise ArgumentError(f"argnums={argnums!r}, but the function is given {count} arguments")
        positions.append(int(k) % count)
    if len(set(positions)) != len(positions):
        raise ArgumentError(f"argnums={argnums!r} names an argument twice")
    return tuple(positions)


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
    ) -> None:
        self.name, self.structure, self.specs = name, structure, tuple(specs)
        self.pairs_with, self.batched, self.target = pairs_with, batched, target
        # what a correct NumPy seed looks like; anything else goes through the slower check
        self._fast = structure is LEAF and not batched
        self._shape = self.specs[0].shape if self.specs else ()
        self._dtype = np.dtype(self.specs[0].dtype) if self._fast and self.specs[0].is_inexact else None
        self._convert = converter(library("numpy"), target)

    def enter(self, value: Any) -> Leaves:
        """The leaves of a seed in the target library.

        Raises
        ------
        TangentMismatchError
            If it does not have the structure, the shapes or a dtype that casts.
        """
        if (
            self._fast
            and type(value) is np.ndarray
            and value.dtype is self._dtype
            and value.shape == self._shape
        ):
            return (value if self._convert is None else self._convert(value),)
        leaves, structure = flatten(value)
        if structure != self.structure:
            raise TangentMismatchError(
                f"{self.name} is {_describe_value(value)}, but {self.pairs_with} is "
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
        if found.is_inexact and _kind(found) == "c" and _kind(spec) != "c":
            raise TangentMismatchError(f"{name} is complex, but {self.pairs_with} is real")
        if not found.is_inexact and _kind(found) not in "iub":
            raise TangentMismatchError(f"{name} has dtype {found.dtype}: pass numbers")
        if found.dtype != spec.dtype or found.weak:
            leaf = owner.cast(leaf, spec.dtype)
            owner = _owner(leaf)
        convert = converter(owner, self.target)
        return leaf if convert is None else convert(leaf)

    def _expected(self) -> str:
        texts = [str(spec) for spec in self.specs]
        return texts[0] if self.structure is LEAF else f"a tree of {len(texts)} leaves ({', '.join(texts)})"


def _kind(spec: ArraySpec) -> str:
    return getattr(spec.dtype, "kind", "f")
