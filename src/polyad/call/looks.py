"""Derivatives that miss a part: a number found by looking at the input, used beside it.

A bisection asks whether its middle is too large, thirty times, and has the root to nine digits: a number of
plain arithmetic, of which no derivative is known. Where the whole result is such a number its derivative is
zero, and ``dependence`` finds that; ``a * bisect(a)`` has a derivative that looks like any other.

So the engine counts what is learnt of values that are being differentiated: a comparison tells a bit. What
is computed from a few bits takes a few values, and is constant between them: ``if x > 0`` loses nothing. From
``ENOUGH`` on the steps are too fine to be seen, and the derivative is compared with differences. Those agree
with each other only where the function is smooth beside the point, and where they do not, nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.types import Array, Leaves
from polyad.call.dependence import SHOWN, STEPS, as_real, direction_of, entries, evaluator
from polyad.call.function.flat import label_of
from polyad.call.undefined import numbers
from polyad.errors import DependenceError

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["ENOUGH", "check_looks"]

# so many bits make a number whose steps are finer than those of differences
ENOUGH = 20
# the part of a derivative that may not be missing
PART = 1e-3
# how many times as much as differences disagree among themselves
CLEAR = 10.0


def check_looks(prepared: Prepared, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...], first: Leaves) -> None:
    """Refuse a derivative that differs from what differences say.

    Parameters
    ----------
    prepared : Prepared
        Whose result it is.
    x, c : tuple
        Active and constant leaves of the call.
    seeds : tuple
        The leaves of its direction, where there is one.
    first : tuple
        The leaves of the first derivative.
    """
    plain, known = [numbers(leaf) for leaf in x], [numbers(leaf) for leaf in first]
    given = [numbers(leaf) for leaf in seeds[0]] if seeds else []
    if any(a is None or a.dtype.kind != "f" for a in plain) or any(a is None for a in (*known, *given)):
        return
    if any(a.dtype.kind == "c" for a in (*known, *given)):
        return
    weights = given if prepared.seed_name == "w" else None
    try:
        heard = get_state()
        try:
            set_state(SILENT)
            values = _values(prepared, plain, c, weights)
            wrong = None
            for attempt in range(3):  # kinks may hide each other along one direction, not along all
                found = direction_of(prepared, plain, seeds, None, np.random.default_rng(attempt))
                if found is None:
                    return
                missing = _missing(
                    values, plain, *found, *_expected(prepared, known, found[0], along=bool(seeds))
                )
                wrong = missing if wrong is None else wrong & missing
                if not wrong.any():
                    return
        finally:
            set_state(heard)
    except Exception:  # an error at a point that nobody asked for is ignored
        return
    raise DependenceError(
        f"the {prepared.operator} of {label_of(prepared.f)} by {prepared.backend!r} is not what the values "
        "of the function beside this point say: the function compares its input many times, and computes "
        "a number from what it finds (a bisection, a search, digits cut off), which passes no derivative on. "
        "Use backend='finite', give the derivative of that part with ad.define, or write ad.stop_gradient(x) "
        "where it is meant to be constant"
    )


def _values(prepared: Prepared, x: list[Array], c: Leaves, weights: list[Array] | None) -> Any:
    """The function on plain arrays, which is quick, or by the backend where it is not made for these."""
    constants = tuple([leaf if (a := numbers(leaf)) is None else a for leaf in c])

    def at_point(at: list[Array]) -> Leaves:
        # copies, because the function may write to what it is given
        moved = tuple([a.astype(b.dtype) for a, b in zip(at, x, strict=True)])
        given = tuple([leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in constants])
        return prepared._flat.on_numbers(moved, given)

    def opened(y: Any) -> Any:
        y = np.asarray(y)
        if y.dtype.kind not in "fiub":
            raise TypeError(y.dtype)
        return y

    plain, own = entries(at_point, x, weights, opened), None

    def values(at: list[Array]) -> Array:
        nonlocal own
        if own is None:
            try:
                return plain(at)
            except Exception:  # it is written for the backend's arrays
                own = evaluator(prepared, x, c, weights)
        return own(at)

    return values


def _expected(
    prepared: Prepared, known: list[Array], direction: list[Array], *, along: bool
) -> tuple[Array, Array]:
    """The derivative along a direction, of each output entry, and the size of the terms that it sums."""
    if prepared.gives == "output" or prepared.lower == "output":
        found = np.concatenate([as_real(a) for a in known])
        if not along:  # of a number
            found = found * direction[0]
        return found, abs(found)
    if prepared.gives == "jacobian":
        count = len(direction)
        pairs = [
            (a.reshape(-1, d.size), d.ravel()) for a, d in zip(known, direction * len(known), strict=False)
        ]
        groups = [pairs[k : k + count] for k in range(0, len(pairs), count)]
        return (
            np.concatenate([sum(j @ d for j, d in group) for group in groups]),
            np.concatenate([sum(abs(j) @ abs(d) for j, d in group) for group in groups]),
        )
    terms = np.concatenate([np.ravel(g * d) for g, d in zip(known, direction, strict=True)])
    return np.array([np.sum(terms)]), np.array([np.sum(abs(terms))])


def _missing(
    values: Any, x: list[Array], direction: list[Array], scale: float, expected: Array, size: Array
) -> Array:
    """Where the differences agree with each other and not with the derivative."""

    def slopes(h: float) -> tuple[Array, Array, Array]:
        ahead = values([a + h * d for a, d in zip(x, direction, strict=True)])
        behind = values([a - h * d for a, d in zip(x, direction, strict=True)])
        return (ahead - behind) / (2 * h * scale), ahead, behind

    near, ahead, behind = slopes(STEPS[1])
    allowed = PART * np.maximum(size, abs(near))
    wrong = np.isfinite(expected) & np.isfinite(near) & (abs(near - expected) > allowed)
    if not wrong.any():
        return wrong
    far, ahead_far, behind_far = slopes(STEPS[0])
    base = values(x)
    ratio = STEPS[0] / STEPS[1]
    # by how much the slopes on both sides differ at the point itself
    kink = (ratio * _bend(ahead, base, behind, STEPS[1]) - _bend(ahead_far, base, behind_far, STEPS[0])) / (
        (ratio - 1) * scale
    )
    peak = np.max(abs(np.array([base, ahead_far, behind_far])), axis=0)
    noise = SHOWN * np.finfo(float).eps * peak / (STEPS[1] * scale)
    unsure = CLEAR * (abs(far - near) + abs(kink)) + noise
    return wrong & (abs(near - expected) > unsure)


def _bend(ahead: Array, base: Array, behind: Array, h: float) -> Array:
    return (ahead - 2 * base + behind) / h
