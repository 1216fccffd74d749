"""From the errors of frameworks to polyad's own, with the line of the user's code and the remedy."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import libraries, library_of_package
from polyad.arrays.user_code import compiled_call, is_polyads, package_in, package_of, raised_at, steps
from polyad.call.function.flat import label_of
from polyad.call.function.foreign import written_for
from polyad.engine.notices import ELSE, in_place_of, instead_of, names_boxes, plain_only, swallowed
from polyad.errors import KEPT, FunctionNotSupportedError, OperationNotSupportedError, PolyadError
from polyad.systems.base import Backend
from polyad.systems.derive.replay import NotReplayable

__all__ = ["translated"]

# the files that compiled code names in its errors
_CYTHON = (".pyx", ".pxd", "stringsource", "stringsource>")
# what an array of objects holds beside boxes
_NUMBERS = ("float", "int", "bool", "float64", "int64", "bool_")
# in the messages of errors that come of calculating with a sequence as with an array
_SEQUENCES = ("'list'", '"list"', "'tuple'", '"tuple"')


def translated(
    error: Exception, backend: Backend, f: Callable[..., Any], plain: Callable[[], Any]
) -> PolyadError | None:
    """The public error for one out of a framework; None for polyad's own and the user's, which stay.

    ``plain()`` runs the function without a derivative, where that can be done.
    """
    source = error
    if isinstance(error, PolyadError) and not isinstance(error, OperationNotSupportedError):
        if not isinstance(error.__cause__, OperationNotSupportedError):
            return None
        source = error.__cause__  # what kept the function from being compiled
    if isinstance(source, NotReplayable):
        return _not_followed(
            source, backend, f, f"no replay of {source}: use the backend it is written for, or 'numpy'"
        )
    foreign = written_for(source, backend, f)
    if foreign is not None:
        return _not_followed(source, backend, f, foreign)
    if isinstance(error, PolyadError):
        return None
    if not _is_of_framework(error, backend):
        refusal = swallowed(error)
        if refusal is not None:
            return refusal
    remedy = _replaced(error)
    if remedy is None:
        remedy = backend.explain(error) or _of_kept(error) or _of_objects(error) or _of_boxes(error)
        called = _called_within(error, backend)
        if remedy is not None and called is not None:
            remedy = f"{remedy}; {called} calls this: {ELSE}"
    below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if remedy is None and isinstance(below, Exception) and package_of(error):
        remedy = backend.explain(below)
    if remedy is None and _is_of_compiled_code(error, backend, plain):
        remedy = plain_only(package_of(error) or "what the line calls")
    if remedy is None:
        if isinstance(error, TypeError | AttributeError) and any(w in str(error) for w in _SEQUENCES):
            error.add_note("polyad: a list or tuple is a tree; for a vector pass np.array(...)")
        return None
    return _not_followed(error, backend, f, remedy)


def _not_followed(error: Exception, backend: Backend, f: Callable[..., Any], remedy: str) -> PolyadError:
    line = raised_at(error)
    where = f" at {line}" if line else ""
    return FunctionNotSupportedError(f"{backend!r} cannot follow {label_of(f)}{where}: {remedy}")


def _is_of_framework(error: Exception, backend: Backend) -> bool:
    package = package_of(error)
    return package in backend.requires or (package is not None and library_of_package(package) is not None)


def _called_within(error: Exception, backend: Backend) -> str | None:
    """The package whose code calls, or is, what raised the error; libraries of arrays are none of these."""
    files = (step.tb_frame.f_code.co_filename for step in steps(error))
    of_arrays = {*backend.requires, "optree"}
    found = (p for p in map(package_in, files) if p is not None and p not in of_arrays)
    return next((p for p in found if library_of_package(p) is None), None)


# whose errors say what is wrong, as where a matrix is singular
_WORDS_OF_NUMPY = ("builtins", "numpy", "numpy.linalg")


def _is_of_compiled_code(error: Exception, backend: Backend, plain: Callable[[], Any]) -> bool:
    """Whether compiled code raised an error of its own that does not say what went wrong."""
    if isinstance(error, SystemError):
        return True
    if package_of(error) is None or _is_of_framework(error, backend):
        return False
    if type(error).__module__ not in _WORDS_OF_NUMPY:
        return True
    try:  # a fault of the function shows without a derivative as well
        plain()
    except Exception:
        return False
    return True


def _of_kept(error: Exception) -> str | None:
    """What to do where a value came back whose differentiation is finished."""
    return KEPT if any(lib.is_leak(error) for lib in libraries()) else None


def _replaced(error: Exception) -> str | None:
    """What to call instead of a function that reads plain arrays only, where the error comes out of one."""
    trace = error.__traceback__ if isinstance(error, TypeError | ValueError) else None
    by_polyad = False
    while trace is not None:
        found = instead_of(trace.tb_frame)
        if found is None:
            by_polyad = is_polyads(trace.tb_frame.f_code.co_filename)
        elif by_polyad:  # which hands it plain arrays: the error is its own
            return None
        else:
            return f"{found[0]} turns x into a plain array, which would drop its derivative: {found[1]}"
        trace = trace.tb_next
    return None


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


def _of_boxes(error: Exception) -> str | None:
    """What to do where compiled code, or a text, wanted one of Python's own numbers."""
    text = str(error)
    if isinstance(error, ValueError) and text.startswith("could not convert string to float"):
        return f"a number that is read from a text has no derivative: {ELSE}"
    if isinstance(error, TypeError) and names_boxes(text):
        frames = [step.tb_frame for step in steps(error)]
        frames = [frame for frame in frames if not frame.f_code.co_filename.endswith(_CYTHON)]
        if frames and (found := compiled_call(frames[-1])) is not None:
            what = f"{found[0]} is compiled code (Cython), which takes plain numbers only"
            return f"{what}: {in_place_of(found[1])}"
        return f"what the line calls takes Python's own numbers only ({text}): {ELSE}"
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
