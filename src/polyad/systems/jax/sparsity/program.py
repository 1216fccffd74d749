"""Patterns of JAX functions: the program (jaxpr) of the derivative is run on index sets, never that of f.

So what a custom rule says is what counts, and only linear operations act on tangents. What depends on no
input is computed where it is asked for; other primal values are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.engine.patterns.reading import Reader, reaches
from polyad.engine.patterns.rules import elementwise
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.errors import PolyadError
from polyad.systems.jax.sparsity.arrays import written_out
from polyad.systems.jax.sparsity.constants import Later, Unaffordable
from polyad.systems.jax.sparsity.primal import CONSTANT, CURVED, LINEAR, PRIMAL
from polyad.systems.jax.sparsity.rules import ELEMENTWISE, RULES

__all__ = ["NoForward", "ProgramReader"]

CALLS = frozenset(
    "jit pjit closed_call core_call remat checkpoint remat2 custom_jvp_call custom_vjp_call "
    "custom_vjp_call_jaxpr".split()
)


class NoForward(PolyadError):
    """A function with a rule for reverse mode only."""


class ProgramReader(Reader):
    """A program, read: values are plain where they are known, or ``Later``, else ``Supported``."""

    def __init__(self, analysis: Analysis, dense: bool, *, primal: bool = False) -> None:
        super().__init__(analysis, dense, "JAX")
        # whether the program is that of the function, not of its derivative
        self.primal = primal

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
            except Unaffordable:
                results = self.everything(operands, [tuple(v.aval.shape) for v in eqn.outvars])
            known.update(zip(eqn.outvars, results, strict=True))
        return [read(a) for a in jaxpr.outvars]

    def _result(self, eqn: Any, args: list[Any]) -> list[Any]:
        name, params = eqn.primitive.name, eqn.params
        shapes = [tuple(v.aval.shape) for v in eqn.outvars]
        if name in CALLS and not (self.primal and name.startswith("custom") and any(map(reaches, args))):
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
        if name in ELEMENTWISE or (self.primal and name in CURVED):
            if self.primal and not _is_float(eqn.outvars[0].aval):
                return [self.unknown(s) for s in shapes]
            if len(shapes) == len(args) and len(shapes) > 1:
                return args
            example = np.broadcast_to(np.zeros(()), shapes[0])
            return [self.tangent(shapes[0], elementwise(self.analysis, args, params, example))]
        rule = RULES.get(name)
        if self.primal:
            if name in CONSTANT or not any([_is_float(v.aval) for v in eqn.outvars]):
                return [self.unknown(s) for s in shapes]
            rule = PRIMAL.get(name) or (rule if name in LINEAR else None)
        found = None if rule is None else rule(self, eqn, args, shapes)
        if found is None:
            written = written_out(eqn)
            if written is not None:
                return self.run(written.jaxpr, written.consts, args)
            if not self.dense:
                raise self.refused(name)
            return self.everything(args, shapes)
        return found if isinstance(found, list) else [found]


def _is_float(aval: Any) -> bool:
    return aval.dtype.kind in "fcV"


def _inner(params: Any) -> Any:
    found = params.get("jaxpr") or params.get("call_jaxpr") or params.get("fun_jaxpr")
    if found is None or hasattr(found, "consts"):
        return found
    from jax.extend.core import ClosedJaxpr

    return ClosedJaxpr(found, ())
