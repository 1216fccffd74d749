"""Functions that ask what a number is, or turn it into text: as on plain numbers, or refused."""

from __future__ import annotations

import decimal
import fractions
import math
import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, eager
from polyad.errors import DependenceError, PolyadError

BACKENDS = [eager(name) for name in AVAILABLE if name != "finite"]
BACKENDS += [eager("numpy", "forward"), ad.NumPy(compile=True)]
each = pytest.mark.parametrize("backend", BACKENDS, ids=repr)


def results(f: Callable[..., Any], x: Any, backend: Any) -> list[Any]:
    """Of a call that is prepared and one that is not; "refused" where it is."""
    found = []
    for call in (
        lambda: ad.derivative(f, x, backend=backend),
        lambda: ad.prepare_derivative(f, x, backend=backend)(x),
    ):
        try:
            found.append(call())
        except PolyadError:
            found.append("refused")
    return found


def helper(t: Any) -> bool:
    return type(t) is float


def by_errors(t: Any) -> Any:
    try:
        return t**2 + len(t)
    except TypeError:
        return t**3


OF_FLOATS: dict[str, Callable[[Any], Any]] = {
    "type": lambda t: t**3 if type(t) is float else t,
    "type in a tuple": lambda t: t**3 if type(t) in (float, int) else t,
    "type of a helper": lambda t: t**3 if helper(t) else t,
    "a table of types": lambda t: {float: t**3}.get(type(t), t),
    "name of the type": lambda t: t**3 if type(t).__name__ == "float" else t,
    "attribute": lambda t: t if hasattr(t, "ndim") else t**3,
    "default of an attribute": lambda t: t**3 if getattr(t, "shape", None) is None else t,
    "iterable": lambda t: t if np.iterable(t) else t**3,
    "errors": by_errors,
    "isinstance": lambda t: t**3 if isinstance(t, float) else t,
    "what it is not": lambda t: t if isinstance(t, np.generic | np.ndarray) else t**3,
}


@each
@pytest.mark.parametrize("name", OF_FLOATS)
def test_a_python_float_is_taken_for_what_it_is_or_refused(name: str, backend: Any) -> None:
    for got in results(OF_FLOATS[name], 1.5, backend):
        assert got == "refused" or math.isclose(got, 6.75)
        if "isinstance" in name or "not" in name:
            assert got != "refused"


@each
def test_an_array_without_axes_is_an_array(backend: Any) -> None:
    f = lambda t: t**3 if isinstance(t, np.ndarray) and not isinstance(t, float) else t  # noqa: E731
    for got in results(f, np.array(1.5), backend):
        assert math.isclose(got, 6.75)
    exact = lambda t: t**3 if type(t) is np.ndarray else t  # noqa: E731
    for got in results(exact, np.array(1.5), backend):
        assert got == "refused" or math.isclose(got, 6.75)


def test_type_is_answered_in_followed_code() -> None:
    got = ad.derivative(module_like(), 1.5, follow=True)
    assert math.isclose(got, 6.75)
    assert math.isclose(ad.derivative(module_like(), 1.5), 6.75)  # it is followed by itself


def module_like() -> Callable[[Any], Any]:
    """A function of a module of its own."""
    names: dict[str, Any] = {"__name__": "caller_of_types"}
    exec("def f(t):\n    return t ** 3 if type(t) is float else t\n", names)
    return names["f"]  # type: ignore[no-any-return]


def test_functions_that_are_random_are_not_compared() -> None:
    random = np.random.default_rng(0)
    f = lambda t: t**2 * (1.0 if isinstance(t, float) else 2.0) + random.normal()  # noqa: E731
    assert math.isclose(ad.derivative(f, 3.0), 6.0)


def divides(t: Any) -> Any:
    try:
        return 1.0 / (t - 2.0)
    except ZeroDivisionError:
        return 5.0 * t


def powers(t: Any) -> Any:
    try:
        return (t + 998.0) ** 400
    except OverflowError:
        return 5.0 * t


def zero_to_a_negative_power(t: Any) -> Any:
    try:
        return (t - 2.0) ** -1
    except ZeroDivisionError:
        return 5.0 * t


