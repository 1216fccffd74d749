"""One backend's derivatives on the arrays that another framework differentiates or traces.

``on_arrays`` runs NumPy code on a framework's arrays; ``converted`` shows a problem to a backend of another
array library; ``hosted`` makes of a kernel of one backend a function for the other to differentiate.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.errors import FunctionNotSupportedError
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem
from polyad.systems.derive.delegated import DELEGATED

__all__ = ["NUMBERS", "between", "converted", "hosted", "moved", "on_arrays"]

NUMBERS = (float, int, bool, complex)


def moved(leaves: Leaves, target: str) -> Leaves:
    """Leaves as arrays of another library; numbers, and what is no array, stay as they are."""
    found = []
    into = library(target)
    for leaf in leaves:
        owner = library_of(leaf)
        if owner is None or owner.name == target or type(leaf) in NUMBERS:
            found.append(leaf)
        else:
            array = owner.to_numpy(leaf)
            plain = isinstance(array, np.ndarray | np.generic)
            found.append(into.from_numpy(np.asarray(array)) if plain else array)
    return tuple(found)


def converted(problem: Problem, backend: Backend) -> Problem:
    """The problem for a backend of another array library, whose arrays the function runs on."""
    for module in backend.requires:  # conversions look for frameworks among what is imported
        importlib.import_module(module)
    x, c = moved(problem.x, backend.library), moved(problem.c, backend.library)
    return Problem(problem.f, x, c, backend.outputs, problem.label)


def on_arrays(call: Callable[..., Any], target: str | None) -> Callable[..., Any]:
    """NumPy code that takes and gives groups of leaves, on arrays of a library (None: as it is)."""
    if target is None:
        return call
    from polyad.engine import lift, run  # not needed before a framework is

    into = library(target)

    def entered(leaf: Any, level: int) -> Any:
        owner = library_of(leaf)
        known = owner is not None and owner.name == target and type(leaf) is not float
        return lift.lift(target, leaf, level) if known else leaf

    def left(leaf: Any) -> Any:
        value = lift.unlift(leaf)
        return into.from_numpy(np.array(value)) if isinstance(value, np.ndarray | np.generic) else value

    def lifted(*groups: Leaves) -> Any:
        with run.under_way() as level:
            boxes = [tuple([entered(leaf, level) for leaf in leaves]) for leaves in groups]
            return tuple(tuple(map(left, group)) for group in call(*boxes))

    return lifted


@dataclasses.dataclass(frozen=True)
class Hosted:
    """A kernel that a framework around it can differentiate.

    Parameters
    ----------
    call : callable
        ``call(x, c, *seeds)`` on that framework's arrays.
    words : str
        By which mechanism.
    """

    call: Callable[..., Any]
    words: str


def hosted(kernel: Kernel, problem: Problem, inner: Backend, outer: Backend) -> Hosted:
    """A kernel of the inner backend, made for its own arrays, on those of the outer one."""
    portable = inner.portable(kernel, problem, ())
    if portable.own is DELEGATED and not outer.calls_out:
        raise FunctionNotSupportedError(
            f"{outer!r} over {inner!r}: {outer.name} works on symbols, and cannot ask {inner.name} for "
            f"derivatives of {problem.label} while it does. SecondOrder({outer.name!r}, 'numpy') works, and "
            f"so does SecondOrder('numpy', {inner.name!r})"
        )
    return Hosted(on_arrays(portable.call, outer.lifts_to), str(portable.words))


def between(call: Callable[..., Any], inner: Backend, host: Backend) -> Callable[..., Any]:
    """A finished computation of the inner backend, on arrays that hold numbers of the other's library."""

    def run(*groups: Leaves) -> Any:
        outcome = call(*[moved(leaves, inner.library) for leaves in groups])
        return tuple(tuple(map(_writable, moved(group, host.library))) for group in outcome)

    return run


def _writable(leaf: Any) -> Any:
    """A result of the caller's own, where it would be a view of what the inner backend holds."""
    locked = isinstance(leaf, np.ndarray) and not leaf.flags.writeable
    return leaf.copy() if locked else leaf
