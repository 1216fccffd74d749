"""SciPy's own functions inside other frameworks, where these have none of that name.

The values come from SciPy on the host; the derivatives from the table, computed in the framework's own
arrays, so that they can be differentiated again, batched and compiled. What is here is the same for every
framework; how a function of the host enters one of them is in ``systems/<name>/adapter.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.kinds import PARTIALS, hosted, missing_partial
from polyad.engine.core.values import Primitive, Tracer, Value
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["Hosting", "on_host", "partial", "result_dtype"]


def on_host(primitive: Primitive, args: Sequence[Any]) -> np.ndarray:
    """The values, as an array of the dtype that SciPy gives to those of the operands."""
    # as the other operations of frameworks, which never warn
    heard = get_state()
    try:
        set_state(SILENT)
        return np.asarray(primitive.compute(*args))
    finally:
        set_state(heard)


def partial(primitive: Primitive, k: int, own: Adapter, y: Any, args: Sequence[Any]) -> Any:
    """The partial derivative by operand ``k``, computed with the framework's operations."""
    d = PARTIALS[primitive.name][0][k]
    if d is None:
        raise missing_partial(primitive.name, k)
    result: Value = d(_entered(own, y), *(_entered(own, a) for a in args))
    return result.array if type(result) is Proxy else result


def _entered(own: Adapter, a: Any) -> Value:
    return Proxy(own.name, a) if own.is_own(a) and not isinstance(a, Tracer | np.ndarray | float | int) else a


def result_dtype(primitive: Primitive, dtypes: Sequence[Any]) -> np.dtype[Any]:
    """The dtype of the result for operands of these dtypes, or for these Python numbers."""
    ones = [d if isinstance(d, int | float | complex) else np.ones((), d) for d in dtypes]
    return on_host(primitive, ones).dtype


class Hosting(Adapter):
    """A library that has complex arrays, and special functions of real numbers only."""

    def host(self, primitive: Primitive) -> Callable[..., Any]:
        """SciPy's function within the library's transformations."""
        raise NotImplementedError

    def is_complex(self, a: Any) -> bool:
        """Whether an operand is an array of complex numbers."""
        return hasattr(a, "dtype") and a.dtype.kind == "c"

    def real_or_host(
        self, found: Callable[..., Any] | None, primitive: Primitive
    ) -> Callable[..., Any] | None:
        """The library's own function for real numbers, SciPy's for complex ones."""
        if found is None or not hosted(primitive):
            return found
        by_scipy = self.host(primitive)

        def call(*args: Any, **params: Any) -> Any:
            if any(map(self.is_complex, args)):
                return by_scipy(*args)
            return found(*args, **params)

        return call
