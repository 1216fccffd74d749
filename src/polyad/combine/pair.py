"""What a pair of backends is, apart from the derivatives that take both.

First derivatives are the inner backend's, between the arrays of the outer one. ``SecondOrder`` has the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from polyad.combine.hosted import between, converted, moved
from polyad.errors import OperationNotSupportedError, OutputTypeError
from polyad.systems.base import Backend
from polyad.systems.contract import Compression, Executable, Kernel, Leaves, Problem, strategy_of
from polyad.systems.derive import operators
from polyad.systems.derive.compressed import Tables

__all__ = ["Pair", "Ready"]


@dataclasses.dataclass(frozen=True, eq=False)
class Ready:
    """A kernel that needs no finishing: executables of the inner backend, with conversions around."""

    kernel: Kernel
    problem: Problem


@dataclasses.dataclass(frozen=True, repr=False)
class Pair(Backend):
    """Base class of a backend made of an outer and an inner one.

    Parameters
    ----------
    outer, inner : Backend or str
        Who differentiates the derivative, and who computes it.
    """

    outer: Backend | str = ""
    inner: Backend | str = ""

    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})

    # -- the pair -----------------------------------------------------------------------------------

    @property
    def _outer(self) -> Backend:
        assert isinstance(self.outer, Backend)
        return self.outer

    @property
    def _inner(self) -> Backend:
        assert isinstance(self.inner, Backend)
        return self.inner

    @property
    def _tower(self) -> bool:
        return isinstance(self._inner, Pair)

    @property
    def depth(self) -> int:
        """The highest order of derivatives: 2 of a pair."""
        return 1 + self._inner.depth if isinstance(self._inner, Pair) else 2

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
    def live(self) -> tuple[int, int]:  # type: ignore[override]
        return max(self._outer.live, self._inner.live)

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
    def freezes(self) -> bool:  # type: ignore[override]
        return self._outer.freezes and self._inner.freezes

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

    # -- first order, by the inner backend -----------------------------------------------------------

    def _inside(self, problem: Problem, make: Callable[[Backend, Problem], Kernel]) -> Kernel:
        runner = self._outer if self._swapped else self._inner
        inside = converted(problem, runner)
        kernel = make(runner, inside)
        return Kernel(kernel.call, strategy_of(kernel), own=Ready(kernel, inside))

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
        if self._tower:
            return self._inside(problem, lambda b, p: b.sparse_hessian(p, plan))
        if plan.pushes:
            return Backend.sparse_hessian(self, problem, plan)
        # without an entry there is nothing for the outer one to do
        return self._inside(problem, lambda b, p: Backend.sparse_hessian(b, p, plan))

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
        if not isinstance(ready, Ready):
            return host.finish(kernel, problem, seeds, prepared=prepared)
        runner = self._outer if self._swapped else self._inner
        inside = tuple(moved(leaves, runner.library) for leaves in seeds)
        given: tuple[Leaves, ...] = ()
        tables = getattr(ready.kernel, "own", None)
        if isinstance(tables, Tables):
            given = (tuple(runner.table(leaf, ready.problem) for leaf in tables.leaves),)
        made = runner.finish(ready.kernel, ready.problem, (*inside, *given), prepared=prepared)
        full = between(lambda *args: made.full(*args, *given), runner, host)
        result = between(lambda *args: (made.result(*args, *given),), runner, host)
        return Executable(full, lambda *args: result(*args)[0], made.strategy)

    def source(self, error: Exception) -> Exception:
        return self._outer.source(error)

    @property
    def for_numpy(self) -> str:
        return f", and for which SecondOrder({_name(self._outer)!r}, 'numpy') works"

    def explain(self, error: Exception) -> str | None:
        for found in (self._inner, self._outer):
            text = found.explain(error)
            if text is None:
                continue
            # of one framework either may have asked for what its forward mode lacks
            other = [
                dataclasses.replace(b, mode="reverse")
                if type(b) is type(found) and b.mode == "forward" and "reverse" in b.supports
                else b
                for b in (self._outer, self._inner)
            ]
            if other != [self._outer, self._inner]:
                text = f"{text}, in a pair {type(self).__name__}({other[0]!r}, {other[1]!r})"
            return text
        return None

    def placed(self, error: Exception) -> Exception:
        if isinstance(error, OutputTypeError) and not self._inner.native:
            return OutputTypeError(f"{error}{self.for_numpy}")
        ran = self._inner.native and bool(self._inner.requires) and bool(self._outer.requires)
        if not (ran and isinstance(error, OperationNotSupportedError)):
            return error
        # the inner one had no difficulty, so it is the outer one's
        return OperationNotSupportedError(
            f"{error}. This is {self!r}: SecondOrder('numpy', {_name(self._inner)!r}) works"
        )


def _name(backend: Backend) -> str:
    return backend.name if backend.mode is None else f"{backend.name}:{backend.mode}"


def _own_or_common(backend: Backend, name: str) -> Callable[..., Kernel]:
    """How a backend computes the entries by products; one that compresses by itself knows no products."""
    found: Callable[..., Kernel] = getattr(
        Backend if name in backend.compresses else type(backend), f"sparse_{name}"
    )
    return found
