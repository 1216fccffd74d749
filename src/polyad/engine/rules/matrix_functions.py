"""Rules of eigenvalues and of functions of matrices.

* The derivative of a function of a matrix is a block of that function of a larger one (Mathias, A
  chain rule for matrix functions, SIAM J. Matrix Anal. Appl. 17, 1996, theorem 2.1; Higham, Functions of
  Matrices, 2008, section 3.2). So one line serves for every function and every order.
* Eigenvectors have the rule that leaves their length and phase open; ``functions.linalg`` fixes both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import Like, conj, fit, general, zeros_of
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive, Value, base, ndim_of, shape_of
from polyad.engine.interpretations.proxy import Proxy, later
from polyad.engine.rules.factorizations import as_diagonal, diagonal, gaps, inv, product
from polyad.engine.rules.products import adjoint, lifted, matmul
from polyad.engine.rules.rank import with_regular_root
from polyad.engine.rules.structure import broadcast_to, concatenate, getitem

__all__ = ["eig", "expm", "logm", "solve_triangular", "sqrtm"]

# -- eigenvalues ----------------------------------------------------------------------------------------

# In units of the precision: the relative distance below which eigenvalues count as equal; and, of its
# square root, the condition of the eigenvectors from which on their derivatives have hardly a digit.
EQUAL, DEPENDENT = 4096.0, 0.15


def _distinct(y: Value) -> None:
    """Refuse what has no derivative: equal eigenvalues."""
    values, vectors = map(base, y)
    if isinstance(values, Proxy):
        later(_distinct_values, values, vectors)  # another library has its own rule
    elif values.size:
        _distinct_values(values, vectors)


def _distinct_values(values: Any, vectors: Any) -> None:
    if not values.size:
        return
    distance = np.abs(values[..., :, None] - values[..., None, :])
    distance[..., np.arange(values.shape[-1]), np.arange(values.shape[-1])] = np.inf
    size, eps = np.max(np.abs(values), axis=-1), np.finfo(values.dtype).eps
    equal = distance.min(axis=(-2, -1)) <= EQUAL * eps * size
    if equal.any() or (np.linalg.cond(vectors) > DEPENDENT / np.sqrt(eps)).any():
        raise refuse(
            "np.linalg.eig of a matrix with equal eigenvalues, or nearly dependent eigenvectors, has no "
            "derivative",
            "use np.linalg.eigh where the matrix is symmetric, or a function of the matrix itself "
            "(np.linalg.det, np.trace, polyad.linalg.expm)",
        )


def _push_eig(y: Value, tangents: tuple[Value, ...], a: Value) -> Any:
    _distinct(y)
    d, v = y
    inner = product(inv(v), tangents[0], v)
    return diagonal(inner), matmul(v, inner * gaps(d))


def _pull_eig(y: Value, a: Value) -> Any:
    _distinct(y)
    d, v = y
    like = Like(a)

    def pull(w: Value) -> Value:
        wd, wv = w
        inner = 0.0 if wd is None else as_diagonal(wd)
        if wv is not None:
            inner = matmul(adjoint(v), wv) * conj(gaps(d)) + inner
        return fit(product(inv(adjoint(v)), inner, adjoint(v)), like)

    return pull


eig: Primitive = general("eig", lambda a: tuple(np.linalg.eig(a)), _push_eig, _pull_eig, multiple=True)

# -- functions of matrices --------------------------------------------------------------------------------


def _scipy(name: str) -> Callable[[Any], Any]:
    def compute(a: Any) -> Any:
        import scipy.linalg

        return getattr(scipy.linalg, name)(a)

    return compute


def matrix_function(name: str, checked: Callable[[Value, Value], Value] = lambda t, y: t) -> Primitive:
    """A function of a square matrix, that of ``scipy.linalg`` on numbers.

    ``checked(t, y)`` gives a tangent or a cotangent back where a result has a derivative.
    """

    def along(a: Value, t: Value) -> Value:
        """Its derivative at ``a`` along every matrix of ``t``: the block beside that of ``a``."""
        n = a.shape[-1]
        a = broadcast_to(a, shape=t.shape) if shape_of(a) != shape_of(t) else a
        last = ndim_of(a) - 1
        upper = concatenate(a, t, axis=last)
        lower = concatenate(zeros_of(a, shape_of(a)), a, axis=last)
        both = primitive(concatenate(upper, lower, axis=last - 1))
        return getitem(both, index=(..., slice(0, n), slice(n, None)))

    def pull(y: Value, a: Value) -> Any:
        like = Like(a)
        return lambda w: fit(along(adjoint(a), checked(w, y)), like)

    primitive = general(name, _scipy(name), lambda y, tangents, a: along(a, checked(tangents[0], y)), pull)
    return primitive


expm: Primitive = matrix_function("expm")
logm: Primitive = matrix_function("logm")
sqrtm: Primitive = matrix_function("sqrtm", with_regular_root)

# -- linear equations of special form ---------------------------------------------------------------------


def _solve_triangular(a: Any, b: Any, lower: bool, unit_diagonal: bool) -> Any:
    import scipy.linalg

    return scipy.linalg.solve_triangular(a, b, lower=lower, unit_diagonal=unit_diagonal)


def _part(a: Value, lower: bool, unit_diagonal: bool) -> Value:
    """The triangle that counts."""
    n, k = a.shape[-1], -1 if unit_diagonal else 0
    ones = np.ones((n, n))
    return a * (np.tril(ones, k) if lower else np.triu(ones, -k))


def _push_triangular(y: Value, tangents: tuple[Value, ...], a: Value, b: Value, **form: bool) -> Value:
    ta, tb = tangents
    right = None
    if ta is not None:
        right = -matmul(lifted(_part(ta, **form), ndim_of(a), ndim_of(y)), y)
    if tb is not None:
        tb = lifted(tb, ndim_of(b), ndim_of(y))
        right = tb if right is None else right + tb
    return solve_triangular(_stacked(a, right), right, **form)


def _stacked(a: Value, b: Value) -> Value:
    """As many matrices as right-hand sides: SciPy's and torch's do not broadcast."""
    lead = shape_of(b)[:-2]
    return a if shape_of(a)[:-2] == lead else broadcast_to(a, shape=(*lead, *shape_of(a)[-2:]))


def _joint_triangular(which: tuple[int, ...], y: Value, a: Value, b: Value, **form: bool) -> Any:
    like_a, like_b = Like(a), Like(b)
    turned = {**form, "lower": not form["lower"]}

    def pull(w: Value) -> tuple[Value, ...]:
        wb = solve_triangular(_stacked(adjoint(a), w), w, **turned)
        made = (
            lambda: fit(_part(-matmul(wb, adjoint(y)), **form), like_a),
            lambda: fit(wb, like_b),
        )
        return tuple(made[k]() for k in which)

    return pull


# ``b`` is a stack of matrices, as many as ``a``.
solve_triangular: Primitive = general(
    "solve_triangular", _solve_triangular, _push_triangular, joint=_joint_triangular
)
