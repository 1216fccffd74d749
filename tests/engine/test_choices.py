"""What was not chosen has no part in a derivative, whatever stands between it and what is infinite."""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from polyad.engine.interpretations import masked

WAYS = {
    "forward": ad.NumPy(mode="forward"),
    "reverse": ad.NumPy(mode="reverse"),
    "compiled": ad.NumPy(compile=True),
    **{name: name for name in ("jax", "torch", "autograd", "casadi") if name in AVAILABLE},
}
LIFTED = ("jax", "torch", "autograd")
# rows of which the last two are out of the logarithm's domain
X = np.array([[1.1, 2.0], [0.5, 3.0], [-1.0, 2.0], [0.0, 1.0]])
SAFE = np.where(X > 0, X, 1.0)
rows = np.array([True, True, False, False])
norm = np.linalg.norm

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")


def chain(count: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = np.log(x)
        for _ in range(count):
            y = y * 0.9 + 0.1 * x
        return y

    return f


def centred(y: Any) -> Any:
    return (y - np.mean(y, axis=1, keepdims=True))[:, 0] ** 2


def softmax(y: Any) -> Any:
    return np.log(np.sum(np.exp(y - np.max(y, axis=1, keepdims=True)), axis=1))


# what stands in the branch, as a function of log(x), and what is chosen of it
INSIDE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "sum": (lambda y: np.sum(y, axis=1), rows),
    "mean": (lambda y: np.mean(y, axis=1), rows),
    "vector": (lambda y: y @ np.array([1.0, 2.0]), rows),
    "left": (lambda y: np.array([1.0, 2.0]) @ y.T, rows),
    "gram": (lambda y: y @ y.T, rows[:, None] & rows),
    "einsum": (lambda y: np.einsum("ij,ij->i", y, y), rows),
    "tensordot": (lambda y: np.tensordot(y, np.ones((2, 3)), 1), rows[:, None]),
    "reshape": (lambda y: y.reshape(2, 4), np.array([[True], [False]])),
    "T": (lambda y: y.T, rows),
    "stack": (lambda y: np.stack([y[:, 0], y[:, 1] * 2]), rows),
    "concatenate": (lambda y: np.concatenate([y[:, 0], y[:, 1]]), np.tile(rows, 2)),
    "norm": (lambda y: norm(y, axis=1), rows),
    "std": (lambda y: np.std(y, axis=1), rows),
    "prod": (lambda y: np.prod(np.tile(y, 2) + 3, axis=1), rows),
    "cumsum": (lambda y: np.cumsum(y.ravel()), np.arange(8) < 4),
    "cumprod": (lambda y: np.cumprod(y.ravel() + 3), np.arange(8) < 4),
    "max": (lambda y: np.max(y, axis=1), rows),
    "sort": (lambda y: np.sort(y, axis=1) * np.array([1.0, 3.0]), rows[:, None]),
    "centred": (centred, rows),
    "softmax": (softmax, rows),
    "index": (lambda y: np.sum(y, axis=1)[[1, 0]], np.array([True, True])),
    "neighbours": (lambda y: y[1:, 0] * y[:-1, 0], rows[1:]),
    "tile": (lambda y: np.tile(y[:, 0], 2), np.tile(rows, 2)),
    "flip": (lambda y: y[::-1], rows[::-1, None]),
    "diff": (lambda y: np.diff(y, axis=1)[:, 0], rows),
    "chain": (lambda y: np.sum(chain(20)(np.exp(y)), axis=1), rows),
    "inner choice": (lambda y: np.sum(np.where(y > 0.1, np.log(y), y), axis=1), rows),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("case", INSIDE)
def test_choices_are_followed_through(case: str, name: str) -> None:
    g, mask = INSIDE[case]

    def f(x: Any) -> Any:
        return np.sum(np.where(mask, g(np.log(x)), 0.0) ** 2)

    slope = ad.gradient(f, X, backend=WAYS[name])
    expected = np.where(X > 0, ad.gradient(f, SAFE, backend="numpy:forward"), 0.0)
    np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-13)
    if name in ("jax", "torch", "reverse"):
        v = np.array([[1.0, -1.0], [0.5, 2.0], [1.0, 1.0], [-1.0, 3.0]])
        second = ad.hvp(f, X, v=v, backend=WAYS[name])
        expected = ad.hvp(f, SAFE, v=np.where(X > 0, v, 0.0), backend="numpy:reverse")
        np.testing.assert_allclose(second[:2], expected[:2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("count", [13, 40, 100])
def test_long_chains_are_followed(count: int, name: str) -> None:
    x = np.array([2.0, 0.0, -1.0])
    f = chain(count)
    slope = ad.gradient(lambda x: np.sum(np.where(x > 0, f(x), 0.0)), x, backend=WAYS[name])
    expected = ad.derivative(f, 2.0, backend="numpy:forward")
    np.testing.assert_allclose(slope, [expected, 0.0, 0.0], rtol=1e-10)


@pytest.mark.parametrize("name", [n for n in WAYS if n not in ("casadi", "jax")])
def test_writing_and_masks(name: str) -> None:
    def f(x: Any) -> Any:
        y = np.sum(np.log(x), axis=1) * 1.0
        y[x[:, 0] <= 0] = 0.0
        z = np.zeros(4) * x[:, 1]
        z[:2] = y[:2]
        return np.sum(y**2) + np.sum(z) + np.sum(np.mean(np.log(x), axis=1)[x[:, 0] > 0])

    expected = np.where(rows[:, None], ad.gradient(f, SAFE), 0.0)
    np.testing.assert_allclose(ad.gradient(f, X, backend=WAYS[name]), expected, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in ("torch", "autograd") if n in WAYS])
def test_a_loop_of_choices_after_sums_costs_what_its_steps_do(name: str) -> None:
    def f(x: Any, steps: Any) -> Any:
        total = 0.0
        for _ in range(steps):
            x = np.exp(-x) + np.mean(1 / x)
            total = total + np.sum(np.where(x > 0.5, np.sqrt(x), 0.0))
        return total

    seen = []
    ad.gradient(f, np.array([1.0, 2.0]), ad.Static(2), argnums=0, backend=name)  # what is done once
    for steps in (20, 40):
        profile = cProfile.Profile()
        profile.runcall(ad.gradient, f, np.array([1.0, 2.0]), ad.Static(steps), argnums=0, backend=name)
        seen.append(sum(entry.callcount for entry in profile.getstats()))
    assert seen[1] < 2.7 * seen[0]


@pytest.mark.parametrize("name", [n for n in WAYS if n in LIFTED])
def test_gates_change_no_values(name: str) -> None:
    """Values that are infinite where nobody chose them, and are compared with each other on the way."""
    x = np.array([[0.5, 0.0, 2.0], [3.0, -1.0, 0.0], [0.1, 4.0, 0.2]])
    mask = np.array([[True, False, True], [True, False, False], [True, True, True]])

    def f(x: Any) -> Any:
        y = np.where(mask, np.log(x), -1.0)
        top = np.max(1 / (y - 1.5) ** 2, axis=1, keepdims=True)
        z = np.sqrt(np.abs(y)) * top
        rows = np.where(top > 0.3, np.sum(z, axis=1, keepdims=True) / (z - 0.1), z @ z.T)
        return np.sum(np.maximum(rows, np.sort(z, axis=1)) * np.arange(9.0).reshape(3, 3))

    y, slope = ad.value_and_gradient(f, x, backend=WAYS[name])
    np.testing.assert_allclose(y, f(x), rtol=1e-13)
    safe = np.where(mask, x, 1.0)
    expected = np.where(mask, ad.gradient(f, safe, backend="numpy:forward"), 0.0)
    np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-12)


