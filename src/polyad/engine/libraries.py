"""What the proxy needs to know of each library, found when one of its arrays arrives.

An operation is looked up by the name of its primitive: among the library's exceptions (``own_...``
here), then among the operators that every library has, then in its own namespaces.
"""

from __future__ import annotations

import functools
import operator
import sys
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
            self._found[name] = self._search(name, primitive.home)
        return self._found[name]

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

    def own_truncate_to(self, x: Any, dtype: Any) -> Any:
        return self.own_astype(x, dtype)

    def own_astype(self, x: Any, dtype: Any) -> Any:
        return x.astype(dtype)


class JAX(Adapter):
    """``jax.numpy``."""

    name = "jax"

    def main(self) -> Any:
        import jax.numpy

        return jax.numpy

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import jax.scipy.special

        return (self.main(), self.main().linalg) if home == "numpy" else (jax.scipy.special,)

    def constant(self, a: Any, beside: Any) -> Any:
        return self.main().asarray(a) if isinstance(a, np.ndarray) else a

    def stop(self, a: Any) -> Any:
        return sys.modules["jax"].lax.stop_gradient(a)

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        return self.main().asarray(x).at[index].set(v)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        return self.main().zeros(shape, dtype=w.dtype).at[index].add(w)

    def own_getitem(self, x: Any, index: Any) -> Any:
        tracer = sys.modules["jax"].core.Tracer
        for k in index if type(index) is tuple else (index,):
            if isinstance(k, tracer) and k.dtype == bool:
                raise refuse(
                    "a mask that JAX is still tracing picks entries, whose number is not known",
                    "use np.where(mask, x, 0)",
                )
        return x[index]

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        return self._linalg().pinv(a, rtol=rcond)


