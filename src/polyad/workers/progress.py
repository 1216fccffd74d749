"""One line on a terminal's standard error that says what is being done."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

__all__ = ["NARROWEST", "Progress", "terminal_width"]

# characters in a line, at least
NARROWEST = 20


class Progress:
    """A line that is rewritten in place, without colour or cursor codes.

    Parameters
    ----------
    show : bool, optional
        Whether to show it; by default where standard error is a terminal that can go back.
    """

    def __init__(self, show: bool | None = None) -> None:
        if show is None:
            show = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._show = show
        self._text = ""
        self._since = 0.0
        self._drawn = 0

    def say(self, text: str) -> None:
        """Replace the line."""
        self._text, self._since = text, time.monotonic()
        self.tick()

    def tick(self) -> None:
        """Draw the line again, with the seconds it has stood there."""
        if not self._show:
            return
        elapsed = time.monotonic() - self._since
        seconds = f", {elapsed:.0f} s" if elapsed >= 1 else ""
        line = f"{self._text}{seconds}"[: terminal_width(sys.stderr) - 1]
        sys.stderr.write("\r" + line.ljust(self._drawn))
        sys.stderr.flush()
        self._drawn = len(line)

    def clear(self) -> None:
        """Leave an empty line to whoever writes next."""
        if self._show and self._drawn:
            sys.stderr.write("\r" + " " * self._drawn + "\r")
            sys.stderr.flush()
            self._drawn = 0


def terminal_width(stream: Any, otherwise: int = 100) -> int:
    """Characters in a line: what ``COLUMNS`` says, else the terminal behind the stream, else this."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdigit() else 0
    if not width:
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError, AttributeError):
            width = otherwise
    return max(NARROWEST, width or otherwise)
