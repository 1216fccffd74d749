"""Rules that users give, run on values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, Value, shape_of
from polyad.errors import FOLLOWED, PolyadError, rule_out

Rule = Callable[..., Any]

__all__ = ["on_boxes", "ruled", "unboxed", "value_of_rule"]


def _read_only(a: Value) -> Value:
    if type(a) is not np.ndarray:
        return a
    view = a.view()
    view.flags.writeable = False
    return view


def on_boxes(rule: Rule, args: Sequence[Value], params: Any = None, **directions: Any) -> Any:
    """A function in NumPy on values: on boxes if any is traced, on plain arrays otherwise."""
    from polyad.engine.boxes.box import wrap

    flat = [v for many in directions.values() for v in (many if type(many) is tuple else (many,))]
    enter = wrap if any(isinstance(v, Tracer) for v in (*args, *flat)) else _read_only
    named = {
        key: tuple(map(enter, many)) if type(many) is tuple else enter(many)
        for key, many in directions.items()
    }
    return rule(*map(enter, args), **named, **(params or {}))


def ruled(rule: Rule, args: Sequence[Value], params: Any = None, **directions: Any) -> Any:
    """What a rule gives; an error in it is the rule's own, whatever becomes of the function's code."""
    try:
        return on_boxes(rule, args, params, **directions)
    except Exception as error:
        if not isinstance(error, PolyadError):  # a refusal may come of what the rule calls
            rule_out(error, FOLLOWED)
        raise


def value_of_rule(out: Any, shape: tuple[int, ...], what: str, *, broadcast: bool = False) -> Value:
    """What a rule returned as a value of that shape."""
    value = unboxed(out) if out is not None else None
    if value is None or not hasattr(value, "shape"):
        try:
            value = np.asarray(value, dtype=np.result_type(value, 1.0))[()]
        except TypeError:
            raise refuse(f"{what} is {out!r}", "return an array or a number") from None
    have = shape_of(value)
    if have == shape or (broadcast and _broadcasts(have, shape)):
        return value
    raise refuse(f"{what} has shape {have}", f"it must have shape {shape}")


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def unboxed(out: Any) -> Value:
    """A result without its box."""
    from polyad.engine.boxes.box import unbox

    return unbox(out)
