"""Functions of SciPy that NumPy does not have and that read plain arrays only: on values, in primitives.

``polyad.linalg`` and ``polyad.special`` are their public side; ``core.remedies`` names them where SciPy's
own are called with an array that is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine.boxes import methods  # noqa: F401  (fills the table and gives the box its methods)
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.dispatch import call
from polyad.engine.core.kinds import conj, zeros_of
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Value, base, is_real, ndim_of, shape_of
from polyad.engine.functions.linalg import triangle
from polyad.engine.functions.reduction import Axis, axes_of, max_, sum_
from polyad.engine.functions.structure import array_of
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules import matrix_functions
from polyad.engine.rules.arithmetic import equal, less, log, not_equal, where
from polyad.engine.rules.elementwise import absolute, exp, expm1, log1p, sign
from polyad.engine.rules.factorizations import cholesky
from polyad.engine.rules.products import adjoint, swapped
from polyad.engine.rules.structure import broadcast_to, concatenate, gather, reshape

__all__ = ["on_values"]


def on_values(f: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function on values take what users have: arrays of any library, boxes, numbers, lists."""

    @wraps(f)
    def apply(*args: Any, **kwargs: Any) -> Any:
        given = [*_parts(args), *_parts(tuple(kwargs.values()))]
        if any(isinstance(a, Box) for a in given):
            return call(f, args, kwargs)
        if any(_foreign(a) for a in given):
            return _bare(call(f, args, kwargs))
        return f(*args, **kwargs)

    return apply


def _parts(items: tuple[Any, ...]) -> list[Any]:
    return [part for a in items for part in (_parts(tuple(a)) if isinstance(a, list | tuple) else [a])]


def _foreign(a: Any) -> bool:
    owner = library_of(a)
    return owner is not None and owner.is_foreign


def _bare(result: Any) -> Any:
    """Results as arrays of the library whose arrays came in."""
    if isinstance(result, tuple):
        return tuple(map(_bare, result))
    if isinstance(result, Box):
        value = result._value
        return value.array if isinstance(value, Proxy) else value
    return result


# -- matrices ---------------------------------------------------------------------------------------------


def _square(a: Any, name: str) -> Value:
    a = array_of(a)
    if ndim_of(a) < 2 or shape_of(a)[-1] != shape_of(a)[-2]:
        raise ValueError(f"{name} of an array of shape {shape_of(a)}: the last two axes must be equal")
    if a.dtype in (np.longdouble, np.clongdouble):
        raise TypeError(f"{name} of {a.dtype}: SciPy computes it in double precision at most")
    return a if a.dtype.kind in "fc" else a * 1.0


def expm(a: Value) -> Value:
    return matrix_functions.expm(_square(a, "expm"))


def logm(a: Value) -> Value:
    return matrix_functions.logm(_square(a, "logm"))


def sqrtm(a: Value) -> Value:
    return matrix_functions.sqrtm(_square(a, "sqrtm"))


