"""The errors of the engine: which operation, on which line of the user's code, what instead."""

from __future__ import annotations

import sys
import threading
from typing import Any

from polyad.arrays.libraries import LIBRARIES
from polyad.arrays.user_code import is_polyads, is_users, package_in, package_of, running_at, steps
from polyad.engine.core.remedies import instead
from polyad.errors import OperationNotSupportedError, ReadOnlyError

__all__ = [
    "ELSE",
    "Deviates",
    "begin",
    "instead_of",
    "no_rule",
    "plain_only",
    "read_only",
    "refuse",
    "swallowed",
]


class Deviates(Exception):
    """What was recorded does not hold at these values, so the function itself has to be run."""


def refuse(operation: str, remedy: str, frame: Any = None) -> OperationNotSupportedError:
    """The error for an operation that the engine cannot follow.

    Parameters
    ----------
    operation : str
        What was attempted, with its reason: ``"float(x) would drop the derivative"``.
    remedy : str
        What to write instead.
    frame : frame, optional
        Where it was attempted; here by default.
    """
    line = running_at() if frame is None else running_at(frame)
    called = _called(sys._getframe(1) if frame is None else frame)
    if called:
        name, remedy = called
        operation = f"{name} turns x into a plain array, which would drop its derivative"
    elif (package := _asking(sys._getframe(1) if frame is None else frame)) is not None:
        remedy = f"this is code of {package}: {ELSE}; in your own code {remedy}"
    _LAST.message = f"{operation}{f' at {line}' if line else ''}: {remedy}"
    return OperationNotSupportedError(_LAST.message)


class _Last(threading.local):
    message = ""


_LAST = _Last()


def begin() -> None:
    """Forget earlier refusals, at the beginning of a function."""
    _LAST.message = ""


def swallowed(error: Exception) -> OperationNotSupportedError | None:
    """The refusal that compiled code was handed, before it raised an error of its own.

    A solver in C that calls the user's function may go on with what it was given, and then complain of a
    sign, or that a result came "with an exception set". The refusal is what happened.
    """
    package = package_of(error) or _package_above(error)
    if package is None or not _LAST.message:
        return None
    if ELSE in _LAST.message:
        return OperationNotSupportedError(_LAST.message)
    return OperationNotSupportedError(f"{_LAST.message}; {plain_only(package)}")


def _package_above(error: Exception) -> str | None:
    """The package whose compiled code called the user's function again with an error pending, or None.

    Python raises a pending error at the next place where it looks for one, which may be a line of polyad's.
    """
    files = [step.tb_frame.f_code.co_filename for step in steps(error)]
    if not files or not is_polyads(files[-1]):
        return None
    return next(filter(None, map(package_in, reversed(files))), None)


def plain_only(package: str) -> str:
    """What to do about compiled code."""
    return f"compiled code of {package} takes plain numbers only: {ELSE}"


# the remedy where there is no better one
ELSE = "use backend='finite', or give the derivative of that part with ad.define"


def read_only() -> ReadOnlyError:
    """The error for an assignment to a view that NumPy does not let one write to."""
    return ReadOnlyError(
        str(refuse("assignment destination is read-only", "write to a copy of it, y = y.copy()"))
    )


def no_rule(name: str, mode: str) -> OperationNotSupportedError:
    """The error for a primitive without a rule of a mode."""
    other = "reverse" if mode == "forward" else "forward"
    return refuse(
        f"{name} has no {mode}-mode rule", f"use backend='numpy:{other}', or another backend such as 'jax'"
    )


def _asking(frame: Any) -> str | None:
    """The package, no library of arrays, whose Python code stands between the user's line and a refusal."""
    while frame is not None and not is_users(frame.f_code.co_filename):
        package = package_in(frame.f_code.co_filename)
        if package is not None and package not in LIBRARIES:
            return package
        frame = frame.f_back
    return None


def _called(frame: Any) -> tuple[str, str] | None:
    """The function of a package that the user's line called and what to call instead, if there is such."""
    called = None
    while frame is not None and not is_users(frame.f_code.co_filename):
        called = instead_of(frame) or called
        frame = frame.f_back
    return called


def instead_of(frame: Any) -> tuple[str, str] | None:
    """The function that a frame is of, and what to call instead of it, if there is such."""
    module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
    if name == "wrapper" and module.startswith("scipy."):  # SciPy's own way to stacks of matrices
        f = frame.f_locals.get("f")
        module, name = getattr(f, "__module__", ""), getattr(f, "__name__", "")
    return instead(module, name)
