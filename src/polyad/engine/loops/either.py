"""Choices and loops of which nobody will ever know how they go: a pattern is to hold for every input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import Value
from polyad.engine.core.values import settled as finished
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy, is_kept
from polyad.engine.loops.leaves import Tree, looks, owned, same_form, settled

__all__ = ["is_either", "repeated"]

ROUNDS = 100  # steps after which a carry that still grows counts as one of which all depends on all
FEW = 8  # real numbers in a carry up to which a loop through which derivatives go is followed entry by entry


def is_either(choice: Any) -> bool:
    """Whether nobody will ever know which one it is, so that the result is what each of them may be."""
    value = _value(choice)
    return type(value) is Proxy and not is_kept(value) and adapter(value.library).is_either(value.array)


def repeated(
    holds: Any, body: Callable[[Any], Any], carry: Tree, leaves: list[Any], most: int | None
) -> list[Any]:
    """A carry after any number of steps, none among them, at most ``most``.

    What a step may add is united with what there was, until it adds nothing. Where a derivative goes through
    the loop, its own parts move on from entry to entry, which the entries do not show. A way among ``m``
    entries to where a step is curved has at most ``m`` steps, and so has one from there on; with more than
    a few entries all depends on all.
    """
    specs, known, rounds = list(map(looks, leaves)), -1, 0
    most = ROUNDS + 1 if most is None else most
    ways = 2 * sum(spec.size for spec in specs if _is_real(spec)) + 2  # the first knows whole numbers
    while rounds < min(most, ROUNDS):
        after = carry.open(body(carry.build([owned(a) for a in leaves])))
        if rounds:
            same_form(carry, specs, after)
        else:
            specs = settled(carry, specs, list(map(looks, after)))
        leaves = [np.where(holds, new, old) for new, old in zip(after, leaves, strict=True)]
        rounds += 1
        extent = _extent(leaves)
        if extent is None:
            if rounds == min(ways, most):
                return leaves
            if rounds > 1 and ways > 2 * FEW + 2 and most > ROUNDS:
                break
            known = -1
        elif extent == known:
            return leaves
        else:
            known = extent
    return leaves if rounds == most else _all_by_all(holds, leaves)


def _is_real(spec: ArraySpec) -> bool:
    return spec.dtype.kind in "fc"


def _all_by_all(holds: Any, leaves: list[Any]) -> list[Any]:
    moving = list(map(_is_real, map(looks, leaves)))
    total = sum(np.sum(a) for a, moves in zip(leaves, moving, strict=True) if moves)
    bent = np.exp(total)
    return [np.where(holds, bent, a) if moves else a for a, moves in zip(leaves, moving, strict=True)]


def _extent(leaves: list[Any]) -> int | None:
    """How much all leaves depend on together; None where something else than that is looked at as well."""
    total = 0
    for leaf in leaves:
        value = _value(leaf)
        if type(value) is not Proxy:
            return None
        total += adapter(value.library).extent(value.array)
    return total


def _value(a: Any) -> Value:
    return finished(unbox(a)) if isinstance(a, Box) else None
