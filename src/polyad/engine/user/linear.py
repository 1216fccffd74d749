"""Whether a rule of the user's is linear in its direction, as derivatives are.

One that is not gives another number to every mode: ``abs(v)`` is right along a unit vector, and its
transpose is not. So each rule is asked along one direction and along minus twice that, once: at the numbers
of the call, or, while a framework traces and there are none, at some other ones. What a rule does outside of
its domain says nothing, as long as it is an error or no number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, Value, shape_of
from polyad.engine.user.rules import Rule, ruled
from polyad.errors import FOLLOWED, rule_out

__all__ = ["Looks"]

# rules that iterate are linear to their tolerance
LINEAR = 1e-3


class Looks:
    """What is known of the rules of one function."""

    def __init__(self, label: str, jvp: Rule | None, vjp: Rule | None) -> None:
        self.label, self.rules = label, {"v": jvp, "w": vjp}
        self.waiting = {word for word, rule in self.rules.items() if rule is not None}

    def look(self, word: str, args: Sequence[Value], shape: tuple[int, ...], params: Any) -> None:
        """Refuse a rule that is not linear, at the first numbers that there are.

        Parameters
        ----------
        word : str
            The keyword of its direction.
        args : sequence of values
            What the function is called with.
        shape : tuple
            That of the result.
        params : dict
            Its keywords.
        """
        rule = self.rules[word]
        if word not in self.waiting or rule is None:
            return
        plain = _numbers(args)
        if plain is None:
            return
        random = np.random.default_rng(20261201)

        def seed(form: tuple[int, ...]) -> Any:
            return random.uniform(0.5, 1.0, form) * random.choice([-1.0, 1.0], form)

        v = [_along(a, seed) for a in plain]
        w = seed(shape)

        def at(factor: float) -> list[Any]:
            if word == "w":
                found = ruled(rule, plain, params, w=factor * w)
                return [p for p in (found if isinstance(found, tuple | list) else [found]) if p is not None]
            given = tuple(None if a is None else factor * a for a in v)
            return [ruled(rule, plain, params, v=given if len(given) > 1 else given[0])]

        if not _is_linear(at):
            kind = "jvp" if word == "v" else "vjp"
            error = refuse(
                f"the {kind} of {self.label} is not linear in {word} (at -2 * {word} it is no -2 times that)",
                f"write it as a matrix times {word}, with branches on the arguments only",
            )
            raise rule_out(error, FOLLOWED)
        self.waiting.discard(word)


def _numbers(values: Sequence[Value]) -> list[Any] | None:
    """What values are now as plain numbers, or others while there are none; None of whole numbers."""
    from polyad.engine.boxes.box import wrap
    from polyad.engine.lift import numbers_in

    found = [numbers_in(wrap(v)) if isinstance(v, Tracer) else v for v in values]
    random = np.random.default_rng(1)
    for k, value in enumerate(values):
        if found[k] is None:
            if np.dtype(value.dtype).kind not in "fc":
                return None
            found[k] = random.uniform(0.5, 1.0, shape_of(value))
    return found


def _along(a: Any, seed: Callable[[tuple[int, ...]], Any]) -> Any:
    if not isinstance(a, np.ndarray | np.generic | float | int | complex):
        return None
    whole = isinstance(a, np.ndarray | np.generic) and a.dtype.kind in "iub"
    return np.zeros(shape_of(a)) if whole else seed(shape_of(a))


def _is_linear(at: Callable[[float], Sequence[Any]]) -> bool:
    """Whether it is, as far as one direction tells: nothing is said without numbers, or of noise."""
    try:
        first, second = (_flat(at(factor)) for factor in (1.0, -2.0))
        size = max(np.max(np.abs(second), initial=0.0), 2 * np.max(np.abs(first), initial=0.0))
        if not np.isfinite(size) or np.max(np.abs(second + 2 * first), initial=0.0) <= LINEAR * size:
            return True
        return bool(np.max(np.abs(_flat(at(1.0)) - first)) > LINEAR * size)
    except Exception:  # the call that was asked for tells
        return True


def _flat(parts: Sequence[Any]) -> Any:
    return np.concatenate([np.ravel(p) for p in parts])
