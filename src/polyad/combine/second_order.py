"""``SecondOrder``: second derivatives by two backends, one differentiating what the other computes.

The mechanism of a pair follows from what each backend says of itself, and is chosen at preparation:

* *native*: both are of one framework, which differentiates its own derivatives.
* what the inner backend's ``portable`` makes of its gradient, for all other pairs: the engine, SymPy and
  CasADi run on the outer framework's arrays (*direct*), JAX's and torch's graphs are *replayed* on them,
  and whatever is left is asked for its own derivatives by the outer framework (*delegated*).
* *differences*, where one of the two is differences: of the other one's gradient, whichever of them is
  outside, for second derivatives commute.

A pair within a pair is a tower. Its derivatives of every order are those of the part that has this order:
first ones of the innermost backend, second ones of the innermost pair.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from polyad.combine.along import derivative_along, expansion, pushed
from polyad.combine.hosted import between, converted, hosted, moved
from polyad.combine.pair import Pair, Ready
from polyad.errors import ArgumentError, UnsupportedOperatorError
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem, strategy_of
from polyad.systems.derive import operators
from polyad.systems.registry import resolve

__all__ = ["SecondOrder"]


@dataclasses.dataclass(frozen=True, repr=False)
class SecondOrder(Pair):
    """Second derivatives by two backends: the outer one differentiates the derivative of the inner one.

    The function is one for the inner backend: NumPy code, or code of the inner one's framework. Products,
    Hessians and second derivatives are those of the pair; first derivatives are the inner backend's.

    Parameters
    ----------
    outer, inner : Backend or str
        Who differentiates the derivative, and who computes it; with a mode after the name
        (``"numpy:forward"``) or without. With a pair as ``inner`` it is a tower: ``SecondOrder(a,
        SecondOrder(b, c))`` has third derivatives along a direction (``taylor``), by ``a`` of those of ``b``
        of those of ``c``; first and second ones are the pair's.

    Notes
    -----
    With a forward and a reverse mode in both, Hessian-vector products are forward over reverse; where a
    backend finds pullbacks cheaper (torch, autograd) they are reverse over reverse. ``strategy`` says which
    mechanism a prepared object has.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> pair = ad.SecondOrder("numpy:forward", "numpy:reverse")
    >>> ad.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), v=np.ones(2), backend=pair)
    array([ 6., 12.])
    """

    name: ClassVar[str] = "second_order"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("outer", "inner"):
            if getattr(self, name) == "":
                raise ArgumentError(
                    f"SecondOrder takes two backends, and the {name} one is missing: SecondOrder('jax', "
                    "'torch') differentiates by JAX what torch differentiates first"
                )
            object.__setattr__(self, name, resolve(getattr(self, name)))
        if self.mode is not None:
            raise ArgumentError(
                "SecondOrder has the modes of its two backends: SecondOrder('jax:forward', 'jax:reverse')"
            )
        if isinstance(self._outer, SecondOrder):
            raise ArgumentError(
                "the outer one of SecondOrder is one backend: a tower is SecondOrder(a, SecondOrder(b, c))"
            )
        if self._tower and not self._inner.exact:
            raise ArgumentError(
                f"{self!r}: differences are not differentiated, so in a tower they are the outermost"
            )
        object.__setattr__(self, "lift", self._inner.lift)

    def __repr__(self) -> str:
        return f"SecondOrder({self.outer!r}, {self.inner!r})"

    # -- the mechanism ----------------------------------------------------------------------------------

    def _differentiable(
        self, problem: Problem, make: Callable[[Backend, Problem], Kernel], like: Any
    ) -> tuple[Problem, str]:
        """A first derivative as a problem of the outer backend; its ``aux`` is value and aux."""
        first, second = (self._outer, self._inner) if self._swapped else (self._inner, self._outer)
        if self._same:
            kernel = make(first, problem)
            call, words = kernel.call, "native"
        else:
            inside = converted(problem, first)
            inside.outputs  # noqa: B018  (whether the function is lifted is found out outside of any trace)
            kernel = make(first, inside)
            if not second.exact:
                ready = first.finish(kernel, inside, (), prepared=True)
                call, words = between(ready.full, first, second), f"differences, of {ready.strategy}"
            else:
                found = hosted(kernel, inside, first, second)
                call, words = found.call, found.words

        def f(x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
            result, y, aux = call(x, c)[:3]
            return result, (*y, *aux)

        return problem.derived(f, like(problem)), words

    def _typed(self, problem: Problem, y: Leaves) -> Leaves:
        """Values in their own dtypes, also where differences have computed them in a wider one."""
        if self.exact:
            return y
        return tuple(np.asarray(a, dtype=spec.dtype)[()] for a, spec in zip(y, problem.outputs, strict=True))

    def _second(self) -> Backend:
        return self._inner if self._swapped else self._outer

    def _product(self, problem: Problem, *, batched: bool) -> Kernel:
        if self._tower:
            return self._inside(problem, lambda b, p: b.hvp_batched(p) if batched else b.hvp(p))
        if self._same and self._inner.whole:
            return self._inner.hvp_batched(problem) if batched else self._inner.hvp(problem)
        gradient, words = self._differentiable(problem, lambda b, p: b.gradient(p), lambda p: p.inputs)
        outer, ways = self._second(), []
        pulls = outer.reverse and (outer.prefers_pullbacks or not outer.forward)
        # the Hessian is symmetric, so that a pullback of the gradient is the product itself
        way = operators.pullback if pulls else operators.pushforward
        product = way(outer, gradient, batched=batched)
        ways = [strategy_of(product), words]

        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            hv, g, aux = product(x, c, v)
            return hv, self._typed(problem, aux[:1]), aux[1:], g

        return self._worded(kernel, *ways)

    def _worded(self, kernel: Any, *words: str) -> Kernel:
        return Kernel(kernel, f"{words[0]} over {words[1]}")

    def hvp(self, problem: Problem) -> Kernel:
        return self._product(problem, batched=False)

    def hvp_batched(self, problem: Problem) -> Kernel:
        return self._product(problem, batched=True)

    def hessian(self, problem: Problem) -> Kernel:
        if self._tower:
            return self._inside(problem, lambda b, p: b.hessian(p))
        if self._same and self._inner.whole:
            return self._inner.hessian(problem)
        gradient, words = self._differentiable(problem, lambda b, p: b.gradient(p), lambda p: p.inputs)
        product = self._second().jacobian(gradient)

        def kernel(x: Leaves, c: Leaves) -> Any:
            blocks, g, aux = product(x, c)
            return blocks, self._typed(problem, aux[:1]), aux[1:], g

        return self._worded(kernel, strategy_of(product), words)

    def second_derivative(self, problem: Problem) -> Kernel:
        if self._tower:
            return self._inside(problem, lambda b, p: b.second_derivative(p))
        if self._same and self._inner.whole:
            return self._inner.second_derivative(problem)
        first, words = self._differentiable(problem, lambda b, p: b.derivative(p), lambda p: p.outputs)
        second = self._second().derivative(first)
        count = len(problem.outputs)

        def kernel(x: Leaves, c: Leaves) -> Any:
            d2y, dy, aux = second(x, c)
            return d2y, self._typed(problem, aux[:count]), aux[count:], dy

        return self._worded(kernel, strategy_of(second), words)

    # -- along a direction ------------------------------------------------------------------------------

    def taylor(self, problem: Problem, order: int) -> Kernel:
        if order > self.depth:
            raise UnsupportedOperatorError(
                f"{self!r} gives derivatives up to order {self.depth}, and {order} is asked for: take one "
                "more backend, SecondOrder(a, SecondOrder(b, c)), or Taylor coefficients by 'numpy' or 'jax'"
            )
        if order < self.depth:
            return self._inside(problem, lambda b, p: b.taylor(p, order))
        return expansion(self, problem, self.along)

    def along(self, problem: Problem) -> Kernel:
        """The derivative of the highest order along a direction; see ``combine.along``."""
        lower, words = self._differentiable(problem, derivative_along, lambda p: p.outputs)
        return pushed(self._second(), lower, words)

    # -- within another differentiation ------------------------------------------------------------------

    def portable(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, once: bool = False
    ) -> Kernel:
        ready = kernel.own
        if not isinstance(ready, Ready):
            return self._second().portable(kernel, problem, seeds, once=once)
        runner = self._outer if self._swapped else self._inner
        inside = tuple(moved(leaves, runner.library) for leaves in seeds)
        return runner.portable(ready.kernel, ready.problem, inside, once=once)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Any:
        raise UnsupportedOperatorError(
            f"{self!r} gives second derivatives: linearize with backend={self._inner!r}"
        )
