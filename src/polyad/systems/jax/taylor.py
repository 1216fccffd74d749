"""JAX's own Taylor mode, ``jax.experimental.jet``.

It knows fewer primitives than JAX's other modes. Where it meets one it does not know, the first few
orders are nested pushforwards, and higher ones are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from polyad.errors import OperationNotSupportedError, UnsupportedOperatorError
from polyad.systems.contract import Kernel, Leaves, Problem, strategy
from polyad.systems.derive.taylor import MAX_ORDER, nested
from polyad.systems.jax.precision import is_wide, precision

if TYPE_CHECKING:
    from polyad.systems.jax.backend import JAX

__all__ = ["taylor"]

# Rules of jet that are there and give wrong coefficients (JAX 0.10).
WRONG = frozenset({"rem"})


def taylor(backend: JAX, problem: Problem, order: int) -> Kernel:
    """``kernel(x, c, v)`` giving the coefficients, the value and ``aux``."""
    if order == 0:
        return nested(backend, problem, 0)
    missing = _missing(problem) or _failure(problem, order)
    if missing is None:
        return _by_jet(problem, order)
    if order > MAX_ORDER:
        raise UnsupportedOperatorError(
            f"jax.experimental.jet cannot expand the function ({missing}); nested derivatives to order "
            f"{order} cost 2**{order} times the function: up to order {MAX_ORDER} they are taken, "
            "for more use backend='numpy'"
        )
    return nested(backend, problem, order)


def _by_jet(problem: Problem, order: int) -> Kernel:
    import jax
    import jax.extend
    import jax.numpy as jnp
    from jax.experimental import jet

    @strategy(f"jax.experimental.jet to order {order}")
    def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
        series = [[direction] + [jnp.zeros_like(direction)] * (order - 1) for direction in v]
        kept: list[Leaves] = []

        def outputs(x: Leaves) -> Leaves:
            y, aux = problem.f(x, c)
            kept.append(aux)
            return y

        # jet sees the trace, so that its tracers never meet code that takes them for arrays
        f = jax.extend.core.jaxpr_as_fun(jax.make_jaxpr(outputs)(x))
        y, rows = jet.jet(f, x, series, factorial_scaled=False)
        aux = problem.f(x, c)[1] if kept[0] else ()
        coefficients = tuple(
            jnp.stack([value, *(jnp.broadcast_to(term, value.shape) for term in row)])
            for value, row in zip(y, rows, strict=True)
        )
        return coefficients, y, aux

    return kernel


def _missing(problem: Problem) -> str | None:
    """What jet cannot differentiate, in words; found in the function's own trace."""
    import jax

    with precision(is_wide((*problem.x, *problem.c))):
        try:
            closed = jax.make_jaxpr(lambda x, c: problem.f(x, c)[0])(problem.x, problem.c)
        except (jax.errors.ConcretizationTypeError, OperationNotSupportedError):
            return "a branch depends on a value"
    names = sorted(set(_primitives(closed.jaxpr)) - _known())
    return f"it has no rule for {', '.join(names)}" if names else None


def _failure(problem: Problem, order: int) -> str | None:
    """What jet itself stumbles over: some of its rules refuse shapes or complex numbers."""
    import jax

    leaves = (problem.x, problem.c, problem.x)
    with precision(is_wide([leaf for part in leaves for leaf in part])):
        try:
            jax.eval_shape(_by_jet(problem, order), *leaves)
        except (TypeError, NotImplementedError) as error:  # the function's own were met in its trace
            return str(error).partition("\n")[0]
    return None


def _primitives(jaxpr: Any) -> Iterator[str]:
    """Names of the primitives of a trace and of the traces in it."""
    for equation in jaxpr.eqns:
        inner = equation.params.get("jaxpr") if equation.primitive.name == "jit" else None
        if inner is None:
            yield equation.primitive.name
        else:
            yield from _primitives(inner.jaxpr)


def _known() -> set[str]:
    from jax.experimental import jet

    return {primitive.name for primitive in jet.jet_rules} - WRONG
