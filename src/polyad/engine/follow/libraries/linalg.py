"""SciPy's linear algebra, by NumPy's and polyad's; ``Whole`` stands for functions that call no others."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import base
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import Counterpart, counterpart, has_box
from polyad.engine.follow.libraries import equations
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["arrays", "by_numpy", "by_polyad", "enter"]

OURS = "expm logm sqrtm solve_triangular cho_factor cho_solve block_diag toeplitz"


def arrays(args: tuple[Any, ...]) -> list[Any]:
    """Arguments, of which lists are made arrays."""
    return [as_box(a) if isinstance(a, list | tuple) and not _is_pair(a) else a for a in args]


def _is_pair(a: Any) -> bool:
    """Whether it is a matrix with something else, as factors are."""
    return type(a) is tuple and len(a) == 2 and np.ndim(a[0]) > 1 and np.shape(a[0]) != np.shape(a[1])


class Whole(Counterpart):
    """Stands for a function that is not followed where its arguments are plain, for it calls no others."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = FOLLOWING
        if not state.depth:
            return self.original(*args, **kwargs)
        if has_box(args) or has_box(kwargs.values()):
            return self.own(*args, **kwargs)
        depth, state.depth = state.depth, 0
        try:
            return self.original(*args, **kwargs)
        finally:
            state.depth = depth


def by_polyad(original: Any, module: str, name: str) -> None:
    """Let polyad's function of a name stand for one."""

    @counterpart(original, Whole)
    def apply(*args: Any, **kwargs: Any) -> Any:
        for option in ("check_finite", "overwrite_a", "overwrite_b"):
            kwargs.pop(option, None)
        return getattr(importlib.import_module(module), name)(*arrays(args), **kwargs)


def by_numpy(original: Any, own: Any) -> None:
    """Let a function written in NumPy stand for one."""

    @counterpart(original, Whole)
    def apply(*args: Any, **kwargs: Any) -> Any:
        for option in ("check_finite", "overwrite_a", "overwrite_b"):
            kwargs.pop(option, None)
        return own(*arrays(args), **kwargs)


