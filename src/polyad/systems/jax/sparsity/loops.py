"""Loops and choices in JAX's programs: step by step while that is cheap, else by what every step may do.

Beyond a number of steps, or where nobody knows how many there are, the sets of the carry grow until a step
adds nothing to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.engine.patterns.joining import joined
from polyad.engine.patterns.reading import reaches, size_of
from polyad.engine.patterns.rules import elementwise
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.systems.jax.sparsity.constants import known

if TYPE_CHECKING:
    from polyad.systems.jax.sparsity.program import ProgramReader

__all__ = ["choice", "scan", "while_loop"]

WORK = 20_000  # operations up to which loops are gone through step by step
ROUNDS = 100  # after which a carry that still grows counts as one of which everything depends on everything


def length_of(jaxpr: Any) -> int:
    """How many operations a program has, with those within."""
    total = 1
    for eqn in jaxpr.eqns:
        total += 1
        for inner in eqn.params.values():
            if hasattr(inner, "jaxpr"):
                total += length_of(inner.jaxpr)
            elif hasattr(inner, "eqns"):
                total += length_of(inner)
    return total


def choice(reader: ProgramReader, eqn: Any, args: list[Any], shapes: Any) -> list[Any]:
    """``cond``: the union of the branches, or the one that is known to be taken."""
    which, operands = args[0], args[1:]
    branches = eqn.params["branches"]
    if type(which) is not Supported:
        branches = [branches[int(np.clip(known(which), 0, len(branches) - 1))]]
    outcomes = [reader.run(b.jaxpr, b.consts, operands) for b in branches]
    if len(outcomes) == 1:
        return outcomes[0]
    found = []
    for parts, shape in zip(zip(*outcomes, strict=True), shapes, strict=True):
        example = np.broadcast_to(np.zeros(()), shape)
        found.append(reader.tangent(shape, elementwise(reader.analysis, parts, {}, example)))
    return found


def scan(reader: ProgramReader, eqn: Any, args: list[Any], shapes: Any) -> list[Any]:
    """``scan``: a loop over the first axis of ``xs``."""
    p = eqn.params
    body, length, backward = p["jaxpr"], p["length"], p["reverse"]
    first, second = p["num_consts"], p["num_consts"] + p["num_carry"]
    consts, carry, xs = args[:first], args[first:second], args[second:]
    if length * length_of(body.jaxpr) <= WORK:
        results: list[Any] = [None] * length
        for t in range(length - 1, -1, -1) if backward else range(length):
            out = reader.run(body.jaxpr, body.consts, [*consts, *carry, *(_item(reader, x, t) for x in xs)])
            carry, results[t] = list(map(known, out[: len(carry)])), out[len(carry) :]
        rows = shapes[len(carry) :]
        return [
            *carry,
            *(_stacked(reader, ys, s) for ys, s in zip(zip(*results, strict=True), rows, strict=True)),
        ]
    return _settled(reader, body, consts, carry, xs, shapes)


def while_loop(reader: ProgramReader, eqn: Any, args: list[Any], shapes: Any) -> list[Any]:
    """``while``: as long as what ends it is known, step by step."""
    p = eqn.params
    test, body = p["cond_jaxpr"], p["body_jaxpr"]
    first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    asked, consts, carry = args[:first], args[first:second], args[second:]
    work = 0
    while work <= WORK:
        work += length_of(body.jaxpr)
        (going,) = reader.run(test.jaxpr, test.consts, [*asked, *carry])
        if type(going) is Supported:
            break
        if not known(going):
            return carry
        carry = list(map(known, reader.run(body.jaxpr, body.consts, [*consts, *carry])))
    return _settled(reader, body, consts, carry, [], shapes)


def _item(reader: ProgramReader, x: Any, t: int) -> Any:
    if type(x) is not Supported:
        return known(x)[t]
    if x.sets is None:
        return reader.unknown(x.shape[1:])
    return reader.moved(x, lambda a: a[t], x.shape[1:])


def _stacked(reader: ProgramReader, parts: Sequence[Any], shape: Any) -> Any:
    if any(map(reaches, parts)):
        return reader.together(parts, np.stack, shape)
    if any(type(a) is Supported for a in parts):
        return reader.unknown(shape)
    return np.stack([known(a) for a in parts]) if parts else np.zeros(shape)


def _settled(
    reader: ProgramReader, body: Any, consts: list[Any], carry: list[Any], xs: list[Any], shapes: Any
) -> list[Any]:
    """After any number of steps."""
    from polyad.systems.jax.sparsity.program import ProgramReader

    entries = [*consts, *carry, *xs]
    kinds = ["const"] * len(consts) + ["carry"] * len(carry) + ["x"] * len(xs)
    sizes = [size_of(v.aval.shape) for v in body.jaxpr.invars]
    columns = sum(sizes)
    step = ProgramReader(Analysis(columns, local=False), reader.dense, primal=reader.primal)
    moving = list(map(reaches, entries))
    while True:
        inside, at = [], 0  # what goes into a step, and which of its sets it brings
        for a, kind, moves, v, size in zip(entries, kinds, moving, body.jaxpr.invars, sizes, strict=True):
            shape = tuple(v.aval.shape)
            if moves:
                inside.append(step.tangent(shape, IndexSets.identity(at, size, columns)))
            elif kind == "const" and type(a) is not Supported:
                inside.append(a)
            else:
                inside.append(step.unknown(shape))
            at += size
        out = step.run(body.jaxpr, body.consts, inside)
        # what a step makes of the carry goes into the next one
        more = [k for k in range(len(carry)) if reaches(out[k]) and not moving[len(consts) + k]]
        if not more:
            break
        for k in more:
            moving[len(consts) + k] = True
    starts = np.cumsum([0, *sizes])
    blocks = list(zip(starts, sizes, moving, kinds, strict=False))
    rows = [_rows(a, columns) for a in out]

    width = reader.analysis.columns
    steps = shapes[len(carry)][0] if xs and len(shapes) > len(carry) else (xs[0].shape[0] if xs else 0)

    def sets_of(a: Any, kind: str, size: int) -> IndexSets:
        if not reaches(a):
            return IndexSets.empty(size, width)
        if kind != "x":
            return a.sets
        return reader.along(a, (0,), a.shape[1:]).rows()  # whichever item it is

    given = [sets_of(a, kind, n) for a, (_, n, _, kind) in zip(entries, blocks, strict=True)]
    mine = slice(len(consts), len(consts) + len(carry))
    for turn in range(ROUNDS):
        around = joined(given) if len(given) > 1 else given[0]
        new = [old.united(_composed(b, around)) for old, b in zip(given[mine], rows, strict=False)]
        if all(a is b or _same(a, b) for a, b in zip(new, given[mine], strict=True)):
            break
        given[mine] = new
        if turn == ROUNDS - 1:
            whole = [reader.tangent((n,), g) for g, (_, n, _, _) in zip(given, blocks, strict=True)]
            given[mine] = [a.rows() for a in reader.everything(whole, [(s.rows,) for s in given[mine]])]
    found = [reader.tangent(s, g) for s, g in zip(shapes, given[mine], strict=False)]
    if len(shapes) == len(carry):
        return found
    # a result of step t depends on the carry, and of xs on item t
    apart = [
        IndexSets.empty(g.rows, width) if kind == "x" else g
        for g, (*_, kind) in zip(given, blocks, strict=True)
    ]
    around = joined(apart) if len(apart) > 1 else apart[0]
    for b, shape in zip(rows[len(carry) :], shapes[len(carry) :], strict=True):
        every = np.broadcast_to(np.arange(b.rows), (steps, b.rows))
        sets = _composed(b, around).gathered(every)
        ids, cols = _entries(b)
        for a, (start, n, moves, kind) in zip(entries, blocks, strict=True):
            if kind != "x" or not moves:
                continue
            here = (cols >= start) & (cols < start + n)
            t = np.arange(steps)[:, None]
            more = a.sets.mapped(t * b.rows + ids[here], t * n + cols[here] - start, steps * b.rows)
            sets = sets.united(more)
        found.append(reader.tangent(shape, sets))
    return found


def _rows(a: Any, columns: int) -> IndexSets:
    return a.rows() if type(a) is Supported else IndexSets.empty(size_of(a.shape), columns)


def _entries(sets: IndexSets) -> tuple[np.ndarray, np.ndarray]:
    indptr, indices = sets.csr()
    return np.repeat(np.arange(sets.rows), np.diff(indptr)), indices


def _composed(outer: IndexSets, inner: IndexSets) -> IndexSets:
    ids, columns = _entries(outer)
    return inner.mapped(ids, columns, outer.rows)


def _same(a: IndexSets, b: IndexSets) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a.csr(), b.csr(), strict=True))
