"""JAX's own loops and choices, on JAX's arrays."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from polyad.engine.interpretations.looping import Choice, Repeated, Steps
from polyad.engine.interpretations.scipy_values import Hosting
from polyad.systems.jax.remat import body_of

__all__ = ["JAXLoops"]

Arrays = Sequence[Any]


class JAXLoops(Hosting):
    """``jax.lax.scan``, ``while_loop`` and ``switch``."""

    loops = True

    def has_values(self, a: Any) -> bool:
        jax = sys.modules["jax"]
        if not isinstance(a, jax.core.Tracer):
            return True
        try:  # one that is only differentiated has values, one that is traced for compilation has none
            return bool((a.ravel()[:1] == 0).all() | True)
        except jax.errors.ConcretizationTypeError:
            return False

    def shapes(self, f: Callable[[Arrays], list[Any]], arrays: Arrays) -> None:
        sys.modules["jax"].eval_shape(f, list(arrays))

    def scan(self, loop: Steps) -> tuple[list[Any], list[Any]]:
        body, carry, xs, length, segments = loop.body, loop.carry, loop.xs, loop.length, loop.segments
        reverse = loop.reverse
        jax = sys.modules["jax"]
        lax, tree_map = jax.lax, jax.tree_util.tree_map

        def part(carry: Any, xs: Any, count: int) -> Any:
            return lax.scan(lambda c, x: body(c, x), carry, xs, length=count, reverse=reverse)

        if not segments:
            body = body_of(body, carry, xs)
            found: tuple[list[Any], list[Any]] = part(list(carry), list(xs), length)
            return found
        # the carry is kept at the beginning of every segment; the rest is computed again
        size = math.ceil(length / segments)
        whole, rest = divmod(length, size)
        edge = rest if reverse else whole * size
        ends = [tree_map(lambda a: a[:edge], list(xs)), tree_map(lambda a: a[edge:], list(xs))]
        parted, left = (ends[1], ends[0]) if reverse else (ends[0], ends[1])
        parted = tree_map(lambda a: a.reshape(whole, size, *a.shape[1:]), parted)
        segment = jax.checkpoint(lambda c, x: part(c, x, size))
        state, ys = lax.scan(segment, list(carry), parted, length=whole, reverse=reverse)
        ys = tree_map(lambda a: a.reshape(whole * size, *a.shape[2:]), ys)
        if rest:
            state, more = jax.checkpoint(lambda c, x: part(c, x, rest))(state, left)
            pairs = (more, ys) if reverse else (ys, more)
            ys = tree_map(lambda a, b: jax.numpy.concatenate([a, b]), *pairs)
        return state, ys

    def while_loop(self, loop: Repeated) -> list[Any]:
        cond, body, carry, max_steps = loop.cond, loop.body, loop.carry, loop.max_steps
        jax = sys.modules["jax"]
        lax, numpy = jax.lax, jax.numpy
        if max_steps is None:
            found: list[Any] = lax.while_loop(cond, body, list(carry))
            return found

        # Of so many steps at most: those after the last are left out. Segments that are not reached are left
        # out as a whole, and reverse mode keeps the carry at their beginnings only.
        def step(state: Any, _: Any) -> Any:
            return lax.cond(cond(state), body, list, state), None

        size = max(1, round(max_steps**0.5))

        def segment(state: Any, _: Any) -> Any:
            def run(state: Any) -> Any:
                return lax.scan(step, state, None, length=size)[0]

            return lax.cond(cond(state), run, list, state), None

        whole, rest = divmod(max_steps, size)
        state, _ = lax.scan(jax.checkpoint(segment), list(carry), None, length=whole)
        state, _ = lax.scan(step, state, None, length=rest)
        # then there is no result, and no derivative either
        lost = numpy.where(cond(state), numpy.nan, 1.0)
        return [a * lost.astype(a.dtype) if a.dtype.kind in "fc" else a for a in state]

    def choose(self, choice: Choice) -> list[Any]:
        lax, arrays = sys.modules["jax"].lax, list(choice.arrays)
        if choice.truth:
            no, yes = choice.functions
            found: list[Any] = lax.cond(choice.choice != 0, yes, no, arrays)
        else:
            found = lax.switch(choice.choice, list(choice.functions), arrays)
        return found
