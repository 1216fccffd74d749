"""What the user writes on the command line, as Python objects.

* ``module.py:function`` and ``package.module:function`` name a function.
* Arguments are literals (``2.5``, ``[1.0, 2.0]``, ``{'w': [1.0], 'b': 0.0}``, ``'text'``), arithmetic of
  them, calls of a few NumPy functions (``np.linspace(0, 1, 5)``), and ``@file.npy``. Lists become
  arrays, tuples and dicts stay trees, strings become ``Static``. Nothing else is ever evaluated.
"""

from __future__ import annotations

import ast
import importlib
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.operators.arguments import Static

__all__ = ["FUNCTIONS", "find_function", "parse_argument"]

FUNCTIONS = (
    "arange", "array", "cos", "exp", "eye", "float32", "float64", "full", "geomspace", "linspace",
    "log", "logspace", "ones", "reshape", "sin", "sqrt", "zeros",
)  # fmt: skip
CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def parse_argument(text: str) -> Any:
    """One argument of the function.

    Parameters
    ----------
    text : str
        What the user wrote.

    Raises
    ------
    ArgumentError
        If it is not of the allowed form, or NumPy refuses it.

    Examples
    --------
    >>> parse_argument("[1.0, 2.0]"), parse_argument("3 * np.ones(2)"), parse_argument("'text'")
    (array([1., 2.]), array([3., 3.]), Static('text'))
    """
    if text.startswith("@"):
        return _load(Path(text[1:]))
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ArgumentError(f"argument {text!r} is no expression: {error}") from None
    try:
        value = _evaluate(tree)
    except ArgumentError as error:
        raise ArgumentError(f"argument {text!r}: {error}") from None
    except (TypeError, ValueError, ArithmeticError, MemoryError) as error:
        raise ArgumentError(f"argument {text!r} fails: {error}") from None
    return Static(value) if isinstance(value, str) else value


def _load(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise ArgumentError(f"argument @{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ArgumentError(f"argument @{path} is no .npy file of numbers: {error}") from None


def _evaluate(node: ast.expr) -> Any:
    """The value of an allowed expression; nothing but what is listed here is ever run."""
    match node:
        case ast.Constant(value=bool() | int() | float() | complex() | str() as value):
            return value
        case ast.List(elts=elements):
            return np.array([_evaluate(e) for e in elements])
        case ast.Tuple(elts=elements):
            return tuple(_evaluate(e) for e in elements)
        case ast.Dict(keys=keys, values=values) if all(isinstance(k, ast.Constant) for k in keys):
            names = [k.value for k in keys if isinstance(k, ast.Constant)]
            return dict(zip(names, map(_evaluate, values), strict=True))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_evaluate(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            a, b = _evaluate(left), _evaluate(right)
            if isinstance(op, ast.Pow) and isinstance(a, int) and isinstance(b, int):
                a = float(a)  # integer powers grow without bound
            return _BINARY[type(op)](a, b)
        case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name) if name in CONSTANTS + FUNCTIONS:
            return getattr(np, name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name)) if name in FUNCTIONS:
            keywords = {k.arg: _evaluate(k.value) for k in node.keywords if k.arg}
            return getattr(np, name)(*map(_evaluate, node.args), **keywords)
    raise ArgumentError(
        f"{ast.unparse(node)!r} is not allowed here: write numbers, lists, tuples, dicts, "
        f"np.ones(5) and the like (np.{', np.'.join(FUNCTIONS)}), or @file.npy"
    )


def find_function(target: str) -> Callable[..., Any]:
    """The function that ``module.py:function`` or ``package.module:function`` names.

    Parameters
    ----------
    target : str
        The name; ``function`` may have dots.

    Raises
    ------
    ArgumentError
        If there is no such file, module or function; the message says which.
    """
    where, _, name = target.rpartition(":")
    if not where or not name:
        raise ArgumentError(f"{target!r} names no function: write module.py:function or module:function")
    found: Any = _module(where)
    for part in name.split("."):
        if not hasattr(found, part):
            functions = [k for k, v in vars(found).items() if callable(v) and not k.startswith("_")]
            has = f"; it has {', '.join(sorted(functions)[:8])}" if functions else ""
            raise ArgumentError(f"{where} has no {part!r}{has}")
        found = getattr(found, part)
    if not callable(found):
        raise ArgumentError(f"{target} is a {type(found).__name__}, not a function")
    return found


def _module(where: str) -> Any:
    from polyad.benchmark.sending import load_file

    try:
        if where.endswith(".py"):
            path = Path(where)
            if not path.is_file():
                raise ArgumentError(f"there is no file {where}")
            return load_file(path)
        if "" not in sys.path:
            sys.path.insert(0, "")  # modules of the working directory, as for python -m
        return importlib.import_module(where)
    except ArgumentError:
        raise
    except Exception as error:  # the user's module failed: say so in a line
        raise ArgumentError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
