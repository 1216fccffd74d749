"""Numbers and arrays of every shape, in and out; each line a function with its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.testing.cases import Case, diagonal, grid

__all__ = ["FAMILIES"]

EYE = np.eye
A35 = grid(5, 3, low=-1.0, high=1.0)
A26 = grid(2, 6, low=-1.0, high=1.0, shift=5)
Q4 = grid(4, 4, low=-1.0, high=2.0, shift=3)
C23 = grid(2, 3, shift=9)


def rosenbrock_gradient(x: Any) -> Any:
    """Of the chained Rosenbrock function."""
    g = np.zeros_like(x)
    d = x[1:] - x[:-1] ** 2
    g[1:] += 200 * d
    g[:-1] += -400 * x[:-1] * d - 2 * (1 - x[:-1])
    return g


def rosenbrock_hessian(x: Any) -> Any:
    """Of the chained Rosenbrock function: tridiagonal."""
    main = np.zeros_like(x)
    main[1:] += 200
    main[:-1] += -400 * (x[1:] - 3 * x[:-1] ** 2) + 2
    side = -400 * x[:-1]
    return np.diag(main) + np.diag(side, 1) + np.diag(side, -1)


def rosenbrock(xp: Any, x: Any) -> Any:
    """The chained Rosenbrock function."""
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def softmax(x: Any) -> Any:
    """In NumPy."""
    e = np.exp(x - x.max())
    return e / e.sum()


def norm_gradient(x: Any) -> Any:
    """Of ``|x|**3 x[-1] + x[0]**2``."""
    r, e0, en = np.linalg.norm(x), EYE(x.size)[0], EYE(x.size)[-1]
    return 3 * r * x[-1] * x + r**3 * en + 2 * x[0] * e0


def norm_hessian(x: Any) -> Any:
    """Of ``|x|**3 x[-1] + x[0]**2``."""
    r, e0, en = np.linalg.norm(x), EYE(x.size)[0], EYE(x.size)[-1]
    cross = np.outer(x, en)
    inner = np.outer(x, x) / r + r * EYE(x.size)
    return 3 * x[-1] * inner + 3 * r * (cross + cross.T) + 2 * np.outer(e0, e0)


def det_hessian(X: Any) -> Any:
    """``H[i,j,k,l] = det X (B[j,i] B[l,k] - B[j,k] B[l,i])`` with ``B`` the inverse."""
    B = np.linalg.inv(X)
    return np.linalg.det(X) * (np.einsum("ji,lk->ijkl", B, B) - np.einsum("jk,li->ijkl", B, B))


def square_jacobian(X: Any) -> Any:
    """Of ``X @ X``."""
    eye = EYE(X.shape[0])
    return np.einsum("ik,lj->ijkl", eye, X) + np.einsum("ik,jl->ijkl", X, eye)


def outer_jacobian(x: Any) -> Any:
    """Of the outer product of a vector with itself."""
    eye = EYE(x.size)
    return np.einsum("ik,j->ijk", eye, x) + np.einsum("jk,i->ijk", eye, x)


def rows_outer_jacobian(X: Any) -> Any:
    """Of the outer product of every row of a matrix with itself."""
    rows, columns = EYE(X.shape[0]), EYE(X.shape[1])
    return np.einsum("il,jm,ik->ijklm", rows, columns, X) + np.einsum("il,km,ij->ijklm", rows, columns, X)


NUMBERS = [
    Case(
        "sine times exponential",
        lambda xp, t: xp.sin(t) * xp.exp(t / 2),
        (0.7,),
        J=lambda t: (np.cos(t) + np.sin(t) / 2) * np.exp(t / 2),
        H=lambda t: (np.cos(t) - 0.75 * np.sin(t)) * np.exp(t / 2),
    ),
    Case(
        "polynomial in operators",
        lambda xp, t: t**3 - 2 * t + 1,
        (np.float64(1.3),),
        J=lambda t: 3 * t**2 - 2,
        H=lambda t: 6 * t,
    ),
    Case(
        "logarithm of a 0-d array",
        lambda xp, t: xp.log(t) * xp.sqrt(t),
        (np.array(1.9),),
        J=lambda t: (np.log(t) / 2 + 1) / np.sqrt(t),
        H=lambda t: -np.log(t) / (4 * t**1.5),
    ),
]
NUMBER_TO_ARRAY = [
    Case(
        "number to 1-vector",
        lambda xp, t: xp.reshape(t**3, (1,)),
        (1.2,),
        J=lambda t: np.array([3 * t**2]),
        H=lambda t: np.array([6 * t]),
    ),
    Case(
        "number to vector",
        lambda xp, t: xp.stack([xp.sin(t), t**2, xp.exp(-t)]),
        (0.8,),
        J=lambda t: np.array([np.cos(t), 2 * t, -np.exp(-t)]),
        H=lambda t: np.array([-np.sin(t), 2.0, np.exp(-t)]),
    ),
    Case(
        "number to matrix",
        lambda xp, t: xp.reshape(xp.stack([t**k for k in range(1, 7)]), (2, 3)),
        (np.array(1.1),),
        J=lambda t: np.array([k * t ** (k - 1) for k in range(1, 7)]).reshape(2, 3),
        H=lambda t: np.array([k * (k - 1) * t ** (k - 2.0) for k in range(1, 7)]).reshape(2, 3),
    ),
]
ARRAY_TO_NUMBER = [
    Case(
        "sum of cubes",
        lambda xp, x: xp.sum(x**3),
        (grid(5),),
        J=lambda x: 3 * x**2,
        H=lambda x: diagonal(6 * x),
    ),
    Case("1-vector to number", lambda xp, x: x[0] ** 3, (grid(1),), J=lambda x: 3 * x**2, H=lambda x: 6 * x),
    Case("Rosenbrock", rosenbrock, (grid(6),), J=rosenbrock_gradient, H=rosenbrock_hessian),
    Case(
        "log of a sum of exponentials",
        lambda xp, x: xp.log(xp.sum(xp.exp(x))),
        (grid(4, low=-2.0),),
        J=softmax,
        H=lambda x: np.diag(softmax(x)) - np.outer(softmax(x), softmax(x)),
    ),
    Case(
        "quadratic form",
        lambda xp, x: x @ (xp.asarray(Q4) @ x),
        (grid(4),),
        J=lambda x: (Q4 + Q4.T) @ x,
        H=lambda x: Q4 + Q4.T,
    ),
    Case(
        "norm cubed",
        lambda xp, x: xp.sum(x * x) ** 1.5 * x[-1] + x[0] ** 2,
        (np.arange(1.0, 6.0),),
        J=norm_gradient,
        H=norm_hessian,
    ),
    Case(
        "matrix to number",
        lambda xp, X: xp.sum(xp.sin(X) * X),
        (grid(2, 3),),
        J=lambda X: np.cos(X) * X + np.sin(X),
        H=lambda X: diagonal(2 * np.cos(X) - np.sin(X) * X),
    ),
    Case(
        "squared column sums",
        lambda xp, X: xp.sum(xp.sum(X, axis=0) ** 2),
        (grid(2, 3),),
        J=lambda X: 2 * np.broadcast_to(X.sum(axis=0), X.shape),
        H=lambda X: 2 * np.einsum("jl,ik->ijkl", EYE(3), np.ones((2, 2))),
    ),
    Case(
        "3-d to number",
        lambda xp, X: xp.sum(X**4) / 4,
        (grid(2, 2, 3),),
        J=lambda X: X**3,
        H=lambda X: diagonal(3 * X**2),
    ),
]
PAIRS = [
    Case(
        "vector to vector",
        lambda xp, x: xp.sin(x) * x,
        (grid(4),),
        J=lambda x: np.diag(np.cos(x) * x + np.sin(x)),
    ),
    Case(
        "tall",
        lambda xp, x: xp.tanh(xp.asarray(A35) @ x),
        (grid(3),),
        J=lambda x: (1 - np.tanh(A35 @ x) ** 2)[:, None] * A35,
    ),
    Case(
        "wide",
        lambda xp, x: xp.exp(xp.asarray(A26) @ x),
        (grid(6),),
        J=lambda x: np.exp(A26 @ x)[:, None] * A26,
    ),
    Case(
        "vector to 1-vector",
        lambda xp, x: xp.reshape(xp.sum(x**2), (1,)),
        (grid(3),),
        J=lambda x: 2 * x[None],
    ),
    Case("vector to matrix", lambda xp, x: x[:, None] * x[None, :], (grid(3),), J=outer_jacobian),
    Case(
        "matrix to vector",
        lambda xp, X: xp.sum(X**2, axis=1),
        (grid(2, 3),),
        J=lambda X: np.einsum("ik,kl->ikl", EYE(2), 2 * X),
    ),
    Case("matrix squared", lambda xp, X: X @ X, (grid(3, 3),), J=square_jacobian),
    Case("matrix to matrix", lambda xp, X: xp.exp(X), (grid(2, 3),), J=lambda X: diagonal(np.exp(X))),
    Case("matrix to 3-d", lambda xp, X: X[:, :, None] * X[:, None, :], (grid(2, 3),), J=rows_outer_jacobian),
    Case(
        "3-d to matrix",
        lambda xp, X: xp.sum(X**3, axis=2),
        (grid(2, 2, 3),),
        J=lambda X: np.einsum("ik,jl,klm->ijklm", EYE(2), EYE(2), 3 * X**2),
    ),
]
EMPTY = [
    Case(
        "empty vector to number",
        lambda xp, x: xp.sum(x**2),
        (np.zeros(0),),
        J=lambda x: 2 * x,
        H=lambda x: np.zeros((0, 0)),
    ),
    Case(
        "empty matrix to number",
        lambda xp, x: xp.sum(x**2),
        (np.zeros((0, 3)),),
        J=lambda x: 2 * x,
        H=lambda x: np.zeros((0, 3, 0, 3)),
    ),
    Case("empty to empty", lambda xp, x: xp.exp(x), (np.zeros((2, 0)),), J=lambda x: np.zeros((2, 0, 2, 0))),
    Case("vector to empty", lambda xp, x: x[3:] ** 2, (grid(3),), J=lambda x: np.zeros((0, 3))),
    Case("0-d to 0-d", lambda xp, x: x**2, (np.array(1.5),), J=lambda x: 2 * x, H=lambda x: 2.0),
    Case(
        "0-d to vector",
        lambda xp, x: x * xp.asarray(C23[0]),
        (np.array(0.4),),
        J=lambda x: C23[0],
        H=lambda x: 0 * C23[0],
    ),
]
BATCHED = [
    Case(
        f"{case.name}",
        case.g,
        case.args,
        J=case.J,
        H=case.H,
        batches=(0, 1, 3),
        operators=("jvp", "vjp", "hvp") if case.H else ("jvp", "vjp"),
    )
    for case in (
        *(c for c in NUMBERS if c.name.startswith("log")),
        *(c for c in ARRAY_TO_NUMBER if c.name in ("Rosenbrock", "matrix to number")),
        *(c for c in PAIRS if c.name in ("tall", "vector to matrix", "matrix to vector", "matrix squared")),
    )
]
LINALG = [
    Case(
        "solve",
        lambda xp, X: xp.linalg.solve(X, xp.asarray(C23[0])),
        (grid(3, 3) + 3 * EYE(3),),
        J=lambda X: -np.einsum("ik,l->ikl", np.linalg.inv(X), np.linalg.solve(X, C23[0])),
        needs=frozenset({"linear algebra"}),
    ),
    Case(
        "determinant",
        lambda xp, X: xp.linalg.det(X),
        (grid(3, 3) + 2 * EYE(3),),
        J=lambda X: np.linalg.det(X) * np.linalg.inv(X).T,
        H=det_hessian,
        needs=frozenset({"linear algebra"}),
    ),
]
LARGE = [
    Case(
        "Rosenbrock, n = 300",
        rosenbrock,
        (grid(300),),
        J=rosenbrock_gradient,
        H=rosenbrock_hessian,
        operators=("gradient", "hvp", "hessian"),
        dear=True,
    ),
    Case(
        "layer, 40 to 60",
        lambda xp, x: xp.tanh(xp.asarray(grid(60, 40, low=-0.3, high=0.3)) @ x),
        (grid(40),),
        J=lambda x: (1 - np.tanh((B := grid(60, 40, low=-0.3, high=0.3)) @ x) ** 2)[:, None] * B,
        dear=True,
    ),
]

FAMILIES: dict[str, list[Case]] = {
    "number to number": NUMBERS,
    "number to array": NUMBER_TO_ARRAY,
    "array to number": ARRAY_TO_NUMBER,
    "array to array": PAIRS,
    "empty and 0-d": EMPTY,
    "batched": BATCHED,
    "linear algebra": LINALG,
    "larger": LARGE,
}
