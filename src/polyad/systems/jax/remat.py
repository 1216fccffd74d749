"""Whether a loop of JAX keeps what its steps computed for the reverse sweep, or computes it again.

XLA writes every number that is kept to the memory of all steps, one at a time, and reads it again. Where
a step is arithmetic entry by entry, computing it a second time costs less: a tenth of the time where the
carry is a few numbers, two thirds where it is long. Products of matrices and what calls back to the
host are never computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["body_of"]

Body = Callable[[Any, Any], tuple[list[Any], list[Any]]]

# what costs about as much as to keep its result
_LINEAR = frozenset(
    "add add_any sub neg concatenate slice squeeze reshape broadcast_in_dim transpose pad rev reduce_sum "
    "cumsum convert_element_type copy copy_p real imag conj stop_gradient expand_dims split select_n eq ne "
    "lt le gt ge and or not xor "
    "is_finite sign floor ceil round iota clamp reduce_max reduce_min argmax argmin".split()
)
# each of these leaves an array for the reverse sweep
_NONLINEAR = frozenset(
    "mul div integer_pow pow square exp exp2 expm1 log log1p sin cos tan sinh cosh tanh asin acos atan atan2 "
    "asinh acosh atanh logistic sqrt rsqrt cbrt abs max min erf erfc".split()
)
# So many times as much would be kept as is carried: for carries of any length, and for long ones. Below that
# both ways take about the same time (measured on 2 CPUs).
ALWAYS, IF_LONG, LONG = 6.0, 3.0, 2000


def body_of(body: Body, carry: Sequence[Any], xs: Sequence[Any]) -> Body:
    """The body of a loop, traced once, and such that reverse mode computes it again where that is quicker."""
    import jax
    import jax.extend

    items = [jax.ShapeDtypeStruct(a.shape[1:], a.dtype) for a in xs]
    closed, forms = jax.make_jaxpr(body, return_shape=True)(list(carry), items)
    count, run = len(forms[0]), jax.extend.core.jaxpr_as_fun(closed)

    def traced(c: Any, x: Any) -> tuple[list[Any], list[Any]]:
        out = list(run(*c, *x))
        return out[:count], out[count:]

    carried = sum(math.prod(v.aval.shape) for v in closed.jaxpr.invars if v.aval.dtype.kind in "fc")
    kept = _kept(closed.jaxpr)
    if kept is None or kept < (ALWAYS if carried < LONG else IF_LONG) * carried:
        return traced
    again: Body = jax.checkpoint(traced, prevent_cse=False)
    return again


def _kept(jaxpr: Any) -> int | None:
    """How many entries a step leaves for the reverse sweep; None if it should not be computed again."""
    import jax.extend

    literal, total = jax.extend.core.Literal, 0
    for equation in _equations(jaxpr):
        name = equation.primitive.name
        if name in _LINEAR:
            continue
        if name not in _NONLINEAR:
            return None
        if name in ("mul", "div") and isinstance(equation.invars[-1], literal):
            continue
        if name == "mul" and isinstance(equation.invars[0], literal):
            continue
        total += math.prod(equation.outvars[0].aval.shape)
    return total


def _equations(jaxpr: Any) -> Iterator[Any]:
    """The equations, those of functions that are called in their places."""
    for equation in jaxpr.eqns:
        inner = equation.params.get("jaxpr") if equation.primitive.name in ("jit", "pjit") else None
        if inner is None:
            yield equation
        else:
            yield from _equations(inner.jaxpr)
