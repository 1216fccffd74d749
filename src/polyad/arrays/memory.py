"""The allocator's threshold for large arrays, raised once; the collector, paused while a program is built.

glibc gives each block above a threshold (128 KiB at first) pages of its own from the kernel and returns
them when it is freed, so every temporary array of a calculation pays for its pages again: a gradient
of 100000 entries takes five times as long. glibc raises the threshold by itself when such a block is
freed, to its size (mallopt(3), "M_MMAP_THRESHOLD", dynamic adjustment); until a program happens to
free a large one, it is slow. So one is freed here, of which no page was ever touched. The price is that
up to 64 MiB of freed memory may stay with the process. Elsewhere than under glibc, and where the
user has set a threshold (``MALLOC_MMAP_THRESHOLD_``), nothing changes.
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

__all__ = ["collector_paused", "keep_pages"]

# bytes from which an array gets pages of its own
LARGE = 2**17
# just under the greatest threshold that glibc adjusts to
BLOCK = 2**25 - 2**16


def keep_pages(leaves: Iterable[Any], *, square: bool) -> None:
    """Let freed memory serve the next array, if these are large; once in a process.

    Parameters
    ----------
    leaves : iterable of array
        What will be computed with.
    square : bool
        Whether the result is a matrix, larger than its input by a power.
    """
    for leaf in leaves:
        n = getattr(leaf, "nbytes", 0)
        if n >= LARGE or (square and n * n >= 8 * LARGE):
            _raise_threshold()
            return


@functools.cache
def _raise_threshold() -> None:
    block = np.empty(BLOCK, dtype=np.uint8)
    del block


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Within, Python does not look for cycles of garbage, unless another thread asks it to.

    A program of 100000 operations is a million objects that all live on; to look through them again and
    again, as they become more, takes as long as all the rest of its preparation (measured: 40 %).
    """
    was_on = gc.isenabled()
    try:  # Ctrl-C may come between any two calls
        gc.disable()
        yield
    finally:
        if was_on:
            gc.enable()
