"""A derivative that is not a number where the function is finite is told of, with its entries."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from polyad.errors import NonFiniteWarning

EVERY = [
    *("numpy:forward", "numpy:reverse", ad.NumPy(compile=True)),
    *(name for name in ("jax", "jax:forward", "torch", "autograd", "casadi", "sympy") if name in AVAILABLE),
]
TWO = np.array([0.0, 2.0])


def undefined(x: Any) -> Any:
    """Zero times infinity at 0, by a product of which nobody can see what it is."""
    return np.sqrt(x) * (np.exp(x) - 1.0)


def told(call: Any) -> list[str]:
    """The warnings of a call, one message for each."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        call()
    assert all(w.filename == __file__ for w in caught), caught
    return [str(w.message) for w in caught if issubclass(w.category, NonFiniteWarning)]


@pytest.mark.parametrize("backend", EVERY, ids=str)
def test_every_operator_tells_of_entries_that_are_not_numbers(backend: Any) -> None:
    calls = {
        "gradient": (lambda: ad.gradient(lambda x: np.sum(undefined(x)), TWO, backend=backend), "[0]"),
        "value": (lambda: ad.value_and_gradient(lambda x: np.sum(undefined(x)), TWO, backend=backend), "[0]"),
        "jacobian": (lambda: ad.jacobian(undefined, TWO, backend=backend), "[0, 0]"),
        "jvp": (lambda: ad.jvp(undefined, TWO, v=np.ones(2), backend=backend), "[0]"),
        "vjp": (lambda: ad.vjp(undefined, TWO, w=np.ones(2), backend=backend), "[0]"),
        "hessian": (lambda: ad.hessian(lambda x: np.sum(undefined(x)), TWO, backend=backend), "[0, 0]"),
        "hvp": (lambda: ad.hvp(lambda x: np.sum(undefined(x)), TWO, v=np.ones(2), backend=backend), "[0]"),
        "derivative": (lambda: ad.derivative(undefined, 0.0, backend=backend), "number at"),
    }
    for name, (call, entry) in calls.items():
        (text,) = told(call)
        assert entry in text, (name, text)
        assert "where the function is finite" in text
        assert "np.where" in text


@pytest.mark.parametrize("backend", EVERY, ids=str)
def test_preparation_tells_and_prepared_calls_do_not(backend: Any) -> None:
    found: list[Any] = []
    (text,) = told(
        lambda: found.append(ad.prepare_gradient(lambda x: np.sum(undefined(x)), TWO, backend=backend))
    )
    assert "at the point of preparation" in text
    (p,) = found
    assert not told(lambda: p(TWO))
    with np.errstate(all="ignore"):
        assert np.isnan(p(TWO)[0])


@pytest.mark.parametrize("backend", EVERY, ids=str)
def test_nothing_is_said_of_what_is_right(backend: Any) -> None:
    with np.errstate(all="ignore"):
        assert not told(
            lambda: ad.gradient(lambda x: np.sum(np.log(x)), np.array([-1.0, 2.0]), backend=backend)
        )
        assert not told(lambda: ad.jacobian(lambda x: np.log(x), np.array([-1.0, 2.0]), backend=backend))
        assert not told(lambda: ad.derivative(np.sqrt, 0.0, backend=backend))
        assert not told(lambda: ad.prepare_jacobian(lambda x: x * x, TWO, backend=backend))


def test_trees_and_linearizations() -> None:
    (text,) = told(lambda: ad.gradient(lambda p: np.sum(undefined(p["b"])) + p["a"], {"a": 1.0, "b": TWO}))
    assert "entry leaf 1[0] at" in text
    found: list[Any] = []
    assert not told(lambda: found.append(ad.linearize(undefined, TWO)[1]))
    (J,) = found
    (text,) = told(lambda: J.jvp(np.ones(2)))
    assert "[0]" in text
    (text,) = told(lambda: J.vjp(np.ones(2)))
    assert "[0]" in text
    assert not told(lambda: J.vjp(np.ones(2)))
    (text,) = told(lambda: ad.taylor(undefined, 0.0, v=1.0, order=2))
    assert "taylor" in text


def test_as_an_error_it_stays_what_it_is() -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", NonFiniteWarning)
        with pytest.raises(NonFiniteWarning, match="gradient of undefined by NumPy"):
            ad.gradient(undefined, np.float64(0.0))
        with pytest.raises(NonFiniteWarning, match="preparation"):
            ad.prepare_gradient(undefined, 0.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("backend", ["numpy:reverse", "numpy:forward", "autograd"])
def test_numpy_says_nothing_of_the_rules(backend: str) -> None:
    """The derivative of a root at zero is infinite; of where it came from NumPy has nothing to say."""
    x = np.array([0.0, 4.0])
    ways = {
        "root": (lambda x: np.sum(np.sqrt(x)), [np.inf, 0.25]),
        "power": (lambda x: np.sum(x**0.5), [np.inf, 0.25]),
        "numbers": (lambda x: np.sqrt(x[0]) + np.sqrt(x[1]), [np.inf, 0.25]),
        "number": (lambda x: x[0] ** 0.5 + x[1] ** 0.5, [np.inf, 0.25]),
        "arc": (lambda x: np.sum(np.arcsin(1 - x / 4)), [-np.inf, -0.25]),
    }
    for name, (f, expected) in ways.items():
        for g in (ad.gradient(f, x, backend=backend), ad.prepare_gradient(f, x, backend=backend)(x)):
            np.testing.assert_allclose(g, expected, err_msg=name)


@pytest.mark.parametrize("backend", ["numpy:reverse", "numpy:forward", "autograd"])
def test_numpy_is_heard_on_the_values(backend: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ad.gradient(lambda x: np.sum(np.log(x)), TWO, backend=backend)
    assert "divide by zero encountered in log" in map(str, (w.message for w in caught))


def test_directions_that_do_not_go_there() -> None:
    x = np.array([0.0, 4.0, 0.0])
    f = lambda x: np.sum(np.sqrt(x))  # noqa: E731
    np.testing.assert_array_equal(ad.gradient(f, x, backend="numpy:forward"), [np.inf, 0.25, np.inf])
    assert ad.jvp(f, x, v=np.array([0.0, 1.0, 0.0]), backend="numpy:forward") == 0.25
    J = ad.jacobian(lambda x: np.stack([np.sqrt(x), x]), x, backend="numpy:forward")
    wanted = np.stack([np.diag([np.inf, 0.25, np.inf]), np.eye(3)])
    np.testing.assert_array_equal(J, wanted)
    # and reverse mode knows outputs that nobody asked for
    np.testing.assert_array_equal(ad.jacobian(np.sqrt, x, backend="numpy:reverse"), wanted[0])
    w = np.array([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(ad.vjp(np.sqrt, x, w=w, backend="numpy:reverse"), [0.0, 0.25, 0.0])
    batch = ad.vjp(np.sqrt, x, w=np.stack([w, 2 * w]), batched=True, backend="numpy:reverse")
    np.testing.assert_array_equal(batch, [[0.0, 0.25, 0.0], [0.0, 0.5, 0.0]])
    with pytest.warns(NonFiniteWarning):  # 0 * inf: a root of a constant, for all that can be seen
        assert np.isnan(ad.gradient(lambda x: np.sum(np.sqrt(0 * x)), x, backend="numpy:forward")).all()
