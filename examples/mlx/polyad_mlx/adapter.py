"""NumPy code on MLX's arrays.

MLX computes some functions of double precision by those of single precision (``exp``, ``sin``, ``cos``,
``erf``: eight digits), and has no derivatives of most of its linear algebra. So what it has exactly is its
own, and everything else has the values of NumPy and SciPy and the rules of polyad's table, which
``mx.custom_function`` makes known to it. Its arrays have values when they are asked for, so branches work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from polyad.extend import Adapter, InputTypeError, Primitive, library, pulled, refuse, value_of

__all__ = ["MLXAdapter"]

# Of these MLX's values and derivatives are right to rounding in double precision.
EXACT = frozenset("add subtract multiply divide negative square sqrt".split())
# What moves or adds entries only.
STRUCTURE = frozenset(
    "reshape transpose broadcast_to concatenate stack where astype truncate_to zeros sum matmul".split()
)


class MLXAdapter(Adapter):
    """``mlx.core`` where it is exact, the table elsewhere."""

    name = "mlx"
    stops = True

    def main(self) -> Any:
        return mx

    def namespaces(self, home: str) -> tuple[Any, ...]:
        return (mx, mx.linalg) if home == "numpy" else ()

    def native(self, dtype: np.dtype[Any]) -> Any:
        return getattr(mx, "bool_" if dtype.kind == "b" else dtype.name)

    def check(self, dtype: np.dtype[Any]) -> None:
        super().check(dtype)
        if dtype.kind == "c":
            raise refuse("mlx has no complex numbers of double precision", "use backend='numpy' or 'jax'")

    def is_own(self, a: Any) -> bool:
        return isinstance(a, mx.array)

    def constant(self, a: Any, beside: Any) -> Any:
        try:
            return library("mlx").from_numpy(np.array(a))
        except InputTypeError as error:
            raise refuse(str(error), "use backend='numpy'") from error

    def stop(self, a: Any) -> Any:
        return mx.stop_gradient(a)

    def values(self, a: Any) -> np.ndarray:
        return np.asarray(a)

    def cast(self, a: Any, dtype: Any) -> Any:
        self.check(np.dtype(dtype))
        return super().cast(a, dtype)

    def compute(self, primitive: Primitive) -> Callable[..., Any] | None:
        name = primitive.name
        if name in EXACT | STRUCTURE:
            if name not in self._found:
                found, by_table = super().compute(primitive), self._by_table(primitive)
                assert found is not None
                self._found[name] = self._of_entries(found, by_table)
        elif name not in self._found:
            self._found[name] = self._by_table(primitive)
        return self._found[name]

    def _of_entries(self, found: Callable[..., Any], by_table: Callable[..., Any]) -> Callable[..., Any]:
        """MLX's own function of arrays that have entries; its sum of none never ends."""

        def call(*args: Any, **params: Any) -> Any:
            empty = any(self.is_own(a) and 0 in a.shape for a in args)
            return (by_table if empty else found)(*args, **params)

        return call

    def _by_table(self, primitive: Primitive) -> Callable[..., Any]:
        """An operation with NumPy's values and the table's rules."""

        def on_host(*args: Any, **params: Any) -> Any:
            plain = [np.asarray(a) if self.is_own(a) else a for a in args]
            for a in plain:
                self.check(np.result_type(a))
            y = value_of(primitive, plain, {k: _plain(v) for k, v in params.items()})
            return [self.constant(part, None) for part in y] if primitive.multiple else self.constant(y, None)

        def call(*args: Any, **params: Any) -> Any:
            if primitive.is_constant:
                y = on_host(*[self.stop(a) if self.is_own(a) else a for a in args], **params)
                return tuple(y) if primitive.multiple else y
            places = [k for k, a in enumerate(args) if self.is_own(a)]

            def filled(arrays: Any) -> list[Any]:
                full = list(args)
                for k, a in zip(places, arrays, strict=True):
                    full[k] = a
                return full

            @mx.custom_function
            def f(*arrays: Any) -> Any:
                return on_host(*filled(arrays), **params)

            @f.vjp
            def pull(arrays: Any, w: Any, y: Any) -> Any:
                full = filled(_tuple(arrays))
                smooth = [k for k in places if _is_smooth(args[k])]
                # anew: only so does a further derivative see what the result depends on
                y = call(*full, **params)
                found = pulled(
                    self, primitive, smooth, y, full, params, _tuple(w) if primitive.multiple else w
                )
                known = dict(zip(smooth, found, strict=True))
                each = [known.get(k, mx.zeros_like(full[k])) for k in places]
                return each if isinstance(arrays, tuple | list) else each[0]

            @f.jvp
            def push(arrays: Any, tangents: Any) -> Any:
                raise refuse("forward mode of mlx, which loses derivatives in silence", "use reverse mode")

            y = f(*[args[k] for k in places])
            return tuple(y) if primitive.multiple else y

        return call

    # -- what has other forms than NumPy's ----------------------------------------------------------------

    def own_reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return mx.reshape(x, shape)

    def own_transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return mx.transpose(x, axes)

    def own_astype(self, x: Any, dtype: Any) -> Any:
        return x.astype(self.native(np.dtype(dtype)))

    def own_where(self, condition: Any, a: Any, b: Any) -> Any:
        like = next(v for v in (a, b) if self.is_own(v)) if self.is_own(a) or self.is_own(b) else None
        if like is None:
            a, b = (self.constant(np.asarray(v, float), None) for v in (a, b))
            like = a
        condition = condition if self.is_own(condition) else self.constant(np.asarray(condition), None)
        a, b = (v if self.is_own(v) else mx.array(v, dtype=like.dtype) for v in (a, b))
        return mx.where(condition, a, b)

    def own_concatenate(self, *parts: Any, axis: int) -> Any:
        return mx.concatenate([self._array(p) for p in parts], axis=axis)

    def own_stack(self, *parts: Any, axis: int) -> Any:
        return mx.stack([self._array(p) for p in parts], axis=axis)

    def _array(self, p: Any) -> Any:
        return p if self.is_own(p) else self.constant(np.asarray(p), None)

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return mx.zeros(shape, dtype=like.dtype)


def _plain(a: Any) -> Any:
    """A parameter with NumPy's arrays in place of MLX's."""
    if isinstance(a, tuple):
        return tuple(map(_plain, a))
    return np.asarray(a) if isinstance(a, mx.array) else a


def _tuple(a: Any) -> tuple[Any, ...]:
    """What MLX hands to a rule: a row of arrays, or the one that there is."""
    return tuple(a) if isinstance(a, list | tuple) else (a,)


def _is_smooth(a: Any) -> bool:
    return mx.issubdtype(a.dtype, mx.inexact)
