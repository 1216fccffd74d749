"""From the errors of frameworks to polyad's own, with the line of the user's code and the remedy."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import LIBRARIES
from polyad.arrays.lines import raised_at
from polyad.backends.base import Backend
from polyad.engine.refuse import last_refusal
from polyad.errors import KEPT, FunctionNotSupportedError, OperationNotSupportedError, PolyadError
from polyad.operators.foreign import written_for
from polyad.operators.function import label_of, package_of

__all__ = ["translated"]

# what an array of objects holds beside boxes
_NUMBERS = ("float", "int", "bool", "float64", "int64", "bool_")
# in the messages of errors that come of calculating with a sequence as with an array
_SEQUENCES = ("'list'", '"list"', "'tuple'", '"tuple"')


def translated(error: Exception, backend: Backend, f: Callable[..., Any]) -> PolyadError | None:
    """The public error for one out of a framework; None for polyad's own and the user's, which stay."""
    source = error
    if isinstance(error, PolyadError) and not isinstance(error, OperationNotSupportedError):
        if not isinstance(error.__cause__, OperationNotSupportedError):
            return None
        source = error.__cause__  # what kept the function from being compiled
    foreign = written_for(source, backend, f)
    if foreign is not None:
        return _not_followed(source, backend, f, foreign)
    if isinstance(error, PolyadError):
        return None
    hidden = _hidden(error)
    if isinstance(hidden, PolyadError):
        return _in_compiled_code(hidden, error)
    remedy = backend.explain(error) or _of_kept(error) or _of_objects(error)
    if remedy is None and hidden is not None:
        remedy = backend.explain(hidden)
    if remedy is None and _is_of_compiled_code(error):
        refusal = last_refusal()
        if refusal is not None:
            return _in_compiled_code(refusal, error)
        remedy = _plain_only(error)
    if remedy is None:
        if isinstance(error, TypeError | AttributeError) and any(w in str(error) for w in _SEQUENCES):
            error.add_note("polyad: a list or tuple is a tree; for a vector pass np.array(...)")
        return None
    return _not_followed(error, backend, f, remedy)


def _not_followed(error: Exception, backend: Backend, f: Callable[..., Any], remedy: str) -> PolyadError:
    line = raised_at(error)
    where = f" at {line}" if line else ""
    return FunctionNotSupportedError(f"{backend!r} cannot follow {label_of(f)}{where}: {remedy}")


def _hidden(error: BaseException) -> Exception | None:
    """What compiled code was told by the function it had called, before it raised an error of its own.

    The refusal of a traced number comes back out of a solver as "returned a result with an exception set", or
    as the solver's own complaint of what it was given.
    """
    package = package_of(error)
    if package is None:
        return None
    below = error.__cause__ or error.__context__
    while below is not None:
        if isinstance(below, PolyadError):
            return below
        error, below = below, below.__cause__ or below.__context__
    return error if isinstance(error, Exception) else None


def _plain_only(error: Exception) -> str:
    return (
        f"compiled code of {package_of(error)} takes plain numbers only: use backend='finite', or give the "
        "derivative of that part with ad.define"
    )


def _in_compiled_code(refusal: PolyadError, error: Exception) -> PolyadError:
    """A refusal that came out of compiled code, where the user cannot write something else."""
    return type(refusal)(f"{refusal}; {_plain_only(error)}")


# whose errors say what is wrong, as where a matrix is singular
_WORDS_OF_NUMPY = ("builtins", "numpy", "numpy.linalg")


def _is_of_compiled_code(error: Exception) -> bool:
    """Whether compiled code complains in words of its own, by which nothing can be told."""
    if isinstance(error, SystemError):
        return True
    return package_of(error) is not None and type(error).__module__ not in _WORDS_OF_NUMPY


def _of_kept(error: Exception) -> str | None:
    """What to do where a value came back whose differentiation is finished."""
    return KEPT if any(lib.is_leak(error) for lib in LIBRARIES.values()) else None


def _of_objects(error: Exception) -> str | None:
    """What to do where NumPy met an array of boxes, which it holds as objects."""
    text = str(error)
    if "dtype('O')" in text or "object arrays" in text or _has_no_loop(text):
        return (
            "np.array([...]) of traced numbers is an array of objects, which this function does not take: "
            f"use np.stack([...]), of np.stack for each row (NumPy says: {text})"
        )
    if isinstance(error, ValueError) and text.startswith("Error setting single item of array"):
        return (
            "writing into a plain array by y.flat[k] = x[0] would drop the derivative: write y[k] = x[0], "
            "with y = np.zeros_like(x) instead of np.zeros(n), or np.stack([...])"
        )
    return None


def _has_no_loop(text: str) -> bool:
    """Whether a universal function that takes floating-point numbers says that it does not take these."""
    found = re.match(r"ufunc '(\w+)' not supported for the input types", text)
    if found is not None:
        name = found[1]
        spaces = [np, *(m for m in map(sys.modules.get, ("scipy.special", "numpy.fft")) if m is not None)]
        ufunc = next((getattr(space, name) for space in spaces if hasattr(space, name)), None)
        # one that knows no such numbers (bitwise_and) says so for a mistake of the user's
        return not isinstance(ufunc, np.ufunc) or any("d" in types.split("->")[0] for types in ufunc.types)
    found = re.match(r"loop of ufunc does not support argument \d+ of type (\S+) which has no callable", text)
    return found is not None and found[1].rpartition(".")[2] in _NUMBERS
