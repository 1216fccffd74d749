"""From one library's arrays to another's: into a framework, and back to the caller."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import Library, library_of

__all__ = ["converter", "leaving"]

Converter = Callable[[Any], Any]


def converter(source: Library, target: Library) -> Converter | None:
    """What turns ``source``'s arrays into ``target``'s; None where nothing is to do."""
    if source is target:
        return None
    if source.name == "numpy":
        if target.name == "jax":
            return None
        importlib.import_module(target.module)  # it is about to be used, and may not be loaded yet
        return target.from_numpy
    if target.name == "numpy":
        return source.to_numpy if source.name == "autograd" else source.hand_over
    return lambda a: target.from_numpy(np.array(source.hand_over(a)))


def _as_array(a: Any) -> Any:
    """The NumPy array of a result, which stays in its box where an outer differentiation has it in one."""
    if type(a) is np.ndarray:
        return a
    owner = library_of(a)
    return a if owner is not None and owner.name == "engine" else np.asarray(a)


def leaving(source: Library, target: Library, *, scalar: bool, dtype: Any = None) -> Converter:
    """What turns a framework's result into the caller's array.

    Parameters
    ----------
    source, target : Library
        The framework's arrays and the caller's.
    scalar : bool
        Give a 0-d result as a NumPy scalar, as NumPy's own functions do.
    dtype : dtype, optional
        What the result must have; None takes it as it comes.
    """
    if target.name == "jax" and source.name != "jax":
        # a compiled function takes NumPy arrays as they are; the caller gets what he gave
        as_jax, enter = sys.modules["jax"].numpy.asarray, source.to_numpy
        return lambda a: as_jax(np.array(enter(a)))
    if target.name != "numpy":
        return converter(source, target) or (lambda a: a)
    if source.name == "jax":
        # A view would refuse writing; np.array(a) would wait for the result under a slower lock.
        def to_numpy(a: Any) -> Any:
            return np.asarray(a).copy()

    elif source.name == "torch":
        to_numpy = source.to_numpy
    else:
        to_numpy = _as_array
    if dtype is not None and not source.immutable:
        # eager NumPy code may have widened the result on its way; compiled code has not
        plain = to_numpy

        def to_numpy(a: Any) -> Any:
            result = plain(a)
            return result if result.dtype is dtype else result.astype(dtype, copy=False)

    if scalar:
        return lambda a: r[()] if type(r := to_numpy(a)) is np.ndarray else r
    return to_numpy
