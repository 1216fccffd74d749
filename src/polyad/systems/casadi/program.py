"""A kernel as a program of CasADi: run once on symbols, compiled, and called (``call``).

* The kernel runs once on boxes over symbols; what it returns becomes the outputs of a
  ``casadi.Function``. Its inputs are the active leaves, the real constants and the seeds.
* Integer and boolean constants are part of the graph (they may be indices): other values, like seeds
  of another batch size, get a graph of their own, and the last few are kept.
* A differentiation within a function that is being built is part of its graph: its own symbols are
  replaced by what they stand for there.
* Expressions are built under one lock: their reference counts are not made for several threads.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from polyad.arrays.memory import collector_paused
from polyad.errors import FunctionNotSupportedError
from polyad.systems.casadi.call import BUILDING, SCALARS_PER_CALL, Call, Output
from polyad.systems.casadi.products import limited
from polyad.systems.casadi.symbolic import Symbolic, constant
from polyad.systems.contract import Kernel, Leaves, Problem, Unkept

__all__ = ["CasADiProgram"]

KEPT = 8  # graphs of one program for other integers and batch sizes
SMALL = 1000  # scalar instructions below which nothing else is tried
SCALARS = 5000  # entries of input up to which "auto" tries scalar expressions
# A value of few entries that depends on a small part of the input is a short program on scalars, however
# large the arrays in between are: 6 us in place of 4 ms for the last entry of an RK4 step of 10000.
FEW, PART = 64, 0.1


# The kind of symbols of the graph under construction in this thread, if any.
_KIND: ContextVar[Any] = ContextVar("kind of symbols", default=None)


@contextlib.contextmanager
def _constructing(kind: Any) -> Iterator[None]:
    from polyad.engine.lift import LIFTED
    from polyad.engine.run import under_way

    before, around = _KIND.get(), LIFTED.run
    try:  # Ctrl-C may come between any two calls
        _KIND.set(kind)
        with under_way() as LIFTED.run:
            yield
    finally:
        _KIND.set(before)
        LIFTED.run = around


class CasADiGraph:
    """The kernel on symbols of one kind: the form with everything, and the result alone."""

    def __init__(
        self, kernel: Kernel, problem: Problem, c: Leaves, seeds: tuple[Leaves, ...], kind: Any
    ) -> None:
        groups = (problem.x, c, *seeds)
        symbols: list[tuple[Any, ...]] = []
        for g, leaves in enumerate(groups):
            symbols.append(tuple(_symbol(leaf, f"s{g}_{k}", kind) for k, leaf in enumerate(leaves)))
        arguments = [
            tuple(_boxed(s, leaf) for s, leaf in zip(some, leaves, strict=True))
            for some, leaves in zip(symbols, groups, strict=True)
        ]
        with _constructing(kind):
            outcome = kernel(*arguments)
        inputs = [s for some in symbols for s in some if s is not None]
        self._counts = [len(group) for group in outcome]
        readings = [_output(leaf, kind) for group in outcome for leaf in group]
        self._places = [(g, k) for g, some in enumerate(symbols) for k, s in enumerate(some) if s is not None]
        self._readings = readings
        first = readings[: self._counts[0]]
        self._full = Call(inputs, [r for r in readings if r[1].fixed is None], problem.label)
        self._result = (
            self._full
            if len(first) == len(readings)
            else Call(inputs, [r for r in first if r[1].fixed is None], problem.label)
        )
        computed = len(first) == 1 and first[0][1].fixed is None and len(self._places) == sum(
            len(leaves) for leaves in groups
        )  # fmt: skip
        self._single = computed
        self._begin(kind.__name__)
        self._active = [s.raw for s in symbols[0] if s is not None]
        self._values = [r for r, o in readings[self._counts[0] :][: self._counts[1]] if o.fixed is None]

    def keep(self, nodes: Sequence[Any]) -> None:
        """Let the nodes live as long as what calls them."""
        self._full.nodes = self._result.nodes = nodes

    def _begin(self, kind: str) -> None:
        self.bare = self._result.bare() if self._single else None
        self.kind = kind
        self.instructions = self._result.instructions

    def image(self) -> dict[str, Any]:
        """What ``of`` makes the same graph of."""
        calls = [self._full] if self._result is self._full else [self._full, self._result]
        return {
            "kind": self.kind,
            "calls": [call.image() for call in calls],
            "outputs": [output for _, output in self._readings],
            "fields": {k: getattr(self, k) for k in ("_counts", "_places", "_single")},
        }

    @classmethod
    def of(cls, image: dict[str, Any]) -> CasADiGraph:
        """A graph that was built before."""
        made = object.__new__(cls)
        vars(made).update(image["fields"])
        made._readings = [(None, output) for output in image["outputs"]]
        calls = list(map(Call.of, image["calls"]))
        made._full, made._result = calls[0], calls[-1]
        made._begin(image["kind"])
        return made

    def reach(self) -> float:
        """The share of the active entries on which the value depends; 1 where that is dear to find out."""
        import casadi

        if not self._values or sum(v.numel() for v in self._values) > FEW:
            return 1.0
        pattern = casadi.jacobian_sparsity(casadi.vertcat(*self._values), casadi.vertcat(*self._active))
        return len(set(pattern.get_col())) / pattern.size2()

    def _run(self, call: Call, readings: Sequence[Any], args: tuple[Leaves, ...]) -> list[Any]:
        found = iter(call([args[g][k] for g, k in self._places]))
        return [next(found) if r.fixed is None else _copied(r.fixed) for _, r in readings]

    def full(self, args: tuple[Leaves, ...]) -> tuple[Leaves, ...]:
        """All groups of leaves of the outcome."""
        found = self._run(self._full, self._readings, args)
        groups, start = [], 0
        for count in self._counts:
            groups.append(tuple(found[start : start + count]))
            start += count
        return tuple(groups)

    def result(self, args: tuple[Leaves, ...]) -> Leaves:
        """The first group alone."""
        return tuple(self._run(self._result, self._readings[: self._counts[0]], args))


def inlined(kernel: Kernel, args: tuple[Leaves, ...], kind: Any) -> tuple[Leaves, ...]:
    """What the kernel gives at arguments that may be expressions of the graph under construction."""
    import casadi

    from polyad.engine import run

    symbols = [
        [_symbol(leaf, f"t{g}_{k}", kind) for k, leaf in enumerate(some)] for g, some in enumerate(args)
    ]
    boxed = [
        tuple(_boxed(s, leaf) for s, leaf in zip(some, leaves, strict=True))
        for some, leaves in zip(symbols, args, strict=True)
    ]
    with limited(False):
        outcome = kernel(*boxed)
    names, values = [], []
    for some, leaves in zip(symbols, args, strict=True):
        for symbol, leaf in zip(some, leaves, strict=True):
            if symbol is not None and symbol.size:
                value = run.unlift(leaf)
                names.append(symbol.raw)
                values.append(value.column if isinstance(value, Symbolic) else constant(value, kind).column)

    def replaced(leaf: Any) -> Any:
        value = run.unlift(leaf)
        if not isinstance(value, Symbolic) or not value.size:
            return leaf
        (column,) = casadi.substitute([value.column], names, values)
        return run.lift("casadi", value.like(column))

    return tuple(tuple(map(replaced, group)) for group in outcome)


def _is_symbolic(leaf: Any) -> bool:
    """Whether a leaf becomes symbols: real numbers do, integers are part of the graph."""
    return _dtype(leaf).kind == "f"


def _dtype(leaf: Any) -> np.dtype[Any]:
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.result_type(leaf)


def _symbol(leaf: Any, name: str, kind: Any) -> Symbolic | None:
    if not _is_symbolic(leaf):
        return None
    weak = not hasattr(leaf, "dtype")
    shape = () if weak else tuple(leaf.shape)
    return Symbolic(kind.sym(name, int(np.prod(shape))), shape, _dtype(leaf), weak)


def _boxed(symbol: Symbolic | None, leaf: Any) -> Any:
    from polyad.engine import run

    if symbol is not None:
        return run.lift("casadi", symbol)
    return np.array(leaf) if isinstance(leaf, np.ndarray) else leaf


def _output(leaf: Any, kind: Any) -> tuple[Any, Output]:
    """An expression and how its values are read."""
    from polyad.engine import run

    value = run.unlift(leaf)
    if not isinstance(value, Symbolic):
        return None, Output((), None, fixed=(value,))
    if value.size == 0:
        return None, Output((), None, fixed=(np.zeros(value.shape, dtype=value.dtype),))
    raw = value.raw
    if 4 * raw.nnz() <= value.size:
        return raw, Output(value.shape, value.dtype, places=np.array(raw.sparsity().row(), dtype=np.intp))
    return value.column, Output(value.shape, value.dtype)


def _copied(fixed: tuple[Any]) -> Any:
    (value,) = fixed
    return value.copy() if isinstance(value, np.ndarray) else value


def _of_arrays(arguments: tuple[Kernel, Problem, Leaves, tuple[Leaves, ...]]) -> CasADiGraph:
    """Matrix expressions, or scalar ones where only a small part of the arrays matters."""
    import casadi

    from polyad.systems.casadi.numpy_nodes import NeedsMatrices

    arrays = CasADiGraph(*arguments, casadi.MX)
    if arrays.reach() > PART:
        return arrays
    try:
        return CasADiGraph(*arguments, casadi.SX)
    except NeedsMatrices:
        return arrays


class CasADiProgram:
    """A kernel with the graphs that it has needed so far.

    Parameters
    ----------
    kernel : callable
        What an operator of the backend returned.
    problem : Problem
        Its problem.
    seeds : tuple
        Examples of the seeds.
    symbols : {"auto", "SX", "MX"}
        What to build the graph of.
    """

    def __init__(self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], symbols: str) -> None:
        self._kernel = kernel
        self._problem = problem
        self._symbols = symbols
        self._integers = [k for k, leaf in enumerate(problem.c) if not _is_symbolic(leaf)]
        self._graphs: OrderedDict[Any, CasADiGraph] = OrderedDict()
        self._shapes = self._of_seeds(seeds)
        self.bare: Callable[..., Any] | None = None
        self.within = _KIND.get()
        if self.within is not None:
            self.kind = self.within.__name__
            return
        kept = getattr(kernel, "image", None)  # products of matrices are plain functions
        if kept is not None:
            try:
                self._key, image = kept
                self.first = self._graphs[self._key] = CasADiGraph.of(image)
            except Exception as error:
                raise Unkept(f"its graph cannot be read ({type(error).__name__}: {error})") from error
        else:
            self.first = self._graph(problem.c, seeds)
            (self._key,) = self._graphs
        self.kind = self.first.kind
        if self.first.bare is not None and not self._integers:
            self.bare = self._guarded(self.first.bare, len(problem.x) + len(problem.c), seeds)

    @property
    def patterned(self) -> bool:
        """Whether one graph serves all arguments, so that the patterns of its matrices do as well."""
        return not self._integers

    def _guarded(self, bare: Callable[..., Any], count: int, seeds: tuple[Leaves, ...]) -> Callable[..., Any]:
        """``bare`` where seeds have the shape they had at preparation; a batch may be another."""
        if not seeds:
            return bare
        shape = np.shape(seeds[0][0])
        ins = len(self._problem.x)

        def other(*leaves: Any) -> Any:
            return self.result(leaves[:ins], leaves[ins:count], leaves[count:])[0]

        def product(*leaves: Any) -> Any:
            return bare(*leaves) if np.shape(leaves[count]) == shape else other(*leaves)

        def single(x: Any, seed: Any) -> Any:  # the usual case, without making a tuple
            return bare(x, seed) if type(seed) is np.ndarray and seed.shape == shape else product(x, seed)

        return single if count == 1 else product

    def _of_seeds(self, seeds: tuple[Leaves, ...]) -> tuple[Any, ...]:
        return tuple([leaf.shape for leaves in seeds for leaf in leaves if hasattr(leaf, "shape")])

    def _graph(self, c: Leaves, seeds: tuple[Leaves, ...]) -> CasADiGraph:
        shapes = self._of_seeds(seeds)
        if not self._integers and shapes == self._shapes and self._graphs:
            return self.first
        key = (shapes, *[(np.asarray(c[k]).tobytes(), np.shape(c[k])) for k in self._integers])
        with BUILDING, collector_paused():
            found = self._graphs.get(key)
            if found is None:
                found = self._graphs[key] = self._built(c, seeds)
                if len(self._graphs) > KEPT:
                    self._graphs.popitem(last=False)
            self._graphs.move_to_end(key)
        return found

    def _built(self, c: Leaves, seeds: tuple[Leaves, ...]) -> CasADiGraph:
        from polyad.systems.casadi.numpy_nodes import gathered, raised

        raised()
        with gathered() as nodes:
            graph = self._of_kind(c, seeds)
        graph.keep(nodes)
        error = raised()
        if error is not None:
            raise error
        return graph

    def _of_kind(self, c: Leaves, seeds: tuple[Leaves, ...]) -> CasADiGraph:
        import casadi

        from polyad.systems.casadi.numpy_nodes import NeedsMatrices
        from polyad.systems.casadi.work import WORK, Broad

        for leaf in (*self._problem.x, *c, *(leaf for leaves in seeds for leaf in leaves)):
            if _dtype(leaf).kind not in "fiub" or _dtype(leaf).char == "g":
                raise FunctionNotSupportedError(
                    f"casadi computes with real numbers of double precision only, {self._problem.label} was "
                    f"given {_dtype(leaf)}: use backend='numpy'"
                )
        arguments = self._kernel, self._problem, c, seeds
        if self._symbols != "auto":
            return CasADiGraph(*arguments, getattr(casadi, self._symbols))
        if sum(int(np.size(leaf)) for leaf in (*self._problem.x, *c)) <= SCALARS:
            try:
                with WORK.counted(watched=True):
                    scalars = CasADiGraph(*arguments, casadi.SX)
            except Broad:
                return _of_arrays(arguments)
            except NeedsMatrices:
                return CasADiGraph(*arguments, casadi.MX)  # matrices stay whole there
            # matrix expressions have an instruction at least for every operation of the function
            if scalars.instructions <= max(SMALL, SCALARS_PER_CALL * WORK.operations):
                return scalars
            arrays = CasADiGraph(*arguments, casadi.MX)
            return arrays if SCALARS_PER_CALL * arrays.instructions < scalars.instructions else scalars
        return _of_arrays(arguments)

    def _around(self, args: tuple[Leaves, ...]) -> Any:
        """The kind of the graph that this call is to be a part of, if any."""
        if self.within is None and all(type(leaf) is np.ndarray for leaves in args for leaf in leaves):
            return None
        kind = _KIND.get()
        if kind is None or self.within is not None:
            return self.within
        from polyad.engine.boxes.box import Box

        return kind if any(isinstance(leaf, Box) for leaves in args for leaf in leaves) else None

    def image(self) -> Any:
        """The graph of the preparation, with what it is a graph for, as a file can hold it."""
        if self.within is not None:
            raise Unkept("it is a part of another graph")
        try:
            return self._key, self.first.image()
        except Exception as error:
            text = str(error).strip().rpartition("\n")[2]
            raise Unkept(f"casadi cannot write its graph ({type(error).__name__}: {text})") from error

    def full(self, x: Leaves, c: Leaves, *seeds: Leaves) -> tuple[Leaves, ...]:
        """All that the kernel gives."""
        kind = self._around((x, c, *seeds))
        if kind is not None:
            return inlined(self._kernel, (x, c, *seeds), kind)
        return self._graph(c, seeds).full((x, c, *seeds))

    def result(self, x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        """Its result alone."""
        if self._around((x, c, *seeds)) is not None:
            return self.full(x, c, *seeds)[0]
        return self._graph(c, seeds).result((x, c, *seeds))