class Torch(Adapter):
    """``torch``, through array-api-compat where names or forms differ."""

    name = "torch"

    def main(self) -> Any:
        import array_api_compat.torch

        return array_api_compat.torch

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import torch

        # torch.solve is a relic and torch.kl_div another function: each name from its own place only
        return (torch.linalg, self.main()) if home == "numpy" else (torch.special,)

    def adapted(self, f: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        def call(*args: Any, **params: Any) -> Any:
            like = next(a for a in args if isinstance(a, torch.Tensor))
            return f(
                *[a if isinstance(a, torch.Tensor) else self._number(a, like) for a in args],
                **params,
            )

        return call

    def _number(self, a: Any, like: Any) -> Any:
        import torch

        inexact = like.is_floating_point() or like.is_complex()
        dtype = None if isinstance(a, complex) or not inexact else like.dtype
        return torch.as_tensor(a, dtype=dtype, device=like.device)

    def constant(self, a: Any, beside: Any) -> Any:
        import torch

        # a copy: torch keeps it for the way back, and the caller may write to his
        return torch.tensor(a, device=beside.device)

    def stop(self, a: Any) -> Any:
        return a.detach()

    def own_where(self, condition: Any, a: Any, b: Any) -> Any:
        import torch

        tensors = [v for v in (a, b) if isinstance(v, torch.Tensor)]
        if not isinstance(condition, torch.Tensor):
            condition = torch.as_tensor(condition, device=tensors[0].device)
        if not tensors:
            return torch.where(condition, torch.tensor(float(a)), torch.tensor(float(b)))
        return torch.where(
            condition,
            *[v if isinstance(v, torch.Tensor) else self._number(v, tensors[0]) for v in (a, b)],
        )

    def own_getitem(self, x: Any, index: Any) -> Any:
        keys = index if type(index) is tuple else (index,)
        if any(isinstance(k, slice) and (k.step or 1) < 0 for k in keys):
            return x.reshape(-1)[self._positions(x.shape, index, x)]
        return x[self._converted(index, x)]

    def _converted(self, index: Any, x: Any) -> Any:
        if type(index) is tuple:
            return tuple(self._converted(k, x) for k in index)
        return self.constant(np.ascontiguousarray(index), x) if isinstance(index, np.ndarray) else index

    def _positions(self, shape: Any, index: Any, x: Any) -> Any:
        """Flat positions of what an index picks."""
        import torch

        size = int(np.prod(tuple(shape)))
        if any(isinstance(k, torch.Tensor) for k in (index if type(index) is tuple else (index,))):
            return torch.arange(size, device=x.device).reshape(tuple(shape))[self._converted(index, x)]
        return torch.as_tensor(np.ascontiguousarray(np.arange(size).reshape(tuple(shape))[index]), device=x.device)

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        import torch

        where = self._positions(x.shape, index, x)
        v = v if isinstance(v, torch.Tensor) else self._number(v, x)
        v = v.to(x.dtype).reshape(v.shape[max(0, v.ndim - where.ndim) :]).expand(where.shape)
        return x.reshape(-1).index_put((where.reshape(-1),), v.reshape(-1)).reshape(x.shape)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        import torch

        where = self._positions(shape, index, w)
        zeros = torch.zeros(int(np.prod(shape)), dtype=w.dtype, device=w.device)
        return zeros.index_put((where.reshape(-1),), w.reshape(-1), accumulate=True).reshape(shape)

    def own_transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.permute(axes)

    def own_conjugate(self, x: Any) -> Any:
        import torch

        return torch.conj(x).resolve_conj()

    def own_real(self, x: Any) -> Any:
        return x.real

    def own_imag(self, x: Any) -> Any:
        import torch

        return x.imag if x.is_complex() else torch.zeros_like(x)

    def own_absolute(self, x: Any) -> Any:
        return x.abs()

    def own_cumsum(self, x: Any, axis: int) -> Any:
        return x.cumsum(axis)

    def own_fft(self, x: Any, axis: int) -> Any:
        import torch

        return torch.fft.fft(x, dim=axis)

    def own_ifft(self, x: Any, axis: int) -> Any:
        import torch

        return torch.fft.ifft(x, dim=axis)

    def own_heaviside(self, x: Any, h: Any) -> Any:
        return self.own_where(x == 0, h, self.own_where(x > 0, 1.0, 0.0))

    def own_svd(self, a: Any) -> Any:
        import torch

        return tuple(torch.linalg.svd(a, full_matrices=False))

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        import torch

        return torch.linalg.pinv(a, rtol=rcond)

    def own_astype(self, x: Any, dtype: Any) -> Any:
        import torch

        return x.to(getattr(torch, str(np.dtype(dtype))))

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        import torch

        return torch.zeros(shape, dtype=like.dtype, device=like.device)

    def own_concatenate(self, *parts: Any, axis: int) -> Any:
        import torch

        return torch.cat([self._tensor(p, parts) for p in parts], dim=axis)

    def own_stack(self, *parts: Any, axis: int) -> Any:
        import torch

        return torch.stack([self._tensor(p, parts) for p in parts], dim=axis)

    def _tensor(self, p: Any, parts: tuple[Any, ...]) -> Any:
        import torch

        return p if isinstance(p, torch.Tensor) else self._number(p, next(q for q in parts if q is not p))

    def own_einsum(self, *operands: Any, subscripts: str) -> Any:
        import torch

        return torch.einsum(subscripts, *operands)

    def own_matmul(self, a: Any, b: Any) -> Any:
        return a @ b


class Autograd(Adapter):
    """``autograd.numpy``; what does not depend on the input stays NumPy's."""

    name = "autograd"

    def main(self) -> Any:
        import autograd.numpy

        return autograd.numpy

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import autograd.scipy.special

        return (self.main(), self.main().linalg) if home == "numpy" else (autograd.scipy.special,)

    def is_own(self, a: Any) -> bool:
        return not isinstance(a, np.ndarray | np.generic | float | int)

    def constant(self, a: Any, beside: Any) -> Any:
        return a.copy() if isinstance(a, np.ndarray) else a

    def stop(self, a: Any) -> Any:
        from autograd.tracer import getval

        while (value := getval(a)) is not a:
            a = value
        return a

    def own_reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return self.main().reshape(x, shape)

    def own_transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return self.main().transpose(x, axes)

    def own_broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x * np.ones(shape)

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        anp = self.main()
        size = int(np.prod(x.shape))
        where = np.arange(size).reshape(x.shape)[index]
        source = np.arange(size)
        source[np.ravel(where)] = size + np.arange(where.size)
        values = anp.reshape(v * np.ones(np.shape(where)), (-1,))
        return anp.reshape(anp.concatenate([anp.reshape(x, (-1,)), values])[source], x.shape)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        anp = self.main()
        size = int(np.prod(shape))
        where = np.ravel(np.arange(size).reshape(shape)[index])
        flat = anp.concatenate([anp.reshape(w, (-1,)), np.zeros(1)])
        # entries that share a place come one round after the other
        order = np.argsort(where, kind="stable")
        starts = np.searchsorted(where[order], where[order])
        rounds = np.arange(where.size) - starts
        total: Any = 0.0
        for r in range(int(rounds.max(initial=0)) + 1):
            source = np.full(size, where.size)
            mine = order[rounds == r]
            source[where[mine]] = mine
            total = total + flat[source]
        return anp.reshape(total, shape)

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        return self._linalg().pinv(a)

    def own_round(self, x: Any, decimals: int) -> Any:
        return self.main().round(x, decimals)


_ADAPTERS: dict[str, type[Adapter]] = {"jax": JAX, "torch": Torch, "autograd": Autograd}


@functools.cache
def adapter(library: str) -> Adapter:
    """The adapter of a library.

    Raises
    ------
    polyad.errors.OperationNotSupportedError
        If NumPy code cannot be lifted to it.
    """
    found = _ADAPTERS.get(library)
    if found is None:
        raise refuse(f"NumPy functions cannot be lifted to arrays of {library}", "convert them to NumPy")
    return found()
