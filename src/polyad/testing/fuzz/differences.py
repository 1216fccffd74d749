"""Derivatives of the plain function by extrapolated central differences, with an error estimate.

* Weights are those of Richardson's extrapolation of central differences of steps h, h/2, h/4, ...
  (Fornberg 1988 gives the same): order 8 from eight values, order 6 from the inner six of them. Their
  difference, and the rounding of the values, are the estimate. Of several steps the best is taken.
* A kink or a pole near the point, or bad conditioning, makes the estimate large; the caller then leaves the
  point out. A kink exactly at the point is symmetric and would pass, so slopes from both sides are compared.
* Nothing here is the code under test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.testing.fuzz.program import Program, strict

__all__ = ["Reference", "Unreliable", "reference"]

STEPS = (0.16, 0.02, 0.0025)
MIXED_STEPS = (0.16, 0.04)
RELIABLE, RELIABLE_SECOND = 1e-9, 1e-7  # the largest estimate, relative to the largest entry
_EPS = float(np.finfo(float).eps)


class Unreliable(Exception):
    """Differences do not say what the derivative is here."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """What must come out at one point.

    Parameters
    ----------
    value : ndarray or scalar
        What the function returns.
    jacobian : ndarray
        All entries of the output by all active entries.
    error : float
        The estimated error of its entries.
    second : float or None
        ``s @ H @ v`` for a scalar function, where differences are good enough for it.
    second_error : float
        Its estimated error.
    v, w, s : ndarray
        The directions: a tangent, a cotangent, and what the product with the Hessian is projected on.
    """

    value: Any
    jacobian: np.ndarray
    error: float
    second: float | None
    second_error: float
    v: np.ndarray
    w: np.ndarray
    s: np.ndarray

    @property
    def scale(self) -> float:
        """The size of the derivative."""
        return float(np.max(np.abs(self.jacobian), initial=1e-3))


def weights(pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Places ``1/2**k`` and the weights of ``(f(h p) - f(-h p)) / (2 h p)`` that cancel the even powers."""
    places = 0.5 ** np.arange(pairs)
    powers = places[None, :] ** (2 * np.arange(pairs)[:, None])
    return places, np.linalg.solve(powers, np.eye(pairs)[0])


_PLACES, _EIGHT = weights(4)
_SIX = np.concatenate([[0.0], weights(3)[1]])


def along(g: Callable[[float], np.ndarray], middle: np.ndarray) -> tuple[np.ndarray, float]:
    """The derivative of ``g`` at 0 and its estimated error."""
    best, error = np.zeros(0), np.inf
    for step in STEPS:
        try:
            plus, minus = (np.array([g(sign * step * p) for p in _PLACES]) for sign in (1.0, -1.0))
        except _Left:
            continue
        slopes = (plus - minus) / (2 * step * _PLACES.reshape(-1, *[1] * (plus.ndim - 1)))
        eight, six = np.tensordot(_EIGHT, slopes, 1), np.tensordot(_SIX, slopes, 1)
        noise = 4 * _EPS * np.max(np.abs(plus), initial=0.0) / step * float(np.abs(_EIGHT / _PLACES).sum())
        # inner values on both sides: what is odd and not smooth does not fall with the step
        jump = np.abs(plus[-1] + minus[-1] - 2 * middle) / (step * _PLACES[-1])
        jump_before = np.abs(plus[-2] + minus[-2] - 2 * middle) / (step * _PLACES[-2])
        kinked = jump > 0.75 * jump_before + 1e-7 * (1 + np.max(np.abs(eight), initial=0.0)) + 50 * noise
        estimate = float(np.max(np.abs(eight - six), initial=0.0)) + noise
        if np.any(kinked):
            estimate = np.inf
        if estimate < error:
            best, error = eight, estimate
    return best, error


class _Left(Exception):
    """The function returned another shape."""


