"""Problems written as translations of CUTEst's are: plain arrays of constants, methods, loops, ``math``."""

from __future__ import annotations

import math

import numpy as np

RANDOM = np.random.default_rng(0)
A = RANDOM.standard_normal((20, 18))
B = RANDOM.standard_normal(20)
KNOTS = np.linspace(-1, 1, 5)
X = RANDOM.uniform(0.3, 0.9, 18)


def quadratic(x):
    return 0.5 * x.T.dot(A.T.dot(A.dot(x))) - B.dot(A.dot(x))


def residual(x):
    r = B.copy()
    r -= A.dot(x)
    return float(r.dot(r))


def residual_with_parts(x):
    r = 1.0 * B
    r[:5] *= x[0]
    r[5] = x[1] ** 2
    r[6:9] = x[2:5]
    r[::-1] += A.dot(x)
    r[[1, 2]] += x[:2]
    return np.ndarray.dot(r, r)


def loop(x):
    total = 0.0
    n = len(x)
    for i in range(n - 1):
        total += 100 * (x[i + 1] - x[i] ** 2) ** 2 + math.pow(1 - x[i], 2)
    return total.item() if hasattr(total, "item") else total


def buffers(x):
    f = np.zeros(len(x))
    g = [0.0] * 3
    for i in range(len(x)):
        f[i] = math.exp(-x[i]) + math.cos(x[i]) ** 2
    g[0] = sum(f)
    g[1] = max(f[0], f[1])
    g[2] = min(x)
    return sum(g) + np.array(g).max()


def methods(x):
    z = np.array([1.0, 2.0, 3.0])
    z.fill(x[0])
    z[1] = x[1].item() if hasattr(x[1], "item") else x[1]
    k = KNOTS.searchsorted(x[2])
    return z.sum() * KNOTS[k] + B[:18].clip(x, 2.0).sum() + A.astype(float).dot(x).dot(B)


def imports(x):
    import math as m
    from math import log

    return m.sqrt(x[0]) * log(x[1]) + (x[2] ** 2 if type(x[3]) is np.float64 else 1e6)


def elements(x):
    def element(v, h):
        return math.tanh(v) * h

    weights = {"a": 0.3, "b": np.float64(1.7)}
    inner = lambda v: element(v, weights["a"])  # noqa: E731
    values = [inner(v) for v in x] + [element(x[0], weights["b"])]
    return math.fsum(values) + np.linalg.norm(np.asarray(values, dtype=float))


def branch(x):
    return float(A[0].dot(x)) if x[0] > 0 else 0.0


PROBLEMS = [quadratic, residual, residual_with_parts, loop, buffers, methods, imports, elements]


# of what others see, which is refused
KEPT = B.copy()


def of_a_module(x):
    KEPT[0] = x[0]
    return KEPT.sum()


def seen_twice(x):
    a = 2 * B
    b = a
    a[0] = x[0]
    return b.sum()


def seen_through_a_view(x):
    a = 2 * B
    b = a[1:]
    b[0] = x[0]
    return a.sum()


def of_the_caller(x):
    def write(a):
        a[0] += x[0]

    a = 2 * B
    write(a)
    return a.sum()


def in_a_list(x):
    rows = [2 * B]
    rows[0][0] = x[0]
    return rows[0].sum()


SHARED = [of_a_module, seen_twice, seen_through_a_view, of_the_caller, in_a_list]
