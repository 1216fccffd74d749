"""Laplacians by collapsed Taylor mode over JAX's own trace of the function.

Each equation of the trace is pushed along all directions and along the sum of the second derivatives so far,
and adds the sum of its own second derivatives along the tangents (see ``engine.interpretations.collapsed``).
JAX has the derivatives of each equation; what is linear adds nothing, and is not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from polyad.errors import OperationNotSupportedError
from polyad.systems.contract import Kernel, Leaves, Problem, strategy
from polyad.systems.derive.basis import basis, chunk_of, size
from polyad.systems.derive.laplacian import check_real
from polyad.systems.derive.laplacian import laplacian as by_directions

if TYPE_CHECKING:
    from polyad.systems.jax.backend import JAX

__all__ = ["laplacian"]

# Primitives that are linear in all of their operands that are floating-point numbers.
LINEAR = frozenset(
    "neg add sub add_any reshape transpose broadcast_in_dim reduce_sum squeeze concatenate pad slice rev "
    "cumsum convert_element_type copy copy_p select_n expand_dims gather dynamic_slice split".split()
)
# A function that is called: what is in it is gone through.
CALLS = frozenset({"jit", "pjit", "closed_call"})

# A value, its tangents along the directions, and the sum of its second derivatives; both None of a constant.
Triple = tuple[Any, Any, Any]


def laplacian(backend: JAX, problem: Problem, order: int) -> Kernel:
    """``kernel(x, c)`` giving the Laplacian (order 2) or the bilaplacian (order 4), the value and ``aux``."""
    import jax

    specs, xp = problem.inputs, backend.xp
    check_real(specs)
    n = size(specs)
    carried = 2 * (n + size(problem.outputs)) * (1 if order == 2 else n + 1)
    chunk = chunk_of(backend, n, carried)

    def summed(f: Callable[[Leaves], Any], x: Leaves) -> Any:
        kept: list[Any] = []

        def outputs(x: Leaves) -> Leaves:
            y, aux = f(x)
            kept[:] = [aux]
            return y

        closed = jax.make_jaxpr(outputs)(x)
        total: Any = None
        y: Leaves = ()
        for _, rows in basis(xp, specs, (), chunk):
            triples = [(leaf, row, None) for leaf, row in zip(x, rows, strict=True)]
            found = _through(closed.jaxpr, closed.consts, triples)
            y = tuple(value for value, _, _ in found)
            parts = [xp.zeros_like(value) if s is None else s for value, _, s in found]
            total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
        aux: Any = ()
        if total is None or kept[0]:
            y, aux = f(x)
            total = [xp.zeros_like(leaf) for leaf in y] if total is None else total
        return tuple(total), y, aux

    without_values: list[Kernel] = []

    @strategy(f"{n} directions, collapsed Taylor mode{' twice' * (order == 4)}")
    def kernel(x: Leaves, c: Leaves) -> Any:
        x = tuple(map(xp.asarray, x))
        try:
            if order == 2:
                return summed(lambda x: problem.f(x, c), x)
            found, _, _ = summed(lambda x: (summed(lambda x: problem.f(x, c), x)[0], ()), x)
        except (jax.errors.ConcretizationTypeError, OperationNotSupportedError):
            # it asks for values, which a trace does not have
            if not without_values:
                without_values.append(by_directions(backend, problem, order))
            return without_values[0](x, c)
        return found, *problem.f(x, c)

    return kernel


def _through(jaxpr: Any, consts: list[Any], inputs: list[Triple]) -> list[Triple]:
    """The outputs of a trace, equation by equation."""
    import jax.extend

    known: dict[Any, Triple] = {}

    def read(atom: Any) -> Triple:
        return (atom.val, None, None) if isinstance(atom, jax.extend.core.Literal) else known[atom]

    known.update(zip(jaxpr.constvars, [(c, None, None) for c in consts], strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))
    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        inner = equation.params.get("jaxpr") if equation.primitive.name in CALLS else None
        if inner is not None:
            results = _through(inner.jaxpr, inner.consts, operands)
        else:
            results = _applied(equation, operands)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _applied(equation: Any, operands: list[Triple]) -> list[Triple]:
    """The results of one equation."""
    import jax
    import jax.numpy as jnp

    values = [value for value, _, _ in operands]
    active = [k for k, (_, rows, _) in enumerate(operands) if rows is not None]
    primitive, floats = equation.primitive, [_is_float(var.aval) for var in equation.outvars]

    def bound(given: list[Any]) -> list[Any]:
        params = primitive.get_bind_params(equation.params)
        functions, params = params if isinstance(params, tuple) else ((), params)  # a pair before JAX 0.10
        found = primitive.bind(*functions, *given, **params)
        return list(found) if primitive.multiple_results else [found]

    def f(*chosen: Any) -> list[Any]:
        """The results that are floating-point numbers."""
        given = list(values)
        for k, value in zip(active, chosen, strict=True):
            given[k] = value
        return [y for y, wanted in zip(bound(given), floats, strict=True) if wanted]

    whole = bound(values) if not all(floats) or not active else []
    if not active or not any(floats):
        return [(y, None, None) for y in whole]
    chosen = tuple(values[k] for k in active)
    y, push = jax.linearize(f, *chosen)
    rows = tuple(operands[k][1] for k in active)
    tangents = jax.vmap(push)(*rows)
    sums: list[Any] = [None] * len(y)
    if any(operands[k][2] is not None for k in active):
        before = [operands[k][2] for k in active]
        sums = push(*(jnp.zeros_like(v) if s is None else s for v, s in zip(chosen, before, strict=True)))
    if primitive.name not in LINEAR:

        def second(*along: Any) -> list[Any]:
            return jax.jvp(lambda *at: jax.jvp(f, at, along)[1], chosen, along)[1]

        own = [jnp.sum(a, axis=0) for a in jax.vmap(second)(*rows)]
        sums = own if sums[0] is None else [a + b for a, b in zip(sums, own, strict=True)]
    triples = zip(y, tangents, sums, strict=True)
    return [next(triples) if real else (whole[k], None, None) for k, real in enumerate(floats)]


def _is_float(aval: Any) -> bool:
    import jax.numpy as jnp

    return bool(jnp.issubdtype(aval.dtype, jnp.inexact))
