"""Steps of finite differences that find the scale of the function, or say that they cannot."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad.errors import DomainError, NonFiniteWarning, PrecisionWarning

FD = ad.FiniteDifferences

# function, point, first and second derivative: none has the scale max(1, |x|)
SCALES: dict[str, tuple[Any, float, float, float]] = {
    "saturation": (lambda x: x / (x + 1e-6), 1e-6, 0.25e6, -0.25e12),
    "saturation, far smaller": (lambda x: x / (x + 1e-9), 1e-9, 0.25e9, -0.25e18),
    "step at zero": (lambda x: np.tanh(x / 1e-6), 0.0, 1e6, 0.0),
    "narrow bump": (
        lambda x: x + 1e-3 * np.exp(-((x / 1e-8) ** 2)),
        1e-8,
        1 - 2e5 * math.exp(-1),
        2e13 * math.exp(-1),
    ),
    "oscillation": (lambda x: np.sin(1e5 * x), 0.3, 1e5 * math.cos(3e4), -1e10 * math.sin(3e4)),
    "far from zero": (lambda x: np.sin(x), 1e5 + 0.5, math.cos(1e5 + 0.5), -math.sin(1e5 + 0.5)),
    "power": (lambda x: x**8, 1e-3, 8e-21, 56e-18),
    "overflow beside it": (lambda x: np.exp(x / 1e-9), 1e-9, 1e9 * math.e, 1e18 * math.e),
    "root": (lambda x: np.sqrt(x), 1e-8, 0.5e4, -0.25e12),
    "logarithm": (lambda x: np.log(x), 1e-10, 1e10, -1e20),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize(
    "b", [FD(), FD(order=4), FD("forward"), FD(adaptive=True), FD("complex")], ids=lambda b: repr(b)[18:]
)
def test_the_scale_of_the_function_is_found(name: str, b: Any) -> None:
    f, x, first, second = SCALES[name]
    loose = b.scheme == "forward"
    assert abs(ad.derivative(f, x, backend=b) - first) < (1e-3 if loose else 2e-6) * abs(first)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        d = ad.second_derivative(f, x, backend=b)
    told = any(isinstance(w.message, PrecisionWarning) for w in caught)
    assert told or abs(d - second) < (5e-2 if loose else 1e-4) * (abs(second) or 1e12)


@pytest.mark.parametrize("operator", ["gradient", "jvp", "vjp", "jacobian", "hessian", "hvp"])
def test_one_entry_among_many_of_another_scale(operator: str) -> None:
    n, k = 12, 7
    x = np.linspace(0.5, 2.0, n)
    x[k] = 1e-6
    v = np.where(np.arange(n) == k, 1e-6, 1.0)

    def f(x: Any) -> Any:
        return np.sum(np.sin(x)) + 3 * x[k] / (x[k] + 1e-6)

    slope, bend = np.cos(x), -np.sin(x)
    slope[k] += 3 * 0.25e6
    bend[k] -= 3 * 0.25e12
    expected, call = {
        "gradient": (slope, lambda: ad.gradient(f, x, backend=FD())),
        "jvp": (slope @ v, lambda: ad.jvp(f, x, v=v, backend=FD())),
        "vjp": (2 * slope, lambda: ad.vjp(f, x, w=2.0, backend=FD())),
        "jacobian": (slope, lambda: ad.jacobian(lambda x: np.array([f(x), 1.0]), x, backend=FD())[0]),
        "hessian": (np.diag(bend), lambda: ad.hessian(f, x, backend=FD())),
        "hvp": (bend * v, lambda: ad.hvp(f, x, v=v, backend=FD())),
    }[operator]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    told = any(isinstance(w.message, PrecisionWarning) for w in caught)
    assert told or np.max(abs(result - expected)) < 1e-5 * np.max(abs(expected))
    assert operator in ("hessian", "hvp") or not told


def test_a_prepared_object_finds_the_scale_at_every_call() -> None:
    g = ad.prepare_gradient(lambda x: np.sum(x / (x + 1e-6)), np.array([1.0]), backend=FD())
    for x in (1e-6, 1.0, 1e-5):
        assert abs(g(np.array([x]))[0] / (1e-6 / (x + 1e-6) ** 2) - 1) < 1e-6


def test_large_values_beside_small_derivatives_take_longer_steps_or_are_told_of() -> None:
    with pytest.warns(PrecisionWarning, match="first derivatives"):
        g = ad.gradient(lambda x: 1e10 + np.sum(x**2), np.ones(2), backend=FD())
    assert np.allclose(g, 2.0, atol=0.05)
    # Brown's badly scaled problem: values of 1e12 hide a second derivative of 4
    with pytest.warns(PrecisionWarning, match="second derivatives.*error_estimate"):
        ad.hessian(lambda x: (x[0] - 1e6) ** 2 + (x[0] * x[1] - 2) ** 2, np.ones(2), backend=FD())
    h = ad.hessian(lambda x: 1e4 + np.sum(np.cos(x)), np.ones(2), backend=FD())
    assert np.allclose(h, -math.cos(1) * np.eye(2), atol=1e-5)


def test_what_no_step_resolves_is_told_at_the_line_of_the_call() -> None:
    noisy = lambda x: np.round(np.sum(np.exp(x)), 7)  # noqa: E731
    with pytest.warns(PrecisionWarning, match="noisy") as caught:
        ad.gradient(noisy, np.array([0.1, 1.0]), backend=FD())
    assert caught[0].filename == __file__
    with pytest.warns(PrecisionWarning, match="kink"):
        ad.hessian(lambda x: np.sum(abs(x)), np.array([0.0, 1.0]), backend=FD())
    with pytest.warns(PrecisionWarning, match="noisy"):  # a jump beside the point
        ad.derivative(lambda x: np.floor(x) + x, 1.0, backend=FD())


def test_smooth_functions_of_any_size_are_not_told_of() -> None:
    x = np.array([0.3, -1.2, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1e-30, 1.0, 1e30):
            for f in (
                lambda x: np.sum(x * x),
                lambda x: x[0],
                lambda x: 3.0 + 0 * x[0],
                lambda x: np.sum(x) ** 3,
            ):
                for b in (FD(), FD("forward"), FD(adaptive=True)):
                    g = lambda x, f=f, s=scale: s * f(x)  # noqa: E731
                    for point in (x, 0 * x):
                        ad.gradient(g, point, backend=b)
                        ad.jvp(g, point, v=x, backend=b)
                    if scale <= 1:  # values of 1e30 hide what their rounding does
                        ad.hessian(g, point, backend=b)


def test_relative_steps_without_a_length() -> None:
    x = np.array([1e-9, 1e3])
    for b in (FD(relative=True), FD(relative=True, adaptive=True), FD("complex", relative=True)):
        assert np.allclose(ad.gradient(lambda x: np.log(x).sum(), x, backend=b), 1 / x, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_that_is_not_finite_at_the_point_is_named() -> None:
    for x, value in (([-1.0, 2.0], "nan"), ([0.0, 2.0], "-inf")):
        with pytest.warns(NonFiniteWarning, match=rf"is {value} at the point") as caught:
            g = ad.gradient(lambda x: np.sum(np.log(x)), np.array(x), backend=FD())
        assert np.isnan(g).all()
        assert caught[-1].filename == __file__
    with pytest.warns(NonFiniteWarning, match=r"is inf at the point in output entry 0 "):
        j = ad.jacobian(lambda x: x * x, np.array([1e300, 2.0]), backend=FD())
    assert np.isnan(j[0]).any()
    assert np.allclose(j[1], [0.0, 4.0])
    with pytest.raises(DomainError, match=r"entry \(1,\)"):
        ad.gradient(lambda x: np.sum(np.sqrt(x)), np.array([1.0, 0.0]), backend=FD())


def told(caught: list[warnings.WarningMessage]) -> float:
    """The largest error, relatively, that was told of."""
    found = [re.search(r"to about (\S+) of their", str(w.message)) for w in caught]
    return max((float(m.group(1)) for m in found if m), default=0.0)


def nested(first: Any, second: Any) -> Any:
    """A derivative of a derivative, each by differences."""
    return lambda f, b: lambda t: second(lambda s: first(f, s, backend=b), t, backend=b)


@pytest.mark.parametrize("b", [FD(), FD(order=4), FD("forward")], ids=lambda b: repr(b)[18:])
@pytest.mark.parametrize(
    ("order", "way"),
    [
        (2, nested(ad.derivative, ad.derivative)),
        (3, nested(ad.derivative, ad.second_derivative)),
        (3, nested(ad.second_derivative, ad.derivative)),
    ],
    ids=["first of first", "second of first", "first of second"],
)
def test_the_noise_of_differences_within_differences_is_told_of(order: int, way: Any, b: Any) -> None:
    large = 3e-2 if b.scheme == "forward" else 1e-4
    for f, exact in (
        (np.exp, np.exp),
        (lambda t: 1e3 + np.exp(t), np.exp),
        (lambda t: 1 / t, lambda t: (-1) ** order * math.factorial(order) / t ** (order + 1)),
    ):
        for t in (0.3060247003743258, 0.8935307702805146, 1.6345987066877958):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = way(f, b)(t)
            off = abs(result - exact(t)) / max(abs(result), abs(exact(t)))
            known = any(isinstance(w.message, PrecisionWarning) for w in caught)
            assert off < large or known, (t, off)
            figure = told(caught)
            assert not figure or off < 3 * figure, (t, off, figure)


def test_the_noise_of_a_hessian_counts_by_its_largest_entry() -> None:
    x = np.linspace(0.5, 1.5, 8)
    noisy = lambda x: np.round(1e9 * np.sum(x) ** 3) / 1e9  # noqa: E731
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        h = ad.hessian(noisy, x, backend=FD())
    off = np.max(abs(h / (6 * np.sum(x)) - 1))
    assert 1e-4 < off < 3 * told(caught) < 0.5


@pytest.mark.parametrize("digits", [6, 8])
@pytest.mark.parametrize("b", [FD(), FD(order=4)], ids=lambda b: repr(b)[18:])
def test_values_of_few_digits_are_told_of(digits: int, b: Any) -> None:
    for t in (0.5, 1.3, 2.1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            d = ad.derivative(lambda t: np.round(np.sin(3 * t), digits), t, backend=b)
        off = abs(d / (3 * math.cos(3 * t)) - 1)
        # noise is estimated: just above what is told of from, it may be missed
        assert off < 3e-4 or off < 3 * told(caught), (t, off, told(caught))


def grown(kind: str) -> Any:
    """A function of which every call leaves something behind that the next one uses."""
    kept: list[Any] = []
    buffer, count = np.zeros(1), {"calls": 0}

    def f(x: Any) -> Any:
        if kind == "list":
            kept.append(np.sum(x))
            return np.sum(x**2) * len(kept)
        if kind == "sum":
            kept.append(np.sum(x))
            return sum(kept) ** 2
        if kind == "buffer":
            for v in np.ravel(x):
                buffer[0] = v * buffer[0] + v
            return buffer[0]
        count["calls"] += 1
        return np.sum(x**2) + count["calls"]

    return f


@pytest.mark.parametrize("kind", ["list", "sum", "buffer", "count"])
def test_functions_that_keep_what_they_did_are_told_of(kind: str) -> None:
    """Their differences are of two functions: nothing is left of the digits, and the estimate says so."""
    x = np.array([1.0, 2.0, 3.0])
    calls = {
        "gradient": lambda f: ad.gradient(f, x, backend="finite"),
        "prepared": lambda f: ad.prepare_gradient(f, x, backend="finite")(x),
        "jvp": lambda f: ad.jvp(f, x, v=np.ones(3), backend="finite"),
        "derivative": lambda f: ad.derivative(lambda t: f(t * x), 1.0, backend="finite"),
        "hessian": lambda f: ad.hessian(f, x, backend="finite"),
        "hvp": lambda f: ad.hvp(f, x, v=np.ones(3), backend="finite"),
    }
    for name, call in calls.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                call(grown(kind))
            except ad.errors.PolyadError:
                continue
        assert any(isinstance(w.message, PrecisionWarning) for w in caught), name
