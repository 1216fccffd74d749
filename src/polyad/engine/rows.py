"""Forward mode by the rows of reverse mode, at points where it has no number of its own.

At equal eigenvalues forward mode has no rule, where reverse mode finds the limit. And an infinite derivative
times the zero of a direction is no number, whether that direction does not go there or the zero is a limit: a
cotangent knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.values import Value
from polyad.engine.interpretations.masked import MASKS
from polyad.engine.interpretations.tape import NEVER, Node
from polyad.engine.rules.factorizations import unknown_use
from polyad.engine.rules.structure import astype, broadcast_to
from polyad.errors import PolyadError

__all__ = ["contracted", "each_alone", "like", "limits", "not_numbers", "one_by_one"]

ROWS = 256  # of a Jacobian, computed together
# so few rows of arrays so large go down the tape each for itself: a batch has a lane of zeros more, and
# what is computed once for all of it does not fit into the fast memory
FEW, LARGE = 4, 16384


def contracted(recorded: Any, tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The tangents of the outputs along a batch of directions, by the rows of the Jacobian.

    Parameters
    ----------
    recorded : run.Recorded
        The function at a point.
    tangents : sequence of array
        A batch for each of its leaves.
    """
    if not all(type(a) is np.ndarray and a.dtype.kind == "f" for a in tangents):
        raise unknown_use()
    shapes = [np.shape(leaf) for leaf in recorded.y]
    sizes = [int(np.prod(shape)) for shape in shapes]
    count, total = len(tangents[0]), sum(sizes)
    found = []
    for start in range(0, total, ROWS):
        stop = min(total, start + ROWS)
        eye = np.split(np.eye(stop - start, total, start), np.cumsum(sizes)[:-1], axis=1)
        seeds = [part.reshape(-1, *shape) for part, shape in zip(eye, shapes, strict=True)]
        # which may be boxes of a differentiation around this one
        found.append(
            sum(
                _along(t.reshape(count, -1), row.reshape(stop - start, -1))
                for t, row in zip(tangents, recorded.pull_batched(seeds), strict=True)
            )
        )
    row = np.concatenate(found, axis=1) if found else np.zeros((count, 0))
    parts = [row[:, stop - size : stop] for size, stop in zip(sizes, np.cumsum(sizes), strict=True)]
    return tuple(
        part.reshape(count, *shape).astype(leaf.dtype)
        for part, shape, leaf in zip(parts, shapes, recorded.y, strict=True)
    )


def _along(t: Any, rows: Any) -> Any:
    """Products of directions and rows, of which an infinite entry counts for a direction that goes there."""
    if not isinstance(rows, np.ndarray) or np.isfinite(rows).all():
        return t @ rows.T
    heard = get_state()
    try:
        set_state(SILENT)
        total = t @ np.where(np.isfinite(rows), rows, 0.0).T
        for k in np.flatnonzero(~np.isfinite(rows).all(axis=0)):
            column = np.where(np.isfinite(rows[:, k]), 0.0, rows[:, k])
            total += np.where((t[:, k, None] == 0) | (column == 0), 0.0, t[:, k, None] * column)
    finally:
        set_state(heard)
    return total


def like(primal: Value, tangent: Value, count: int) -> Value:
    """Tangents of the shape and the precision of their value: the weight of a choice may have more of it."""
    if tangent.shape[1:] != primal.shape:
        tangent = broadcast_to(tangent, shape=(count, *primal.shape))
    if tangent.dtype is not primal.dtype and tangent.dtype.kind == primal.dtype.kind:
        return astype(tangent, dtype=primal.dtype)
    return tangent


def not_numbers(a: Any) -> bool:
    """Whether an array has an entry that is no number, by one product, the quickest way to tell."""
    return type(a) is np.ndarray and bool((total := np.vdot(a, a)) != total)


def limits(
    dy: Sequence[Any], y: Sequence[Any], tangents: Sequence[Any], record: Callable[[], Any]
) -> Sequence[Any]:
    """Batches of tangents, of which reverse mode says what is no number, where it can.

    Parameters
    ----------
    dy, y : sequence of array
        The tangents of the outputs, and the outputs.
    tangents : sequence of array
        The directions.
    record : callable
        Gives ``run.Recorded`` at the point.
    """
    if not all(type(t) is np.ndarray for t in dy):
        return dy  # another differentiation is around
    if not any(not_numbers(t) and np.isfinite(part).all() for t, part in zip(dy, y, strict=True)):
        return dy
    try:
        found = contracted(record(), tangents)
    except PolyadError:
        return dy
    return [np.where(np.isnan(t), limit, t) for t, limit in zip(dy, found, strict=True)]


def one_by_one(recorded: Any, seeds: Sequence[Any], found: list[Any]) -> None:
    """Put the rows that are no numbers as single pullbacks have them, where zeros of the seeds stay zeros.

    Parameters
    ----------
    recorded : run.Recorded
        The function at a point.
    seeds : sequence of array
        A batch for each of its outputs.
    found : list of array
        The batches of cotangents that were computed together, which are changed.
    """
    if not all(type(a) is np.ndarray for a in (*seeds, *found)):
        return  # another differentiation is around
    if not any(map(not_numbers, found)):
        return
    bad = np.zeros(len(found[0]), dtype=bool)
    for a in found:
        bad |= np.isnan(a).reshape(len(a), -1).any(axis=1)
    for k in np.flatnonzero(bad):
        for a, row in zip(found, recorded.pull([np.asarray(w[k]) for w in seeds]), strict=True):
            a[k] = row


def each_alone(recorded: Any, seeds: Sequence[Any]) -> tuple[Any, ...] | None:
    """Pullbacks of a batch, one row after the other; None where they are better taken together.

    Parameters
    ----------
    recorded : run.Recorded
        The function at a point.
    seeds : sequence of array
        A batch for each of its outputs.
    """
    leaves = [*recorded._x, *seeds]
    plain = all(type(a) is np.ndarray and a.dtype.kind == "f" for a in leaves)
    if not plain or len(seeds[0]) > FEW or max(a.size for a in recorded._x) < LARGE:
        return None
    tape, found = recorded._tape, [np.zeros((len(seeds[0]), *x.shape), x.dtype) for x in recorded._x]
    outputs = [v.index if type(v) is Node and v.tape is tape else None for v in recorded._outputs]
    entries, heard, kept = list(tape), get_state(), MASKS.kept
    try:
        set_state(SILENT)
        MASKS.kept = False  # what is no number without them is computed once more
        for k in range(len(seeds[0])):
            given = [(i, w[k]) for i, w in zip(outputs, seeds, strict=True) if i is not None]
            rows = tape._swept(entries, given, recorded._inputs, NEVER, free=False)
            for batch, row in zip(found, rows, strict=True):
                if row is not None:
                    batch[k] = row
    finally:
        MASKS.kept = kept
        set_state(heard)
    one_by_one(recorded, seeds, found)
    return tuple(found)
