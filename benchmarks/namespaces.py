"""Eight functions in NumPy, and in the namespaces of frameworks, for ``second_order.py`` and the tests.

Each is the NumPy function of the same name, in the functions that a user of the framework would write.
What a framework cannot express is not there: autograd has no assignment to entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

A = np.arange(25.0).reshape(5, 5) / 11 - 1
Functions = dict[str, Callable[[Any], Any]]


def of_numpy(a: Any = A) -> Functions:
    import scipy.special as sp

    def indexing(x):
        return x[0] ** 3 * x[-1] + np.sum(x[1:] ** 2 * x[:-1]) + x[[0, 2, 0]] @ x[[1, 1, 3]]

    def reductions(x):
        return np.sum(x**2) ** 1.5 * np.mean(x) + np.max(x) * np.min(x) ** 2 + np.prod(x) + np.linalg.norm(x)

    def products(x):
        return np.sum(np.tanh(a @ x) ** 2) + x @ a @ np.sin(x)

    def system(x):
        return np.linalg.solve(np.diag(x) + a @ a.T + 3 * np.eye(len(a)), x) @ x

    def choice(x):
        return np.sum(np.where(x > 0.5, x**3 * x[0], np.exp(x) * x))

    def special(x):
        return np.sum(sp.erf(x) * sp.gammaln(x + 3) + sp.expit(x) * np.log1p(x**2))

    def assignment(x):
        y = np.zeros_like(x)
        y[0] = x[0] * x[1]
        y[1:] = x[:-1] ** 2
        y[2] *= x[-2]
        return np.sum(y**2) * x[0]

    def loop(x):
        s = x[0]
        for k in range(1, len(x)):
            s = np.sin(s) * x[k] + s * x[k - 1]
        return s**2

    return _named(indexing, reductions, products, system, choice, special, assignment, loop)


def of_jax() -> Functions:
    import jax
    import jax.numpy as jnp
    import jax.scipy.special as js

    def indexing(x):
        return (
            x[0] ** 3 * x[-1]
            + jnp.sum(x[1:] ** 2 * x[:-1])
            + x[jnp.array([0, 2, 0])] @ x[jnp.array([1, 1, 3])]
        )

    def reductions(x):
        return (
            jnp.sum(x**2) ** 1.5 * jnp.mean(x)
            + jnp.max(x) * jnp.min(x) ** 2
            + jnp.prod(x)
            + jnp.linalg.norm(x)
        )

    def products(x):
        return jnp.sum(jnp.tanh(A @ x) ** 2) + x @ A @ jnp.sin(x)

    def system(x):
        return jnp.linalg.solve(jnp.diag(x) + A @ A.T + 3 * jnp.eye(5), x) @ x

    def choice(x):
        return jnp.sum(jnp.where(x > 0.5, x**3 * x[0], jnp.exp(x) * x))

    def special(x):
        return jnp.sum(js.erf(x) * js.gammaln(x + 3) + js.expit(x) * jnp.log1p(x**2))

    def assignment(x):
        y = jnp.zeros_like(x).at[0].set(x[0] * x[1])
        y = y.at[1:].set(x[:-1] ** 2).at[2].multiply(x[3])
        return jnp.sum(y**2) * x[0]

    def loop(x):
        def body(s, pair):
            return jnp.sin(s) * pair[0] + s * pair[1], None

        return jax.lax.scan(body, x[0], (x[1:], x[:-1]))[0] ** 2

    return _named(indexing, reductions, products, system, choice, special, assignment, loop)


def of_torch() -> Functions:
    import torch

    a = torch.tensor(A)

    def indexing(x):
        return x[0] ** 3 * x[-1] + torch.sum(x[1:] ** 2 * x[:-1]) + torch.dot(x[[0, 2, 0]], x[[1, 1, 3]])

    def reductions(x):
        return (
            torch.sum(x**2) ** 1.5 * torch.mean(x)
            + torch.max(x) * torch.min(x) ** 2
            + torch.prod(x)
            + torch.linalg.norm(x)
        )

    def products(x):
        return torch.sum(torch.tanh(a @ x) ** 2) + x @ a @ torch.sin(x)

    def system(x):
        return torch.linalg.solve(torch.diag(x) + a @ a.T + 3 * torch.eye(5, dtype=x.dtype), x) @ x

    def choice(x):
        return torch.sum(torch.where(x > 0.5, x**3 * x[0], torch.exp(x) * x))

    def special(x):
        return torch.sum(torch.erf(x) * torch.lgamma(x + 3) + torch.sigmoid(x) * torch.log1p(x**2))

    def assignment(x):
        y = torch.zeros_like(x)
        y[0] = x[0] * x[1]
        y[1:] = x[:-1] ** 2
        y[2] *= x[3]
        return torch.sum(y**2) * x[0]

    def loop(x):
        s = x[0]
        for k in range(1, len(x)):
            s = torch.sin(s) * x[k] + s * x[k - 1]
        return s**2

    return _named(indexing, reductions, products, system, choice, special, assignment, loop)


def of_autograd() -> Functions:
    import autograd.numpy as anp
    import autograd.scipy.special as special_functions

    def indexing(x):
        return (
            x[0] ** 3 * x[-1]
            + anp.sum(x[1:] ** 2 * x[:-1])
            + anp.dot(x[anp.array([0, 2, 0])], x[anp.array([1, 1, 3])])
        )

    def reductions(x):
        return (
            anp.sum(x**2) ** 1.5 * anp.mean(x)
            + anp.max(x) * anp.min(x) ** 2
            + anp.prod(x)
            + anp.linalg.norm(x)
        )

    def products(x):
        return anp.sum(anp.tanh(anp.dot(A, x)) ** 2) + anp.dot(anp.dot(x, A), anp.sin(x))

    def system(x):
        return anp.dot(anp.linalg.solve(anp.diag(x) + A @ A.T + 3 * anp.eye(5), x), x)

    def choice(x):
        return anp.sum(anp.where(x > 0.5, x**3 * x[0], anp.exp(x) * x))

    def special(x):
        s = special_functions
        return anp.sum(s.erf(x) * s.gammaln(x + 3) + s.expit(x) * anp.log1p(x**2))

    def loop(x):
        s = x[0]
        for k in range(1, len(x)):
            s = anp.sin(s) * x[k] + s * x[k - 1]
        return s**2

    return _named(indexing, reductions, products, system, choice, special, loop)


def of_casadi() -> Functions:
    import casadi as ca

    def indexing(x):
        return x[0] ** 3 * x[-1] + ca.sum1(x[1:] ** 2 * x[:-1]) + ca.dot(x[[0, 2, 0]], x[[1, 1, 3]])

    def reductions(x):
        return (
            ca.sum1(x**2) ** 1.5 * ca.sum1(x) / 5
            + ca.mmax(x) * ca.mmin(x) ** 2
            + x[0] * x[1] * x[2] * x[3] * x[4]
            + ca.norm_2(x)
        )

    def products(x):
        return ca.sum1(ca.tanh(ca.mtimes(A, x)) ** 2) + ca.mtimes([x.T, A, ca.sin(x)])

    def system(x):
        return ca.dot(ca.solve(ca.diag(x) + A @ A.T + 3 * np.eye(5), x), x)

    def choice(x):
        return ca.sum1(ca.if_else(x > 0.5, x**3 * x[0], ca.exp(x) * x))

    def special(x):
        return ca.sum1(ca.erf(x) * ca.log1p(x**2))

    def assignment(x):
        y = ca.vertcat(x[0] * x[1], x[:-1] ** 2)
        y[2] *= x[3]
        return ca.sum1(y**2) * x[0]

    def loop(x):
        s = x[0]
        for k in range(1, 5):
            s = ca.sin(s) * x[k] + s * x[k - 1]
        return s**2

    return _named(indexing, reductions, products, system, choice, special, assignment, loop)


def of_sympy() -> Functions:
    import sympy as sm

    def indexing(x):
        return x[0] ** 3 * x[4] + sm.Add(*[x[k + 1] ** 2 * x[k] for k in range(4)]) + x[0] * x[1] * 2 + x[2]

    def reductions(x):
        squares = sm.Add(*[e**2 for e in x])
        return (
            squares ** sm.Rational(3, 2) * sm.Add(*x) / 5
            + sm.Max(*x) * sm.Min(*x) ** 2
            + sm.Mul(*x)
            + sm.sqrt(squares)
        )

    def products(x):
        m, column = sm.Matrix(A), sm.Matrix(list(x))
        return sm.Add(*[sm.tanh(e) ** 2 for e in m * column]) + (column.T * m * column.applyfunc(sm.sin))[0]

    def system(x):
        column = sm.Matrix(list(x))
        return (sm.diag(*x) + sm.Matrix(A @ A.T + 3 * np.eye(5))).LUsolve(column).dot(column)

    def choice(x):
        return sm.Add(*[sm.Piecewise((e**3 * x[0], e > 0.5), (sm.exp(e) * e, True)) for e in x])

    def special(x):
        return sm.Add(*[sm.erf(e) * sm.loggamma(e + 3) + sm.log(1 + e**2) / (1 + sm.exp(-e)) for e in x])

    def loop(x):
        s = x[0]
        for k in range(1, 5):
            s = sm.sin(s) * x[k] + s * x[k - 1]
        return s**2

    return _named(indexing, reductions, products, system, choice, special, loop)


def _named(*functions: Callable[[Any], Any]) -> Functions:
    return {f.__name__: f for f in functions}


OWN: dict[str, Callable[[], Functions]] = {
    "jax": of_jax,
    "torch": of_torch,
    "autograd": of_autograd,
    "casadi": of_casadi,
    "sympy": of_sympy,
}
