"""Eigenvectors and singular vectors of equal values in reverse mode.

Where values are equal, their vectors may be rotated among themselves, and a result has a derivative only if
it does not depend on that choice, as a function of the matrix does not. Then the quotient in the rule (the
cotangent of such a rotation over the distance of the values) is zero by zero, and has a limit, the divided
difference of Daleckii and Krein (Higham, Functions of Matrices, 2008, section 3.2): the rate at which that
cotangent rises where the values are moved apart. So values and vectors carry two tangents of an inner level,
which are not recorded on the tape:

* the first moves the values apart: the cotangent's own tangent over that of the distance is the quotient's
  limit, for all pairs at once;
* the second rotates the vectors: a result that does not depend on the choice does not change with it beyond
  what the limits say; anything else is refused.
* the third lengthens the left singular vectors of a value that is zero: a result that jumps with their signs
  (``U @ Vh``) depends on them and on the right ones together, which its cotangents show.

This holds for several factorisations of one tape together, since rotating the vectors of one changes nothing
whatever the values of another are. It is first order only: there are no second derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from polyad.engine.core.values import SEEN, Primitive, Tracer, Value, base, is_real, shape_of
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.masked import settled
from polyad.engine.rules import factorizations
from polyad.engine.rules.arithmetic import real
from polyad.engine.rules.factorizations import (
    EQUAL,
    again,
    as_diagonal,
    columns,
    diagonal,
    no_vectors,
    product,
    rows,
    symmetric,
)
from polyad.engine.rules.products import adjoint, matmul
from polyad.engine.rules.structure import getitem

__all__ = ["eigh", "eigvalsh", "svd", "svdvals"]


# the part of the largest entry that counts as zero, of numbers that are second derivatives
ZERO = 1e-9


def eigh(a: Value) -> Any:
    """Eigenvalues and eigenvectors, on a tape with the limits where values are equal."""
    return _split(factorizations.eigh, a, 0, _pull_eigh, _turned_eigh)


def svd(a: Value) -> Any:
    """The reduced singular value decomposition likewise."""
    return _split(factorizations.svd, a, 1, _pull_svd, _turned_svd)


def eigvalsh(a: Value) -> Value:
    """Eigenvalues alone."""
    _see(a)
    return factorizations.eigvalsh(a)


def svdvals(a: Value) -> Value:
    """Singular values alone."""
    _see(a)
    return factorizations.svdvals(a)


def _see(a: Value) -> None:
    if isinstance(base(a), Tracer):
        SEEN.count += 1


def _split(primitive: Primitive, a: Value, place: int, pull: Any, turned: Any) -> Any:
    tape = getattr(a, "tape", None)
    if tape is None:
        _see(a)
        return primitive(a)
    y = primitive(a.value)
    values = base(y[place])
    if not isinstance(values, np.ndarray) or not values.size:
        return a._recorded(primitive, y, primitive.pulls[0](y, a.value), a.index)
    scale = np.max(np.abs(values), axis=-1, keepdims=True)[..., None]
    limit = EQUAL * np.finfo(values.dtype).eps * scale
    same = np.abs(values[..., None, :] - values[..., :, None]) <= limit
    several = np.any(same & ~np.eye(values.shape[-1], dtype=bool))
    none = (values <= limit[..., 0]) if place else np.zeros(values.shape, dtype=bool)
    if not several and not none.any():
        return a._recorded(primitive, y, primitive.pulls[0](y, a.value), a.index)
    if isinstance(a.value, Tracer):
        raise again()
    rng = np.random.default_rng(20261130)
    apart = np.cumsum(rng.uniform(1.0, 2.0, values.shape), axis=-1).astype(values.dtype)
    turns = turned(y, same, none, rng)
    level = tape.inner_level()
    found = []
    for k, part in enumerate(y):
        tangent = np.zeros((3, *part.shape), dtype=part.dtype)
        tangent[0 if k == place else 1] = apart if k == place else turns[k]
        if place and not k:
            tangent[2] = part * none[..., None, :]
        found.append(Dual(level, part, tangent))
    return a._recorded(primitive, tuple(found), pull(level, found, apart, same, none, turns), a.index)


def _antisymmetric(rng: Any, same: Any, like: Any) -> Any:
    x = rng.standard_normal(same.shape)
    if like.dtype.kind == "c":
        x = x + 1j * rng.standard_normal(same.shape)
    return (x - np.conj(np.swapaxes(x, -1, -2))) * same


# -- eigenvalues ----------------------------------------------------------------------------------------


def _turned_eigh(y: Any, same: Any, none: Any, rng: Any) -> Any:
    x = _antisymmetric(rng, same, y[1])
    return None, y[1] @ x, x


def _pull_eigh(level: int, y: Any, apart: Any, same: Any, none: Any, turns: Any) -> Any:
    d, v = y[0].primal, y[1].primal
    other = same & ~np.eye(d.shape[-1], dtype=bool)
    gap = d[..., None, :] - d[..., :, None]
    gap, rise = np.where(same, 1.0, gap), np.where(other, apart[..., None, :] - apart[..., :, None], 1.0)
    turn = turns[2]

    def pull(w: Value) -> Value:
        wd, wv = map(settled, w)
        wd, wd_turned = _parts(wd, level)[::2]
        inner = 0.0
        if wv is not None:
            z, first, second = _parts(matmul(adjoint(y[1]), wv), level)
            n, n1, n2 = _skew(z), _skew(first), _skew(second)
            inner = n / gap * ~same
            if n1 is not None:
                inner = inner + n1 / rise * other
            size = np.abs(d).max(axis=-1, initial=0.0)[..., None, None]
            _vanishes(other, (n, n2), (z, first, second), (1.0, size, 1.0))
        if wd is not None:
            inner = as_diagonal(wd) + inner
        if type(inner) is float:
            return None
        change = matmul(inner, turn) - matmul(turn, inner)
        change = diagonal(change if is_real(change) else real(change))
        _follows(wd_turned, change, inner)
        return symmetric(product(v, inner, adjoint(v)))

    return pull


# -- singular values --------------------------------------------------------------------------------------


def _turned_svd(y: Any, same: Any, none: Any, rng: Any) -> Any:
    u, _, vh = y
    x = _antisymmetric(rng, same, u)
    both = none[..., :, None] & none[..., None, :]
    own = _antisymmetric(rng, both, u)
    xv = np.where(both, own, x)
    du, dv = u @ x, np.swapaxes(vh, -1, -2) @ xv
    aside_u = _aside(u, none, rng)
    aside_v = _aside(np.swapaxes(vh, -1, -2), none, rng)
    return du + aside_u, None, np.swapaxes(dv + aside_v, -1, -2), x, xv, aside_u, aside_v


def _aside(u: Any, none: Any, rng: Any) -> Any:
    """A move of vectors of singular values that are zero out of their span."""
    g = rng.standard_normal(u.shape) * none[..., None, :]
    if u.shape[-1] == u.shape[-2]:
        return g * 0.0
    return g - u @ (np.swapaxes(u, -1, -2) @ g)


def _pull_svd(level: int, y: Any, apart: Any, same: Any, none: Any, turns: Any) -> Any:
    (u, s, vh), eye = (part.primal for part in y), np.eye(y[1].shape[-1], dtype=bool)
    other = same & ~eye
    both = none[..., :, None] & none[..., None, :]
    gap = np.where(same, 1.0, columns(s) - rows(s))
    rise = np.where(other, columns(apart) - rows(apart), 1.0)
    total, rise_total = np.where(both, 1.0, columns(s) + rows(s)), columns(apart) + rows(apart)
    stretch = np.where(none, 1.0, s)
    _, _, _, xu, xv, aside_u, aside_v = turns

    def spread(vectors: Value, w: Value) -> Any:
        """Turns within the span and moves out of it, each by itself and along both tangents."""
        if w is None:
            return (None,) * 3, (None,) * 3, (None,) * 3
        inner = matmul(adjoint(vectors), w)
        found = _parts(inner, level)
        if shape_of(vectors)[-1] == shape_of(vectors)[-2]:
            return tuple(map(_skew, found)), (None,) * 3, found
        outer = _parts(w - matmul(vectors, inner), level)
        _vanishes(
            none[..., None, :] & np.ones(vectors.shape, dtype=bool),
            (outer[0], outer[2]),
            (_parts(w, level)),
            (1.0, s.max(axis=-1)[..., None, None], 1.0),
        )
        return tuple(map(_skew, found)), outer, found

    def outside(outer: Any) -> Value:
        """What a move out of the span is of the matrix."""
        if outer[0] is None:
            return None
        found = outer[0] / columns(stretch) * ~none[..., None, :]
        return found if outer[1] is None else found + outer[1] / columns(apart) * none[..., None, :]

    def pull(w: Value) -> Value:
        wu, ws, wvh = map(settled, w)
        ws, ws_turned = _parts(ws, level)[::2]
        nu, outer_u, zu = spread(y[0], wu)
        nv, outer_v, zv = spread(adjoint(y[2]), None if wvh is None else adjoint(wvh))
        plus = [_sum(a, b) for a, b in zip(nu, nv, strict=True)]
        minus = [_sum(a, None if b is None else -b) for a, b in zip(nu, nv, strict=True)]
        scale = (1.0, s.max(axis=-1)[..., None, None], 1.0)
        _vanishes(other, (plus[0], plus[2]), zu, scale, beside=zv)
        _vanishes(both & ~eye, (minus[0], minus[2]), zu, scale, beside=zv)
        longer = _lengthened(wvh, level)
        if longer is not None:
            _vanishes(both, (matmul(vh, adjoint(longer)),), zu, scale, beside=zv)
        inner: Value = 0.0
        if plus[0] is not None:
            inner = plus[0] / gap * ~same + minus[0] / total * ~both
        if plus[1] is not None:
            inner = inner + plus[1] / rise * other + minus[1] / rise_total * both
        if ws is not None:
            inner = as_diagonal(ws) + inner
        out_u, out_v = outside(outer_u), outside(outer_v)
        if type(inner) is float:
            return None
        change = diagonal(matmul(inner, xv) - matmul(xu, inner))
        for move, out in ((aside_u, out_u), (aside_v, out_v)):
            if out is not None:
                change = change + diagonal(matmul(np.swapaxes(move, -1, -2), out))
        _follows(ws_turned, change, inner)
        result = product(u, inner, vh)
        if out_u is not None:
            result = result + matmul(out_u, vh)
        return result if out_v is None else result + matmul(u, adjoint(out_v))

    return pull


# -- parts and checks -------------------------------------------------------------------------------------


def _parts(z: Value, level: int) -> tuple[Value, Value, Value]:
    """A cotangent without the inner level's tangents, and along either of these; None for zero."""
    if not isinstance(z, Tracer) or z.level < level:
        return z, None, None
    if type(z) is not Dual:
        raise again()
    if z.level == level:
        return z.primal, getitem(z.tangent, index=0), getitem(z.tangent, index=1)
    primal, tangent = _parts(z.primal, level), _parts(z.tangent, level)

    def joined(p: Value, t: Value) -> Value:
        return p if t is None else Dual(z.level, getitem(t, index=0) * 0.0 if p is None else p, t)

    return joined(primal[0], tangent[0]), joined(primal[1], tangent[1]), joined(primal[2], tangent[2])


