"""Linear systems with a constant matrix: factored once, solved for many right-hand sides, transposed too.

``inverse`` is a primitive: linear in its operand, so that its tangents and cotangents are solves with the
same
factors, to every order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import linear
from polyad.engine.core.values import Value
from polyad.engine.interpretations.series import RULES
from polyad.errors import ArgumentError, DomainError

__all__ = ["Dense", "Free", "Given", "Sparse", "Systems", "factored", "inverse"]

SINGULAR = (
    "the derivative of the residual by the solution is singular at the solution, so the solution is no "
    "differentiable function there: at a double root, or where equations are missing"
)


class Systems:
    """A square matrix, or what stands for it: ``solve`` for rows, ``turned`` for its transpose."""

    def solve(self, rows: np.ndarray[Any, Any], *, turned: bool) -> np.ndarray[Any, Any]:
        """The solutions for right-hand sides that are rows."""
        raise NotImplementedError


class Dense(Systems):
    """A dense matrix, by its LU factors."""

    def __init__(self, a: np.ndarray[Any, Any]) -> None:
        import scipy.linalg

        self._solve = scipy.linalg.lu_solve
        if not np.isfinite(a).all():
            raise DomainError("the derivative of the residual by the solution is not finite at the solution")
        self._single = a[0, 0] if a.shape == (1, 1) else None
        if self._single is not None:
            if self._single == 0:
                raise DomainError(SINGULAR)
            return
        self._factors = scipy.linalg.lu_factor(a, check_finite=False)
        size = np.abs(a).sum(axis=0).max(initial=0.0)
        rcond, _ = scipy.linalg.lapack.dgecon(self._factors[0], size) if a.size else (1.0, 0)
        if not rcond > 4 * np.finfo(float).eps:
            raise DomainError(SINGULAR)

    def solve(self, rows: np.ndarray[Any, Any], *, turned: bool) -> np.ndarray[Any, Any]:
        if self._single is not None:
            return np.asarray(rows / self._single)
        return np.asarray(self._solve(self._factors, rows.T, trans=int(turned), check_finite=False).T)


class Sparse(Systems):
    """A sparse matrix of SciPy, by its sparse LU factors."""

    def __init__(self, a: Any) -> None:
        import scipy.sparse
        import scipy.sparse.linalg

        try:
            self._factors = scipy.sparse.linalg.splu(scipy.sparse.csc_matrix(a))
        except RuntimeError as error:
            raise DomainError(SINGULAR) from error

    def solve(self, rows: np.ndarray[Any, Any], *, turned: bool) -> np.ndarray[Any, Any]:
        found = self._factors.solve(np.ascontiguousarray(rows.T, dtype=float), trans="T" if turned else "N")
        return np.asarray(found.T)


class Given(Systems):
    """A matrix or a linear operator with a solver of the caller's."""

    def __init__(self, a: Any, solver: Callable[[Any, Any], Any]) -> None:
        self._a, self._solver = a, solver

    def solve(self, rows: np.ndarray[Any, Any], *, turned: bool) -> np.ndarray[Any, Any]:
        a = self._a.T if turned else self._a
        found = [np.asarray(self._solver(a, row)) for row in rows]
        return np.stack(found) if found else rows


class Free(Given):
    """Products with the matrix and its transpose, by GMRES."""

    def __init__(self, operator: Any) -> None:
        super().__init__(operator, _gmres)


def _gmres(a: Any, b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import scipy.sparse.linalg

    size = float(np.linalg.norm(b))
    if size == 0:
        return np.zeros_like(b)
    x, info = scipy.sparse.linalg.gmres(a, b, rtol=1e-13, atol=0.0, restart=min(len(b), 60), maxiter=100)
    if info:  # the last digits may be out of its reach
        left = float(np.linalg.norm(a @ x - b))
        if not left <= 1e-10 * size:
            raise DomainError(
                f"GMRES leaves a residual of {left / size:.1e}: use linear='dense', or a function "
                "linear=solver(operator, b) with a preconditioner"
            )
    return np.asarray(x)


def factored(matrix: Any, how: Any) -> Systems:
    """What solves with a matrix, by its kind or by the caller's solver."""
    import scipy.sparse

    if callable(how):
        return Given(matrix, how)
    if how == "matrix-free":
        return Free(matrix)
    if scipy.sparse.issparse(matrix):
        return Sparse(matrix)
    if how == "sparse":
        raise ArgumentError("linear='sparse' needs jacobian=, a function that gives a sparse matrix of SciPy")
    return Dense(np.asarray(matrix, dtype=float))


def _compute(b: Any, systems: Systems, size: int, turned: bool) -> Any:
    b = np.asarray(b)
    found = systems.solve(b.reshape(-1, size), turned=turned).reshape(b.shape)
    return found if found.shape else found[()]


def _batch(t: Value, shape: tuple[int, ...], **params: Any) -> Value:
    return inverse(t, **params)


def _transpose(w: Value, shape: tuple[int, ...], systems: Systems, size: int, turned: bool) -> Value:
    return inverse(w, systems=systems, size=size, turned=not turned)


inverse = linear("inverse_of_matrix", _compute, _batch, _transpose)


def _expanded(primitive: Any, order: int, operands: list[Any], params: dict[str, Any]) -> list[Value]:
    return [primitive(c, **params) for c in operands[0]]


RULES["inverse_of_matrix"] = _expanded
