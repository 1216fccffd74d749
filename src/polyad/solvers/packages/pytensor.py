"""PyTensor: a function of any framework as an ``Op`` with a gradient, so that PyMC's models contain it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError, UnsupportedOperatorError
from polyad.operators.differentiate_with import PreparedValue, differentiate_with
from polyad.operators.vjp import PreparedVJP
from polyad.solvers.packages.checks import array, function, looked_at, needing
from polyad.systems.registry import resolve

__all__ = ["op"]


def op(f: Callable[..., Any], *examples: Any, backend: Any = None, follow: Any = None) -> Any:
    """An ``Op`` of ``f``, to be applied to PyTensor's variables.

    Parameters
    ----------
    f : callable
        ``f(*arrays)``, one array or number.
    *examples : array or number
        An example of each argument, of the shape that it will have.
    backend, follow
        As for ``vjp``.

    Returns
    -------
    pytensor.graph.op.Op
        With a gradient by ``vjp``, and with JAX's implementation where JAX compiles the model. Second
        derivatives are refused.

    Raises
    ------
    polyad.errors.ArgumentError
        If an example is not finite, or the function returns more than one array.
    """
    with needing("pytensor", "pytensor"):
        import pytensor.tensor as pt
        from pytensor.graph.basic import Apply
        from pytensor.graph.op import Op

    function(f, "function")
    examples = tuple(array(a, f"example {k}") for k, a in enumerate(examples))
    found, every = resolve(backend), tuple(range(len(examples)))
    options: dict[str, Any] = {"backend": found, "argnums": every, "follow": follow}
    value = PreparedValue(f, examples, **options)
    looked_at(value, "function", "PyTensor")
    (spec,) = value.problem.outputs
    pull = PreparedVJP(f, examples, seed=np.ones(spec.shape), **options)
    label = getattr(f, "__name__", type(f).__name__)

    def variables(given: Any) -> list[Any]:
        return [pt.as_tensor_variable(a, dtype="float64") for a in given]

    class Value(Op):
        __props__ = ()

        def make_node(self, *given: Any) -> Any:
            if len(given) != len(examples):
                raise ArgumentError(
                    f"{label} was given {len(given)} arguments for {len(examples)} examples: pass as many"
                )
            return Apply(self, variables(given), [pt.TensorType("float64", shape=spec.shape)()])

        def perform(self, node: Any, given: Any, outputs: Any) -> None:
            outputs[0][0] = np.asarray(value(*given), dtype=np.float64)

        def pullback(self, given: Any, _: Any, cotangents: Any) -> Any:
            return gradient(*given, cotangents[0], return_list=True)

        def __str__(self) -> str:
            return f"polyad({label})"

    class Gradient(Op):
        __props__ = ()

        def make_node(self, *given: Any) -> Any:
            shapes = [a.shape for a in examples]
            return Apply(self, variables(given), [pt.TensorType("float64", shape=s)() for s in shapes])

        def perform(self, node: Any, given: Any, outputs: Any) -> None:
            parts = pull(*given[:-1], w=np.asarray(given[-1]))
            for out, part in zip(outputs, parts, strict=True):
                out[0] = np.asarray(part, dtype=np.float64)

        def pullback(self, given: Any, outputs: Any, cotangents: Any) -> Any:
            raise UnsupportedOperatorError(
                f"PyTensor is given first derivatives of {label}, and asks for second ones: take those of "
                "the whole function by polyad.hessian or hvp, outside of PyTensor"
            )

    gradient = Gradient()
    if not hasattr(Op, "pullback"):  # up to PyTensor 2.38, which PyMC 5 takes
        Value.L_op, Gradient.L_op = Value.pullback, Gradient.pullback

    with contextlib.suppress(ImportError):  # of JAX
        from pytensor.link.jax.dispatch import jax_funcify

        host = differentiate_with(f, found)

        def pulled(*given: Any) -> Any:
            import jax

            return jax.vjp(host, *given[:-1])[1](given[-1])

        jax_funcify.register(Value)(lambda op, **_: host)
        jax_funcify.register(Gradient)(lambda op, **_: pulled)

    return Value()
