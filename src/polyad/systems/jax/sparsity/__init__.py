"""Patterns of JAX functions: the program (jaxpr) of the derivative, read on index sets."""

from polyad.systems.jax.sparsity.program import NoForward, pattern_of

__all__ = ["NoForward", "pattern_of"]
