"""Around the kernels of JAX, those that are traced and compiled and those that run operation by operation."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import is_leaf
from polyad.systems.contract import Bare, Call, Executable, Kernel, Leaves, Problem, Unkept
from polyad.systems.jax.precision import precision

__all__ = [
    "STRAYS",
    "WAY_OUT",
    "Told",
    "as_traced",
    "assembled",
    "completed",
    "eagerly",
    "exported",
    "imported",
    "outside",
    "traceable",
]

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


@dataclasses.dataclass(frozen=True)
class Told:
    """What a trace has told of a kernel: the tree of what it gives, and how many leaves are its result.

    ``kept`` is what ``aux`` holds besides arrays, ``own`` whether the first leaf is computed: JAX hands an
    input or a captured constant through without copying where it is the result.
    """

    tree: Any
    count: int
    kept: dict[int, Any]
    own: bool


def assembled(
    run: Bare, told: Told, problem: Problem, seeds: tuple[Leaves, ...], *, wide: bool, words: str
) -> Executable:
    """The executable of a traced kernel: its forms compiled, or to be compiled at their first use."""
    import jax

    tree, count, kept = told.tree, told.count, told.kept
    examples = (problem.x, problem.c, *seeds)

    def full(*args: Leaves) -> Any:
        return jax.tree_util.tree_unflatten(tree, run(*jax.tree_util.tree_leaves(args)))

    def result(*args: Leaves) -> Leaves:
        # XLA drops whatever only the other outputs need
        return tuple(run(*jax.tree_util.tree_leaves(args))[:count])

    def bare(*leaves: Any) -> Any:
        return run(*leaves)[0]

    def compiled(form: Call) -> Call:
        return widened(jax.jit(form)) if wide else jax.jit(form)

    whole: Call = jax.jit(full)
    whole = completed(whole, kept) if kept else whole
    whole = widened(whole) if wide else whole
    single = len(problem.x) == 1 and count == 1 and all(len(s) == 1 for s in seeds)
    # Compile now what a call will use; the form with the value compiles at its first use.
    if not single:
        direct = compiled(result)
        direct(*examples)
        return Executable(whole, direct, words)
    shortest = compiled(bare)
    exclusive = _has_its_own(shortest, jax.tree_util.tree_leaves(examples)) and told.own

    def one(*args: Leaves) -> Leaves:
        # the same program: another would be compiled only to put a tuple around its array
        return (shortest(*[leaf for leaves in args for leaf in leaves]),)

    return Executable(whole, one, words, shortest, exclusive)


def exported(run: Bare, told: Told, examples: Any, words: str, *, whole: bool, wide: bool) -> dict[str, Any]:
    """A traced kernel as a file can hold it, by ``jax.export``."""
    import jax
    from jax import export

    if not whole:
        raise Unkept("its program is one for several devices")
    leaves = jax.tree_util.tree_leaves(examples)
    try:
        with precision(wide):
            found = export.export(jax.jit(run))(*leaves)
        if found.nr_devices > 1:
            raise Unkept("its program is one for several devices")
        data = bytes(found.serialize())
    except ImportError as error:
        raise Unkept("jax.export needs flatbuffers (pip install flatbuffers)") from error
    except (NotImplementedError, ValueError) as error:
        raise Unkept(f"jax.export refuses its program ({type(error).__name__}: {error})") from error
    example = jax.tree_util.tree_unflatten(told.tree, range(told.tree.num_leaves))
    return {"data": data, "tree": example, "kept": told.kept, "own": told.own, "words": words}


def imported(kernel: Kernel, examples: Any) -> tuple[Bare, str, Told]:
    """A traced kernel out of a file; seeds of other shapes are traced anew."""
    import jax
    from jax import export

    image = kernel.image
    try:
        found = export.deserialize(bytearray(image["data"]))
    except ImportError as error:
        raise Unkept("jax.export needs flatbuffers (pip install flatbuffers)") from error
    except Exception as error:
        raise Unkept(f"jax.export cannot read its program ({type(error).__name__}: {error})") from error
    if jax.default_backend() not in found.platforms:
        raise Unkept(f"its program is one for {', '.join(found.platforms)}, not for {jax.default_backend()}")
    shapes = [tuple(aval.shape) for aval in found.in_avals]
    structure = jax.tree_util.tree_structure(examples)
    again = traceable(kernel, {})

    def run(*leaves: Any) -> Any:
        if [np.shape(leaf) for leaf in leaves] == shapes:
            return found.call(*leaves)
        return jax.tree_util.tree_leaves(again(*jax.tree_util.tree_unflatten(structure, leaves)))

    tree = jax.tree_util.tree_structure(image["tree"])
    return run, image["words"], Told(tree, len(image["tree"][0]), image["kept"], image["own"])


def outside(
    made: Executable, image: Any, anew: Callable[[], Executable], counts: tuple[int, ...]
) -> Executable:
    """An executable out of a file, and within traces one that is made anew: what is exported has no rules."""
    import jax

    lock, known = threading.Lock(), list[Executable]()

    def traced() -> Executable:
        with lock:
            if not known:
                known.append(anew())
        return known[0]

    def full(*args: Leaves) -> Any:
        inside = any(isinstance(leaf, jax.core.Tracer) for leaves in args for leaf in leaves)
        return (traced() if inside else made).full(*args)

    def result(*args: Leaves) -> Leaves:
        inside = any(isinstance(leaf, jax.core.Tracer) for leaves in args for leaf in leaves)
        return (traced() if inside else made).result(*args)

    quick = made.bare

    def grouped(leaves: Leaves) -> Any:
        found = iter(leaves)
        return [tuple(itertools.islice(found, count)) for count in counts]

    def bare(*leaves: Any) -> Any:
        for leaf in leaves:
            if isinstance(leaf, jax.core.Tracer):
                return traced().result(*grouped(leaves))[0]
        return quick(*leaves)  # type: ignore[misc]

    return dataclasses.replace(made, full=full, result=result, bare=quick and bare, image=lambda: image)


def _has_its_own(call: Bare, leaves: list[Any]) -> bool:
    """Whether every call puts its result into memory of its own: two results alive at once show it."""
    import jax

    first, second = call(*leaves), call(*leaves)
    if isinstance(first, jax.core.Tracer) or not hasattr(first, "unsafe_buffer_pointer"):
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