def solve_triangular(
    a: Value, b: Value, *, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Value:
    a, b = _square(a, "solve_triangular"), array_of(b) * 1.0
    if trans in (1, 2, "T", "C"):
        a, lower = swapped(a), not lower
        a = conj(a) if trans in (2, "C") else a
    elif trans not in (0, "N"):
        raise ValueError(f"trans is {trans!r}: it may be 0 or 'N', 1 or 'T', 2 or 'C'")
    vector = ndim_of(b) == 1
    b = reshape(b, shape=(-1, 1)) if vector else b
    lead = np.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    a, b = (
        broadcast_to(m, shape=(*lead, *shape_of(m)[-2:])) if shape_of(m)[:-2] != lead else m for m in (a, b)
    )
    x = matrix_functions.solve_triangular(a, b, lower=bool(lower), unit_diagonal=bool(unit_diagonal))
    return reshape(x, shape=shape_of(x)[:-1]) if vector else x


def cho_factor(a: Value, *, lower: bool = False) -> tuple[Value, bool]:
    factor = cholesky(triangle(_square(a, "cho_factor"), "L" if lower else "U"))
    return (factor if lower else adjoint(factor)), lower


def cho_solve(c_and_lower: tuple[Value, bool], b: Value) -> Value:
    c, lower = c_and_lower
    first, last = ("N", "C") if lower else ("C", "N")
    half = solve_triangular(c, b, trans=first, lower=lower)
    return solve_triangular(c, half, trans=last, lower=lower)


def block_diag(*arrs: Value) -> Value:
    blocks = [array_of(a) * 1.0 for a in arrs]
    blocks = [
        reshape(a, shape=(1,) * (2 - ndim_of(a)) + shape_of(a)) if ndim_of(a) < 2 else a for a in blocks
    ]
    width, before, rows = sum(a.shape[-1] for a in blocks), 0, []
    for a in blocks:
        m, n = a.shape
        sides = [zeros_of(a, (m, before)), a, zeros_of(a, (m, width - before - n))]
        rows.append(concatenate(*sides, axis=1))
        before += n
    return concatenate(*rows, axis=0)


def toeplitz(c: Value, r: Value = None) -> Value:
    c = reshape(array_of(c) * 1.0, shape=(-1,))
    r = conj(c) if r is None else reshape(array_of(r) * 1.0, shape=(-1,))
    m, n = c.size, r.size
    lag = np.arange(m)[:, None] - np.arange(n)[None, :]
    return gather(concatenate(c, r, axis=0), np.where(lag >= 0, lag, m - lag))


# -- logarithms of sums of exponentials -------------------------------------------------------------------


def _shifted(a: Value, axis: Axis) -> tuple[Value, Value]:
    """The exponents less the largest one, which is taken as a constant: it cancels."""
    if not is_real(a):
        raise refuse("logsumexp, softmax or log_softmax of complex numbers", "use np.log(np.sum(np.exp(x)))")
    top = max_(base(a), axis, True)
    top = where(less(absolute(top), np.inf), top, 0.0)
    return a - top, top


def logsumexp(
    a: Value, axis: Axis = None, b: Value = None, *, keepdims: bool = False, return_sign: bool = False
) -> Any:
    a = array_of(a) * 1.0
    if b is not None:
        b = array_of(b) * 1.0
        shape = np.broadcast_shapes(shape_of(a), shape_of(b))
        a, b = (broadcast_to(v, shape=shape) for v in (a, b))
        a = where(equal(b, 0), -np.inf, a)
    z, top = _shifted(a, axis)
    if b is None:
        # the largest term is 1: without it, log1p has all digits of the others
        largest = equal(z, 0)
        count = sum_(where(largest, 1.0, 0.0), axis, keepdims=True)
        none = where(equal(count, 0), 1.0, 0.0)  # where the largest one is infinite
        terms = where(largest, expm1(where(largest, z, 0.0)), exp(where(largest, 0.0, z)))
        rest = sum_(terms, axis, keepdims=True) / (count + none)
        result = log(count + none) + log1p(rest - none) + top
        turn: Value = where(not_equal(base(result), -np.inf), 1.0, 0.0)
    else:
        total = sum_(b * exp(z), axis, keepdims=True)
        turn = sign(total)
        result = log(absolute(total) if return_sign else total) + top
    if not keepdims:
        axes = axes_of(axis, ndim_of(a))
        shape = tuple(n for k, n in enumerate(shape_of(a)) if axes is not None and k not in axes)
        result, turn = reshape(result, shape=shape), reshape(turn, shape=shape)
    return (result, turn) if return_sign else result


def softmax(x: Value, axis: Axis = None) -> Value:
    e = exp(_shifted(array_of(x) * 1.0, axis)[0])
    return e / sum_(e, axis, keepdims=True)


def log_softmax(x: Value, axis: Axis = None) -> Value:
    z, _ = _shifted(array_of(x) * 1.0, axis)
    return z - logsumexp(z, axis, keepdims=True)