def enter(module: Any) -> None:
    """Enter the counterparts of a module that is loaded."""
    for name in OURS.split():
        by_polyad(getattr(module, name), "polyad.linalg", name)
    for name in ("det", "eig", "eigvals", "pinv", "lstsq", "inv", "norm"):
        by_numpy(getattr(module, name), getattr(np.linalg, name))

    def solve(
        a: Any, b: Any, lower: bool = False, assume_a: Any = None, transposed: bool = False, **_: Any
    ) -> Any:
        if assume_a in ("sym", "her", "pos", "symmetric", "hermitian", "positive definite"):
            half = np.tril(a, -1) if lower else np.triu(a, 1)
            a = half + half.T.conj() + np.diag(np.diag(a))
        return np.linalg.solve(a.T if transposed else a, b)

    def cholesky(a: Any, lower: bool = False, **_: Any) -> Any:
        half = np.tril(a, -1) if lower else np.triu(a, 1)
        root = np.linalg.cholesky(half + np.swapaxes(half, -1, -2).conj() + _diagonal(a))
        return root if lower else np.swapaxes(root, -1, -2).conj()

    def eigh(
        a: Any,
        b: Any = None,
        lower: bool = True,
        eigvals_only: bool = False,
        turbo: Any = None,
        eigvals: Any = None,
        type: int = 1,
        subset_by_index: Any = None,
        subset_by_value: Any = None,
        driver: Any = None,
    ) -> Any:
        if b is not None or subset_by_index is not None or subset_by_value is not None or eigvals is not None:
            return module.eigh(a, b, subset_by_index=subset_by_index, subset_by_value=subset_by_value)
        side: Any = "L" if lower else "U"
        return np.linalg.eigvalsh(a, side) if eigvals_only else tuple(np.linalg.eigh(a, side))

    def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, **_: Any) -> Any:
        return (
            tuple(np.linalg.svd(a, full_matrices=full_matrices))
            if compute_uv
            else np.linalg.svd(a, compute_uv=False)
        )

    by_numpy(module.solve, solve)
    by_numpy(module.cholesky, cholesky)
    by_numpy(module.eigh, eigh)
    by_numpy(module.eigvalsh, lambda a, b=None, lower=True, **kw: eigh(a, b, lower, True, **kw))
    by_numpy(module.svd, svd)
    by_numpy(module.svdvals, lambda a: np.linalg.svd(a, compute_uv=False))

    def lu_factor(a: Any, *_: Any, **__: Any) -> Any:
        order = _pivots(module.lu_factor, a)
        return _factors(a[_permuted(order)]), order

    def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, **_: Any) -> Any:
        lu, order = lu_and_piv
        n = order.shape[0]
        lower, upper = np.tril(lu, -1) + np.eye(n), np.triu(lu)
        back = np.argsort(_permuted(order))
        if trans == 0:
            return np.linalg.solve(upper, np.linalg.solve(lower, b[_permuted(order)]))
        lower, upper = (lower, upper) if trans == 1 else (np.conj(lower), np.conj(upper))
        return np.linalg.solve(lower.T, np.linalg.solve(upper.T, b))[back]

    def lu(a: Any, permute_l: bool = False, *_: Any, **__: Any) -> Any:
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            return module.lu(a)  # refuses
        order = _permuted(_pivots(module.lu_factor, a))
        both, one = _factors(a[order]), np.eye(a.shape[0])
        lower, upper, back = np.tril(both, -1) + one, np.triu(both), one[:, order]
        return (back @ lower, upper) if permute_l else (back, lower, upper)

    def solve_banded(l_and_u: Any, ab: Any, b: Any, *_: Any, **__: Any) -> Any:
        below, above = l_and_u
        n = ab.shape[-1]
        rows = [np.diag(ab[above - k, k:], k) for k in range(above, -1, -1)]
        rows += [np.diag(ab[above + k, : n - k], -k) for k in range(1, below + 1)]
        return np.linalg.solve(functools.reduce(np.add, rows), b)

    def qr(
        a: Any, overwrite_a: Any = False, lwork: Any = None, mode: str = "full", pivoting: bool = False
    ) -> Any:
        if pivoting or mode not in ("full", "economic", "r") or (mode == "full" and a.shape[0] != a.shape[1]):
            return module.qr(a, mode=mode, pivoting=pivoting)  # refuses
        q, r = np.linalg.qr(a)
        return (r,) if mode == "r" else (q, r)

    def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
        m, n = a.shape[0], b.shape[0]
        system = np.kron(a, np.eye(n)) + np.kron(np.eye(m), b.T)
        return np.linalg.solve(system, np.reshape(q, (-1,))).reshape((m, n))

    def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
        return solve_sylvester(a, np.conj(a).T, q)

    def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
        n = a.shape[0]
        system = np.eye(n * n) - np.kron(a, np.conj(a))
        return np.linalg.solve(system, np.reshape(q, (-1,))).reshape((n, n))

    def circulant(c: Any) -> Any:
        n = c.shape[0]
        return c[(np.arange(n)[:, None] - np.arange(n)) % n]

    def hankel(c: Any, r: Any = None) -> Any:
        r = np.zeros_like(c) if r is None else arrays((r,))[0]
        line = np.concatenate([c, r[1:]])
        return line[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]

    def companion(a: Any) -> Any:
        n = a.shape[0] - 1
        return np.concatenate([(-a[1:] / a[0])[None, :], np.eye(n)[:-1]])

    @counterpart(module.solve_toeplitz, Whole)
    def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
        given = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, np.conj(arrays((c_or_cr,))[0]))
        c, r, b = arrays((*given, b))
        r = np.asarray(r) if isinstance(r, list) else r
        n = c.shape[0]
        line = np.concatenate([np.flip(r[1:]), c])
        return np.linalg.solve(line[np.arange(n)[:, None] - np.arange(n) + n - 1], b)

    def solveh_banded(
        ab: Any,
        b: Any,
        overwrite_ab: bool = False,
        overwrite_b: bool = False,
        lower: bool = False,
        check_finite: bool = True,
    ) -> Any:
        n = ab.shape[-1]
        rows = [ab[k, : n - k] if lower else ab[-1 - k, k:] for k in range(ab.shape[0])]
        both = [np.diag(v, -k) + np.diag(np.conj(v), k) for k, v in enumerate(rows) if k]
        return np.linalg.solve(functools.reduce(np.add, both, np.diag(rows[0])), b)

    for name, residual in {
        "solve_continuous_are": equations.continuous,
        "solve_discrete_are": equations.discrete,
    }.items():
        counterpart(getattr(module, name), Whole)(equations.riccati(getattr(module, name), residual))

    for own in (
        circulant,
        hankel,
        companion,
        solveh_banded,
        lu_factor,
        lu_solve,
        lu,
        solve_banded,
        qr,
        solve_sylvester,
        solve_continuous_lyapunov,
        solve_discrete_lyapunov,
    ):
        by_numpy(getattr(module, own.__name__), own)


def _pivots(factor: Any, a: Any) -> Any:
    """The rows that are exchanged, which are not differentiated: a graph without values has none."""
    known = base(a._value) if type(a) in BOXES else a
    if type(known) is Proxy:
        known = adapter(known.library).kept(known.array)
    return factor(a if known is None else known)[1]


def _permuted(pivots: Any) -> Any:
    order = np.arange(pivots.shape[0])
    for k, other in enumerate(pivots):
        order[[k, other]] = order[[other, k]]
    return order


def _factors(a: Any) -> Any:
    """L below the diagonal and U above: elimination without pivots, a rank-one update at a time."""
    rows = []
    for _ in range(a.shape[0] - 1):
        rows.append((a[0, :], a[1:, 0] / a[0, 0]))
        a = a[1:, 1:] - np.outer(rows[-1][1], a[0, 1:])
    both = a
    for top, side in reversed(rows):
        both = np.concatenate([top[None], np.concatenate([side[:, None], both], axis=1)], axis=0)
    return both


def _diagonal(a: Any) -> Any:
    return a * np.eye(a.shape[-1])
