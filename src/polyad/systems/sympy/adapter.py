"""NumPy code on SymPy expressions: every primitive on arrays of them.

* Entries are real numbers; what has no real expression is refused. An operation on plain numbers is
  computed by NumPy, so that constants have NumPy's value (``np.sqrt(-1.0)`` is NaN, not ``I``).
* Numbers of integral value become integers, halves in exponents become fractions; every other number
  is a 53-bit float, the same as NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core import kinds
from polyad.engine.core.names import COMPARISONS, MATH
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Primitive, keys_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.systems.sympy import linalg
from polyad.systems.sympy.entries import boolean, checked, entry, mapped, numeric, objects, power, quotient
from polyad.systems.sympy.expressions import Expressions
from polyad.systems.sympy.functions import (
    PARTIALS,
    added,
    condition,
    is_number,
    named,
    product,
    raised,
    select,
)

__all__ = ["SymPyAdapter"]

ORDER = {name: f.__name__.capitalize() for name, f in COMPARISONS.items()}
LOGICAL = {
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "logical_not": "Not",
    "bitwise_and": "And",
    "bitwise_or": "Or",
    "bitwise_xor": "Xor",
    "invert": "Not",
}
# what NumPy's arithmetic of truth values is; it has no difference of them
TRUTHS = {"add": "Or", "multiply": "And", "maximum": "Or", "minimum": "And"}
# NumPy's or SciPy's name -> SymPy's own function
NATIVE: dict[str, str] = {
    **{n: MATH[n] for n in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{n: MATH[n] for n in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
    **{name: name for name in ("erf", "erfc", "erfi", "erfinv", "gamma", "loggamma", "beta")},
    **{"jv": "besselj", "yv": "bessely", "iv": "besseli", "kv": "besselk"},
}
# functions of one operand that are made of others
MADE: dict[str, Callable[[Any, Any], Any]] = {
    "sqrt": lambda sp, x: power(x, sp.S.Half),
    "absolute": lambda sp, x: sp.Abs(x, evaluate=False),
    "square": lambda sp, x: raised(x, 2),
    "reciprocal": lambda sp, x: raised(x, -1),
    "negative": lambda sp, x: product(x, sp.S.NegativeOne),
    "deg2rad": lambda sp, x: x * sp.pi / 180,
    "rad2deg": lambda sp, x: x * 180 / sp.pi,
    "digamma": lambda sp, x: sp.polygamma(0, x, evaluate=False),
    "j0": lambda sp, x: sp.besselj(0, x, evaluate=False),
    "j1": lambda sp, x: sp.besselj(1, x, evaluate=False),
    "y0": lambda sp, x: sp.bessely(0, x, evaluate=False),
    "y1": lambda sp, x: sp.bessely(1, x, evaluate=False),
    "i0": lambda sp, x: sp.besseli(0, x, evaluate=False),
    "i1": lambda sp, x: sp.besseli(1, x, evaluate=False),
    "k0": lambda sp, x: sp.besselk(0, x, evaluate=False),
    "k1": lambda sp, x: sp.besselk(1, x, evaluate=False),
}
# what only moves entries is NumPy's own, on arrays of objects
MOVING = ("reshape", "transpose", "broadcast_to", "concatenate", "stack", "scatter", "cumsum")


class SymPyAdapter(Adapter):
    """SymPy's functions under NumPy's names."""

    name = "sympy"
    raises = False
    wraps = False

    def constant(self, a: Any, beside: Any) -> Any:
        a = np.asarray(a)
        return Expressions(objects([entry(v) for v in a.ravel()], a.shape), a.dtype)

    def is_own(self, a: Any) -> bool:
        return isinstance(a, Expressions)

    def truth(self, a: Any) -> bool:
        item = a.array[()]
        if item in (True, False) or is_number(item):
            return bool(item)
        raise refuse(
            "a branch depends on a value that SymPy does not have: the function is run on symbols",
            self.branch,
        )

    def stop(self, a: Any) -> Any:
        return self._map(a.dtype, named("constant"), a)

    def _search(self, name: str, home: str) -> Callable[..., Any] | None:
        import sympy

        if f"own_{name}" in vars(type(self)):  # those of the base class call a library that is none here
            own: Callable[..., Any] = getattr(self, f"own_{name}")
            return own
        if name in MOVING:
            return self._moving(name)
        if name in ORDER:
            return lambda a, b: self._map(bool, lambda x, y: condition(ORDER[name], x, y), a, b)
        if name in LOGICAL:
            return self._logical(name, getattr(sympy, LOGICAL[name]))
        if name in NATIVE:
            return self._ufunc(name, _native(getattr(sympy, NATIVE[name])))
        if name in MADE:
            make = MADE[name]
            return self._ufunc(name, lambda x: make(sympy, x))
        if name in ("maximum", "minimum"):
            return lambda a, b: self._extreme(name, a, b)
        if name in PARTIALS:
            return self._ufunc(name, named(name))
        if name in kinds.PARTIALS and not name.startswith("eval_"):  # polynomials are written out
            return self.host(PRIMITIVES[name])
        return linalg.FUNCTIONS.get(name)

    def own_round(self, x: Any, decimals: int = 0) -> Any:
        def own(name: str, *args: Any) -> Any:
            f = self.compute(PRIMITIVES[name])
            assert f is not None
            return f(*args)

        if not decimals:
            return own("rint", x)
        scale = 10 ** abs(decimals)  # a whole number, as NumPy has it
        up, down = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
        return own(down, own("rint", own(up, x, scale)), scale)

    def host(self, primitive: Primitive) -> Callable[..., Any] | None:
        """A function that SymPy lacks, or differentiates with loss, as a function of its own."""
        from polyad.systems.sympy.special import special

        f = special(primitive)
        return None if f is None else self._ufunc(primitive.name, f)

    # -- entry by entry -----------------------------------------------------------------------------------

    def _map(self, dtype: Any, f: Callable[..., Any], *args: Any, conditions: bool = False) -> Expressions:
        """``f`` on every tuple of entries, which broadcast."""
        as_entry = boolean if conditions else numeric
        arrays = [a.array if isinstance(a, Expressions) else objects([entry(a)], ()) for a in args]
        if len(arrays) == 1:
            (a,) = arrays
            return Expressions(objects([f(as_entry(e)) for e in a.flat], a.shape), dtype)
        grid = np.broadcast(*arrays)
        items = [f(*map(as_entry, es)) for es in grid]
        return Expressions(objects(items, grid.shape), dtype)

    def _ufunc(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        """A function of numbers; plain numbers go through NumPy's, so that domains are NumPy's."""
        compute = PRIMITIVES[name].compute

        def of_entries(*es: Any) -> Any:
            if all(map(is_number, es)):
                heard = get_state()
                try:
                    set_state(SILENT)
                    return entry(compute(*(np.float64(float(e)) for e in es)))
                finally:
                    set_state(heard)
            return checked(name, f(*es))

        def call(*args: Any, **params: Any) -> Any:
            if name in ("isnan", "isinf", "isfinite", "signbit"):
                return self._map(bool, lambda e: boolean(of_entries(e)), *args)
            return self._map(_floating(args, keep=name in _KEEP), of_entries, *args)

        return call

    def _logical(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if not name.startswith("logical") and any(_dtype(a).kind != "b" for a in args):
                raise refuse("a bitwise operation on symbols", "compare them first, or use backend='numpy'")
            return self._map(bool, f, *args, conditions=True)

        return call

    def _arithmetic(self, name: str, f: Callable[..., Any], a: Any, b: Any) -> Expressions:
        import sympy

        dtype = _result(a, b)
        if dtype.kind == "b":  # truth values are not counted: true and true is true
            return self._map(bool, getattr(sympy, TRUTHS[name]), a, b, conditions=True)
        return self._map(dtype, f, a, b)

    def own_add(self, a: Any, b: Any) -> Any:
        return self._arithmetic("add", added, a, b)

    def own_subtract(self, a: Any, b: Any) -> Any:
        import sympy

        return self._arithmetic("subtract", lambda x, y: added(x, product(y, sympy.S.NegativeOne)), a, b)

    def own_multiply(self, a: Any, b: Any) -> Any:
        return self._arithmetic("multiply", product, a, b)

    def _extreme(self, name: str, a: Any, b: Any) -> Any:
        if _result(a, b).kind == "b":
            return self._arithmetic(name, named(name), a, b)
        return self._ufunc(name, named(name))(a, b)

    def own_divide(self, a: Any, b: Any) -> Any:
        return self._map(_floating((a, b)), quotient, a, b)

    def own_power(self, a: Any, b: Any) -> Any:
        return self._map(_result(a, b), power, a, b)

    def own_where(self, test: Any, a: Any, b: Any) -> Any:
        import sympy

        def pick(c: Any, x: Any, y: Any) -> Any:
            return select((numeric(x), boolean(c)), (numeric(y), sympy.true))

        arrays = [v if isinstance(v, Expressions) else self.constant(v, None) for v in (test, a, b)]
        grid = np.broadcast(*(v.array for v in arrays))
        return Expressions(objects([pick(*es) for es in grid], grid.shape), _result(a, b))

    def own_conjugate(self, x: Any) -> Any:
        return x

    own_real = own_conjugate

    def own_imag(self, x: Any) -> Any:
        return self.own_zeros(x, x.shape)

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return self.constant(np.zeros(shape, dtype=like.dtype), like)

    def own_delegated(self, x: Any, by: Any) -> Any:
        raise refuse(
            f"SymPy works on symbols, and cannot ask for derivatives of {by.label} while it does",
            "use backend='numpy' or 'sympy' inside of SymPy, or another backend around",
        )

    def own_astype(self, x: Any, dtype: Any) -> Any:
        wanted = np.dtype(dtype)
        if wanted.kind == "c":
            raise refuse("complex numbers over SymPy's real symbols", "use backend='numpy', 'jax' or 'torch'")
        if wanted.kind == "b":
            return self._map(wanted, boolean, x)
        if wanted.kind in "iu" and x.dtype.kind == "f":
            x = self._ufunc("trunc", named("trunc"))(x)
        return self._map(wanted, lambda e: e, x)

    own_truncate_to = own_astype

    # -- moving entries -----------------------------------------------------------------------------------

    def _moving(self, name: str) -> Callable[..., Any]:
        compute = PRIMITIVES[name].compute

        def call(*args: Any, **params: Any) -> Any:
            arrays = [a if isinstance(a, Expressions) else self.constant(a, None) for a in args]
            dtype = _result(*arrays)
            plain = dtype.kind != "b"
            objects = [mapped(numeric, a.array) if plain and a.dtype.kind == "b" else a.array for a in arrays]
            result = np.asarray(compute(*objects, **params), dtype=object)
            # the zeros between scattered entries are Python's, and one without axes comes as an array
            if name == "scatter":
                result = mapped(lambda e: e[()] if isinstance(e, np.ndarray) else e, result)
                result = mapped(lambda e: entry(e) if isinstance(e, int) else e, result)
            return Expressions(result, dtype)

        return call

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        if _symbolic(index):
            raise refuse("writing at a place that is a symbol", "use np.where, or make the index Static")
        x, v = (a if isinstance(a, Expressions) else self.constant(a, None) for a in (x, v))
        as_entry = boolean if x.dtype.kind == "b" else numeric
        out, items = x.array.copy(), mapped(as_entry, v.array)
        one = not isinstance(out[index], np.ndarray) or not items.shape
        # an array without axes would become an entry itself
        out[index] = items.reshape(())[()] if one else items
        return Expressions(out, x.dtype)

    def own_getitem(self, x: Any, index: Any) -> Any:
        if not _symbolic(index):
            picked = x.array[index]
            if not isinstance(picked, np.ndarray):
                picked = objects([picked], ())
            return Expressions(picked, x.dtype)
        key = index[0] if type(index) is tuple and len(index) == 1 else index
        if not isinstance(key, Expressions) or key.dtype.kind not in "iu":
            raise refuse(
                "an index with symbols beside other keys, or a mask of symbols",
                "use np.where(mask, x, 0), pass the index as polyad.Static, or index one axis at a time",
            )
        rows = x.array.reshape(x.shape[0], -1)
        picked = [named("pick")(i, *column) for i in key.array.flat for column in rows.T]
        return Expressions(objects(picked, (*key.shape, *x.shape[1:])), x.dtype)

    # -- reductions -------------------------------------------------------------------------------------

    def _reduced(self, f: Callable[[list[Any]], Any], dtype: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        axes = tuple(k % x.ndim for k in axes) if x.ndim else ()
        rest = tuple(k for k in range(x.ndim) if k not in axes)
        kept = tuple(x.shape[k] for k in rest)
        moved = x.array.transpose((*rest, *axes))
        count = int(np.prod([x.shape[k] for k in axes], dtype=int))
        rows = moved.reshape(int(np.prod(kept, dtype=int)), count)
        shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape)) if keepdims else kept
        return Expressions(objects([f(list(row)) for row in rows], shape), dtype)

    def own_sum(self, x: Any, axis: Any, keepdims: bool) -> Any:
        dtype = np.dtype(np.int64) if x.dtype.kind == "b" else x.dtype
        return self._reduced(lambda es: added(*map(numeric, es)), dtype, x, axis, keepdims)

    def _extremum(self, name: str, x: Any, axis: Any, keepdims: bool) -> Any:
        f = named(name)

        def of_row(es: list[Any]) -> Any:
            if not es:
                raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
            return es[0] if len(es) == 1 else f(*es)

        return self._reduced(of_row, x.dtype, x, axis, keepdims)

    def own_max(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self._extremum("maximum", x, axis, keepdims)

    def own_min(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self._extremum("minimum", x, axis, keepdims)

    def own_all(self, x: Any, axis: Any, keepdims: bool) -> Any:
        import sympy

        return self._reduced(lambda es: sympy.And(*map(boolean, es)), bool, x, axis, keepdims)

    def own_any(self, x: Any, axis: Any, keepdims: bool) -> Any:
        import sympy

        return self._reduced(lambda es: sympy.Or(*map(boolean, es)), bool, x, axis, keepdims)


# ufuncs that leave integers integers
_KEEP = frozenset({"absolute", "square", "negative", "sign", "maximum", "minimum", "remainder", "fmod"})


def _native(f: Any) -> Callable[..., Any]:
    """A function of SymPy, left as it is: looking for simplifications takes it most of its time."""
    if not isinstance(f, type):  # ``sqrt`` is a power
        return f
    return lambda *es: f(*es, evaluate=False)


def _dtype(a: Any) -> Any:
    return a.dtype if isinstance(a, Expressions) else np.dtype(type(a))


def _result(*args: Any) -> np.dtype[Any]:
    """NumPy's dtype of a result; Python numbers adapt."""
    kinds = [a.dtype.type(0).item() if getattr(a, "weak", False) else getattr(a, "dtype", a) for a in args]
    found = np.result_type(*kinds)
    if found.kind == "c":
        raise refuse("a complex number met SymPy's real symbols", "use backend='numpy', 'jax' or 'torch'")
    return found


def _floating(args: Any, *, keep: bool = False) -> np.dtype[Any]:
    found = _result(*args)
    return found if found.kind == "f" or keep else np.dtype(np.float64)


def _symbolic(index: Any) -> bool:
    return any(isinstance(k, Expressions) for k in keys_of(index))
