"""What tends to go wrong: complex and single precision, memory layouts, aliases, constants, branches."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.errors import ArgumentError, HolomorphicError, NonScalarOutputError
from polyad.testing.cases import Case, diagonal, grid

__all__ = ["FAMILIES", "LAYOUTS"]

EYE = np.eye
Z3 = grid(3) + 1j * grid(3, low=-1.0, high=1.0, shift=4)
M23 = grid(2, 3, low=-1.0, high=1.0) + 1j * grid(2, 3, shift=5)
COMPLEX = frozenset({"complex"})
SINGLE = frozenset({"float32"})
BRANCH = frozenset({"branch"})


def single(*shape: int) -> Any:
    """``grid`` in single precision."""
    return grid(*shape).astype(np.float32)


COMPLEX_CASES = [
    Case(
        "holomorphic number",
        lambda xp, z: z**3,
        (0.8 + 0.5j,),
        J=lambda z: 3 * z**2,
        H=lambda z: 6 * z,
        needs=COMPLEX,
    ),
    Case(
        "holomorphic vector",
        lambda xp, z: xp.exp(z) * z,
        (Z3,),
        J=lambda z: np.diag(np.exp(z) * (1 + z)),
        needs=COMPLEX,
    ),
    Case(
        "complex matrix times",
        lambda xp, z: xp.asarray(M23) @ z,
        (Z3,),
        J=lambda z: M23,
        needs=COMPLEX,
        batches=(2,),
        operators=("jvp", "vjp"),
    ),
    Case(
        "squared modulus",
        lambda xp, z: xp.sum(xp.real(z * xp.conj(z))),
        (Z3,),
        J=np.conj,
        Jc=lambda z: z,
        H=lambda z: 2 * EYE(3),
        Hc=lambda z: np.zeros((3, 3)),
        operators=("gradient", "jvp", "vjp", "hvp"),
        raises={"hessian": HolomorphicError, "jacobian": HolomorphicError},
        needs=COMPLEX,
    ),
    Case(
        "real part of the square",
        lambda xp, z: xp.sum(xp.real(z**2)),
        (Z3,),
        J=lambda z: z,
        Jc=np.conj,
        H=lambda z: np.zeros((3, 3)),
        Hc=lambda z: 2 * EYE(3),
        operators=("gradient", "jvp", "vjp", "hvp"),
        needs=COMPLEX,
    ),
    Case(
        "conjugate",
        lambda xp, z: xp.conj(z) * z[0],
        (Z3,),
        J=lambda z: np.outer(np.conj(z), EYE(3)[0]),
        Jc=lambda z: z[0] * EYE(3),
        operators=("jvp", "vjp"),
        raises={"jacobian": HolomorphicError},
        needs=COMPLEX,
    ),
    Case(
        "real to complex",
        lambda xp, x: xp.exp(1j * x),
        (grid(3),),
        J=lambda x: np.diag(1j * np.exp(1j * x)),
        raises={"gradient": NonScalarOutputError},
        needs=COMPLEX,
    ),
    Case(
        "real number to complex",
        lambda xp, t: xp.exp(1j * t),
        (0.4,),
        J=lambda t: 1j * np.exp(1j * t),
        H=lambda t: -np.exp(1j * t),
        needs=COMPLEX,
    ),
    Case(
        "complex constant",
        lambda xp, x, c: xp.sum(xp.real(c * xp.conj(c)) * x**2),
        (grid(3), Z3),
        J=lambda x, c: 2 * abs(c) ** 2 * x,
        H=lambda x, c: np.diag(2 * abs(c) ** 2),
        operators=("gradient", "hvp", "jvp"),
        needs=COMPLEX,
    ),
    Case(
        "real and complex leaves",
        lambda xp, t: xp.sum(t[0] * xp.real(t[1] * xp.conj(t[1]))),
        ((grid(3), Z3),),
        J=lambda t: [[abs(t[1]) ** 2, t[0] * np.conj(t[1])]],
        Jc=lambda t: [[np.zeros(3), t[0] * t[1]]],
        operators=("gradient", "jvp", "vjp"),
        raises={"jacobian": HolomorphicError},
        needs=COMPLEX,
    ),
    Case(
        "complex64",
        lambda xp, z: xp.sum(xp.real(z * xp.conj(z))),
        (Z3.astype(np.complex64),),
        J=np.conj,
        Jc=lambda z: z,
        operators=("gradient", "jvp", "vjp"),
        needs=COMPLEX | SINGLE,
    ),
]
SINGLE_CASES = [
    Case(
        "number",
        lambda xp, t: xp.sin(t) * t,
        (np.float32(0.7),),
        J=lambda t: np.cos(t) * t + np.sin(t),
        H=lambda t: 2 * np.cos(t) - t * np.sin(t),
        needs=SINGLE,
    ),
    Case(
        "vector to number",
        lambda xp, x: xp.sum(xp.exp(x) * x),
        (single(4),),
        J=lambda x: np.exp(x) * (1 + x),
        H=lambda x: np.diag(np.exp(x) * (2 + x)),
        needs=SINGLE,
    ),
    Case(
        "vector to matrix",
        lambda xp, x, c: c * x[:, None] * x[None, :] ** 2,
        (single(3), 1.5),
        J=lambda x, c: (
            c * (np.einsum("ik,j->ijk", EYE(3), x**2) + np.einsum("jk,i,j->ijk", EYE(3), x, 2 * x))
        ),
        needs=SINGLE,
    ),
    Case(
        "precisions mixed in a tree",
        lambda xp, t: xp.sum(t[0] ** 2) * 2 + xp.sum(t[1] ** 3),
        ((single(3), grid(2)),),
        J=lambda t: [[4 * t[0], 3 * t[1] ** 2]],
        operators=("gradient", "jacobian", "vjp"),
        needs=SINGLE,
    ),
]

# name -> from an array to an equal one with another layout
LAYOUTS: dict[str, Any] = {
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "reversed": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1] if a.ndim else a,
    "read-only": lambda a: _read_only(np.array(a)),
    "Fortran order": lambda a: np.asfortranarray(a),
    "view of a transpose": lambda a: np.ascontiguousarray(a.T).T,
    "unaligned": lambda a: _unaligned(a),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
}


def _read_only(a: Any) -> Any:
    a.flags.writeable = False
    return a


def _unaligned(a: Any) -> Any:
    buffer = np.zeros(a.nbytes + 1, dtype=np.uint8)
    view = buffer[1:].view(a.dtype) if a.size else np.zeros(0, a.dtype)
    view[:] = a.ravel()
    return view.reshape(a.shape)


LAYOUT_CASES = [
    Case(
        f"{name}, {shape}",
        g,
        (grid(*size),),
        J=J,
        H=H,
        operators=operators,
        layout=layout,
        needs=frozenset({"byte order"}) if name == "other byte order" else frozenset(),
    )
    for name, layout in LAYOUTS.items()
    for shape, size, g, J, H, operators in (
        (
            "vector",
            (4,),
            lambda xp, x: xp.sum(x**3),
            lambda x: 3 * x**2,
            lambda x: diagonal(6 * x),
            ("gradient", "hvp", "hessian"),
        ),
        (
            "matrix",
            (2, 3),
            lambda xp, X: X.T @ X,
            lambda X: np.einsum("il,kj->ijkl", EYE(3), X) + np.einsum("jl,ki->ijkl", EYE(3), X),
            None,
            ("jacobian", "jvp", "vjp"),
        ),
    )
]
LINEAR = [
    Case("identity", lambda xp, x: x, (grid(3),), J=lambda x: EYE(3)),
    Case("identity of a number", lambda xp, t: t, (0.5,), J=lambda t: 1.0, H=lambda t: 0.0),
    Case("identity of a tree", lambda xp, t: t, ((grid(2), [grid(1)]),),
         J=lambda t: [[EYE(2), np.zeros((2, 1))], [np.zeros((1, 2)), EYE(1)]]),
    Case("the input twice", lambda xp, x: (x, x), (grid(2),), J=lambda x: [[EYE(2)], [EYE(2)]]),
    Case("slice", lambda xp, x: x[1:], (grid(4),), J=lambda x: EYE(4)[1:]),
    Case("transpose", lambda xp, X: X.T, (grid(2, 3),), J=lambda X: np.einsum("il,jk->ijkl", EYE(3), EYE(2))),
    Case("reshape", lambda xp, X: xp.reshape(X, (6,)), (grid(2, 3),), J=lambda X: EYE(6).reshape(6, 2, 3)),
    Case("reversal", lambda xp, x: xp.flip(x, axis=0), (grid(3),), J=lambda x: EYE(3)[::-1]),
    Case("joined", lambda xp, x: xp.concat([x, x**2, xp.ones(1, dtype=x.dtype)]), (grid(2),),
         J=lambda x: np.concatenate([EYE(2), np.diag(2 * x), np.zeros((1, 2))])),
    Case("sum", lambda xp, x: xp.sum(x), (grid(3),), J=lambda x: np.ones(3), H=lambda x: np.zeros((3, 3))),
    Case("one entry", lambda xp, x: x[1], (grid(3),), J=lambda x: EYE(3)[1], H=lambda x: np.zeros((3, 3))),
    Case("constant returned", lambda xp, x, c: {"x": 2 * x, "y": c}, (grid(2), grid(3, shift=2)),
         J=lambda x, c: [[2 * EYE(2)], [np.zeros((3, 2))]]),
    Case("broadcast", lambda xp, x: x + xp.asarray(np.zeros((2, 3))), (grid(3),),
         J=lambda x: np.broadcast_to(EYE(3), (2, 3, 3))),
]  # fmt: skip
CONSTANT_FUNCTIONS = [
    Case("a Python number", lambda xp, x: 3.0, (grid(3),), J=lambda x: np.zeros(3),
         H=lambda x: np.zeros((3, 3))),
    Case("a Python number of a number", lambda xp, t: 2.5, (0.3,), J=lambda t: 0.0, H=lambda t: 0.0),
    Case("an array", lambda xp, x: xp.ones(2, dtype=x.dtype), (grid(3),), J=lambda x: np.zeros((2, 3))),
    Case("zero times", lambda xp, x: xp.sum(0.0 * x), (grid(3),), J=lambda x: np.zeros(3),
         H=lambda x: np.zeros((3, 3))),
    Case("an unused leaf", lambda xp, t: xp.sum(t[0] ** 2), ((grid(2), grid(3)),),
         J=lambda t: [[2 * t[0], np.zeros(3)]],
         H=lambda t: [[2 * EYE(2), np.zeros((2, 3))], [np.zeros((3, 2)), np.zeros((3, 3))]]),
    Case("a number of a matrix", lambda xp, X: 1.0, (grid(2, 2),), J=lambda X: np.zeros((2, 2)),
         operators=("gradient", "vjp", "jvp")),
]  # fmt: skip
CONTROL = [
    Case(
        "Python branch on a value",
        lambda xp, x: xp.sum(x**2) if x[0] > 0.1 else xp.sum(x**3),
        (grid(3),),
        J=lambda x: 2 * x,
        H=lambda x: 2 * EYE(3),
        operators=("gradient", "hvp"),
        needs=BRANCH,
    ),
    Case(
        "where",
        lambda xp, x: xp.sum(xp.where(x > 1.0, x**3, x**2)),
        (grid(6),),
        J=lambda x: np.where(x > 1.0, 3 * x**2, 2 * x),
        H=lambda x: np.diag(np.where(x > 1.0, 6 * x, 2.0)),
    ),
    Case(
        "largest entry",
        lambda xp, x: xp.max(x) * xp.sum(x),
        (np.array([0.5, 1.5, 1.0]),),
        J=lambda x: x.max() + x.sum() * (x == x.max()),
        operators=("gradient", "jvp", "vjp"),
    ),
    Case(
        "modulus away from the kink",
        lambda xp, x: xp.abs(x) ** 3,
        (grid(4) - 2.0,),
        J=lambda x: np.diag(3 * x * abs(x)),
        operators=("jacobian", "jvp", "vjp"),
    ),
    Case(
        "loop",
        lambda xp, x: _iterate(xp, x),
        (0.4,),
        J=lambda x: _iterated(x)[0],
        H=lambda x: _iterated(x)[1],
    ),
]
REFUSED = [
    Case("vector", lambda xp, x: x**2, (grid(2),), J=lambda x: 0, operators=(),
         raises={"gradient": NonScalarOutputError, "hvp": NonScalarOutputError,
                 "hessian": NonScalarOutputError, "derivative": ArgumentError,
                 "second_derivative": ArgumentError}),
    Case("1-vector", lambda xp, x: xp.reshape(xp.sum(x), (1,)), (grid(2),), J=lambda x: 0, operators=(),
         raises={"gradient": NonScalarOutputError}),
]  # fmt: skip


def _iterate(xp: Any, x: Any) -> Any:
    """Five steps of the logistic map."""
    for _ in range(5):
        x = 3.2 * x * (1 - x)
    return x


def _iterated(x: Any) -> tuple[Any, Any]:
    """First and second derivative of ``_iterate``, by the recursion of the chain rule."""
    first, second = 1.0, 0.0
    for _ in range(5):
        slope = 3.2 * (1 - 2 * x)
        first, second, x = slope * first, -6.4 * first**2 + slope * second, 3.2 * x * (1 - x)
    return first, second


FAMILIES: dict[str, list[Case]] = {
    "complex": COMPLEX_CASES,
    "single precision": SINGLE_CASES,
    "layouts": LAYOUT_CASES,
    "linear": LINEAR,
    "constant functions": CONSTANT_FUNCTIONS,
    "control flow": CONTROL,
    "refused by all": REFUSED,
}
