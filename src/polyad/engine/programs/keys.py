"""When two operations of a program are the same one."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.names import SIGNS
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.programs.recording import Constant, Operation, Variable
from polyad.engine.rules import arithmetic  # noqa: F401  (fills the table)

__all__ = ["BINARY", "F8", "PLAIN", "key_of", "params_of", "plain"]

BINARY = {name: getattr(np, name) for name in SIGNS}
# what nothing but the sign of an operand, or a zero or a one, could make shorter
PLAIN = frozenset(PRIMITIVES[name].compute for name in BINARY) | {np.sin, np.cos, np.exp, np.log, np.sqrt}
F8 = np.dtype(np.float64)
# a union of types, which is slow to make
_INEXACT = (float, complex, np.generic)


def plain(a: Any) -> Any:
    """A constant of one entry as a number; anything else as it is."""
    if type(a) is Constant and a.value.size == 1 and a.value.dtype == np.float64:
        return float(a.value.reshape(()))
    return a


def params_of(op: Operation) -> Any:
    """Equal for equal parameters."""
    try:
        if len(op.params) == 1:
            ((k, v),) = op.params.items()
            return k, _key(v)
        return tuple(sorted((k, _key(v)) for k, v in op.params.items()))
    except TypeError:
        return object()


def key_of(op: Operation) -> Any:
    """Equal for operations with equal results; None where that cannot be said."""
    quick = op.name == "negative" or op.compute in PLAIN or op.compute is BINARY.get(op.name)
    if quick and not op.params and op.results[0].dtype is F8:  # where 2 and 2.0 give one thing
        for a in op.operands:
            if type(a) is not Variable and (type(a) not in (float, int) or a == 0):
                break
        else:
            return op.name, *op.operands
    try:
        params = params_of(op) if op.params else ()
        operands = tuple([id(a) if type(a) is Variable else _key(a) for a in op.operands])
        return op.name, op.compute, operands, params
    except TypeError:
        return None


def _key(a: Any) -> Any:
    kind = type(a)
    if kind is Variable:
        return id(a)
    if kind is Constant:
        return kind, id(a.value)
    if kind is slice:
        return kind, _key(a.start), _key(a.stop), _key(a.step)
    if kind is tuple or kind is list:
        return kind, tuple(map(_key, a))
    if kind is np.ndarray:
        return kind, id(a)
    if kind is float and a and a == a:
        return kind, a
    if isinstance(a, _INEXACT):
        return kind, repr(a)  # 0.0 is not -0.0, and nan is nan
    hash(a)
    return kind, a
