"""Real problems, on which ``polyad compare`` runs when it is given no function.

* ``lotka_volterra``: parameter sensitivities of an ordinary differential equation, in scalar
  arithmetic: four parameters, thousands of tiny operations in a Python loop.
* ``spiral``: training a neural ordinary differential equation (Chen et al., Neural Ordinary
  Differential Equations, NeurIPS 2018, section 5.1 and its public code), 252 parameters in a dict.
* ``gaussian_mixture``: log-likelihood of a mixture of normal distributions with full covariances,
  one large array expression (the GMM problem of Srajer, Kukelova and Fitzgibbon, A benchmark of
  selected algorithmic differentiation tools, Optimization Methods and Software 33, 2018).

The first two come in a second form, ``lotka_volterra_scan`` and ``spiral_scan``, with ``polyad.scan`` for the
Python loop.

All data is made here, from fixed seeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad
from polyad.arrays.namespace import namespace

__all__ = [
    "PROBLEMS",
    "BuiltIn",
    "built_in",
    "gaussian_mixture",
    "lotka_volterra",
    "lotka_volterra_scan",
    "spiral",
    "spiral_scan",
]

Array = np.ndarray[Any, Any]
Parameters = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class BuiltIn:
    """A function, where to differentiate it, and what it is."""

    name: str
    title: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    operators: tuple[str, ...] = ("gradient", "hvp")


# -- Lotka-Volterra -----------------------------------------------------------------------------

LOTKA_VOLTERRA = (1.5, 1.0, 1.0, 3.0)


def lotka_volterra(p: Any) -> Any:
    """Sum of both populations over the 100 grid points after t = 0.

    ``x' = alpha x - beta x y``, ``y' = gamma x y - delta y`` from ``x = y = 1``, integrated over
    ``0 <= t <= 10`` by the classical Runge-Kutta method with step 0.1.

    Parameters
    ----------
    p : array of shape (4,)
        ``(alpha, beta, gamma, delta)``.

    Returns
    -------
    scalar
        The sum.

    Examples
    --------
    >>> import numpy as np
    >>> float(round(lotka_volterra(np.array([1.5, 1.0, 1.0, 3.0])), 9))
    448.776089456
    """
    step = _lotka_volterra_step(p)
    carry: Any = (1.0, 1.0, 0.0)
    for _ in range(100):
        carry, _ = step(carry, None)
    return carry[2]


def lotka_volterra_scan(p: Any) -> Any:
    """``lotka_volterra``, the loop as one operation.

    Examples
    --------
    >>> import numpy as np
    >>> float(round(lotka_volterra_scan(np.array([1.5, 1.0, 1.0, 3.0])), 9))
    448.776089456
    """
    return ad.scan(_lotka_volterra_step(p), (1.0, 1.0, 0.0), length=100)[0][2]


def _lotka_volterra_step(p: Any) -> Callable[[Any, Any], Any]:
    """A step of the Runge-Kutta method: from both populations and their sum so far to the next."""
    alpha, beta, gamma, delta = p[0], p[1], p[2], p[3]
    h = 0.1

    def rate(x: Any, y: Any) -> Any:
        return alpha * x - beta * x * y, gamma * x * y - delta * y

    def step(carry: Any, _: Any) -> Any:
        x, y, total = carry
        k1, l1 = rate(x, y)
        k2, l2 = rate(x + h / 2 * k1, y + h / 2 * l1)
        k3, l3 = rate(x + h / 2 * k2, y + h / 2 * l2)
        k4, l4 = rate(x + h * k3, y + h * l3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        y = y + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        return (x, y, total + x + y), None

    return step


# -- spiral neural ODE --------------------------------------------------------------------------

SPIRAL_MATRIX = ((-0.1, 2.0), (-2.0, -0.1))
SPIRAL_START = (2.0, 0.0)
SPIRAL_POINTS = 10
SPIRAL_STEP = 0.05


def spiral(params: Parameters, u0: Any, data: Any) -> Any:
    """Squared distance between a neural ODE's trajectory and that of the true spiral.

    ``u' = W2 tanh(W1 u**3 + b1) + b2``, by the classical Runge-Kutta method with step 0.05.

    Parameters
    ----------
    params : dict
        ``w1`` (50, 2), ``b1`` (50,), ``w2`` (2, 50), ``b2`` (2,).
    u0 : array of shape (2,)
        Where it starts.
    data : array of shape (points, 2)
        The true trajectory at the grid points after the start.

    Returns
    -------
    scalar
        The sum of squares over all points.
    """
    xp = namespace(params["w1"])

    def rate(u: Any) -> Any:
        return params["w2"] @ xp.tanh(params["w1"] @ u**3 + params["b1"]) + params["b2"]

    return sum(xp.sum((u - data[k]) ** 2) for k, u in enumerate(_trajectory(rate, u0, data.shape[0])))


def spiral_scan(params: Parameters, u0: Any, data: Any) -> Any:
    """``spiral``, the loop as one operation."""
    xp = namespace(params["w1"])

    def rate(u: Any) -> Any:
        return params["w2"] @ xp.tanh(params["w1"] @ u**3 + params["b1"]) + params["b2"]

    def step(u: Any, point: Any) -> Any:
        u = _next(rate, u)
        return u, xp.sum((u - point) ** 2)

    return xp.sum(ad.scan(step, u0, data)[1])


def _trajectory(rate: Callable[[Any], Any], u: Any, points: int) -> Any:
    for _ in range(points):
        u = _next(rate, u)
        yield u


def _next(rate: Callable[[Any], Any], u: Any) -> Any:
    """A step of the Runge-Kutta method."""
    h = SPIRAL_STEP
    k1 = rate(u)
    k2 = rate(u + h / 2 * k1)
    k3 = rate(u + h / 2 * k2)
    k4 = rate(u + h * k3)
    return u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _spiral_args() -> tuple[Parameters, Array, Array]:
    rng = np.random.default_rng(2018)
    params = {
        "w1": rng.normal(scale=0.1, size=(50, 2)),
        "b1": np.zeros(50),
        "w2": rng.normal(scale=0.1, size=(2, 50)),
        "b2": np.zeros(2),
    }
    u0, matrix = np.array(SPIRAL_START), np.array(SPIRAL_MATRIX).T
    data = np.stack(list(_trajectory(lambda u: matrix @ u**3, u0, SPIRAL_POINTS)))
    return params, u0, data


# -- Gaussian mixture ---------------------------------------------------------------------------

MIXTURE_POINTS, MIXTURE_SIZE, MIXTURE_COMPONENTS = 200, 3, 5


def gaussian_mixture(params: Parameters, x: Any, lower: Any) -> Any:
    """Log-likelihood of points under a mixture of normal distributions.

    Each component has the precision matrix ``L.T @ L`` with ``L`` lower triangular, its diagonal
    given by logarithms.

    Parameters
    ----------
    params : dict
        ``logits`` (K,) of the weights, ``means`` (K, d), ``log_scales`` (K, d) of the diagonals,
        ``shears`` (K, d, d), of which only what is under the diagonal counts.
    x : array of shape (n, d)
        The points.
    lower : array of shape (d, d)
        One under the diagonal, zero elsewhere.

    Returns
    -------
    scalar
        The sum over all points, with every constant.
    """
    xp = namespace(params["means"])
    deviation = x[:, None, :] - params["means"]
    sheared = xp.sum((params["shears"] * lower) * deviation[:, :, None, :], axis=-1)
    z = xp.exp(params["log_scales"]) * deviation + sheared
    constant = 0.5 * x.shape[1] * np.log(2 * np.pi)
    density = xp.sum(params["log_scales"], axis=-1) - 0.5 * xp.sum(z**2, axis=-1) - constant
    return xp.sum(_logsumexp(xp, params["logits"] + density) - _logsumexp(xp, params["logits"]))


def _logsumexp(xp: Any, a: Any) -> Any:
    highest = xp.max(a, axis=-1, keepdims=True)
    return xp.log(xp.sum(xp.exp(a - highest), axis=-1)) + highest[..., 0]


def _mixture_args() -> tuple[Parameters, Array, Array]:
    rng = np.random.default_rng(1894)  # the year of Pearson's mixture of two normals
    k, d = MIXTURE_COMPONENTS, MIXTURE_SIZE
    centres = 2.0 * rng.normal(size=(k, d))
    x = centres[rng.integers(k, size=MIXTURE_POINTS)] + rng.normal(size=(MIXTURE_POINTS, d))
    params = {
        "logits": 0.1 * rng.normal(size=k),
        "means": centres + 0.3 * rng.normal(size=(k, d)),
        "log_scales": 0.1 * rng.normal(size=(k, d)),
        "shears": 0.1 * rng.normal(size=(k, d, d)),
    }
    return params, x, np.tril(np.ones((d, d)), -1)


# -- all of them --------------------------------------------------------------------------------

PROBLEMS = ("lotka_volterra", "lotka_volterra_scan", "spiral", "spiral_scan", "gaussian_mixture")


def built_in(name: str) -> BuiltIn:
    """The problem of that name, with its arguments.

    Parameters
    ----------
    name : str
        One of ``PROBLEMS``.

    Examples
    --------
    >>> problem = built_in("lotka_volterra")
    >>> problem.args
    (array([1.5, 1. , 1. , 3. ]),)
    """
    if name.startswith("lotka_volterra") and name in PROBLEMS:
        title = "Lotka-Volterra sensitivities, 4 parameters, 100 Runge-Kutta steps"
        f = lotka_volterra if name == "lotka_volterra" else lotka_volterra_scan
        return BuiltIn(name, _in_words(title, name), f, (np.array(LOTKA_VOLTERRA),))
    if name.startswith("spiral") and name in PROBLEMS:
        title = "spiral neural ODE, 2-50-2 network, 252 parameters"
        return BuiltIn(
            name, _in_words(title, name), spiral if name == "spiral" else spiral_scan, _spiral_args()
        )
    if name == "gaussian_mixture":
        title = (
            f"Gaussian mixture log-likelihood, {MIXTURE_POINTS} points in {MIXTURE_SIZE} dimensions, "
            f"{MIXTURE_COMPONENTS} components"
        )
        return BuiltIn(name, title, gaussian_mixture, _mixture_args())
    raise KeyError(name)


def _in_words(title: str, name: str) -> str:
    return f"{title}, in ad.scan" if name.endswith("_scan") else title
