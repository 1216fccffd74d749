"""Simplifying a program: removing operations that are unused, computed before, or without effect.

Every step is exact: it changes no bit of any result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.values import PRIMITIVES
from polyad.engine.programs.keys import BINARY, F8, PLAIN, key_of, params_of, plain
from polyad.engine.programs.recording import Constant, Operation, Variable

__all__ = ["BINARY", "ArrayProgram", "is_ufunc", "optimised"]

# what the table computes by Python's operators
_OWN = frozenset(PRIMITIVES[name].compute for name in (*BINARY, "negative"))
_ONE = np.float64(1.0)
_NOTHING: dict[str, Any] = {}
_FACTORS = frozenset(("multiply", "divide"))
# unions of types, which are slow to make
_FLOATS = (float, np.floating)


@dataclasses.dataclass
class ArrayProgram:
    """Operations with what goes in and what comes out.

    Outputs are variables, constants, or objects that are handed through.
    """

    inputs: list[Variable]
    operations: list[Operation]
    outputs: list[Any]

    def first(self, count: int) -> ArrayProgram:
        """The program of the first outputs alone."""
        outputs = self.outputs[:count]
        if len(outputs) == len(self.outputs):
            return self
        return ArrayProgram(self.inputs, needed(self.operations, outputs), outputs)


def is_ufunc(op: Operation) -> bool:
    """Whether an operation works entry by entry, by a universal function of one result."""
    f = op.compute
    if f in _OWN:
        return True
    return isinstance(f, np.ufunc) and f.signature is None and f.nout == 1


def optimised(
    inputs: Sequence[Variable], operations: Sequence[Operation], outputs: Sequence[Any]
) -> ArrayProgram:
    """The program without what it does not need."""
    simplifier = _Simplifier()
    kept = simplifier.run(operations)
    final = [simplifier.now(out) for out in outputs]
    return ArrayProgram(list(inputs), needed(kept, final), final)


def needed(operations: Sequence[Operation], outputs: Sequence[Any]) -> list[Operation]:
    """The operations on which an output depends, and the checks."""
    alive = {out for out in outputs if type(out) is Variable}
    kept = []
    for op in reversed(operations):
        results = op.results
        if len(results) == 1:
            if results[0] not in alive:
                continue
        elif op.name != "check" and alive.isdisjoint(results):
            continue
        for a in op.operands:
            if type(a) is Variable:
                alive.add(a)
        if op.params:
            alive.update(op.variables())
        kept.append(op)
    kept.reverse()
    return kept


class _Simplifier:
    """Operations one by one, each in terms of what has been kept of those before."""

    def __init__(self) -> None:
        self._instead: dict[Variable, Any] = {}
        self._known: dict[Any, Operation] = {}
        self._negated: dict[Variable, Any] = {}  # -a -> a
        self._spread: dict[Variable, Any] = {}  # broadcast -> what was broadcast
        self._made: dict[Variable, Operation] = {}

    def now(self, a: Any) -> Any:
        return self._instead.get(a, a) if type(a) is Variable else a

    def step(self, op: Operation) -> list[Operation]:
        """The operations to do for it: none where its result is known."""
        operands = op.operands
        instead = self._instead
        for a in operands:
            if type(a) is Variable and a in instead:
                operands = tuple([instead.get(b, b) if type(b) is Variable else b for b in operands])
                break
        params = op.params
        if params and "index" in params:
            params = {**params, "index": _mapped(self.now, params["index"])}
        if operands is not op.operands or params is not op.params:
            op = op.replace(operands, params=params)
        if op.name == "check":
            return [op]
        if len(op.results) == 1:
            same = self._neutral(op)
            if same is not None:
                self._instead[op.results[0]] = same
                return []
            op = self._without_negation(self._unspread(op))
            turned = self._turned(op) or self._number(op) or self._merged(op)
            if turned is not None:
                return [made for part in turned for made in self.step(part)]
        return self._kept(op)

    def run(self, operations: Sequence[Operation]) -> list[Operation]:
        """What is to be done for all of them.

        Most operations of long programs are of numbers that nothing more is to be asked about, and take the
        fast path: an operation that has been done, or one of a number with a sign, whose sign moves on.
        """
        instead, negated, known, made = self._instead, self._negated, self._known, self._made
        kept: list[Operation] = []
        for op in operations:
            result = op.results[0] if op.results else None
            operands = op.operands
            if op.params or result is None or result.shape or result.dtype is not F8:
                kept += self.step(op)
                continue
            if op.name == "negative":
                kept += self._negative(op, result)
                continue
            if op.compute not in PLAIN:
                kept += self.step(op)
                continue
            signed = changed = False
            key: list[Any] = [op.name]
            for a in operands:
                if type(a) is Variable:
                    b = instead.get(a)
                    if b is not None:
                        changed, a = True, b
                        if type(a) is not Variable:
                            break
                    if a.shape or a.dtype is not F8:
                        break
                    if a in negated:
                        signed = True
                    key.append(a)
                elif (type(a) is float or type(a) is int) and a != 0 and a != 1:
                    key.append(a)
                else:
                    break
            else:
                if signed and len(operands) == 2:
                    kept += self._signed(op, key[1], key[2], result)
                    continue
                name = tuple(key)  # as ``key_of`` has it
                found = known.get(name)
                if found is not None:
                    instead[result] = found.results[0]
                    continue
                if changed:
                    op = op.replace(name[1:])
                known[name] = made[result] = op
                kept.append(op)
                continue
            kept += self.step(op)
        return kept

    def _negative(self, op: Operation, result: Variable) -> list[Operation]:
        """The opposite of a number."""
        (a,) = op.operands
        a = self._instead.get(a, a) if type(a) is Variable else a
        if type(a) is not Variable or a in self._negated:
            return self.step(op)
        inner = self._made.get(a)
        if inner is not None and inner.name in _FACTORS and float in map(type, inner.operands):
            return self.step(op)  # the number takes the sign
        found = self._known.get(("negative", a))
        if found is not None:
            self._instead[result] = found.results[0]
            return []
        if a is not op.operands[0]:
            op = op.replace((a,))
        self._known["negative", a] = self._made[result] = op
        self._negated[result] = a
        return [op]

    def _signed(self, op: Operation, a: Any, b: Any, result: Variable) -> list[Operation]:
        """An operation on two numbers of which one is ``-c``, in terms of ``c``."""
        negated, name = self._negated, op.name
        minus_a = negated.get(a) if type(a) is Variable else None
        minus_b = negated.get(b) if type(b) is Variable else None
        if name == "add" or name == "subtract":
            if minus_b is not None:
                name, b = "subtract" if name == "add" else "add", minus_b
            elif name == "add":
                name, a, b = "subtract", b, minus_a
        elif minus_a is not None and minus_b is not None:
            a, b = minus_a, minus_b
        elif type(a) is not Variable or type(b) is not Variable:
            return self.step(op)  # the number takes the sign
        else:
            inner, positive = self._once(
                name, a if minus_a is None else minus_a, b if minus_b is None else minus_b
            )
            turned = Operation("negative", np.negative, (positive,), _NOTHING, (result,))
            return inner + self._negative(turned, result)
        made, found = self._once(name, a, b, result)
        if not made:
            self._instead[result] = found
        return made

    def _once(
        self, name: str, a: Any, b: Any, result: Variable | None = None
    ) -> tuple[list[Operation], Variable]:
        """An operation on two numbers, or none where it has been done; and its result."""
        found = self._known.get((name, a, b))
        if found is not None:
            return [], found.results[0]
        if result is None:
            result = Variable(_ONE)
        op = Operation(name, PRIMITIVES[name].compute, (a, b), _NOTHING, (result,))
        self._known[name, a, b] = self._made[result] = op
        return [op], result

    def _kept(self, op: Operation) -> list[Operation]:
        key = key_of(op)
        known = self._known.get(key) if key is not None else None
        if known is not None:
            self._instead.update(zip(op.results, known.results, strict=True))
            return []
        if key is not None:
            self._known[key] = op
        if op.name == "negative":
            self._negated[op.results[0]] = op.operands[0]
        elif op.name in ("broadcast_to", "reshape") and type(op.operands[0]) is Variable:
            if op.name == "broadcast_to" or not op.operands[0].shape:
                self._spread[op.results[0]] = op.operands[0]
        if len(op.results) == 1:
            self._made[op.results[0]] = op
        return [op]

    def _turned(self, op: Operation) -> list[Operation] | None:
        """``-(a * b)`` for ``-a * b``: the sign may vanish in a sum; and into a number where there is one."""
        if op.name == "negative":
            inner = self._made.get(op.operands[0])
            if inner is None or inner.name not in ("multiply", "divide"):
                return None
            flipped = [-a if type(a) is float else a for a in inner.operands]
            if sum(type(a) is float for a in inner.operands) != 1:
                return None
            return [inner.replace(tuple(flipped), results=op.results)]
        if op.name not in ("multiply", "divide") or op.results[0].dtype.kind != "f":
            return None
        a, b = op.operands
        minus_a = self._negated.get(a) if type(a) is Variable else None
        minus_b = self._negated.get(b) if type(b) is Variable else None
        if minus_a is None and minus_b is None:
            return None
        if minus_a is not None and minus_b is not None:
            return [op.replace((minus_a, minus_b))]
        if minus_a is not None and type(b) in (int, float):
            return [op.replace((minus_a, -float(b)))]
        if minus_b is not None and type(a) in (int, float):
            return [op.replace((-float(a), minus_b))]
        (result,) = op.results
        inner = op.replace((a if minus_a is None else minus_a, b if minus_b is None else minus_b))
        known = self._known.get(key_of(inner))
        if known is not None:
            return [Operation("negative", np.negative, known.results, {}, (result,))]
        positive = result.like()
        inner = inner.replace(results=(positive,))
        return [inner, Operation("negative", np.negative, (positive,), {}, (result,))]

    def _number(self, op: Operation) -> list[Operation] | None:
        """An array of one entry, computed from numbers, as a number."""
        (y,) = op.results
        if not y.shape or y.size != 1 or y.dtype != np.float64 or not is_ufunc(op):
            return None
        operands = []
        for a in op.operands:
            small = self._spread.get(a, a) if type(a) is Variable else plain(a)
            if getattr(small, "shape", ()) != ():
                return None
            operands.append(small)
        variables = [a for a in operands if type(a) is Variable]
        if not variables or any(a.dtype != np.float64 for a in variables):
            return None
        number = y.like()
        number.shape = ()
        inner = op.replace(tuple(operands), results=(number,))
        reshape = PRIMITIVES["reshape"].compute
        return [inner, Operation("reshape", reshape, (number,), {"shape": y.shape}, (y,))]

    def _merged(self, op: Operation) -> list[Operation] | None:
        """Scatters to the same places, replaced by one scatter of their sum."""
        if op.name != "add":
            return None
        first, second = (self._made.get(a) if type(a) is Variable else None for a in op.operands)
        if first is None or second is None or first.name != "scatter" or second.name != "scatter":
            return None
        a, b = first.operands[0], second.operands[0]
        same = type(a) is type(b) is Variable and a.shape == b.shape and a.dtype == b.dtype
        if not same or params_of(first) != params_of(second):
            return None
        total = a.like()
        inner = Operation("add", np.add, (a, b), {}, (total,))
        return [inner, first.replace((total,), results=op.results)]

    def _neutral(self, op: Operation) -> Any:
        """The operand that is the result, bit by bit."""
        name, (result,) = op.name, op.results
        if name in ("multiply", "divide", "power", "subtract"):
            a, b = op.operands
            if _is(b, 0.0 if name == "subtract" else 1.0) and _alike(a, result):
                return a
            if name == "multiply" and _is(a, 1.0) and _alike(b, result):
                return b
        elif name == "negative" and op.operands[0] in self._negated:
            return self._negated[op.operands[0]]
        elif name in ("reshape", "broadcast_to", "astype") and _alike(op.operands[0], result):
            return op.operands[0]
        elif name in ("real", "conjugate") and _alike(op.operands[0], result) and result.dtype.kind == "f":
            return op.operands[0]
        return None

    def _unspread(self, op: Operation) -> Operation:
        """Operands before they were broadcast, where the operation does that itself."""
        spread = self._spread
        if not any([type(a) is Constant or (type(a) is Variable and a in spread) for a in op.operands]):
            return op
        if not (is_ufunc(op) or op.name == "where"):
            return op
        operands = list(op.operands)
        changed = False
        for k, a in enumerate(operands):
            if type(a) is Constant:
                small = plain(a)
                # a Python number has no precision of its own
                if small is a or any(v.dtype != np.float64 for v in op.variables()):
                    continue
                small = np.float64(small)
            else:
                small = self._spread.get(a) if type(a) is Variable else None
                if small is None or small.dtype != a.dtype:
                    continue
            others = [o.shape for j, o in enumerate(operands) if j != k and hasattr(o, "shape")]
            if np.broadcast_shapes(small.shape, *others) == op.results[0].shape:
                operands[k] = float(small) if type(small) is np.float64 else small
                changed = True
        return op.replace(tuple(operands)) if changed else op

    def _without_negation(self, op: Operation) -> Operation:
        """``a - b`` for ``a + -b`` and the like, which is the same number."""
        if op.name not in ("add", "subtract") or op.results[0].dtype.kind not in "fc":
            return op
        a, b = op.operands
        minus_b = self._negated.get(b) if type(b) is Variable else None
        if minus_b is not None:
            other = "subtract" if op.name == "add" else "add"
            return _renamed(op, other, (a, minus_b))
        minus_a = self._negated.get(a) if type(a) is Variable else None
        if minus_a is not None and op.name == "add":
            return _renamed(op, "subtract", (b, minus_a))
        return op


def _renamed(op: Operation, name: str, operands: tuple[Any, ...]) -> Operation:
    return Operation(name, BINARY[name], operands, op.params, op.results, op.multiple)


def _is(a: Any, number: float) -> bool:
    """Whether an operand is exactly that positive number (``-0.0`` is not ``0.0``)."""
    return isinstance(a, _FLOATS) and float(a) == number and not np.signbit(a)


def _alike(a: Any, result: Variable) -> bool:
    return type(a) is Variable and a.shape == result.shape and a.dtype == result.dtype


def _mapped(f: Callable[[Any], Any], index: Any) -> Any:
    return tuple(map(f, index)) if type(index) is tuple else f(index)
