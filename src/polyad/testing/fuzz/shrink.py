"""Making a program that shows a fault as short as it goes.

Greedy: every change that leaves the fault there and makes the program smaller is kept, until none does.
Changes are of the text alone (statements left out, blocks unwrapped, an expression instead of what is
around it, plain numbers), of the arguments (rounded, cut, one point), and of the result.
"""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.testing.fuzz.check import check, references
from polyad.testing.fuzz.finding import Finding
from polyad.testing.fuzz.program import Program, quiet

__all__ = ["shrink"]


def shrink(finding: Finding, *, seconds: float = 60.0) -> Finding:
    """The same fault in a program of a few lines.

    Parameters
    ----------
    finding : Finding
        What was found.
    seconds : float
        When to be content.

    Returns
    -------
    Finding
        Of the same kind, by the same operator, in a smaller program.
    """
    end = time.monotonic() + seconds
    best, tried, quiet_since = finding, 0, 0
    while time.monotonic() < end:
        # after a success the list of candidates is another one: go on at the same place in it
        rest = itertools.islice(_smaller(best.program, best.point), tried, None)
        for candidate in rest:
            tried += 1
            quiet_since += 1
            if time.monotonic() > end:
                break
            found = _again(candidate, best) if _cost(candidate) < _cost(best.program) else None
            if found is not None:
                best, quiet_since = found, 0
                tried -= 1
                break
        else:
            if quiet_since >= tried:
                break
            tried = 0
    return best


def _cost(program: Program) -> tuple[float, int]:
    numbers = sum(len(str(v)) for p in program.points for v in p.values())
    return program.size + 40.0 * len(program.points) + 0.01 * numbers, len(program.statements)


def _again(program: Program, finding: Finding) -> Finding | None:
    """The finding in another program, if it is there."""
    with quiet():
        refs = references(program, second=finding.operator == "hvp")
    if finding.point not in refs and len(program.points) > 1:
        return None
    if not refs:
        return None
    found = check(
        program, finding.way, refs, (finding.operator,), unprepared=not finding.prepared, limit=20.0
    )
    for one in found.findings:
        if one.signature == finding.signature and one.prepared == finding.prepared:
            return one
    return None


def _smaller(program: Program, point: int) -> Iterator[Program]:
    """Candidates, those that leave out most first."""
    if len(program.points) > 1:
        yield program.replace(points=(program.points[point],))
        yield program.replace(
            points=tuple(dict.fromkeys([0, point])) and tuple(program.points[k] for k in sorted({0, point}))
        )
    count = len(program.statements)
    size = count
    while size >= 1:
        for start in range(count - size, -1, -size):
            yield program.replace(statements=program.statements[:start] + program.statements[start + size :])
        size //= 2
    yield from _inlined(program)
    for k, statement in enumerate(program.statements):
        for text in _simpler_statement(statement):
            yield program.replace(statements=(*program.statements[:k], *text, *program.statements[k + 1 :]))
    for result in _rewritten(program.result):
        yield program.replace(result=result)
    yield from _arguments(program)


def _inlined(program: Program) -> Iterator[Program]:
    """An expression in place of the variable that it was given to."""
    for k, statement in enumerate(program.statements):
        tree = ast.parse(statement).body
        if (
            len(tree) != 1
            or not isinstance(tree[0], ast.Assign)
            or not isinstance(tree[0].targets[0], ast.Name)
        ):
            continue
        name, value = tree[0].targets[0].id, tree[0].value
        if isinstance(value, ast.Name) or len(ast.unparse(value)) < 30:
            rest = [_with(name, value, text) for text in (*program.statements[k + 1 :], program.result)]
            yield program.replace(statements=(*program.statements[:k], *rest[:-1]), result=rest[-1])


def _with(name: str, value: ast.expr, text: str) -> str:
    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            instead = node.id == name and (isinstance(node.ctx, ast.Load) or isinstance(value, ast.Name))
            return (
                ast.copy_location(ast.parse(ast.unparse(value), mode="eval").body, node) if instead else node
            )

    return ast.unparse(Put().visit(ast.parse(text)))


