"""polyad: one interface to every way of differentiating a Python program.

Importing it loads no AD framework, no part of SciPy and no rule: a name of the interface brings its module
when it is first used (PEP 562), and a backend its framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyad import (
        errors,
        integrate,
        interpolate,
        linalg,
        optimize,
        solvers,
        sparse,
        special,
        stats,
        workers,
    )
    from polyad.arrays.namespace import namespace
    from polyad.call.function.inplace import inplace
    from polyad.call.inputs.arguments import Static
    from polyad.call.inputs.scratch import Cache
    from polyad.call.saved.file import load
    from polyad.combine.from_primitive import FromPrimitive
    from polyad.combine.mixed import MixedMode
    from polyad.combine.second_order import SecondOrder
    from polyad.engine.define import custom_rule, define
    from polyad.engine.implicit.functions import fixed_point, implicit
    from polyad.engine.loops.associative import associative_scan
    from polyad.engine.loops.cond import cond, switch
    from polyad.engine.loops.scan import fori_loop, scan
    from polyad.engine.loops.while_loop import while_loop
    from polyad.engine.stop import stop_gradient
    from polyad.linear.gauss_newton import gauss_newton_operator
    from polyad.linear.hessian import hessian_operator
    from polyad.linear.jacobian import jacobian_operator
    from polyad.operators.derivative import derivative, prepare_derivative, value_and_derivative
    from polyad.operators.differentiate_with import differentiate_with
    from polyad.operators.gradient import gradient, prepare_gradient, value_and_gradient
    from polyad.operators.hessian import hessian, prepare_hessian, value_gradient_and_hessian
    from polyad.operators.hessian_sparsity import hessian_sparsity
    from polyad.operators.hvp import gradient_and_hvp, hvp, prepare_hvp, value_gradient_and_hvp
    from polyad.operators.jacobian import jacobian, prepare_jacobian, value_and_jacobian
    from polyad.operators.jacobian_sparsity import jacobian_sparsity
    from polyad.operators.jvp import jvp, prepare_jvp, value_and_jvp
    from polyad.operators.laplacian import bilaplacian, laplacian, prepare_bilaplacian, prepare_laplacian
    from polyad.operators.linearize import linearize
    from polyad.operators.map_gradient import map_gradient, prepare_map_gradient
    from polyad.operators.second_derivative import (
        prepare_second_derivative,
        second_derivative,
        value_derivative_and_second_derivative,
    )
    from polyad.operators.taylor import prepare_taylor, taylor
    from polyad.operators.vjp import prepare_vjp, value_and_vjp, vjp
    from polyad.sparse.backend import Sparse
    from polyad.sparse.known import KnownPattern
    from polyad.systems.autograd.backend import Autograd
    from polyad.systems.casadi.backend import CasADi
    from polyad.systems.finite.backend import FiniteDifferences
    from polyad.systems.jax.backend import JAX
    from polyad.systems.numpy.backend import NumPy
    from polyad.systems.overview import backends
    from polyad.systems.sympy.backend import SymPy
    from polyad.systems.torch.backend import Torch

__version__ = "0.1.0"

__all__ = [
    "JAX",
    "Autograd",
    "Cache",
    "CasADi",
    "FiniteDifferences",
    "FromPrimitive",
    "KnownPattern",
    "MixedMode",
    "NumPy",
    "SecondOrder",
    "Sparse",
    "Static",
    "SymPy",
    "Torch",
    "associative_scan",
    "backends",
    "bilaplacian",
    "cond",
    "custom_rule",
    "define",
    "derivative",
    "differentiate_with",
    "errors",
    "fixed_point",
    "fori_loop",
    "gauss_newton_operator",
    "gradient",
    "gradient_and_hvp",
    "hessian",
    "hessian_operator",
    "hessian_sparsity",
    "hvp",
    "implicit",
    "inplace",
    "integrate",
    "interpolate",
    "jacobian",
    "jacobian_operator",
    "jacobian_sparsity",
    "jvp",
    "laplacian",
    "linalg",
    "linearize",
    "load",
    "map_gradient",
    "namespace",
    "optimize",
    "prepare_bilaplacian",
    "prepare_derivative",
    "prepare_gradient",
    "prepare_hessian",
    "prepare_hvp",
    "prepare_jacobian",
    "prepare_jvp",
    "prepare_laplacian",
    "prepare_map_gradient",
    "prepare_second_derivative",
    "prepare_taylor",
    "prepare_vjp",
    "scan",
    "second_derivative",
    "solvers",
    "sparse",
    "special",
    "stats",
    "stop_gradient",
    "switch",
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
    "while_loop",
    "workers",
]

# In which modules the names are, for the running program: what a type checker reads above (a test compares).
_NAMES = {
    "arrays.namespace": "namespace",
    "call.function.inplace": "inplace",
    "call.inputs.arguments": "Static",
    "call.inputs.scratch": "Cache",
    "call.saved.file": "load",
    "combine.from_primitive": "FromPrimitive",
    "combine.mixed": "MixedMode",
    "combine.second_order": "SecondOrder",
    "engine.define": "custom_rule define",
    "engine.implicit.functions": "fixed_point implicit",
    "engine.loops.associative": "associative_scan",
    "engine.loops.cond": "cond switch",
    "engine.loops.scan": "fori_loop scan",
    "engine.loops.while_loop": "while_loop",
    "engine.stop": "stop_gradient",
    "linear.gauss_newton": "gauss_newton_operator",
    "linear.hessian": "hessian_operator",
    "linear.jacobian": "jacobian_operator",
    "operators.derivative": "derivative prepare_derivative value_and_derivative",
    "operators.differentiate_with": "differentiate_with",
    "operators.gradient": "gradient prepare_gradient value_and_gradient",
    "operators.hessian": "hessian prepare_hessian value_gradient_and_hessian",
    "operators.hessian_sparsity": "hessian_sparsity",
    "operators.hvp": "gradient_and_hvp hvp prepare_hvp value_gradient_and_hvp",
    "operators.jacobian": "jacobian prepare_jacobian value_and_jacobian",
    "operators.jacobian_sparsity": "jacobian_sparsity",
    "operators.jvp": "jvp prepare_jvp value_and_jvp",
    "operators.laplacian": "bilaplacian laplacian prepare_bilaplacian prepare_laplacian",
    "operators.linearize": "linearize",
    "operators.map_gradient": "map_gradient prepare_map_gradient",
    "operators.second_derivative": "prepare_second_derivative second_derivative "
    "value_derivative_and_second_derivative",
    "operators.taylor": "prepare_taylor taylor",
    "operators.vjp": "prepare_vjp value_and_vjp vjp",
    "sparse.backend": "Sparse",
    "sparse.known": "KnownPattern",
    "systems.autograd.backend": "Autograd",
    "systems.casadi.backend": "CasADi",
    "systems.finite.backend": "FiniteDifferences",
    "systems.jax.backend": "JAX",
    "systems.numpy.backend": "NumPy",
    "systems.overview": "backends",
    "systems.sympy.backend": "SymPy",
    "systems.torch.backend": "Torch",
}
_HOMES = {name: f"polyad.{module}" for module, names in _NAMES.items() for name in names.split()}
_MODULES = frozenset(
    {
        "errors",
        "integrate",
        "interpolate",
        "linalg",
        "optimize",
        "solvers",
        "sparse",
        "special",
        "stats",
        "workers",
    }
)


if not TYPE_CHECKING:  # a type checker that saw it would believe that polyad has every name

    def __getattr__(name: str) -> Any:
        """A name of the interface, which stays here once it has been asked for."""
        if name in _MODULES:
            return importlib.import_module(f"polyad.{name}")
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'polyad' has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(home), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