def warned(t: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.log(t - 2.5)
        except RuntimeWarning:
            return 5.0 * t


@each
@pytest.mark.parametrize("f", [divides, powers, zero_to_a_negative_power, warned], ids=lambda f: f.__name__)
def test_the_errors_of_plain_numbers_are_raised_or_refused(f: Callable[[Any], Any], backend: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those who go on in NumPy's way until their value is looked at
        found = results(f, 2.0, backend)
    assert all(got == "refused" or math.isclose(got, 5.0) for got in found), found


@pytest.mark.parametrize("backend", [eager("numpy", "forward"), eager("numpy", "reverse")], ids=repr)
def test_errors_of_python_numbers_that_nobody_catches(backend: Any) -> None:
    for f in (
        lambda t: 1 / (t - 2.0),
        lambda t: t // (t - 2.0),
        lambda t: t % (t - 2.0),
        lambda t: (t - 2.0) ** -2,
    ):
        with pytest.raises(ZeroDivisionError):
            ad.derivative(f, 2.0, backend=backend)
    with pytest.raises(OverflowError):
        ad.derivative(lambda t: (1000.0 * t) ** 200, 2.0, backend=backend)
    with pytest.raises(PolyadError, match="complex number"), np.errstate(invalid="ignore"):
        ad.derivative(lambda t: abs((-t) ** 0.5), 2.0, backend=backend)
    # NumPy's numbers and arrays go on
    with np.errstate(all="ignore"):
        assert np.isinf(ad.derivative(lambda t: 1 / (t - 2.0), np.float64(2.0), backend=backend))


TEXTS: dict[str, Callable[[Any], Any]] = {
    "str": lambda x: float(str(x[0])) * x[1],
    "format": lambda x: float(f"{x[0]:.17g}") * x[1],
    "method": lambda x: float("{:.17g}".format(x[0])) * x[1],  # noqa: UP032
    "decimal": lambda x: float(decimal.Decimal(x[0])) * x[1],
    "fraction": lambda x: float(fractions.Fraction(x[0])) * x[1],
    "statistics": lambda x: statistics.mean(list(x)) * x[1],
}


@each
@pytest.mark.parametrize("name", TEXTS)
def test_numbers_read_from_texts_are_refused(name: str, backend: Any) -> None:
    x = np.array([0.7, -1.3])
    expected = [-1.3, 0.7] if name != "statistics" else [-0.65, -0.95]
    for call in (
        lambda: ad.gradient(TEXTS[name], x, backend=backend),
        lambda: ad.prepare_gradient(TEXTS[name], x, backend=backend)(x),
    ):
        try:
            got = call()
        except PolyadError:
            continue
        except TypeError:  # of the framework's own arrays, in Python's library
            assert name in ("statistics", "decimal", "fraction") and "numpy" not in repr(backend).lower()
            continue
        np.testing.assert_allclose(got, expected)


LOOKS: list[Callable[[Any], Any]] = [
    lambda x: np.exp(x[0]) * len(str(x[0])),
    lambda x: np.exp(x[0]) * len(f"{x}"),
    lambda x: np.exp(x[0]) * (3 if "1.25" in str(x[0]) else 4),
    lambda x: np.exp(x[0]) * (3 if str(x[0]) == "1.25" else 4),
    lambda x: np.exp(x[0]) * {"1.25": 3.0}.get(f"{x[0]}", 4.0),
    lambda x: np.exp(x[0]) * (3 if str(x[0]).startswith("1.2") else 4),
]


@each
@pytest.mark.parametrize("f", LOOKS)
def test_texts_are_those_of_the_numbers_or_are_not_read(f: Callable[[Any], Any], backend: Any) -> None:
    x = np.array([1.25, 2.5])
    try:
        found = ad.gradient(f, x, backend=backend)
    except PolyadError:
        return
    np.testing.assert_allclose(found, [f(x), 0.0])


def test_what_is_printed_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print(f"at {x[0]:.3f}", x)
        return x @ x

    np.testing.assert_allclose(ad.gradient(f, np.array([0.7, -1.3])), [1.4, -2.6])
    assert "at 0.700" in capsys.readouterr().out
    with pytest.raises(DependenceError):
        ad.gradient(TEXTS["str"], np.array([0.7, -1.3]), backend="numpy")
