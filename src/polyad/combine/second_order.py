"""``SecondOrder``: second derivatives by two backends, one differentiating what the other computes.

The mechanism of a pair follows from what each backend says of itself, and is chosen at preparation:

* *native*: both are of one framework, which differentiates its own derivatives.
* what the inner backend's ``portable`` makes of its gradient, for all other pairs: the engine, SymPy and
  CasADi run on the outer framework's arrays (*direct*), JAX's and torch's graphs are *replayed* on them,
  and whatever is left is asked for its own derivatives by the outer framework (*delegated*).
* *differences*, where one of the two is differences: of the other one's gradient, whichever of them is
  outside, for second derivatives commute.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from polyad.combine.hosted import converted, hosted, moved
from polyad.errors import ArgumentError, UnsupportedOperatorError
from polyad.systems.base import Backend
from polyad.systems.contract import Compression, Executable, Kernel, Leaves, Problem, strategy_of
from polyad.systems.derive import operators
from polyad.systems.derive.compressed import Tables
from polyad.systems.registry import resolve

__all__ = ["SecondOrder"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Ready:
    """A kernel that needs no finishing: executables of the inner backend, with conversions around."""

    kernel: Kernel
    problem: Problem


@dataclasses.dataclass(frozen=True, repr=False)
class SecondOrder(Backend):
    """Second derivatives by two backends: the outer one differentiates the derivative of the inner one.

    The function is one for the inner backend: NumPy code, or code of the inner one's framework. Products,
    Hessians and second derivatives are those of the pair; first derivatives are the inner backend's.

    Parameters
    ----------
    outer, inner : Backend or str
        Who differentiates the derivative, and who computes it; with a mode after the name
        (``"numpy:forward"``) or without.

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

    outer: Backend | str = ""
    inner: Backend | str = ""

    name: ClassVar[str] = "second_order"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})

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
        object.__setattr__(self, "lift", self._inner.lift)

    def __repr__(self) -> str:
        return f"SecondOrder({self.outer!r}, {self.inner!r})"

    # -- the pair -----------------------------------------------------------------------------------

    @property
    def _outer(self) -> Backend:
        assert isinstance(self.outer, Backend)
        return self.outer

    @property
    def _inner(self) -> Backend:
        assert isinstance(self.inner, Backend)
        return self.inner

    @cached_property
    def _same(self) -> bool:
        return type(self._outer) is type(self._inner)

    @cached_property
    def _swapped(self) -> bool:
        """Whether the inner one is differences, which are then taken of the outer one's derivative."""
        return not self._inner.exact and not self._same

    @property
    def runner(self) -> Backend:
        return (self._outer if self._swapped else self._inner).runner

    # -- what is said of it -------------------------------------------------------------------------

    @property
    def _host(self) -> Backend:
        """Whose arrays come in and go out."""
        return self._inner if self._swapped else self._outer

    @property
    def library(self) -> str:  # type: ignore[override]
        return self._host.library

    @property
    def requires(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self._outer.requires, *self._inner.requires)

    @property
    def extra(self) -> str:  # type: ignore[override]
        return self._outer.extra or self._inner.extra

    @property
    def nestable(self) -> bool:  # type: ignore[override]
        return False

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return self._outer.exact and self._inner.exact

    @property
    def by_value(self) -> bool:  # type: ignore[override]
        return self._outer.by_value and self._inner.by_value

    @property
    def native(self) -> bool:  # type: ignore[override]
        return self.runner.native

    @property
    def complex_inputs(self) -> bool:  # type: ignore[override]
        return self._same and self._inner.complex_inputs

    @property
    def tolerances(self) -> tuple[float, float] | None:  # type: ignore[override]
        return self._outer.tolerances or self._inner.tolerances

    @property
    def refusals(self) -> Mapping[str, str]:
        return {**self._outer.refusals, **self._inner.refusals}

    @property
    def lifts_to(self) -> str | None:
        return self.runner.lifts_to

    @property
    def follows(self) -> str | None:
        return self.runner.follows

    @property
    def xp(self) -> Any:
        return self._host.xp

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
                call, words = _between(ready.full, first, second), f"differences, of {ready.strategy}"
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
        return Kernel(kernel, f"{words[0]} over {self._mechanism(words[1])}")

    def _mechanism(self, words: str) -> str:
        return words

    def hvp(self, problem: Problem) -> Kernel:
        return self._product(problem, batched=False)

    def hvp_batched(self, problem: Problem) -> Kernel:
        return self._product(problem, batched=True)

    def hessian(self, problem: Problem) -> Kernel:
        if self._same and self._inner.whole:
            return self._inner.hessian(problem)
        gradient, words = self._differentiable(problem, lambda b, p: b.gradient(p), lambda p: p.inputs)
        product = self._second().jacobian(gradient)

        def kernel(x: Leaves, c: Leaves) -> Any:
            blocks, g, aux = product(x, c)
            return blocks, self._typed(problem, aux[:1]), aux[1:], g

        return self._worded(kernel, strategy_of(product), words)

    def second_derivative(self, problem: Problem) -> Kernel:
        if self._same and self._inner.whole:
            return self._inner.second_derivative(problem)
        first, words = self._differentiable(problem, lambda b, p: b.derivative(p), lambda p: p.outputs)
        second = self._second().derivative(first)
        count = len(problem.outputs)

        def kernel(x: Leaves, c: Leaves) -> Any:
            d2y, dy, aux = second(x, c)
            return d2y, self._typed(problem, aux[:count]), aux[count:], dy

        return self._worded(kernel, strategy_of(second), words)

    # -- first order, by the inner backend -----------------------------------------------------------

    def _inside(self, problem: Problem, make: Callable[[Backend, Problem], Kernel]) -> Kernel:
        runner = self._outer if self._swapped else self._inner
        inside = converted(problem, runner)
        kernel = make(runner, inside)
        return Kernel(kernel.call, strategy_of(kernel), own=_Ready(kernel, inside))

    def value(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: b.value(p))

    def jvp(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: operators.pushforward(b, p))

    def jvp_batched(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: operators.pushforward(b, p, batched=True))

    def vjp(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: operators.pullback(b, p))

    def vjp_batched(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: operators.pullback(b, p, batched=True))

    def derivative(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: b.derivative(p))

    def gradient(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: b.gradient(p))

    def jacobian(self, problem: Problem) -> Kernel:
        return self._inside(problem, lambda b, p: b.jacobian(p))

    def sparse_jacobian(self, problem: Problem, plan: Compression) -> Kernel:
        return self._inside(problem, lambda b, p: _own_or_common(b, "jacobian")(b, p, plan))

    def sparse_hessian(self, problem: Problem, plan: Compression) -> Kernel:
        if plan.pushes:
            return Backend.sparse_hessian(self, problem, plan)
        # without an entry there is nothing for the outer one to do
        return self._inside(problem, lambda b, p: Backend.sparse_hessian(b, p, plan))

    def taylor(self, problem: Problem, order: int) -> Kernel:
        raise UnsupportedOperatorError(
            f"{self!r} gives first and second derivatives: take Taylor coefficients by 'numpy' or 'jax'"
        )

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Any:
        raise UnsupportedOperatorError(
            f"{self!r} gives second derivatives: linearize with backend={self._inner!r}"
        )

    # -- patterns ---------------------------------------------------------------------------------------

    def jacobian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        runner = self._outer if self._swapped else self._inner
        return runner.jacobian_sparsity(converted(problem, runner), local=local, dense=dense)

    def hessian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        runner = self._outer if self._swapped else self._inner
        return runner.hessian_sparsity(converted(problem, runner), local=local, dense=dense)

    # -- surroundings ----------------------------------------------------------------------------------

    def outputs(self, problem: Problem) -> Any:
        runner = self._outer if self._swapped else self._inner
        return runner.outputs(converted(problem, runner))

    def output(self, leaf: Any) -> Any:
        return self.runner.output(leaf)

    def take(self, a: Any, index: Any) -> Any:
        return self._host.take(a, index)

    def table(self, a: Any, problem: Problem) -> Any:
        return self._host.table(a, problem)

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        ready = getattr(kernel, "own", None)
        host = self._host
        if not isinstance(ready, _Ready):
            return host.finish(kernel, problem, seeds, prepared=prepared)
        runner = self._outer if self._swapped else self._inner
        inside = tuple(moved(leaves, runner.library) for leaves in seeds)
        given: tuple[Leaves, ...] = ()
        tables = getattr(ready.kernel, "own", None)
        if isinstance(tables, Tables):
            given = (tuple(runner.table(leaf, ready.problem) for leaf in tables.leaves),)
        made = runner.finish(ready.kernel, ready.problem, (*inside, *given), prepared=prepared)
        full = _between(lambda *args: made.full(*args, *given), runner, host)
        result = _between(lambda *args: (made.result(*args, *given),), runner, host)
        return Executable(full, lambda *args: result(*args)[0], made.strategy)

    def explain(self, error: Exception) -> str | None:
        return self._inner.explain(error) or self._outer.explain(error)


def _own_or_common(backend: Backend, name: str) -> Callable[..., Kernel]:
    """How a backend computes the entries by products; one that compresses by itself knows no products."""
    found: Callable[..., Kernel] = getattr(
        Backend if name in backend.compresses else type(backend), f"sparse_{name}"
    )
    return found


def _between(call: Callable[..., Any], inner: Backend, host: Backend) -> Callable[..., Any]:
    """A finished computation of the inner backend, on arrays that hold numbers of the other's library."""

    def run(*groups: Leaves) -> Any:
        outcome = call(*[moved(leaves, inner.library) for leaves in groups])
        return tuple(tuple(map(_writable, moved(group, host.library))) for group in outcome)

    return run


def _writable(leaf: Any) -> Any:
    """A result of the caller's own, where it would be a view of what the inner backend holds."""
    locked = isinstance(leaf, np.ndarray) and not leaf.flags.writeable
    return leaf.copy() if locked else leaf
