"""Prose that the docstrings of all operators share, said once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["document"]

T = TypeVar("T", bound=Callable[..., Any] | type)

COMMON = """\
backend : Backend or str, optional
    Who differentiates: an object such as ``polyad.JAX()``, or its name, with words after it that
    force a mode or a variant (``"jax:forward"``, ``"numpy:compiled"``; ``polyad.backends()`` lists
    them). None chooses by the type of the active argument.
argnums : int or tuple of int, default 0
    Which positional arguments are active; the others are constants. A tuple makes the result a
    tuple.
has_aux : bool, default False
    ``f`` returns ``(output, aux)``; the result becomes ``(result, aux)``, the value
    ``(output, aux)``.
follow : bool or tuple of str, optional
    Whether code of packages that loses a derivative is followed: names of modules' functions that
    would lose it lead to others, as long as the call runs. None does so where it is needed, False
    never, True from the start, a tuple names the packages."""

ARGS = """\
*args : scalar, array or tree of them
    The arguments of ``f``, in its order. ``polyad.Static(value)`` marks one that is neither
    differentiated nor traced."""

SPREAD = """\
workers : int, executor, Dask client or callable, optional
    Who computes the products that it is made of: so many processes (-1: one on each core), an executor, a
    Dask client, or what works as ``map`` (see ``polyad.workers.run``). The result does not depend on them.
chunk : int, optional
    Directions (colors of a sparse matrix) that a worker gets at once; a 64th of them by default.
memory : int, optional
    Bytes that a batch of directions may take, besides the result: the directions, the products, and as many
    arrays between as usual functions hold."""

OUT = """\
out : array or tree of arrays, optional
    Where to write the result, of its shape; returned in its place. Unchanged if anything fails."""

PREPARE = """\
on_mismatch : {"raise", "reprepare"}, default "raise"
    What a call with other structures, shapes or dtypes does: raise
    ``PreparationMismatchError``, or prepare (once) for those as well."""

BATCHED = """\
batched : bool, default False
    Every leaf of the direction has one more leading axis, and so has the result."""

ERRORS = """\
polyad.errors.InputTypeError
    If an active argument holds integers, objects or anything without a derivative.
polyad.errors.FunctionNotSupportedError
    If the framework cannot follow ``f``; the message names the line and the remedy.
polyad.errors.BackendNotInstalledError
    If the framework is missing; the message names the command that installs it."""

MISMATCH = """\
polyad.errors.PreparationMismatchError
    From a call with arguments of other structure, shape or dtype than those of preparation."""

FREEZES = """\
What ``f`` captures may be frozen at preparation (under JAX it is): pass what changes as an
argument. Values of constants may change between calls, their shapes and dtypes may not."""

PARTS = {
    "common": COMMON,
    "args": ARGS,
    "spread": SPREAD,
    "out": OUT,
    "prepare": PREPARE,
    "batched": BATCHED,
    "errors": ERRORS,
    "mismatch": MISMATCH,
    "freezes": FREEZES,
}


def document(thing: T) -> T:
    """Fill ``{part}`` lines of a docstring with the shared prose."""
    lines = []
    for line in inspect.cleandoc(thing.__doc__ or "").splitlines():
        part = PARTS.get(line.strip().strip("{}")) if line.strip().startswith("{") else None
        indent = " " * (len(line) - len(line.lstrip()))
        lines += [line] if part is None else [indent + text if text else "" for text in part.splitlines()]
    thing.__doc__ = "\n".join(lines)
    return thing
