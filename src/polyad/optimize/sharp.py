"""From where a solver has stopped to where its equations hold in all digits.

A solver stops within its tolerance, at another place for each point. Differences would divide that by their
step, and conditions that are differentiated hold at the solution only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.stopped import differenced
from polyad.arrays.user_code import stack_level
from polyad.engine import run
from polyad.engine.implicit.equation import plain
from polyad.errors import DomainError, PolyadError, PrecisionWarning

__all__ = ["polished", "rows_of", "sharp", "told"]

STEPS = 10  # of Newton's method, from where the solver stopped
# what is singular, and why, for roots and for minima
ROOT = ("its equations", "at a double root, or where equations are missing")
MINIMUM = (
    "the conditions of Karush, Kuhn and Tucker",
    "active constraints depend on each other, or the minimum is not the only one nearby",
)


def rows_of(f: Callable[[Any], Any], x: Any, label: str) -> Any:
    """The Jacobian of a function at plain numbers."""
    pushed = run.push(lambda b: ((f(b[0]),), ()), (x,), (np.eye(len(x)),))
    return np.asarray(plain(pushed[0][0], label)).T


def polished(
    residual: Callable[[Any], Any], z: Any, idle: Any, label: str, words: tuple[str, str] = MINIMUM
) -> Any:
    """From where a solver has stopped to where the conditions are fulfilled, by Newton's method.

    Solvers under constraints stop at some six digits, and derivatives would have no more. ``idle`` says which
    of the last unknowns stay zero.
    """
    what, why = words
    size = max(1.0, float(np.linalg.norm(z)))
    first = None
    for _ in range(STEPS):
        r = np.asarray(plain(residual(z), label))
        try:
            step = np.linalg.solve(rows_of(residual, z, label), r)
        except np.linalg.LinAlgError:
            raise DomainError(
                f"{label}: {what} are singular at the solution, so it has no derivative: {why}"
            ) from None
        length = float(np.linalg.norm(step))
        if not np.isfinite(length) or (first is not None and length > 2 * first) or length > 0.1 * size:
            raise DomainError(
                f"{label} stopped too far from where {what} are fulfilled: give a smaller tol=, begin "
                "nearer, or take another method"
            )
        first = length if first is None else first
        z = z - step
        z[len(z) - len(idle) :][idle] = 0.0
        if length <= 1e-12 * size:
            return z
    raise DomainError(
        f"{label}: {what} are not fulfilled near where the solver stopped: give a smaller tol=, begin "
        "nearer, or take another method"
    )


def told(error: DomainError) -> None:
    """Say that differences are taken of a solution that has no derivative, or is not known well enough."""
    warnings.warn(
        f"{error}; differences of it may have no right digit", PrecisionWarning, stacklevel=stack_level()
    )


def sharp(x: Any, residual: Callable[[Any], Any], label: str, words: tuple[str, str] = ROOT) -> Any:
    """A plain solution in all digits where differences are taken, and as it is anywhere else."""
    if not differenced() or np.asarray(x).dtype.kind != "f":
        return x
    shape = np.shape(x)

    def flat(z: Any) -> Any:
        return np.reshape(residual(np.reshape(z, shape)), (-1,))

    try:
        found = polished(flat, np.ravel(np.asarray(x)), np.zeros(0, dtype=bool), label, words)
    except DomainError as error:
        told(error)
    except (PolyadError, TypeError, ValueError):
        pass  # of a function that polyad cannot follow: differences tell how noisy it is
    else:
        return np.reshape(found, shape)[()]
    return x
