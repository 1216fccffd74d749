"""NumPy code on ``autograd.numpy``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.kinds import PARTIALS, hosted
from polyad.engine.core.values import PRIMITIVES, Primitive
from polyad.engine.interpretations import scipy_values
from polyad.engine.interpretations.adapter import Adapter

__all__ = ["AutogradAdapter"]

# autograd's own derivatives of these fail where a matrix is singular or eigenvalues are equal, or where a
# matrix is complex (cholesky, pinv)
BY_TABLE = frozenset({"cholesky", "det", "eigh", "pinv", "svd", "qr", "slogdet"})


# Of these autograd's own derivatives lose digits beside a pole, or in a tail (tests/engine/test_edges.py).
DERIVED_BY_TABLE = frozenset(
    "arcsin arccos arccosh arctanh arctan2 hypot expm1 logaddexp logaddexp2 reciprocal".split()
)


class AutogradAdapter(Adapter):
    """``autograd.numpy``; what does not depend on the input stays NumPy's."""

    name = "autograd"
    warns = True
    extended = True
    traps = True

    def __init__(self) -> None:
        super().__init__()
        import autograd.numpy
        from autograd.numpy.numpy_boxes import ArrayBox
        from autograd.tracer import getval

        self._getval, self._box, self._numpy = getval, ArrayBox, autograd.numpy
        self.certain = ArrayBox

    def main(self) -> Any:
        return self._numpy

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import autograd.scipy.special

        return (self.main(), self.main().linalg) if home == "numpy" else (autograd.scipy.special,)

    def dtype(self, a: Any) -> np.dtype[Any]:
        value = self.stop(a)
        found: np.dtype[Any] = value.dtype if hasattr(value, "dtype") else np.result_type(value)
        return found

    def shape_of(self, a: Any) -> Any:
        box = self._box
        while type(a) is box:
            a = a._value
        return a.shape if type(a) is np.ndarray else np.shape(a)

    def dtype_of(self, a: Any) -> Any:
        box = self._box
        while type(a) is box:  # which asks a function of autograd's own, and that takes a microsecond
            a = a._value
        return a.dtype if type(a) is np.ndarray or hasattr(a, "dtype") else self.dtype(a)

    def is_own(self, a: Any) -> bool:
        return type(a) is self._box or not isinstance(a, np.ndarray | np.generic | float | int | complex)

    def constant(self, a: Any, beside: Any) -> Any:
        return a.copy() if isinstance(a, np.ndarray) else a

    def stop(self, a: Any) -> Any:
        box, getval = self._box, self._getval
        while type(a) is box:
            a = a._value
        if type(a) is np.ndarray or type(a) is np.float64 or type(a) is float:
            return a
        while (value := getval(a)) is not a:
            a = value
        return a

    def values(self, a: Any) -> np.ndarray | None:
        return np.asarray(self.stop(a))

    def own_reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return self.main().reshape(x, shape)

    def own_transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return self.main().transpose(x, axes)

    def own_broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x * np.ones(shape, dtype=bool)

    def own_where(self, condition: Any, a: Any, b: Any) -> Any:
        # autograd's own rule does not sum over the axes along which an operand was broadcast
        shapes = [self.shape_of(v) for v in (condition, a, b)]
        if shapes[1] != shapes[0] or shapes[2] != shapes[0]:
            ones = np.ones(np.broadcast_shapes(*shapes), dtype=bool)
            a, b = (
                v if shape == ones.shape or not self.is_own(v) else v * ones
                for v, shape in zip((a, b), shapes[1:], strict=True)
            )
        return self._numpy.where(condition, a, b)

    def own_getitem(self, x: Any, index: Any) -> Any:
        if not self.shape_of(x) and (shape := np.shape(np.empty(())[index])) != (0,):
            return self.own_reshape(x, shape)  # of numbers autograd cannot add up what belongs to an entry
        return x[index if type(index) is int or type(index) is slice else _kept(index)]

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        anp = self.main()
        size = int(np.prod(x.shape))
        where = np.arange(size).reshape(x.shape)[index]
        source = np.arange(size)
        source[np.ravel(where)] = size + np.arange(where.size)
        values = anp.reshape(v * np.ones(np.shape(where), dtype=bool), (-1,))
        return anp.reshape(anp.concatenate([anp.reshape(x, (-1,)), values])[source], x.shape)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        anp = self.main()
        size = int(np.prod(shape))
        where = np.ravel(np.arange(size).reshape(shape)[index])
        flat = anp.concatenate([anp.reshape(w, (-1,)), np.zeros(1, dtype=w.dtype)])
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

    def own_power(self, a: Any, b: Any) -> Any:
        if type(b) is int or type(b) is float:
            return a**b
        # autograd's own rule leaves terms out where an exponent that carries a derivative is zero
        return self._power(a, b) if self.is_own(b) else a**b

    @functools.cached_property
    def _power(self) -> Callable[..., Any]:
        return self.host(PRIMITIVES["power"])

    def own_absolute(self, x: Any) -> Any:
        if self.dtype_of(x).kind == "c":
            return self.main().absolute(x)
        return x * np.sign(
            self.stop(x)
        )  # autograd's own slope is x / |x|, of which rounding is differentiated

    def own_astype(self, x: Any, dtype: Any) -> Any:
        if np.dtype(dtype).kind == "c" and x.dtype.kind != "c":
            return x * np.ones((), dtype)  # autograd's astype does not take the real part of the cotangent
        return x.astype(dtype)

    def own_solve(self, a: Any, b: Any) -> Any:
        # autograd's own rule does not sum over the axes along which an operand was broadcast
        shapes = self.shape_of(a), self.shape_of(b)
        if shapes[0][:-2] != shapes[1][:-2]:
            batch = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
            a, b = (
                v if shape[:-2] == batch else self.own_broadcast_to(v, (*batch, *shape[-2:]))
                for v, shape in zip((a, b), shapes, strict=True)
            )
        return self._linalg().solve(a, b)

    def _search(self, name: str, home: str) -> Callable[..., Any] | None:
        from autograd.core import primitive_vjps

        from polyad.systems.autograd.rules import by_rules, constant

        primitive = PRIMITIVES[name]
        if primitive.is_constant and name != "zeros":
            return constant(self, primitive)
        # autograd's own special functions lack forward mode; all its arrays are on the host anyway
        if hosted(primitive) or name in DERIVED_BY_TABLE:
            return self.host(primitive)
        found = super()._search(name, home)
        missing = found is None or name in BY_TABLE or (hasattr(found, "fun") and found not in primitive_vjps)
        if name in PARTIALS:
            return self.host(primitive) if missing and found is not None else found
        return by_rules(self, primitive) if missing else found

    def by_rule(self, primitive: Primitive) -> Callable[..., Any] | None:
        return self.compute(primitive)

    recomputes = True

    def again(self, f: Callable[[Sequence[Any]], list[Any]], arrays: Sequence[Any]) -> Sequence[Any] | None:
        from polyad.systems.autograd.rules import again

        return again(self, f, arrays)

    def host(self, primitive: Primitive) -> Callable[..., Any]:
        """SciPy's function with the partial derivatives of the table."""
        from autograd.extend import defjvp, defvjp
        from autograd.extend import primitive as autograd_primitive
        from autograd.numpy.numpy_jvps import broadcast
        from autograd.numpy.numpy_vjps import unbroadcast_f

        call = autograd_primitive(lambda *args: scipy_values.on_host(primitive, args))

        def slope(k: int, y: Any, args: tuple[Any, ...]) -> Any:
            return scipy_values.partial(primitive, k, self, y, args)

        def pull(k: int) -> Callable[..., Any]:
            return lambda y, *args: unbroadcast_f(args[k], lambda w: w * slope(k, y, args))

        def push(k: int) -> Callable[..., Any]:
            return lambda t, y, *args: broadcast(t * slope(k, y, args), y)

        count = primitive.compute.nin if isinstance(primitive.compute, np.ufunc) else len(primitive.pulls)
        defvjp(call, *map(pull, range(count)))
        defjvp(call, *map(push, range(count)))
        return call


def _kept(index: Any) -> Any:
    """An index for the reverse sweep, with copies of the arrays in it: the caller may write to them."""
    if type(index) is tuple:
        return tuple(map(_kept, index))
    return index.copy() if isinstance(index, np.ndarray) else index
