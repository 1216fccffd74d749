"""How cotangents add up in the reverse sweep: in place where their memory is owned.

``cotangents`` is the list with one place for each line of the tape, ``owned`` the places whose arrays the
sweep has made itself, so that it may write to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import expand
from polyad.engine.core.values import Tracer, Value, is_real
from polyad.engine.interpretations.cotangents import Part, Pick, add
from polyad.engine.interpretations.masked import picked, settled

__all__ = ["accumulate", "add_entry", "add_part", "add_pick", "as_number", "full", "note_part"]


def full(g: Value, shape: tuple[int, ...]) -> Value:
    """What is handed out: NumPy's numbers and arrays."""
    return np.float64(g) if type(g) is float else expand(settled(g), shape)


def as_number(w: Value) -> Value:
    """The cotangent of a number as a Python float, which is faster, unless it carries a derivative."""
    if isinstance(w, Tracer) or not is_real(w):
        return w
    return float(w)


def note_part(places: dict[int, list[Any]], cotangents: list[Any], k: int, index: Any, alive: Value) -> None:
    """Remember of which parts a cotangent is the sum, as long as parts are all that was added."""
    if k in places:
        places[k].append((index, alive))
    elif cotangents[k] is None:
        places[k] = [(index, alive)]


def accumulate(
    cotangents: list[Any], owned: set[int], k: int, g: Value, places: dict[int, list[Any]]
) -> None:
    """Add to a cotangent, in place where its memory is owned."""
    known = cotangents[k]
    if places and k in places:
        known = picked(known, places.pop(k))
        owned.discard(k)
    if known is None or g is None:
        cotangents[k] = known if g is None else g
    elif k in owned and type(g) is np.ndarray and type(known) is np.ndarray and g.shape == known.shape:
        known += g
    else:
        cotangents[k] = add(known, g)
        owned.discard(k)


def add_part(cotangents: list[Any], owned: set[int], k: int, part: Part, w: Value) -> None:
    """Add where indexing says, in place where the memory is owned."""
    known = cotangents[k]
    if k in owned and part.accepts(known, w):
        part.add_to(known, w)
        return
    buffer = part.buffer(w)
    part.add_to(buffer, w)
    if not part.shape:  # a number, to which entries of numbers may be added as well
        cotangents[k] = buffer if known is None else add(known, buffer)
    elif known is None:
        cotangents[k] = buffer
        owned.add(k)
    else:
        cotangents[k] = add(known, buffer)
        # add has just made this array, so nothing else refers to it
        owned.add(k) if type(cotangents[k]) is np.ndarray else owned.discard(k)


def add_entry(
    cotangents: list[Any], owned: set[int], k: int, index: int, shape: tuple[int, ...], w: Value
) -> None:
    """One number's cotangent, into that of the array."""
    if k in owned and type(w) is np.float64:
        known = cotangents[k]
        if type(known) is np.ndarray and known.dtype == np.float64:
            known[index] += w
            return
    part = Part(index, shape, np.dtype(np.float64), basic=True, unique=True)
    if part.can_add(w):
        add_part(cotangents, owned, k, part, w)
    else:
        accumulate(cotangents, owned, k, part(w), {})


def add_pick(cotangents: list[Any], k: int, pick: Pick, w: Value) -> None:
    """Add to the cotangent of one of several results."""
    parts = cotangents[k]
    if parts is None:
        parts = cotangents[k] = [None] * pick.count
    parts[pick.k] = w if parts[pick.k] is None else add(parts[pick.k], w)
