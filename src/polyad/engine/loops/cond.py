"""``polyad.cond`` and ``polyad.switch``: choices between functions, of which one is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec
from polyad.engine import run as _engine  # noqa: F401  (fills the table of rules)
from polyad.engine.boxes.box import Box
from polyad.engine.interpretations.looping import Choice
from polyad.engine.loops.either import is_either
from polyad.engine.loops.leaves import Tree, looks, refused
from polyad.engine.loops.place import Followed, Place, place_of
from polyad.errors import ArgumentError

__all__ = ["cond", "switch"]


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *operands: Any) -> Any:
    """Choose between two functions: ``true_fn(*operands) if pred else false_fn(*operands)``.

    Unlike ``np.where`` it computes one of them only, wherever the condition is known when it runs: in Python,
    and in JAX's compiled code.

    Parameters
    ----------
    pred : bool or array without axes
        The condition.
    true_fn, false_fn : callable
        The functions, written in NumPy; their results have the same structure, shapes and dtypes.
    *operands
        What they are called with; what they use from around them may be differentiated as well.

    Returns
    -------
    object
        What the chosen one returns.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def f(x):
    ...     return ad.cond(x > 0, lambda x: np.sqrt(x), lambda x: x**2, x)
    >>> [float(ad.derivative(f, x)) for x in (4.0, -3.0)]
    [0.25, -6.0]
    """
    if getattr(pred, "shape", ()) != ():
        raise refused(
            f"the condition of cond is an array of shape {tuple(pred.shape)}, no truth value",
            "use np.where for a choice in every entry, np.any or np.all for one condition",
        )
    if is_either(pred):
        return _united(pred, true_fn, false_fn, operands)
    place = _place(pred)
    if place is None:
        return true_fn(*operands) if pred else false_fn(*operands)
    return _chosen(place, pred, [false_fn, true_fn], operands, ["false_fn", "true_fn"], truth=True)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Choose one of several functions by its number: ``branches[index](*operands)``.

    Parameters
    ----------
    index : int or array without axes
        Which one; below the first it is the first, beyond the last the last.
    branches : sequence of callable
        The functions, as in ``cond``.
    *operands
        What they are called with.

    Returns
    -------
    object
        What the chosen one returns.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> float(ad.derivative(lambda x: ad.switch(1, [np.sin, np.exp], x), 0.0))
    1.0
    """
    functions = list(branches)
    if not functions:
        raise ArgumentError("switch takes at least one function")
    if getattr(index, "shape", ()) != ():
        raise refused(
            f"the index of switch is an array of shape {tuple(index.shape)}, no number", "take one entry"
        )
    kind = looks(index).kind if not isinstance(index, int | np.integer) else "i"
    if kind not in "iu":
        raise refused("the index of switch is no whole number", "convert it with .astype(int)")
    if is_either(index):
        *rest, last = functions
        for k in range(len(rest) - 1, -1, -1):
            last = _either(index <= k, rest[k], last)
        return last(*operands)
    place = _place(index)
    if place is None:
        known = int(index)
        return functions[min(max(known, 0), len(functions) - 1)](*operands)
    if len(functions) == 1:
        return functions[0](*operands)
    names = [f"branches[{k}]" for k in range(len(functions))]
    return _chosen(place, index, functions, operands, names, truth=False)


def _united(
    pred: Any, first: Callable[..., Any], second: Callable[..., Any], operands: tuple[Any, ...]
) -> Any:
    """Both results, entry by entry one of them."""
    given = Tree(operands, "operands")

    def called(f: Callable[..., Any], name: str) -> Tree:  # each on its own copies, which it may write to
        return Tree(f(*given.build([np.copy(leaf) for leaf in given.leaves])), name)

    yes, no = called(first, "true_fn"), called(second, "false_fn")
    if yes.structure != no.structure:
        raise refused(
            f"false_fn returns {no.structure!r} and true_fn {yes.structure!r}",
            "let both return the same structure",
        )
    return yes.build([np.where(pred, a, b) for a, b in zip(yes.leaves, no.leaves, strict=True)])


def _either(pred: Any, first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: _united(pred, first, second, operands)


def _place(choice: Any) -> Place | None:
    """Where the choice is made; None where it can be made now."""
    if isinstance(choice, bool | int | np.generic):
        return None
    place = place_of((choice,))
    if place is None or place.own.has_values(choice._value.array if isinstance(choice, Box) else choice):
        return None
    return place


def _chosen(
    place: Place,
    choice: Any,
    functions: list[Callable[..., Any]],
    operands: tuple[Any, ...],
    names: list[str],
    *,
    truth: bool,
) -> Any:
    """As one operation of a library."""
    given = Tree(operands, "operands")
    trees: list[Tree | None] = [None] * len(functions)

    def bare(k: int) -> Callable[[list[Any]], list[Any]]:
        def call(boxes: list[Any]) -> list[Any]:
            found = trees[k] = Tree(functions[k](*given.build(boxes)), names[k])
            return found.leaves

        return call

    # what every one of them gives, found out by running it on arrays without values
    looked: list[list[ArraySpec]] = []

    def seen(k: int) -> Callable[[list[Any]], list[Any]]:
        def call(boxes: list[Any]) -> list[Any]:
            leaves = bare(k)(boxes)
            looked.append(list(map(looks, leaves)))
            return list(map(place.array, leaves))

        return call

    arrays = [place.array(leaf) for leaf in given.leaves]
    try:
        for k in range(len(functions)):
            place.own.shapes(place.on_arrays(seen(k)), arrays)
    except Followed:
        raise refused(
            f"a choice that {place.own.name} is to make depends on a value without numbers, and a derivative "
            "by polyad's engine goes through its functions",
            "use np.where, or one backend for both",
        ) from None
    specs = _common(trees, looked, names)

    def cast(k: int) -> Callable[[Sequence[Any]], list[Any]]:
        return place.on_arrays(lambda boxes: place.arrays(bare(k)(boxes), specs))

    casts = [cast(k) for k in range(len(functions))]
    result = place.own.choose(Choice(place.array(choice), casts, arrays, truth))
    tree = trees[0]
    assert tree is not None
    return tree.build(list(map(place.result, result)))


def _common(trees: list[Tree | None], looked: list[list[ArraySpec]], names: list[str]) -> list[ArraySpec]:
    """The form of the result, in which all functions agree."""
    first = trees[0]
    assert first is not None
    for tree, name in zip(trees, names, strict=True):
        assert tree is not None
        if tree.structure != first.structure:
            raise refused(
                f"{names[0]} returns {first.structure!r} and {name} {tree.structure!r}",
                "let both return the same structure",
            )
    specs = []
    for k, several in enumerate(zip(*looked, strict=True)):
        strong = [s for s in several if not s.weak]
        kept = strong[0] if strong else ArraySpec((), np.result_type(*[s.dtype for s in several]), weak=True)
        for spec, name in zip(several, names, strict=True):
            if spec.shape != kept.shape or (not spec.weak and spec.dtype != kept.dtype):
                raise refused(
                    f"{first.path(k)} is {several[0]} and that of {name} {spec}",
                    "let both return the same shapes and dtypes",
                )
        specs.append(kept)
    return specs
