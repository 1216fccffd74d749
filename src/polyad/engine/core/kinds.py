"""The few shapes of rules, so that a primitive is one line of the table.

* ``elementwise``: the partial derivatives, stated once, serve both modes. The names of a partial's
  parameters say what it needs: operands ``x``, or ``a`` and ``b`` (and ``c``), and the result ``y``.
* ``linear``: one function of an array with parameters, its application to tangents, its transpose.
* ``general``: the tangent and the pullbacks written out.
* ``constant``: piecewise constant functions, whose derivative is zero wherever there is one.

The complex convention is that of ``systems.base``: the pullback is the adjoint under
``Re(sum(conj(w) * dy))``, so it conjugates partials, and a real operand has a real cotangent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.values import (
    LOOKED,
    PRIMITIVES,
    Primitive,
    Tracer,
    Value,
    base,
    dtype_of,
    is_real,
    ndim_of,
    shape_of,
)

__all__ = [
    "DECOMPOSITIONS",
    "PARTIALS",
    "Like",
    "aligned",
    "beside",
    "constant",
    "elementwise",
    "expand",
    "fit",
    "general",
    "hosted",
    "linear",
]

Partial = Callable[..., Value]
_F8 = np.dtype(np.float64)

# Of every elementwise primitive the partials, as functions of ``(y, *operands)``, and whether any of
# them needs the result: for interpretations beyond the first order.
PARTIALS: dict[str, tuple[tuple[Partial | None, ...], bool]] = {}

# The name of a primitive -> the same function of the same operands in terms of others, for libraries that
# lack it. ``rules.decompositions`` fills it.
DECOMPOSITIONS: dict[str, Callable[..., Value]] = {}


def hosted(primitive: Primitive) -> bool:
    """Whether SciPy can compute a primitive's values in a library that lacks it: there are partials."""
    return primitive.home != "numpy" and primitive.name in PARTIALS


# -- helpers of rules -----------------------------------------------------------------------------


def aligned(t: Value, ndim: int) -> Value:
    """A batch of tangents whose values broadcast against results of ``ndim`` axes."""
    missing = ndim + 1 - t.ndim
    if missing <= 0:
        return t
    return PRIMITIVES["reshape"](t, shape=(t.shape[0], *(1,) * missing, *t.shape[1:]))


def filled(t: Value, y: Value) -> Value:
    """A batch of tangents broadcast to the shape of the result."""
    shape = shape_of(y)
    if t.shape[1:] == shape:
        return t
    return PRIMITIVES["broadcast_to"](t, shape=(t.shape[0], *shape))


def summed(w: Value, shape: tuple[int, ...]) -> Value:
    """A cotangent summed over the axes along which its value was broadcast."""
    have = shape_of(w)
    if have == shape:
        return w
    extra = len(have) - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + k for k, n in enumerate(shape) if n == 1 and have[extra + k] != 1
    )
    total = PRIMITIVES["sum"](w, axis=axes, keepdims=False) if axes else w
    return total if shape_of(total) == shape else PRIMITIVES["reshape"](total, shape=shape)


class Like:
    """Shape and dtype of an operand, for pullbacks that need nothing else of it."""

    __slots__ = ("dtype", "shape")

    def __init__(self, a: Value) -> None:
        self.shape, self.dtype = shape_of(a), dtype_of(a)


def expand(w: Value, shape: tuple[int, ...]) -> Value:
    """A cotangent in full."""
    if shape_of(w) == shape:
        return w
    if isinstance(w, Tracer):
        return PRIMITIVES["broadcast_to"](w, shape=shape)
    full = np.empty(shape, dtype=w.dtype if hasattr(w, "dtype") else float)
    full[...] = w
    return full


def fit(w: Value, a: Value) -> Value:
    """A cotangent as an operand takes it: real where that is real, in its shape."""
    if not is_real(w) and is_real(a):
        w = PRIMITIVES["real"](w)
    return summed(w, shape_of(a))


def beside(factor: Callable[[Value], Value], y: np.ndarray, like: Like) -> Callable[[Value], Value]:
    """The pullback of a number beside an array of doubles: the sum of what ``factor`` gives."""
    shape, axes = y.shape, tuple(range(y.ndim))

    def pull(w: Value) -> Value:
        g = factor(w)
        if type(g) is np.ndarray and g.dtype is _F8 and g.shape == shape:
            return np.add.reduce(g, axis=axes)
        return fit(expand(g, shape), like)

    return pull


