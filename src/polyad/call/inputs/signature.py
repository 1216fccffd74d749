"""All arguments of a function at preparation, and how the arguments of a call become leaves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.arrays.conversion import converter
from polyad.arrays.libraries import PLAIN, Library
from polyad.arrays.trees import LEAF, flatten
from polyad.arrays.types import Leaves
from polyad.call.inputs.arguments import DOUBLES, Argument, Mismatch, describe_value
from polyad.call.inputs.scratch import copied
from polyad.errors import ArgumentError, InputTypeError

__all__ = ["Signature"]

_DOUBLE = np.dtype(np.float64)


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
        first = chosen[0]
        self.x_leaves, self.x_specs = first.leaves, first.specs
        self.x_owners, self.x_scalars = first.owners, first.scalars
        for more in chosen[1:]:
            self.x_leaves, self.x_specs = self.x_leaves + more.leaves, self.x_specs + more.specs
            self.x_owners, self.x_scalars = self.x_owners + more.owners, self.x_scalars + more.scalars
        if not self.x_leaves:
            raise InputTypeError("the active argument holds no arrays and no numbers")
        if self.single:
            self.x_structure = first.structure
        else:
            _, self.x_structure = flatten(tuple(a.structure.unflatten(a.leaves) for a in chosen))
        self.library: Library = PLAIN
        self.is_complex = False
        if self.x_owners is not DOUBLES:  # of which there is nothing to be found out
            self.is_complex = any([s.dtype is not _DOUBLE and s.is_complex for s in self.x_specs])
            self.library = next((owner for owner in self.x_owners if not owner.plain), PLAIN)
        self._constants = [k for k in range(self.count) if k not in self.active]
        self._rows: dict[Library, Callable[[tuple[Any, ...]], Leaves]] = {}
        # f's own arguments are (x, *constants) already: nothing is to be put in order
        self.plain = self.active == (0,) and all(
            [a.structure is LEAF and a.static is None and not a.cache for a in self.arguments]
        )

    def enter(self, target: Library) -> Callable[[tuple[Any, ...]], tuple[Leaves, Leaves]]:
        """A closure from the arguments of a call to ``(x, c)`` in the target library."""
        row = self.enter_row(target)
        if row is not None:

            def enter_plain(args: tuple[Any, ...]) -> tuple[Leaves, Leaves]:
                leaves = row(args)
                return leaves[:1], leaves[1:]

            return enter_plain
        checks = [argument.checker(target) for argument in self.arguments]
        count, active, constants = self.count, self.active, self._constants

        def enter(args: tuple[Any, ...]) -> tuple[Leaves, Leaves]:
            if len(args) != count:
                raise Mismatch
            parts = [check(a) for check, a in zip(checks, args, strict=True)]
            x = parts[active[0]] if len(active) == 1 else sum((parts[k] for k in active), ())
            c = parts[constants[0]] if len(constants) == 1 else sum((parts[k] for k in constants), ())
            return x, c

        return enter

    def as_given(self, args: tuple[Any, ...], target: Library) -> tuple[Leaves, Leaves] | None:
        """``(x, c)`` of the very arguments of preparation, of plain arrays and numbers; else None."""
        if not self.plain:
            return None
        for argument, a in zip(self.arguments, args, strict=True):
            weak = argument.specs[0].weak and (target.plain or type(a) is float)
            usual = weak or (type(a) is np.ndarray and a.dtype.isnative)
            if not usual or argument.leaves[0] is not a:
                return None
        convert = converter(PLAIN, target)
        if convert is not None:
            args = tuple([a if type(a) is float else convert(a) for a in args])
        return args[:1], args[1:]

    def enter_row(self, target: Library) -> Callable[[tuple[Any, ...]], Leaves] | None:
        """A closure to all leaves in a row, for one active array first and arrays or numbers after it."""
        if not self.plain:
            return None
        known = self._rows.get(target)
        if known is None:
            known = self._rows[target] = self._row(target)
        return known

    def _row(self, target: Library) -> Callable[[tuple[Any, ...]], Leaves]:
        checks = [argument.leaf_checkers(target)[0] for argument in self.arguments]
        first, count = checks[0], self.count
        if count == 1:

            def row_of_one(args: tuple[Any, ...]) -> Leaves:
                if len(args) != 1:
                    raise Mismatch
                return (first(args[0]),)

            return row_of_one

        def row(args: tuple[Any, ...]) -> Leaves:
            if len(args) != count:
                raise Mismatch
            return tuple([check(a) for check, a in zip(checks, args, strict=True)])

        return row

    def rebuild(self, x: Leaves, c: Leaves) -> tuple[Any, ...]:
        """The arguments of the user's function from leaves."""
        if self.plain:
            return (*x, *c)
        xs, cs = iter(x), iter(c)
        args: list[Any] = [None] * self.count
        for k in (*self.active, *self._constants):
            argument = self.arguments[k]
            if argument.static is not None:
                args[k] = argument.static.value
            else:
                leaves = xs if argument.active else cs
                args[k] = argument.structure._build(_copies(leaves, x) if argument.cache else leaves)
        return tuple(args)

    def resembles(self, args: tuple[Any, ...]) -> bool:
        """Whether arguments are those of preparation but for the library of their arrays."""
        if len(args) != self.count:
            return False
        for was, value in zip(self.arguments, args, strict=True):
            now = Argument(0, value, active=False)
            if (was.static, was.cache, was.structure) != (now.static, now.cache, now.structure):
                return False
            for a, b in zip(was.specs, now.specs, strict=True):
                if a.shape != b.shape or not (a.weak or b.weak or a.dtype == b.dtype):
                    return False
        return True

    def report(self, f: Callable[..., Any], args: tuple[Any, ...]) -> str:
        """A line per argument: prepared with, called with."""
        names = _parameter_names(f)
        lines = []
        for k in range(max(self.count, len(args))):
            was = self.arguments[k].describe() if k < self.count else "nothing"
            now = describe_value(args[k]) if k < len(args) else "nothing"
            mark = " " if was == now else "*"
            name = f" ({names[k]})" if k < len(names) else ""
            lines.append(f" {mark} argument {k}{name}: prepared with {was} / called with {now}")
        return "\n".join(lines)

    def describe(self) -> str:
        """The whole signature in one line."""
        return ", ".join(
            f"{argument.describe()}{' (active)' if argument.active else ''}" for argument in self.arguments
        )


def _copies(leaves: Iterator[Any], active: Leaves) -> Iterator[Any]:
    """Scratch memory, one leaf at a time: taken when the tree is put together."""
    return (copied(leaf, active) for leaf in leaves)


def _parameter_names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def _positions(argnums: Any, count: int) -> tuple[int, ...]:
    """``argnums`` as a tuple of positions from the left."""
    if type(argnums) is int and 0 <= argnums < count:
        return (argnums,)
    wanted = tuple(argnums) if isinstance(argnums, tuple | list) else (argnums,)
    if not wanted:
        raise ArgumentError("argnums is empty: name at least one argument")
    positions = []
    for k in wanted:
        if isinstance(k, bool) or not isinstance(k, int | np.integer):
            raise ArgumentError(f"argnums must be an int or a tuple of int, not {argnums!r}")
        if not -count <= k < count:
            raise ArgumentError(f"argnums={argnums!r} is out of range: arguments given: {count}")
        positions.append(int(k) % count)
    if len(set(positions)) != len(positions):
        raise ArgumentError(f"argnums={argnums!r} names an argument twice")
    return tuple(positions)
