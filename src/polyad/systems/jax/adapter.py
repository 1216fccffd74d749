"""NumPy code on ``jax.numpy``."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import PARTIALS, hosted, missing_partial
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Primitive, keys_of
from polyad.engine.interpretations import scipy_values
from polyad.engine.interpretations.adapter import BRANCH
from polyad.engine.interpretations.proxy import Proxy
from polyad.errors import ON_OTHER_ARRAYS, rule_out
from polyad.systems.jax.finish import WAY_OUT
from polyad.systems.jax.loops import JAXLoops

__all__ = ["JAXAdapter"]

# Of these JAX's own derivatives are wrong somewhere: at a removable singularity (spence at 1), at zero (i0,
# i1), where two operands are equal (beta, betaln), at negative numbers (those of digamma), under jit (expn),
# beside the origin (hypot), left of the imaginary axis (arccosh); or they lose all digits in a tail (expit,
# expm1, log_ndtr, logaddexp) or beside zero (arctanh); or they keep other conventions where there is none
# (arctan2, copysign, fmax, xlogy). Of betainc it refuses the shapes in words of its own.
# See tests/engine/test_edges.py.
DERIVED_BY_TABLE = frozenset(
    "spence exp1 expn gammainc gammaincc betainc log_ndtr i0 i0e i1 i1e beta betaln gammaln digamma zeta "
    "hypot arctan2 expm1 logaddexp logaddexp2 arccosh arctanh leg expit copysign fmax fmin xlogy "
    "xlog1py".split()
)
# and of these at zero; the forms in ``decompositions`` are right there
DERIVED_WRONG = frozenset({"boxcox", "boxcox1p", "rel_entr", "kl_div"})
# and of these the values: at arguments below -1 (hyp2f1), or after seven digits where an operand is above 8
VALUES_BY_HOST = frozenset({"hyp2f1", "beta", "betaln"})


# and of this one at negative second arguments: JAX sums from there on and stops too early
BELOW_ZERO_BY_HOST = frozenset({"zeta"})

# kinds of sorts that leave equal entries in their order
STABLE = frozenset({"stable", "mergesort"})


class JAXAdapter(JAXLoops):
    """``jax.numpy``."""

    name = "jax"
    raises = False
    stops = True
    traps = True
    drops = True
    branch = f"{BRANCH}, or backend={WAY_OUT}"

    def main(self) -> Any:
        import jax.numpy

        return jax.numpy

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import jax.scipy.special

        return (self.main(), self.main().linalg) if home == "numpy" else (jax.scipy.special,)

    def cast(self, a: Any, dtype: np.dtype[Any]) -> Any:
        # without JAX's 64-bit setting there is no wider type, and asking for one only warns
        return super().cast(a, np.dtype(sys.modules["jax"].dtypes.canonicalize_dtype(dtype)))

    def constant(self, a: Any, beside: Any) -> Any:
        return self.main().asarray(a) if isinstance(a, np.ndarray) else a

    def stop(self, a: Any) -> Any:
        from polyad.systems.jax.delegated import stopped

        return stopped(sys.modules["jax"].numpy.asarray(a))

    def may_repeat(self, shape: tuple[int, ...], index: Any, plain: bool) -> bool:
        """Not where it is JAX's to differentiate: its rule follows the value that stays."""
        return not plain

    def own_delegated(self, x: Any, by: Any) -> Any:
        from polyad.systems.jax.delegated import call

        if x.dtype.itemsize < by.dtype.itemsize:
            raise refuse(
                f"{by.label} computes in double precision, inside of JAX in single precision",
                "pass x in double precision, x.astype(np.float64), which JAX has after "
                "jax.config.update('jax_enable_x64', True)",
            )
        return call(x, by)

    def own_last_written(self, places: Any, size: int) -> Any:
        numpy = self.main()
        numbers = numpy.arange(places.size)
        return numpy.full(size, -1, dtype=numbers.dtype).at[numpy.ravel(places)].max(numbers)

    def own_argsort(self, x: Any, axis: int, kind: Any) -> Any:
        order = self.main().argsort(x, axis=axis, stable=True)
        if kind in STABLE or not x.size:
            return order
        numpy = self.main()
        ordered = numpy.moveaxis(numpy.take_along_axis(x, order, axis=axis), axis, -1)
        a, b = ordered[..., 1:], ordered[..., :-1]
        ties = numpy.any((a == b) | (numpy.isnan(a) & numpy.isnan(b)))
        by_numpy = self._on_host(lambda a, axis: np.argsort(a, axis=axis, kind=kind), axis)
        return self._either(ties, lambda: by_numpy(x), lambda: order)

    def own_argpartition(self, x: Any, kth: Any, axis: int) -> Any:
        return self._on_host(lambda a, axis: np.argpartition(a, kth, axis=axis), axis)(x)

    def _on_host(self, f: Callable[..., Any], axis: int) -> Callable[..., Any]:
        """An order that depends on NumPy's sorting algorithm, so NumPy itself computes it."""
        jax, numpy = sys.modules["jax"], self.main()

        def call(x: Any) -> Any:
            dtype = numpy.argsort(numpy.zeros(1)).dtype
            back = axis % x.ndim - x.ndim  # counted from the end: vmap adds axes in front
            result = jax.ShapeDtypeStruct(x.shape, dtype)
            return jax.pure_callback(
                lambda a: f(np.asarray(a), back).astype(dtype), result, x, vmap_method="expand_dims"
            )

        return call

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        x = self.main().asarray(x)
        if isinstance(index, sys.modules["jax"].core.Tracer) and index.dtype == bool:
            return self._masked(x, v, index)
        return self._spoilt(x, index).at[index].set(v)

    def _masked(self, x: Any, v: Any, mask: Any) -> Any:
        """Values written where a mask that is still traced says, NaN if there are not as many as places."""
        numpy = self.main()
        v = numpy.asarray(v, dtype=x.dtype)
        if mask.ndim < x.ndim and v.ndim < x.ndim - mask.ndim + 1:  # the same for every row that is written
            return numpy.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), v, x)
        if mask.ndim < x.ndim:
            raise refuse(
                "rows written where a mask says that JAX is still tracing",
                "use np.where(mask[:, None], rows, x)",
            )
        if not v.size:
            v = numpy.full(1, np.nan, dtype=x.dtype)
        if v.size == 1:
            return numpy.where(mask, v.reshape(()), x)
        places = numpy.cumsum(mask.ravel()) - 1
        chosen = v[numpy.clip(places, 0, v.size - 1)].reshape(x.shape)
        if x.dtype.kind not in "fc":
            return numpy.where(mask, chosen, x)
        fits = numpy.where(places[-1] + 1 == v.size, 1.0, np.nan).astype(x.dtype)
        return numpy.where(mask, chosen * fits, x * fits)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        return self.main().zeros(shape, dtype=w.dtype).at[index].add(w)

    def own_getitem(self, x: Any, index: Any) -> Any:
        tracer = sys.modules["jax"].core.Tracer
        for k in keys_of(index):
            if isinstance(k, tracer) and k.dtype == bool:
                raise refuse(
                    "a mask that JAX is still tracing picks entries, whose number is not known",
                    "use np.where(mask, x, 0)",
                )
        return self._spoilt(x, index)[index]

    def _spoilt(self, x: Any, index: Any) -> Any:
        """``x``, its numbers NaN where a traced index turns out to be out of bounds, which JAX lets pass."""
        traced = _checked(index, x.shape)
        if not traced or x.dtype.kind not in "fc":
            return x
        lost = functools.reduce(operator.or_, [((k < -n) | (k >= n)).any() for k, n in traced])
        return x * self.main().where(lost, np.asarray(np.nan, x.dtype), np.asarray(1, x.dtype))

    def own_gap_quotient(self, z: Any, gap: Any, same: Any, strict: bool, square: bool) -> Any:
        # JAX's tangents must be linear, so whether something is divided by nothing cannot be asked here
        numpy = self.main()
        nothing = numpy.where(numpy.eye(gap.shape[-1], dtype=bool), 0.0, numpy.nan) if square else numpy.nan
        return z * numpy.where(same, nothing, 1 / numpy.where(same, 1.0, gap))

    def own_eigh(self, a: Any) -> Any:
        return self._by_rules("eigh", lambda a: tuple(self.main().linalg.eigh(a)))(a)

    def own_svd(self, a: Any) -> Any:
        return self._by_rules("svd", lambda a: tuple(self.main().linalg.svd(a, full_matrices=False)))(a)

    def own_qr(self, a: Any) -> Any:
        return self._by_rules("qr", lambda a: tuple(self.main().linalg.qr(a)))(a)

    def _by_rules(self, name: str, value: Callable[..., Any]) -> Callable[..., Any]:
        """A factorisation with the rule of the table, which tells equal values from nearly equal ones."""
        push = PRIMITIVES[name].push
        assert push is not None

        @sys.modules["jax"].custom_jvp  # type: ignore[untyped-decorator]
        def f(a: Any) -> Any:
            return value(a)

        def along(primals: Any, tangents: Any) -> Any:
            y = f(*primals)
            known = tuple(Proxy(self.name, part) for part in y)
            moved = push(known, (Proxy(self.name, tangents[0][None]),), Proxy(self.name, primals[0]))
            return y, tuple(part.array[0] for part in moved)

        f.defjvp(along)
        return f

    def own_eig(self, a: Any) -> Any:
        # their length and phase, which JAX leaves open, are fixed by what is made of them
        w, v = sys.modules["jax"].lax.linalg.eig(
            a, compute_left_eigenvectors=False, enable_eigvec_derivs=True
        )
        return w, v

    def own_expm(self, a: Any) -> Any:
        import jax.scipy.linalg

        return jax.scipy.linalg.expm(a)

    def own_solve_triangular(self, a: Any, b: Any, lower: bool, unit_diagonal: bool) -> Any:
        import jax.scipy.linalg

        return jax.scipy.linalg.solve_triangular(a, b, lower=lower, unit_diagonal=unit_diagonal)

    def own_frexp_exponent(self, x: Any) -> Any:
        return self.main().frexp(x)[1]

    def own_power(self, a: Any, b: Any) -> Any:
        if isinstance(b, int | float):
            whole = isinstance(b, float) and b.is_integer() and abs(b) < 2**20 and self._is_inexact(a)
            return a ** int(b) if whole else a**b  # powers by whole numbers are right at zero to every order
        return self.host(PRIMITIVES["power"], operator.pow)(a, b)

    def _is_inexact(self, a: Any) -> bool:
        return self.is_own(a) and a.dtype.kind in "fc"

    def own_absolute(self, x: Any) -> Any:
        if x.dtype.kind == "c":
            return self.main().abs(x)
        return x * self.stop(self.main().sign(x))  # JAX's own slope is 1 at zero

    def own_leg(self, x: Any) -> Any:
        return self.main().sqrt((1 - x) * (1 + x))

    def own_ldexp(self, x: Any, n: Any) -> Any:
        return x * 2.0**n  # JAX's own has derivative 1 at zero

    def own_nextafter(self, a: Any, b: Any) -> Any:
        # JAX's own has no derivative; the difference of neighbours is exact
        known = self.stop(a)
        return a + (self.main().nextafter(known, self.stop(b)) - known)

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        return self._linalg().pinv(a, rtol=rcond)

    def is_own(self, a: Any) -> bool:
        return isinstance(a, sys.modules["jax"].Array)

    def _search(self, name: str, home: str) -> Callable[..., Any] | None:
        if name in DERIVED_WRONG | VALUES_BY_HOST:
            return None
        found, primitive = super()._search(name, home), PRIMITIVES[name]
        if found is not None and name in BELOW_ZERO_BY_HOST:
            found = self._below_zero_by_host(found, primitive)
        if found is not None and hosted(primitive):
            found = _of_floats(found)
        if found is not None and name in DERIVED_BY_TABLE:
            found = self.host(primitive, found)
        return self.real_or_host(found, primitive)

    def _below_zero_by_host(self, found: Callable[..., Any], primitive: Primitive) -> Callable[..., Any]:
        """A function of two operands whose values are right where the second one is not negative."""
        hosted = self.host(primitive)

        def value(a: Any, b: Any) -> Any:
            a, b = (x if isinstance(x, int | float) else self.main().asarray(x) for x in (a, b))
            below = self.main().any(b < 0)
            return self._either(below, lambda: hosted(a, b), lambda: found(a, b))

        return value

    def _either(self, which: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """JAX's choice where it traces; one of values that are there it would compile, and keep."""
        jax = sys.modules["jax"]
        if isinstance(which, jax.core.Tracer):
            return jax.lax.cond(which, yes, no)
        return yes() if which else no()

    def by_rule(self, primitive: Primitive) -> Callable[..., Any]:
        from polyad.systems.jax.rules import by_rule

        return by_rule(self, primitive)

    def host(self, primitive: Primitive, value: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """SciPy's function by a callback to the host, with the partial derivatives of the table.

        With ``value``, a function of JAX's own, only its derivatives are replaced.
        """
        jax = sys.modules["jax"]
        zero = jax.custom_derivatives.SymbolicZero

        def call(*args: Any) -> Any:
            places = [k for k, a in enumerate(args) if self.is_own(a)]

            def filled(arrays: Any) -> list[Any]:
                full = list(args)
                for k, a in zip(places, arrays, strict=True):
                    full[k] = a
                return full

            def on_host(*arrays: Any) -> Any:
                kinds = [a.dtype if k in places else a for k, a in enumerate(filled(arrays))]
                dtype = jax.dtypes.canonicalize_dtype(scipy_values.result_dtype(primitive, kinds))

                def evaluate(*arrays: Any) -> np.ndarray:
                    values = scipy_values.on_host(primitive, filled(map(np.asarray, arrays)))
                    return values.astype(dtype, copy=False)

                arrays = jax.numpy.broadcast_arrays(*arrays)  # vmap adds an axis in front of each
                result = jax.ShapeDtypeStruct(arrays[0].shape, dtype)
                return jax.pure_callback(evaluate, result, *arrays, vmap_method="broadcast_all")

            @jax.custom_jvp  # type: ignore[untyped-decorator]
            def f(*arrays: Any) -> Any:
                return on_host(*arrays) if value is None else value(*filled(arrays))

            def own_slope(k: int, t: Any, primals: Any) -> Any:
                """By JAX's own rule, where the table has none."""
                assert value is not None
                full = filled(primals)
                try:
                    return jax.jvp(lambda a: value(*full[:k], a, *full[k + 1 :]), (full[k],), (t,))[1]
                except (NotImplementedError, ValueError) as error:
                    raise missing_partial(primitive.name, k) from error

            def push(primals: Any, tangents: Any) -> Any:
                y = f(*primals)
                total = jax.numpy.zeros_like(y)
                for k, t in zip(places, tangents, strict=True):
                    if isinstance(t, zero) or t.dtype == jax.dtypes.float0:
                        continue
                    if value is not None and PARTIALS[primitive.name][0][k] is None:
                        total = total + own_slope(k, t, primals)
                    else:
                        total = total + t * scipy_values.partial(primitive, k, self, y, filled(primals))
                return y, total

            f.defjvp(push, symbolic_zeros=True)
            return f(*(args[k] for k in places))

        return call


def _checked(index: Any, shape: tuple[int, ...]) -> list[tuple[Any, int]]:
    """Whole numbers of an index that have no values yet, each with the length of its axis.

    JAX takes the last entry where NumPy says that there is none, so those that have values are looked at.
    """
    keys = keys_of(index)
    tracer, traced, axis = sys.modules["jax"].core.Tracer, [], 0
    for place, key in enumerate(keys):
        if key is None or isinstance(key, bool | np.bool_):
            continue
        if key is Ellipsis:
            axis = len(shape) - sum(map(_axes_of, keys[place + 1 :]))
            continue
        whole = isinstance(key, int | np.integer) or (hasattr(key, "dtype") and key.dtype.kind in "iu")
        if whole and axis < len(shape):
            length = shape[axis]
            if isinstance(key, tracer):
                traced.append((key, length))
            elif np.size(key):
                known = np.asarray(key)
                for k in (int(known.max()), int(known.min())):
                    if not -length <= k < length:
                        error = IndexError(f"index {k} is out of bounds for axis {axis} with size {length}")
                        raise rule_out(error, ON_OTHER_ARRAYS)  # JAX's own clamp it
        axis += _axes_of(key)
    return traced


def _axes_of(key: Any) -> int:
    """How many axes a key of an index takes."""
    if key is None or isinstance(key, bool | np.bool_):
        return 0
    return key.ndim if hasattr(key, "dtype") and key.dtype.kind == "b" else 1


def _of_floats(f: Callable[..., Any]) -> Callable[..., Any]:
    """JAX's derivatives of special functions fail where another operand is an integer."""

    def call(*args: Any, **params: Any) -> Any:
        return f(*(a * 1.0 if isinstance(a, int | np.integer) else a for a in args), **params)

    return call