def conj(p: Value) -> Value:
    """The conjugate, which for real values is the value itself."""
    if type(p) is np.ndarray and p.dtype is _F8:
        return p
    return p if is_real(p) else PRIMITIVES["conjugate"](p)


# -- elementwise ------------------------------------------------------------------------------------


def elementwise(name: str, compute: Callable[..., Any], *partials: Partial | None) -> Primitive:
    """Define an elementwise primitive.

    Parameters
    ----------
    name : str
        Its name.
    compute : callable
        On NumPy arrays.
    *partials : callable or None
        For each operand the partial derivative, as a function of whichever it needs of ``y`` and
        the operands ``x`` (one) or ``a, b, c`` (several); None where the derivative is not
        available, which is refused when asked for.
    """
    operands = ("x",) if len(partials) == 1 else ("a", "b", "c", "d")[: len(partials)]
    uniform = tuple(None if d is None else _uniform(d, operands) for d in partials)
    of_result = any(d is not None and "y" in inspect.signature(d).parameters for d in partials)
    PARTIALS[name] = uniform, of_result
    push = _push_one(uniform[0]) if len(partials) == 1 else _push_many(name, uniform)
    pulls = tuple(_pull(name, d, k, operands) for k, d in enumerate(partials))
    return Primitive(name, compute, push, pulls, lazy=True)


def _uniform(d: Partial, operands: tuple[str, ...]) -> Partial:
    """The partial as a function of ``(y, *operands)``."""
    needs = tuple(inspect.signature(d).parameters)
    places = [0 if n == "y" else 1 + operands.index(n) for n in needs]
    if len(places) == len(operands) == 1:  # written out, for code of numbers
        return (lambda y, x: d(x)) if places[0] else (lambda y, x: d(y))
    if len(places) == 1:
        (p,) = places
        return lambda *v: d(v[p])
    return lambda *v: d(*[v[p] for p in places])


def _push_one(d: Partial | None) -> Callable[..., Value]:
    assert d is not None

    def push(y: Value, tangents: tuple[Value, ...], x: Value, **params: Any) -> Value:
        return tangents[0] * d(y, x, **params)

    return push


def _push_many(name: str, partials: tuple[Partial | None, ...]) -> Callable[..., Value]:
    def push(y: Value, tangents: tuple[Value, ...], *args: Value, **params: Any) -> Value:
        ndim = ndim_of(y)
        total = None
        for k, (t, d) in enumerate(zip(tangents, partials, strict=True)):
            if t is None:
                continue
            if d is None:
                raise missing_partial(name, k)
            term = aligned(t, ndim) * d(y, *args, **params)
            total = term if total is None else total + term
        return filled(total, y)

    return push


def _pull(name: str, d: Partial | None, k: int, operands: tuple[str, ...]) -> Callable[..., Any]:
    """The maker of one operand's pullback, which keeps what the partial needs."""
    if d is None:

        def refused(y: Value, *args: Value) -> Any:
            raise missing_partial(name, k)

        return refused
    needs = tuple(inspect.signature(d).parameters)
    places = tuple(0 if n == "y" else 1 + operands.index(n) for n in needs)

    alone = places[0] if len(places) == 1 else -1

    def pull(y: Value, *args: Value) -> Any:
        operand = args[k]
        if alone >= 0 and type(y) is type(operand) is np.ndarray and y.dtype is operand.dtype is _F8:
            if y.shape == operand.shape:  # as mostly
                value = args[alone - 1] if alone else y
                return lambda w: w * d(value)
        values = (y, *args)
        kept = [values[p] for p in places]
        if type(y) is type(operand) is np.ndarray and y.dtype is operand.dtype is _F8:
            if y.shape == operand.shape:  # as mostly
                return lambda w: w * d(*kept)
        plain = is_real(y) and is_real(operand)
        here, there = shape_of(operand), shape_of(y)
        if plain and here == there:
            return lambda w: w * d(*kept)
        if plain:
            return lambda w: summed(expand(w * d(*kept), there), here)
        real = is_real(operand)

        def full(w: Value) -> Value:
            g = w * conj(d(*kept))
            if real and not is_real(g):
                g = PRIMITIVES["real"](g)
            return summed(expand(g, there), here)

        return full

    return pull


