"""Patterns of JAX functions: the program (jaxpr) of the derivative is run on index sets, never that of f.

So what a custom rule says is what counts, and only linear operations act on tangents. What depends on no
input is computed; other primal values are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.patterns.products import contracted
from polyad.engine.patterns.rules import elementwise, reduced, spread
from polyad.engine.patterns.sets import IndexSets, joined
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.errors import OperationNotSupportedError
from polyad.systems.contract import Leaves, Problem
from polyad.systems.jax.precision import is_wide, precision

__all__ = ["pattern_of"]

LARGEST = 1 << 27  # entries of a constant that is still computed

ELEMENTWISE = frozenset(
    "mul div add_any add sub neg convert_element_type real imag conj complex copy copy_p reduce_precision "
    "device_put sharding_constraint".split()
)
MOVES = frozenset(
    "broadcast_in_dim reshape transpose squeeze expand_dims slice rev gather dynamic_slice split "
    "unstack".split()
)
# several arrays put together: which of the operands are places, not entries
JOINS = {"concatenate": 0, "stack": 0, "pad": 0, "dynamic_update_slice": 2, "scatter": 1}
# what is not looked into: every result may depend on every operand
WHOLE = frozenset(
    "custom_linear_solve triangular_solve tridiagonal_solve scan while reduce_window_sum sort cholesky "
    "conv_general_dilated select_and_scatter_add select_and_gather_add".split()
)
CALLS = frozenset(
    "jit pjit closed_call core_call remat checkpoint remat2 custom_jvp_call custom_vjp_call "
    "custom_vjp_call_jaxpr custom_lin".split()
)


def pattern_of(problem: Problem, push: Any, x: Leaves, *, local: bool, dense: bool) -> IndexSets:
    """The pattern of the linear map ``push(x, c, v)`` in ``v``.

    Parameters
    ----------
    problem : Problem
        The function.
    push : callable
        From the active leaves, the constant ones and a tangent to the tuple of tangents of the results.
    x : tuple
        The active leaves.
    local : bool
        Whether values are those of the example.
    dense : bool
        Whether an operation that is not known counts as one of which everything depends on everything.
    """
    import jax

    with precision(is_wide((*problem.x, *problem.c))):
        x = tuple(map(jax.numpy.asarray, x))
        free = [k for k, leaf in enumerate(problem.c) if _is_float(leaf)]

        def along(x: Leaves, c: Leaves, v: Leaves) -> Any:
            whole = list(problem.c)
            for k, leaf in zip(free, c, strict=True):
                whole[k] = leaf
            return push(x, tuple(whole), v)

        c = tuple(jax.numpy.asarray(problem.c[k]) for k in free)
        program = jax.make_jaxpr(along)(x, c, x)
        columns = sum(int(np.size(leaf)) for leaf in x)
        reader = _Reader(Analysis(columns, local=local), dense)
        entered: list[Any] = [np.asarray(a) if local else reader.unknown(a.shape) for a in (*x, *c)]
        start = 0
        for leaf in x:
            entered.append(reader.tangent(leaf.shape, IndexSets.identity(start, leaf.size, columns)))
            start += leaf.size
        found = reader.run(program.jaxpr, program.consts, entered)
    parts = [a.rows() if type(a) is Supported else IndexSets.empty(np.size(a), columns) for a in found]
    return joined(parts) if len(parts) > 1 else parts[0]


def _is_float(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, float | complex) or str(dtype).startswith(("float", "complex", "bfloat"))


class _Reader:
    """A program, read: values are plain where they are known, else ``Supported``."""

    def __init__(self, analysis: Analysis, dense: bool) -> None:
        self._analysis, self._dense = analysis, dense

    def unknown(self, shape: tuple[int, ...]) -> Supported:
        return self.tangent(shape, None)

    def tangent(self, shape: tuple[int, ...], sets: IndexSets | None) -> Supported:
        sets = None if sets is not None and sets.is_empty else sets
        return Supported(np.broadcast_to(np.zeros(()), shape), sets, self._analysis)

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        known: dict[Any, Any] = dict(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
        known.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Any:
            return np.asarray(atom.val) if hasattr(atom, "val") else known[atom]

        for eqn in jaxpr.eqns:
            results = self._result(eqn, [read(a) for a in eqn.invars])
            known.update(zip(eqn.outvars, results, strict=True))
        return [read(a) for a in jaxpr.outvars]

    def _result(self, eqn: Any, args: list[Any]) -> list[Any]:
        name, params = eqn.primitive.name, eqn.params
        shapes = [tuple(v.aval.shape) for v in eqn.outvars]
        inner = _inner(params) if name in CALLS else None
        if inner is not None:
            return self.run(inner.jaxpr, inner.consts, args)
        if not any(type(a) is Supported for a in args):
            if not eqn.effects and sum(map(_size, shapes)) < LARGEST:
                return _computed(eqn, args)
            return [self.unknown(s) for s in shapes]
        if name == "cond":
            return self._cond(params["branches"], args, shapes)
        if not any(type(a) is Supported and a.sets is not None for a in args):
            return [self.unknown(s) for s in shapes]
        rule = getattr(self, f"_{name.replace('-', '_')}", None)
        if name in ELEMENTWISE or name == "optimization_barrier":
            if len(shapes) == len(args) and len(shapes) > 1:
                return args
            found = elementwise(self._analysis, args, params, np.broadcast_to(np.zeros(()), shapes[0]))
        elif name in MOVES and _alone(args):
            return self._moved(eqn, args, shapes)
        elif name in JOINS:
            found = self._joined(eqn, args)
            if found is None:
                return self._everything(name, args, shapes, known=True)
        elif name in WHOLE:
            return self._everything(name, args, shapes, known=True)
        elif rule is not None:
            found = rule(args, params, shapes[0], eqn)
        else:
            found = None
        if found is None:
            return self._everything(name, args, shapes)
        return [self.tangent(shapes[0], found)]

    def _everything(self, name: str, args: list[Any], shapes: list[Any], *, known: bool = False) -> list[Any]:
        """Every result of every operand: where that is known to be so, or allowed."""
        if not (known or self._dense):
            raise OperationNotSupportedError(
                f"the pattern of JAX's operation {name} is not known: unknown='dense' lets it count as one "
                "of which every result depends on every operand; DenseDetector() finds patterns by numbers"
            )
        all_of = None
        for a in args:
            if type(a) is Supported and a.sets is not None:
                small = reduced(a.sets, a.shape, tuple(range(len(a.shape))))
                all_of = small if all_of is None else all_of.united(small)
        assert all_of is not None
        return [self.tangent(s, all_of.gathered(np.zeros(_size(s), dtype=np.int64))) for s in shapes]

    def _cond(self, branches: Any, args: list[Any], shapes: list[Any]) -> list[Any]:
        choice, operands = args[0], args[1:]
        if type(choice) is not Supported:
            branches = [branches[int(np.clip(choice, 0, len(branches) - 1))]]
        outcomes = [self.run(b.jaxpr, b.consts, operands) for b in branches]
        if len(outcomes) == 1:
            return outcomes[0]
        return [self._either(parts, s) for parts, s in zip(zip(*outcomes, strict=True), shapes, strict=True)]

    def _either(self, parts: Sequence[Any], shape: Any) -> Any:
        example = np.broadcast_to(np.zeros(()), shape)
        return self.tangent(shape, elementwise(self._analysis, parts, {}, example))

    def _moved(self, eqn: Any, args: list[Any], shapes: list[Any]) -> list[Any]:
        """Run on positions, counted from one: what is zero came from nowhere."""
        x = args[0]
        if any(type(a) is Supported for a in args[1:]):  # the places are not known
            return self._everything(eqn.primitive.name, args[:1], shapes, known=True)
        places = np.arange(1, x.size + 1, dtype=np.int64).reshape(x.shape)
        moved = _computed(eqn, [places, *args[1:]])
        return [
            self.tangent(s, x.sets.gathered(np.maximum(np.asarray(p).ravel(), 0) - 1))
            for p, s in zip(moved, shapes, strict=True)
        ]

    def _joined(self, eqn: Any, args: list[Any]) -> IndexSets | None:
        """The same with the entries of several operands, numbered through."""
        name = eqn.primitive.name
        places = range(1, 2) if name == "scatter" else range(2, len(args)) if JOINS[name] else range(0)
        rows, numbered, start = [], [], 1
        for k, a in enumerate(args):
            if k in places:
                if type(a) is Supported:
                    return None
                numbered.append(a)
            elif type(a) is Supported and a.sets is not None:
                rows.append(a.sets)
                numbered.append(np.arange(start, start + a.size, dtype=np.int64).reshape(a.shape))
                start += a.size
            else:
                numbered.append(np.zeros(np.shape(a), dtype=np.int64))
        (moved,) = _computed(eqn, numbered)
        sets = joined(rows) if len(rows) > 1 else rows[0]
        return sets.gathered(np.asarray(moved).ravel() - 1)

    # -- single ones: rule(args, params, shape of the result, equation) -------------------------------

    def _select_n(self, args: list[Any], params: Any, shape: Any, eqn: Any) -> Any:
        which, cases = args[0], args[1:]
        if type(which) is Supported:
            return elementwise(self._analysis, cases, params, np.broadcast_to(np.zeros(()), shape))
        found = None
        chosen = np.broadcast_to(which, shape).ravel().astype(np.int64)
        for k, case in enumerate(cases):
            if type(case) is Supported and case.sets is not None:
                rows = case.sets.gathered(np.where(chosen == k, np.arange(chosen.size), -1))
                found = rows if found is None else found.united(rows)
        return IndexSets.empty(_size(shape), self._analysis.columns) if found is None else found

    def _reduce_sum(self, args: list[Any], params: Any, shape: Any, eqn: Any) -> Any:
        return reduced(args[0].sets, args[0].shape, tuple(params["axes"]))

    def _cumsum(self, args: list[Any], params: Any, shape: Any, eqn: Any) -> Any:
        x, axis = args[0], params["axis"]
        n = shape[axis]
        lines = np.moveaxis(np.arange(x.size).reshape(shape), axis, -1).reshape(-1, n)
        upto, each = np.triu_indices(n) if params["reverse"] else np.tril_indices(n)
        return x.sets.mapped(lines[:, upto], lines[:, each], x.size)

    def _dot_general(self, args: list[Any], params: Any, shape: Any, eqn: Any) -> Any:
        (lc, rc), (lb, rb) = params["dimension_numbers"]
        letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        left: list[str] = [""] * len(np.shape(args[0]))
        right: list[str] = [""] * len(np.shape(args[1]))
        for i, j in (*zip(lb, rb, strict=True), *zip(lc, rc, strict=True)):
            left[i] = right[j] = next(letters)
        for term in (left, right):
            for k, c in enumerate(term):
                term[k] = c or next(letters)
        output = [left[i] for i in lb]
        output += [c for k, c in enumerate(left) if k not in lb and k not in lc]
        output += [c for k, c in enumerate(right) if k not in rb and k not in rc]
        return contracted(args, ["".join(left), "".join(right)], "".join(output), shape)

    def _scatter_add(self, args: list[Any], params: Any, shape: Any, eqn: Any) -> Any:
        import jax

        x, places, updates = args
        found = x.sets if type(x) is Supported else None
        if type(updates) is Supported and updates.sets is not None:
            if type(places) is Supported:
                small = reduced(updates.sets, updates.shape, tuple(range(len(updates.shape))))
                added = small.gathered(np.zeros(_size(shape), dtype=np.int64))
            else:
                # where each is added is what the transpose brings back of the positions
                with precision(True):
                    zeros = np.zeros(shape)
                    like = jax.ShapeDtypeStruct(updates.shape, np.float64)
                    put = lambda u: eqn.primitive.bind(zeros, places, u, **params)  # noqa: E731
                    numbered = np.arange(1.0, _size(shape) + 1).reshape(shape)
                    (back,) = jax.linear_transpose(put, like)(numbered)
                target = np.asarray(back).ravel().astype(np.int64) - 1
                inside = np.flatnonzero(target >= 0)
                added = updates.sets.mapped(target[inside], inside, _size(shape))
            found = added if found is None else found.united(added)
        return found

    def _fft(self, args: list[Any], params: Any, shape: Any, eqn: Any) -> Any:
        x, n = args[0], len(params["fft_lengths"])
        axes = tuple(range(len(x.shape) - n, len(x.shape)))
        kept = (*x.shape[: len(x.shape) - n], *(1,) * n)
        return spread(reduced(x.sets, x.shape, axes), kept, shape)


def _alone(args: list[Any]) -> bool:
    return type(args[0]) is Supported and all(type(a) is not Supported or a.sets is None for a in args[1:])


def _inner(params: Any) -> Any:
    found = params.get("jaxpr") or params.get("call_jaxpr") or params.get("fun_jaxpr")
    if found is None or hasattr(found, "consts"):
        return found
    from jax.extend.core import ClosedJaxpr

    return ClosedJaxpr(found, ())


def _computed(eqn: Any, args: list[Any]) -> list[Any]:
    import jax

    with jax.ensure_compile_time_eval():
        result = eqn.primitive.bind(*args, **eqn.params)
    return list(map(np.asarray, result)) if eqn.primitive.multiple_results else [np.asarray(result)]


def _size(shape: Any) -> int:
    return int(np.prod(shape))