def _simpler_statement(text: str) -> Iterator[tuple[str, ...]]:
    tree = ast.parse(text)
    for place, block in _blocks(tree):
        if len(block) > 1 or place:
            for k in range(len(block)):
                copy = ast.parse(text)
                other = dict(_blocks(copy))[place]
                del other[k]
                if other or not place:
                    yield (ast.unparse(copy),)
    for node in ast.walk(tree):  # a block in place of what is around it
        for field in ("body", "orelse"):
            inner = getattr(node, field, None)
            if isinstance(node, ast.If | ast.For | ast.While | ast.Try) and inner:
                yield tuple(ast.unparse(s) for s in inner)
    yield from ((t,) for t in _rewritten(text))


def _blocks(tree: ast.AST) -> Iterator[tuple[int, list[Any]]]:
    place = 0
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block:
                yield place, block
                place += 1


def _rewritten(text: str) -> Iterator[str]:
    """The text with one expression replaced by a part of it, or a number by a simpler one."""
    count = sum(1 for _ in ast.walk(ast.parse(text)))
    for number in range(count):
        for change in (_part(0), _part(1), _part(2), _plain_number):
            tree = ast.parse(text)
            parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
            node = list(ast.walk(tree))[number]
            if not isinstance(node, ast.expr) or isinstance(getattr(node, "ctx", ast.Load()), ast.Store):
                continue
            new = change(node)
            if new is not None:
                _put(parents[node], node, new)
                try:
                    made = ast.unparse(ast.fix_missing_locations(tree))
                    ast.parse(made)
                except (SyntaxError, ValueError, AttributeError, TypeError):
                    continue
                yield made


def _part(which: int) -> Callable[[ast.expr], ast.expr | None]:
    def part(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.Call):
            receiver = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            parts = [*node.args, *(r for r in receiver if not _is_module(r))]
        elif isinstance(node, ast.Attribute):
            parts = [] if _is_module(node.value) else [node.value]
        elif isinstance(node, ast.List | ast.Tuple):
            parts = list(node.elts)
            if which < len(parts) and len(parts) > 1:
                kept = parts[:which] + parts[which + 1 :]
                return type(node)(elts=kept, ctx=ast.Load())
            return None
        elif isinstance(node, ast.Slice | ast.Constant | ast.Name):
            parts = []
        else:
            parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return parts[which] if which < len(parts) else None

    return part


def _is_module(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in ("np", "sp")) or isinstance(node, ast.Attribute)


def _plain_number(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Constant) and type(node.value) is float and node.value not in (1.0, 0.5):
        return ast.Constant(1.0 if abs(node.value) >= 0.75 else 0.5)
    return None


def _put(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
        elif isinstance(value, list):
            setattr(parent, field, [new if item is old else item for item in value])


def _arguments(program: Program) -> Iterator[Program]:
    """Fewer parameters, smaller and rounder values."""
    used = f"{program.result} {' '.join(program.statements)}"
    for name in program.captured:
        if name not in used:
            yield program.replace(captured={k: v for k, v in program.captured.items() if k != name})
    for name in program.constant:
        points = tuple({k: v for k, v in point.items() if k != name} for point in program.points)
        yield program.replace(constant=tuple(n for n in program.constant if n != name), points=points)
    if len(program.active) > 1:
        for name in program.active:
            points = tuple({k: v for k, v in point.items() if k != name} for point in program.points)
            yield program.replace(active=tuple(n for n in program.active if n != name), points=points)
    for name in program.parameters:
        for change in _value_changes(program.points[0][name]):
            try:
                yield program.replace(points=tuple({**p, name: change(p[name])} for p in program.points))
            except (IndexError, ValueError):
                continue
    for name, value in program.captured.items():
        for change in _value_changes(value):
            yield program.replace(captured={**program.captured, name: change(value)})


def _value_changes(value: Any) -> Iterator[Callable[[Any], Any]]:
    if not isinstance(value, np.ndarray):
        if isinstance(value, float):
            yield lambda v: round(v, 1)
        return
    for axis, length in enumerate(value.shape):
        if length > 1:
            yield lambda v, axis=axis: np.take(v, range(v.shape[axis] - 1), axis)  # type: ignore[misc]
    if value.ndim > 1:
        yield lambda v: v[0]
    if value.dtype.kind == "f":
        yield lambda v: v.round(1)
