"""The fast path of a call: one array in, one array of a result out.

Decisions that a general call makes leaf by leaf are made here once, and the resulting closures check
only whether the arguments are like those of preparation. There is a microsecond for everything between
the caller and the kernel, so code is repeated here where a function call would cost too much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.conversion import converter
from polyad.arrays.libraries import Library
from polyad.call.inputs.seeds import Seeds
from polyad.call.inputs.signature import Signature
from polyad.systems.contract import Executable

__all__ = ["direct"]

Call = Callable[..., Any]


def direct(
    signature: Signature,
    source: Library,
    executable: Executable,
    seeds: Seeds | None,
    leave: Callable[[Any], Any],
    *,
    view: bool = False,
) -> Call:
    """From ``(args)`` or ``(args, seed)`` to the result.

    Parameters
    ----------
    signature : Signature
        The arguments, whose active one is a single array.
    source : Library
        The library of the kernel's leaves.
    executable : Executable
        The finished kernel.
    seeds : Seeds or None
        The check of the direction, for products.
    leave : callable
        From the framework's array to the caller's.
    view : bool
        The result is copied at once, so it may share memory with the arguments.
    """
    row = signature.enter_row(source)
    if executable.bare is not None and row is not None:
        if source.immutable or view or executable.exclusive:
            return _bare(signature, source, executable.bare, row, seeds, leave)
        finish = _bare(signature, source, executable.bare, row, seeds, leave)
        return _apart(finish, signature.library.fresh, seeds)
    enter, run = signature.enter(source), executable.result
    if view:
        if seeds is None:
            return lambda args: leave(run(*enter(args))[0])
        return lambda args, seed: leave(run(*enter(args), seeds.enter(seed))[0])
    fresh = signature.library.fresh
    if seeds is None:
        return lambda args: fresh(leave(run(*enter(args))[0]), args)
    return lambda args, seed: fresh(leave(run(*enter(args), seeds.enter(seed))[0]), (*args, seed))


def _apart(call: Call, fresh: Call, seeds: Seeds | None) -> Call:
    """The call with a result that shares no memory with what went in."""
    if seeds is None:
        return lambda args: fresh(call(args), args)
    return lambda args, seed: fresh(call(args, seed), (*args, seed))


def _bare(
    signature: Signature,
    source: Library,
    bare: Call,
    row: Callable[[tuple[Any, ...]], tuple[Any, ...]],
    seeds: Seeds | None,
    leave: Callable[[Any], Any],
) -> Call:
    """For a kernel that takes and gives arrays without tuples around them."""
    first = signature.arguments[0]
    example, shape = first.leaves[0], first.specs[0].shape
    usual = hasattr(example, "dtype") and shape != () and signature.count == 1
    convert = converter(first.owners[0], source)
    if not usual or convert is not None:
        if seeds is None:
            return lambda args: leave(bare(*row(args)))
        return lambda args, seed: leave(bare(*row(args), *seeds.enter(seed)))
    dtype = example.dtype
    swapped = isinstance(example, np.ndarray) and not dtype.isnative
    # no array has the type None, so those whose bytes have to be swapped are left to the general call
    kind = None if swapped else type(example)

    if seeds is None:

        def call(args: tuple[Any, ...]) -> Any:
            if len(args) == 1:
                a = args[0]
                if type(a) is kind and a.dtype is dtype and a.shape == shape:
                    return leave(bare(a))
            return leave(bare(*row(args)))

        return call

    def product(args: tuple[Any, ...], seed: Any) -> Any:
        if len(args) == 1:
            a = args[0]
            if type(a) is kind and a.dtype is dtype and a.shape == shape:
                return leave(bare(a, *seeds.enter(seed)))
        return leave(bare(*row(args), *seeds.enter(seed)))

    return product
