"""Where the arrays of a program lie: which buffer each result is written to, and when it is free again.

A **root** is a piece of memory: an argument, a constant, a buffer, a fresh array. A variable lies in the
roots of which it may be a view, and a buffer is free again when nothing is left that lies in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.programs.layout import laid, orders_of
from polyad.engine.programs.recording import Operation, Variable
from polyad.engine.programs.simplify import ArrayProgram

__all__ = ["VIEWS", "Memory", "MemoryRoot"]

FORTRAN = ', order="F"'
VIEWS = ("getitem", "reshape", "transpose", "broadcast_to")


@dataclasses.dataclass(eq=False, slots=True)
class MemoryRoot:
    """A piece of memory."""

    name: str
    kind: str  # "given" (arguments, constants), "buffer", "fresh"
    last: int = -1  # the last operation that reads it
    array: Any = None  # of a buffer: an example, for finding out what its views are
    key: Any = None


class Memory:
    """The memory of one program, as its code is written operation by operation."""

    def __init__(self, program: ArrayProgram) -> None:
        self.program = program
        self._orders = orders_of(program)
        self.space: dict[str, Any] = {"empty": np.empty, "copyto": np.copyto}
        self._lines: list[str] = []
        self._setup: list[str] = []
        self._slot: list[str] = []
        self._names: dict[Variable, str] = {}
        self._roots: dict[Variable, tuple[MemoryRoot, ...]] = {}
        self._examples: dict[Variable, Any] = {}  # buffers and their views
        self._free: dict[Any, list[MemoryRoot]] = {}
        self._constants: dict[Any, str] = {}
        self._final = set(program.outputs)
        self._own = self._final | _bases(program)  # in memory of their own
        self._ending: dict[int, dict[MemoryRoot, None]] = {}
        self._count = 0
        self._plan()
        for v in list(self._own):
            self._filled_in_place(v)

    # -- who is needed until when --------------------------------------------------------------------

    def _plan(self) -> None:
        """The last operation that reads each variable, and which scatters are added in place."""
        self._last: dict[Variable, int] = {}
        self._uses: dict[Variable, int] = {}
        for k, op in enumerate(self.program.operations):
            for v in op.variables():
                self._last[v] = k
                self._uses[v] = self._uses.get(v, 0) + 1
        for v in self._final:
            self._last[v] = len(self.program.operations)
            self._uses[v] = self._uses.get(v, 0) + 1
        made = {op.results[0]: op for op in self.program.operations if op.name == "scatter"}
        self._scattered: dict[Variable, Operation] = {}
        for k, op in enumerate(self.program.operations):
            if op.name != "add" or not op.results[0].shape:
                continue
            for v in op.operands[::-1]:
                part = made.get(v)
                if (
                    part is not None
                    and self._uses[v] == 1
                    and v.shape == op.results[0].shape
                    and (v.dtype == op.results[0].dtype and self._same_place(op, v))
                ):
                    self._scattered[v] = part
                    for source in part.variables():  # it is read later than it was
                        self._last[source] = max(self._last[source], k)
                    break

    def _filled_in_place(self, v: Variable) -> None:
        """What an output is made of by adding to it or writing to it lies where the output lies."""
        made = {op.results[0]: op for op in self.program.operations if op.name in ("add", "setitem")}
        while (op := made.get(v)) is not None:
            if op.name == "setitem":
                v = op.operands[0]
            else:
                others = [a for a in op.operands if type(a) is Variable and a not in self._scattered]
                if len(others) != 1 or len(op.variables()) != 2:
                    return
                (v,) = others
            if type(v) is not Variable or self._uses[v] != 1:
                return
            self._own.add(v)

    def _same_place(self, op: Operation, v: Variable) -> bool:
        (other,) = [o for o in op.operands if o is not v] or [None]
        return type(other) is Variable and other.shape == v.shape and other.dtype == v.dtype

    # -- memory ----------------------------------------------------------------------------------------

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _until(self, v: Variable) -> int:
        return self._last.get(v, -1)

    def _place(self, v: Variable, name: str, roots: tuple[MemoryRoot, ...]) -> None:
        self._names[v] = name
        self._roots[v] = roots
        for root in roots:
            root.last = max(root.last, self._until(v))

    def _buffer(self, v: Variable, k: int, reuse: Sequence[Any] = ()) -> str:
        """Memory for a result: an operand's that is done with, a free buffer, or a new one."""
        own = v in self._own
        order = self._orders.get(v)
        key = v.shape, v.dtype, v.fortran, order
        for a in reuse:
            if type(a) is Variable and a.shape == v.shape and a.dtype == v.dtype and len(self._roots[a]) == 1:
                (root,) = self._roots[a]
                kind = root.kind == "fresh" if own else root.kind != "given"
                whole = kind and root.name == self._names[a] and a not in self._final
                if whole and root.last == k and self._until(a) == k:
                    self._take(v, root)
                    return root.name
        if own:
            return self._fresh(v)
        free = self._free.get(key)
        if free:
            root = free.pop()
        else:
            root = MemoryRoot(self._name("b"), "buffer", array=_template(v, order), key=key)
            dtype = self._constant(v.dtype)
            if order is not None:
                shape, back = tuple(v.shape[k] for k in order), tuple(map(int, np.argsort(order)))
                text = f"empty({shape}, {dtype}).transpose({back})"
            else:
                text = f"empty({v.shape}, {dtype}{FORTRAN if v.fortran else ''})"
            self._setup.append(f"{root.name} = {text}")
            self._slot.append(root.name)
        self._take(v, root)
        return root.name

    def _take(self, v: Variable, root: MemoryRoot) -> None:
        root.last = -1
        self._place(v, root.name, (root,))
        if root.kind == "buffer":
            self._examples[v] = root.array

    def _fresh(self, v: Variable) -> str:
        root = MemoryRoot(self._name("r"), "fresh")
        order = FORTRAN if v.fortran else ""
        self._lines.append(f"{root.name} = empty({v.shape}, {self._constant(v.dtype)}{order})")
        self._place(v, root.name, (root,))
        return root.name

    def _release(self, k: int) -> None:
        """Give buffers back that operation ``k`` was the last to read."""
        for root in self._ending.pop(k, ()):
            if root.last == k:
                self._free.setdefault(root.key, []).append(root)

    def _constant(self, value: Any) -> str:
        order = self._orders.get(id(value)) if isinstance(value, np.ndarray) else None
        if order is not None and id(value) not in self._constants:
            self._constants[id(value)] = f"K{len(self._constants)}"
            self.space[self._constants[id(value)]] = laid(value, order)
        key = id(value) if isinstance(value, np.ndarray) else (type(value), repr(value))
        name = self._constants.get(key)
        if name is None:
            name = self._constants[key] = f"K{len(self._constants)}"
            self.space[name] = value
        return name


def _bases(program: ArrayProgram) -> set[Variable]:
    """The variables of which an output is a view."""
    views = {op.results[0]: op for op in program.operations if op.name in VIEWS and op.name != "broadcast_to"}
    found = set()
    for v in program.outputs:
        while v in views:
            v = views[v].operands[0]
            if type(v) is not Variable:
                break
            found.add(v)
    return found


def _template(v: Variable, order: tuple[int, ...] | None) -> np.ndarray:
    if order is not None:
        return np.empty(tuple(v.shape[k] for k in order), v.dtype).transpose(tuple(np.argsort(order)))
    return np.empty(v.shape, v.dtype, order="F" if v.fortran else "C")
