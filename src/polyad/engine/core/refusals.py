"""The errors of the engine: which operation, on which line of the user's code, what instead."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any, TypeVar

from polyad.arrays.libraries import library_of_package
from polyad.arrays.user_code import (
    compiled_call,
    is_polyads,
    is_users,
    package_in,
    package_of,
    running_at,
    shown,
    steps,
)
from polyad.engine.core.handlers import catches
from polyad.engine.core.remedies import instead
from polyad.errors import ON_OTHER_ARRAYS, OperationNotSupportedError, ReadOnlyError, rule_out

__all__ = [
    "ELSE",
    "LAST",
    "Deviates",
    "ignored",
    "in_place_of",
    "instead_of",
    "no_rule",
    "noted",
    "plain_only",
    "read_only",
    "refuse",
    "swallowed",
    "taken_back",
]


E = TypeVar("E", bound=Exception)


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
    called, asking = _called(sys._getframe(1) if frame is None else frame), None
    if called:
        name, remedy = called
        if "backend=" not in remedy:
            remedy += ", or backend='finite'"
        operation = f"{name} turns x into a plain array, which would drop its derivative"
    elif (asking := _asking(sys._getframe(1) if frame is None else frame)) is not None:
        package, inner = asking
        remedy = f"this is code of {package}, {inner}: {ELSE}; in your own code {remedy}"
    if not called and (found := compiled_call(sys._getframe(1) if frame is None else frame)) is not None:
        operation = f"{found[0]} is compiled code (Cython), which takes plain numbers only"
        remedy = f"{remedy.partition(ELSE)[0] if asking else ''}{in_place_of(found[1])}"
    LAST.message = f"{operation}{f' at {line}' if line else ''}: {remedy}"
    return noted(OperationNotSupportedError(LAST.message))


def noted(error: E) -> E:
    """An error that is raised within the user's function, which may catch it (``ignored``)."""
    if LAST.refused is not None:
        LAST.refused.append(error)
    return error


class _Last(threading.local):
    """Of this thread: the last message, and what was refused in the function that is running."""

    message = ""
    refused: list[Exception] | None = None


LAST = _Last()


def taken_back(error: OperationNotSupportedError) -> OperationNotSupportedError:
    """A refusal of what plain NumPy raises an error for as well: a function may catch it and go on."""
    if LAST.refused:
        LAST.refused[:] = [other for other in LAST.refused if other is not error]
    return error


def ignored() -> Exception | None:
    """The refusal that the function caught before it returned, if there is one.

    ``try: ... except Exception:`` takes a refusal for an error of the function itself, and what it does then
    is not what it does without a derivative. Who caught an error is the outermost frame that it has passed.
    """
    for error in LAST.refused or ():
        trace = error.__traceback__
        if trace is not None and not _is_meant(trace, type(error)):
            if type(error) is not OperationNotSupportedError:
                return error  # by which another way of computing is taken
            refusal = OperationNotSupportedError(
                f"{error}. The function caught this error at "
                f"{shown(trace.tb_frame.f_code.co_filename, trace.tb_lineno)} and went on another way, which "
                "is not the way that it goes on plain numbers; name polyad.errors.PolyadError in the except "
                "clause where that is meant"
            )
            refusal.__context__ = error
            return rule_out(refusal, ON_OTHER_ARRAYS)  # a framework's errors would be caught there as well
    return None


def _is_meant(trace: TracebackType, error: type[Exception]) -> bool:
    """Whether who caught a refusal is right to go on.

    So are polyad, NumPy, the frameworks and Python's own library, which try one thing after the other, and
    whoever names polyad's errors. A frame of polyad's that catches nothing was called by compiled code, in
    whose error the refusal is hidden.
    """
    file, at = trace.tb_frame.f_code.co_filename, (trace.tb_frame, trace.tb_lasti)
    if is_polyads(file):
        return catches(*at, error)
    package = package_in(file)
    if _tries(package) or (package is None and not is_users(file)):
        return True
    return catches(*at, OperationNotSupportedError) and not catches(*at, TypeError)


def _tries(package: str | None) -> bool:
    """Whether a package's code tries whether an array can do something, as that of array libraries does."""
    return package is not None and (package == "scipy" or library_of_package(package) is not None)


def swallowed(error: Exception) -> OperationNotSupportedError | None:
    """The refusal that compiled code was handed, before it raised an error of its own.

    A solver in C that calls the user's function may go on with what it was given, and then complain of a
    sign, or that a result came "with an exception set". The refusal is what happened.
    """
    package = package_of(error) or _package_above(error)
    if package is None or not LAST.message:
        return None
    if ELSE in LAST.message:
        return OperationNotSupportedError(LAST.message)
    return OperationNotSupportedError(f"{LAST.message}; {plain_only(package)}")


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


def in_place_of(name: str) -> str:
    """What to do about one compiled function, known by a name."""
    return (
        "use backend='finite', or put a function in its place that can be differentiated: "
        f"{name} = ad.define({name.rpartition('.')[2]}, ...), or the same in Python"
    )


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


def _asking(frame: Any) -> tuple[str, str] | None:
    """The package whose Python code stands between the user's line and a refusal, and its line.

    Libraries of arrays are none.
    """
    while frame is not None and not is_users(frame.f_code.co_filename):
        package = package_in(frame.f_code.co_filename)
        if package is not None and library_of_package(package) is None:
            return package, shown(frame.f_code.co_filename, frame.f_lineno)
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
