"""Code rewritten so that methods of plain arrays, and writes into them, are asked for boxes first.

``A.dot(x)`` with a plain ``A`` is called by no name that could lead elsewhere, so functions get other code
for the time of a followed call, made of the source: the same with calls to ``arrays.HELPERS`` in it. The
source is believed only if it compiles to the very code that the function has.
"""

from __future__ import annotations

import ast
import builtins
import dis
import itertools
import linecache
import types
from collections.abc import Iterator
from typing import Any

from polyad.engine.follow.arrays import HELPERS, METHODS

__all__ = ["loses_silently", "rewritten"]

# classes of numbers that are called
CLASSES = frozenset(("float", "int", "complex", "float64", "float32", "complex128"))
# functions of NumPy's by their names: code may have them from an object that stands for NumPy
FUNCTIONS = frozenset(
    "array asarray asanyarray ascontiguousarray asarray_chkfinite zeros ones empty full eye identity "
    "zeros_like ones_like empty_like full_like vectorize".split()
)
# Python's own functions, of which some look at the code that calls them
PYTHON = frozenset(vars(builtins))
# a text that stands for a helper among the constants until the code is made
_MARK = "\0polyad."
_HELD, _ITEM, _KEY, _PART = "__held", "__item", "__key", "__part"
# file -> number of lines and code by original code
_FILES: dict[str, tuple[int, dict[types.CodeType, types.CodeType]]] = {}


def rewritten(code: types.CodeType) -> types.CodeType | None:
    """The code to run while a function is followed; None where it is the same, or has no known source."""
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return None
    known = _FILES.get(code.co_filename)
    if known is None or known[0] != len(lines):
        known = _FILES[code.co_filename] = len(lines), _of_file("".join(lines), code.co_filename)
    return known[1].get(code)


def loses_silently(code: types.CodeType) -> bool:
    """Whether code has what gives no error with boxes: ``type(x) is float``, and the slow ``A.dot(x)``."""
    names = set(code.co_names)
    if not names & {"dot", "type"}:
        return False
    steps = list(dis.get_instructions(code))
    if "type" in names and any(s.opname in ("IS_OP", "COMPARE_OP", "CONTAINS_OP") for s in steps):
        return True
    return any(
        s.argval == "dot"
        and s.opname in ("LOAD_METHOD", "LOAD_ATTR")
        and before.argval not in ("np", "numpy")
        for before, s in itertools.pairwise(steps)
    )


