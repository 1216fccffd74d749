"""The errors of the engine: which operation, on which line of the user's code, what instead."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

from polyad.errors import OperationNotSupportedError

__all__ = ["no_rule", "refuse"]

_HERE = str(Path(__file__).parents[1])


def refuse(operation: str, remedy: str) -> OperationNotSupportedError:
    """The error for an operation that the engine cannot follow.

    Parameters
    ----------
    operation : str
        What was attempted, with its reason: ``"float(x) would drop the derivative"``.
    remedy : str
        What to write instead.
    """
    line = _user_line()
    return OperationNotSupportedError(f"{operation}{f' at {line}' if line else ''}: {remedy}")


def no_rule(name: str, mode: str) -> OperationNotSupportedError:
    """The error for a primitive without a rule of a mode."""
    other = "reverse" if mode == "forward" else "forward"
    return refuse(
        f"{name} has no {mode}-mode rule", f"use backend='numpy:{other}', or another backend such as 'jax'"
    )


def _user_line() -> str:
    """The innermost frame outside polyad and the packages it calls, as ``file:line `source```."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if not (name.startswith((_HERE, "<__array_function__")) or "site-packages" in name):
            text = linecache.getline(name, frame.f_lineno).strip()
            return f"{Path(name).name}:{frame.f_lineno}" + (f" `{text}`" if text else "")
        frame = frame.f_back  # type: ignore[assignment]
    return ""
