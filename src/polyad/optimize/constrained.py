"""Minima under constraints: what Karush, Kuhn and Tucker say of them, as an equation.

The unknowns are the place and a multiplier for each constraint; bounds are constraints too. The slope of the
Lagrangian is zero, and so is each constraint that is active, or else its multiplier. Which ones are active
is told by the multipliers, which are exactly zero where a constraint is not. A constraint that is reached
without being felt has no derivative, and is refused.
(Fiacco, 1983: Introduction to Sensitivity and Stability Analysis in Nonlinear Programming, chapter 3.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine import run
from polyad.engine.implicit.equation import plain, plainly
from polyad.errors import ArgumentError, DomainError, PolyadError
from polyad.optimize.sharp import rows_of

__all__ = ["Constraints", "is_constrained"]

# how near to its limit a constraint may be active, what counts as no multiplier, and as no distance
NEAR, UNFELT, REACHED = 1e-4, 1e-7, 1e-10


def is_constrained(constraints: Any) -> bool:
    """Whether there are constraints at all."""
    return not (constraints is None or (isinstance(constraints, list | tuple) and not len(constraints)))


def _entry(constraint: Any) -> tuple[Any, ...]:
    """One constraint of SciPy's as (kind, function or matrix, arguments, lower, upper)."""
    if isinstance(constraint, dict):
        kind = str(constraint.get("type", "")).lower()
        if kind not in ("eq", "ineq") or "fun" not in constraint:
            raise ArgumentError(f"a constraint has type 'eq' or 'ineq', and fun: {constraint!r} has not")
        return kind, constraint["fun"], tuple(constraint.get("args", ())), None, None
    if hasattr(constraint, "fun") and hasattr(constraint, "lb"):
        return "range", constraint.fun, (), constraint.lb, constraint.ub
    if hasattr(constraint, "A") and hasattr(constraint, "lb"):
        return "matrix", constraint.A, (), constraint.lb, constraint.ub
    raise ArgumentError(
        f"a constraint is a dict, LinearConstraint or NonlinearConstraint of SciPy's, not {constraint!r}"
    )


