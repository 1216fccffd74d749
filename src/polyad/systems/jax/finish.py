"""Around the kernels of JAX that are traced and compiled."""

from __future__ import annotations

from typing import Any

from polyad.arrays.libraries import is_leaf
from polyad.systems.contract import Bare, Call, Leaves

__all__ = ["completed", "is_exclusive", "traceable"]


def traceable(kernel: Call, kept: dict[int, Any]) -> Call:
    """The kernel without what ``aux`` holds besides arrays, as strings, which is put in ``kept``."""

    def run(*args: Leaves) -> Any:
        outcome = kernel(*args)
        aux = outcome[2]
        kept.update((k, leaf) for k, leaf in enumerate(aux) if not is_leaf(leaf))
        return (*outcome[:2], tuple(leaf for leaf in aux if is_leaf(leaf)), *outcome[3:])

    return run


def completed(full: Call, kept: dict[int, Any]) -> Call:
    """The compiled form of such a kernel, with what was kept in its place again."""

    def run(*args: Leaves) -> Any:
        outcome = full(*args)
        arrays = iter(outcome[2])
        count = len(outcome[2]) + len(kept)
        aux = tuple(kept[k] if k in kept else next(arrays) for k in range(count))
        return (*outcome[:2], aux, *outcome[3:])

    return run


def is_exclusive(jaxpr: Any, call: Bare, leaves: list[Any]) -> bool:
    """Whether every call puts its result into memory of its own.

    JAX hands an input or a captured constant through without copying where it is the result. What
    an equation computes has memory of its own; two results alive at once show it.
    """
    passed = {id(var) for var in (*jaxpr.invars, *jaxpr.constvars)}
    first, second = call(*leaves), call(*leaves)
    if id(jaxpr.outvars[0]) in passed or not hasattr(first, "unsafe_buffer_pointer"):
        return False
    arrays = [first, *(a for a in leaves if hasattr(a, "unsafe_buffer_pointer"))]
    if any(len(a.sharding.device_set) > 1 for a in arrays):  # in pieces, each of which has a place
        return False
    held = {a.unsafe_buffer_pointer() for a in arrays[1:]}
    return first.unsafe_buffer_pointer() != second.unsafe_buffer_pointer() and not (
        {first.unsafe_buffer_pointer(), second.unsafe_buffer_pointer()} & held
    )
