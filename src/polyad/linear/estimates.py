"""Traces and diagonals of operators, estimated from products with random directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from polyad.errors import ArgumentError

__all__ = ["Estimate", "diagonal", "hutch_plus_plus", "hutchinson"]

# With fewer the spread of the samples says nothing about the error.
FEWEST = 10

Product = Callable[[Any], Any]


class Estimate(NamedTuple):
    """An estimate, and its standard error.

    Attributes
    ----------
    value : float or numpy.ndarray
        What is estimated.
    error : float or numpy.ndarray
        The standard error of ``value``, estimated too: the truth lies within two of it about 19 times in 20.
    """

    value: Any
    error: Any


def checked(samples: int) -> int:
    """The number of samples, where it is one from which an error can be told."""
    if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < FEWEST:
        raise ArgumentError(
            f"samples={samples!r}: pass an integer of at least {FEWEST}: the error is told from their spread"
        )
    return int(samples)


def signs(rng: np.random.Generator, n: int, k: int) -> Any:
    """A block of ``k`` columns of random signs."""
    return rng.integers(0, 2, size=(n, k)) * 2.0 - 1.0


def mean(drawn: Any) -> Estimate:
    """Mean of samples, and its standard error."""
    return Estimate(float(np.mean(drawn)), float(np.std(drawn, ddof=1) / np.sqrt(len(drawn))))


def hutchinson(product: Product, n: int, samples: int, rng: np.random.Generator) -> Estimate:
    """The trace as the mean of ``v @ A v`` over random signs ``v``."""
    v = signs(rng, n, checked(samples))
    return mean(np.sum(v * product(v), axis=0))


def hutch_plus_plus(product: Product, n: int, samples: int, rng: np.random.Generator) -> Estimate:
    """The trace on the range of a sketch of the operator exactly, and the rest by Hutchinson's estimate.

    A third of the products each goes into the sketch, the exact part and the estimate (Meyer et al. 2021).
    """
    if checked(samples) < 3 * FEWEST:
        raise ArgumentError(f"samples={samples!r}: method='hutch++' needs at least {3 * FEWEST}")
    k = samples // 3
    basis = np.linalg.qr(product(signs(rng, n, k)))[0]
    exact = float(np.sum(basis * product(basis)))
    v = signs(rng, n, samples - 2 * k)
    v = v - basis @ (basis.T @ v)
    rest = mean(np.sum(v * product(v), axis=0))
    return Estimate(exact + rest.value, rest.error)


def diagonal(product: Product, n: int, samples: int, rng: np.random.Generator) -> Estimate:
    """The diagonal as the mean of ``v * A v`` over random signs ``v``.

    Its error is from the mean square of a row's products, which is the square of the row's norm: never less
    than the truth on average, and not zero where all samples happen to agree.
    """
    v = signs(rng, n, checked(samples))
    products = product(v)
    return Estimate(np.mean(v * products, axis=1), np.sqrt(np.mean(products**2, axis=1) / samples))
