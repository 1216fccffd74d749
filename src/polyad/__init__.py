"""One interface to every way of differentiating a Python program."""

from polyad import errors
from polyad.arrays.namespace import namespace
from polyad.backends.jax import JAX
from polyad.operators.gradient import gradient, prepare_gradient, value_and_gradient
from polyad.operators.signature import Static

__all__ = ["JAX", "Static", "errors", "gradient", "namespace", "prepare_gradient", "value_and_gradient"]