class _Plain:
    """The plain function on the flat vector of its active entries."""

    def __init__(self, program: Program, point: int) -> None:
        self.program, self.point = program, point
        self.f, _ = program.compiled()
        self.args = program.args(point)
        self.actives = self.args[: len(program.active)]
        self.x = np.concatenate([np.ravel(a) for a in self.actives])
        with strict():
            self.value = self.f(*program.args(point))
        self.shape = np.shape(self.value)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        args, start = list(self.program.args(self.point)), 0
        for k, a in enumerate(self.actives):
            part = x[start : start + np.size(a)]
            args[k] = part.reshape(a.shape).copy() if isinstance(a, np.ndarray) else float(part[0])
            start += np.size(a)
        try:
            with strict():
                y = np.asarray(self.f(*args))
        except Exception as reason:  # beside the point a program may do anything
            raise _Left from reason
        if y.shape != self.shape or not np.all(np.isfinite(y)):
            raise _Left
        return np.array(y, dtype=float).reshape(-1)


def reference(program: Program, point: int, *, second: bool = True) -> Reference:
    """The derivatives of a program at one of its points.

    Parameters
    ----------
    program : Program
        The program.
    point : int
        Which point.
    second : bool
        Whether second order is wanted, which takes 64 evaluations more.

    Returns
    -------
    Reference
        Values and derivatives.

    Raises
    ------
    Unreliable
        Where the function has a kink there, is badly conditioned, or does not return floating-point numbers.
    """
    try:
        plain = _Plain(program, point)
        middle = plain(plain.x)
        again = plain(plain.x)
    except Exception as reason:  # a program that was made shorter may do anything
        raise Unreliable(str(reason)) from reason
    floats = isinstance(plain.value, np.ndarray | np.float64) and plain.value.dtype == np.float64
    if not floats or not middle.size or np.any(middle != again):
        raise Unreliable("the function returns no floating-point numbers, or others each time")
    rng = np.random.default_rng([program.seed, point, 21])
    v, s = rng.uniform(0.5, 1.5, (2, plain.x.size)) * rng.choice([-1.0, 1.0], (2, plain.x.size))
    w = rng.uniform(0.5, 1.5, middle.size) * rng.choice([-1.0, 1.0], middle.size)
    columns, error = [], 0.0
    for direction in np.eye(plain.x.size):
        column, estimate = along(lambda h, d=direction: plain(plain.x + h * d), middle)  # type: ignore[misc]
        error = max(error, estimate)
        if not np.isfinite(error):
            raise Unreliable("a kink, or the edge of a domain")
        columns.append(column)
    jacobian = np.stack(columns, axis=1)
    # a direction across all entries meets kinks that no single entry meets
    across, estimate = along(lambda h: plain(plain.x + h * v), middle)
    scale = float(np.max(np.abs(jacobian), initial=1e-3))
    if (
        not np.isfinite(estimate)
        or np.max(np.abs(across - jacobian @ v)) > 1e-7 * scale * v.size + 20 * error
    ):
        raise Unreliable("a kink")
    error = max(error, estimate)
    if error > RELIABLE * scale:
        raise Unreliable(f"differences are certain to {error:.1e} only")
    h, h_error = _mixed(plain, s, v) if second and not plain.shape else (None, np.inf)
    if h is not None and h_error > RELIABLE_SECOND * max(scale, abs(h)):
        h = None
    return Reference(plain.value, jacobian, error, h, h_error, v, w, s)


def _mixed(plain: _Plain, s: np.ndarray, v: np.ndarray) -> tuple[float | None, float]:
    """``s @ H @ v`` by differences of differences, and its estimated error."""
    best, error = None, np.inf
    for step in MIXED_STEPS:
        signed = np.concatenate([_PLACES, -_PLACES]) * step
        try:
            table = np.array([[plain(plain.x + a * s + b * v)[0] for b in signed] for a in signed])
        except _Left:
            continue

        def both(one: np.ndarray, table: np.ndarray = table, step: float = step) -> float:
            part = one / (2 * step * _PLACES)
            row = np.concatenate([part, -part])
            return float(row @ table @ row)

        eight, six = both(_EIGHT), both(_SIX)
        noise = (
            4 * _EPS * float(np.max(np.abs(table))) * float(np.sum(np.abs(_EIGHT / _PLACES))) ** 2 / step**2
        )
        estimate = abs(eight - six) + noise
        if estimate < error:
            best, error = eight, estimate
    return best, error
