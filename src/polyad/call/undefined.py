"""Derivatives that are not a number where the function has a value.

At such a point either there is no derivative, or the rules meet ``0 * inf`` although there is
one. Which of the two cannot be seen from outside, and a NaN spreads silently to everything that is
computed from it. So a warning names the entries, wherever results are looked at (``checked``).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.types import Array, Leaves
from polyad.arrays.user_code import stack_level
from polyad.call.function.flat import label_of
from polyad.errors import NonFiniteWarning

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["has_nan", "numbers", "shown", "tell_undefined"]


# so many entries are named in a message
NAMED = 3


def numbers(leaf: Any) -> Array:
    """A leaf as a plain array of numbers, or None where it is none, or is being traced."""
    owner = library_of(leaf)
    if owner is None or owner.is_traced(leaf):
        return None
    try:
        a = np.asarray(owner.to_numpy(leaf))
    except Exception:  # a foreign array that has no values now
        return None
    return a if a.dtype.kind in "fiubc" else None


def shown(leaf: Any) -> Any:
    """A leaf as a plain array, if it is one of numbers: for those who look at it several times."""
    if type(leaf) is np.ndarray:
        return leaf
    a = numbers(leaf)
    return leaf if a is None else a


def has_nan(leaf: Any) -> bool:
    """Whether some entry of a leaf is not a number, as far as there are numbers now."""
    a = leaf if type(leaf) is np.ndarray else numbers(leaf)
    return a is not None and a.dtype.kind in "fc" and bool(np.count_nonzero(a != a))


def tell_undefined(
    prepared: Prepared,
    x: Leaves,
    c: Leaves,
    seeds: tuple[Leaves, ...],
    result: Leaves,
    *,
    gives: str | None = None,
    example: bool = False,
) -> None:
    """Warn of entries of a derivative that are not a number, if the function is finite.

    Parameters
    ----------
    prepared : Prepared
        Whose result it is.
    x, c : tuple
        Active and constant leaves of the call.
    seeds : tuple
        The leaves of its direction, where there is one.
    result : tuple
        The leaves of the derivative, some of which have an entry that is not a number.
    gives : str, optional
        What the result is like, if not what the operator gives.
    example : bool
        Whether the point is the one of preparation.
    """
    values = _values(prepared, x, c)
    if values is None or any(
        np.isnan(a).any() for leaves in seeds for a in map(numbers, leaves) if a is not None
    ):
        return
    finite = [np.isfinite(a) for a in values]
    gives = gives or prepared.gives
    known = []
    for k, a in enumerate(map(numbers, result)):
        bad = np.zeros(()) if a is None or a.dtype.kind not in "fc" else np.isnan(a)
        if gives == "jacobian":
            of = finite[k // len(x)]
            bad = bad & of.reshape(of.shape + (1,) * (bad.ndim - of.ndim))
        elif gives == "output":  # with one more axis in front where there are many
            bad = bad & finite[k]
        elif not all(of.all() for of in finite):
            return  # what each output has to do with it is not known
        known += [(k, tuple(map(int, place))) for place in np.argwhere(bad)]
    if known:
        warnings.warn(
            _text(prepared, known, len(result), example), NonFiniteWarning, stacklevel=stack_level()
        )


def _values(prepared: Prepared, x: Leaves, c: Leaves) -> list[Array] | None:
    """The function's value at the point; None where it has none."""
    if any(numbers(leaf) is None for leaf in x):
        return None
    backend, problem = prepared.backend, prepared.problem
    try:
        heard = get_state()
        try:
            set_state(SILENT)
            y = backend.finish(backend.value(problem), problem, (), prepared=False).result(x, c)
        finally:
            set_state(heard)
        values = [numbers(leaf) for leaf in y]
    except Exception:  # an error that the derivative did not meet is not the business of this check
        return None
    return None if any(a is None for a in values) else values


def _text(prepared: Prepared, places: list[tuple[int, tuple[int, ...]]], count: int, example: bool) -> str:
    def name(k: int, place: tuple[int, ...]) -> str:
        entry = f"[{', '.join(map(str, place))}]" if place else ""
        return f"leaf {k}{entry}" if count > 1 else entry

    named = ", ".join(name(k, place) for k, place in places[:NAMED])
    more = len(places) - NAMED
    entries = f" in {'entries' if len(places) > 1 else 'entry'} {named}" if named.strip(", ") else ""
    if more > 0:
        entries += f" and {more} more"
    where = "at the point of preparation" if example else "at this point"
    return (
        f"the {prepared.operator} of {label_of(prepared.f)} by {prepared.backend!r} is not a number{entries} "
        f"{where}, where the function is finite: there is no derivative there, or an infinite one was "
        "multiplied by a zero on the way. Another form of the function may have it (x @ x for norm(x) ** 2), "
        "np.where(c, ..., constant) takes the point out, and backend='finite' shows what differences say"
    )
