"""Who evaluates in parallel: a number of processes, an executor, or anything that works as ``map`` does.

Of a number there is one pool for the whole program, since it takes about a second to start one. Its processes
are started anew (never forked: frameworks hold threads), and end with the program.
"""

from __future__ import annotations

import atexit
import functools
import operator
import os
from typing import TYPE_CHECKING, Any

from polyad.errors import ArgumentError

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["check", "count_of", "is_executor", "new_pool", "pool"]


def check(workers: Any, chunk: Any = None) -> None:
    """Refuse what cannot evaluate, and pieces of no size."""
    if chunk is not None and not (_is_whole(chunk) and operator.index(chunk) > 0):
        raise ArgumentError(f"chunk is {chunk!r}: pass how many calls a worker gets at once, 1 or more")
    if workers is None or callable(workers) or is_executor(workers):
        return
    if _is_whole(workers):
        count = operator.index(workers)
        if count == -1 or count > 0:
            return
    raise ArgumentError(
        f"workers is {workers!r}: pass a number of processes (-1 for one on each core), an executor of "
        "concurrent.futures, a Dask client, or what works as map does, for example pool.map of "
        "multiprocessing.Pool"
    )


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def is_executor(workers: Any) -> bool:
    """Whether it takes calls one by one and gives futures: executors, Dask's client, MPI's pool."""
    return hasattr(workers, "submit") and hasattr(workers, "map")


def count_of(workers: Any) -> int | None:
    """How many processes a number asks for; None for what is no number."""
    if workers is None:
        return 1
    if not _is_whole(workers):
        return None
    count = operator.index(workers)
    return (os.cpu_count() or 1) if count == -1 else count


@functools.cache
def pool(count: int) -> Executor:
    """The pool of so many processes."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    made = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
    atexit.register(_end, made)
    return made


def new_pool(count: int) -> Executor:
    """Another pool, where processes of the last one have died."""
    pool.cache_clear()
    return pool(count)


def _end(made: Executor) -> None:
    made.shutdown()
    pool.cache_clear()  # or the pool would be found with half of the program gone