def missing_partial(name: str, k: int) -> Exception:
    from polyad.engine.core.refusals import refuse

    return refuse(
        f"{name} has no derivative with respect to its operand {k}",
        "make it a constant (argnums), use backend='finite' where the derivative is needed, or "
        "polyad.stop_gradient(x) where dropping it is meant",
    )


# -- linear -----------------------------------------------------------------------------------------


def linear(
    name: str, compute: Callable[..., Any], batch: Callable[..., Value], transpose: Callable[..., Value]
) -> Primitive:
    """Define a linear primitive of one operand.

    Parameters
    ----------
    name : str
        Its name.
    compute : callable
        ``compute(x, **params)`` on NumPy arrays.
    batch : callable
        ``batch(t, shape, **params)``: the primitive on every row of a batch of tangents, whose
        value had that shape.
    transpose : callable
        ``transpose(w, shape, **params)``: the adjoint map.
    """

    def push(y: Value, tangents: tuple[Value, ...], x: Value, **params: Any) -> Value:
        return batch(tangents[0], shape_of(x), **params)

    def pull(y: Value, x: Value, **params: Any) -> Any:
        shape = shape_of(x)
        if is_real(x) and not is_real(y):
            return lambda w: PRIMITIVES["real"](transpose(w, shape, **params))
        return lambda w: transpose(w, shape, **params)

    return Primitive(name, compute, push, (pull,))


# -- general and constant ---------------------------------------------------------------------------


def general(
    name: str,
    compute: Callable[..., Any],
    push: Callable[..., Value] | None,
    *pulls: Callable[..., Any],
    joint: Callable[..., Any] | None = None,
    multiple: bool = False,
    lazy: bool = False,
) -> Primitive:
    """Define a primitive whose rules are written out; see ``Primitive``."""
    return Primitive(name, compute, push, pulls, joint=joint, multiple=multiple, lazy=lazy)


def constant(name: str, compute: Callable[..., Any]) -> Callable[..., Value]:
    """Define a piecewise constant function: its result depends on values only, not on tangents."""
    primitive = Primitive(name, compute)
    bits = _rounded if name in ROUNDING else _found if name in PLACES else None

    def apply(*args: Value, **params: Any) -> Value:
        for a in args:
            if isinstance(a, Tracer):
                LOOKED.bits += 1 if bits is None else bits(args, params)
                return primitive(*map(base, args), **params)
        return compute(*args, **params)

    apply.__name__ = name
    return apply


# what leaves the leading digits of a number, and what finds a place among many
ROUNDING = frozenset("round nearest_integer floor ceil trunc rint truncate_to floor_divide".split())
PLACES = frozenset("argmax argmin argsort argpartition searchsorted count_nonzero nonzero".split())


def _found(args: tuple[Value, ...], params: dict[str, Any]) -> int:
    return int(max(getattr(a, "size", 1) for a in args)).bit_length()


def _rounded(args: tuple[Value, ...], params: dict[str, Any]) -> int:
    """A few bits of a number, or all of it."""
    largest = 10.0 ** params.get("decimals", 0)
    for a in map(base, args[:1]):
        if isinstance(a, Tracer):
            return 24
        largest = largest * np.max(np.abs(a), initial=0.0)
    return 24 if largest > 2.0**17 else 4


def traced(*args: Value) -> bool:
    """Whether any of the values is a tracer."""
    return any(isinstance(a, Tracer) for a in args)


def zeros_batch(t: Value, like: Value) -> Value:
    """A batch of zero tangents for a value, as many as ``t`` has."""
    return zeros_of(t, (t.shape[0], *shape_of(like)))


def zeros_of(like: Value, shape: tuple[int, ...]) -> Value:
    """Zeros of a shape in the library and dtype of a value."""
    a = base(like)
    if isinstance(a, Tracer):
        return PRIMITIVES["zeros"](a, shape=shape)
    return np.zeros(shape, dtype=a.dtype)
