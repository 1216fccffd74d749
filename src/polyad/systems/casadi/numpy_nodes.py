"""Factorisations under CasADi: values by NumPy, derivatives from the table.

CasADi has no pivoting on values, no eigenvalues and no singular values. So a node of a graph of matrix
expressions (MX) calls NumPy back while the graph is evaluated, and its forward and reverse derivatives are
graphs made by the table's rules: signs and conventions are NumPy's, the order is any. Such a call costs
what NumPy's costs, some ten microseconds. Where NumPy raises, so does the evaluation of the graph.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.refusals import noted, refuse
from polyad.engine.core.values import Primitive
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.delegated import Delegate, delegated
from polyad.engine.user.trees import Form
from polyad.errors import FunctionNotSupportedError, OperationNotSupportedError
from polyad.systems.casadi.symbolic import Symbolic, constant

__all__ = ["HOSTED", "NeedsMatrices", "called_back", "gathered", "of_user", "raised"]

HOSTED = frozenset(
    (
        "slogdet cholesky qr eigh eigvalsh svd svdvals pinv matrix_rank expm logm sqrtm solve_triangular "
        "gap_quotient delegated"
    ).split()
)

Shapes = tuple[tuple[int, ...], ...]
Held = tuple[tuple[int, Any], ...]

# CasADi holds no reference to the Python object that one of its nodes calls. Those of the table are few, and
# kept for good; one of a user's function, or of another framework's, by the programs that call it.
_MADE: dict[Any, Any] = {}
_OWN: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
_LOCK = threading.RLock()


class _Building(threading.local):
    """The nodes of the program that is being built in this thread, for it to keep."""

    nodes: list[Any] | None = None


_BUILDING = _Building()


@contextlib.contextmanager
def gathered() -> Iterator[list[Any]]:
    """The nodes that are asked for within."""
    before, found = _BUILDING.nodes, list[Any]()
    _BUILDING.nodes = found
    try:
        yield found
    finally:
        _BUILDING.nodes = before


class NeedsMatrices(FunctionNotSupportedError):
    """An operation that scalar expressions (SX) should not do; matrix expressions (MX) can."""


def of_user(primitive: Primitive) -> Callable[..., Any]:
    """A function of whole arrays that a user defined, as one of symbols.

    Its result has the form that ``like`` says, or that comes out where symbols run through the function.
    """
    like, source = primitive.like, primitive.source  # type: ignore[attr-defined]

    def form(args: Sequence[Any], params: dict[str, Any]) -> Any:
        if callable(like):
            return like(*[np.zeros(a.shape) if isinstance(a, Symbolic) else a for a in args], **params)
        if like is None and source is not None:
            try:
                found = source(
                    *[Proxy("casadi", a) if isinstance(a, Symbolic) else a for a in args], **params
                )
                return np.zeros(found.shape)
            except FunctionNotSupportedError:
                pass
        if like is None:
            raise refuse(
                f"CasADi builds a graph, and the form of what {primitive.label} gives is not known",  # type: ignore[attr-defined]
                "give like=, an example of the result, or use backend='numpy'",
            )
        return like

    def call(*args: Any, **params: Any) -> Any:
        # what is no symbol has no derivative that the rules could be asked for
        held = tuple((k, a) for k, a in enumerate(args) if not isinstance(a, Symbolic))
        moving = [a for a in args if isinstance(a, Symbolic)]
        return called_back(primitive, np.asarray(form(args, params)), held)(*moving, **params)

    return call


def called_back(
    primitive: Primitive, like: np.ndarray[Any, Any] | None = None, held: Held = ()
) -> Callable[..., Any]:
    """A primitive as a function of symbols.

    Parameters
    ----------
    primitive : Primitive
        One of ``HOSTED``: of real arrays, with parameters that are plain numbers.
    like : array, optional
        An example of its result; otherwise it is computed at examples of its operands.
    held : tuple of (int, any)
        Operands that are constants, and which they are.
    """

    def call(*args: Any, **params: Any) -> Any:
        kind = next(a for a in args if isinstance(a, Symbolic)).kind
        arrays = [a if isinstance(a, Symbolic) else constant(a, kind) for a in args]
        dtype = np.result_type(*[a.dtype for a in arrays], np.float32)
        if not all(isinstance(p, int | float | np.number | Delegate | Form) for p in params.values()):
            raise refuse(f"{primitive.name} with options that are arrays", "use backend='numpy'")
        shapes = tuple(a.shape for a in arrays)
        results = _results(primitive, shapes, params) if like is None else [like * 1.0]
        dtypes = [dtype if r.dtype.kind == "f" else r.dtype for r in results]
        if 0 in map(math.prod, shapes):
            found = [constant(r.astype(d), kind) for r, d in zip(results, dtypes, strict=True)]
        elif kind.__name__ == "SX":
            words = f"{primitive.name} needs matrix expressions: use polyad.CasADi(symbols='MX')"
            raise noted(NeedsMatrices(words))
        else:
            node = _node(primitive, shapes, params, [r.shape for r in results], held)
            columns = node.call([a.column for a in arrays])
            found = [
                Symbolic(column, r.shape, d) for column, r, d in zip(columns, results, dtypes, strict=True)
            ]
        return tuple(found) if primitive.multiple else found[0]

    return call


def _results(primitive: Primitive, shapes: Shapes, params: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    """What comes out, by its shapes and dtypes."""
    examples = []
    if primitive is delegated:
        return [np.zeros(params["by"].sizes[1])]
    if "strict" in params:  # examples are no points of which anything is to be said
        params = {**params, "strict": False}
    for shape in shapes:
        n = min(shape[-2:]) if len(shape) > 1 else 0
        example = np.zeros(shape)
        if n:
            example[..., np.arange(n), np.arange(n)] = 1.0
        examples.append(example)
    return _listed(primitive, examples, params)


def _listed(primitive: Primitive, arrays: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    heard = get_state()
    try:
        set_state(SILENT)
        found = primitive.compute(*arrays, **params)
    finally:
        set_state(heard)
    return [np.asarray(part) for part in (found if primitive.multiple else (found,))]


def _node(
    primitive: Primitive,
    shapes: Shapes,
    params: dict[str, Any],
    results: list[tuple[int, ...]],
    held: Held,
) -> Any:
    """The function of CasADi that calls NumPy for arrays of these shapes."""
    constants = tuple(
        (k, type(a), np.shape(a), np.asarray(a).dtype.str, np.asarray(a).tobytes()) for k, a in held
    )
    key = (primitive.name, shapes, tuple(sorted(params.items())), tuple(results), constants)
    keeper = _BUILDING.nodes
    passing = keeper is not None and (primitive is delegated or hasattr(primitive, "like"))
    made: MutableMapping[Any, Any] = _OWN if passing else _MADE
    with _LOCK:
        node = made.get(key)
        if node is not None and node.failed:  # CasADi has kept what a rule that failed was taken for
            del made[key]
            _MADE[key, len(_MADE)], node = node, None
        if node is None:
            own = tuple((k, a.copy() if isinstance(a, np.ndarray) else a) for k, a in held)
            node = made[key] = _class()(primitive, shapes, params, results, own)
        if passing and keeper is not None:
            keeper.append(node)
        return node


def _class() -> Any:
    """The class of such functions, made when CasADi is there."""
    import casadi

    found = _MADE.get("class")
    if found is not None:
        return found

    class Node(casadi.Callback):
        def __init__(
            self,
            primitive: Primitive,
            shapes: Shapes,
            params: dict[str, Any],
            results: list[tuple[int, ...]],
            held: Held,
        ) -> None:
            casadi.Callback.__init__(self)
            self.primitive, self.shapes, self.params, self.results = primitive, shapes, params, results
            self.held, self.failed = held, False
            self.below: list[Any] = []
            self.error: Exception | None = None  # what another framework raised while CasADi asked it
            constant = {k for k, _ in held}
            self.places = [k for k in range(len(shapes) + len(held)) if k not in constant]
            self.construct("_".join(re.findall("[0-9A-Za-z]+", f"p {primitive.name}")), {})

        def full(self, values: Sequence[Any], constants: bool = True) -> list[Any]:
            """All operands, or something for each of those that are no constants."""
            found: list[Any] = [None] * (len(self.shapes) + len(self.held))
            for k, value in zip(self.places, values, strict=True):
                found[k] = value
            for k, value in self.held if constants else ():
                found[k] = value
            return found

        def get_n_in(self) -> int:
            return len(self.shapes)

        def get_n_out(self) -> int:
            return len(self.results)

        def get_sparsity_in(self, k: int) -> Any:
            return casadi.Sparsity.dense(math.prod(self.shapes[k]), 1)

        def get_sparsity_out(self, k: int) -> Any:
            return casadi.Sparsity.dense(math.prod(self.results[k]), 1)

        def has_eval_buffer(self) -> bool:
            return True

        def eval_buffer(self, args: Any, results: Any) -> int:
            """The values; a failure is a number, for CasADi prints the traceback of an exception."""
            try:
                arrays = [
                    np.array(np.frombuffer(a)).reshape(s) for a, s in zip(args, self.shapes, strict=True)
                ]
                if not all(np.isfinite(a).all() for a in arrays):
                    return 1
                found = _listed(self.primitive, self.full(arrays), self.params)
                if any(part.dtype.kind == "c" for part in found):
                    return 1
                for place, part in zip(results, found, strict=True):
                    if place is not None:
                        np.frombuffer(place)[:] = part.ravel()
            except (ValueError, ArithmeticError, OperationNotSupportedError):  # LinAlgError is a ValueError
                return 1
            except Exception as error:
                if self.primitive is not delegated:
                    raise
                self.error = error
                return 1
            return 0

        def has_forward(self, count: int) -> bool:
            return True

        def get_forward(self, count: int, name: str, ins: Any, outs: Any, options: Any) -> Any:
            return _derived(_forward, self, count, name, ins, outs, options)

        def has_reverse(self, count: int) -> bool:
            return True

        def get_reverse(self, count: int, name: str, ins: Any, outs: Any, options: Any) -> Any:
            return _derived(_reverse, self, count, name, ins, outs, options)

    _MADE["class"] = Node
    return Node


# -- derivatives, by the rules of the table -------------------------------------------------------------


class _Raised(threading.local):
    """What a rule has raised while CasADi asked for it."""

    error: Exception | None = None


_RAISED = _Raised()


def raised() -> Exception | None:
    """The first error of a rule since this was asked, for whoever builds the graph to raise."""
    error, _RAISED.error = _RAISED.error, None
    return error


def _derived(
    make: Callable[..., Any], node: Any, count: int, name: str, ins: Any, outs: Any, options: Any
) -> Any:
    """The function of a derivative; of a rule that fails one that gives NaN, and the error is kept.

    CasADi would print the traceback of an exception, and raise one of its own.
    """
    import casadi

    try:
        with gathered() as below:
            found = make(node, count, name, ins, outs, options)
        node.below += below  # CasADi hands this derivative to whoever calls the node next
        return found
    except Exception as error:
        _RAISED.error, node.failed = _RAISED.error or error, True
        x, y = _symbols(node.shapes, 1, "x"), _symbols(node.results, 1, "y")
        given, made = (node.shapes, node.results) if make is _forward else (node.results, node.shapes)
        nothing = [casadi.DM.nan(math.prod(shape), count) for shape in made]
        return casadi.Function(name, [*x, *y, *_symbols(given, count, "t")], nothing, ins, outs, options)


def _symbols(shapes: Sequence[tuple[int, ...]], count: int, name: str) -> list[Any]:
    import casadi

    return [casadi.MX.sym(f"{name}{k}", math.prod(shape), count) for k, shape in enumerate(shapes)]


def _values(columns: Iterable[Any], shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """Columns as values for a rule."""
    return [
        Proxy("casadi", Symbolic(column, shape, np.float64))
        for column, shape in zip(columns, shapes, strict=True)
    ]


def _columns(found: Sequence[Any], shapes: Sequence[tuple[int, ...]], count: int) -> list[Any]:
    """What a rule gave, broadcast to shapes, as ``count`` columns each; zeros where it gave nothing."""
    import casadi

    made = []
    for value, shape in zip(found, shapes, strict=True):
        size = math.prod(shape) // count
        if type(value) is Proxy:
            made.append(casadi.reshape(value.array.spread(shape).column, size, count))
        else:
            full = np.broadcast_to(0.0 if value is None else value, shape)
            made.append(casadi.MX(casadi.DM(full.reshape(count, size).T)))
    return made


def _outcome(node: Any, values: Sequence[Any]) -> Any:
    """Results as the rules expect them."""
    return tuple(values) if node.primitive.multiple else values[0]


def _forward(node: Any, count: int, name: str, ins: Any, outs: Any, options: Any) -> Any:
    import casadi

    x, y = _symbols(node.shapes, 1, "x"), _symbols(node.results, 1, "y")
    seeds = _symbols(node.shapes, count, "t")
    if node.primitive.push is None:  # constant in pieces
        found: Any = (None,) * len(y)
    else:
        tangents = _values(map(casadi.vec, seeds), [(count, *shape) for shape in node.shapes])
        results = _outcome(node, _values(y, node.results))
        moving, args = node.full(tangents, constants=False), node.full(_values(x, node.shapes))
        found = node.primitive.push(results, tuple(moving), *args, **node.params)
        found = found if node.primitive.multiple else (found,)
    outputs = _columns(found, [(count, *shape) for shape in node.results], count)
    return casadi.Function(name, [*x, *y, *seeds], outputs, ins, outs, options)


def _reverse(node: Any, count: int, name: str, ins: Any, outs: Any, options: Any) -> Any:
    import casadi

    primitive = node.primitive
    x, y = _symbols(node.shapes, 1, "x"), _symbols(node.results, 1, "y")
    seeds = _symbols(node.results, count, "w")
    args, results = node.full(_values(x, node.shapes)), _outcome(node, _values(y, node.results))
    each = []
    for k in range(count):
        w = _outcome(node, _values([s[:, k] for s in seeds], node.results))
        if primitive.joint is not None:
            found = primitive.joint(tuple(node.places), results, *args, **node.params)(w)
        else:
            found = [pull(results, *args, **node.params)(w) for pull in primitive.pulls]
        each.append(_columns(found or (None,) * len(x), node.shapes, 1))
    outputs = [casadi.horzcat(*some) for some in zip(*each, strict=True)]
    return casadi.Function(name, [*x, *y, *seeds], outputs, ins, outs, options)
