"""What an operator needs of a function and of its arguments, asked before anything is differentiated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyad.call.function.flat import complex_value
from polyad.call.saved.known import recall
from polyad.errors import ArgumentError, HolomorphicError, NonScalarOutputError

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["check_call", "check_input", "check_outputs"]


def check_call(operator: str, f: Any, args: tuple[Any, ...], on_mismatch: str) -> None:
    """Refuse calls in which something is missing or in the wrong place."""
    if not callable(f):
        raise ArgumentError(f"{operator} takes the function first, then its arguments: f is {f!r}")
    if not args:
        raise ArgumentError(f"{operator} needs the arguments of the function: {operator}(f, x, ...)")
    if on_mismatch not in ("raise", "reprepare"):
        raise ArgumentError(f"on_mismatch is 'raise' or 'reprepare', not {on_mismatch!r}")


def check_input(prepared: Prepared) -> None:
    """Refuse an input that the operator, or the backend, has no derivative by."""
    if prepared.scalar_input:
        shapes = [spec.shape for spec in prepared.signature.x_specs]
        if shapes != [()]:
            shape = shapes[0] if len(shapes) == 1 else f"a tree of {len(shapes)} leaves"
            raise ArgumentError(
                f"input has shape {shape}, {prepared.operator} needs a scalar input: use "
                f"{'jacobian or gradient' if prepared.lower is None else 'hessian'}"
            )
    if not prepared.backend.complex_inputs and any(s.is_complex for s in prepared.signature.x_specs):
        raise ArgumentError(f"{prepared.backend!r} takes no complex inputs: use backend='jax' or 'torch'")


def check_outputs(prepared: Prepared) -> None:
    """Learn the output at preparation, so that mistakes show here and not at the tenth call."""
    if prepared._kept is not None:
        recall(prepared)
    if prepared.scalar_output and any(spec.is_complex for spec in prepared.problem.outputs):
        raise NonScalarOutputError(complex_value(prepared.operator))
    if prepared.gives == "hessian" and any(spec.is_complex for spec in prepared.problem.inputs):
        raise HolomorphicError(
            "a real function of complex arguments has no Hessian of shape input.shape * 2: "
            "use hvp, or differentiate with respect to real and imaginary parts"
        )
