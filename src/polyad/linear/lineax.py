"""Operators as those of lineax, whose iterative solvers run inside of JAX's programs."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.errors import ArgumentError, OptionalPackageError

if TYPE_CHECKING:
    from polyad.linear.operator import Operator

__all__ = ["as_lineax"]


def as_lineax(operator: Operator, tags: Any) -> Any:
    """A ``lineax.FunctionLinearOperator`` of the products at the operator's point."""
    try:
        import jax
        import lineax
    except ImportError:
        raise OptionalPackageError(
            "to_lineax needs lineax, which is not installed: pip install lineax"
        ) from None
    n, dtype = operator.shape[1], operator.dtype
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ArgumentError(
            f"JAX makes no {dtype} arrays now, so lineax would solve in less precision: make the operator of "
            "float32 arrays, or call this, and the solver, with jax_enable_x64"
        )
    here = copy.copy(operator)  # a compiled program must not change with what moves later

    product = _primitive()

    def linear(v: Any) -> Any:
        return product.bind(v, operator=here, adjoint=False)

    return lineax.FunctionLinearOperator(linear, jax.ShapeDtypeStruct((n,), dtype), tags)


@functools.cache
def _primitive() -> Any:
    """JAX's primitive of a product, which it can batch, differentiate and transpose."""
    import jax
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    product = Primitive("polyad_product")

    def shape_of(v: Any, operator: Operator, adjoint: bool) -> Any:
        return (*v.shape[:-1], operator.shape[1 if adjoint else 0])

    def call(v: Any, *, operator: Operator, adjoint: bool) -> Any:
        def compute(v: Any) -> Any:
            v = np.asarray(v)
            columns = operator._numpy(v.reshape(-1, v.shape[-1]).T, adjoint=adjoint)
            return np.ascontiguousarray(columns.T).reshape(shape_of(v, operator, adjoint))

        out = jax.ShapeDtypeStruct(shape_of(v, operator, adjoint), operator.dtype)
        return jax.pure_callback(compute, out, v)

    def batched(args: Any, axes: Any, **params: Any) -> Any:
        return product.bind(jax.numpy.moveaxis(args[0], axes[0], 0), **params), 0

    def transposed(w: Any, v: Any, *, operator: Operator, adjoint: bool) -> Any:
        return [product.bind(w, operator=operator, adjoint=not adjoint)]

    product.def_impl(lambda v, **params: jax.jit(functools.partial(call, **params))(v))
    product.def_abstract_eval(
        lambda v, *, operator, adjoint: jax.core.ShapedArray(shape_of(v, operator, adjoint), v.dtype)
    )
    mlir.register_lowering(product, mlir.lower_fun(call, multiple_results=False))
    ad.deflinear2(product, transposed)
    batching.primitive_batchers[product] = batched
    return product
