"""What the proxy needs to know of each library, found when one of its arrays arrives.

An operation is looked up by the name of its primitive: among the library's exceptions (``own_...``
here), then among the operators that every library has, then in its own namespaces.
"""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library as library_named
from polyad.engine.core import Primitive
from polyad.engine.refuse import refuse

__all__ = ["Adapter", "adapter"]

# What Python's own operators do in every library.
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "power": operator.pow,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "invert": operator.invert,
    "getitem": lambda x, index: x[index],
}


class Adapter:
    """One array library under NumPy code."""

    name = "?"
    # whether ``stop`` costs nothing and leaves an array
    stops = False
    # what to raise where one of its arrays meets one of another library; None for the usual error
    mixed: type[Exception] | None = None

    def __init__(self) -> None:
        self._found: dict[str, Callable[..., Any] | None] = {}

    def main(self) -> Any:
        """Its counterpart of ``numpy``."""
        raise NotImplementedError

    def namespaces(self, home: str) -> tuple[Any, ...]:
        """Where its functions are, under the names of ``home``: ``"numpy"`` or ``"scipy.special"``."""
        raise NotImplementedError

    def compute(self, primitive: Primitive) -> Callable[..., Any] | None:
        """The library's own version of a primitive, or None."""
        name = primitive.name
        if name not in self._found:
            found = self._search(name, primitive.home)
            if found is not None and self.stops and primitive.is_constant:
                found = self._of_values(found)
            self._found[name] = found
        return self._found[name]

    def _of_values(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A piecewise constant function, whose rule the library need not have."""
        stop, own = self.stop, self.is_own
        return lambda *args, **params: f(*[stop(a) if own(a) else a for a in args], **params)

    def _search(self, name: str, home: str) -> Callable[..., Any] | None:
        own = getattr(self, f"own_{name}", None) or OPERATORS.get(name)
        if own is not None:
            return own
        for place in self.namespaces(home):
            found = getattr(place, name, None)
            if found is not None:
                return self.adapted(found)
        return None

    def adapted(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """One of the library's functions as the proxy calls it."""
        return f

    def dtype(self, a: Any) -> np.dtype[Any]:
        """NumPy's dtype of an array."""
        return library_named(self.name).spec(a).dtype

    def constant(self, a: Any, beside: Any) -> Any:
        """A NumPy array as the library's, where ``beside`` is."""
        raise NotImplementedError

    def is_own(self, a: Any) -> bool:
        """Whether a result is the library's array, not NumPy's."""
        return True

    def truth(self, a: Any) -> bool:
        """``bool(a)``, or the error that says why a branch cannot be taken."""
        try:
            return bool(a)
        except Exception as error:
            raise refuse(
                f"a branch depends on a value that {self.name} does not have yet (it is tracing)",
                "use np.where, or a backend that runs the function on values: 'numpy'",
            ) from error

    def stop(self, a: Any) -> Any:
        """The array without its derivative."""
        raise NotImplementedError

    def values(self, a: Any) -> np.ndarray | None:
        """The numbers in an array, or None where it has none yet."""
        return None

    def later(self, check: Callable[..., Any], arrays: tuple[Any, ...]) -> None:
        """Make a check on values, which raises, whenever there are any; a library that traces has none."""

    # -- what has other names or forms nearly everywhere ---------------------------------------------

    def own_concatenate(self, *parts: Any, axis: int) -> Any:
        return self.main().concatenate(list(parts), axis=axis)

    def own_stack(self, *parts: Any, axis: int) -> Any:
        return self.main().stack(list(parts), axis=axis)

    def own_einsum(self, *operands: Any, subscripts: str) -> Any:
        return self.main().einsum(subscripts, *operands)

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return self.main().zeros(shape, dtype=like.dtype)

    def own_svd(self, a: Any) -> Any:
        return tuple(self._linalg().svd(a, full_matrices=False))

    def _linalg(self) -> Any:
        return self.main().linalg

    def own_searchsorted(self, nodes: Any, points: Any, side: str) -> Any:
        return self.main().searchsorted(nodes, points, side=side)

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        return self._linalg().pinv(a, rcond)

    def own_fft(self, x: Any, axis: int) -> Any:
        return self.main().fft.fft(x, axis=axis)

    def own_ifft(self, x: Any, axis: int) -> Any:
        return self.main().fft.ifft(x, axis=axis)

    def own_argsort(self, x: Any, axis: int) -> Any:
        return self.main().argsort(x, axis=axis)

    def own_argpartition(self, x: Any, kth: Any, axis: int) -> Any:
        return self.own_argsort(x, axis)  # sorted altogether is one of the orders that are promised

    def own_truncate_to(self, x: Any, dtype: Any) -> Any:
        return self.own_astype(x, dtype)

    def own_astype(self, x: Any, dtype: Any) -> Any:
        return x.astype(dtype)


# library -> the class in the module ``library_<name>``
ADAPTERS = {
    "jax": "JAX",
    "torch": "Torch",
    "autograd": "Autograd",
    "casadi": "CasADi",
    "sympy": "SymPy",
    "recording": "Recording",
}


@functools.cache
def adapter(library: str) -> Adapter:
    """The adapter of a library.

    Raises
    ------
    polyad.errors.OperationNotSupportedError
        If NumPy code cannot be lifted to it.
    """
    if library not in ADAPTERS:
        raise refuse(f"NumPy functions cannot be lifted to arrays of {library}", "convert them to NumPy")
    module = importlib.import_module(f"polyad.engine.library_{library}")
    return getattr(module, ADAPTERS[library])()
