"""Arguments of every kind: several active ones, constants, closures, static ones, and trees."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from polyad import Static
from polyad.testing.cases import Case, diagonal, grid

__all__ = ["FAMILIES", "Data", "Point2"]

EYE = np.eye
CAPTURED = grid(4, shift=11)


# -- constants ------------------------------------------------------------------------------------


def weighted(xp: Any, x: Any, a: Any, B: Any) -> Any:
    """Number from a vector, with a number and a matrix as constants."""
    return a * xp.sum((B @ x) ** 2)


CONSTANTS = [
    Case(
        "number and matrix",
        weighted,
        (grid(4), 1.5, grid(3, 4, shift=2)),
        J=lambda x, a, B: 2 * a * B.T @ (B @ x),
        H=lambda x, a, B: 2 * a * B.T @ B,
    ),
    Case(
        "vector to vector with a vector",
        lambda xp, x, c: xp.sin(x * c),
        (grid(3), grid(3, shift=4)),
        J=lambda x, c: np.diag(np.cos(x * c) * c),
    ),
    Case(
        "tree of constants",
        lambda xp, x, p: xp.sum(x**2 * p["scale"]) * p["pair"][1],
        (grid(3), {"scale": grid(3, shift=5), "pair": (1, 0.5)}),
        J=lambda x, p: 2 * x * p["scale"] * p["pair"][1],
        H=lambda x, p: np.diag(2 * p["scale"]) * p["pair"][1],
    ),
    Case(
        "constants only",
        lambda xp, x, c: xp.sum(c**2),
        (grid(3), grid(2, shift=3)),
        J=lambda x, c: np.zeros(3),
        H=lambda x, c: np.zeros((3, 3)),
    ),
    Case(
        "index array with repeats",
        lambda xp, x, i: xp.sum(x[i] ** 3),
        (grid(4), np.array([0, 2, 2, 3])),
        J=lambda x, i: 3 * x**2 * np.bincount(i, minlength=4),
        H=lambda x, i: np.diag(6 * x * np.bincount(i, minlength=4)),
    ),
    Case(
        "gather to vector",
        lambda xp, x, i: x[i] ** 2,
        (grid(3), np.array([2, 0, 0, 1])),
        J=lambda x, i: 2 * x[i][:, None] * EYE(3)[i],
    ),
    Case(
        "integer factor",
        lambda xp, x, n: xp.sum(x**2) * n,
        (grid(3), 3),
        J=lambda x, n: 2 * n * x,
        H=lambda x, n: 2 * n * EYE(3),
    ),
]
CLOSURES = [
    Case(
        "captured array to number",
        lambda xp, x: xp.sum(xp.asarray(CAPTURED) * x**3),
        (grid(4),),
        J=lambda x: 3 * CAPTURED * x**2,
        H=lambda x: np.diag(6 * CAPTURED * x),
    ),
    Case(
        "captured array to matrix",
        lambda xp, x: x[:, None] ** 2 * xp.asarray(CAPTURED)[None, :],
        (grid(3),),
        J=lambda x: np.einsum("ik,i,j->ijk", EYE(3), 2 * x, CAPTURED),
    ),
]


# -- several active arguments ---------------------------------------------------------------------


def three(xp: Any, x: Any, c: Any, y: Any) -> Any:
    """A number from two vectors and a number."""
    return xp.sum(x**2 * y) * c


def three_gradients(x: Any, c: Any, y: Any) -> list[Any]:
    """One per argument."""
    return [2 * x * y * c, np.sum(x**2 * y), x**2 * c]


def three_hessians(x: Any, c: Any, y: Any) -> list[list[Any]]:
    """One row per argument."""
    n = x.size
    return [
        [np.diag(2 * y * c), 2 * x * y, np.diag(2 * x * c)],
        [2 * x * y, 0.0, x**2],
        [np.diag(2 * x * c), x**2, np.zeros((n, n))],
    ]


def argument_case(argnums: int | tuple[int, ...]) -> Case:
    """The same function with one way of saying which arguments are active."""
    on = [k % 3 for k in ((argnums,) if isinstance(argnums, int) else argnums)]
    return Case(
        f"argnums={argnums}",
        three,
        (grid(3), 0.7, grid(3, shift=8)),
        argnums=argnums,
        J=lambda *args: [[three_gradients(*args)[k] for k in on]],
        H=lambda *args: [[three_hessians(*args)[i][j] for j in on] for i in on],
    )


SHARED = grid(3)
SEVERAL = [
    *(argument_case(n) for n in (1, 2, -1, (0,), (0, 2), (2, 0), (-1, 1), (0, 1, 2))),
    Case(
        "the same array twice",
        lambda xp, x, y: x * y**2,
        (SHARED, SHARED),
        argnums=(0, 1),
        J=lambda x, y: [[np.diag(y**2), np.diag(2 * x * y)]],
    ),
    Case(
        "vector to matrix of two",
        lambda xp, x, y: x[:, None] * y[None, :],
        (grid(2), grid(3)),
        argnums=(1, 0),
        J=lambda x, y: [[np.einsum("i,jk->ijk", x, EYE(3)), np.einsum("ik,j->ijk", EYE(2), y)]],
    ),
]

STATIC = [
    Case(
        "power",
        lambda xp, x, n: xp.sum(x**n),
        (grid(3), Static(3)),
        J=lambda x, n: n * x ** (n - 1),
        H=lambda x, n: np.diag(n * (n - 1) * x ** (n - 2)),
    ),
    Case(
        "word before the active one",
        lambda xp, how, x: xp.sin(x) if how == "sine" else xp.cos(x),
        (Static("sine"), grid(3)),
        argnums=1,
        J=lambda how, x: np.diag(np.cos(x)),
    ),
]
AUX = [
    Case(
        "number with aux",
        lambda xp, x: (xp.sum(x**3), {"twice": 2 * x, "sum": xp.sum(x)}),
        (grid(3),),
        J=lambda x: 3 * x**2,
        H=lambda x: np.diag(6 * x),
        has_aux=True,
    ),
    Case(
        "vector with aux",
        lambda xp, x, c: (x**2 * c, (x * c, c)),
        (grid(3), grid(3, shift=2)),
        J=lambda x, c: np.diag(2 * x * c),
        has_aux=True,
    ),
    Case(
        "number to number with aux",
        lambda xp, t: (xp.sin(t), t**2),
        (0.6,),
        J=lambda t: np.cos(t),
        H=lambda t: -np.sin(t),
        has_aux=True,
    ),
]


# -- trees ----------------------------------------------------------------------------------------


class Point2(NamedTuple):
    """A named tuple."""

    a: Any
    b: Any


@dataclasses.dataclass
class Data:
    """A plain dataclass."""

    a: Any
    b: Any


# name -> (from a vector and a number to the tree, and back)
CONTAINERS: dict[str, tuple[Any, Any]] = {
    "tuple": (lambda a, b: (a, b), lambda t: t),
    "list": (lambda a, b: [a, b], lambda t: t),
    "dict": (lambda a, b: {"a": a, "b": b}, lambda t: (t["a"], t["b"])),
    "dict out of order": (lambda a, b: dict([("b", b), ("a", a)]), lambda t: (t["a"], t["b"])),
    "namedtuple": (lambda a, b: Point2(a, b), lambda t: (t.a, t.b)),
    "dataclass": (lambda a, b: Data(a, b), lambda t: (t.a, t.b)),
    "nested": (lambda a, b: {"p": ([a], {}), "q": Point2((), b)}, lambda t: (t["p"][0][0], t["q"].b)),
    "with None": (lambda a, b: (a, None, {"b": b, "n": None}), lambda t: (t[0], t[2]["b"])),
}


def tree_cases() -> list[Case]:
    """One scalar and one vector function over every container."""
    cases = []
    for name, (close, open_) in CONTAINERS.items():
        tree = close(grid(3), np.float64(0.8) if name == "list" else 0.8)
        cases.append(
            Case(
                f"{name} to number",
                lambda xp, t, open_=open_: xp.sum(open_(t)[0] ** 2) * open_(t)[1],
                (tree,),
                J=lambda t, open_=open_: _tree_gradient(*open_(t)),
                H=lambda t, open_=open_: _tree_hessian(*open_(t)),
            )
        )
        if name in ("tuple", "nested"):
            cases.append(
                Case(
                    f"{name} to vector",
                    lambda xp, t, open_=open_: open_(t)[0] ** 2 * open_(t)[1],
                    (tree,),
                    J=lambda t, open_=open_: [[np.diag(2 * open_(t)[0] * open_(t)[1]), open_(t)[0] ** 2]],
                )
            )
    return cases


def _tree_gradient(a: Any, b: Any) -> list[list[Any]]:
    return [[2 * a * b, np.sum(a**2)]]


def _tree_hessian(a: Any, b: Any) -> list[list[Any]]:
    return [[2 * b * EYE(a.size), 2 * a], [2 * a, 0.0]]


def network_gradients(p: Any, x: Any, y: Any) -> list[list[Any]]:
    """Backpropagation by hand through one tanh layer; leaves in the order b, c, u, w."""
    h = np.tanh(p["w"] @ x + p["b"])
    r = p["u"] @ h + p["c"] - y
    back = 2 * r * p["u"] * (1 - h**2)
    return [[back, 2 * r, 2 * r * h, np.outer(back, x)]]


TREES = [
    *tree_cases(),
    Case(
        "network",
        lambda xp, p, x, y: (p["u"] @ xp.tanh(p["w"] @ x + p["b"]) + p["c"] - y) ** 2,
        (
            {"w": grid(4, 3, low=-1.0, high=1.0), "b": grid(4), "u": grid(4, low=-1.0), "c": 0.3},
            grid(3),
            1.7,
        ),
        J=network_gradients,
    ),
    Case(
        "vector to dict",
        lambda xp, x: {"s": xp.sin(x), "t": (xp.sum(x**2), x[0] ** 3)},
        (grid(3),),
        J=lambda x: [[np.diag(np.cos(x))], [2 * x], [3 * x**2 * EYE(3)[0]]],
    ),
    Case(
        "number to tuple",
        lambda xp, t: (xp.sin(t), xp.stack([t, t**2])),
        (0.9,),
        J=lambda t: [[np.cos(t)], [np.array([1.0, 2 * t])]],
        H=lambda t: [[-np.sin(t)], [np.array([0.0, 2.0])]],
    ),
    Case(
        "tree to tree",
        lambda xp, t: Point2(t["a"] * t["b"], [xp.sum(t["a"]) + t["b"] ** 2]),
        ({"a": grid(3), "b": 0.6},),
        J=lambda t: [[t["b"] * EYE(3), t["a"]], [np.ones(3), 2 * t["b"]]],
    ),
    Case(
        "batched over a tree",
        lambda xp, t: xp.sum(t["a"] ** 2) * t["b"],
        ({"a": grid(3), "b": 0.6},),
        J=lambda t: _tree_gradient(t["a"], t["b"]),
        H=lambda t: _tree_hessian(t["a"], t["b"]),
        operators=("jvp", "vjp", "hvp"),
        batches=(1, 2),
    ),
    Case(
        "two trees active",
        lambda xp, p, q: xp.sum(p[0] * q["x"] ** 2),
        ((grid(3),), {"x": grid(3, shift=6)}),
        argnums=(1, 0),
        J=lambda p, q: [[2 * p[0] * q["x"], q["x"] ** 2]],
        H=lambda p, q: [
            [diagonal(2 * p[0]), diagonal(2 * q["x"])],
            [diagonal(2 * q["x"]), np.zeros((3, 3))],
        ],
    ),
]

FAMILIES: dict[str, list[Case]] = {
    "constants": CONSTANTS,
    "closures": CLOSURES,
    "several arguments": SEVERAL,
    "static": STATIC,
    "aux": AUX,
    "trees": TREES,
}
