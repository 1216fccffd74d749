"""From the errors of frameworks to polyad's own, with the line of the user's code and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.backends.base import Backend
from polyad.errors import FunctionNotSupportedError, PolyadError
from polyad.operators.function import label_of, user_line

__all__ = ["translated"]

# in the messages of errors that come of calculating with a sequence as with an array
_SEQUENCES = ("'list'", '"list"', "'tuple'", '"tuple"')


def translated(error: Exception, backend: Backend, f: Callable[..., Any]) -> PolyadError | None:
    """The public error for one out of a framework; None for polyad's own and the user's, which stay."""
    if isinstance(error, PolyadError):
        return None
    remedy = backend.explain(error) or _of_objects(error)
    if remedy is None:
        if isinstance(error, TypeError | AttributeError) and any(w in str(error) for w in _SEQUENCES):
            error.add_note("polyad: a list or tuple is a tree; for a vector pass np.array(...)")
        return None
    line = user_line(error)
    where = f" at {line}" if line else ""
    return FunctionNotSupportedError(f"{backend!r} cannot follow {label_of(f)}{where}: {remedy}")


def _of_objects(error: Exception) -> str | None:
    """What to do where NumPy met an array of boxes, which it holds as objects."""
    if "dtype('O')" in str(error) or "object arrays" in str(error):
        return (
            "np.array([...]) of traced numbers is an array of objects, which this function does not take: "
            "use np.stack([...]), of np.stack for each row"
        )
    return None
