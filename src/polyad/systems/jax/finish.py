"""Around the kernels of JAX, those that are traced and compiled and those that run operation by operation."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from polyad.arrays.libraries import is_leaf
from polyad.systems.contract import Bare, Call, Executable, Leaves, Problem

__all__ = ["STRAYS", "WAY_OUT", "as_traced", "completed", "eagerly", "is_exclusive", "traceable", "widened"]

# for code that branches on values
WAY_OUT = "polyad.JAX(jit=False), or polyad.JAX(jit='auto'), which compiles what can be compiled"


def traceable(kernel: Call, kept: dict[int, Any]) -> Call:
    """The kernel without what ``aux`` holds besides arrays, as strings, which is put in ``kept``."""

    def run(*args: Leaves) -> Any:
        outcome = kernel(*args)
        aux = outcome[2]
        kept.update((k, leaf) for k, leaf in enumerate(aux) if not is_leaf(leaf))
        return (*outcome[:2], tuple(leaf for leaf in aux if is_leaf(leaf)), *outcome[3:])

    return run


def as_traced(closed: Any, kernel: Call, structure: Any) -> Bare:
    """A traced kernel on the leaves of its arguments, to be compiled.

    A jaxpr holds the shapes that it was traced with and does not look at those it gets. Those of arguments
    are checked before; of directions there may be another number, for which the kernel is traced again.
    """
    import jax
    import jax.extend

    replay = jax.extend.core.jaxpr_as_fun(closed)
    shapes = [tuple(aval.shape) for aval in closed.in_avals]

    def run(*leaves: Any) -> Any:
        if [np.shape(leaf) for leaf in leaves] == shapes:
            return replay(*leaves)
        return jax.tree_util.tree_leaves(kernel(*jax.tree_util.tree_unflatten(structure, leaves)))

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


class _Strays(threading.local):
    """How many outputs of functions were no arrays of JAX, in this thread."""

    count = 0


STRAYS = _Strays()


def _without_values(kernel: Call, problem: Problem) -> Call:
    """The kernel, and where numbers came out of arrays a run of the function on arrays without values.

    ``x.item()`` of an array that JAX differentiates gives its value, and the derivative is lost in
    silence; of one without values it raises. The function's code asks for it, or compiled code that it
    calls does: then what the function returns is no array of JAX.
    """
    import jax

    asks = getattr(problem.f, "asks_for_numbers", False)

    def checked(x: Leaves, c: Leaves, *seeds: Leaves) -> Any:
        before = STRAYS.count
        outcome = None if asks else kernel(x, c, *seeds)
        if asks or STRAYS.count > before:
            try:
                jax.eval_shape(lambda x: problem.f(x, c)[0], x)
            except Exception as error:
                # a branch on a value loses nothing that would be in the result
                if asks or not {type(error), type(error.__cause__)} & {jax.errors.TracerBoolConversionError}:
                    raise
        return kernel(x, c, *seeds) if asks else outcome

    return checked


def _as_arrays(kernel: Call) -> Call:
    """The kernel on JAX's own arrays, as compiled code has them; Python numbers stay."""
    import jax.numpy as jnp

    def run(*args: Leaves) -> Any:
        return kernel(
            *(tuple(jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in leaves) for leaves in args)
        )

    return run


def widened(call: Call) -> Call:
    """The call within JAX's 64-bit setting, which is local to the thread and to the call."""
    from jax import enable_x64

    def scoped(*args: Leaves) -> Any:
        if enable_x64.value:  # entering the context would cost ten times this question
            return call(*args)
        scope = enable_x64(True)
        try:
            with scope:
                return call(*args)
        except KeyboardInterrupt:  # which may have come where the scope ends, and would leave it open
            if enable_x64.value:
                scope.__exit__(None, None, None)
            raise

    return scoped


def eagerly(kernel: Call, problem: Problem, wide: bool, words: str) -> Executable:
    """The kernel without compilation."""
    run = _without_values(_as_arrays(kernel), problem)
    run = widened(run) if wide else run
    return Executable(run, lambda *a: run(*a)[0], words)