def _lengthened(z: Value, level: int) -> Value:
    """A cotangent along the third of the inner level's tangents, if it has one."""
    if type(z) is not Dual or z.level < level:
        return None
    if z.level == level:
        return getitem(z.tangent, index=2)
    primal, tangent = _lengthened(z.primal, level), _lengthened(z.tangent, level)
    if tangent is None:
        return primal
    return Dual(z.level, getitem(tangent, index=0) * 0.0 if primal is None else primal, tangent)


def _skew(z: Value) -> Value:
    return None if z is None else (z - adjoint(z)) * 0.5


def _sum(a: Value, b: Value) -> Value:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _plain(z: Value) -> Iterator[Any]:
    """The arrays that a value is made of."""
    if type(z) is Dual:
        yield from _plain(z.primal)
        yield from _plain(z.tangent)
    elif isinstance(z, Tracer):
        yield base(z)
    elif z is not None:
        yield z


def _size(z: Any, axes: tuple[int, ...] = (-2, -1)) -> Any:
    return np.max(np.abs(z), axis=axes, keepdims=True, initial=0.0)


def _vanishes(where: Any, found: Any, scales: Any, units: Any, beside: Any = (None,) * 3) -> None:
    """Refuse a result that depends on how the vectors are rotated, seen by a cotangent of the rotation."""
    for z in found:
        for k, part in enumerate(_plain(z)):
            scale: Any = 0.0
            for group in (scales, beside):
                for one, unit in zip(group, units, strict=True):
                    sizes = list(_plain(one))
                    if len(sizes) > k:
                        scale = scale + _size(sizes[k]) * unit
            if not np.all(np.abs(part * where) <= ZERO * scale):
                raise no_vectors()


def _follows(found: Value, expected: Value, scale: Value) -> None:
    """Refuse cotangents of values that turn otherwise than a function of the matrix has them turn."""
    difference = expected * 1.0 if found is None else expected - found
    for part, size in zip(_plain(difference), _plain(scale), strict=False):
        if not np.all(np.abs(part) <= ZERO * 10 * _size(size)[..., 0]):
            raise no_vectors()
