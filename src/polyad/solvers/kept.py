"""What one start of a solver has prepared serves the next one."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

__all__ = ["KEPT", "MOST", "kept"]

# prepared objects by what they were prepared for, and how many of them are kept
KEPT: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar("kept", default=None)
MOST = 32


@contextlib.contextmanager
def kept(known: dict[Any, Any]) -> Iterator[None]:
    """Where many unknowns of one form begin a search, what one of them has prepared serves the next."""
    token = KEPT.set(known)
    try:
        yield
    finally:
        KEPT.reset(token)
