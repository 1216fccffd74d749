"""Rules of inverses, determinants and factorisations.

Sources: Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation (2008); for the factorisations Murray, Differentiation of the Cholesky
decomposition (arXiv:1602.07527), Walter and Lehmann, Algorithmic differentiation of linear algebra
functions (2010), and Golub and Pereyra, The differentiation of pseudo-inverses (1973). All work on
stacks of matrices, and a batch of tangents is one stack more. Equal eigenvalues (singular values)
have no differentiable vectors: their rules stop there (``DegenerateError``), and ``rules.degenerate`` goes on
where the result does not depend on the choice of vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import Like, aligned, conj, fit, general
from polyad.engine.core.refusals import noted, refuse
from polyad.engine.core.values import Primitive, Value, base, is_real, ndim_of, shape_of
from polyad.engine.rules.arithmetic import equal, less_equal, real, where
from polyad.engine.rules.elementwise import absolute, imag
from polyad.engine.rules.products import adjoint, lifted, matmul
from polyad.engine.rules.rank import of_full_rank
from polyad.engine.rules.reduction import maximum_of as _largest
from polyad.engine.rules.structure import reshape, total
from polyad.errors import DegenerateError

__all__ = ["cholesky", "eigh", "inv", "pinv", "qr", "solve", "svd", "svdvals"]


def symmetric(a: Value) -> Value:
    """The Hermitian part."""
    return (a + adjoint(a)) * 0.5


def diagonal(a: Value) -> Value:
    """The diagonal of every matrix."""
    return total(a * np.eye(a.shape[-2], a.shape[-1]), axis=(len(a.shape) - 1,), keepdims=False)


def as_diagonal(d: Value) -> Value:
    """Diagonal matrices."""
    return reshape(d, shape=(*d.shape, 1)) * np.eye(d.shape[-1])


def columns(d: Value) -> Value:
    """Numbers that scale the columns of a matrix."""
    return reshape(d, shape=(*d.shape[:-1], 1, d.shape[-1]))


def rows(d: Value) -> Value:
    """Numbers that scale its rows."""
    return reshape(d, shape=(*d.shape, 1))


def gaps(d: Value) -> Value:
    """``1 / (d_j - d_i)``, zero where they are equal."""
    difference = columns(d) - rows(d)
    same = equal(difference, 0)
    return where(same, 0.0, 1 / where(same, 1.0, difference))


# in units of the precision, the relative distance below which eigenvalues count as equal
EQUAL = 4096.0


VALUES = "use np.linalg.eigvalsh (svdvals) where the values are enough"
FUNCTIONS = "a function of the matrix itself (polyad.linalg.expm, logm, sqrtm, np.linalg.matrix_power)"


def no_vectors() -> DegenerateError:
    """The error where a derivative of eigenvectors of equal eigenvalues is needed."""
    error = refuse(
        "eigenvectors (singular vectors) of equal eigenvalues (singular values) have no derivative, and "
        "the result depends on which of them are chosen",
        f"{VALUES}, or move the point to where the values differ",
    )
    return noted(DegenerateError(str(error)))


def unknown_use() -> DegenerateError:
    """The error of a rule that cannot see whether the result depends on the choice of vectors."""
    error = refuse(
        "eigenvectors (singular vectors) of equal eigenvalues (singular values) have no derivative of their "
        "own",
        f"{VALUES}, backend='numpy:reverse' where the result does not depend on the choice of vectors, or "
        + FUNCTIONS,
    )
    return noted(DegenerateError(str(error)))


def again() -> DegenerateError:
    """The error where that is to be differentiated once more."""
    error = refuse(
        "second derivatives through eigenvectors (singular vectors) of equal eigenvalues (singular values)",
        f"use {FUNCTIONS}, or backend='finite'",
    )
    return noted(DegenerateError(str(error)))


def _quotient(z: Any, gap: Any, same: Any, strict: bool, square: bool) -> Any:
    """``z / gap``; where the gap is zero there is no value, since zero by zero may have any limit."""
    same = np.asarray(same) != 0
    wrong = same & ~np.eye(gap.shape[-1], dtype=bool) if square else same
    if strict and wrong.any():
        raise unknown_use()
    return np.where(wrong, np.nan, np.where(same, 0.0, z / np.where(same, 1.0, gap)))


def _push_quotient(
    y: Value, tangents: tuple[Value, ...], z: Value, gap: Value, same: Value, strict: bool, square: bool
) -> Value:
    tz, tg, _ = tangents
    t = tz
    if tg is not None:
        fall = y * aligned(tg, ndim_of(y))  # of a batch, which the distances are the same for
        t = -fall if tz is None else tz - fall
    return gap_quotient(t, gap, same, strict=strict, square=square)


def _pull_quotient(y: Value, z: Value, gap: Value, same: Value, strict: bool, square: bool) -> Any:
    return lambda w: gap_quotient(w, gap, same, strict=strict, square=square)


def _pull_gap(y: Value, z: Value, gap: Value, same: Value, strict: bool, square: bool) -> Any:
    like = Like(gap)
    return lambda w: fit(-conj(y) * gap_quotient(w, gap, same, strict=strict, square=square), like)


gap_quotient: Primitive = general(
    "gap_quotient",
    _quotient,
    _push_quotient,
    _pull_quotient,
    _pull_gap,
    lambda y, z, gap, same, strict, square: lambda w: None,
)


def _nearly_zero(gap: Value, scale: Value) -> Value:
    """Which gaps count as zero beside numbers of that size."""
    eps = float(np.finfo(gap.dtype).eps)
    size = _largest(absolute(base(scale)), axis=(ndim_of(scale) - 1,), keepdims=True)
    return less_equal(absolute(base(gap)), EQUAL * eps * _expanded_last(size))


def _expanded_last(size: Value) -> Value:
    return reshape(size, shape=(*shape_of(size), 1))


def over_gaps(z: Value, d: Value, scale: Value, *, strict: bool) -> Value:
    """Every entry of a matrix by ``d_j - d_i``, where it may be that both are zero; zero on the diagonal."""
    gap = columns(d) - rows(d)
    return gap_quotient(z, gap, _nearly_zero(gap, scale), strict=strict, square=True)


def over_columns(z: Value, s: Value, *, strict: bool) -> Value:
    """The columns of a matrix by numbers some of which may be zero, if the column is."""
    gap = columns(s)
    if not z.shape[-2]:
        return z
    if z.shape[-2] == z.shape[-1]:
        z = z * 0.0  # what is orthogonal to all directions is rounding; signs of vectors are not determined
    return gap_quotient(z, gap, _nearly_zero(gap, s), strict=strict, square=False)


def product(*matrices: Value) -> Value:
    """Several matrices multiplied from the left."""
    result = matrices[0]
    for m in matrices[1:]:
        result = matmul(result, m)
    return result


# -- inverses -----------------------------------------------------------------------------------------

inv: Primitive = general(
    "inv",
    np.linalg.inv,
    lambda y, tangents, a: -product(y, tangents[0], y),
    lambda y, a: lambda w: -product(adjoint(y), w, adjoint(y)),
)


def _push_solve(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    right = None
    if ta is not None:
        right = -matmul(lifted(ta, ndim_of(a), ndim_of(y)), y)
    if tb is not None:
        tb = lifted(tb, ndim_of(b), ndim_of(y))
        right = tb if right is None else right + tb
    return solve(a, right)


def _joint_solve(which: tuple[int, ...], y: Value, a: Value, b: Value) -> Any:
    like_a, like_b = Like(a), Like(b)

    def pull(w: Value) -> tuple[Value, ...]:
        wb = solve(adjoint(a), w)
        made = (lambda: fit(-matmul(wb, adjoint(y)), like_a), lambda: fit(wb, like_b))
        return tuple(made[k]() for k in which)

    return pull


# ``b`` is a stack of matrices; ``functions.linalg`` turns vectors into columns.
solve: Primitive = general("solve", np.linalg.solve, _push_solve, joint=_joint_solve)


def _push_pinv(y: Value, tangents: tuple[Value, ...], a: Value, rcond: Any) -> Value:
    (t,) = tangents
    left, right = np.eye(y.shape[-2]) - matmul(y, a), np.eye(a.shape[-2]) - matmul(a, y)
    th = adjoint(t)
    return product(y, adjoint(y), th, right) + product(left, th, adjoint(y), y) - product(y, t, y)


def _pull_pinv(y: Value, a: Value, rcond: Any) -> Any:
    def pull(w: Value) -> Value:
        left, right = np.eye(y.shape[-2]) - matmul(y, a), np.eye(a.shape[-2]) - matmul(a, y)
        yh, wh = adjoint(y), adjoint(w)
        return product(right, wh, y, yh) + product(yh, y, wh, left) - product(yh, w, yh)

    return pull


pinv: Primitive = general("pinv", lambda a, rcond: np.linalg.pinv(a, rcond=rcond), _push_pinv, _pull_pinv)

# -- factorisations -------------------------------------------------------------------------------------


def lower_half(a: Value) -> Value:
    """The lower triangle with half of the diagonal."""
    n = a.shape[-1]
    return a * (np.tril(np.ones((n, n))) - 0.5 * np.eye(n))


def _push_cholesky(y: Value, tangents: tuple[Value, ...], a: Value) -> Value:
    inverse = inv(y)
    return matmul(y, lower_half(product(inverse, symmetric(tangents[0]), adjoint(inverse))))


def _pull_cholesky(y: Value, a: Value) -> Any:
    def pull(w: Value) -> Value:
        inverse = inv(y)
        return symmetric(product(adjoint(inverse), lower_half(matmul(adjoint(y), w)), inverse))

    return pull


cholesky: Primitive = general("cholesky", np.linalg.cholesky, _push_cholesky, _pull_cholesky)


def _push_eigh(y: Value, tangents: tuple[Value, ...], a: Value) -> Any:
    d, v = y
    inner = product(adjoint(v), symmetric(tangents[0]), v)
    values = diagonal(inner)
    return (values if is_real(values) else real(values)), matmul(v, over_gaps(inner, d, d, strict=True))


def _pull_eigh(y: Value, a: Value) -> Any:
    d, v = y

    def pull(w: Value) -> Value:
        wd, wv = w
        inner = 0.0
        if wd is not None:
            inner = as_diagonal(wd)
        if wv is not None:
            inner = over_gaps(matmul(adjoint(v), wv), d, d, strict=True) + inner
        return symmetric(product(v, inner, adjoint(v)))

    return pull


eigh: Primitive = general("eigh", lambda a: tuple(np.linalg.eigh(a)), _push_eigh, _pull_eigh, multiple=True)


def _push_eigvalsh(y: Value, tangents: tuple[Value, ...], a: Value) -> Value:
    v = eigh(a)[1]
    return real(diagonal(product(adjoint(v), symmetric(tangents[0]), v)))


def _pull_eigvalsh(y: Value, a: Value) -> Any:
    v = eigh(a)[1]
    return lambda w: product(v, as_diagonal(w), adjoint(v))


# without vectors, which have no derivative where eigenvalues are equal
eigvalsh: Primitive = general("eigvalsh", np.linalg.eigvalsh, _push_eigvalsh, _pull_eigvalsh)


def _push_svd(y: Value, tangents: tuple[Value, ...], a: Value) -> Any:
    u, s, vh = y
    v = adjoint(vh)
    inner = product(adjoint(u), tangents[0], v)
    squares = s * s
    turn = over_gaps(inner * columns(s) + rows(s) * adjoint(inner), squares, squares, strict=True)
    ds = diagonal(inner)
    if not is_real(ds):  # the phase that u and v share is open: all of its change goes to u
        turn = turn + as_diagonal(imag(ds) / s) * 1j
        ds = real(ds)
    other = over_gaps(rows(s) * inner + adjoint(inner) * columns(s), squares, squares, strict=True)
    outer_u = over_columns(matmul(tangents[0], v) - matmul(u, inner), s, strict=True)
    outer_v = over_columns(matmul(adjoint(tangents[0]), u) - matmul(v, adjoint(inner)), s, strict=True)
    return matmul(u, turn) + outer_u, ds, adjoint(matmul(v, other) + outer_v)


def _pull_svd(y: Value, a: Value) -> Any:
    u, s, vh = y

    def turned(inner: Value) -> Value:
        """The part of a rotation of vectors within their span that changes the matrix."""
        squares = s * s
        part = over_gaps(inner, squares, squares, strict=True)
        return part + adjoint(part)

    def pull(w: Value) -> Value:
        wu, ws, wvh = w
        v = adjoint(vh)
        result = product(u, as_diagonal(ws), vh) if ws is not None else 0.0
        if wu is not None:
            inner = matmul(adjoint(u), wu)
            turn = turned(inner) * columns(s)
            if not is_real(inner):
                turn = turn + as_diagonal(imag(diagonal(inner)) / s) * 1j
            outer = over_columns(wu - matmul(u, inner), s, strict=True)
            result = matmul(matmul(u, turn) + outer, vh) + result
        if wvh is not None:
            wv = adjoint(wvh)
            inner = matmul(vh, wv)
            outer = adjoint(over_columns(wv - matmul(v, inner), s, strict=True))
            result = matmul(u, matmul(rows(s) * turned(inner), vh) + outer) + result
        return result

    return pull


# The reduced form; the full one has vectors that are not determined. Those of a complex matrix have a
# phase that is not determined either: ``functions.linalg`` gives its singular values only.
svd: Primitive = general(
    "svd",
    lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    _push_svd,
    _pull_svd,
    multiple=True,
)


def _push_svdvals(y: Value, tangents: tuple[Value, ...], a: Value) -> Value:
    u, _, vh = svd(a)
    return real(diagonal(product(adjoint(u), tangents[0], adjoint(vh))))


def _pull_svdvals(y: Value, a: Value) -> Any:
    u, _, vh = svd(a)
    return lambda w: product(u, as_diagonal(w), vh)


svdvals: Primitive = general(
    "svdvals", lambda a: np.linalg.svd(a, compute_uv=False), _push_svdvals, _pull_svdvals
)


def _push_qr(y: Value, tangents: tuple[Value, ...], a: Value) -> Any:
    q, r = y
    x = matmul(tangents[0], inv(of_full_rank(r)))
    c = matmul(adjoint(q), x)
    n = c.shape[-1]
    below = c * np.tril(np.ones((n, n)), -1)
    turn = below - adjoint(below)
    if not is_real(c):  # LAPACK makes the diagonal of r real
        turn = turn + imag(c * np.eye(n)) * 1j
    return matmul(q, turn) + x - matmul(q, c), matmul(c - turn, r)


def _pull_qr(y: Value, a: Value) -> Any:
    q, r = y

    def pull(w: Value) -> Value:
        wq, wr = w
        m = 0.0
        if wr is not None:
            m = matmul(r, adjoint(wr))
        if wq is not None:
            m = m - matmul(adjoint(wq), q)
        n = r.shape[-1]
        low = m * np.tril(np.ones((n, n)))
        if not is_real(m):
            low = low - imag(m * np.eye(n)) * 1j
        mirrored = low + adjoint(m * np.tril(np.ones((n, n)), -1))
        inner = matmul(q, mirrored)
        return matmul(inner if wq is None else wq + inner, adjoint(inv(of_full_rank(r))))

    return pull


# Of at least as many rows as columns; ``functions.linalg`` brings others to this form.
qr: Primitive = general("qr", lambda a: tuple(np.linalg.qr(a)), _push_qr, _pull_qr, multiple=True)
