"""From one library's arrays to another's: into a framework, and back to the caller."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import Library, is_followed, library_of, loaded

__all__ = ["converter", "leaving"]

Converter = Callable[[Any], Any]


def converter(source: Library, target: Library) -> Converter | None:
    """What turns ``source``'s arrays into ``target``'s; None where nothing is to do."""
    if source is target:
        return None
    if source.plain:
        if target.takes_numpy:
            return None
        if loaded(target.module) is None:  # it is about to be used
            importlib.import_module(target.module)
        return target.from_numpy
    if target.plain:
        return source.to_numpy if source.carried else source.hand_over
    return lambda a: target.from_numpy(np.array(source.hand_over(a)))


def _as_array(a: Any) -> Any:
    """The NumPy array of a result; a value that an outer differentiation traces stays as it is."""
    if type(a) is np.ndarray:
        return a
    owner = library_of(a)
    if owner is not None:
        a = owner.released(a)  # nothing of a differentiation that is finished
        if is_followed(a):
            return a
        if owner.is_foreign:
            a = owner.take(a)
    return np.asarray(a)


def _cast(result: Any, dtype: Any) -> Any:
    if isinstance(result, np.ndarray | np.generic):
        return result.astype(dtype, copy=False)
    owner = library_of(result)
    return result if owner is None or owner.spec(result).dtype == dtype else owner.cast(result, dtype)


def leaving(source: Library, target: Library, *, scalar: bool, dtype: Any = None) -> Converter:
    """What turns a framework's result into the caller's array.

    A result that a differentiation around this one traces stays as it is: converted, it would lose its
    derivative.

    Parameters
    ----------
    source, target : Library
        The framework's arrays and the caller's.
    scalar : bool
        Give a 0-d result as a NumPy scalar, as NumPy's own functions do.
    dtype : dtype, optional
        What the result must have; None takes it as it comes.
    """
    if target.takes_numpy and source is not target:
        # its kernels take NumPy arrays as they are; the caller gets arrays like those passed in
        adopt, enter = target.adopt, source.to_numpy

        def to_target(a: Any) -> Any:
            return a if type(a) is not np.ndarray and is_followed(a) else adopt(np.array(enter(a)))

        return to_target
    if not target.plain:
        convert = converter(source, target)
        if convert is None:
            return lambda a: a
        return lambda a: a if type(a) is not np.ndarray and is_followed(a) else convert(a)
    to_numpy: Converter = source.leaver() or _as_array
    if dtype is not None and not source.immutable:
        # eager NumPy code may have widened the result; compiled code has not
        plain = to_numpy

        def to_numpy(a: Any) -> Any:
            result = plain(a)
            return result if result.dtype is dtype else _cast(result, dtype)

    if scalar:
        return lambda a: r[()] if type(r := to_numpy(a)) is np.ndarray else r
    return to_numpy
