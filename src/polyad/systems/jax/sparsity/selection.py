"""A function taken apart into what selects numbers of its input and what computes with them.

Residuals of observations, elements of a mesh or edges of a graph first gather what they need and then
compute, each with its own. As a function of what is gathered, which has a place for every use, rows share
no columns, so that few pullbacks have the whole Jacobian.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from polyad.engine.patterns.joining import joined
from polyad.engine.patterns.reading import size_of
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.systems.contract import Leaves, Problem, Selection
from polyad.systems.jax.precision import is_wide, precision
from polyad.systems.jax.sparsity.constants import known
from polyad.systems.jax.sparsity.program import ProgramReader

__all__ = ["selection"]

GATHER = "gather"
# what moves entries of its first operand to where the others say, and does nothing else
MOVES = frozenset({GATHER, "slice", "reshape", "squeeze", "expand_dims", "transpose", "rev", "dynamic_slice"})
ONES = frozenset({"mul"})
FIXED, MOVED, REST = range(3)


def selection(problem: Problem, most: int) -> Selection | None:
    """What a function selects first, and the rest; None where it gathers nothing, or too much.

    Parameters
    ----------
    problem : Problem
        The function.
    most : int
        More numbers than these are not selected.
    """
    import jax

    with precision(is_wide((*problem.x, *problem.c))):
        closed, (_, aux) = jax.make_jaxpr(problem.f, return_shape=True)(problem.x, problem.c)
        if aux:
            return None
        parts = _Parts(closed, problem)
        if parts.cut is None or sum(size_of(v.aval.shape) for v in parts.cut) > most:
            return None
        sources = parts.sources()
        if sources is None:
            return None
        sets = parts.sets()
        z = tuple(jax.numpy.zeros(v.aval.shape, v.aval.dtype) for v in parts.cut)
    known = problem.outputs
    rest = Problem(lambda z, c: (parts.rest(z, c), ()), z, problem.c, lambda _: known, problem.label)
    return Selection(parts.select, rest, sources, *sets.csr())


class _Parts:
    """The equations of a program: those that are known without the input, that move it, and the rest."""

    def __init__(self, closed: Any, problem: Problem) -> None:
        self.consts, self.jaxpr, self.problem = closed.consts, closed.jaxpr, problem
        count = len(problem.x)
        self.x, self.c = self.jaxpr.invars[:count], self.jaxpr.invars[count:]
        kinds: dict[Any, int] = dict.fromkeys(self.jaxpr.constvars, FIXED) | dict.fromkeys(self.x, MOVED)
        # numbers that may be others at the next call select nothing
        kinds |= {v: FIXED if v.aval.dtype.kind in "biu" else REST for v in self.c}
        self.equations: list[list[Any]] = [[], [], []]
        gathers, used = False, dict[Any, None]()
        self.values: dict[Any, Any] = dict(zip(self.jaxpr.constvars, self.consts, strict=True))
        self.values |= {v: a for v, a in zip(self.c, problem.c, strict=True) if kinds[v] == FIXED}
        self.reader = ProgramReader(Analysis(1, local=False), False)
        for eqn in self.jaxpr.eqns:
            operands = [FIXED if hasattr(a, "val") else kinds[a] for a in eqn.invars]
            name, kind = eqn.primitive.name, REST
            if not eqn.effects and all(k == FIXED for k in operands):
                kind = FIXED
                found = self.reader._result(eqn, [np.asarray(self._value(a)) for a in eqn.invars])
                self.values |= zip(eqn.outvars, found, strict=True)
            elif self._moves(eqn, operands):
                kind, gathers = MOVED, gathers or name == GATHER
            self.equations[kind].append(eqn)
            kinds |= dict.fromkeys(eqn.outvars, kind)
            if kind == REST:
                used |= dict.fromkeys(a for a, k in zip(eqn.invars, operands, strict=True) if k == MOVED)
        used |= dict.fromkeys(a for a in self.jaxpr.outvars if not hasattr(a, "val") and kinds[a] == MOVED)
        real = all(v.aval.dtype.kind == "f" for v in self.x)
        plain = not any(eqn.effects for eqn in self.jaxpr.eqns)
        self.cut = tuple(used) if gathers and real and plain else None

    def _value(self, atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known(self.values[atom])

    def _moves(self, eqn: Any, operands: list[int]) -> bool:
        """Whether entries of the input come out as they are."""
        name = eqn.primitive.name
        if name in ONES and sorted(operands) == [FIXED, MOVED]:
            # lifted code multiplies by one where all indices are within bounds, and by NaN where they are not
            return bool(np.all(np.asarray(self._value(eqn.invars[operands.index(FIXED)])) == 1))
        if operands[0] != MOVED or any(k != FIXED for k in operands[1:]):
            return False
        if name == "broadcast_in_dim":
            return size_of(eqn.outvars[0].aval.shape) == size_of(eqn.invars[0].aval.shape)
        return name in MOVES

    def _run(self, kinds: Sequence[int], given: Sequence[Any], wanted: Sequence[Any]) -> Any:
        """What computes variables from others by the equations of some kinds."""
        from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

        equations = [eqn for kind in kinds for eqn in self.equations[kind]]
        part = self.jaxpr.replace(invars=list(given), outvars=list(wanted), eqns=equations)
        return jaxpr_as_fun(ClosedJaxpr(part, self.consts))

    @functools.cached_property
    def _select(self) -> Any:
        return self._run((FIXED, MOVED), (*self.x, *self.c), self.cut or ())

    @functools.cached_property
    def _rest(self) -> Any:
        return self._run((FIXED, REST), (*(self.cut or ()), *self.c), self.jaxpr.outvars)

    def select(self, x: Leaves, c: Leaves) -> Leaves:
        """What is selected of an input."""
        return tuple(self._select(*x, *c))

    def rest(self, z: Leaves, c: Leaves) -> Leaves:
        """The function's output from what was selected."""
        return tuple(self._rest(*z, *c))

    def sources(self) -> np.ndarray | None:
        """Of each number that is selected, which of the input it is; None where some are none of these."""
        assert self.cut is not None
        indptr, indices = self._sets((FIXED, MOVED), self.x, self.cut).csr()
        return indices if np.array_equal(indptr, np.arange(len(indptr))) else None

    def sets(self) -> IndexSets:
        """The pattern of the rest, which must be that of the function itself, without rules of a user's."""
        assert self.cut is not None
        return self._sets((FIXED, REST), self.cut, self.jaxpr.outvars)

    def _sets(self, kinds: Sequence[int], active: Sequence[Any], wanted: Sequence[Any]) -> IndexSets:
        """Of each entry of some variables, which entries of others it depends on."""
        columns, start = sum(size_of(v.aval.shape) for v in active), 0
        reader = ProgramReader(Analysis(columns, local=False), False, primal=True)
        entered: list[Any] = []
        for v in active:
            size = size_of(v.aval.shape)
            entered.append(reader.tangent(tuple(v.aval.shape), IndexSets.identity(start, size, columns)))
            start += size
        for v, leaf in zip(self.c, self.problem.c, strict=True):
            whole = v.aval.dtype.kind in "biu"
            entered.append(np.asarray(leaf) if whole else reader.unknown(tuple(v.aval.shape)))
        program = SimpleNamespace(
            constvars=self.jaxpr.constvars,
            invars=[*active, *self.c],
            eqns=[eqn for kind in kinds for eqn in self.equations[kind]],
            outvars=wanted,
        )
        found = reader.run(program, self.consts, entered)
        return joined(
            [a.rows() if type(a) is Supported else IndexSets.empty(size_of(a.shape), columns) for a in found]
        )
