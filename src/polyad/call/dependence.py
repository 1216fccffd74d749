"""Derivatives that are zero by mistake: a function that reads its input and drops the derivative.

A bisection, a look-up in a table, a number kept from an earlier call: the value changes with the
input, and yet no derivative arrives, because the input only decided which branch was taken. Every
system of differentiation gives zero for that. So where a derivative of NumPy code comes out as
exactly zero, the function is evaluated a little to both sides, and the derivative is refused if it
changes there as a differentiable function does.

It costs nothing where derivatives are not zero, and nothing in the calls of a prepared object, which
is checked once, at preparation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import library
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.stopped import Stops
from polyad.arrays.types import Array, Leaves
from polyad.call.function.flat import label_of
from polyad.call.undefined import numbers
from polyad.errors import DependenceError

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = [
    "SHOWN",
    "STEPS",
    "as_real",
    "check_zeros",
    "direction_of",
    "entries",
    "evaluator",
    "has_entry",
    "has_no_zero",
]


# How far the function is evaluated to each side, relative to the size of the entries, and how well the
# four slopes from there must agree: at a kink, a jump or a stationary point they do not.
STEPS = (1e-4, 1.25e-5)
AGREEMENT = 0.02
# A slope shows only where the function changes by so many times its rounding.
SHOWN = 1e3


def check_zeros(prepared: Prepared, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...], result: Leaves) -> None:
    """Refuse a derivative that is zero though the function changes.

    Parameters
    ----------
    prepared : Prepared
        Whose result it is.
    x, c : tuple
        Active and constant leaves of the call.
    seeds : tuple
        The leaves of its direction, where there is one.
    result : tuple
        The leaves of the first derivative.
    """
    flat = [numbers(leaf) for leaf in result]
    if any(a is None for a in flat) or all(np.all(a) for a in flat):
        return
    if prepared.batched and seeds:
        # products are linear: one sum of all directions is zero where those of each of them are
        directions = [numbers(seed) for seed in seeds[0]]
        if any(a is None for a in directions):
            return
        share = np.random.default_rng(20261127).uniform(0.5, 1.0, len(flat[0]))
        flat = [np.tensordot(share, a, 1) for a in flat]
        seeds = (tuple(np.tensordot(share, a, 1) for a in directions),)
    for which, zero in _zeros(prepared, flat):
        if not zero.any():
            continue
        plain = [numbers(leaf) for leaf in x]
        if any(a is None or a.dtype.kind != "f" for a in plain):
            return
        found = _slopes(prepared, plain, c, seeds, which)
        if found is None:
            return
        lost = zero & _steady(*found)
        if lost.any():
            raise _refusal(prepared)


def has_no_zero(leaf: Any) -> bool:
    """Whether a leaf is an array without any zero; False where that cannot be said."""
    a = leaf if type(leaf) is np.ndarray else numbers(leaf)
    return a is not None and np.count_nonzero(a) == a.size


def has_entry(leaf: Any) -> bool:
    """Whether some entry of a leaf is not zero."""
    return bool(np.count_nonzero(leaf) if type(leaf) is np.ndarray else np.any(numbers(leaf)))


def _zeros(prepared: Prepared, result: list[Array]) -> Iterator[tuple[int | None, Array]]:
    """For each active leaf (None: along the direction), which output entries have a zero derivative."""
    count = len(prepared.problem.x)
    if prepared.gives == "output" or prepared.lower == "output":
        yield None, np.concatenate([np.ravel(a) == 0 for a in result])
    elif prepared.gives == "jacobian":
        specs = prepared.problem.outputs
        for k in range(count):
            rows = [
                ~a.reshape(spec.size, -1).any(axis=1) for a, spec in zip(result[k::count], specs, strict=True)
            ]
            yield k, np.concatenate(rows)
    else:
        for k, a in enumerate(result):
            yield k, np.array([not a.any()])


def _slopes(
    prepared: Prepared, x: list[Array], c: Leaves, seeds: tuple[Leaves, ...], which: int | None
) -> tuple[Array, Array] | None:
    """Four slopes of each output entry along one active leaf or ``v``, and what rounding makes of them."""
    found = direction_of(prepared, x, seeds, which, np.random.default_rng(20261127))
    if found is None:
        return None
    direction, scale = found
    weights = [numbers(w) for w in seeds[0]] if prepared.seed_name == "w" and seeds else None
    try:
        # the filters of Python's warnings belong to all threads, those of NumPy's to this one
        heard = get_state()
        try:
            set_state(SILENT)
            values = evaluator(prepared, x, c, weights)
            base = values(x)
            sides = [
                (s * t, values([a + s * t * d for a, d in zip(x, direction, strict=True)]))
                for t in STEPS
                for s in (1, -1)
            ]
            slopes = np.array([(y - base) / (distance * scale) for distance, y in sides])
            peak = np.max(abs(np.array([base, *(y for _, y in sides)])), axis=0)
            rounding = np.finfo(float).eps * peak / (STEPS[-1] * scale)
        finally:
            set_state(heard)
    except Exception:  # an error at a point that nobody asked for is ignored
        return None
    return slopes, rounding


def direction_of(
    prepared: Prepared, x: list[Array], seeds: tuple[Leaves, ...], which: int | None, random: Any
) -> tuple[list[Array], float] | None:
    """The direction of differences, along one active leaf, all or ``v``, and its length beside ``v``."""
    if which is None and prepared.seed_name == "v" and seeds:
        direction = [numbers(v) for v in seeds[0]]
        if any(v is None for v in direction):
            return None
        size = max((float(np.max(abs(v), initial=0.0)) for v in direction), default=0.0)
        scale = max(1.0, *(float(np.max(abs(a), initial=0.0)) for a in x)) / (size or 1.0)
        return [scale * v for v in direction], scale
    direction = [
        np.where(a == 0, 1.0, abs(a)) * random.uniform(0.5, 1, a.shape) * random.choice([-1, 1], a.shape)
        if which in (k, None)
        else np.zeros(a.shape)
        for k, a in enumerate(x)
    ]
    return direction, 1.0


def evaluator(
    prepared: Prepared, at: list[Array], c: Leaves, weights: list[Array] | None
) -> Callable[[list[Array]], Array]:
    """From plain active leaves to all output entries in a row; contracted with ``w`` where there is one."""
    backend, problem = prepared.backend, prepared.problem
    source = library(backend.library)
    evaluate = backend.finish(backend.value(problem), problem, (), prepared=False).result

    def at_point(x: list[Array]) -> Leaves:
        moved = [source.from_numpy(a.astype(spec.dtype)) for a, spec in zip(x, problem.inputs, strict=True)]
        return evaluate(tuple(moved), c)

    return entries(at_point, at, weights, source.to_numpy)


def entries(
    at_point: Callable[[list[Array]], Leaves],
    at: list[Array],
    weights: list[Array] | None,
    opened: Callable[[Any], Any] = np.asarray,
) -> Callable[[list[Array]], Array]:
    """All entries of the output leaves in a row; contracted with ``w`` where there is one."""
    stops = Stops(lambda: at_point(at))  # what is constant on purpose stays as it is at the point

    def values(x: list[Array]) -> Array:
        leaves = [as_real(opened(y)) for y in stops.run(at_point, x)]
        if weights is None:
            return np.concatenate(leaves)
        return np.array([sum(float(np.dot(np.ravel(w), y)) for w, y in zip(weights, leaves, strict=True))])

    return values


def as_real(y: Any) -> Array:
    """The entries in a row as real numbers; of complex ones a share of both parts."""
    y = np.ravel(np.asarray(y))
    return y.real + 0.7 * y.imag if y.dtype.kind == "c" else y.astype(float, copy=False)


def _steady(slopes: Array, rounding: Array) -> Array:
    """Where all slopes agree and are larger than rounding."""
    middle = np.mean(slopes, axis=0)
    spread = np.max(abs(slopes - middle), axis=0)
    return np.isfinite(middle) & (spread <= AGREEMENT * abs(middle)) & (abs(middle) > SHOWN * rounding)


def _refusal(prepared: Prepared) -> DependenceError:
    return DependenceError(
        f"the {prepared.operator} of {label_of(prepared.f)} by {prepared.backend!r} is zero, but its value "
        f"changes with the input: the function looks at its input only "
        "to choose a branch, an entry of a table or the end of a loop, which passes no derivative on. Use "
        "backend='finite', give the derivative of that part with ad.define, or write ad.stop_gradient(x) "
        "where it is meant to be constant"
    )
