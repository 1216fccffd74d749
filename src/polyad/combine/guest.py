"""A backend's derivatives inside of another framework's: what an inner operator becomes there.

The function around computes with boxes, or with its framework's arrays. An inner derivative by a backend that
cannot follow these is made on plain examples of the same shapes, and what it does is computed on the boxes
(``Backend.portable``). What the inner function captures of the differentiation around it is made an argument.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import is_followed, library_of
from polyad.arrays.trees import flatten
from polyad.combine.hosted import converted
from polyad.errors import UnsupportedOperatorError
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem

__all__ = ["Guest", "exposed"]

Make = Callable[[Backend, Problem], Kernel]


@dataclasses.dataclass(frozen=True, repr=False)
class Guest(Backend):
    """Another backend, inside of a framework that it cannot follow.

    Parameters
    ----------
    backend : Backend
        Who differentiates inside.
    """

    backend: Backend

    name: ClassVar[str] = "guest"
    hosts: ClassVar[bool] = True
    nestable: ClassVar[bool] = False

    def __repr__(self) -> str:
        return repr(self.backend)

    @property
    def runner(self) -> Backend:
        return self.backend.runner

    @property
    def forward(self) -> bool:
        return self.backend.forward

    @property
    def reverse(self) -> bool:
        return self.backend.reverse

    @property
    def lifts_to(self) -> str | None:
        return self.backend.lifts_to

    @property
    def follows(self) -> str | None:
        return self.backend.follows

    def output(self, leaf: Any) -> Any:
        return self.backend.output(leaf)

    def outputs(self, problem: Problem) -> Any:
        return self.backend.outputs(self._inside(problem))

    def explain(self, error: Exception) -> str | None:
        return self.backend.explain(error)

    def _inside(self, problem: Problem) -> Problem:
        """The problem on plain examples."""
        plain = dataclasses.replace(
            problem, x=tuple(map(_example, problem.x)), c=tuple(map(_example, problem.c))
        )
        return converted(plain, self.backend)

    def _made(self, problem: Problem, make: Make) -> Kernel:
        inner = self.backend

        def call(x: Leaves, c: Leaves, *seeds: Leaves) -> Any:
            inside = self._inside(dataclasses.replace(problem, x=x, c=c))
            inside.outputs  # noqa: B018  (whether the function is lifted is found out first)
            given = tuple(
                converted(dataclasses.replace(inside, x=_examples(s), c=()), inner).x for s in seeds
            )
            once = not any(map(_is_symbolic, (*x, *c)))
            return inner.portable(make(inner, inside), inside, given, once=once).call(x, c, *seeds)

        return Kernel(call, f"{inner!r} inside of another framework")

    def value(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.value(p))

    def jvp(self, problem: Problem) -> Kernel:
        from polyad.systems.derive.operators import pushforward

        return self._made(problem, pushforward)

    def jvp_batched(self, problem: Problem) -> Kernel:
        from polyad.systems.derive.operators import pushforward

        return self._made(problem, functools.partial(pushforward, batched=True))

    def vjp(self, problem: Problem) -> Kernel:
        from polyad.systems.derive.operators import pullback

        return self._made(problem, pullback)

    def vjp_batched(self, problem: Problem) -> Kernel:
        from polyad.systems.derive.operators import pullback

        return self._made(problem, functools.partial(pullback, batched=True))

    def derivative(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.derivative(p))

    def gradient(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.gradient(p))

    def jacobian(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.jacobian(p))

    def second_derivative(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.second_derivative(p))

    def hvp(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.hvp(p))

    def hvp_batched(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.hvp_batched(p))

    def hessian(self, problem: Problem) -> Kernel:
        return self._made(problem, lambda b, p: b.hessian(p))

    def taylor(self, problem: Problem, order: int) -> Kernel:
        return self._made(problem, lambda b, p: b.taylor(p, order))

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Any:
        raise UnsupportedOperatorError(
            f"{self!r} cannot keep a linearization inside of another framework: use jvp or vjp there, or "
            "backend='numpy'"
        )


def _is_symbolic(leaf: Any) -> bool:
    """Whether a leaf is in a box of a framework that cannot ask another one while it computes."""
    from polyad.engine import lift

    owner = library_of(leaf)
    array = lift.array_in(leaf) if owner is not None and owner.boxes else None
    inside = None if array is None else library_of(array)
    return inside is not None and inside.symbolic


def _examples(leaves: Leaves) -> Leaves:
    return tuple(map(_example, leaves))


def _example(leaf: Any) -> Any:
    """A plain array like a leaf: its numbers where there are some now, else ones."""
    owner = library_of(leaf)
    if owner is None or not (owner.boxes or owner.is_traced(leaf)):
        return leaf
    from polyad.engine import lift

    found = lift.numbers_in(leaf)
    shape, dtype = tuple(leaf.shape), np.dtype(leaf.dtype)
    if found is None:
        return np.ones(shape, dtype=dtype)[()] if shape == () else np.ones(shape, dtype=dtype)
    return np.array(found, dtype=dtype).reshape(shape)


def exposed(f: Callable[..., Any], count: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A function whose captured values that something follows are arguments, and these values.

    Parameters
    ----------
    f : callable
        The inner function.
    count : int
        How many arguments it takes.
    """
    if not isinstance(f, types.FunctionType) or not f.__closure__:
        return f, ()
    places, values = [], []
    for k, cell in enumerate(f.__closure__):
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if library_of(content) is not None and is_followed(content):
            places.append(k)
            values.append(content)
        elif isinstance(content, tuple | list | dict) and any(map(is_followed, flatten(content)[0])):
            places.append(k)
            values.append(content)
    if not places:
        return f, ()

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        assert f.__closure__ is not None
        cells = list(f.__closure__)
        for place, value in zip(places, args[count:], strict=True):
            cells[place] = types.CellType(value)
        made = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, tuple(cells))
        made.__kwdefaults__ = f.__kwdefaults__
        return made(*args[:count])

    return call, tuple(values)
