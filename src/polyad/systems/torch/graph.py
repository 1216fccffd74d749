"""Kept graphs of PyTorch computations, and sweeps of seeds through them.

* A graph is pulled back as often as is wanted without evaluating the function again.
* Its transpose, the pullback as a graph of its own (linear in the cotangent), pulls back to
  the pushforward. That is Townsend's "double backward trick" (2017).
* What torch lacks is found at the first run of a kernel and remembered: a backward pass that
  cannot be batched runs direction after direction, one that cannot be differentiated leaves the
  pushforward to the rows of the Jacobian.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from polyad.errors import FunctionNotSupportedError
from polyad.systems.contract import Leaves, Problem
from polyad.systems.derive.basis import BATCH_ENTRIES
from polyad.systems.torch.state import evaluate

__all__ = [
    "Choice",
    "Graph",
    "check_twice",
    "columns",
    "pull",
    "push",
    "push_by_rows",
    "record",
    "rows",
    "sweep",
    "sweeper",
    "transposed",
    "twice",
]


class Graph(NamedTuple):
    """Leaves, and what was computed from them."""

    x: Leaves
    y: Leaves
    aux: Leaves


class Choice:
    """How one kernel works, as far as its runs have shown."""

    def __init__(self, words: str, chunk: int | None) -> None:
        self.words = words
        self.chunk = chunk
        self.batched = True
        self.twice = True
        self.checked = False  # whether the backward pass was found to depend on its seed

    def __str__(self) -> str:
        """In words, for ``repr``."""
        text = self.words
        if not self.twice:
            text += ", by rows: the function has no second backward pass"
        if not self.batched:
            text += ", one direction after the other: its backward pass takes no batches"
        return text


def record(problem: Problem, x: Leaves, c: Leaves, attached: bool) -> Graph:
    """Evaluate the function on leaves of a new graph, or attached to the graph that they are in."""
    # Inside of a graph the leaves are aliases, because x may be among the constants as well.
    leaves = tuple([a.view_as(a) for a in x] if attached else [a.detach() for a in x])
    for leaf in leaves:
        if not leaf.requires_grad:
            leaf.requires_grad_()
            if attached:
                leaf.of_polyad = True
    y, aux = evaluate(problem, leaves, c)
    return Graph(leaves, y, aux)


@functools.cache
def sweeper() -> Callable[..., tuple[Any, ...]]:
    """``torch.autograd.grad(y, x, w, create_graph, retain_graph)`` of tuples, None for what is not connected.

    Half of what torch's own function takes for a short graph is to ask what its arguments may be: those here
    are plain tensors of double precision, mostly, and go to torch's engine at once. Where this torch has that
    in another place, or anything is unusual, it is torch's own function.
    """
    import torch

    general, plain, double = torch.autograd.grad, torch.Tensor, torch.float64
    run = _engine_of(torch)
    if run is None:
        return lambda y, x, w=None, create=False, retain=None: general(
            y, x, w, create_graph=create, retain_graph=retain, allow_unused=True
        )
    ones, moded = torch.ones_like, torch._C._is_torch_function_mode_enabled
    transforming = torch._C._are_functorch_transforms_active

    def sweep(y: Leaves, x: Leaves, w: Leaves | None = None, create: bool = False, retain: Any = None) -> Any:
        usual = not (moded() or transforming())
        if w is None:
            if usual and len(y) == 1 and type(y[0]) is plain and y[0].dtype is double and not y[0].shape:
                return run(
                    y,
                    (ones(y[0]),),
                    create if retain is None else retain,
                    create,
                    x,
                    True,
                    accumulate_grad=False,
                )
        elif usual:
            for a, b in zip(y, w, strict=True):
                if not (type(a) is type(b) is plain and a.dtype is b.dtype is double and a.shape == b.shape):
                    break
            else:
                return run(y, w, create if retain is None else retain, create, x, True, accumulate_grad=False)
        return general(y, x, w, create_graph=create, retain_graph=retain, allow_unused=True)

    return sweep


def _engine_of(torch: Any) -> Callable[..., tuple[Any, ...]] | None:
    """What ``torch.autograd.grad`` hands its arguments to, seen to do it; None where it is not there."""
    try:
        from torch.autograd.graph import _engine_run_backward as run

        with torch.inference_mode(False), torch.enable_grad():
            x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
            y = (x**2).sum()
            (g,) = run((y,), (torch.ones_like(y),), True, True, (x,), True, accumulate_grad=False)
            h, none = run((g,), (g,), False, False, (x, x[:1]), True, accumulate_grad=False)
        as_usual = g.requires_grad and not h.requires_grad and none is None and x.grad is None
        return run if as_usual and g.tolist() == [2.0, 4.0] and h.tolist() == [4.0, 8.0] else None
    except Exception:  # of another version of torch
        return None


def pull(
    y: Leaves, x: Leaves, w: Leaves | None, *, create: bool = False, retain: bool | None = None
) -> Leaves:
    """Cotangents of ``x`` under the cotangents ``w`` of ``y`` (None: of one); zeros where unconnected."""
    import torch

    if not all([a.requires_grad for a in y]):
        kept = [k for k, a in enumerate(y) if a.requires_grad]
        if not kept:
            return tuple([torch.zeros_like(a) for a in x])
        y = tuple([y[k] for k in kept])
        w = None if w is None else tuple([w[k] for k in kept])
    found = sweeper()(y, x, w, create, retain)
    return tuple([torch.zeros_like(a) if g is None else g for g, a in zip(found, x, strict=True)])


class NotTwice(FunctionNotSupportedError):
    """A backward pass that cannot be differentiated."""

    lost = False


# classes of nodes by whose names no derivative is refused: whether they are leaves
_KINDS: dict[type, bool] = {}


def check_twice(g: Leaves, w: Leaves) -> None:
    """Refuse cotangents that should depend on their seed and do not.

    The pullback is linear in its seed, so that what does not depend on it is zero. A custom
    ``autograd.Function`` whose backward leaves torch gives a constant instead, and one that is
    marked as ``once_differentiable`` a graph that leads nowhere: zero derivatives, without a word.
    """
    # a leaf stands in graphs as the node that accumulates into it
    wanted = set(map(id, w))
    for a in g:
        blocked, reached = False, id(a) in wanted
        todo = [] if a.grad_fn is None else [a.grad_fn]
        seen = set(todo)
        for node in todo:
            kind = type(node)
            ends = _KINDS.get(kind)
            if ends is None:
                name, ends = node.name(), hasattr(kind, "variable")
                if "DelayedError" in name:
                    blocked = True
                elif ends or name == kind.__name__:
                    _KINDS[kind] = ends
            if ends:
                reached = reached or id(node.variable) in wanted
                continue
            for parent, _ in node.next_functions:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
        if blocked or (not (a.requires_grad and reached) and bool(a.any())):
            raise NotTwice(
                "the backward pass of an autograd.Function in it cannot be differentiated: compute its "
                "backward with torch operations on tensors that were saved with ctx.save_for_backward, "
                "and without once_differentiable"
            )


def transposed(graph: Graph, choice: Choice | None = None) -> Graph:
    """The graph of the pullback as a function of the cotangent, at any cotangent (it is linear)."""
    import torch

    w = tuple([torch.ones_like(a).detach().requires_grad_() for a in graph.y])
    for leaf in w:
        leaf.of_polyad = True  # type: ignore[attr-defined]
    g = pull(graph.y, graph.x, w, create=True)
    if choice is not None and not choice.checked:
        check_twice(g, w)
        choice.checked = True
    return Graph(w, g, ())


def sweep(product: Callable[..., Leaves], seeds: Leaves, like: Leaves, choice: Choice) -> Leaves:
    """A product along the leading axis of its seeds."""
    import torch

    count = seeds[0].shape[0]
    if count == 0:
        return tuple(a.new_zeros((0, *a.shape)).detach() for a in like)
    if count == 1:
        return tuple(a[None] for a in product(*[s[0] for s in seeds]))
    if choice.batched:
        chunk = _chunk(choice, (*like, *(s[0] for s in seeds)))
        try:
            return torch.func.vmap(product, chunk_size=chunk if chunk < count else None)(*seeds)
        except RuntimeError:
            # there are many words for what vmap cannot do; if the reason is another, it comes again
            pass
    each = [product(*[s[k] for s in seeds]) for k in range(count)]
    choice.batched = False
    return tuple(torch.stack(parts) for parts in zip(*each, strict=True))


def _chunk(choice: Choice, arrays: Leaves) -> int:
    """Directions per batch, each of which takes arrays of these sizes."""
    return choice.chunk or max(1, BATCH_ENTRIES // max(1, sum(a.numel() for a in arrays)))


def _sweep_units(
    product: Callable[..., Leaves], out: Any, like: Leaves, choice: Choice, *, unit: complex, create: bool
) -> Leaves:
    """A product along all unit vectors of an output, each batch of them written to its place at once.

    So neither the unit vectors nor the results are there twice. What is to be differentiated further is put
    together by torch.
    """
    import torch

    count, chunk = out.numel(), _chunk(choice, (*like, out))
    if create or count <= chunk:
        units = torch.eye(count, dtype=out.dtype, device=out.device).reshape((count, *out.shape))
        return sweep(product, (units if unit == 1 else unit * units,), like, choice)
    whole: Leaves = ()
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        units = torch.zeros((stop - start, count), dtype=out.dtype, device=out.device)
        units.diagonal(start).fill_(unit)
        parts = sweep(product, (units.reshape((stop - start, *out.shape)),), like, choice)
        whole = whole or tuple(part.new_empty((count, *part.shape[1:])) for part in parts)
        for place, part in zip(whole, parts, strict=True):
            place[start:stop] = part
    return whole


def rows(y: Leaves, x: Leaves, choice: Choice, *, create: bool = False) -> list[list[Any]]:
    """The adjoint Jacobian ``conj(dy/dx)`` in blocks ``[output][input]`` of shape ``output + input``."""
    import torch

    blocks: list[list[Any]] = []
    real = not all(a.is_complex() for a in x)
    for out in y:

        def product(w: Any, out: Any = out) -> Leaves:
            return pull((out,), x, (w,), create=create, retain=True)

        swept = _sweep_units(product, out, x, choice, unit=1, create=create)
        if out.is_complex() and real:
            # a real input's cotangent is the real part: the imaginary part takes a seed of its own
            turned = _sweep_units(product, out, x, choice, unit=1j, create=create)
            swept = tuple(
                r if a.is_complex() else r - 1j * i for r, i, a in zip(swept, turned, x, strict=True)
            )
        blocks.append(
            [
                r.reshape((*out.shape, *a.shape)).to(torch.promote_types(out.dtype, a.dtype))
                for r, a in zip(swept, x, strict=True)
            ]
        )
    return blocks


def columns(graph: Graph, choice: Choice, *, create: bool = False) -> list[list[Any]]:
    """The Jacobian in blocks ``[output][input]``, by one pushforward per input entry."""
    dual = transposed(graph, choice)
    blocks = rows(dual.y, dual.x, choice, create=create)
    return [
        [
            blocks[i][j].reshape(a.numel(), out.numel()).T.reshape((*out.shape, *a.shape))
            for i, a in enumerate(graph.x)
        ]
        for j, out in enumerate(graph.y)
    ]


def twice(choice: Choice, compute: Callable[[], Any]) -> Any:
    """What a computation with two backward passes gives, or None where the second has no formula."""
    if choice.twice:
        try:
            return compute()
        except (RuntimeError, NotTwice) as error:
            if not _is_not_twice(error):
                raise
            choice.twice = False
    return None


def _is_not_twice(error: Exception) -> bool:
    text = str(error)
    missing = isinstance(error, NotImplementedError) and "the derivative for" in text
    return missing or isinstance(error, NotTwice)


def push(dual: Graph, v: Leaves, choice: Choice, *, batched: bool, create: bool = False) -> Leaves:
    """Tangents along ``v``, or along each of a batch, through the transposed graph."""

    def product(*v: Any) -> Leaves:
        return pull(dual.y, dual.x, v, create=create, retain=True)

    return sweep(product, v, dual.x, choice) if batched else product(*v)


def push_by_rows(graph: Graph, v: Leaves, choice: Choice, *, batched: bool, create: bool = False) -> Leaves:
    """The same by the rows of the Jacobian, for graphs that have no second backward pass."""
    return tuple(
        sum(
            _contract(block.conj(), leaf, a.dim(), batched)
            for block, leaf, a in zip(row, v, graph.x, strict=True)
        )
        for row in rows(graph.y, graph.x, choice, create=create)
    )


def _contract(block: Any, v: Any, axes: int, batched: bool) -> Any:
    """A block of a Jacobian applied to a tangent, or to each of a batch."""
    outer, inner = block.shape[: block.dim() - axes], block.shape[block.dim() - axes :]
    flat = block.reshape((math.prod(outer), math.prod(inner)))
    v = v.reshape((v.shape[0] if batched else 1, math.prod(inner))).to(flat.dtype)
    products = (v @ flat.T).reshape((v.shape[0], *outer))
    return products if batched else products[0]
