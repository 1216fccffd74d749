"""OpenMDAO: an explicit component with the partials of its function, sparse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.operators.jacobian import PreparedJacobian
from polyad.solvers.packages.checks import array, function, looked_at, needing, valued
from polyad.sparse.backend import Sparse
from polyad.systems.registry import resolve

__all__ = ["component"]


def component(
    f: Callable[..., Any], inputs: dict[str, Any], *args: Any, backend: Any = None, follow: Any = None
) -> Any:
    """An ``ExplicitComponent`` of a function of a dict.

    Parameters
    ----------
    f : callable
        ``f(inputs, *args)``: from a dict of arrays to a dict of arrays.
    inputs : dict
        Their initial values, of which the names and shapes are taken.
    *args
        Constants.
    backend, follow
        As for ``jacobian``.

    Returns
    -------
    openmdao.api.ExplicitComponent
        Its partials are declared with their rows and columns.

    Raises
    ------
    polyad.errors.ArgumentError
        If inputs or outputs are no dict of arrays by name, or an input is not finite.
    """
    with needing("openmdao", "openmdao"):
        import openmdao.api as om

    function(f, "function")
    _named(inputs, "inputs are")
    start = {name: array(value, f"the input {name!r}") for name, value in inputs.items()}
    found = resolve(backend)
    made = PreparedJacobian(
        f, (start, *args), backend=found if isinstance(found, Sparse) else Sparse(found), follow=follow
    )
    looked_at(made, "function", "OpenMDAO", one=False)
    value = valued(f, (start, *args), backend=found, follow=follow)
    values, blocks = made.value_and(start, *args)
    _named(values, "the function returns")

    class Differentiated(om.ExplicitComponent):
        def setup(self) -> None:
            for name, value in start.items():
                self.add_input(name, val=value)
            for name, value in values.items():
                self.add_output(name, val=np.asarray(value))

        def setup_partials(self) -> None:
            for of, row in blocks.items():
                for wrt, block in row.items():
                    at = block.tocoo()
                    self.declare_partials(of, wrt, rows=at.row, cols=at.col)

        def compute(self, inputs: Any, outputs: Any, *_: Any) -> None:
            for name, found in value({name: np.array(inputs[name]) for name in start}, *args).items():
                outputs[name] = found

        def compute_partials(self, inputs: Any, partials: Any, *_: Any) -> None:
            found = made({name: np.array(inputs[name]) for name in start}, *args)
            for of, row in found.items():
                for wrt, block in row.items():
                    partials[of, wrt] = block.data

    return Differentiated()


def _named(given: Any, what: str) -> None:
    """Refuse what is no dict of arrays by name."""
    if not isinstance(given, dict) or not given:
        raise ArgumentError(
            f"{what} a {type(given).__name__}: OpenMDAO takes a dict of arrays by their names"
        )
    for name, value in given.items():
        if not isinstance(name, str) or (isinstance(value, dict | list | tuple) and _nested(value)):
            raise ArgumentError(
                f"{what} a dict with {name!r}: {value!r}; OpenMDAO takes one array for each name, a str"
            )


def _nested(value: Any) -> bool:
    return isinstance(value, dict) or any(isinstance(part, dict) for part in value)
