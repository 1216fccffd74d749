"""Gradient of a sum over data: batches are given to workers, values and gradients are added up in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from polyad.arrays.trees import flatten
from polyad.call.function.flat import label_of
from polyad.errors import ArgumentError, NonScalarOutputError
from polyad.operators.gradient import PreparedGradient
from polyad.systems.base import Backend
from polyad.workers.pools import check
from polyad.workers.run import each
from polyad.workers.sending import Sent

__all__ = ["PreparedMapGradient", "map_gradient", "prepare_map_gradient"]


class PreparedMapGradient:
    """A gradient of a sum over batches, prepared by ``prepare_map_gradient``.

    Parameters
    ----------
    f : callable
        ``f(*args, batch)``.
    batches : iterable
        The data.
    args : tuple
        Examples of the other arguments.
    options : dict
        Options of the gradient.
    load : callable, optional
        What makes the data of an element of ``batches``.
    spread : dict
        ``workers``, ``chunk``, ``retries`` and ``progress``.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        batches: Iterable[Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
        load: Callable[[Any], Any] | None,
        spread: dict[str, Any],
    ) -> None:
        check(spread["workers"], spread["chunk"])
        self.f, self.batches, self.spread = f, list(batches), spread
        if not self.batches:
            raise ArgumentError("map_gradient has no batches: there is nothing to sum")
        argnums = options["argnums"]
        for k in argnums if isinstance(argnums, tuple) else (argnums,):
            if not -len(args) <= k < len(args):
                raise ArgumentError(
                    f"argnums is {argnums!r}, but map_gradient has {len(args)} argument(s) before the batch, "
                    "which is a constant: pass places among those"
                )
        chosen = tuple(k % len(args) for k in (argnums if isinstance(argnums, tuple) else (argnums,)))
        options = {**options, "argnums": chosen if isinstance(argnums, tuple) else chosen[0]}
        self._part = _Part(f, options, load)

    def __call__(self, *args: Any) -> tuple[Any, Any]:
        """Sum of the values and sum of the gradients at ``args``."""
        sent = Sent(self._part, f"the function {label_of(self.f)}")
        results = each(_At(sent, args), self.batches, label="batch", **self.spread)
        total, structure = flatten(next(results))
        for result in results:  # in the order of the batches, so that the sum is the same for all workers
            total = tuple([a + b for a, b in zip(total, flatten(result)[0], strict=True)])
        summed: tuple[Any, Any] = structure.unflatten(total)
        return summed

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({label_of(self.f)} over {len(self.batches)} batches, "
            f"workers={self.spread['workers']!r}, prepared by each worker at its first batch)"
        )


class _Part:
    """Value and gradient of one batch; whoever has it prepares once."""

    def __init__(self, f: Callable[..., Any], options: dict[str, Any], load: Any) -> None:
        self.f, self.options, self.load = f, options, load
        self._lock = threading.Lock()
        self._prepared: PreparedGradient | None = None

    def __call__(self, item: tuple[Sequence[Any], Any]) -> tuple[Any, Any]:
        args, batch = item
        given = (*args, batch if self.load is None else self.load(batch))
        try:
            with self._lock:
                if self._prepared is None:
                    self._prepared = PreparedGradient(self.f, given, on_mismatch="reprepare", **self.options)
            return self._prepared.value_and(*given)
        except NonScalarOutputError as error:  # its remedies are those of a gradient
            found = str(error).partition(", gradient needs")[0]
            raise NonScalarOutputError(
                f"{found}, but map_gradient adds up one real number of each batch: return that number alone"
            ) from error

    def __getstate__(self) -> Any:
        return self.f, self.options, self.load

    def __setstate__(self, state: Any) -> None:
        self.__init__(*state)  # type: ignore[misc]


