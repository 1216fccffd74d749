"""A PyTorch function at one point: its graph is kept, and with it both products."""

from __future__ import annotations

import threading
from typing import Any

from polyad.systems.contract import Leaves, Linearized, Problem
from polyad.systems.torch.finish import scoped
from polyad.systems.torch.graph import (
    Choice,
    Graph,
    pull,
    push,
    push_by_rows,
    record,
    sweep,
    transposed,
    twice,
)
from polyad.systems.torch.state import STATE, watched

__all__ = ["linearized"]


def linearized(problem: Problem, x: Leaves, c: Leaves, *, chunk: int | None, attached: bool) -> Linearized:
    """The products with the Jacobian at ``x``; the function is evaluated here and never again.

    The transposed graph is built at the first pushforward. Kept graphs may be pulled back by
    several threads at once.
    """

    def keeps() -> bool:
        # a product inside of another derivative belongs to its graph, whenever this one was made
        return attached or STATE.depth > 0

    def result(leaves: Leaves) -> Leaves:
        return leaves if keeps() else tuple(a.detach() for a in leaves)

    import torch

    # what the graph keeps may be an array that the function captures, which its owner may write to
    with torch.autograd.graph.saved_tensors_hooks(lambda a: a.clone(), lambda a: a):
        graph: Graph = scoped(lambda x, c: watched(lambda: record(problem, x, c, attached)))(x, c)
    choice = Choice("", chunk)
    lock = threading.Lock()
    built: list[Graph] = []

    def dual() -> Graph:
        with lock:
            if not built:
                built.append(transposed(graph, choice))
        return built[0]

    @scoped
    def pull_one(w: Leaves) -> Leaves:
        return result(pull(graph.y, graph.x, w, create=keeps(), retain=True))

    @scoped
    def pull_many(w: Leaves) -> Leaves:
        def product(*w: Any) -> Leaves:
            return pull(graph.y, graph.x, w, create=keeps(), retain=True)

        return result(sweep(product, w, graph.x, choice))

    def pushed(v: Leaves, batched: bool) -> Leaves:
        dy = twice(choice, lambda: push(dual(), v, choice, batched=batched, create=keeps()))
        if dy is None:
            dy = push_by_rows(graph, v, choice, batched=batched, create=keeps())
        return result(dy)

    return Linearized(
        result(graph.y),
        tuple(a if attached or not hasattr(a, "detach") else a.detach() for a in graph.aux),
        scoped(lambda v: pushed(v, False)),
        pull_one,
        scoped(lambda v: pushed(v, True)),
        pull_many,
        "the kept graph, and the pullback of its pullback for pushforwards",
    )
