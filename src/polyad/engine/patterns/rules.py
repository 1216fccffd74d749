"""What the entries of a primitive's result depend on: the table of derivatives, read for its zeros.

* An elementwise function with partial derivatives unites the sets of its operands.
* What is constant in pieces has no derivative, so its result depends on nothing.
* What moves entries about is run on their positions.
* Sums unite groups, and products follow the zeros of a constant factor.
* Everything else that is made of matrices depends on all of each matrix.

A rule is ``rule(analysis, args, params, y)`` and gives the sets of the result, or a list of them where the
primitive has several results; ``args`` are ``Supported`` or plain, ``y`` are the example's values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.kinds import PARTIALS
from polyad.engine.core.values import Primitive, keys_of
from polyad.engine.patterns.joining import assembled, joined
from polyad.engine.patterns.products import einsum, matmul
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported

__all__ = ["ENTRYWISE", "rule_of", "sets_of"]

Rule = Callable[..., Any]


def rule_of(primitive: Primitive) -> Rule:
    """The rule of a primitive, which there always is: what is not known depends on everything."""
    found = RULES.get(primitive.name)
    if found is not None:
        return found
    if primitive.is_constant:
        return constant
    return elementwise if primitive.name in PARTIALS else dense


def sets_of(rule: Rule, analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """The sets of the one result."""
    found = rule(analysis, args, params, y)
    return None if found is not None and found.is_empty else found


def spread(sets: IndexSets, shape: tuple[int, ...], to: tuple[int, ...]) -> IndexSets:
    """The sets of an array broadcast to another shape."""
    if shape == to:
        return sets
    return sets.moved(shape, lambda a: np.broadcast_to(a, to))


def united(found: IndexSets | None, other: IndexSets) -> IndexSets:
    """The union, where there may be none yet."""
    return other if found is None else found.united(other)


def reduced(sets: IndexSets, shape: tuple[int, ...], axes: tuple[int, ...]) -> IndexSets:
    """The union along axes, which stay with length one."""
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    groups = int(np.prod(kept))
    if groups == sets.rows:
        return sets
    found = None if groups == 1 else sets.along(shape, axes)
    if found is not None:
        return found
    labels = np.broadcast_to(np.arange(groups).reshape(kept), shape)
    return sets.grouped(labels, groups)


# -- kinds ----------------------------------------------------------------------------------------------


def constant(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """Of values only."""
    return [None] * len(y) if isinstance(y, list) else None


def elementwise(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """The union of the operands."""
    found = None
    shape = np.shape(y)
    for a in args:
        if type(a) is Supported and a.sets is not None:
            found = united(found, spread(a.sets, a.shape, shape))
    return found


def _product(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """The union, but nothing of what is multiplied by a constant that is zero everywhere.

    Reverse mode multiplies by the cotangents of what a function does not use. An array with some zeros in it
    is taken as one that may have others.
    """
    for other in args:
        if type(other) is not Supported and not np.any(other):
            return None
    return elementwise(analysis, args, params, y)


# the rules of what computes each entry from the entries at its place
ENTRYWISE = (elementwise, _product)


def dense(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """Of all entries of all operands."""
    return matrices(None, analysis, args, params, y)


def matrices(
    core: int | None, analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any
) -> Any:
    """Of all of the last ``core`` axes of each operand; None for all of its axes."""
    parts = y if isinstance(y, list) else [y]
    found: list[IndexSets | None] = [None] * len(parts)
    for a in args:
        if type(a) is not Supported or a.sets is None:
            continue
        n = len(a.shape)
        k = n if core is None else min(core, n)
        small = reduced(a.sets, a.shape, tuple(range(n - k, n)))
        lead = a.shape[: n - k]
        for place, part in enumerate(parts):
            shape = np.shape(part)
            # the leading axes of the result are those of the stack
            ones = (*lead, *(1,) * (len(shape) - len(lead)))
            found[place] = united(found[place], spread(small, ones, shape))
    return found if isinstance(y, list) else found[0]


def moved(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any, run: Any) -> Any:
    """Of the one entry that stands there when it is run on positions."""
    (x,) = args
    return x.sets.moved(x.shape, run)


# -- single ones ----------------------------------------------------------------------------------------


def _same(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    return args[0].sets


def _transpose(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    return moved(analysis, args, params, y, lambda p: np.transpose(p, params["axes"]))


def _broadcast(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    return spread(args[0].sets, args[0].shape, np.shape(y))


def _where(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    c, a, b = args
    known = type(c) is not Supported or analysis.local
    chosen = np.broadcast_to(c.value if type(c) is Supported else c, np.shape(y)).ravel()
    found = None
    for part, mine in ((a, True), (b, False)):
        if type(part) is not Supported or part.sets is None:
            continue
        positions = np.broadcast_to(np.arange(part.size).reshape(part.shape), np.shape(y)).ravel()
        if known:
            positions = np.where(chosen.astype(bool) == mine, positions, -1)
            found = united(found, part.sets.gathered(positions))
        else:
            found = united(found, spread(part.sets, part.shape, np.shape(y)))
    return found


def _extreme(larger: bool) -> Rule:
    """The larger or smaller of two: at a point only the one that is chosen, both where they are equal."""

    def rule(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
        if not analysis.local:
            return elementwise(analysis, args, params, y)
        a, b = (p.value if type(p) is Supported else p for p in args)
        first, second = (np.less(b, a), np.less(a, b)) if larger else (np.less(a, b), np.less(b, a))
        found = None
        for part, out in zip(args, (second, first), strict=True):
            if type(part) is Supported and part.sets is not None:
                at = np.broadcast_to(np.arange(part.size).reshape(part.shape), np.shape(y)).ravel()
                at = np.where(np.broadcast_to(out, np.shape(y)).ravel(), -1, at)
                found = united(found, part.sets.gathered(at))
        return found

    return rule


def _total(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    x, axis = args[0], params.get("axis")
    n = len(x.shape)
    axes = tuple(range(n)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return reduced(x.sets, x.shape, tuple(k % n for k in axes) if n else ())


def _along(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """Every entry of all entries along an axis."""
    x, axis = args[0], params["axis"] % len(args[0].shape)
    shape = tuple(1 if k == axis else n for k, n in enumerate(x.shape))
    return spread(reduced(x.sets, x.shape, (axis,)), shape, np.shape(y))


def _cumulative(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    x, axis = args[0], params["axis"] % max(len(args[0].shape), 1)
    if not x.shape:
        return x.sets
    n = x.shape[axis]
    lines = np.moveaxis(np.arange(x.size).reshape(x.shape), axis, -1).reshape(-1, n)
    upto, each = np.tril_indices(n)
    return x.sets.mapped(lines[:, upto], lines[:, each], x.size)


def _concatenate(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    return _joined(analysis, args, y, lambda parts: np.concatenate(parts, axis=params["axis"]))


def _stack(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    return _joined(analysis, args, y, lambda parts: np.stack(parts, axis=params["axis"]))


def _joined(analysis: Analysis, args: Sequence[Any], y: Any, join: Any) -> Any:
    parts = [a.sets if type(a) is Supported else None for a in args]
    return assembled(parts, [a.shape if type(a) is Supported else np.shape(a) for a in args], join)


# -- indices ------------------------------------------------------------------------------------------------


def _getitem(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    x, index = args[0], params["index"]
    sets = x.sets if type(x) is Supported else None
    if sets is None:
        return None
    if not _varies(index):
        return sets.moved(x.shape, lambda a: a[index])
    axes, plain = _opened(index, x.shape)
    small = reduced(sets, x.shape, axes)
    shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    return small.gathered(np.arange(small.rows).reshape(shape)[plain])


def _scatter(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    w, index, shape = args[0], params["index"], params["shape"]
    if type(w) is not Supported or w.sets is None:
        return None
    if _varies(index):
        return _anywhere(w.sets, w.shape, index, shape)
    size = int(np.prod(shape))
    if _is_basic(index):  # nothing stands twice

        def put(a: np.ndarray) -> np.ndarray:
            whole = np.zeros(shape, dtype=a.dtype)
            whole[index] = a
            return whole

        return w.sets.moved(w.shape, put)
    places = np.arange(size).reshape(shape)[index]
    sources = np.broadcast_to(np.arange(w.size).reshape(w.shape), places.shape)
    return w.sets.mapped(places, sources, size)


def _setitem(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    x, v = args
    index, shape = params["index"], np.shape(y)
    size = int(np.prod(shape))
    values = v.sets if type(v) is Supported else None
    old = x.sets if type(x) is Supported else None
    if _varies(index):
        found = old
        if values is not None:
            found = united(found, _anywhere(values, v.shape, index, shape))
        return found
    if _is_basic(index):

        def put(parts: list[np.ndarray]) -> np.ndarray:
            whole = np.array(parts[0])
            whole[index] = parts[1]
            return whole

        if old is None and values is None:
            return None
        return assembled([old, values], [shape, np.shape(v) if type(v) is not Supported else v.shape], put)
    places = np.zeros(size, dtype=np.int64).reshape(shape)
    places[index] = 1
    untouched = np.where(places.ravel() == 1, -1, np.arange(size))
    if values is None:
        return None if old is None else old.gathered(untouched)
    filled = np.full(shape, -1)
    filled[index] = np.arange(v.size).reshape(v.shape)
    if old is None:
        return values.gathered(filled)
    both = joined([old, values])
    return both.gathered(np.where(filled.ravel() < 0, untouched, filled.ravel() + old.rows))


def _is_basic(index: Any) -> bool:
    """Whether an index has slices and whole numbers only, so that it means no entry twice."""
    return all(k is None or k is Ellipsis or type(k) is slice or _is_place(k) for k in keys_of(index))


def _is_place(k: Any) -> bool:
    return isinstance(k, int | np.integer) and not isinstance(k, bool)


def _varies(index: Any) -> bool:
    return any(type(k) is Supported for k in keys_of(index))


def _opened(index: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Any]:
    """The axes whose index is not known, and the index with zeros there."""
    keys = list(keys_of(index))
    used = sum(_axes_of(k) for k in keys)
    axes: list[int] = []
    plain: list[Any] = []
    axis = 0
    for k in keys:
        if k is Ellipsis:
            axis += len(shape) - used
            plain.append(k)
            continue
        if type(k) is Supported:
            mine = range(axis, axis + _axes_of(k))
            axes += list(mine)
            plain.append(np.zeros(k.shape, dtype=np.int64) if k.dtype.kind != "b" else k.value)
        else:
            plain.append(k)
        axis += _axes_of(k)
    return tuple(axes), tuple(plain)


def _axes_of(key: Any) -> int:
    if key is None or key is Ellipsis or isinstance(key, bool | np.bool_):
        return 0
    if getattr(getattr(key, "dtype", None), "kind", "") == "b":
        return len(key.shape)
    return 1


def _anywhere(sets: IndexSets, have: tuple[int, ...], index: Any, shape: tuple[int, ...]) -> IndexSets:
    """What is written where nobody knows: every entry may depend on all of it."""
    small = reduced(sets, have, tuple(range(len(have))))
    return small.gathered(np.zeros(int(np.prod(shape)), dtype=np.int64))


def _solve(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    """A column of the solution depends on all of that column on the right, and on all of the matrix."""
    a, b = args[:2]
    found = matrices(2, analysis, [a], params, y) if type(a) is Supported and a.sets is not None else None
    if type(b) is Supported and b.sets is not None:
        shape = np.shape(y)
        matrix = len(b.shape) > 1 and len(shape) > 1
        axis = len(b.shape) - (2 if matrix else 1)
        kept = tuple(1 if k == axis else n for k, n in enumerate(b.shape))
        if not matrix:
            kept = (1,) * len(shape)
        found = united(found, spread(reduced(b.sets, b.shape, (axis,)), kept, shape))
    return found


def _of_matrices(analysis: Analysis, args: Sequence[Any], params: dict[str, Any], y: Any) -> Any:
    return matrices(2, analysis, args, params, y)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("add", "subtract", "divide", "power", "negative"), elementwise),
    **dict.fromkeys(("conjugate", "real", "imag", "absolute"), elementwise),
    **dict.fromkeys(("astype", "reshape"), _same),
    **dict.fromkeys(("fft", "ifft"), _along),
    **dict.fromkeys(("sum", "max", "min"), _total),
    "multiply": _product,
    "maximum": _extreme(True),
    "minimum": _extreme(False),
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "where": _where,
    "cumsum": _cumulative,
    "concatenate": _concatenate,
    "stack": _stack,
    "getitem": _getitem,
    "scatter": _scatter,
    "setitem": _setitem,
    "matmul": matmul,
    "einsum": einsum,
    **dict.fromkeys(("solve", "solve_triangular"), _solve),
    **dict.fromkeys(
        "inv pinv cholesky eigh eigvalsh svd svdvals qr det slogdet eig expm logm sqrtm".split(), _of_matrices
    ),
}