class _At:
    """A part at arguments, which change from call to call while the part is kept where it was sent."""

    def __init__(self, part: Any, args: Sequence[Any]) -> None:
        self.part, self.args = part, args

    def __call__(self, batch: Any) -> Any:
        return self.part((self.args, batch))


def map_gradient(
    f: Callable[..., Any],
    batches: Iterable[Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    follow: bool | tuple[str, ...] | None = None,
    load: Callable[[Any], Any] | None = None,
    workers: Any = None,
    chunk: int | None = None,
    retries: int = 2,
    progress: bool | None = None,
) -> tuple[Any, Any]:
    """Value and gradient of ``sum(f(*args, batch) for batch in batches)``, the batches spread over workers.

    Parameters
    ----------
    f : callable
        The part of one batch, ``f(*args, batch)``; its output must be a real scalar.
    batches : iterable
        The data: arrays or trees of them, constants for the gradient; they need not have one shape.
    *args : scalar, array or tree of them
        The other arguments of ``f``.
    backend : Backend or str, optional
        Who differentiates, as for ``gradient``.
    argnums : int or tuple of int, default 0
        Which of ``args`` are active.
    follow : bool or tuple of str, optional
        As for ``gradient``.
    load : callable, optional
        ``load(batch)`` makes the data where it is used: ``batches`` may be names of files, which
        travel faster.
    workers : int, executor, Dask client or callable, optional
        Who works, as for ``polyad.workers.run``: so many processes (-1: one on each core), an executor (of
        ``mpi4py.futures`` too), a Dask client, or what works as ``map``. None: this process.
    chunk : int, optional
        Batches that a worker gets at once.
    retries : int
        How often lost processes are replaced and their batches done again.
    progress : bool, optional
        Whether to show how far it is; by default where standard error is a terminal.

    Returns
    -------
    value : scalar
        The sum of the values.
    gradient : like the active argument
        The sum of the gradients. Both are added up in the order of the batches, so that they do not depend on
        who worked.

    Raises
    ------
    polyad.errors.ArgumentError
        If there are no batches, or ``argnums`` means the batch.
    Exception
        What the first batch that failed raised, with a note of the batch and the worker's traceback.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def misfit(p, batch):
    ...     t, y = batch
    ...     return np.sum((p[0] * t + p[1] - y) ** 2)
    >>> data = [(np.arange(2.0), np.ones(2)), (np.arange(3.0), np.zeros(3))]
    >>> value, slope = ad.map_gradient(misfit, data, np.array([1.0, 0.0]))
    >>> float(value), slope
    (6.0, array([10.,  4.]))
    """
    spread = {"workers": workers, "chunk": chunk, "retries": retries, "progress": progress}
    options = {"backend": backend, "argnums": argnums, "follow": follow}
    return PreparedMapGradient(f, batches, args, options, load, spread)(*args)


def prepare_map_gradient(
    f: Callable[..., Any],
    batches: Iterable[Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    follow: bool | tuple[str, ...] | None = None,
    load: Callable[[Any], Any] | None = None,
    workers: Any = None,
    chunk: int | None = None,
    retries: int = 2,
    progress: bool | None = False,
) -> PreparedMapGradient:
    """Prepare ``map_gradient`` for many calls: every worker prepares once, at its first batch, and keeps it.

    Parameters
    ----------
    f, batches, *args, backend, argnums, follow, load, workers, chunk, retries, progress
        As for ``map_gradient``; nothing is shown by default.

    Returns
    -------
    PreparedMapGradient
        Call it as ``value, gradient = p(*args)``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_map_gradient(lambda x, b: np.sum(x * b), [np.ones(2), np.ones(2)], np.ones(2))
    >>> p(np.array([1.0, 2.0]))[1]
    array([2., 2.])
    """
    spread = {"workers": workers, "chunk": chunk, "retries": retries, "progress": progress}
    options = {"backend": backend, "argnums": argnums, "follow": follow}
    return PreparedMapGradient(f, batches, args, options, load, spread)
