"""Which backend to take, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from polyad.benchmark.table import Recommendation, Row
from polyad.benchmark.units import count_text, seconds_text

__all__ = ["recommend"]

# from here on one backend is said to be faster than another
NOTABLE = 1.1
# from here on one preparation is said to be shorter than another
PAYS = 2.0


def recommend(rows: Sequence[Row]) -> Recommendation | None:
    """The fastest backend that agrees, exact ones before approximations.

    Parameters
    ----------
    rows : sequence of Row
        All rows of one function and operator.

    Returns
    -------
    Recommendation or None
        None where no result can be trusted.
    """
    agreeing = [row for row in rows if row.status == "agrees"]
    exact = [row for row in agreeing if row.exact]
    candidates = sorted(exact or agreeing, key=lambda row: row.time)
    if not candidates:
        return None
    best = candidates[0]
    words = [_first_words(best, candidates, agreeing, exact)]
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


def _first_words(best: Row, candidates: list[Row], agreeing: list[Row], exact: list[Row]) -> str:
    if len(agreeing) == 1:
        return "the only one with a result, so nothing confirms it"
    if not exact:
        return "the fastest that agrees, though all approximate"
    if len(candidates) == 1:
        witness = next(row for row in agreeing if row is not best)
        return f"the only exact one, confirmed by {witness.backend}"
    second = candidates[1]
    factor = second.time / best.time
    if factor < NOTABLE:
        return f"the fastest that agrees, on a par with {second.backend}"
    times = f"{factor:.1f}" if factor < 10 else count_text(round(factor))
    return f"the fastest that agrees, {times} times as fast as {second.backend}"


def _error(row: Row) -> str:
    return "" if row.agreement is None else f" (error {row.agreement:.0e})"
