"""Patterns of JAX functions: the program (jaxpr) of the derivative is run on index sets, never that of f.

So what a custom rule says is what counts, and only linear operations act on tangents. What depends on no
input is computed where it is asked for; other primal values are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.patterns.joining import joined
from polyad.engine.patterns.reading import Reader, reaches, size_of
from polyad.engine.patterns.rules import elementwise
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.errors import PolyadError
from polyad.systems.contract import Leaves, Problem
from polyad.systems.jax.precision import is_wide, precision
from polyad.systems.jax.sparsity.constants import Later, TooLarge
from polyad.systems.jax.sparsity.rules import ELEMENTWISE, RULES

__all__ = ["NoForward", "ProgramReader", "pattern_of"]

CALLS = frozenset(
    "jit pjit closed_call core_call remat checkpoint remat2 custom_jvp_call custom_vjp_call "
    "custom_vjp_call_jaxpr".split()
)


class NoForward(PolyadError):
    """A function with a rule for reverse mode only."""


def pattern_of(
    problem: Problem, push: Any, x: Leaves, *, local: bool, dense: bool, seeds: Leaves | None = None
) -> IndexSets:
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
    seeds : tuple, optional
        Examples of ``v``, where it is not like ``x``.
    """
    import jax

    with precision(is_wide((*problem.x, *problem.c))):
        x = tuple(map(jax.numpy.asarray, x))
        v = x if seeds is None else tuple(map(jax.numpy.asarray, seeds))
        free = [k for k, leaf in enumerate(problem.c) if _is_float(leaf)]

        def along(x: Leaves, c: Leaves, v: Leaves) -> Any:
            whole = list(problem.c)
            for k, leaf in zip(free, c, strict=True):
                whole[k] = leaf
            return push(x, tuple(whole), v)

        c = tuple(jax.numpy.asarray(problem.c[k]) for k in free)
        program = jax.make_jaxpr(along)(x, c, v)
        columns = sum(int(np.size(leaf)) for leaf in v)
        reader = ProgramReader(Analysis(columns, local=local), dense)
        entered: list[Any] = [np.asarray(a) if local else reader.unknown(a.shape) for a in (*x, *c)]
        start = 0
        for leaf in v:
            entered.append(reader.tangent(leaf.shape, IndexSets.identity(start, leaf.size, columns)))
            start += leaf.size
        found = reader.run(program.jaxpr, program.consts, entered)
    parts = [a.rows() if type(a) is Supported else IndexSets.empty(size_of(a.shape), columns) for a in found]
    return joined(parts)


def _is_float(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, float | complex) or str(dtype).startswith(("float", "complex", "bfloat"))


class ProgramReader(Reader):
    """A program, read: values are plain where they are known, or ``Later``, else ``Supported``."""

    def __init__(self, analysis: Analysis, dense: bool) -> None:
        super().__init__(analysis, dense, "JAX")

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """The results of a program."""
        known: dict[Any, Any] = dict(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
        known.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Any:
            return np.asarray(atom.val) if hasattr(atom, "val") else known[atom]

        for eqn in jaxpr.eqns:
            operands = [read(a) for a in eqn.invars]
            try:
                results = self._result(eqn, operands)
            except TooLarge:
                results = self.everything(operands, [tuple(v.aval.shape) for v in eqn.outvars])
            known.update(zip(eqn.outvars, results, strict=True))
        return [read(a) for a in jaxpr.outvars]

    def _result(self, eqn: Any, args: list[Any]) -> list[Any]:
        name, params = eqn.primitive.name, eqn.params
        shapes = [tuple(v.aval.shape) for v in eqn.outvars]
        if name in CALLS:
            inner = _inner(params)
            if inner is not None:
                return self.run(inner.jaxpr, inner.consts, args)
        if not any([type(a) is Supported for a in args]):
            if eqn.effects:
                return [self.unknown(s) for s in shapes]
            return [Later(eqn, args, k, s) for k, s in enumerate(shapes)]
        # a choice or a loop on values may say what is constant, though no tangent reaches it
        if not any(map(reaches, args)):
            return [self.unknown(s) for s in shapes]
        if name == "custom_lin":
            raise NoForward("the function has a custom_vjp, which knows no forward mode")
        if name in ELEMENTWISE:
            if len(shapes) == len(args) and len(shapes) > 1:
                return args
            example = np.broadcast_to(np.zeros(()), shapes[0])
            return [self.tangent(shapes[0], elementwise(self.analysis, args, params, example))]
        rule = RULES.get(name)
        found = None if rule is None else rule(self, eqn, args, shapes)
        if found is None:
            if not self.dense:
                raise self.refused(name)
            return self.everything(args, shapes)
        return found if isinstance(found, list) else [found]


def _inner(params: Any) -> Any:
    found = params.get("jaxpr") or params.get("call_jaxpr") or params.get("fun_jaxpr")
    if found is None or hasattr(found, "consts"):
        return found
    from jax.extend.core import ClosedJaxpr

    return ClosedJaxpr(found, ())
