"""In which order the axes of a program's buffers lie in memory, so that NumPy's inner loops are long.

Rows of three numbers, a million of them, are added to each other in one loop, but each row times a number of
its own is a loop of three. With the long axis last in memory both are three loops of a million. It does not
pay where most of what is computed with lies the usual way, so the loops of both are counted beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from polyad.engine.core.indices import is_basic
from polyad.engine.programs.recording import Constant, Operation, Variable
from polyad.engine.programs.simplify import ArrayProgram, is_ufunc

__all__ = ["Orders", "gathered_axis", "laid", "orders_of"]

Shape = tuple[int, ...]
Strides = tuple[int, ...]
Orders = dict[Any, Shape]

# an axis so long goes last where the last one is so short
LONG, SHORT = 128, 32
# entries that some array must have, and operations that a program may
LARGE, MANY = 2048, 4000
# nanoseconds of an entry, of a loop, of one over which is summed, of an entry that is moved
ENTRY, LOOP, FOLD, MOVED = 0.4, 8.0, 20.0, 1.0
# what is not so much quicker stays as it is
GAIN = 0.8
# whose results are written to a buffer, whatever its order
WRITTEN = frozenset({"where", "sum", "setitem", "scatter", "concatenate", "stack"})


def orders_of(program: ArrayProgram) -> Orders:
    """Of variables and constants the axes in the order in which they should lie; those left out as usual."""
    operations = program.operations
    if len(operations) > MANY or not any(_tall(v.shape) for op in operations for v in op.results):
        return {}
    wanted: Orders = {}
    for op in operations:
        entrywise = len(op.results) == 1 and is_ufunc(op)
        if entrywise or op.name in WRITTEN or gathered_axis(op) is not None:
            wanted |= {v: order for v in op.results if (order := _tall(v.shape))}
        if entrywise:
            constants = [a.value for a in op.operands if type(a) is Constant]
            wanted |= {id(a): order for a in constants if (order := _tall(a.shape))}
    usual = _Estimate({}).total(program)
    return wanted if _Estimate(wanted).total(program) < GAIN * usual else {}


def gathered_axis(op: Operation) -> int | None:
    """The axis along which an operation picks entries at known places, all others being whole; or None."""
    if op.name != "getitem" or type(op.operands[0]) is not Variable:
        return None
    index, axis = op.params["index"], None
    for k, key in enumerate(index if type(index) is tuple else (index,)):
        if isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "iu" and axis is None:
            axis = k
        elif not (isinstance(key, slice) and key == slice(None)):
            return None
    return axis


def laid(a: np.ndarray, order: Shape) -> np.ndarray:
    """The array with its axes in that order in memory."""
    return np.ascontiguousarray(a.transpose(order)).transpose(tuple(np.argsort(order)))


def _tall(shape: Shape) -> Shape | None:
    """The axes with the longest last, where that should be."""
    if len(shape) < 2 or shape[-1] >= SHORT:
        return None
    k = int(np.argmax(shape))
    if shape[k] < LONG or k == len(shape) - 1 or math.prod(shape) < LARGE:
        return None
    return (*(j for j in range(len(shape)) if j != k), k)


class _Estimate:
    """What a program takes, in nanoseconds, with the arrays in these orders."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.strides: dict[Any, Strides] = {}

    def total(self, program: ArrayProgram) -> float:
        """All operations together."""
        return sum(self._operation(op) for op in program.operations)

    def _operation(self, op: Operation) -> float:
        if len(op.results) != 1:
            return 0.0
        (y,) = op.results
        if gathered_axis(op) is not None:
            self.strides[y] = self._of_order(y)
            return MOVED * y.size
        if op.name in ("getitem", "transpose", "broadcast_to", "reshape"):
            return self._view(op, y)
        self.strides[y] = self._of_order(y)
        if y not in self.orders and not is_ufunc(op) and y.strides is not None:
            self.strides[y] = y.strides  # as the function that makes it has made it
        if is_ufunc(op) or op.name == "where":
            return self._loops(y.shape, [self._strides(a, y.shape) for a in (*op.operands, y)])
        if op.name == "sum":
            (x,) = op.operands
            mine = self._strides(x, x.shape)
            # the last axis in memory is the inner loop
            inner = min((k for k, s in enumerate(mine) if s), key=lambda k: mine[k], default=0)
            axes = op.params["axis"]
            folds = axes is None or inner in axes
            loops = math.prod(x.shape) / max(1, x.shape[inner] if x.shape else 1)
            return ENTRY * math.prod(x.shape) + (FOLD if folds else LOOP) * loops
        if op.name in WRITTEN:
            # parts are moved one after the other
            parts = [a for a in op.operands if hasattr(a, "shape")]
            agree = all(_c(a.shape) == self._strides(a, a.shape) or self.orders for a in parts)
            return MOVED * y.size * (1.0 if agree else 2.0)
        return 0.0  # the same whatever the order, or nearly so

    def _of_order(self, v: Any) -> Strides:
        """The strides, in entries, of memory of its own."""
        order = self.orders.get(v if type(v) is Variable else id(v.value))
        if order is None and type(v) is Constant:
            return tuple(s // v.value.itemsize for s in v.value.strides)
        if order is None and v.fortran:
            order = tuple(range(len(v.shape)))[::-1]
        if order is None:
            return _c(v.shape)
        found, step = [0] * len(v.shape), 1
        for k in reversed(order):
            found[k] = step
            step *= v.shape[k]
        return tuple(found)

    def _strides(self, a: Any, shape: Shape) -> Strides:
        """An operand's strides along the axes of the result, zero where it is broadcast."""
        if type(a) not in (Variable, Constant):
            return (0,) * len(shape)
        mine = self.strides.get(a)
        if mine is None:
            mine = self._of_order(a)
        own = (0,) * (len(shape) - len(a.shape)) + mine
        lengths = (1,) * (len(shape) - len(a.shape)) + tuple(a.shape)
        return tuple(0 if n == 1 else s for s, n in zip(own, lengths, strict=True))

    def _loops(self, shape: Shape, strides: Sequence[Strides]) -> float:
        """An entrywise operation: the axes as NumPy goes through them, joined where they can be."""
        axes = [k for k, n in enumerate(shape) if n > 1]
        order = list(axes)
        # one operand that lies the usual way decides
        for i in range(1, len(order)):
            for j in range(i, 0, -1):
                outer, inner = order[j - 1], order[j]
                known = [(s[outer], s[inner]) for s in strides if s[outer] and s[inner]]
                if known and all(abs(a) < abs(b) for a, b in known):
                    order[j - 1], order[j] = inner, outer
                else:
                    break
        size, length, last = math.prod(shape), 1, -1
        for k in reversed(order):
            if last >= 0 and any(s[k] != s[last] * shape[last] for s in strides):
                break
            length, last = length * shape[k], k
        return ENTRY * size + LOOP * size / max(1, length)

    def _view(self, op: Operation, y: Variable) -> float:
        x: Any = op.operands[0]
        basic = op.name != "getitem" or is_basic(op.params["index"])
        if type(x) not in (Variable, Constant) or not basic or not y.shape:
            self.strides[y] = _c(y.shape) if y.strides is None else y.strides
            return MOVED * y.size
        mine = self._strides(x, x.shape)
        if op.name == "reshape":
            kept = [s for s, n in zip(mine, x.shape, strict=True) if n != 1]
            if mine == tuple(0 if n == 1 else s for s, n in zip(_c(x.shape), x.shape, strict=True)):
                self.strides[y] = _c(y.shape)
                return 0.0
            if [n for n in x.shape if n != 1] == [n for n in y.shape if n != 1]:
                left = iter(kept)
                self.strides[y] = tuple(0 if n == 1 else next(left) for n in y.shape)
                return 0.0
            self.strides[y] = _c(y.shape)
            return 2 * MOVED * y.size
        # nothing of it is read
        example = as_strided(np.empty(1), x.shape, tuple(8 * s for s in mine))
        compute: Callable[..., Any] = op.compute
        self.strides[y] = tuple(s // 8 for s in compute(example, **op.params).strides)
        return 0.0


def _c(shape: Shape) -> Strides:
    """Strides of the usual order, in entries."""
    found, step = [0] * len(shape), 1
    for k in reversed(range(len(shape))):
        found[k] = step
        step *= shape[k]
    return tuple(found)
