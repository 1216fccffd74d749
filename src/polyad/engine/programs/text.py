"""Straight-line code on numbers, in two versions.

On Python's floats, by the functions of ``math``, it is fastest; where that raises (a pole, a domain, an
overflow) it runs once more on NumPy's floats by NumPy's functions, whose infinities and NaNs are then
the result, as they are of NumPy code.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["twice"]


# CPython 3.11 counts the depth of the trees that it builds in one place for all threads
_BUILDING = threading.RLock()


def parsed(source: str) -> ast.Module:
    """The syntax tree of a text."""
    with _BUILDING:
        return ast.parse(source)


def code_of(source: Any, label: str) -> Any:
    """The code object of a text or a tree."""
    with _BUILDING:
        return compile(source, label, "exec")


class _Constants(ast.NodeTransformer):
    """NumPy's floats for Python's, so that ``1.0 / 0.0`` is infinite as it is in NumPy."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A float as a call of NumPy's type."""
        if type(node.value) is not float:
            return node
        return ast.Call(ast.Name("float64", ast.Load()), [node], [])


def _executed(tree: Any, names: dict[str, Any], label: str) -> Callable[..., list[Any]]:
    space = {**names, "float64": np.float64}
    exec(code_of(tree, label), space)
    found: Callable[..., list[Any]] = space["program"]
    return found


def twice(
    source: str,
    quick: dict[str, Any],
    careful: dict[str, Any],
    label: str,
    convert: Callable[[Any], Any] | None = None,
) -> Callable[..., list[Any]]:
    """The function ``program`` of some source text, which reads numbers by names of its own.

    Parameters
    ----------
    source : str
        The text.
    quick, careful : dict
        What its names mean on Python's floats, and on NumPy's.
    label : str
        Where tracebacks say that it is.
    convert : callable, optional
        What an argument of Python's floats is on NumPy's; arguments are handed on as they are by default.
    """
    run = _executed(source, quick, label)
    prepared: list[Callable[..., list[Any]]] = []

    def again() -> Callable[..., list[Any]]:
        """The careful version, made when first needed; two threads may make it twice, which does no harm."""
        if not prepared:
            tree = ast.fix_missing_locations(_Constants().visit(parsed(source)))
            prepared.append(_executed(tree, careful, label))
        return prepared[0]

    def call(*args: Any) -> list[Any]:
        try:
            return run(*args)
        except (ValueError, ZeroDivisionError, OverflowError):
            return again()(*(args if convert is None else map(convert, args)))

    return call
