"""NumPy code on torch, through array-api-compat where names or forms differ."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.indices import is_basic
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Primitive, keys_of
from polyad.engine.interpretations.scipy_values import Hosting
from polyad.systems.torch.indexing import positions
from polyad.systems.torch.state import guarded

__all__ = ["TorchAdapter"]

# of these torch's own derivatives are wrong, or none, where a matrix is singular or eigenvalues are equal
BY_TABLE = frozenset({"det", "eigh", "eigvalsh", "svd", "svdvals", "qr"})
# what raises where a matrix is singular, not definite, or an iteration does not converge
FAILING = frozenset(
    "cholesky inv solve solve_triangular det slogdet eigh eigvalsh eig svd svdvals pinv qr".split()
)


def _failing_as_numpy(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose failure has the class that code for NumPy catches."""
    import torch

    def call(*args: Any, **params: Any) -> Any:
        try:
            return f(*args, **params)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise np.linalg.LinAlgError(str(error)) from error

    return call


# torch's dtype -> NumPy's
_DTYPES: dict[Any, Any] = {}


class TorchAdapter(Hosting):
    """``torch``, through array-api-compat where names or forms differ."""

    name = "torch"
    stops = True
    traps = True
    recomputes = True

    def __init__(self) -> None:
        super().__init__()
        import torch

        self.certain = self._tensor_class = (
            torch.Tensor
        )  # an import statement takes a quarter of a microsecond

    def again(self, f: Callable[[Sequence[Any]], list[Any]], arrays: Sequence[Any]) -> Sequence[Any] | None:
        from polyad.systems.torch.recompute import again

        return again(f, arrays)

    def main(self) -> Any:
        import array_api_compat.torch

        return array_api_compat.torch

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import torch

        # torch.solve is a relic and torch.kl_div another function: each name from its own place only
        return (torch.linalg, self.main()) if home == "numpy" else (torch.special,)

    def adapted(self, f: Callable[..., Any]) -> Callable[..., Any]:
        tensor = self._tensor_class
        # what array-api-compat puts around torch's function promotes types, of which equal ones have no need
        alone = getattr(f, "__wrapped__", None)
        alone = alone if isinstance(alone, types.BuiltinFunctionType) else f

        def call(*args: Any, **params: Any) -> Any:
            if len(args) == 1:  # which is a tensor: most functions have one operand
                return f(args[0], **params)
            like = next(a for a in args if isinstance(a, tensor))
            if len(args) == 2 and not params:
                a, b = [a if isinstance(a, tensor) else self._number(a, like) for a in args]
                return alone(a, b) if a.dtype is b.dtype else f(a, b)
            return f(*[a if isinstance(a, tensor) else self._number(a, like) for a in args], **params)

        return call

    def _number(self, a: Any, like: Any) -> Any:
        import torch

        # a number adapts to the array; where it cannot, it is NumPy's, not torch's single precision
        dtype = like.dtype
        if isinstance(a, complex) and not dtype.is_complex:
            dtype = torch.complex64 if dtype == torch.float32 else torch.complex128
        elif isinstance(a, float) and not (dtype.is_complex or dtype.is_floating_point):
            dtype = torch.float64
        return torch.as_tensor(a, dtype=dtype, device=like.device)

    def native(self, dtype: np.dtype[Any]) -> Any:
        import torch

        return getattr(torch, dtype.name)

    def dtype(self, a: Any) -> np.dtype[Any]:
        found = a.dtype
        known = _DTYPES.get(found)
        if known is None:
            known = _DTYPES[found] = found if isinstance(found, np.dtype) else super().dtype(a)
        return known

    def constant(self, a: Any, beside: Any) -> Any:
        import torch

        # a copy: torch keeps it for its reverse sweep, and the caller may write to it; an array of one entry
        # may have a stride that torch refuses, and count as contiguous
        return torch.tensor(np.array(a, order="C"), device=beside.device)

    def stop(self, a: Any) -> Any:
        return a.detach()

    def values(self, a: Any) -> np.ndarray | None:
        try:
            bool((a == a).all())  # fails where torch is tracing or mapping
            return np.asarray(a.detach().cpu().tolist())
        except RuntimeError:
            return None

    def own_delegated(self, x: Any, by: Any) -> Any:
        from polyad.systems.torch.delegated import call

        return call(x, by)

    def own_rint(self, x: Any) -> Any:
        return x.round()

    def own_where(self, condition: Any, a: Any, b: Any) -> Any:
        import torch

        like = next(v for v in (a, b, condition) if isinstance(v, torch.Tensor))
        if not isinstance(condition, torch.Tensor):
            condition = torch.as_tensor(condition, device=like.device)
        return torch.where(
            condition, *[v if isinstance(v, torch.Tensor) else self._number(v, like) for v in (a, b)]
        )

    def own_getitem(self, x: Any, index: Any) -> Any:
        kind = type(index)
        if kind is int or (kind is slice and (index.step is None or index.step > 0)):
            return x[index]
        keys = keys_of(index)
        several = len(keys) > 1 and not is_basic(index)
        # steps backwards torch has not, and beside arrays it takes a number for a slice, NumPy for an array
        if several or any(isinstance(k, slice) and (k.step or 1) < 0 for k in keys):
            return x.reshape(-1)[positions(self, x.shape, index, x)]
        return x[self._converted(index, x)]

    def _converted(self, index: Any, x: Any) -> Any:
        if type(index) is tuple:
            return tuple(self._converted(k, x) for k in index)
        return self.constant(np.asarray(index, order="C"), x) if isinstance(index, np.ndarray) else index

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        import torch

        where = positions(self, x.shape, index, x)
        v = v if isinstance(v, torch.Tensor) else self._number(v, x)
        v = v.to(x.dtype).reshape(v.shape[max(0, v.ndim - where.ndim) :]).expand(where.shape)
        return x.reshape(-1).index_put((where.reshape(-1),), v.reshape(-1)).reshape(x.shape)

    def own_last_written(self, places: Any, size: int) -> Any:
        import torch

        numbers = torch.arange(places.numel(), device=places.device)
        none = torch.full((size,), -1, device=places.device)
        return none.scatter_reduce(0, places.reshape(-1), numbers, "amax")

    def own_argsort(self, x: Any, axis: int, kind: Any) -> Any:
        import torch

        order = torch.argsort(x, dim=axis, stable=True)
        if kind in ("stable", "mergesort") or not x.ndim:
            return order
        ordered = x.gather(axis, order).movedim(axis, -1)
        a, b = ordered[..., 1:], ordered[..., :-1]
        try:
            ties = bool(((a == b) | (a.isnan() & b.isnan())).any())
        except RuntimeError:  # torch traces, or maps over this: it has no values
            raise refuse(
                "the order that np.argsort gives equal entries, of an array that torch does not know yet,",
                "use np.argsort(x, kind='stable'), or np.sort",
            ) from None
        return self._by_numpy(x, lambda a: np.argsort(a, axis=axis, kind=kind)) if ties else order

    def own_argpartition(self, x: Any, kth: Any, axis: int) -> Any:
        if self.values(x) is None:
            raise refuse(
                "the order that np.partition leaves open, of an array that torch does not know yet,",
                "use np.sort or np.argsort",
            )
        return self._by_numpy(x, lambda a: np.argpartition(a, kth, axis=axis))

    def _by_numpy(self, x: Any, f: Callable[..., Any]) -> Any:
        """An order that depends on NumPy's sorting algorithm, so NumPy itself computes it."""
        import torch

        values = np.asarray(self.values(x), dtype=str(x.dtype).removeprefix("torch."))
        return torch.as_tensor(f(values), device=x.device)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        import torch

        where = positions(self, shape, index, w)
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

    def product(self, x: Any) -> Any:
        from polyad.systems.torch.rules import product

        return product(x)

    def own_fft(self, x: Any, axis: int) -> Any:
        import torch

        return torch.fft.fft(x, dim=axis)

    def own_ifft(self, x: Any, axis: int) -> Any:
        import torch

        return torch.fft.ifft(x, dim=axis)

    def own_heaviside(self, x: Any, h: Any) -> Any:
        x = x if self.is_own(x) else self._number(x, h)
        step = (x > 0).to(x.dtype)
        return self.own_where(x == 0, h, self.own_where(x.isnan(), x, step))

    def own_gap_quotient(self, z: Any, gap: Any, same: Any, strict: bool, square: bool) -> Any:
        from polyad.systems.torch.rules import over_gap

        return over_gap(z, gap, same, strict=strict, square=square)

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
        return p if self.is_own(p) else self._number(p, next(q for q in parts if q is not p))

    def own_einsum(self, *operands: Any, subscripts: str) -> Any:
        import torch

        return torch.einsum(subscripts, *self._alike(*operands))

    def own_matmul(self, a: Any, b: Any) -> Any:
        a, b = self._alike(a, b)
        return a @ b

    def own_solve(self, a: Any, b: Any) -> Any:
        import torch

        return torch.linalg.solve(*self._alike(a, b))

    def _alike(self, *operands: Any) -> tuple[Any, ...]:
        """Operands of one dtype, which torch's products and solvers want."""
        dtype = operands[0].dtype
        if all([a.dtype is dtype for a in operands]):
            return operands
        import torch

        dtype = functools.reduce(torch.promote_types, [a.dtype for a in operands])
        return tuple(a.to(dtype) for a in operands)

    def own_expm(self, a: Any) -> Any:
        import torch

        return torch.linalg.matrix_exp(a)

    def own_solve_triangular(self, a: Any, b: Any, lower: bool, unit_diagonal: bool) -> Any:
        import torch

        a, b = self._alike(a, b)
        return torch.linalg.solve_triangular(a, b, upper=not lower, unitriangular=unit_diagonal)

    def own_power(self, a: Any, b: Any) -> Any:
        if type(b) is int or type(b) is float:
            return a**b
        from polyad.systems.torch.scipy import power

        return power(self, a, b)

    def own_cbrt(self, x: Any) -> Any:
        return x.sign() * x.abs() ** (1 / 3)

    def own_leg(self, x: Any) -> Any:
        return ((1 - x) * (1 + x)).sqrt()

    def own_ldexp(self, x: Any, n: Any) -> Any:
        # torch's own has derivative zero where the power of two is not whole
        return x * 2.0 ** (n.to(x.dtype) if self.is_own(n) else n)

    def own_frexp_exponent(self, x: Any) -> Any:
        import torch

        return torch.frexp(x.detach()).exponent

    def of_user(self, f: Callable[..., Any], args: list[Any], params: dict[str, Any], label: str) -> Any:
        import torch

        tensors = tuple(a for a in args if isinstance(a, torch.Tensor))
        return guarded(functools.partial(f, **params), tuple(args), tensors, label)

    def is_own(self, a: Any) -> bool:
        return isinstance(a, self._tensor_class)

    def _search(self, name: str, home: str) -> Callable[..., Any] | None:
        from polyad.systems.torch.scipy import DERIVED_BY_TABLE, VALUES_BY_HOST

        if name in VALUES_BY_HOST:
            return None
        found, primitive = super()._search(name, home), PRIMITIVES[name]
        if found is not None and name in FAILING:
            found = _failing_as_numpy(found)
        if found is not None and name in BY_TABLE:
            from polyad.systems.torch.rules import by_rules

            return by_rules(self, primitive, found)
        if found is not None and name in DERIVED_BY_TABLE:
            found = self.host(primitive, found)
        return self.real_or_host(found, primitive)

    def is_complex(self, a: Any) -> bool:
        return self.is_own(a) and a.is_complex()

    def by_rule(self, primitive: Primitive) -> Callable[..., Any]:
        from polyad.systems.torch.user import by_rule

        return by_rule(self, primitive)

    def host(self, primitive: Primitive, value: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """SciPy's function as one of torch's, with the partial derivatives of the table.

        With ``value``, a function of torch's own, only its derivatives are replaced.
        """
        from polyad.systems.torch.scipy import function

        return function(self, primitive, value)
