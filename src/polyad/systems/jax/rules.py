"""Functions that a user defined as functions of JAX, with the rules that came with them.

The values are computed on the host: at once where JAX has them, by a callback where it traces, for which the
form of the result has to be known beforehand. A function without such a form runs on JAX's arrays itself.
The rules run on JAX's arrays, so that what comes of them is compiled, mapped and differentiated again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.by_table import pushed, value_of
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["by_rule"]


@functools.cache
def by_rule(own: Adapter, primitive: Primitive) -> Callable[..., Any]:
    """A primitive with a push, one result, as a function of JAX's arrays, NumPy's and numbers.

    Parameters
    ----------
    own : Adapter
        That of JAX.
    primitive : Primitive
        What ``define`` has made.
    """
    jax = sys.modules["jax"]
    zero = jax.custom_derivatives.SymbolicZero
    label, like = primitive.label, primitive.like  # type: ignore[attr-defined]
    source = primitive.source  # type: ignore[attr-defined]

    def call(*args: Any, **params: Any) -> Any:
        places = [k for k, a in enumerate(args) if own.is_own(a)]

        def filled(arrays: Any) -> list[Any]:
            full = list(args)
            for k, a in zip(places, arrays, strict=True):
                full[k] = a
            return full

        def value(*arrays: Any) -> Any:
            if not any(isinstance(a, jax.core.Tracer) for a in arrays):
                found = value_of(primitive, filled(map(np.asarray, arrays)), params)
                return jax.numpy.asarray(found)
            form = (
                like(*filled(np.zeros(a.shape, a.dtype) for a in arrays), **params)
                if callable(like)
                else like
            )
            if form is None:
                return lifted(filled(arrays))
            shape, dtype = np.shape(form), jax.dtypes.canonicalize_dtype(np.result_type(form, np.float32))
            result = jax.ShapeDtypeStruct(shape, dtype)

            def evaluate(*arrays: Any) -> np.ndarray:
                found = value_of(primitive, filled(map(np.asarray, arrays)), params)
                if found.shape != shape:
                    raise ValueError(f"{label} gave shape {found.shape}, and like= says {shape}")
                return np.asarray(found.astype(dtype, copy=False))

            return jax.pure_callback(evaluate, result, *arrays, vmap_method="sequential")

        def lifted(values: list[Any]) -> Any:
            if source is None:
                raise refuse(
                    f"JAX compiles, and the form of what {label} gives is not known before it is called",
                    "give like=, an example of the result, or use backend=polyad.JAX(jit=False)",
                )
            found = source(*[Proxy(own.name, a) if own.is_own(a) else a for a in values], **params)
            return found.array if type(found) is Proxy else jax.numpy.asarray(found)

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def f(*arrays: Any) -> Any:
            return value(*arrays)

        def push(primals: Any, tangents: Any) -> Any:
            y = f(*primals)
            moving: list[Any] = [None] * len(args)
            for k, t in zip(places, tangents, strict=True):
                if not (isinstance(t, zero) or t.dtype == jax.dtypes.float0):
                    moving[k] = t
            if all(t is None for t in moving):
                return y, jax.numpy.zeros_like(y)
            moved = pushed(own, primitive, moving, y, filled(primals), params)
            return y, jax.numpy.asarray(moved, dtype=y.dtype)

        f.defjvp(push, symbolic_zeros=True)
        return f(*(args[k] for k in places))

    return call
