"""Pieces of a list of items: what a worker does with one, and how an error comes back from it."""

from __future__ import annotations

import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any

from polyad.errors import WorkerError

__all__ = ["Failure", "Piece", "cut"]


class Failure:
    """An error of an item, with what its worker knows of it."""

    def __init__(self, error: Exception) -> None:
        self.where = f"process {os.getpid()} of {socket.gethostname()}"
        self.process = os.getpid()
        self.text = "".join(traceback.format_exception(error)).rstrip()
        self.error: Exception = error

    def __getstate__(self) -> dict[str, Any]:
        """An error that cannot be sent is told in words."""
        state = dict(vars(self))
        try:
            pickle.loads(pickle.dumps(self.error))
        except Exception:
            state["error"] = WorkerError(f"{type(self.error).__name__}: {self.error}")
        return state

    def told(self, index: int, count: int, label: str) -> Exception:
        """The error to be raised here, which names the item and shows the worker's traceback."""
        error = self.error
        note = f"in {label} {index} of {count} (counted from 0)"
        if self.process != os.getpid():
            note += f", by {self.where}:\n{self.text}"
        error.add_note(note)
        return error


class Piece:
    """``Piece(function)(items)`` for numbered items: numbered results, or what became of them."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, items: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
        """Results with their numbers, up to the first failure."""
        results: list[tuple[int, Any]] = []
        for k, item in items:
            try:
                results.append((k, self.function(item)))
            except Exception as error:
                results.append((k, Failure(error)))
                break  # the items behind it would be done for nothing
        return results


def cut(items: list[tuple[int, Any]], size: int) -> list[list[tuple[int, Any]]]:
    """Pieces of so many items, the last one of what is left."""
    return [items[k : k + size] for k in range(0, len(items), size)]
