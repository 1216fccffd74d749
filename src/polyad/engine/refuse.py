"""The errors of the engine: which operation, on which line of the user's code, what instead."""

from __future__ import annotations

import sys
import threading
from typing import Any

from polyad.arrays.lines import is_users, running_at
from polyad.engine.instead import instead
from polyad.errors import OperationNotSupportedError, ReadOnlyError

__all__ = ["last_refusal", "no_rule", "read_only", "refuse"]


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
    _LAST.message = f"{operation}{f' at {line}' if line else ''}: {remedy}"
    return OperationNotSupportedError(_LAST.message)


class _Last(threading.local):
    message = ""


_LAST = _Last()


def last_refusal() -> OperationNotSupportedError | None:
    """The last refusal of this thread, once: compiled code that was handed it may have let it go."""
    message, _LAST.message = _LAST.message, ""
    return OperationNotSupportedError(message) if message else None


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


def _called(frame: Any) -> tuple[str, str] | None:
    """The function of a package that the user's line called and what to call instead, if there is such."""
    called = None
    while frame is not None and not is_users(frame.f_code.co_filename):
        called = _instead_of(frame) or called
        frame = frame.f_back
    return called


def _instead_of(frame: Any) -> tuple[str, str] | None:
    """The function that a frame is of, and what to call instead of it, if there is such."""
    module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
    if name == "wrapper" and module.startswith("scipy."):  # SciPy's own way to stacks of matrices
        f = frame.f_locals.get("f")
        module, name = getattr(f, "__module__", ""), getattr(f, "__name__", "")
    return instead(module, name)
