"""Rules of determinants, right where matrices are singular.

The derivative of a determinant is made of cofactors, which are there for every matrix: by the inverse where
it has one, by the singular value decomposition where it has none, and for derivatives of these by the minors
themselves (each a determinant again, so that any order follows).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj, general
from polyad.engine.core.refusals import Deviates, refuse
from polyad.engine.core.values import Primitive, Tracer, Value, base, is_real, shape_of
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.arithmetic import real
from polyad.engine.rules.elementwise import imag
from polyad.engine.rules.factorizations import inv
from polyad.engine.rules.products import adjoint, swapped
from polyad.engine.rules.structure import getitem, reshape, total

__all__ = ["det", "slogdet"]

# The largest matrix whose minors are formed, n**4 numbers; the largest of which they always are where the
# derivative may be differentiated again; the condition from which on the inverse loses too many digits then.
LARGEST, SMALL, ILL = 48, 6, 1e5


def _expanded(w: Value) -> Value:
    """Numbers, one for each matrix of a stack, as 1 x 1 matrices."""
    return reshape(w, shape=(*shape_of(w), 1, 1)) if shape_of(w) else w


def _trace_of_product(a: Value, b: Value) -> Value:
    both = a * swapped(b)
    n = len(both.shape)
    return total(both, axis=(n - 2, n - 1), keepdims=False)


def _invertible(y: Any) -> None:
    if np.any(np.equal(y, 0)):
        raise Deviates


def _well_conditioned(a: Any) -> None:
    if _is_ill(a):
        raise Deviates


def _is_ill(a: Any) -> bool:
    return bool(np.any(~(np.linalg.cond(a) < ILL)))


def _needs_minors(y: Value, a: Value) -> bool:
    """Whether the inverse is too inexact for the cofactors or for their derivatives."""
    n, again = shape_of(a)[-1], isinstance(a, Tracer) and type(a) is not Proxy
    y, a = base(y), base(a)
    if not isinstance(a, Proxy):
        return n <= SMALL or _is_ill(a)
    own = adapter(a.library)
    example = own.example(a.array)
    if example is None:
        values = own.values(a.array)
        return n <= SMALL or (values is not None and _is_ill(values))
    if again and n <= SMALL:
        return True
    if _is_ill(example) if again else np.any(np.linalg.det(example) == 0):
        return True
    if again:
        own.later(_well_conditioned, (a.array,))
    else:
        own.later(_invertible, (y.array if isinstance(y, Proxy) else y,))
    return False


def _cofactors(y: Value, a: Value) -> Value:
    """The transposed adjugate of every matrix of a stack, whose determinants are ``y``."""
    n = shape_of(a)[-1]
    plain = not isinstance(a, Tracer)
    if not np.any(y == 0) if plain else not _needs_minors(y, a):
        return _expanded(y) * swapped(inv(a))
    if plain:
        u, s, vh = np.linalg.svd(a)
        others = np.where(np.eye(n, dtype=bool), 1.0, s[..., None, :])
        turn = np.linalg.det(u) * np.linalg.det(vh)
        found: Value = _expanded(turn) * np.conj(np.matmul(u * np.prod(others, axis=-1)[..., None, :], vh))
        return found
    if n > LARGEST:
        raise refuse(
            f"the derivative of np.linalg.det of a singular matrix with {n} rows, to this order,",
            f"such matrices may have {LARGEST} rows",
        )
    if n == 1:
        return a * 0.0 + 1.0
    rest = np.array([[k for k in range(n) if k != i] for i in range(n)])
    minors = getitem(a, index=(..., rest[:, None, :, None], rest[None, :, None, :]))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return det(minors) * signs


det: Primitive = general(
    "det",
    np.linalg.det,
    lambda y, tangents, a: _trace_of_product(swapped(_cofactors(y, a)), tangents[0]),
    lambda y, a: lambda w: _expanded(w) * conj(_cofactors(y, a)),
)


def _inverse(y: Value, a: Value) -> Value:
    if not isinstance(base(y[0]), Proxy) and np.any(base(y[0]) == 0):
        raise refuse("np.linalg.slogdet of a singular matrix has no derivative", "np.linalg.det has one")
    return inv(a)


def _push_slogdet(y: Value, tangents: tuple[Value, ...], a: Value) -> Value:
    rise = _trace_of_product(_inverse(y, a), tangents[0])
    if is_real(a):
        return None, rise
    return y[0] * (imag(rise) * 1j), real(rise)


def _pull_slogdet(y: Value, a: Value) -> Any:
    sign = y[0]

    def pull(w: Value) -> Value:
        turn, rise = w
        if turn is not None and not is_real(a):
            turn = imag(sign * conj(turn)) * -1j
            rise = turn if rise is None else rise + turn
        elif rise is None:
            return 0.0 * a
        return _expanded(rise) * adjoint(_inverse(y, a))

    return pull


slogdet: Primitive = general(
    "slogdet", lambda a: tuple(np.linalg.slogdet(a)), _push_slogdet, _pull_slogdet, multiple=True
)
