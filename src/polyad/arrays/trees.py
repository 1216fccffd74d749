"""Trees: any nesting of containers as a flat tuple of leaves, and back.

* Containers are what optree knows (tuples, lists, dicts, namedtuples, None), plain dataclasses,
  and the classes registered with a framework that is loaded (``jax.tree_util``).
* Everything below the operators sees leaves only, so no backend ever handles a tree.
* A bare array is its own tree and takes a path without any container.
* Fields of a plain dataclass that hold no numbers (strings, enumerations, callables) are part of
  the structure, compared by equality.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import sys
from collections.abc import Callable
from typing import Any

import optree

from polyad.arrays.libraries import is_leaf, loaded

__all__ = ["LEAF", "Structure", "flatten"]

_METADATA = (str, bytes, enum.Enum, type)


class Structure:
    """How a tree is put together: rebuilds it from leaves, compares, and names every leaf.

    Parameters
    ----------
    count : int
        Number of leaves.
    key : hashable
        What two equal structures have in common.
    build : callable
        From an iterator over leaves to the tree.
    paths : callable
        From the text of the root to one text per leaf.
    """

    __slots__ = ("_build", "_paths", "count", "key")

    def __init__(
        self,
        count: int,
        key: Any,
        build: Callable[[Any], Any],
        paths: Callable[[str], list[str]],
    ) -> None:
        self.count = count
        self.key = key
        self._build = build
        self._paths = paths

    def unflatten(self, leaves: Any) -> Any:
        """The tree that has these leaves."""
        return self._build(iter(leaves))

    def paths(self, root: str) -> list[str]:
        """The expression for each leaf, as ``params['w'][0]``."""
        return self._paths(root)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and (self is other or self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return "*" if self is LEAF else str(self._build(iter(["*"] * self.count))).replace("'*'", "*")


LEAF = Structure(1, "leaf", next, lambda root: [root])


def flatten(tree: Any) -> tuple[tuple[Any, ...], Structure]:
    """Take a tree apart.

    Returns
    -------
    leaves : tuple
        The leaves from left to right; what is neither container nor array stays a leaf, for the
        caller to refuse.
    structure : Structure
        How to put them together again.
    """
    if is_leaf(tree):
        return (tree,), LEAF
    opened = _open_registered(tree) or _open_dataclass(tree)
    if opened is not None:
        return opened
    nodes, treedef = optree.tree_flatten(tree, is_leaf=_is_foreign)
    if treedef.is_leaf():
        return (tree,), LEAF
    inner = [flatten(node) for node in nodes]
    return _combine(
        inner,
        ("optree", treedef),
        lambda children: optree.tree_unflatten(treedef, children),
        lambda root: [accessor.codify(root) for accessor in treedef.accessors()],
    )


def _combine(
    inner: list[tuple[tuple[Any, ...], Structure]],
    key: Any,
    assemble: Callable[[list[Any]], Any],
    roots: Callable[[str], list[str]],
) -> tuple[tuple[Any, ...], Structure]:
    """Join the parts of one node: leaves in a row, structures nested."""
    structures = [structure for _, structure in inner]

    def build(leaves: Any) -> Any:
        return assemble([structure._build(leaves) for structure in structures])

    def paths(root: str) -> list[str]:
        return [
            path
            for structure, base in zip(structures, roots(root), strict=True)
            for path in structure.paths(base)
        ]

    leaves = tuple(leaf for part, _ in inner for leaf in part)
    full_key = (key, tuple(s.key for s in structures))
    return leaves, Structure(len(leaves), full_key, build, paths)


def _is_foreign(node: Any) -> bool:
    """Stop optree at nodes that another opener takes apart."""
    return is_leaf(node) or _is_plain_dataclass(node) or _jax_node(node) is not None


def _is_plain_dataclass(node: Any) -> bool:
    return dataclasses.is_dataclass(node) and not isinstance(node, type)


def _open_dataclass(node: Any) -> tuple[tuple[Any, ...], Structure] | None:
    if not _is_plain_dataclass(node):
        return None
    names, fixed = [], []
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        numberless = isinstance(value, _METADATA) or (callable(value) and not is_leaf(value))
        (fixed.append((field.name, value)) if numberless else names.append(field.name))
    inner = [flatten(getattr(node, name)) for name in names]
    template = copy.copy(node)
    for name in names:  # the template must not keep the caller's arrays alive
        object.__setattr__(template, name, None)

    def assemble(children: list[Any]) -> Any:
        new = copy.copy(template)  # keeps fields that __init__ does not take
        for name, child in zip(names, children, strict=True):
            object.__setattr__(new, name, child)
        return new

    key = (type(node), tuple(names), tuple(fixed))
    return _combine(inner, key, assemble, lambda root: [f"{root}.{name}" for name in names])


def _jax_node(node: Any) -> Any:
    """The one-level opening of a class registered with JAX only, or None."""
    jax = loaded("jax")
    if jax is None or type(node) in _BUILTIN:
        return None
    if jax.tree_util.all_leaves([node]):
        return None
    if isinstance(node, tuple | list | dict):
        return None  # namedtuples and subclasses: optree's rules hold for every backend alike
    return jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda n: n is not node)


_BUILTIN = (tuple, list, dict, type(None), str, bytes)


def _open_registered(node: Any) -> tuple[tuple[Any, ...], Structure] | None:
    opened = _jax_node(node)
    if opened is None:
        return None
    tree_util = sys.modules["jax"].tree_util
    children, treedef = opened
    keys = [path for path, _ in children]
    return _combine(
        [flatten(child) for _, child in children],
        ("jax", treedef),
        lambda parts: tree_util.tree_unflatten(treedef, parts),
        lambda root: [root + tree_util.keystr(key) for key in keys],
    )
