"""polyad: one interface to every way of differentiating a Python program.

Importing it loads no AD framework; a backend imports its own when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyad import errors
from polyad.arrays.namespace import namespace
from polyad.call.function.inplace import inplace
from polyad.call.inputs.arguments import Static
from polyad.call.inputs.scratch import Cache
from polyad.combine.from_primitive import FromPrimitive
from polyad.engine.define import define
from polyad.engine.stop import stop_gradient
from polyad.operators.derivative import derivative, prepare_derivative, value_and_derivative
from polyad.operators.gradient import gradient, prepare_gradient, value_and_gradient
from polyad.operators.hessian import hessian, prepare_hessian, value_gradient_and_hessian
from polyad.operators.hvp import gradient_and_hvp, hvp, prepare_hvp, value_gradient_and_hvp
from polyad.operators.jacobian import jacobian, prepare_jacobian, value_and_jacobian
from polyad.operators.jvp import jvp, prepare_jvp, value_and_jvp
from polyad.operators.linearize import linearize
from polyad.operators.second_derivative import (
    prepare_second_derivative,
    second_derivative,
    value_derivative_and_second_derivative,
)
from polyad.operators.taylor import prepare_taylor, taylor
from polyad.operators.vjp import prepare_vjp, value_and_vjp, vjp
from polyad.systems.autograd.backend import Autograd
from polyad.systems.casadi.backend import CasADi
from polyad.systems.finite.backend import FiniteDifferences
from polyad.systems.jax.backend import JAX
from polyad.systems.numpy.backend import NumPy
from polyad.systems.overview import backends
from polyad.systems.sympy.backend import SymPy
from polyad.systems.torch.backend import Torch

if TYPE_CHECKING:
    from polyad import linalg, special

__version__ = "0.1.0"

__all__ = [
    "JAX",
    "Autograd",
    "Cache",
    "CasADi",
    "FiniteDifferences",
    "FromPrimitive",
    "NumPy",
    "Static",
    "SymPy",
    "Torch",
    "backends",
    "define",
    "derivative",
    "errors",
    "gradient",
    "gradient_and_hvp",
    "hessian",
    "hvp",
    "inplace",
    "jacobian",
    "jvp",
    "linalg",
    "linearize",
    "namespace",
    "prepare_derivative",
    "prepare_gradient",
    "prepare_hessian",
    "prepare_hvp",
    "prepare_jacobian",
    "prepare_jvp",
    "prepare_second_derivative",
    "prepare_taylor",
    "prepare_vjp",
    "second_derivative",
    "special",
    "stop_gradient",
    "taylor",
    "value_and_derivative",
    "value_and_gradient",
    "value_and_jacobian",
    "value_and_jvp",
    "value_and_vjp",
    "value_derivative_and_second_derivative",
    "value_gradient_and_hessian",
    "value_gradient_and_hvp",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """The namespaces that are loaded when they are first used."""
    if name in ("linalg", "special"):
        import importlib

        return importlib.import_module(f"polyad.{name}")
    raise AttributeError(f"module 'polyad' has no attribute {name!r}")
