"""What products of arrays depend on: the zeros of a constant factor are followed."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported

__all__ = ["einsum", "matmul"]

LARGEST = 1 << 26  # pairs of entries beyond which the zeros of a constant factor are not looked at


def matmul(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """A matrix product, in letters."""
    shapes = [np.shape(a) for a in args]
    batch = string.ascii_uppercase
    letters = []
    for k, shape in enumerate(shapes):
        n = len(shape)
        core = "k" if n == 1 else ("ik", "kj")[k]
        letters.append(batch[: max(n - 2, 0)][::-1] + core)
    out = max((term[:-2] for term, s in zip(letters, shapes, strict=True) if len(s) > 2), key=len, default="")
    out += ("i" if len(shapes[0]) > 1 else "") + ("j" if len(shapes[1]) > 1 else "")
    return contracted(args, letters, out, np.shape(y))


def einsum(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """Sums of products over named axes."""
    inputs, output = params["subscripts"].split("->")
    return contracted(args, inputs.split(","), output, np.shape(y))


def contracted(args: Sequence[Any], letters: Sequence[str], output: str, shape: tuple[int, ...]) -> Any:
    """What a sum of products depends on, each axis named by a letter; those of length one broadcast."""
    sizes: dict[str, int] = dict(zip(output, shape, strict=True))
    for a, term in zip(args, letters, strict=True):
        for c, n in zip(term, np.shape(a), strict=True):
            sizes[c] = max(sizes.get(c, 1), n) if 0 not in (sizes.get(c, 1), n) else 0
    found: IndexSets | None = None
    for k, a in enumerate(args):
        if type(a) is not Supported or a.sets is None:
            continue
        plain = [
            (o, t)
            for j, (o, t) in enumerate(zip(args, letters, strict=True))
            if j != k and type(o) is not Supported
        ]
        sets = _by_zeros(a, letters[k], plain, output, sizes) if len(args) == 2 and plain else None
        sets = _by_letters(a, letters[k], output, sizes) if sets is None else sets
        found = sets if found is None else found.united(sets)
    return found


def _by_letters(a: Supported, term: str, output: str, sizes: dict[str, int]) -> IndexSets:
    """Of all entries with the same letters."""
    from polyad.engine.patterns.rules import reduced

    assert a.sets is not None
    gone = tuple(k for k, c in enumerate(term) if c not in output)
    small = reduced(a.sets, a.shape, gone)
    kept = [c for c in term if c in output]
    lengths = [n for c, n in zip(term, a.shape, strict=True) if c in output]
    positions = np.arange(small.rows).reshape(lengths)
    order = sorted(range(len(kept)), key=lambda k: output.index(kept[k]))
    positions = positions.transpose(order)
    ones = [lengths[order[_place(order, kept, c)]] if c in kept else 1 for c in output]
    return small.gathered(np.broadcast_to(positions.reshape(ones), [sizes[c] for c in output]))


def _place(order: list[int], kept: list[str], c: str) -> int:
    return next(p for p, k in enumerate(order) if kept[k] == c)


def _by_zeros(
    a: Supported, term: str, plain: list[tuple[Any, str]], output: str, sizes: dict[str, int]
) -> IndexSets | None:
    """Of the entries that meet no zero of the constant factor; None where that is no help."""
    ((factor, other),) = plain
    factor = np.asarray(factor)
    whole = all(
        n == sizes[c] for t, s in ((term, a.shape), (other, factor.shape)) for c, n in zip(t, s, strict=True)
    )
    if not whole or len(set(term)) < len(term) or len(set(other)) < len(other):
        return None
    at = dict(zip(other, np.nonzero(factor), strict=True)) if other else {}
    count = next(iter(at.values())).size if at else 1
    free = [c for c in term if c not in at]
    if other and count == factor.size and len([c for c in other if c in term]) <= 1:
        return None  # no zeros: all that share the letters
    total = count * int(np.prod([sizes[c] for c in free]))
    if total > LARGEST:
        return None
    grid = np.unravel_index(np.arange(total), (count, *(sizes[c] for c in free)))
    named = {c: v[grid[0]] for c, v in at.items()}
    named.update(dict(zip(free, grid[1:], strict=True)))
    rows = int(np.prod([sizes[c] for c in output]))
    targets = _flat(named, output, sizes, total)
    sources = _flat(named, term, sizes, total)
    assert a.sets is not None
    return a.sets.mapped(targets, sources, rows)


def _flat(named: dict[str, np.ndarray], term: str, sizes: dict[str, int], total: int) -> np.ndarray:
    if not term:
        return np.zeros(total, dtype=np.int64)
    return np.ravel_multi_index([named[c] for c in term], [sizes[c] for c in term])
