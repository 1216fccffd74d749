"""Patterns of JAX functions: their programs (jaxprs), or those of the derivative, read on index sets."""

from polyad.systems.jax.sparsity.routes import hessian_sets, jacobian_sets

__all__ = ["hessian_sets", "jacobian_sets"]
