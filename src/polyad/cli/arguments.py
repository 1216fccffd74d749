"""What the user writes on the command line, as Python objects.

* Arguments are literals (``2.5``, ``[1.0, 2.0]``, ``{'w': [1.0], 'b': 0.0}``, ``'text'``), arithmetic of
  them, calls of a few NumPy functions (``np.linspace(0, 1, 5)``), and ``@file.npy``. Lists become
  arrays, tuples and dicts stay trees, strings become ``Static``. Nothing else is ever evaluated.
"""

from __future__ import annotations

import ast
import operator
import shlex
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyad.arrays.trees import flatten
from polyad.call.inputs.arguments import Static
from polyad.errors import ArgumentError

__all__ = ["FUNCTIONS", "check_numbers", "parse_argument"]

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
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ArgumentError(f"argument {text!r} is no expression: {error}") from None
    try:
        value = _evaluate(tree)
    except ArgumentError as error:
        raise ArgumentError(f"argument {text!r}: {error}") from None
    except (TypeError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
        raise ArgumentError(f"argument {text!r} fails: {error}") from None
    return Static(value) if isinstance(value, str) else value


def _load(path: Path) -> Any:
    try:
        loaded = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ArgumentError(f"argument @{path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArgumentError(f"argument @{path} is no .npy file of numbers: {error}") from None
    if not isinstance(loaded, np.ndarray):
        raise ArgumentError(f"argument @{path} holds several arrays: save the one that is meant as .npy")
    return loaded


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


def check_numbers(texts: Sequence[str], args: Sequence[Any], argnums: int | tuple[int, ...]) -> None:
    """Refuse active arguments that cannot be differentiated, with what to type instead.

    Parameters
    ----------
    texts, args : sequences
        What the user wrote, and what it means.
    argnums : int or tuple of int
        The active ones.

    Raises
    ------
    ArgumentError
        If an active argument holds whole numbers, truth values or text.
    """
    for k in (argnums,) if isinstance(argnums, int) else argnums:
        if not -len(args) <= k < len(args):
            given = "is 1 argument" if len(args) == 1 else f"are {len(args)} arguments"
            raise ArgumentError(f"--argnums {k}: there {given} (--args), counted from 0")
        if isinstance(args[k], Static):
            raise ArgumentError(f"argument {texts[k]} is text: name another one as active (--argnums)")
        if any(np.asarray(leaf).dtype.kind in "biu" for leaf in flatten(args[k])[0]):
            raise ArgumentError(
                f"argument {texts[k]} holds whole numbers or truth values, which cannot be differentiated: "
                f"{_as_floats(texts[k])}"
            )


def _as_floats(text: str) -> str:
    """What to type for floats; only what has been tried is offered."""
    if text.startswith("@"):
        return f"save floats in {text[1:]}, as np.save(file, x.astype(np.float64))"

    class Floats(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant(float(node.value)) if isinstance(node.value, int) else node

        def visit_Dict(self, node: ast.Dict) -> ast.Dict:
            return ast.Dict(node.keys, [self.visit(value) for value in node.values])

    written = ast.unparse(Floats().visit(ast.parse(text.strip(), mode="eval")).body)
    for offer in (written, f"1.0 * ({text.strip()})"):
        try:
            leaves = flatten(parse_argument(offer))[0]
        except ArgumentError:
            continue
        if all(np.asarray(leaf).dtype.kind in "fc" for leaf in leaves):
            quoted = shlex.quote(offer) if set('"$`\\\\!') & set(offer) else f'"{offer}"'
            return f"write --args {quoted}"
    return "write floats, as 2.0 for 2"