class Constraints:
    """The constraints of one minimum, bounds among them; ``entries`` holds what may be differentiated.

    Parameters
    ----------
    constraints : dict, constraint or sequence of them
        As SciPy has them.
    limits : tuple
        Lower and upper bounds, None where there are none.
    """

    def __init__(self, constraints: Any, limits: tuple[Any, Any]) -> None:
        single = isinstance(constraints, dict) or hasattr(constraints, "lb")
        self._given = [constraints] if single else list(constraints)
        self.entries = [_entry(each) for each in self._given]
        if limits[0] is not None:
            self.entries.append(("bounds", None, (), *map(_joined, limits)))

    def scipys(self, entries: Any, label: str) -> list[Any]:
        """The constraints for SciPy, on plain numbers, with their Jacobians where they can be had."""
        import scipy.optimize

        found: list[Any] = []
        for constraint, (kind, fun, args, lower, upper) in zip(self._given, entries, strict=False):
            if kind == "matrix":
                options = {"keep_feasible": constraint.keep_feasible}
                found.append(scipy.optimize.LinearConstraint(fun, lower, upper, **options))
            elif kind == "range":
                names = ("jac", "hess", "keep_feasible", "finite_diff_rel_step", "finite_diff_jac_sparsity")
                options = {name: getattr(constraint, name) for name in names}
                if options["jac"] == "2-point":
                    options["jac"] = _jacobian(fun, label)
                found.append(scipy.optimize.NonlinearConstraint(plainly(fun, label), lower, upper, **options))
            else:
                made = {**constraint, "fun": plainly(fun, label), "args": args}
                made["jac"] = constraint.get("jac") or _jacobian(fun, label)
                found.append(made)
        return found

    def rows(self, x: Any, entries: Any) -> tuple[Any, Any, Any]:
        """What is to be at least zero, where it always is zero, and where there is no limit."""
        found, always, absent = [], [], []
        for kind, fun, args, lower, upper in entries:
            h = x if kind == "bounds" else fun @ x if kind == "matrix" else fun(x, *args)
            h = np.reshape(h, (-1,))
            if kind in ("eq", "ineq"):
                found.append(h)
                always.append(np.full(np.shape(h), kind == "eq"))
                absent.append(np.zeros(np.shape(h), dtype=bool))
                continue
            zeros = np.zeros(np.shape(h))
            same = lower + zeros == upper + zeros
            for limit, sign in ((lower, 1.0), (upper, -1.0)):
                near = limit + zeros
                finite = np.isfinite(near)
                found.append(sign * (h - np.where(finite, near, 0.0)))
                always.append(same if sign > 0 else zeros > 1)
                absent.append(~finite if sign > 0 else ~finite | same)
        return tuple(np.concatenate(part) for part in (found, always, absent))  # type: ignore[return-value]

    def residual(self, z: Any, size: int, slope: Callable[[Any], Any], entries: Any) -> Any:
        """The conditions for a place and its multipliers, ``z``."""
        x, multipliers = z[:size], z[size:]
        c, always, absent = self.rows(x, entries)
        pulled = run.record(
            lambda boxes: ((np.sum(multipliers * self.rows(boxes[0], entries)[0]),), ()), (x,)
        ).pull((1.0,))[0]
        on = always | ((multipliers != 0) & ~absent)
        return np.concatenate([slope(x) - pulled, np.where(on, c, multipliers)])

    def multipliers(self, x: Any, slope: Any, entries: Any, label: str) -> Any:
        """The multipliers at a place where a solver has stopped, and which constraints are not active."""
        c, always, absent = (np.asarray(plain(part, label)) for part in self.rows(x, entries))
        jacobian = rows_of(lambda x: self.rows(x, entries)[0], x, label)
        near = (always | (c <= NEAR * (1.0 + np.max(np.abs(x), initial=0.0)))) & ~absent
        found = np.zeros(len(c))
        while near.any():
            found[:] = 0.0
            found[near] = np.linalg.lstsq(jacobian[near].T, slope, rcond=None)[0]
            loose = near & ~always & (found < UNFELT * max(1.0, float(np.max(np.abs(slope)))))
            if not loose.any():
                break
            near &= ~(loose & (found == np.min(found[loose])))
        return np.where(near, found, 0.0), ~near & ~always

    def check(self, z: Any, size: int, entries: Any, label: str) -> None:
        """Refuse a place where a constraint is broken, or reached and not felt."""
        c, always, absent = (np.asarray(plain(part, label)) for part in self.rows(z[:size], entries))
        free = ~always & ~absent & (z[size:] == 0)
        scale = 1.0 + float(np.max(np.abs(z[:size]), initial=0.0))
        if (free & (c < -1e-8 * scale)).any() or (z[size:][~always] < 0).any():
            raise DomainError(
                f"{label} stopped where its constraints are not all fulfilled: begin elsewhere, give a "
                "smaller tol=, or take another method"
            )
        reached = free & (np.abs(c) <= 1e-8 * scale)
        if reached.any():
            raise DomainError(
                f"{label}: constraint {int(np.argmax(reached))} (counting entries, bounds last) is reached "
                "and has no multiplier, so that the minimum moves to one side only and has no derivative: "
                "move the limit, or leave the constraint out"
            )


def _joined(limit: Any) -> Any:
    """Bounds as one array, of boxes where some are."""
    return np.stack([part * 1.0 for part in limit]) if isinstance(limit, list) else limit * 1.0


def _jacobian(fun: Any, label: str) -> Callable[..., Any]:
    """The Jacobian of a constraint for SciPy, by the engine; by differences where it cannot follow."""
    import scipy.optimize

    def jac(x: Any, *args: Any) -> Any:
        try:
            return rows_of(lambda x: np.reshape(fun(x, *args), (-1,)), np.asarray(x, dtype=float), label)
        except (PolyadError, TypeError, ValueError):
            return scipy.optimize.approx_fprime(x, plainly(fun, label), 1.5e-8, *args)

    return jac
