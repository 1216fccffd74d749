"""A program as Python code that calls NumPy's functions one after the other, without dispatch.

* Universal functions write to buffers (``out=``), which are used again as soon as nobody needs what is
  in them: a fresh array of any size costs more than the arithmetic on it.
* A **root** is a piece of memory: an argument, a constant, a buffer, a fresh array. A variable lies in
  the roots of which it may be a view, and a buffer is free again when nothing is left that lies in it.
* Views of buffers are the same at every call: they are made once, with the buffers (a **slot**).
* What is returned lies in memory that nobody else has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.core.indices import copies, is_basic, is_mask, names_once
from polyad.engine.core.names import SIGNS
from polyad.engine.core.refusals import Deviates
from polyad.engine.programs.layout import gathered_axis
from polyad.engine.programs.memory import VIEWS, Memory, MemoryRoot
from polyad.engine.programs.recording import Constant, Operation, Variable
from polyad.engine.programs.simplify import BINARY, ArrayProgram, is_ufunc

__all__ = ["ArrayCode"]

# their results are never views of what they got
FRESH = frozenset(
    "where setitem scatter concatenate stack sum matmul cumsum max min argmax argmin argsort searchsorted "
    "inv solve det pinv cholesky eigh svd qr power zeros all any scan".split()
)
# their results have a dtype that is known from those of the operands
STEADY = FRESH | {"getitem", "reshape", "transpose", "broadcast_to", "astype", "truncate_to", "real", "imag"}
# NumPy's operator computes these exponents by other functions, and so rounds otherwise than np.power
POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}
# so many entries are picked into a buffer
GATHERED = 1024


class ArrayCode(Memory):
    """The code of one program.

    Parameters
    ----------
    program : ArrayProgram
        The program.

    Attributes
    ----------
    source : str
        The text of two functions: ``run(slot, *inputs)`` gives the tuple of outputs, ``slot()`` the buffers
        of one call.
    named : dict
        What the text calls by names.
    """

    def __init__(self, program: ArrayProgram) -> None:
        super().__init__(program)
        self._write()

    # -- text --------------------------------------------------------------------------------------------

    def _text(self, a: Any) -> str:
        kind = type(a)
        if kind is Variable:
            return self._names[a]
        if kind is Constant:
            return self._constant(a.value)
        if kind in (int, float, bool) and a == a and abs(a) != float("inf"):
            return f"({a!r})" if a < 0 or str(a)[0] == "-" else repr(a)
        return self._constant(a)

    def _key_text(self, k: Any) -> str:
        if type(k) is tuple:
            return "(" + "".join(f"{self._key_text(part)}, " for part in k) + ")"
        return self._text(k)

    def _function(self, f: Any) -> str:
        name = getattr(f, "__name__", "f")
        name = f"f_{name}" if name.isidentifier() else "f"
        while name in self.space and self.space[name] is not f:
            name += "_"
        self.space[name] = f
        return name

    # -- the operations ------------------------------------------------------------------------------------

    def _write(self) -> None:
        program = self.program
        for k, v in enumerate(program.inputs):
            self._place(v, f"x{k}", (MemoryRoot(f"x{k}", "given"),))
        for k, op in enumerate(program.operations):
            if op.results and op.results[0] in self._scattered:
                continue
            self._operation(k, op)
            for v in (*op.results, *op.variables()):
                for root in self._roots.get(v, ()):
                    if root.kind == "buffer":
                        self._ending.setdefault(max(root.last, k), {})[root] = None
            self._release(k)
        found = [self._output(v, program.outputs[:j]) for j, v in enumerate(program.outputs)]
        names = "".join(f"{name}, " for name in self._slot)
        start = f"    {names}= slot\n" if names else ""
        args = "".join(f", x{k}" for k in range(len(program.inputs)))
        body = "".join(f"    {line}\n" for line in self._lines)
        text = f"def run(slot{args}):\n{start}{body}    return ({''.join(f'{o}, ' for o in found)})\n"
        text += "def slot():\n" + "".join(f"    {line}\n" for line in self._setup) + f"    return ({names})\n"
        self.source, self.named = text, self.space
        self.buffers = bool(self._slot)

    def _output(self, v: Variable, before: Sequence[Variable]) -> str:
        name, roots = self._names[v], set(self._roots[v])
        lone = all(root.kind == "fresh" for root in roots) and not any(
            roots & set(self._roots[o]) for o in before
        )
        if not v.shape:
            return name if lone else f"{self._function(_number)}({name})"
        return name if lone else f"{name}.copy()"

    def _operation(self, k: int, op: Operation) -> None:
        own = getattr(self, f"_write_{op.name}", None)
        if own is not None and own(k, op):
            return
        if len(op.results) == 1 and is_ufunc(op):
            self._elementwise(k, op)
        elif op.name in VIEWS:
            self._view(op)
        else:
            self._generic(op)

    def _call(self, op: Operation) -> str:
        parts = [self._text(a) for a in op.operands]
        parts += [f"{n}={self._key_text(v) if n == 'index' else self._text(v)}" for n, v in op.params.items()]
        return f"{self._function(op.compute)}({', '.join(parts)})"

    def _generic(self, op: Operation) -> None:
        """Whatever the function gives, which may be a view of what it got."""
        text = self._call(op)
        if op.name == "check":
            self._lines.append(text)
            return
        names = [self._name("v") for _ in op.results]
        left = f"{', '.join(names)}, " if op.multiple else names[0]
        if op.name not in STEADY:
            forms = tuple((v.shape, v.dtype) for v in op.results)
            check = self._function(expected_all if op.multiple else expected)
            text = f"{check}({text}, {self._constant(forms if op.multiple else forms[0])})"
        self._lines.append(f"{left} = {text}")
        sources: dict[MemoryRoot, None] = {}
        if op.name not in FRESH and not (op.name == "getitem" and copies(op.params["index"])):
            sources = {root: None for v in op.variables() for root in self._roots[v]}
            if any(type(a) is Constant for a in op.operands):
                sources[MemoryRoot("constant", "given")] = None
            if op.multiple:
                sources[MemoryRoot("common", "fresh")] = None
        for name, v in zip(names, op.results, strict=True):
            self._place(v, name, (MemoryRoot(name, "fresh"), *sources))

    def _elementwise(self, k: int, op: Operation) -> None:
        (y,) = op.results
        a = [self._text(operand) for operand in op.operands]
        if not y.shape:
            name = self._name("v")
            if op.name in SIGNS:
                text = f"{a[0]} {SIGNS[op.name]} {a[1]}"
            else:
                text = (
                    f"-{a[0]}" if op.name == "negative" else f"{self._function(op.compute)}({', '.join(a)})"
                )
            self._lines.append(f"{name} = {text}")
            self._place(y, name, (MemoryRoot(name, "fresh"),))
            return
        f = BINARY.get(op.name) or (np.negative if op.name == "negative" else op.compute)
        self._into(k, y, f, a, op.operands)

    def _into(self, k: int, y: Variable, f: Any, a: Sequence[str], reuse: Sequence[Any]) -> None:
        out = self._buffer(y, k, reuse)
        place = f"out={out}" if f in (np.maximum, np.minimum) else out  # which NumPy no longer takes by place
        self._lines.append(f"{self._function(f)}({', '.join((*a, place))})")

    def _view(self, op: Operation) -> None:
        """A part or another form of an array; of a buffer it is made with the buffer."""
        (x,), (y,) = op.operands, op.results
        if type(x) is Constant or not y.shape or not is_basic(op.params.get("index", 0)):
            if type(x) is Variable and not y.shape and is_basic(op.params.get("index", 0)):
                name = self._name("v")
                self._lines.append(f"{name} = {self._view_text(op)}[()]")
                self._place(y, name, (MemoryRoot(name, "fresh"),))  # a number, which is no view
                return
            self._generic(op)
            return
        name = self._name("v")
        example = self._examples.get(x)
        if example is not None:
            made = op.compute(example, **op.params)
            if np.may_share_memory(made, example):
                self._setup.append(f"{name} = {self._view_text(op)}")
                self._slot.append(name)
                self._examples[y] = made
                self._place(y, name, self._roots[x])
                return
        self._lines.append(f"{name} = {self._view_text(op)}")
        self._place(
            y, name, (*self._roots[x], MemoryRoot(name, "fresh")) if op.name == "reshape" else self._roots[x]
        )

    def _view_text(self, op: Operation) -> str:
        x = self._text(op.operands[0])
        if op.name == "getitem":
            return f"{x}[{self._key_text(op.params['index'])}]"
        if op.name == "reshape":
            return f"{x}.reshape({op.params['shape']})"
        if op.name == "transpose":
            return f"{x}.transpose({op.params['axes']})"
        return self._call(op)

    # -- operations that can write to a buffer ------------------------------------------------------------

    def _write_getitem(self, k: int, op: Operation) -> bool:
        """Entries at known places along one axis, whichever way the result lies."""
        axis, (x,), (y,) = gathered_axis(op), op.operands, op.results
        # np.take goes through a copy of what does not lie as it wants it
        if axis is None or y.size < GATHERED or 4 * y.size < x.size:
            return False
        index = op.params["index"]
        places = np.mod(index[axis] if type(index) is tuple else index, x.shape[axis])
        order = self._orders.get(y) or tuple(range(len(y.shape)))
        turned = "" if order == tuple(range(len(order))) else f".transpose({order})"
        text, out = self._text(x), self._buffer(y, k)
        take, at = self._function(np.take), self._constant(places)
        self._lines.append(f'{take}({text}{turned}, {at}, {order.index(axis)}, {out}{turned}, "clip")')
        return True

    def _write_power(self, k: int, op: Operation) -> bool:
        """A power as NumPy's operator computes it, whose special exponents np.power does not have."""
        a, b = op.operands
        (y,) = op.results
        if not y.shape or type(a) is not Variable or y.dtype.kind != "f" or a.dtype != y.dtype:
            return False
        f = POWERS.get(b) if type(b) in (int, float) else None
        if f is not None:
            self._into(k, y, f, [self._text(a)], [a])
        elif type(b) in (int, float) or (type(b) is Variable and b.dtype.kind == "f"):
            self._into(k, y, np.power, [self._text(a), self._text(b)], [a])
        else:
            return False
        return True

    def _write_where(self, k: int, op: Operation) -> bool:
        condition, a, b = op.operands
        (y,) = op.results
        if not y.shape or type(condition) is not Variable or condition.dtype.kind != "b":
            return False
        if y.size < 2000:  # np.where is one call that allocates: for small arrays that is cheaper than two
            return False
        # the buffer must not be one that is still read when it is written
        reuse = [b] if self._whole(b) and not self._meet(b, (condition, a)) else []
        text, mask = (self._text(v) for v in (a, condition))
        second = self._text(b)
        out = self._buffer(y, k, reuse)
        if out != second:
            self._lines.append(f"copyto({out}, {second})")
        self._lines.append(f"copyto({out}, {text}, where={mask})")
        return True

    def _whole(self, a: Any) -> bool:
        return type(a) is Variable and len(self._roots[a]) == 1 and self._roots[a][0].name == self._names[a]

    def _meet(self, a: Variable, others: Sequence[Any]) -> bool:
        mine = set(self._roots[a])
        return any(mine & set(self._roots[o]) for o in others if type(o) is Variable)

    def _write_sum(self, k: int, op: Operation) -> bool:
        (x,), (y,) = op.operands, op.results
        axis, keepdims = op.params["axis"], op.params["keepdims"]
        if type(x) is not Variable or not x.shape:
            return False
        text = f"{self._function(np.add.reduce)}({self._text(x)}, {axis}, None"
        if y.shape:
            self._lines.append(f"{text}, {self._buffer(y, k)}, {keepdims})")
            return True
        name = self._name("v")
        self._lines.append(f"{name} = {text}, None, {keepdims})")
        self._place(y, name, (MemoryRoot(name, "fresh"),))
        return True

    def _write_matmul(self, k: int, op: Operation) -> bool:
        (y,) = op.results
        if not y.shape:
            return False
        self._into(k, y, np.matmul, [self._text(a) for a in op.operands], ())
        return True

    def _write_cumsum(self, k: int, op: Operation) -> bool:
        (x,), (y,) = op.operands, op.results
        if x.dtype != y.dtype or not y.shape:
            return False
        out = self._buffer(y, k)
        self._lines.append(
            f"{self._function(np.add.accumulate)}({self._text(x)}, {op.params['axis']}, None, {out})"
        )
        return True

    def _write_concatenate(self, k: int, op: Operation) -> bool:
        (y,) = op.results
        parts = "".join(f"{self._text(a)}, " for a in op.operands)
        f = self._function(np.concatenate if op.name == "concatenate" else np.stack)
        out = self._buffer(y, k)
        self._lines.append(f"{f}(({parts}), axis={op.params['axis']}, out={out})")
        return True

    _write_stack = _write_concatenate

    def _write_scatter(self, k: int, op: Operation) -> bool:
        (w,), (y,) = op.operands, op.results
        if w.dtype != y.dtype or not y.shape:
            return False
        out = self._buffer(y, k)
        self._lines.append(f"{out}.fill(0)")
        self._add_at(out, op, alone=True)
        return True

    def _add_at(self, out: str, op: Operation, *, alone: bool = False) -> None:
        """Add what a scatter scatters."""
        index, w = op.params["index"], self._text(op.operands[0])
        once = is_basic(index) or names_once(index) or is_mask(index)
        if once:
            self._lines.append(f"{out}[{self._key_text(index)}] {'' if alone else '+'}= {w}")
        else:
            self._lines.append(f"{self._function(np.add.at)}({out}, {self._key_text(index)}, {w})")

    def _write_add(self, k: int, op: Operation) -> bool:
        """``a + scatter(w)`` adds into a copy of ``a``, or into ``a`` itself when it is done with."""
        part = next((v for v in op.operands[::-1] if type(v) is Variable and v in self._scattered), None)
        if part is None:
            return False
        (a,) = [o for o in op.operands if o is not part]
        (y,) = op.results
        scatter = self._scattered[part]
        mine = [a] if not self._meet(a, scatter.variables()) else []
        text = self._text(a)
        out = self._buffer(y, k, mine)
        if out != text:
            self._lines.append(f"copyto({out}, {text})")
        self._add_at(out, scatter)
        return True

    def _write_setitem(self, k: int, op: Operation) -> bool:
        x, item = op.operands
        (y,) = op.results
        if type(x) is not Variable or op.compute is not _set() or not y.shape:
            return False
        reads = [v for v in op.variables() if v is not x]
        mine = [x] if not self._meet(x, reads) else []
        text = self._text(x)
        out = self._buffer(y, k, mine)
        if out != text:
            self._lines.append(f"copyto({out}, {text})")
        self._lines.append(f"{out}[{self._key_text(op.params['index'])}] = {self._text(item)}")
        return True


def expected(found: Any, form: Any) -> Any:
    """What an operation gave, if it has the shape and the dtype that it had when it was recorded."""
    if np.shape(found) != form[0] or getattr(found, "dtype", None) != form[1]:
        raise Deviates
    return found


def expected_all(found: Any, forms: Any) -> Any:
    """As ``expected``, for an operation with several results."""
    for part, form in zip(found, forms, strict=True):
        expected(part, form)
    return found


def _set() -> Any:
    from polyad.engine.core.values import PRIMITIVES

    return PRIMITIVES["setitem"].compute


def _number(a: Any) -> Any:
    """A value without axes that shares no memory with anything."""
    return a.copy() if isinstance(a, np.ndarray) else a
