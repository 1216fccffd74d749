"""Whether the code that runs in this thread is followed through packages (``engine.follow``)."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["FOLLOWING"]


class Following(threading.local):
    """Of this thread: how many followed calls are running, one within the other, and how."""

    depth = 0
    # whether arrays that are made anew can take active values
    buffers = True
    # whether any were made
    made = False
    # what the innermost one reaches
    route: Any = None
    # boxes of which there are views as subclasses of arrays, with the values that these have
    viewed: list[tuple[Any, Any]] = []  # noqa: RUF012  (each run has its own)


FOLLOWING = Following()
