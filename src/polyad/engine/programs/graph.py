"""A program on small arrays as a graph of numbers.

Every array becomes an array of objects, each entry a number or a node of the graph, and NumPy itself does
what only moves entries around.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.values import PRIMITIVES, keys_of
from polyad.engine.programs.recording import Constant, Operation, Variable
from polyad.engine.programs.simplify import BINARY, ArrayProgram, is_ufunc

__all__ = ["ZERO", "NotScalar", "ScalarGraph", "ScalarNode"]

_MOVING = ("getitem", "reshape", "transpose", "broadcast_to", "concatenate", "stack")
_ARITHMETIC = ("add", "subtract", "multiply", "divide", "power", "negative")
# of floats and whole numbers they give what they give of floats
_MIXED = frozenset((*BINARY, "power", "where", "maximum", "minimum", "hypot", "arctan2", "copysign"))
_LOGICAL = ("logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or", "invert")
_QUICK = frozenset(
    (
        *(PRIMITIVES[name].compute for name in (*BINARY, "negative")),
        *(np.negative, np.sin, np.cos, np.exp, np.log, np.sqrt),
    )
)
_RING: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
}
_NUMBERS = (float, int, np.floating, np.integer, np.bool_)
_F8, _BOOL = np.dtype(np.float64), np.dtype(bool)
# what NumPy's operator makes of these exponents of arrays
_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal"}


class NotScalar(Exception):
    """The program cannot be written as one of numbers."""


class _Zero(float):
    """The zero of an entry to which nothing has been added yet."""


ZERO = _Zero(0.0)


class ScalarNode:
    """A number that is computed."""

    __slots__ = ("args", "id", "name")

    def __init__(self, name: Any, args: tuple[Any, ...], id_: int) -> None:
        self.name, self.args, self.id = name, args, id_


class ScalarGraph:
    """The numbers of a program, each once, in an order in which they can be computed.

    Parameters
    ----------
    program : ArrayProgram
        The program.
    limit : int
        The largest number of nodes.

    Attributes
    ----------
    nodes : list of ScalarNode
        The nodes; those named ``"input"`` have the number of the input and of its entry for arguments.
    outputs : list
        Of every output its entries in a row.
    """

    def __init__(self, program: ArrayProgram, limit: int) -> None:
        self.nodes: list[ScalarNode] = []
        self._known: dict[Any, ScalarNode] = {}
        self._limit = limit
        self._places: list[int] = []
        self._values: dict[Variable, Any] = {}
        self._few: dict[Variable, list[int]] = {}  # of arrays that are zero elsewhere, where they are not
        self.inputs = len(program.inputs)
        self.ndims = [len(v.shape) for v in program.inputs]
        for k, v in enumerate(program.inputs):
            if v.dtype != _F8:
                raise NotScalar
            self._values[v] = _array([self._node("input", (k, j)) for j in range(v.size)], v.shape)
        self._run(program.operations)
        if any(v.dtype != _F8 for v in program.outputs):
            raise NotScalar
        self.outputs = [
            list(self._values[v].ravel()) if v.shape else [self._values[v]] for v in program.outputs
        ]

    def _node(self, name: Any, args: tuple[Any, ...]) -> ScalarNode:
        if len(self.nodes) >= self._limit:
            raise NotScalar
        node = ScalarNode(name, args, len(self.nodes))
        self.nodes.append(node)
        return node

    def make(self, name: str, *args: Any) -> Any:
        """A node, or the number that it is known to be."""
        if name == "add":
            a, b = args
            if a is ZERO or b is ZERO:
                return b if a is ZERO else a
        key: list[Any] = [name]
        plain = True
        for a in args:
            if type(a) is ScalarNode:
                key.append(a.id)
                plain = False
            else:  # with its sign and its type: 0.0 is not -0.0, and neither is False
                key.append((type(a), a) if a else repr(a))
        if plain:
            return self._number_of(name, args)
        if name in ("multiply", "divide"):
            a, b = args
            if type(b) is float and b == 1.0:
                return a
            if type(a) is float and a == 1.0 and name == "multiply":
                return b
        elif name == "where" and type(args[0]) is bool:
            return args[1] if args[0] else args[2]
        known = tuple(key)
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._node(name, args)
        return found

    def _number_of(self, name: str, args: tuple[Any, ...]) -> Any:
        """What is known already; Python's floats add and multiply as NumPy's do, and never warn."""
        if name in _RING and type(args[0]) is type(args[1]) is float:
            return _RING[name](*args)
        heard = get_state()
        try:
            set_state(SILENT)
            value = PRIMITIVES[name].compute(*(np.float64(a) if type(a) is not bool else a for a in args))
        finally:
            set_state(heard)
        return bool(value) if isinstance(value, np.bool_ | bool) else float(value)

    # -- operations on arrays --------------------------------------------------------------------------

    def _enter(self, a: Any) -> Any:
        if type(a) is Variable:
            return self._values[a]
        if type(a) is Constant:
            a = a.value
        if isinstance(a, np.ndarray):
            if a.dtype.kind not in "fiub" or a.dtype.itemsize > 8:
                raise NotScalar
            return _array([_number(e) for e in a.ravel().tolist()], a.shape)
        if not isinstance(a, _NUMBERS):
            raise NotScalar
        return _number(a.item() if isinstance(a, np.generic) else a)

    def _run(self, operations: list[Operation]) -> None:
        """Every operation as nodes; most of long programs is arithmetic on numbers, asked nothing more."""
        values, nodes, known, limit = self._values, self.nodes, self._known, self._limit
        for op in operations:
            if op.params or op.compute not in _QUICK or op.results[0].dtype is not _F8:
                self._step(op)
                continue
            args: list[Any] = []
            key: list[Any] = [op.name]
            for a in op.operands:
                if type(a) is Variable:
                    if a.shape or a.dtype is not _F8:
                        break
                    a = values[a]
                    if type(a) is ScalarNode:
                        key.append(a.id)
                    else:
                        key.clear()
                elif type(a) is float or type(a) is int:
                    a = float(a)
                    if a == 0.0 or a == 1.0:
                        key.clear()
                    else:
                        key.append((float, a))
                else:
                    break
                args.append(a)
            else:
                if len(key) <= len(args):  # there was something that ``make`` looks at
                    values[op.results[0]] = self.make(op.name, *args)
                    continue
                name = tuple(key)
                found = known.get(name)
                if found is None:
                    if len(nodes) >= limit:
                        raise NotScalar
                    found = known[name] = ScalarNode(op.name, tuple(args), len(nodes))
                    nodes.append(found)
                values[op.results[0]] = found
                continue
            self._step(op)

    def _step(self, op: Operation) -> None:
        if len(op.results) != 1 or (op.params and any([type(k) is Variable for k in _keys(op)])):
            raise NotScalar
        (y,) = op.results
        for v in (y, *op.operands):
            if type(v) is Variable and v.dtype is not _F8 and v.dtype != _F8 and v.dtype != _BOOL:
                raise NotScalar
        if y.shape and y.size > self._limit:
            raise NotScalar
        found = self._few_added(op, y) if op.name == "add" and y.shape else None
        if found is None:
            found = self._computed(op, y, [self._enter(a) for a in op.operands])
            if op.name == "scatter" and self._places:
                self._few[y] = self._places
        self._values[y] = found if type(found) is np.ndarray and found.shape else _item(found)

    def _computed(self, op: Operation, y: Variable, args: list[Any]) -> Any:
        name = op.name
        if name in _ARITHMETIC and y.dtype != _F8:
            raise NotScalar
        if name in _LOGICAL and any(getattr(a, "dtype", _BOOL) != _BOOL for a in op.operands):
            raise NotScalar
        if name == "power" and y.shape and type(op.operands[1]) in (int, float):
            name = _POWERS.get(op.operands[1], name)
            args = args[:1] if name != "power" else args
        if name in ("power", "where", *_POWERS.values()) or is_ufunc(op):
            if op.params or (name not in _MIXED and any(map(_is_whole, op.operands[: len(args)]))):
                raise NotScalar
            if not y.shape:
                return self.make(name, *map(_item, args))
            return np.frompyfunc(lambda *a: self.make(name, *a), len(args), 1)(*args)
        if name == "setitem":
            out = np.array(_as_array(args[0]))
            out[op.params["index"]] = _item(args[1]) if np.ndim(args[1]) == 0 else args[1]
            return out
        if name in _MOVING:
            return PRIMITIVES[name].compute(*map(_as_array, args), **op.params)
        own: Callable[..., Any] | None = getattr(self, f"_{name}", None)
        if own is None:
            raise NotScalar
        return own(*map(_as_array, args), **op.params)

    def _sum(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self._fold("add", x, axis, keepdims)

    def _max(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self._fold("maximum", x, axis, keepdims)

    def _min(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self._fold("minimum", x, axis, keepdims)

    def _fold(self, name: str, x: Any, axis: Any, keepdims: bool) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else axis
        others = [k for k in range(x.ndim) if k not in axes]
        shape = tuple(x.shape[k] for k in others)
        result = np.empty(shape, dtype=object)
        if not result.size:
            raise NotScalar
        lanes = x.transpose((*others, *axes)).reshape(*shape, -1)
        for place in np.ndindex(result.shape):
            row = lanes[place]
            if not row.size and name != "add":
                raise NotScalar
            total = row[0] if row.size else 0.0
            for entry in row[1:]:
                total = self.make(name, total, entry)
            result[place] = total
        if keepdims:
            result = result.reshape([1 if k in axes else n for k, n in enumerate(x.shape)])
        return result

    def _few_added(self, op: Operation, y: Variable) -> Any:
        """A sum of arrays one of which is zero nearly everywhere: the other one, with other entries there."""
        a, b = op.operands
        if not (type(a) is type(b) is Variable and a.shape == b.shape == y.shape):
            return None
        if b not in self._few:
            a, b = b, a
        if b not in self._few:
            return None
        out, more = self._values[a].copy(), self._values[b].reshape(-1)
        flat = out.reshape(-1)
        for place in self._few[b]:
            flat[place] = self.make("add", flat[place], more[place])
        if a in self._few:
            self._few[y] = list({*self._few[a], *self._few[b]})
        return out

    def _scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        out = np.empty(shape, dtype=object)
        out.fill(ZERO)
        places = np.arange(out.size).reshape(shape)[index]
        flat = out.reshape(-1)
        self._places = list(set(places.ravel().tolist())) if 4 * np.size(places) < out.size else []
        for place, entry in zip(places.ravel(), np.broadcast_to(w, places.shape).ravel(), strict=True):
            flat[place] = self.make("add", flat[place], entry) if flat[place] is not ZERO else entry
        return out

    def _matmul(self, a: Any, b: Any) -> Any:
        if a.ndim > 2 or b.ndim > 2:
            raise NotScalar
        rows = a if a.ndim == 2 else a[None]
        columns = b.T if b.ndim == 2 else b[None]
        result = np.empty((len(rows), len(columns)), dtype=object)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                total: Any = None
                for p, q in zip(row, column, strict=True):
                    term = self.make("multiply", p, q)
                    total = term if total is None else self.make("add", total, term)
                result[i, j] = 0.0 if total is None else total
        result = result if a.ndim == 2 else result[0]
        return result if b.ndim == 2 else result[..., 0]


def _keys(op: Operation) -> tuple[Any, ...]:
    return keys_of(op.params.get("index"))


def _is_whole(a: Any) -> bool:
    kind = a.dtype.kind if hasattr(a, "dtype") else np.dtype(type(a)).kind
    return kind in "iu"


def _number(a: Any) -> Any:
    return a if type(a) is bool else float(a)


def _array(entries: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return entries[0]
    found = np.empty(len(entries), dtype=object)
    found[:] = entries
    return found.reshape(shape)


def _as_array(a: Any) -> Any:
    if type(a) is np.ndarray:
        return a
    found = np.empty((), dtype=object)
    found[()] = a
    return found


def _item(a: Any) -> Any:
    return a[()] if type(a) is np.ndarray else a
