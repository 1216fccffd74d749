"""CasADi's operations by their numbers.

``casadi.times(a, b)`` finds out by trial which of its classes can take the operands, which takes ten times as
long as the operation; the classes' own ``binary`` does not ask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["direct", "number"]

# the name of CasADi's function -> that of its operation
_UNARY = {
    **{n: n.upper() for n in "exp expm1 log log1p sqrt sin cos tan sinh cosh tanh erf floor ceil".split()},
    **{n: n.upper() for n in "sign fabs atan asinh acosh".split()},
}
_BINARY = {"plus": "ADD", "minus": "SUB", "times": "MUL", "rdivide": "DIV", "power": "POW"}
_BINARY |= {n: n.upper() for n in ("lt", "le", "eq", "ne", "copysign")}
_MOST = 4096
_numbers: dict[Any, dict[float, Any]] = {}


def number(a: float, kind: Any) -> Any:
    """A number as an expression, made once for each."""
    known = _numbers.setdefault(kind, {})
    found = known.get(a)
    if found is None:
        found = kind(a)
        if a and a == a and len(known) < _MOST:  # -0.0 would be taken for 0.0
            known[a] = found
    return found


@functools.cache
def direct(name: str) -> Callable[..., Any]:
    """A function of CasADi on expressions of one class and Python numbers."""
    import casadi

    if name in _UNARY:
        code = getattr(casadi, f"OP_{_UNARY[name]}")

        def unary(a: Any) -> Any:
            return a.unary(code, a)

        return unary
    if name not in _BINARY:
        f: Callable[..., Any] = getattr(casadi, name)
        return f
    code = getattr(casadi, f"OP_{_BINARY[name]}")

    def binary(a: Any, b: Any) -> Any:
        if type(a) is float:
            return b.binary(code, number(a, type(b)), b)
        if type(b) is float:
            return a.binary(code, a, number(b, type(a)))
        return a.binary(code, a, b)

    return binary
