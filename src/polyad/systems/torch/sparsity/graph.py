"""Patterns of torch functions: the graph (FX) of the derivative is read on index sets, never that of f.

It is the graph of ``torch.func.jvp``; where that does not work, as for a custom ``autograd.Function`` of the
old form, that of the pullback, whose pattern is the transposed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from polyad.engine.patterns.joining import joined
from polyad.engine.patterns.reading import Reader, reaches, size_of
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.errors import OperationNotSupportedError, PatternError, PolyadError
from polyad.systems.contract import Leaves, Problem
from polyad.systems.torch.sparsity.rules import BLANK, ELEMENTWISE, MOVES, RULES, Context
from polyad.systems.torch.sparsity.values import REMEDY, closed, in_coordinates
from polyad.systems.torch.state import FORWARD_LOCK, STATE, forward_formulas

__all__ = ["hessian_sets", "jacobian_sets"]

LARGEST = 1 << 27  # entries of a constant that is still computed
BRANCH = "get value out of a tracing tensor"

# from active leaves, constants and a direction to the derivative along it
Product = Callable[[Leaves, Leaves, Leaves], Sequence[Any]]


def jacobian_sets(problem: Problem, *, local: bool, dense: bool) -> IndexSets:
    """Of each output entry, which input entries its derivative depends on."""
    import torch

    f = problem.f

    def push(x: Leaves, c: Leaves, v: Leaves) -> Sequence[Any]:
        tangents: Sequence[Any] = torch.func.jvp(lambda *x: f(x, c)[0], x, v)[1]
        return tangents

    def pull(x: Leaves, c: Leaves, w: Leaves) -> Sequence[Any]:
        leaves = tuple(a.detach().requires_grad_() for a in x)
        with torch.enable_grad():
            y = f(leaves, c)[0]
        return _grad(y, leaves, w)

    try:
        return pattern_of(problem, push, problem.x, local=local, dense=dense)
    except RuntimeError as error:
        if isinstance(error, PolyadError):
            raise
        like = tuple(torch.zeros(s.shape, dtype=_dtype(s.dtype)) for s in problem.outputs)
        found = pattern_of(problem, pull, like, local=local, dense=dense)
        return found.transposed()


def hessian_sets(problem: Problem, *, local: bool, dense: bool) -> IndexSets:
    """Of each entry of the gradient, which input entries it depends on."""
    import torch

    f = problem.f

    def push(x: Leaves, c: Leaves, v: Leaves) -> Sequence[Any]:
        gradient = torch.func.grad(lambda x: f(x, c)[0][0])
        tangents: Sequence[Any] = torch.func.jvp(lambda *x: gradient(x), x, v)[1]
        return tangents

    def pull(x: Leaves, c: Leaves, v: Leaves) -> Sequence[Any]:
        leaves = tuple(a.detach().requires_grad_() for a in x)
        with torch.enable_grad():
            g = _grad(f(leaves, c)[0], leaves, None, create=True)
            return _grad(g, leaves, v)

    try:
        return pattern_of(problem, push, problem.x, local=local, dense=dense)
    except RuntimeError as error:
        if isinstance(error, PolyadError):
            raise
        return pattern_of(problem, pull, problem.x, local=local, dense=dense)


def _grad(y: Sequence[Any], x: Leaves, w: Leaves | None, *, create: bool = False) -> list[Any]:
    import torch

    kept = [k for k, a in enumerate(y) if a.requires_grad]
    if not kept:
        return [torch.zeros_like(a) for a in x]
    seeds = None if w is None else [w[k] for k in kept]
    found = torch.autograd.grad([y[k] for k in kept], x, seeds, create_graph=create, allow_unused=True)
    return [torch.zeros_like(a) if g is None else g for g, a in zip(found, x, strict=True)]


def _dtype(dtype: Any) -> Any:
    import torch

    return getattr(torch, np.dtype(dtype).name)


def pattern_of(problem: Problem, product: Product, seeds: Leaves, *, local: bool, dense: bool) -> IndexSets:
    """The pattern of the linear map ``product(x, c, v)`` in ``v``, of which ``seeds`` are examples."""
    import torch

    x = tuple(_tensor(a).detach() for a in problem.x)
    c = tuple(a.detach() if isinstance(a, torch.Tensor) else a for a in problem.c)
    free = [] if local else [k for k, a in enumerate(c) if _is_float(a)]
    given = () if local else (*x, *(_tensor(c[k]) for k in free))
    v = tuple(torch.ones_like(_tensor(a)) for a in seeds)

    def flat(*leaves: Any) -> list[Any]:
        whole = list(c)
        for k, leaf in zip(free, leaves[len(x) : len(given)], strict=True):
            whole[k] = leaf
        point = x if local else leaves[: len(x)]
        return list(product(point, tuple(whole), leaves[len(given) :]))

    columns = sum(int(a.numel()) for a in v)
    for decomposed in (False, True):
        graph = _traced(flat, (*given, *v), decomposed=decomposed, local=local)
        reader = _GraphReader(Analysis(columns, local=local), dense and decomposed)
        entered: list[Any] = [reader.unknown(a.shape) for a in given]
        start = 0
        for leaf in v:
            entered.append(reader.tangent(leaf.shape, IndexSets.identity(start, leaf.numel(), columns)))
            start += leaf.numel()
        try:
            found = reader.run(graph, entered)
        except PatternError:
            if decomposed:
                raise
            continue
        break
    parts = [a.rows() if type(a) is Supported else IndexSets.empty(int(a.numel()), columns) for a in found]
    return joined(parts) if len(parts) > 1 else parts[0]


def _traced(flat: Callable[..., list[Any]], leaves: Leaves, *, decomposed: bool, local: bool) -> Any:
    """The graph of a function, without writes to arrays."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    table: Any = None
    if decomposed:
        from torch._decomp import core_aten_decompositions

        table = core_aten_decompositions()
    forward_formulas()
    STATE.tracing = True
    try:
        with FORWARD_LOCK, in_coordinates(), nullcontext() if local else closed():
            graph: Any = make_fx(flat, decomposition_table=table, _error_on_data_dependent_ops=not local)(
                *leaves
            )
            if any(_writes(node) for node in graph.graph.nodes):
                graph = make_fx(torch.func.functionalize(graph))(*leaves)
    except RuntimeError as error:
        if BRANCH in str(error):
            raise OperationNotSupportedError(
                "a branch, a loop or a number depends on the value of a tensor, and a pattern that holds for "
                "every input has none: use torch.where, whose pattern is that of both branches, or "
                "local=True for the pattern at this point"
            ) from error
        raise
    finally:
        STATE.tracing = False
    graph.graph.eliminate_dead_code()
    return graph


