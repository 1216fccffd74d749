"""A package as others are, written without a thought of differentiation. Each function is a pattern."""

from __future__ import annotations

import math
import numbers

import numpy as np
import scipy.linalg
import scipy.special
from numpy import array, asarray, zeros
from scipy.special import logsumexp

SPACE = np.linspace(0.1, 0.9, 5)


def conversion(x):
    x = np.asarray(x, dtype=float)
    y = np.array([[x[0], 1.0], [x[1], x[2]]], dtype=np.float64)
    z = np.ascontiguousarray(np.asanyarray(y[0])) + np.require(y[1], float) + np.asarray_chkfinite(x[:2])
    return np.sum(z**2) + np.float64(x[2]) * y[1, 0]


def imported(x):
    return np.sum(asarray(x, float) ** 2) + np.prod(array([x[0], x[1]]))


def buffers(x):
    out = np.zeros(4)
    out[0] = x[0] * x[1]
    for k in range(1, 4):
        out[k] = out[k - 1] * np.sin(x[2]) + k
    view = out[1:]
    view[0] = x[1] ** 2  # shows in the whole
    rows = np.empty((2, 2))
    rows[0] = out[:2]
    rows[1] = zeros(2)
    full = np.full(3, x[0])
    like = np.zeros_like(SPACE)
    like[:] = SPACE * x[1]
    return np.sum(out) + np.sum(rows * rows) + np.sum(full) + np.sum(like**2)


def mathematics(x):
    a, b, c = x
    y = math.sin(a) + math.exp(b) * math.log(c, 3) + math.hypot(a, b) + math.atan2(b, c) + math.erf(a)
    return y + math.pow(c, 1.5) + math.lgamma(c) + math.sqrt(c) * math.pi + math.floor(a) + math.fsum([a, b])


def asked(x):
    total = 0.0
    for v in x:
        if isinstance(v, (float, int)) and isinstance(v, numbers.Number):
            total = total + float(v) ** 2
        else:
            total = total + 1e6
    return float(max(total, 0.5)) + min(x[0], x[1])


def described(x):
    label = "%.3f and %g" % (x[0], x[1]) + f"{x[2]:.2f}"  # noqa: UP031
    return x[0] * x[1] * label.count("and")


def ends_in_float(x):
    return float(np.sum(x**2))


def ends_in_item(x):
    return np.sum(np.asarray(x) ** 3).item()


def of_scipy(x):
    a = np.array([[2.0 + x[0] ** 2, x[1]], [x[1], 3.0]])
    c = scipy.linalg.cholesky(a, lower=True)
    w = scipy.linalg.eigh(a)[0]
    return logsumexp(x) + np.sum(c**3) + np.sum(w * w) + scipy.linalg.det(a) + scipy.special.softmax(x)[0]


class Model:
    """Methods, and a default argument that is a function."""

    def __init__(self, scale):
        self.scale = np.asarray(scale, dtype=float)

    @property
    def rate(self):
        return math.exp(self.scale)

    def energy(self, x, log=math.log):
        return self.rate * np.sum(np.asarray(x, float) ** 2) + log(x[2])


def methods(x):
    return Model(x[0]).energy(x)


def closures(function):
    sine = math.sin

    def inner(x):
        return sine(x[0]) * function(x[1])

    return inner


closure = closures(math.cos)


def fails(x):
    raise KeyError("of its own")


PATTERNS = [
    conversion,
    imported,
    buffers,
    mathematics,
    asked,
    described,
    ends_in_float,
    ends_in_item,
    of_scipy,
    methods,
    closure,
]


class Length(np.ndarray):
    """A class of arrays, of which no box can be one."""


def viewed(x):
    """Refused, in a function of its own."""
    return _squares(x)


def _squares(x):
    return float(np.sum(x.view(Length) ** 2))


# -- NumPy by another name -------------------------------------------------------------------------------


class Stand:
    """An object in place of NumPy, as some packages have one."""

    def __getattr__(self, name):
        return getattr(np, name)


STAND = Stand()


class Holds:
    """It answers ``float``, as tables with labels do."""

    def __init__(self, values):
        self.values = values

    def __float__(self):
        return float(self.values)


def through_other_names(x):
    y = STAND.asarray(x, dtype=float) * STAND.zeros(6)
    y = STAND.array([float(v) for v in x]) + y
    return float(Holds(np.sum(y**2))) + np.sum(x.__array__()) + np.sum(np.ones_like(x, float))
