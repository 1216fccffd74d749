"""Which backend to take, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from polyad.benchmark.table import Recommendation, Row
from polyad.benchmark.units import count_text, seconds_text

__all__ = ["recommend", "why_none"]

# from here on one backend is said to be faster than another
NOTABLE = 1.1
# from here on one preparation is said to be shorter than another
PAYS = 2.0


def recommend(rows: Sequence[Row], calls: int | None = None) -> Recommendation | None:
    """The fastest backend whose result is right and whose times are steady, exact ones first.

    Parameters
    ----------
    rows : sequence of Row
        All rows of one function and operator.
    calls : int, optional
        How many calls are meant: then it is the one that takes least for all of them and its preparation.

    Returns
    -------
    Recommendation or None
        None where no result can be trusted.
    """
    agreeing = [row for row in rows if row.status == "agrees"]
    if any(row.not_finite for row in agreeing):
        return None
    exact = [row for row in agreeing if row.exact]
    right = sorted(exact or agreeing, key=lambda row: row.time)
    if not right:
        return None
    steady = [row for row in right if not row.noisy]
    candidates = steady or right
    if calls is not None:
        best, reason = _least(candidates, calls)
        return Recommendation(best.function, best.operator, best.backend, reason)
    best = candidates[0]
    words = [_first_words(best, candidates, right, agreeing, exact)]
    if not steady:
        words.append("all times are noisy, so run it again on a quiet machine before relying on it")
    unclear = [row for row in right if row.noisy and row.time < best.time]
    if steady and unclear:
        words.append(f"{unclear[0].backend} may be faster, but its times are noisy")
    early = min(candidates, key=lambda row: row.preparation)
    if PAYS * early.preparation < best.preparation and early.time > best.time:
        calls = math.ceil((best.preparation - early.preparation) / (early.time - best.time))
        if calls > 1:
            words.append(
                f"its preparation ({seconds_text(best.preparation)}) is repaid after "
                f"{count_text(calls)} calls, for fewer take {early.backend}"
            )
    quicker = [row for row in agreeing if not row.exact and row.time * NOTABLE < best.time]
    if exact and quicker:
        other = min(quicker, key=lambda row: row.time)
        words.append(f"{other.backend} is faster but approximates{_error(other)}")
    return Recommendation(best.function, best.operator, best.backend, "; ".join(words))


def _least(candidates: list[Row], calls: int) -> tuple[Row, str]:
    """Who takes least for so many calls and the preparation, and in words how much that is."""
    costs = sorted((row.preparation + calls * row.time, k) for k, row in enumerate(candidates))
    cost, first = costs[0]
    words = f"{count_text(calls)} call{'s' * (calls > 1)} and the preparation take {seconds_text(cost)}"
    if len(costs) > 1:
        other, second = costs[1]
        words += f", with {candidates[second].backend} {seconds_text(other)}"
    return candidates[first], words


def why_none(rows: Sequence[Row]) -> str:
    """Why there is no recommendation for these rows, in words."""
    if all(row.status == "failed" for row in rows):
        return "there is no result"
    where = [row.not_finite for row in rows if row.status == "agrees" and row.not_finite]
    if where:
        return f"the derivative is {where[0]}, look at the function there"
    return "nobody knows which of the results is right"


def _first_words(
    best: Row, candidates: list[Row], right: list[Row], agreeing: list[Row], exact: list[Row]
) -> str:
    if len(agreeing) == 1:
        return "the only one with a result, so nothing confirms it"
    if not exact:
        return "the fastest that agrees, though all approximate"
    if len(right) == 1:
        witness = next(row for row in agreeing if row is not best)
        return f"the only exact one, confirmed by {witness.backend}"
    if len(candidates) == 1:
        return "the only one that agrees with steady times"
    tied = [row.backend for row in candidates[1:] if _tied(best, row)]
    if tied:
        return f"a tie within the noise with {' and '.join(tied)}"
    factor = candidates[1].time / best.time
    times = f"{factor:.1f}" if factor < 10 else count_text(round(factor))
    return f"the fastest that agrees, {times} times as fast as {candidates[1].backend}"


def _tied(best: Row, other: Row) -> bool:
    """Whether the times of the two cannot be told apart."""
    return other.time < NOTABLE * best.time or other.q25 <= best.q75


def _error(row: Row) -> str:
    return "" if row.agreement is None else f" (error {row.agreement:.0e})"
