"""Who evaluates in parallel: a number of processes, an executor, or anything that works as ``map`` does.

Of a number there is one pool for the whole program, since it takes about a second to start one. Its processes
are started anew (never forked: frameworks hold threads), and end with the program.
"""

from __future__ import annotations

import atexit
import functools
import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from polyad.errors import ArgumentError

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["check", "mapping"]


def check(workers: Any) -> None:
    """Refuse what cannot evaluate."""
    if workers is None or callable(workers) or _is_executor(workers):
        return
    if hasattr(workers, "__index__") and not isinstance(workers, bool):
        count = operator.index(workers)
        if count == -1 or count > 0:
            return
    raise ArgumentError(
        f"workers is {workers!r}: pass a number of processes (-1 for one on each core), an executor of "
        "concurrent.futures, or what works as map does, for example pool.map of multiprocessing.Pool"
    )


def mapping(workers: Any) -> Callable[..., Any] | None:
    """``map(function, items)`` of what was checked; None where one process does all."""
    if workers is None or callable(workers):
        return workers
    if _is_executor(workers):
        return functools.partial(_executed, workers)
    count = operator.index(workers)
    count = (os.cpu_count() or 1) if count == -1 else count
    return None if count == 1 else _InPool(count)


class _InPool:
    """The ``map`` of so many processes; it can be sent elsewhere, which the processes cannot."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, function: Callable[..., Any], items: list[Any]) -> list[Any]:
        from concurrent.futures import BrokenExecutor

        try:
            return _executed(_pool(self.count), function, items, chunks=self.count)
        except BrokenExecutor:
            _pool.cache_clear()  # a process died: the next call gets others
            raise


def _executed(executor: Any, function: Callable[..., Any], items: list[Any], *, chunks: int = 0) -> list[Any]:
    # the function is sent with each piece of the list
    size = max(1, -(-len(items) // chunks)) if chunks else 1
    return list(executor.map(function, items, chunksize=size))


def _is_executor(workers: Any) -> bool:
    return hasattr(workers, "submit") and hasattr(workers, "map")


@functools.cache
def _pool(count: int) -> Executor:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
    atexit.register(_end, pool)
    return pool


def _end(pool: Executor) -> None:
    pool.shutdown()
    _pool.cache_clear()  # or the pool would be found with half of the program gone
