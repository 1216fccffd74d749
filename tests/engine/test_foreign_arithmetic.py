"""Objects of other packages that have an arithmetic of their own meet boxes, as they meet NumPy's arrays."""

import fractions

import numpy as np
import pytest
from numpy.polynomial import Polynomial

import polyad as ad

X = np.array([1.0, 2.0])


class Quantity:
    """As packages of units have it: NumPy asks it what its functions give."""

    __array_priority__ = 17

    def __init__(self, value, scale):
        self.value, self.scale = value, scale

    def __mul__(self, other):
        if isinstance(other, Quantity):
            return Quantity(self.value * other.value, self.scale * other.scale)
        return Quantity(self.value * other, self.scale)

    __rmul__ = __mul__

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc is np.multiply:
            a, b = inputs
            return self * (a if b is self else b)
        (a,) = inputs
        return ufunc(a.value * a.scale)

    def __array_function__(self, func, types, args, kwargs):
        return Quantity(func(*[a.value for a in args], **kwargs), self.scale)


class Unit:
    """It has a priority and no functions."""

    __array_priority__ = 1000

    def __rmul__(self, other):
        return Quantity(other, 3.0)


class Plain:
    """It has an operator only, by which numbers alone are given to it whole."""

    def __init__(self, value):
        self.value = value

    def __rmul__(self, other):
        return other * self.value

    def __radd__(self, other):
        return other + self.value

    def __rpow__(self, other):
        return other**self.value


PERCENT = Quantity(2.0, 0.01)
FUNCTIONS = {
    "number by quantity": (lambda x: np.exp(x[0] * PERCENT), [0.02 * np.exp(0.02), 0.0]),
    "array by quantity": (lambda x: np.sum(np.exp(x * PERCENT)), 0.02 * np.exp(0.02 * X)),
    "ufunc": (lambda x: np.sum(np.exp(np.multiply(x, PERCENT))), 0.02 * np.exp(0.02 * X)),
    "function": (lambda x: np.sum(x * PERCENT).value, [2.0, 2.0]),
    "number by unit": (lambda x: (x[0] * Unit()).value * x[1], [2.0, 1.0]),
    "array by unit": (lambda x: np.sum((x * Unit()).value ** 2), 2 * X),
    "operator": (lambda x: x[0] * Plain(2.0) + x[1] ** Plain(2.0), [2.0, 4.0]),
    "identity": (lambda x: x[0] * 5.0 if x[0] == object() else x[1] * 3.0, [0.0, 3.0]),
    "fraction": (
        lambda x: x[0] * fractions.Fraction(1, 2) + np.sum(x * fractions.Fraction(1, 4)),
        [0.75, 0.25],
    ),
    "polynomial": (lambda x: (x[0] * Polynomial([1.0, 2.0]))(x[1]), [5.0, 2.0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("backend", ["numpy", ad.NumPy("forward"), "finite"], ids=str)
def test_they_answer_as_they_do_for_numpy(name, backend):
    f, wanted = FUNCTIONS[name]
    f(X)  # as NumPy has it
    assert np.allclose(ad.gradient(f, X, backend=backend), wanted, atol=1e-6)


@pytest.mark.parametrize("backend", ["torch", "jax", "autograd"])
def test_so_they_do_under_frameworks(backend):
    pytest.importorskip(backend)
    for name in ("number by quantity", "array by unit", "operator"):
        f, wanted = FUNCTIONS[name]
        assert np.allclose(ad.gradient(f, X, backend=backend), wanted)
    f, wanted = FUNCTIONS["array by quantity"]
    assert np.allclose(ad.hessian(f, X, backend=backend), np.diag(0.02 * np.array(wanted)))


class Scaled(np.ndarray):
    """An array with a unit: what is computed with it is more than its numbers."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = [np.asarray(a) * 0.01 if isinstance(a, Scaled) else a for a in inputs]
        return ufunc(*plain, **kwargs)


def test_a_subclass_of_arrays_is_asked():
    scaled = np.array([3.0, 4.0]).view(Scaled)

    def f(x):
        return np.sum(np.exp(x * scaled))

    assert np.allclose(ad.gradient(f, X), ad.gradient(f, X, backend="finite"), atol=1e-6)


@pytest.mark.parametrize("f", [lambda x, m: np.sum(x * m), lambda x, m: np.sum(np.multiply(m, x))])
def test_a_mask_is_not_lost(f):
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(ad.errors.PolyadError, match=r"masked|np\.asarray"):
        ad.gradient(f, X, masked, backend="numpy")
    remedy = np.where(masked.mask, 0, np.asarray(masked))
    assert np.allclose(ad.gradient(f, X, remedy), [1.0, 0.0])


def test_a_mask_that_a_function_has_is_not_lost():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for f in (lambda x: np.sum(x * masked), lambda x: np.sum(masked * x), lambda x: (x + masked).sum()):
        with pytest.raises(ad.errors.PolyadError):
            ad.gradient(f, X, backend="numpy", follow=False)
    followed = ad.gradient(lambda x: np.sum(masked * x), X, backend="numpy")
    assert np.array_equal(followed, [1.0, 0.0])  # what is masked is no part of NumPy's sum
