"""Jacobians and Hessians whose batches of directions are spread over workers.

* A worker is sent the function with examples of its arguments. It prepares the batched product at its first
  batch and keeps it; what travels then are the point, the directions and the products.
* The batches are the same whoever works, this process included, and are put together in their order. So the
  result does not depend on the number of workers, to the last bit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from polyad.arrays.conversion import converter
from polyad.arrays.libraries import PLAIN, library, library_of
from polyad.call.inputs.signature import Signature
from polyad.call.requirements import check_outputs
from polyad.combine.spread import Spread
from polyad.errors import ArgumentError, FunctionNotSupportedError
from polyad.sparse.backend import Sparse
from polyad.systems.base import Backend
from polyad.systems.contract import Leaves, Problem
from polyad.systems.derive.basis import size
from polyad.systems.registry import in_use
from polyad.workers.pools import check
from polyad.workers.run import each
from polyad.workers.sending import Sent

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["Spreads", "apportioned", "bound", "bounded", "spread"]


def spread(backend: Backend, workers: Any, chunk: int | None) -> Backend:
    """A backend whose Jacobians and Hessians workers compute; one with ``workers`` of its own uses these."""
    check(workers, chunk)
    if any(field.name == "workers" for field in dataclasses.fields(backend)):
        return backend.replace(workers=workers, chunk=chunk)
    if isinstance(backend, Sparse):
        return backend.replace(backend=spread(backend._inner, workers, chunk))
    return Spread(backend, workers=workers, chunk=chunk)


def apportioned(
    backend: Backend | str | None, args: tuple[Any, ...], argnums: Any, workers: Any, chunk: int | None
) -> Backend:
    """The backend of a call with these arguments, spread over workers."""
    return spread(in_use(backend, Signature(args, argnums).library.name), workers, chunk)


def bounded(backend: Backend, memory: int, nbytes: int, *, second: bool) -> Backend:
    """The backend with batches of directions of no more than that memory.

    A direction and its product take ``nbytes`` each time that they are held (``Backend.live``).

    Raises
    ------
    polyad.errors.ArgumentError
        If it has no batches.
    """
    names = {field.name for field in dataclasses.fields(backend)}
    changes: dict[str, Any] = {}
    for name in names:
        inner = getattr(backend, name)
        if isinstance(inner, Backend):
            with contextlib.suppress(ArgumentError):
                changes[name] = bounded(inner, memory, nbytes, second=second)
    fits = max(1, memory // max(1, backend.live[second] * nbytes))
    for name, most in (("memory", memory), ("most", fits), ("chunk_size", fits)):
        if name in names:
            said = getattr(backend, name)
            changes[name] = most if said is None else min(said, most)
    if not changes:
        raise ArgumentError(
            f"memory={memory} bounds batches of directions, and {backend!r} has none: leave memory out"
        )
    return backend.replace(**changes)


def bound(prepared: Prepared, backend: Backend, classes: dict[str, type[Prepared]]) -> Backend:
    """The backend with a spread one in it that knows which function it is of."""
    if isinstance(backend, Spread):
        if prepared._guests is not None and prepared._guests.inside:
            raise ArgumentError(
                f"a {prepared.operator} inside of another differentiation has arrays without values of their "
                "own, which cannot be sent: leave workers= out there"
            )
        check_outputs(prepared)  # or a worker would, of the product
        make = functools.partial(_Many, prepared, classes, backend.workers)
        return backend.replace(make=make)
    if isinstance(backend, Sparse):
        return backend.replace(backend=bound(prepared, backend._inner, classes))
    return backend


class Spreads:
    """What a Jacobian or a Hessian does with ``workers=``, ``chunk=`` and ``memory=``."""

    memory: int | None = None
    lower: ClassVar[str | None]
    # the products that it is made of, by their names
    products: ClassVar[dict[str, type[Prepared]]]

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        backend: Backend | str | None = None,
        workers: Any = None,
        chunk: int | None = None,
        memory: int | None = None,
        **options: Any,
    ) -> None:
        if memory is not None:
            if type(memory) is not int or memory < 1:
                raise ArgumentError(f"memory is a number of bytes, not {memory!r}: memory=2**28, say")
            self.memory = memory
        if workers is not None or chunk is not None:
            backend = apportioned(backend, args, options.get("argnums", 0), workers, chunk)
        super().__init__(f, args, backend=backend, **options)  # type: ignore[call-arg]

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = super()._options()  # type: ignore[misc]
        return options if self.memory is None else {**options, "memory": self.memory}

    def _apportioned(self, backend: Backend, problem: Problem) -> Backend:
        """The backend with its batches bounded, and the products of them computed by workers."""
        if self.memory is not None:
            results = problem.outputs if self.lower is None else problem.inputs
            specs = (*problem.inputs, *results)
            each = size(specs) * max(spec.dtype.itemsize for spec in specs)
            backend = bounded(backend, self.memory, each, second=self.lower is not None)
        return bound(self, backend, self.products)  # type: ignore[arg-type]


class _Many:
    """The products of many batches, computed by workers."""

    def __init__(
        self,
        prepared: Prepared,
        classes: dict[str, type[Prepared]],
        workers: Any,
        name: str,
        backend: Backend,
    ) -> None:
        self._prepared, self._class, self._workers, self._backend = prepared, classes[name], workers, backend
        self._source = library(backend.library)
        self._part: _Part | None = None
        self._lock = threading.Lock()

    def __call__(self, x: Leaves, c: Leaves, batches: Iterable[tuple[Any, Leaves]]) -> Iterator[Any]:
        for leaf in (*x, *c):
            if library_of(leaf) is self._source and self._source.is_traced(leaf):
                raise FunctionNotSupportedError(
                    f"a trace of {self._source.name} goes on around this {self._prepared.operator}, in which "
                    "arrays have no values that could be sent: leave workers= out there"
                )
        tags: list[Any] = []

        def items() -> Iterator[_Leaves]:
            for tag, seeds in batches:
                tags.append(tag)
                yield _Leaves(seeds, self._source.name)

        given = list(items())
        if not given:
            return
        part = self._made(given[0].leaves)
        sent = Sent(part, f"the {self._prepared.operator} of {part.label}")
        at = _At(sent, _Leaves(x, self._source.name), _Leaves(c, self._source.name))
        rest: Leaves | None = None
        for tag, outcome in zip(tags, each(at, enumerate(given), self._workers, label="batch"), strict=True):
            leaves, *others = (group.leaves for group in outcome)
            # value, aux and gradient come with the first batch alone
            rest = tuple(others) if rest is None else rest
            yield tag, (leaves, *rest)

    def _made(self, seeds: Leaves) -> _Part:
        """What workers are sent, made with the directions of the first batch as their example."""
        with self._lock:
            if self._part is None:
                whole, cls = self._prepared, self._class
                kind = "input" if cls.seed_name == "v" else "output"
                shapes = [(leaf.shape, np.asarray(self._source.to_numpy(leaf)).dtype) for leaf in seeds]
                example = whole._delivery.structure(kind).unflatten([np.zeros(*s) for s in shapes])
                options: dict[str, Any] = {"argnums": whole.argnums, "has_aux": whole.has_aux}
                options.update(follow=whole.follow, backend=self._backend, batched=True, seed=example)
                self._part = _Part(cls, whole.f, whole._examples, options, whole.problem.label)
            return self._part


class _Part:
    """Products of batches of directions; whoever computes them prepares once."""

    def __init__(self, cls: type[Prepared], f: Any, args: Any, options: dict[str, Any], label: str) -> None:
        self._given = cls, f, args, options
        self.label = label
        self._lock = threading.Lock()
        self._prepared: Prepared | None = None

    def __call__(self, given: tuple[Leaves, Leaves, Leaves]) -> tuple[Leaves, ...]:
        cls, f, args, options = self._given
        with self._lock:
            if self._prepared is None:
                self._prepared = cls(f, args, **options)
        prepared = self._prepared
        while True:
            try:
                outcome: tuple[Leaves, ...] = prepared._executable.full(*given)
                return outcome
            except Exception as error:
                # once more, followed through packages, or the error in the terms of the caller's function
                prepared = self._prepared = prepared._instead(error, args, (options["seed"],))

    def __getstate__(self) -> Any:
        return *self._given, self.label

    def __setstate__(self, state: Any) -> None:
        self.__init__(*state)  # type: ignore[misc]


class _At:
    """A part at a point."""

    def __init__(self, part: Any, x: _Leaves, c: _Leaves) -> None:
        self._part, self._x, self._c = part, x, c

    def __call__(self, item: tuple[int, _Leaves]) -> tuple[_Leaves, ...]:
        k, seeds = item
        outcome = self._part((self._x.leaves, self._c.leaves, seeds.leaves))
        groups = outcome if k == 0 else outcome[:1]
        return tuple(_Leaves(group, seeds.library) for group in groups)


class _Leaves:
    """Leaves that are sent as NumPy arrays, and arrive as what the framework computes with."""

    def __init__(self, leaves: Leaves, library: str) -> None:
        self.leaves, self.library = leaves, library

    def __getstate__(self) -> Any:
        source = library(self.library)
        for leaf in self.leaves:
            place = source.device(leaf).get("device") if library_of(leaf) is source else None
            if getattr(place, "type", "cpu") != "cpu":
                raise FunctionNotSupportedError(
                    f"workers= in other processes are sent arrays of the CPU's memory, and one here is on "
                    f"{place}: pass x.cpu(), take threads (ThreadPoolExecutor), or leave workers= out"
                )
        return tuple(
            np.asarray(source.to_numpy(leaf)) if library_of(leaf) is source else leaf for leaf in self.leaves
        ), self.library

    def __setstate__(self, state: Any) -> None:
        leaves, self.library = state
        enter = converter(PLAIN, library(self.library))
        self.leaves = tuple(
            enter(leaf) if enter is not None and isinstance(leaf, np.ndarray) else leaf for leaf in leaves
        )
