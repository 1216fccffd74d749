"""Roots keep their squares through views, joins, and two uses of one entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

import polyad as ad
from polyad.errors import NonFiniteWarning

MODES = "numpy:reverse numpy:forward numpy:compiled jax torch autograd casadi sympy".split()
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of rules whose result is not used
SPLIT = ("casadi", "sympy")  # whose joins are of entries, and forget the squares
X = np.array([0.0, 0.0, 1.5])
ALL = np.ones(3)


def written(x: Any) -> Any:
    """What is written to is no root any more, and a view of it neither."""
    y = np.abs(x) * 1.0
    part = y[1:]
    y[1] = x[2] * x[0]
    return np.sum(part**2) + np.sum(np.square(y[:1]))


def through_a_view(x: Any) -> Any:
    y = np.abs(x) * 1.0
    part = y.reshape(3, 1)[1:]
    part[0, 0] = x[2] * x[0]
    return np.sum(y * y)


def reused(x: Any) -> Any:
    return np.multiply(abs(x[1]), abs(x[1])) + sum(np.multiply(abs(v), abs(v)) for v in x)


def factor_written_to(x: Any) -> Any:
    weights = np.array([1.0, 2.0, 3.0])
    y, z = np.abs(x) * weights, np.abs(x) / weights
    weights[:] = 7.0
    return np.sum(y**2) + np.sum(z**2)


def places_written_to(x: Any) -> Any:
    places = np.array([1, 2])
    y = np.abs(x)[places]
    places[:] = 0
    return np.sum(y**2)


def other_side_written_to(x: Any) -> Any:
    side = np.zeros(3)
    y = np.hypot(x, side)
    side[:] = 1.0
    return np.sum(y**2)


def scaled_often(x: Any) -> Any:
    y = np.abs(x)
    for _ in range(400):
        y = 2.0 * y / 2.0
    return np.sum(y**2)


# each is the sum of squares of some entries, and how often each of them counts
SUMS = {
    "slice": (lambda x: np.sum(np.abs(x)[1:] ** 2), [0, 1, 1]),
    "slice of a slice": (lambda x: np.sum(np.abs(x)[1:][:1] ** 2), [0, 1, 0]),
    "list": (lambda x: np.sum(np.abs(x)[[0, 2]] ** 2), [1, 0, 1]),
    "mask": (lambda x: np.sum(np.abs(x)[np.array([True, False, True])] ** 2), [1, 0, 1]),
    "new axis": (lambda x: np.sum(np.abs(x)[:, None] ** 2), ALL),
    "reshape": (lambda x: np.sum(np.abs(x).reshape(3, 1) ** 2), ALL),
    "function": (lambda x: np.sum(np.square(np.reshape(np.fabs(x), (1, 3)))), ALL),
    "transpose": (lambda x: np.sum(np.abs(x[:, None]).T ** 2), ALL),
    "ravel": (
        lambda x: np.sum(np.abs(x[:, None]).ravel() ** 4) + np.sum(x.reshape(3, 1).flatten() ** 2),
        None,
    ),
    "scaled": (lambda x: np.sum((2 * np.abs(x)[1:] / 2) ** 2), [0, 1, 1]),
    "product": (lambda x: np.sum((lambda v: v * v)(np.abs(x)[1:])), [0, 1, 1]),
    "inner product": (lambda x: (lambda v: v @ v)(np.abs(x)[1:]), [0, 1, 1]),
    "norms": (lambda x: np.sum(np.linalg.norm(x.reshape(3, 1), axis=1)[1:] ** 2), [0, 1, 1]),
    "norms, reshaped": (lambda x: np.sum(np.linalg.norm(x.reshape(3, 1), axis=1)[:, None] ** 2), ALL),
    "broadcast": (lambda x: np.sum(np.broadcast_to(np.abs(x), (2, 3)) ** 2), 2 * ALL),
    "repeat": (lambda x: np.sum(np.abs(x).repeat(2) ** 2), 2 * ALL),
    "flip": (lambda x: np.sum(np.flip(np.abs(x))[:2] ** 2), [0, 1, 1]),
    "two uses of one entry": (reused, [1, 2, 1]),
    "a factor that is written to": (factor_written_to, [2, 4 + 1 / 4, 9 + 1 / 9]),
    "places that are written to": (places_written_to, [0, 1, 1]),
    "a side that is written to": (other_side_written_to, ALL),
    "scaled often": (scaled_often, ALL),
    "written": (written, None),
}
HESSIANS = {
    "ravel": np.diag([2.0, 2.0, 2.0 + 12 * 1.5**2]),
    "written": np.diag([2.0 + 2 * 1.5**2, 0.0, 2.0]),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SUMS)
def test_squares_are_smooth(name: str, mode: str) -> None:
    f, counts = SUMS[name]
    expected = HESSIANS[name] if counts is None else 2 * np.diag(np.asarray(counts, dtype=float))
    np.testing.assert_allclose(ad.hessian(f, X, backend=mode), expected, rtol=1e-12, atol=1e-12)
    if counts is not None:
        np.testing.assert_allclose(ad.gradient(f, X, backend=mode), expected @ X, rtol=1e-12)


@pytest.mark.parametrize("mode", [m for m in MODES if m not in SPLIT])
def test_joined_roots(mode: str) -> None:
    f = lambda x: np.sum(np.stack([np.abs(x), x]) ** 2) + np.sum(np.concatenate([np.sqrt(x), np.abs(x)]) ** 2)  # noqa: E731
    np.testing.assert_allclose(ad.gradient(f, X, backend=mode), 6 * X + 1, rtol=1e-12)
    np.testing.assert_allclose(ad.hessian(f, X, backend=mode), 6 * np.eye(3), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_part_of_square_roots(mode: str) -> None:
    f = lambda x: np.sum(np.sqrt(x)[1:] ** 2)  # noqa: E731
    np.testing.assert_allclose(ad.gradient(f, X, backend=mode), [0.0, 1.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(ad.hessian(f, X, backend=mode), np.zeros((3, 3)), atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_view_that_is_written_to_leaves_no_stale_square(mode: str) -> None:
    x = np.array([0.5, 2.0, 0.0])
    expected = 2 * x + np.array([2 * x[0] * x[2] ** 2, -2 * x[1], 2 * x[2] * x[0] ** 2])
    np.testing.assert_allclose(ad.gradient(through_a_view, x, backend=mode), expected, atol=1e-12)


# even functions of a root at the origin: smooth in its square, with this Hessian
EVEN: dict[str, tuple[Any, float]] = {
    "cos of a norm": (lambda x: np.cos(np.linalg.norm(x)), -1.0),
    "cosh of twice a hypotenuse": (lambda x: np.cosh(2 * np.hypot(x[0], x[1])), 4.0),
    "sinc of a norm": (lambda x: np.sinc(np.linalg.norm(x)), -(np.pi**2) / 3),
    "cos of a root": (lambda x: np.cos(np.sqrt(x @ x)), -1.0),
    "cos of a root of numbers": (lambda x: np.cos((x[0] ** 2 + x[1] ** 2) ** 0.5), -1.0),
    "cos of a norm as an array": (lambda x: np.cos(np.linalg.norm(x)[None])[0], -1.0),
    "cos of sizes": (lambda x: np.sum(np.cos(np.abs(x))), -1.0),
    "cos of norms": (lambda x: np.sum(np.cos(np.linalg.norm(x[:, None], axis=1))), -1.0),
    "Bessel": (lambda x: 3 * np.i0(np.linalg.norm(x)) + scipy.special.j0(np.linalg.norm(x)), 1.0),
    "a half power, squared": (lambda x: (np.sum(x * x) ** 0.5) ** 2, 2.0),
    "np.power by a half": (lambda x: np.power(np.sum(x * x), 0.5) ** 2, 2.0),
    "a power between": (lambda x: np.linalg.norm(x) ** 2.5, 0.0),
}


EVERYWHERE = ("cos of a norm", "cos of a norm as an array", "a half power, squared")
PAIRS = [(name, mode) for name in EVEN for mode in (MODES if name in EVERYWHERE else MODES[:2])]


@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_even_functions_of_a_root(name: str, mode: str) -> None:
    f, curvature = EVEN[name]
    H = ad.hessian(f, np.zeros(2), backend=mode)
    np.testing.assert_allclose(H, curvature * np.eye(2), atol=1e-14)


@pytest.mark.parametrize("name", EVEN)
def test_even_functions_of_a_root_away_from_it(name: str) -> None:
    f, _ = EVEN[name]
    x = np.array([0.3, -0.4])
    wanted = ad.hessian(f, x, backend="finite")
    np.testing.assert_allclose(ad.hessian(f, x, backend="numpy"), wanted, atol=1e-4)


def test_an_even_function_to_higher_order() -> None:
    series = ad.taylor(lambda t: np.cos(np.sqrt(t * t)), 0.0, v=1.0, order=4)
    np.testing.assert_allclose(series, [1.0, 0.0, -0.5, 0.0, 1 / 24], atol=1e-15)


@pytest.mark.parametrize("mode", ["numpy:reverse", "numpy:forward", "torch", "autograd", "casadi"])
def test_a_cone_has_no_second_derivative(mode: str) -> None:
    """The Hessian is -I, of which the rules know nothing: not a number, rather than a silent zero."""
    f = lambda x: (1 + np.hypot(x[0], x[1])) * np.exp(-np.hypot(x[0], x[1]))  # noqa: E731
    np.testing.assert_array_equal(ad.gradient(f, np.zeros(2), backend=mode), [0.0, 0.0])
    with pytest.warns(NonFiniteWarning):
        assert np.isnan(ad.hessian(f, np.zeros(2), backend=mode)).all()


def test_different_entries_are_not_the_same() -> None:
    """The product of two sizes is not smooth; the convention is that of one."""
    x = np.array([0.0, 2.0])
    f = lambda x: abs(x[0]) * abs(x[1])  # noqa: E731
    np.testing.assert_array_equal(ad.gradient(f, x), [0.0, 0.0])
    g = lambda x: abs(x[0]) * abs(x[1] * x[0])  # noqa: E731
    np.testing.assert_array_equal(ad.gradient(g, x), [0.0, 0.0])


def assigned(x: Any) -> Any:
    y = np.abs(x) * 1.0
    y[0] = -2.0 * x[1] * x[1]
    return np.sum(y**3)


# what is made of a root and is not positive: values, not only derivatives, came out with the wrong sign
SIGNED: dict[str, Any] = {
    "negative": lambda x: (-np.linalg.norm(x)) ** 3,
    "multiple": lambda x: np.sum((np.abs(x) * -1.5) ** 3.0),
    "reflected": lambda x: np.sum((x * np.abs(x)) ** 5),
    "quotient": lambda x: np.sum((np.sqrt(x * x + 1) / -2) ** 3),
    "joined": lambda x: (
        np.sum(np.stack([np.abs(x), x, -np.abs(x)]) ** 3) + np.sum(np.stack([x, abs(x)]) ** 3)
    ),
    "assigned": assigned,
    "size": lambda x: np.sum(np.abs(-np.abs(x) * 2.0) ** 3) - abs(-np.linalg.norm(x)) ** 3,
    "whole": lambda x: np.sum(np.power(-np.hypot(x, 2.0), 7)) + np.sum((2.0 * np.abs(x)) ** 2.5),
    "deviation": lambda x: (-np.std(x)) ** 3 + (2.0 * np.std(x)) ** 2,
}


@pytest.mark.parametrize("mode", [m for m in MODES if m not in ("numpy:forward", "autograd")])
@pytest.mark.parametrize("name", SIGNED)
def test_odd_powers_of_what_is_no_positive_root(name: str, mode: str) -> None:
    pytest.importorskip(mode.partition(":")[0])
    f = SIGNED[name]
    for x in (np.array([0.4, -0.7, 1.5]), np.array([0.4, 0.0, -1.5])):
        value, found = ad.value_and_gradient(f, x, backend=mode)
        np.testing.assert_allclose(value, f(x), rtol=1e-13)
        if x.all() or name == "deviation":
            differences = [(f(x + h) - f(x - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
            np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-7)
        else:
            np.testing.assert_allclose(found[1], 0.0, atol=1e-15)


# multiples of roots by complex numbers: their squares are no squares of sizes
COMPLEX: dict[str, Any] = {
    "multiple": lambda z: np.sum((np.abs(z) * 1j) ** 2),
    "quotient": lambda z: np.sum((np.linalg.norm(z) / (1 + 2j)) ** 2 * z),
    "joined": lambda z: np.sum(np.stack([np.abs(z), 1j * z]) ** 2),
    "cubes": lambda z: np.sum((np.abs(z) * 1j) ** 3) + np.sum((np.sqrt(z + 5) * (1 - 2j)) ** 3),
    "negative": lambda z: np.sum((-np.sqrt(z + 5)) ** 3),
    "size": lambda z: np.sum(np.abs(np.sqrt(z + 5) * 1j) ** 2) + abs(np.sqrt(z[0] + 5)) ** 3,
    "product": lambda z: (lambda r: np.vdot(r, r) + np.dot(r, r))(np.sqrt(z + 5)),
}


@pytest.mark.parametrize("mode", ["numpy:reverse", "numpy:compiled", "jax", "torch"])
@pytest.mark.parametrize("name", COMPLEX)
def test_roots_times_complex_numbers(name: str, mode: str) -> None:
    pytest.importorskip(mode.partition(":")[0])
    f = lambda z: np.real(COMPLEX[name](z))  # noqa: E731
    for z in (np.array([0.4 + 0.7j, 0.3 - 0.5j]), np.array([0.4 + 0.7j, 0.0])):
        value, found = ad.value_and_gradient(f, z, backend=mode)
        np.testing.assert_allclose(value, f(z), rtol=1e-13)
        if z.all():
            steps = [(f(z + h) - f(z - h)) / 2e-5 for h in 1e-5 * np.eye(2)]
            turned = [(f(z + h) - f(z - h)) / 2e-5 for h in 1e-5j * np.eye(2)]
            np.testing.assert_allclose(found, np.array(steps) + 1j * np.array(turned), rtol=1e-6, atol=1e-7)
