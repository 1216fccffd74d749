"""Linearization: the value, and products with the Jacobian at one point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import flatten
from polyad.call.degenerate import has_limits, is_degenerate, is_undefined, linear_by_engine, tell
from polyad.call.function.foreign_traces import guests
from polyad.call.inputs.arguments import Static
from polyad.call.inputs.scratch import Cache
from polyad.call.inputs.seeds import Seeds
from polyad.call.prepared import Prepared
from polyad.call.undefined import has_nan, tell_undefined
from polyad.engine.notices import SEEN
from polyad.errors import DegenerateError
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Linearized, Problem

__all__ = ["Linearization", "kept", "linearize"]


class Linearization(Prepared):
    """The Jacobian at one point, as two products; made by ``linearize``.

    ``jvp(v)`` and ``vjp(w)`` apply it and its adjoint without evaluating the function again; with
    ``batched=True`` to many directions at once. It never changes, so threads may share it.
    """

    operator = "linearize"
    gives = "output"
    differentiates = False
    listed = False

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.value(problem)

    def _prepare(self, args: tuple[Any, ...], seed: Any) -> None:
        # the caller may write to their arrays before asking for a product
        self._examples = tuple(map(kept, args))
        before = SEEN.count
        super()._prepare(self._examples, seed)
        problem = self.problem
        problem.outputs  # noqa: B018  (learned while errors are explained)
        self._limits, self._seen = has_limits(self), SEEN.count > before
        # which products are looked at for entries that are not numbers: the first of each
        self._unseen = {"v", "w"} if self.backend.exact else set()
        try:
            self._linear: Linearized = self.backend.linearize(problem, problem.x, problem.c)
        except Exception as error:
            self._linear = self._instead_of(error)

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], **options: Any) -> None:
        super().__init__(f, args, once=True, **options)
        outputs = self.problem.outputs
        y_structure = self._delivery.structure("output")
        self._checks = {
            (name, batched): Seeds(name, structure, specs, what, batched=batched, target=self._source)
            for batched in (False, True)
            for name, structure, specs, what in (
                ("v", self.signature.x_structure, self.signature.x_specs, "the active argument"),
                ("w", y_structure, outputs, "the output"),
            )
        }

    @property
    def value(self) -> Any:
        """The value at the point, as ``f`` returns it (with its ``aux`` where it has one)."""
        linear = self._linear
        y = self._delivery.value(linear.y)
        value = (y, self._delivery.aux(linear.aux)) if self.has_aux else y
        return value if self._guests is None else self._guests.leave(value)

    def jvp(self, v: Any, *, batched: bool = False) -> Any:
        """``J v``, like the output."""
        return self._product("v", v, batched)

    def vjp(self, w: Any, *, batched: bool = False) -> Any:
        """The adjoint applied to ``w``, like the active argument."""
        return self._product("w", w, batched)

    def _product(self, name: str, seed: Any, batched: bool) -> Any:
        around = guests(self.backend, (seed,), once=True)
        if around is not None:
            (seed,) = around.enter((seed,))
        seeds = self._checks[name, batched].enter(seed)
        try:
            leaves = self._applied(name, seeds, batched)
        except Exception as error:
            self._raise(error)
        kind = "output" if name == "v" else "input"
        if name in self._unseen:
            self._unseen.discard(name)
            if any(map(has_nan, leaves)) and not (self._limits and self._seen):
                tell_undefined(self, self.problem.x, self.problem.c, (seeds,), leaves, gives=kind)
        others = (self.problem.x, self.problem.c, seed)
        result = self._delivery.tree(kind, leaves, others, batched=batched)
        return result if around is None else around.leave(result)

    def products(self) -> dict[tuple[str, bool], Callable[[Leaves], Leaves]]:
        """The products on leaves, by the direction's name and whether there are many."""
        linear = self._linear
        return {
            ("v", False): linear.push,
            ("v", True): linear.push_batched,
            ("w", False): linear.pull,
            ("w", True): linear.pull_batched,
        }

    def _applied(self, name: str, seeds: Leaves, batched: bool) -> Leaves:
        """A product on leaves; by the engine where eigenvalues are equal."""
        try:
            leaves = self.products()[name, batched](seeds)
        except Exception as error:
            self._linear = self._instead_of(error)
            self._limits = False
            return self.products()[name, batched](seeds)
        if not (self._limits and self._seen and is_undefined(leaves)):
            return leaves
        linear = linear_by_engine(self)
        if linear is None:
            tell(self)
            return leaves
        self._linear, self._limits = linear, False
        return self.products()[name, batched](seeds)

    def _instead_of(self, error: Exception) -> Linearized:
        """The engine's linearization where the backend's failed for equal eigenvalues; or the error."""
        linear = None
        if self._limits and is_degenerate(error):
            try:
                linear = linear_by_engine(self)
            except DegenerateError:
                raise
            except Exception:  # it was something else
                linear = None
        if linear is None:
            raise error
        return linear

    @property
    def strategy(self) -> str:
        """How the products are computed, in words."""
        return self._linear.strategy


def kept(argument: Any) -> Any:
    """An argument in memory of its own."""
    if isinstance(argument, Static):
        return argument
    if isinstance(argument, Cache):
        return Cache(kept(argument.array))
    leaves, structure = flatten(argument)
    return structure.unflatten(
        [leaf if (owner := library_of(leaf)) is None else owner.own(leaf) for leaf in leaves]
    )


@document
def linearize(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
) -> tuple[Any, Linearization]:
    """Value of a function, and its Jacobian at the same point as an operator.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    {common}

    Returns
    -------
    value : like the output
        ``f(*args)``.
    jacobian : Linearization
        ``jacobian.jvp(v)`` and ``jacobian.vjp(w)``, each with ``batched=True`` for many
        directions at once; the function is not evaluated again.

    Raises
    ------
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> y, J = ad.linearize(lambda x: x**2, np.array([1.0, 2.0]), backend="jax")
    >>> J.jvp(np.array([1.0, 1.0])), J.vjp(np.array([1.0, 0.0]))
    (array([2., 4.]), array([2., 0.]))
    """
    linear = Linearization(f, args, backend=backend, argnums=argnums, has_aux=has_aux, follow=follow)
    return linear.value, linear
