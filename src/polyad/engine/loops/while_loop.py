"""``polyad.while_loop``: a loop that ends when a condition on what it carries does not hold any more."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec
from polyad.engine import run as _engine  # noqa: F401  (fills the table of rules)
from polyad.engine.boxes.box import Box
from polyad.engine.interpretations.looping import Repeated
from polyad.engine.loops.either import is_either, repeated
from polyad.engine.loops.leaves import Tree, can_hold, looks, owned, refused, same_form, settled
from polyad.engine.loops.place import Followed, Place, place_of, placed
from polyad.errors import ArgumentError, DomainError

__all__ = ["while_loop"]


def while_loop(
    cond: Callable[[Any], Any], body: Callable[[Any], Any], init: Any, *, max_steps: int | None = None
) -> Any:
    """Repeat while a condition holds: ``while cond(carry): carry = body(carry)``.

    Parameters
    ----------
    cond : callable
        ``cond(carry)``, giving a truth value.
    body : callable
        ``body(carry)``, giving the next carry, written in NumPy.
    init : array, number or tree of them
        What it begins with; see ``scan``.
    max_steps : int, optional
        The largest number of steps. Backends that run on values need none. JAX needs it for reverse mode
        (gradients): without it the loop is a ``lax.while_loop``, which has forward mode only.

    Returns
    -------
    like ``init``
        The first carry for which the condition does not hold.

    Raises
    ------
    polyad.errors.DomainError
        If the condition still holds after ``max_steps`` steps; compiled code gives NaN instead.
    polyad.errors.OperationNotSupportedError
        If the carry changes its structure, a shape or a dtype, or if the backend can tell neither whether the
        condition holds nor loop by itself.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def root(a):  # Newton's method, until it stands still
    ...     close = lambda state: np.abs(state[0] - state[1]) > 1e-12
    ...     return ad.while_loop(close, lambda s: (0.5 * (s[0] + a / s[0]), s[0]), (a, 0.0))[0]
    >>> bool(abs(ad.derivative(root, 4.0) - 0.25) < 1e-12)
    True
    """
    if max_steps is not None and (max_steps := operator.index(max_steps)) < 0:
        raise ArgumentError(f"max_steps is a number of steps, not {max_steps}")
    carry = Tree(init, "carry")
    leaves, specs, steps = can_hold(carry.leaves, ()), list(map(looks, carry.leaves)), 0
    while True:
        holds = _single(cond(carry.build([owned(a) for a in leaves])))
        if is_either(holds):
            left = None if max_steps is None else max_steps - steps
            return carry.build(repeated(holds, body, carry, leaves, left))
        place = None if _is_plain(holds) else place_of((holds,))
        if place is None or place.own.has_values(unboxed(holds)):
            if not bool(holds):
                return carry.build(leaves)
            if steps == max_steps:
                raise DomainError(
                    f"while_loop took max_steps={max_steps} steps and its condition still holds: allow more"
                )
            after = carry.open(body(carry.build([owned(a) for a in leaves])))
            same = settled(carry, specs, list(map(looks, after))) if not steps else specs
            if steps:
                same_form(carry, specs, after)
            leaves, specs, steps = after, same, steps + 1
            continue
        left = None if max_steps is None else max_steps - steps
        return _placed(place, cond, body, carry, leaves, specs, left)


def unboxed(leaf: Any) -> Any:
    """The array in a box of a library's."""
    return leaf._value.array if isinstance(leaf, Box) else leaf


def _is_plain(holds: Any) -> bool:
    return isinstance(holds, bool | np.bool_)


def _single(holds: Any) -> Any:
    """A condition, of one truth value."""
    if _is_plain(holds):
        return holds
    shape = getattr(holds, "shape", ())
    if tuple(shape) != ():
        raise refused(
            f"the condition of while_loop is an array of shape {tuple(shape)}, no truth value",
            "reduce it with np.any or np.all",
        )
    return holds


def _placed(
    place: Place,
    cond: Callable[[Any], Any],
    body: Callable[[Any], Any],
    carry: Tree,
    leaves: list[Any],
    given: list[ArraySpec],
    max_steps: int | None,
) -> Any:
    """As one operation of a library."""
    try:
        return _looped(place, cond, body, carry, leaves, given, max_steps)
    except Followed:
        raise refused(
            f"a loop of {place.own.name} ends on a computed condition, and a derivative in reverse mode by "
            "polyad's engine goes through it",
            "use backend='numpy:forward' inside, or backend='numpy' around it",
        ) from None


def _looped(
    place: Place,
    cond: Callable[[Any], Any],
    body: Callable[[Any], Any],
    carry: Tree,
    leaves: list[Any],
    given: list[ArraySpec],
    max_steps: int | None,
) -> Any:
    place.follow(leaves)
    after = _after(place, body, carry, leaves, given)
    if not place.levels:  # the types of the library, which may be narrower
        arrays = [place.array(a, spec if spec.weak else None) for a, spec in zip(leaves, given, strict=True)]
        given = [
            ArraySpec(s.shape, s.dtype, g.weak)
            for s, g in zip((looks(place.leaf(a, 0)) for a in arrays), given, strict=True)
        ]
    specs = settled(carry, given, after)
    start = place.apart(leaves, specs)
    into = placed(carry, specs, place)
    step = place.on_leaves(lambda boxes: into(body(carry.build(boxes))), specs)
    holds = place.on_leaves(lambda boxes: [place.array(_single(cond(carry.build(boxes))))], specs)

    def condition(state: Sequence[Any]) -> Any:
        return holds(state)[0]

    final = place.own.while_loop(Repeated(condition, step, start, max_steps))
    return carry.build(place.results(final, specs))


def _after(
    place: Place,
    body: Callable[[Any], Any],
    carry: Tree,
    leaves: list[Any],
    given: list[ArraySpec],
) -> list[ArraySpec]:
    """What a step makes of the carry, found out on arrays without values; Python's numbers stay such."""
    whole = [k for k, spec in enumerate(given) if not spec.weak]
    specs = [given[k] for k in whole]
    found: list[ArraySpec] = []

    def step(boxes: list[Any]) -> list[Any]:
        full = [owned(a) for a in leaves]
        for k, box in zip(whole, boxes, strict=True):
            full[k] = box
        after = carry.open(body(carry.build(full)))
        place.follow(after)
        found[:] = list(map(looks, after))
        return []

    place.own.shapes(place.on_leaves(step, specs), place.apart([leaves[k] for k in whole], specs))
    return found
