"""Independent calls, done by whoever works: results in the order of the items, whoever was first."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from polyad.errors import ArgumentError, WorkerError
from polyad.workers.pieces import Failure, Piece, cut
from polyad.workers.pools import check, count_of, is_executor, new_pool, pool
from polyad.workers.progress import Progress
from polyad.workers.sending import Sent

__all__ = ["each", "run"]

# pieces for each process of a pool, so that the last one is not waited for too long
PIECES = 4
# said where processes died before anything was done
START = (
    ". Processes run the main module anew: in a script what starts them must stand behind "
    "if __name__ == '__main__':, and a program that is read from standard input cannot start any"
)
# seconds after which it is looked who is ready
TICK = 0.2


def run(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    workers: Any = None,
    chunk: int | None = None,
    retries: int = 2,
    progress: bool | None = None,
    label: str = "call",
) -> list[Any]:
    """Call a function with each item, in parallel; the results in the order of the items.

    Parameters
    ----------
    function : callable
        ``function(item)``. Other processes are sent it; with cloudpickle installed it may be a lambda.
        A worker unpacks it once and keeps it, as long as it does not change.
    items : iterable
        What to call it with.
    workers : int, executor, Dask client or callable, optional
        So many processes (-1: one on each core), an executor of ``concurrent.futures`` (that of
        ``mpi4py.futures`` and of loky too), a Dask client, or ``workers(function, list)`` as the ``map`` of
        a pool. None calls in this process.
    chunk : int, optional
        Items that a worker gets at once; more of them where a call takes less than what it costs to send it.
        By default 1, and a quarter of its share for each of a number of processes.
    retries : int
        How often the items of lost processes are given to others, for a number of processes (Dask gives
        them to other workers by itself).
    progress : bool, optional
        Whether to show how far it is; by default where standard error is a terminal.
    label : str
        What a call is called in messages.

    Returns
    -------
    list
        One result for each item.

    Raises
    ------
    polyad.errors.NotPicklableError
        If the function cannot be sent.
    polyad.errors.WorkerError
        If processes are lost more often than they are replaced.
    Exception
        What the first item that failed raised, with a note of the item and the worker's traceback.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from polyad.workers import run
    >>> with ThreadPoolExecutor(2) as pool:
    ...     run(lambda x: x**2, [1, 2, 3], workers=pool)
    [1, 4, 9]
    """
    check(workers, chunk)
    options: dict[str, Any] = {"chunk": chunk, "retries": retries, "progress": progress, "label": label}
    return list(each(function, items, workers, **options))


def each(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    workers: Any = None,
    *,
    chunk: int | None = None,
    retries: int = 2,
    progress: bool | None = False,
    label: str = "call",
) -> Iterator[Any]:
    """As ``run``, one result after the other, of workers that were checked."""
    count = count_of(workers)
    if count == 1:
        yield from _here(function, items, _Told(progress, 0, label))
        return
    numbered = list(enumerate(items))
    size = chunk or (math.ceil(len(numbered) / (PIECES * count)) if count else 1)
    piece, pieces = Piece(Sent(function, f"the function of each {label}")), cut(numbered, max(1, size))
    told = _Told(progress, len(numbered), label)
    if count or is_executor(workers):
        results = _submitted(piece, pieces, workers, count, retries, told)
    else:
        results = _mapped(piece, pieces, workers, len(numbered), label)
    try:
        for k, result in results:
            if isinstance(result, Failure):
                raise result.told(k, len(numbered), label) from None
            told.done(k + 1)
            yield result
    finally:
        told.end()
        results.close()


def _here(function: Callable[[Any], Any], items: Iterable[Any], told: _Told) -> Iterator[Any]:
    try:
        for k, item in enumerate(items):
            try:
                result = function(item)
            except Exception as error:
                error.add_note(f"in {told.label} {k} (counted from 0)")
                raise
            told.done(k + 1)
            yield result
    finally:
        told.end()


class _Told:
    """How far it is, for whoever looks."""

    def __init__(self, show: bool | None, count: int, label: str) -> None:
        self.count, self.label = count, label
        self._line = Progress(show) if show is not False else None

    def done(self, count: int) -> None:
        if self._line is not None:
            self._line.say(f"{self.label}s: {count}" + f" of {self.count}" * bool(self.count))

    def tick(self) -> None:
        if self._line is not None:
            self._line.tick()

    def end(self) -> None:
        if self._line is not None:
            self._line.clear()


def _mapped(
    piece: Piece, pieces: list[Any], workers: Callable[..., Any], count: int, label: str
) -> Generator[tuple[int, Any], None, None]:
    """By what works as ``map`` does, in whatever order it gives results, or futures of them."""
    outcomes = list(workers(piece, pieces))
    outcomes = [o.result() if hasattr(o, "result") and hasattr(o, "done") else o for o in outcomes]
    results = sorted((r for outcome in outcomes for r in outcome), key=lambda result: result[0])
    for k, result in results:
        if isinstance(result, Failure):
            raise result.told(k, count, label) from None
    if [k for k, _ in results] != list(range(count)):
        raise ArgumentError(
            f"workers gave {len(results)} results for {count} {label}s: pass something that works as map "
            "does, such as pool.map"
        )
    yield from results


def _submitted(
    piece: Piece, pieces: list[Any], workers: Any, count: int | None, retries: int, told: _Told
) -> Generator[tuple[int, Any], None, None]:
    """By an executor: all pieces are given to it at once; those of processes that die again to others."""
    executor: Executor
    if count:
        executor = pool(count)
    elif hasattr(workers, "get_executor"):  # of Dask, which else takes equal calls for one
        executor = workers.get_executor(pure=False)
    else:
        executor = workers
    futures: dict[int, Future] = {}
    lost = k = 0
    try:
        while k < len(pieces):
            try:
                for j in range(k, len(pieces)):
                    if j not in futures:
                        futures[j] = executor.submit(piece, pieces[j])
                results = _waited(futures[k], told)
            except BrokenExecutor as error:
                lost += 1
                if count:
                    executor = new_pool(count)
                if not count or lost > retries:
                    start = "" if k or not count else START
                    raise WorkerError(
                        f"a process of the workers died {lost} time(s) (a crash, or killed for its memory), "
                        f"the last with {told.label} {pieces[k][0][0]} or one behind it: run that one by "
                        f"itself to see why, or let fewer work at once{start}"
                    ) from error
                futures = {j: future for j, future in futures.items() if _is_right(future)}
                continue
            yield from results
            k += 1
    finally:
        for future in futures.values():
            future.cancel()


def _waited(future: Future, told: _Told) -> list[tuple[int, Any]]:
    while True:
        try:
            results: list[tuple[int, Any]] = future.result(TICK)
            return results
        except TimeoutError:
            if future.done():
                raise
            told.tick()


def _is_right(future: Future) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