def test_masks_are_made_only_where_something_is_not_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    before = masked.Masked.__init__

    def counted(self: Any, *args: Any, **options: Any) -> None:
        made.append(self)
        before(self, *args, **options)

    monkeypatch.setattr(masked.Masked, "__init__", counted)

    def f(x: Any) -> Any:
        y = np.where(x > 0, np.sqrt(x), x)
        y[1:] += x[:-1]
        return np.sum(np.maximum(y, 0.5)) + np.max(y)

    x = np.array([0.3, 0.2, 4.0])
    slope = ad.gradient(f, x, backend="numpy:reverse")
    assert not made
    np.testing.assert_allclose(slope, ad.gradient(f, x, backend="numpy:forward"), rtol=1e-12)
    slope = ad.gradient(f, np.array([0.3, -1.0, 0.0]), backend="numpy:reverse")
    assert made
    np.testing.assert_allclose(slope, [1 / np.sqrt(0.3), 0.0, 0.0], rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", WAYS)
def test_large_constants_beside_a_choice_warn_of_nothing(name: str) -> None:
    large, scale = np.array([1e160, 1e200, 1.0]), np.array([1e-80, 1e-100, 1.0])

    def f(x: Any) -> Any:
        return np.sum(np.where(x > 1.0, np.sqrt(large * x) * scale, x**2))

    x = np.array([1.5, 1.2, 0.5])
    expected = [0.5 / np.sqrt(1.5), 0.5 / np.sqrt(1.2), 1.0]
    np.testing.assert_allclose(ad.gradient(f, x, backend=WAYS[name]), expected, rtol=1e-12)