def _of_file(source: str, filename: str) -> dict[types.CodeType, types.CodeType]:
    try:
        tree = ast.parse(source, filename)
        before = compile(tree, filename, "exec", dont_inherit=True)
        after = compile(Rewriter().visit(tree), filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found = {old: new for old, new in _pairs(before, _with_helpers(after)) if old != new}
    # what another thread has rewritten already stays so
    return {**found, **{new: new for new in found.values()}}


def _pairs(old: types.CodeType, new: types.CodeType) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """All code in two pieces that came of the same source, by its place in it."""
    inner = [[c for c in code.co_consts if isinstance(c, types.CodeType)] for code in (old, new)]
    if len(inner[0]) != len(inner[1]):
        return
    for a, b in zip(*inner, strict=True):
        if a.co_name == b.co_name and a.co_freevars == b.co_freevars and a.co_flags == b.co_flags:
            yield a, b
            yield from _pairs(a, b)


def _with_helpers(code: types.CodeType) -> types.CodeType:
    consts = []
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            c = _with_helpers(c)
        elif isinstance(c, str) and c.startswith(_MARK):
            c = HELPERS[c[len(_MARK) :]]
        consts.append(c)
    return code.replace(co_consts=tuple(consts))


def _is_of_names(node: ast.expr) -> bool:
    """Whether a function is looked up in a module, or in an object, by names only."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _helper(name: str) -> ast.expr:
    """A helper, whose text is not used alone, because the compiler would warn of that."""
    return ast.Attribute(ast.Constant(_MARK + name), "use", ast.Load())


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_helper(name), list(args), [])


def _get(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _set(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _unset(*names: str) -> ast.stmt:
    return ast.Delete([ast.Name(name, ast.Del()) for name in names])


class Rewriter(ast.NodeTransformer):
    """Rewrites the functions of a module."""

    def __init__(self) -> None:
        # variables of the function that nobody else can see
        self._own: frozenset[str] = frozenset()
        self._inside = False

    def _function(self, node: Any) -> Any:
        outer = self._own, self._inside
        self._own, self._inside = _variables(node), True
        node.body = [self.visit(s) for s in node.body]
        node.body = [s for part in node.body for s in (part if isinstance(part, list) else [part])]
        self._own, self._inside = outer
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        outer = self._own, self._inside
        self._own, self._inside = frozenset(), False
        self.generic_visit(node)
        self._own, self._inside = outer
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        outer, self._inside = self._inside, True
        node.body = self.visit(node.body)
        self._inside = outer
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        called = node.func
        if self._inside and isinstance(called, ast.Attribute) and called.attr in METHODS:
            node.func = _at(_call("method", called.value, ast.Constant(called.attr)), called)
        elif self._inside and getattr(called, "attr", getattr(called, "id", "")) in CLASSES:
            node.func = _at(_call("found", called), called)  # where its identity is asked for as well
        elif self._inside and isinstance(called, ast.Attribute) and called.attr in FUNCTIONS:
            node.func = _at(_call("found", called), called)
        elif self._inside and node.args and isinstance(called, ast.Attribute) and _is_of_names(called):
            node.func = _at(_call("listed", called), called)
        elif self._inside and node.args and isinstance(called, ast.Name) and called.id not in PYTHON:
            node.func = _at(_call("listed", called), called)
        elif self._inside and isinstance(called, ast.Name) and called.id == "type" and len(node.args) == 1:
            if not node.keywords and not isinstance(node.args[0], ast.Starred):
                return _at(_call("kind", node.args[0]), node)
        return node

    def visit_Import(self, node: Any) -> Any:
        if not self._inside or any(a.name == "*" for a in node.names):
            return node
        names = [a.asname or a.name.partition(".")[0] for a in node.names]
        return [node, *(_at(ast.Assign([_set(n)], _call("found", _get(n))), node) for n in names)]

    visit_ImportFrom = visit_Import

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        self.generic_visit(node)
        if self._inside and isinstance(node.op, ast.MatMult):
            return _at(_call("matmul", node.left, node.right), node)
        return node

    # -- writes ------------------------------------------------------------------------------------------

    def _hold(self, name: str, *items: str) -> list[ast.stmt]:
        """Ask for an array to write to: it lies in a list, so that what refers to it can be counted."""
        return [
            ast.Assign([_set(_HELD)], ast.List([_get(name)], ast.Load())),
            _unset(name),
            ast.Assign([_set(name)], _call("owned", _get(_HELD), *map(_get, items))),
            _unset(_HELD),
        ]

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        names = [t.value.id for t in node.targets if self._is_entry(t)]  # type: ignore[attr-defined]
        if len(node.targets) > 1 or not names:
            return node
        steps = [ast.Assign([_set(_ITEM)], node.value), *self._hold(names[0], _ITEM)]
        node.value = _get(_ITEM)
        return [*(_at(s, node) for s in steps), _at(node, node), _at(_unset(_ITEM), node)]

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        target = node.target
        if any(isinstance(k, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await) for k in ast.walk(node)):
            return node
        steps: list[ast.stmt]
        if isinstance(target, ast.Name) and target.id in self._own:
            steps = [
                ast.Assign([_set(_ITEM)], node.value),
                *self._hold(target.id, _ITEM),
                ast.AugAssign(target, node.op, _get(_ITEM)),
                _unset(_ITEM),
            ]
        elif self._is_entry(target):
            assert isinstance(target, ast.Subscript)
            assert isinstance(target.value, ast.Name)
            name = target.value.id
            entry = ast.Subscript(_get(name), _get(_KEY), ast.Load())
            steps = [
                ast.Assign([_set(_KEY)], ast.Subscript(_helper("key"), target.slice, ast.Load())),
                ast.Assign([_set(_PART)], entry),
                ast.Assign([_set(_ITEM)], node.value),
                ast.Assign([_set(_HELD)], ast.List([_get(name), _get(_PART)], ast.Load())),
                _unset(name, _PART),
                ast.Assign(
                    [ast.Tuple([_set(name), _set(_PART)], ast.Store())],
                    _call("augmented", _get(_HELD), _get(_KEY), _get(_ITEM)),
                ),
                _unset(_HELD),
                ast.AugAssign(_set(_PART), node.op, _get(_ITEM)),
                ast.Assign([ast.Subscript(_get(name), _get(_KEY), ast.Store())], _get(_PART)),
                _unset(_KEY, _PART, _ITEM),
            ]
        else:
            return node
        return [_at(s, node) for s in steps]

    def visit_Expr(self, node: ast.Expr) -> Any:
        call = node.value
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in ("fill", "put")
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id in self._own
            and not call.keywords
            and not any(isinstance(a, ast.Starred) for a in call.args)
        ):
            self.generic_visit(call)
            name = call.func.value.id
            steps: list[ast.stmt] = [
                ast.Assign([_set(_ITEM)], ast.Tuple(call.args, ast.Load())),
                *self._hold(name, _ITEM),
            ]
            call.args = [ast.Starred(_get(_ITEM), ast.Load())]
            return [*(_at(s, node) for s in steps), _at(node, node), _at(_unset(_ITEM), node)]
        self.generic_visit(node)
        return node

    def _is_entry(self, target: ast.expr) -> bool:
        return (
            isinstance(target, ast.Subscript)
            and isinstance(target.value, ast.Name)
            and target.value.id in self._own
        )


def _at(node: Any, place: ast.AST) -> Any:
    """A node where another one is, its parts as well."""
    return ast.fix_missing_locations(ast.copy_location(node, place))


def _variables(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The variables of a function that no function within it uses, and that are not those of another."""
    own: set[str] = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    others: set[str] = set()
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Global | ast.Nonlocal):
            others.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(
            node,
            ast.FunctionDef
            | ast.AsyncFunctionDef
            | ast.Lambda
            | ast.ClassDef
            | ast.ListComp
            | ast.SetComp
            | ast.DictComp
            | ast.GeneratorExp,
        ):
            others.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
            others.update(k for n in ast.walk(node) if isinstance(n, ast.Nonlocal) for k in n.names)
            continue
        todo.extend(ast.iter_child_nodes(node))
    return frozenset(own - others)
