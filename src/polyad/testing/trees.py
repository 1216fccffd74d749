"""A walk over trees of its own, so that the suite does not judge polyad by polyad's own trees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad import Static

__all__ = ["children", "leaves", "map_leaves", "plain", "rebuild", "same_container"]


def children(tree: Any) -> list[tuple[str, Any]] | None:
    """The parts of a container with the text that selects each; None for a leaf.

    Dictionaries are walked in the order of their sorted keys, dataclasses in that of their fields.
    """
    if tree is None or isinstance(tree, Static):
        return []
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", getattr(tree, name)) for name in tree._fields]
    if isinstance(tree, tuple | list):
        return [(f"[{k}]", part) for k, part in enumerate(tree)]
    if isinstance(tree, dict):
        return [(f"[{key!r}]", tree[key]) for key in sorted(tree)]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return [(f".{f.name}", getattr(tree, f.name)) for f in dataclasses.fields(tree)]
    return None


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves from left to right, each with its path."""
    parts = children(tree)
    if parts is None:
        yield path, tree
    else:
        for name, part in parts:
            yield from leaves(part, path + name)


def map_leaves(f: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with ``f`` applied to every leaf."""
    parts = children(tree)
    if parts is None:
        return f(tree)
    if not parts:
        return tree
    values = [map_leaves(f, part) for _, part in parts]
    if isinstance(tree, dict):
        return dict(zip(sorted(tree), values, strict=True))
    if isinstance(tree, tuple | list):
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return type(tree)(*values)


def rebuild(tree: Any, values: Any) -> Any:
    """The tree with its leaves replaced, from left to right."""
    rest = iter(values)
    return map_leaves(lambda _: next(rest), tree)


def plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments as the function itself takes them, without ``Static`` around."""
    return tuple(a.value if isinstance(a, Static) else a for a in args)


def same_container(a: Any, b: Any) -> bool:
    """Whether two nodes are containers of one type with the same parts."""
    parts_a, parts_b = children(a), children(b)
    if parts_a is None or parts_b is None:
        return False
    return type(a) is type(b) and [name for name, _ in parts_a] == [name for name, _ in parts_b]


def wide(leaf: Any) -> Any:
    """A leaf in 64 bits, in which references are computed."""
    dtype = np.result_type(leaf)
    if dtype.kind == "c":
        return np.asarray(leaf, dtype=np.complex128)[()]
    return np.asarray(leaf, dtype=np.float64)[()] if dtype.kind == "f" else leaf
