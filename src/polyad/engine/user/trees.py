"""Functions of trees with rules of the user's, as functions of leaves with one vector of results.

A primitive takes values and gives one. A function of a user's may take tuples, lists, dicts and dataclasses,
and give such: its arguments are taken apart, and the leaves of its result are joined. How they go together
again is a parameter of the operation, and is learnt when the function is called, or from ``like``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optree

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import shape_of
from polyad.engine.user.primitives import Defined, check_rules, general
from polyad.engine.user.rules import unboxed

__all__ = ["Form", "of_trees"]

Rule = Callable[..., Any]
_NOTHING = object()  # stands for None, which is a part of structures


class Form:
    """How the arguments and the result of one call are put together.

    Parameters
    ----------
    arguments : sequence of Structure
        Those of the arguments.
    label : str
        What errors call the function.
    """

    __slots__ = ("arguments", "dtypes", "label", "result", "shapes")

    def __init__(self, arguments: Sequence[Structure], label: str) -> None:
        self.arguments = tuple(arguments)
        self.label = label
        self.result: Structure | None = None
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.dtypes: tuple[Any, ...] = ()

    # two are one for an operation that is kept: the form of the result follows from the function
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.arguments == other.arguments

    def __hash__(self) -> int:
        return hash(self.arguments)

    def args(self, leaves: Sequence[Any]) -> list[Any]:
        """The arguments that have these leaves."""
        rest = iter(leaves)
        return [
            structure.unflatten([next(rest) for _ in range(structure.count)]) for structure in self.arguments
        ]

    def together(self, tree: Any, *, learns: bool = False) -> Any:
        """A result, or a tangent of it, as one value."""
        leaves, structure = flatten(tree)
        if structure is LEAF and self.result in (None, LEAF):
            self.result = LEAF if learns else self.result
            return tree
        shapes = tuple(map(shape_of, map(_valued, leaves)))
        if learns and self.result is None:
            if not leaves:
                raise refuse(f"{self.label} returned {tree!r}", "return arrays or numbers")
            self.shapes = shapes
            self.dtypes = tuple(np.result_type(_dtype(leaf), np.float16) for leaf in leaves)
            self.result = structure
        elif structure != self.result:
            raise refuse(
                f"{self.label} and its rules or like= disagree: {structure!r} where {self.result!r} is "
                "wanted",
                "give a tree of the same form everywhere",
            )
        elif self.result is not LEAF and shapes != self.shapes:
            raise refuse(
                f"{self.label} and its rules or like= disagree: leaves of shapes {shapes} where "
                f"{self.shapes} are wanted",
                "give leaves of the same shapes everywhere",
            )
        if any((owner := library_of(leaf)) is not None and owner.is_foreign for leaf in leaves):
            raise refuse(f"a tree from lifts= of {self.label}", "let it give one array")
        return np.concatenate([np.reshape(leaf, (-1,)) for leaf in leaves])

    def apart(self, joined: Any) -> Any:
        """The result, or its cotangent, whose leaves are joined in a vector."""
        if self.result is None:
            raise refuse(
                f"the form of what {self.label} gives is not known before it is called",
                "give like=, an example of the result or a function of the arguments",
            )
        if self.result is LEAF:
            return joined
        mixed = len(set(self.dtypes)) > 1
        owner = library_of(joined)
        if mixed and owner is not None and owner.is_foreign:
            raise refuse(
                f"{self.label} gives numbers of several dtypes ({', '.join(map(str, self.dtypes))})",
                f"give all of one dtype where it is called with arrays of {owner.name}",
            )
        parts, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            size = int(np.prod(shape))
            part = joined[start : start + size].reshape(shape)
            start += size
            if mixed and part.dtype != dtype:
                part = (part if dtype.kind == "c" or part.dtype.kind != "c" else np.real(part)).astype(dtype)
            parts.append(part)
        return self.result.unflatten(parts)

    def parts(self, given: Any) -> tuple[Any, ...]:
        """The cotangents of all leaves of the arguments, None for what has none."""
        count = len(self.arguments)
        each = (given,) if count == 1 else given
        if count != 1 and not (isinstance(each, tuple | list) and len(each) == count):
            many = len(each) if isinstance(each, tuple | list) else 1
            raise refuse(
                f"the vjp of {self.label} returned {many} cotangents for {count} arguments",
                "return one for each, None for what has none",
            )
        if count == 1 and self.arguments[0] is LEAF and isinstance(given, tuple | list) and len(given) == 1:
            each = given
        found: list[Any] = []
        for part, structure in zip(each, self.arguments, strict=True):
            if part is None:
                found += [None] * structure.count
                continue
            if structure is LEAF:
                found.append(part)
                continue
            leaves, have = flatten(optree.tree_map(_marked, part, none_is_leaf=True))
            if have != structure:
                raise refuse(
                    f"the vjp of {self.label} returned {have!r} for an argument {structure!r}",
                    "return a cotangent of the form of the argument",
                )
            found += [None if leaf is _NOTHING else leaf for leaf in leaves]
        return tuple(found)


def _marked(leaf: Any) -> Any:
    return _NOTHING if leaf is None else leaf


def _valued(leaf: Any) -> Any:
    value = unboxed(leaf)
    return value if hasattr(value, "shape") else np.asarray(value)


def _dtype(leaf: Any) -> Any:
    return getattr(_valued(leaf), "dtype", np.dtype(float))


def of_trees(
    f: Rule,
    jvp: Rule | None,
    vjp: Rule | None,
    name: str,
    label: str,
    *,
    like: Any,
    lifts: Mapping[str, Rule],
) -> Defined:
    """A primitive with rules that are called with trees; its parameter ``form`` is a ``Form``."""

    def whole(*leaves: Any, form: Form, **params: Any) -> Any:
        return form.together(f(*form.args(leaves), **params), learns=True)

    def along(*leaves: Any, v: Any, form: Form, **params: Any) -> Any:
        assert jvp is not None
        trees = form.args(v if len(leaves) > 1 else (v,))
        moved = jvp(*form.args(leaves), v=tuple(trees) if len(trees) > 1 else trees[0], **params)
        return form.together(moved)

    def back(*leaves: Any, w: Any, form: Form, **params: Any) -> Any:
        assert vjp is not None
        return form.parts(vjp(*form.args(leaves), w=form.apart(w), **params))

    def example(*leaves: Any, form: Form, **params: Any) -> Any:
        found = like(*form.args(leaves), **params) if callable(like) else like
        return form.together(found, learns=True)

    def lifted(own: Rule) -> Rule:
        def call(*leaves: Any, form: Form, **params: Any) -> Any:
            return form.together(own(*form.args(leaves), **params), learns=True)

        return call

    check_rules(jvp, vjp, label)
    primitive = general(whole, None if jvp is None else along, None if vjp is None else back, name, label)
    primitive.label = label
    primitive.lifts = {key: lifted(own) for key, own in lifts.items()}
    primitive.like = None if like is None else example
    return primitive