def _writes(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _tensor(a: Any) -> Any:
    import torch

    return a if isinstance(a, torch.Tensor) else torch.as_tensor(a)


def _is_float(a: Any) -> bool:
    dtype = getattr(a, "dtype", None)
    return isinstance(a, float | complex) or bool(
        dtype is not None and (dtype.is_floating_point or dtype.is_complex)
    )


def _flat(args: Any) -> Iterator[Any]:
    for a in args:
        if isinstance(a, list | tuple):
            yield from _flat(a)
        else:
            yield a


def _counts(node: Any, index: Any) -> bool:
    """Whether the form of a result depends on values, one of which is not known."""
    import torch

    if torch.Tag.dynamic_output_shape not in getattr(node.target, "tags", ()):
        return False
    if node.target._schema.name == "aten::linalg_lstsq":  # its residuals only
        return False
    if node.target._schema.name != "aten::index":
        return True
    masks = [n is not None and n.meta["val"].dtype in (torch.bool, torch.uint8) for n in node.args[1]]
    return any(is_mask and type(k) is Supported for is_mask, k in zip(masks, index, strict=True))


class _GraphReader(Reader):
    """A graph, read: values are tensors where they are known, else ``Supported``."""

    def __init__(self, analysis: Analysis, dense: bool) -> None:
        super().__init__(analysis, dense, "torch")

    def run(self, graph: Any, entered: Sequence[Any]) -> list[Any]:
        import operator

        import torch
        from torch.fx.node import map_arg

        known: dict[Any, Any] = {}
        given = iter(entered)
        with torch.no_grad():
            for node in graph.graph.nodes:
                if node.op == "placeholder":
                    known[node] = next(given)
                elif node.op == "get_attr":
                    known[node] = getattr(graph, node.target).detach()
                elif node.op == "output":
                    return [known[a] for a in node.args[0]]
                else:
                    args = map_arg(node.args, known.__getitem__)
                    kwargs = map_arg(node.kwargs, known.__getitem__)
                    if node.target is operator.getitem:
                        known[node] = args[0][args[1]]
                    else:
                        known[node] = self._result(node, args, kwargs)
        raise AssertionError("a graph without an output")

    def _result(self, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        target = node.target
        value = node.meta.get("val")
        several = isinstance(value, list | tuple)
        shapes = [
            () if v is None else tuple(getattr(v, "shape", ())) for v in (value if several else [value])
        ]
        flat = list(_flat((*args, *kwargs.values())))
        name = target._schema.name.split("::")[-1] if hasattr(target, "_schema") else str(target)
        if not any(type(a) is Supported for a in flat):
            random = torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())
            if not random and sum(map(size_of, shapes)) < LARGEST:
                return target(*args, **{k: a for k, a in kwargs.items() if k != "device"})
        if name in BLANK and not several:
            fill: Any = args[1] if BLANK[name] is None else BLANK[name]
            if type(fill) is not Supported:
                return torch.full(shapes[0], fill, dtype=value.dtype)
        if not self.analysis.local and _counts(node, args[1] if len(args) > 1 else ()):
            raise OperationNotSupportedError(
                f"the result of torch's {name}, at values that depend on an argument, has a form that "
                f"depends on them, so that it has no pattern: {REMEDY}"
            )
        if not any(map(reaches, flat)):
            found = [self.unknown(s) for s in shapes]
            return found if several else found[0]
        call = Context(self, target, args, kwargs, shapes, several)
        if name in ELEMENTWISE:
            return call.elementwise()
        if name in MOVES and call.alone():
            return call.moved()
        rule = RULES.get(name)
        result = None if rule is None else rule(call)
        if result is None:
            if not self.dense:
                raise self.refused(f"aten::{name}")
            made = self.everything(flat, shapes)
            return made if several else made[0]
        return result
