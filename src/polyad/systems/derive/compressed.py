"""The entries of a sparse Jacobian or Hessian from few products, whose seeds are sums of unit vectors.

* Which columns (rows) share a product is said by ``Compression``; here the seeds are made, the batches of
  products taken, and the entries gathered from them.
* A backend that compiles its kernels takes the indices as an argument, and the groups where they are many: as
  constants of the program they would be optimised by the compiler for seconds. Seeds are made of them inside
  of the program. Few seeds are constants, since the compiler computes beforehand what is linear in them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import ArraySpec
from polyad.arrays.types import Array, Leaves
from polyad.systems.contract import Compression, Kernel, Problem, strategy
from polyad.systems.derive.basis import as_dtype, chunk_of, conj, device, dtype, swept

if TYPE_CHECKING:
    from polyad.systems.base import Backend

# Seeds of so few numbers are constants of compiled programs, so that what is linear is computed once.
BAKED = 2**21

__all__ = ["Tables", "entries_dtype", "hessian", "jacobian", "tables"]


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """What a kernel takes besides the arguments of the function: groups, weights of the seeds, indices."""

    leaves: tuple[Array, ...]


def entries_dtype(problem: Problem, *, second: bool = False) -> Any:
    """The dtype of the entries of a matrix of all outputs by all inputs."""
    outputs = problem.inputs if second else problem.outputs
    return np.result_type(*(spec.dtype for spec in (*problem.inputs, *outputs)))


def tables(problem: Problem, plan: Compression) -> Tables:
    """Groups and weights of columns and of rows, and the index of entries, in the smallest integers."""
    real = np.finfo(np.result_type(*(spec.dtype for spec in problem.inputs))).dtype
    length = plan.pushes * plan.shape[0] + plan.pulls * plan.shape[1]
    index = np.zeros(0, dtype=np.int32) if plan.index is None else plan.index
    return Tables(
        (
            plan.column_groups.astype(np.int32),
            np.ones(plan.shape[1], dtype=real),
            plan.row_groups.astype(np.int32),
            np.ones(plan.shape[0], dtype=real),
            index.astype(np.int32 if length < 2**31 else np.int64),
        )
    )


class _Seeds:
    """Batches of seeds for groups of entries of some leaves in a row."""

    def __init__(
        self, backend: Backend, specs: Sequence[ArraySpec], count: int, entries: int, memory: int | None
    ) -> None:
        self.backend, self.specs, self.count = backend, tuple(specs), count
        self.chunk = chunk_of(backend, count, entries)
        if memory is not None:
            each = entries * max(spec.dtype.itemsize for spec in specs)
            self.chunk = min(self.chunk, max(1, memory // max(1, each)))
        self._made: dict[int, Leaves] = {}

    def __call__(
        self, groups: Any, weights: Any, like: Leaves, *, kept: bool, unit: complex = 1.0
    ) -> Iterator[Leaves]:
        for start in range(0, self.count, self.chunk):
            stop = min(start + self.chunk, self.count)
            if not kept:
                yield self._batch(groups, weights, like, start, stop, unit)
            elif stop - start < self.count:  # all together they would not fit
                yield self._batch(groups, weights, like, start, stop, unit)
            else:
                if start not in self._made:
                    self._made[start] = self._batch(groups, weights, like, start, stop, 1.0)
                made = self._made[start]
                yield made if unit == 1.0 else tuple(a * unit for a in made)

    def _batch(self, groups: Any, weights: Any, like: Leaves, start: int, stop: int, unit: complex) -> Leaves:
        xp, leaves, at = self.backend.xp, [], 0
        for k, spec in enumerate(self.specs):
            mine, weight = groups[at : at + spec.size], weights[at : at + spec.size]
            at += spec.size
            kind, where = dtype(xp, spec), device(like, k)
            if isinstance(mine, np.ndarray):
                block = (mine[None, :] == np.arange(start, stop)[:, None]) * weight
                seeds = xp.asarray(block.reshape(stop - start, *spec.shape), dtype=kind, **where)
            else:
                numbers = xp.arange(start, stop, dtype=mine.dtype)
                block = xp.where(mine[None, :] == numbers[:, None], weight, xp.zeros_like(weight))
                seeds = as_dtype(xp, xp.reshape(block, (stop - start, *spec.shape)), spec.dtype)
            leaves.append(seeds if unit == 1.0 else seeds * unit)
        return tuple(leaves)


def _flat(xp: Any, leaves: Leaves, specs: Sequence[ArraySpec], kind: Any) -> Any:
    """Leaves with a leading axis as one matrix, a row for each seed."""
    parts = [
        as_dtype(xp, xp.reshape(a, (a.shape[0], spec.size)), kind)
        for a, spec in zip(leaves, specs, strict=True)
    ]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)


def _gathered(backend: Backend, problem: Problem, parts: list[Any], index: Any, kind: Any) -> Any:
    """The entries, or the products in a row where there is no index."""
    xp = backend.xp
    rows = [xp.reshape(part, (-1,)) for part in parts]
    whole = rows[0] if len(rows) == 1 else xp.concat(rows) if rows else None
    if whole is None:
        return backend.table(np.zeros(0, dtype=kind), problem)
    return whole if index is None else backend.take(whole, index)


Compute = Callable[[Leaves, Leaves, tuple[Any, ...], bool], Any]


def _kernel(backend: Backend, problem: Problem, plan: Compression, words: str, compute: Compute) -> Kernel:
    """A kernel that takes its tables as arguments, or has them as constants, as suits the backend."""
    made = tables(problem, plan)
    if backend.takes_tables:
        baked = plan.pushes * plan.shape[1] + plan.pulls * plan.shape[0] <= BAKED

        @strategy(words)
        def taking(x: Leaves, c: Leaves, given: Leaves) -> Any:
            seeds = made.leaves[:-1] if baked else given[:-1]
            return compute(x, c, (*seeds, given[-1]), False)

        return dataclasses.replace(taking, own=Tables(made.leaves[-1:]) if baked else made)

    index = backend.table(made.leaves[-1], problem)

    @strategy(words)
    def kernel(x: Leaves, c: Leaves) -> Any:
        return compute(x, c, (*made.leaves[:-1], index), True)

    return kernel


def jacobian(backend: Backend, problem: Problem, plan: Compression) -> Kernel:
    """``kernel(x, c)``: the entries of the Jacobian in the order of the pattern, as one leaf."""
    xp, ins, outs = backend.xp, problem.inputs, problem.outputs
    kind = entries_dtype(problem)
    push = backend.jvp_batched(problem) if plan.pushes else None
    pull = backend.vjp_batched(problem) if plan.pulls else None
    # a real input's cotangent is a real part: the imaginary one takes the seeds times 1j as well
    turned = any(spec.is_complex for spec in outs) and not any(spec.is_complex for spec in ins)
    forward = _Seeds(backend, ins, plan.pushes, sum(plan.shape), plan.memory)
    backward = _Seeds(backend, outs, plan.pulls, sum(plan.shape), plan.memory)

    def compute(x: Leaves, c: Leaves, given: tuple[Any, ...], kept: bool) -> Any:
        columns, column_weights, rows, row_weights, index = given
        parts, y, aux = [], None, ()
        if push is not None:
            seeds = ((False, s) for s in forward(columns, column_weights, x, kept=kept))
            for _, outcome in swept(push, x, c, seeds):
                dy, y, aux = outcome
                parts.append(_flat(xp, dy, outs, kind))
        if pull is not None:
            turns = _turns(backward(rows, row_weights, (x[0],) * len(outs), kept=kept), turned)
            for across, outcome in swept(pull, x, c, turns):
                dx, y, aux = outcome
                part = _flat(xp, dx, ins, kind)
                if across:
                    parts[-1] = parts[-1] + 1j * part
                else:
                    parts.append(part if turned else conj(xp, part))
        if y is None:
            y, aux = problem.f(x, c)
        return (_gathered(backend, problem, parts, None if plan.index is None else index, kind),), y, aux

    return _kernel(backend, problem, plan, _words(plan), compute)


def _turns(batches: Iterable[Leaves], turned: bool) -> Iterator[tuple[bool, Leaves]]:
    """The seeds, and where an imaginary part is wanted behind each batch the same times 1j."""
    for seeds in batches:
        yield False, seeds
        if turned:
            yield True, tuple(s * 1j if _is_complex(s) else s * 0 for s in seeds)


def _is_complex(a: Any) -> bool:
    return "complex" in str(a.dtype)


def hessian(backend: Backend, problem: Problem, plan: Compression) -> Kernel:
    """``kernel(x, c)`` giving the entries of the Hessian, the value, aux and the gradient."""
    xp, ins = backend.xp, problem.inputs
    kind = entries_dtype(problem, second=True)
    product = backend.hvp_batched(problem) if plan.pushes else None
    gradient = backend.gradient(problem) if product is None else None
    seeds_of = _Seeds(backend, ins, plan.pushes, 2 * plan.shape[1], plan.memory)

    def compute(x: Leaves, c: Leaves, given: tuple[Any, ...], kept: bool) -> Any:
        columns, weights, _, _, index = given
        parts: list[Any] = []
        y, aux, g = (), (), ()
        if gradient is not None:
            g, y, aux = gradient(x, c)
        if product is not None:
            seeds = ((False, s) for s in seeds_of(columns, weights, x, kept=kept))
            for _, outcome in swept(product, x, c, seeds):
                hv, y, aux, g = outcome
                parts.append(_flat(xp, hv, ins, kind))
        return (_gathered(backend, problem, parts, None if plan.index is None else index, kind),), y, aux, g

    words = f"{plan.pushes} Hessian-vector product{'s' * (plan.pushes != 1)}"
    return _kernel(backend, problem, plan, words, compute)


def _words(plan: Compression) -> str:
    counted = [
        f"{count} {name}{'s' * (count != 1)}"
        for count, name in ((plan.pushes, "pushforward"), (plan.pulls, "pullback"))
        if count
    ]
    return " and ".join(counted) or "no product"
