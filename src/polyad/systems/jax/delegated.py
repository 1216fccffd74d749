"""A function that is computed elsewhere as a primitive of JAX, which calls back to the host.

Two primitives: the function, and a linear map at a point that is its pushforward or its pullback. The
tangent of the first is the second; the second is its own transpose, turned. So all nestings of forward and
reverse mode work, and ``jit``, ``vmap`` and ``scan`` with them. The host is handed NumPy's arrays as they
are, without JAX's setting of 64 bits, which another thread may not have.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import OrderedDict
from typing import Any

import numpy as np

__all__ = ["call", "raised", "stopped"]

# errors on the host, by numbers that stand in what XLA, which keeps no exceptions, says of them
_ERRORS: OrderedDict[int, Exception] = OrderedDict()
_NUMBERS = itertools.count()
_MARK, _MOST = "polyad's error number", 16


def raised(error: Exception) -> Exception | None:
    """What was raised on the host, if an error of XLA's is about that."""
    found = re.search(rf"{_MARK} (\d+)", str(error))
    return None if found is None else _ERRORS.get(int(found[1]))


def _remembered(error: Exception) -> RuntimeError:
    number = next(_NUMBERS)
    _ERRORS[number] = error
    while len(_ERRORS) > _MOST:
        _ERRORS.popitem(last=False)
    return RuntimeError(f"{error} ({_MARK} {number})")


@functools.cache
def _primitives() -> tuple[Any, Any]:
    import jax
    import jax.numpy as jnp
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    function, linear = Primitive("delegated"), Primitive("delegated_linear")
    zero: Any = ad.Zero

    def of_function(x: Any, *, d: Any) -> Any:
        return d.value(np.asarray(x))

    def of_linear(x: Any, t: Any, *, d: Any, turned: bool) -> Any:
        return (d.pulled if turned else d.pushed).value(np.concatenate([np.asarray(x), np.asarray(t)]))

    def length(d: Any, turned: bool = False) -> int:
        return int(d.sizes[0] if turned else d.sizes[1])

    def shaped(size: int, like: Any) -> Any:
        return jax.core.ShapedArray((size,), like.dtype)

    def implement(primitive: Any, compute: Any, size: Any) -> None:
        def run(*args: Any, **params: Any) -> Any:
            return jnp.asarray(np.asarray(compute(*args, **params), dtype=args[0].dtype))

        primitive.def_impl(run)
        primitive.def_abstract_eval(lambda *avals, **params: shaped(size(**params), avals[0]))

        def lower(ctx: Any, *args: Any, **params: Any) -> Any:
            (out,) = ctx.avals_out

            def host(*arrays: Any) -> tuple[Any, ...]:
                try:
                    found = compute(*arrays, **params)
                except Exception as error:
                    raise _remembered(error) from error
                return (np.ascontiguousarray(found, dtype=out.dtype),)

            results, _, _ = mlir.emit_python_callback(
                ctx,
                host,
                None,
                list(args),
                ctx.avals_in,
                ctx.avals_out,
                has_side_effect=False,
                returns_token=False,
            )
            return results

        mlir.register_lowering(primitive, lower)

        def batch(args: Any, axes: Any, **params: Any) -> Any:
            count = next(a.shape[k] for a, k in zip(args, axes, strict=True) if k is not None)
            rows = [
                jnp.broadcast_to(a, (count, *a.shape)) if k is None else jnp.moveaxis(a, k, 0)
                for a, k in zip(args, axes, strict=True)
            ]
            return jax.lax.map(lambda row: primitive.bind(*row, **params), tuple(rows)), 0

        batching.primitive_batchers[primitive] = batch

    implement(function, of_function, lambda d: length(d))
    implement(linear, of_linear, lambda d, turned: length(d, turned))

    def along(primals: Any, tangents: Any, *, d: Any) -> Any:
        (x,), (t,) = primals, tangents
        y = function.bind(x, d=d)
        if type(t) is zero:
            return y, zero(jax.typeof(y).to_tangent_aval())
        return y, linear.bind(x, t, d=d, turned=False)

    ad.primitive_jvps[function] = along

    def linear_along(primals: Any, tangents: Any, *, d: Any, turned: bool) -> Any:
        (x, t), (dx, dt) = primals, tangents
        y, total = linear.bind(x, t, d=d, turned=turned), None
        if type(dt) is not zero:
            total = linear.bind(x, dt, d=d, turned=turned)
        if type(dx) is not zero:
            whole = d.pulled if turned else d.pushed
            moved = linear.bind(
                jnp.concatenate([x, t]), jnp.concatenate([dx, jnp.zeros_like(t)]), d=whole, turned=False
            )
            total = moved if total is None else total + moved
        return y, zero(jax.typeof(y).to_tangent_aval()) if total is None else total

    ad.primitive_jvps[linear] = linear_along

    def transpose(w: Any, x: Any, t: Any, *, d: Any, turned: bool) -> Any:
        if type(w) is zero:
            return None, None
        return None, linear.bind(x, w, d=d, turned=not turned)

    ad.primitive_transposes[linear] = transpose
    return function, linear


def call(x: Any, d: Any) -> Any:
    """The function ``d`` at a vector of JAX's."""
    return _primitives()[0].bind(x, d=d)


@functools.cache
def _stop() -> Any:
    import jax
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    primitive = Primitive("stop_gradient")
    zero: Any = ad.Zero
    primitive.def_impl(lambda x: x)
    primitive.def_abstract_eval(lambda x: x)
    mlir.register_lowering(primitive, lambda ctx, x: [x])
    batching.primitive_batchers[primitive] = lambda args, axes: (primitive.bind(*args), axes[0])
    ad.primitive_jvps[primitive] = lambda primals, tangents: (
        primitive.bind(*primals),
        zero(jax.typeof(primals[0]).to_tangent_aval()),
    )
    ad.primitive_transposes[primitive] = lambda w, x: [w]
    return primitive


def stopped(x: Any) -> Any:
    """``x`` without its derivative: JAX's own, but that JAX can transpose it.

    Within a rule JAX's operands are tangents, of which what is not needed is masked; masked or not, the rule
    is linear in them.
    """
    return _stop().bind(x)
