"""What is looked at in results: zeros that are no zeros, and entries that are not numbers.

It costs a glance at the result in the calls that are made for one, and nothing in the calls of a
prepared object, which is checked once, at preparation.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.call import formed
from polyad.call.asks import check_value
from polyad.call.degenerate import has_limits, knowing_limits
from polyad.call.dependence import check_zeros, has_entry, has_no_zero
from polyad.call.looks import ENOUGH, check_looks
from polyad.call.undefined import has_nan, shown, tell_undefined
from polyad.engine.notices import LOOKED, SEEN
from polyad.errors import DegenerateError
from polyad.systems.contract import Executable, Leaves

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["checked", "looking"]


def checked(prepared: Prepared, executable: Executable, before: tuple[int, int, int]) -> Executable:
    """An executable whose results are looked at: at each call of those made for one, else at preparation.

    Parameters
    ----------
    prepared : Prepared
        The operator, its problem ready.
    executable : Executable
        Its finished kernel.
    before : tuple of int
        How many eigenvalues this thread had asked for, what it had learnt of values, and used of defined
        rules, before the preparation began.
    """
    lower, form = prepared.lower, executable.form

    def told() -> bool:
        """Whether somebody else has warned of entries that are not numbers."""
        return has_limits(prepared) and SEEN.count != before[0]

    def looked() -> bool:
        """Whether so much was learnt of the input that a number may have been made of it."""
        if LOOKED.rules != before[2] or not (
            LOOKED.so_far() - before[1] >= ENOUGH or prepared._flat.may_look
        ):
            return False
        return not prepared._flat.stops

    def look(
        x: Leaves,
        c: Leaves,
        seeds: tuple[Leaves, ...],
        result: Leaves,
        outcome: Any,
        *,
        example: bool = False,
    ) -> None:
        if form is not None:
            formed.look(prepared, form, x, c, result, example=example)
        elif prepared.differentiates:
            result = tuple(map(shown, result))
            if lower is None:
                check(x, c, seeds, result)
            elif outcome is not None:
                check(x, c, (), outcome[3])
            elif looked() or not any(map(has_entry, result)):
                check(x, c, (), executable.full(x, c, *seeds)[3])
        elif prepared.rows and all(len(a) > 1 for a in result):  # the first coefficient is the derivative
            check(x, c, seeds, tuple([a[1] for a in result]))
        if form is None and any(map(has_nan, result)):
            if not told():
                tell_undefined(prepared, x, c, seeds, result, example=example)
        elif lower is not None:
            first = (
                outcome[3] if outcome is not None else form.lower if form is not None and example else None
            )
            if first is not None and any(map(has_nan, first)) and not told():
                tell_undefined(prepared, x, c, (), first, gives=lower, example=example)

    def check(x: Leaves, c: Leaves, seeds: tuple[Leaves, ...], first: Leaves) -> None:
        if not all(map(has_no_zero, first)) and not prepared._flat.stops:
            check_zeros(prepared, x, c, seeds, first)
        if looked() and not prepared.batched:
            check_looks(prepared, x, c, seeds, first)

    asks = form is None and prepared.differentiates and prepared._flat.asks_for_types

    def result(x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        if asks:  # the value is looked at as well
            return full(x, c, *seeds)[0]
        leaves = executable.result(x, c, *seeds)
        look(x, c, seeds, leaves, None)
        return leaves

    def full(x: Leaves, c: Leaves, *seeds: Leaves) -> Any:
        outcome = executable.full(x, c, *seeds)
        if asks:
            check_value(prepared, x, c, outcome[1])
        look(x, c, seeds, outcome[0], outcome)
        return outcome

    if prepared.once:
        return Executable(full, result, executable.strategy, form=form)
    if prepared.batched:
        return executable
    x, c = prepared.problem.x, prepared.problem.c
    ones: tuple[Leaves, ...] = ()
    seeds = prepared._seeds
    if seeds is not None:
        leaves = [np.ones(spec.shape, dtype=spec.dtype) for spec in seeds.specs]
        ones = (seeds.enter(seeds.structure.unflatten(leaves)),)
    # of an example nothing is to be said by errors; and backends that compile have met theirs already
    outcome = None
    # the kernel of a sparse matrix with its lower derivative would be compiled for this alone
    whole = asks or (lower is not None and not (form is not None and prepared.backend.takes_tables))
    with contextlib.suppress(DegenerateError if prepared.backend.by_value else Exception):
        outcome = executable.full(x, c, *ones) if whole else (executable.result(x, c, *ones),)
    if outcome is not None:
        if asks:
            check_value(prepared, x, c, outcome[1])
        look(x, c, ones, outcome[0], outcome if lower and whole else None, example=True)
    return executable


def looking(prepared: Prepared, executable: Executable, before: tuple[int, int, int]) -> Executable:
    """What computes the results of a prepared object that is made for a single call, and looks at them."""
    return checked(prepared, knowing_limits(prepared, executable, before[0]), before)
