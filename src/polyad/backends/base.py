"""The contract between operators and backends.

* A **problem** is the function seen from below: ``problem.f(x, c) -> (y, aux)``, where ``x`` (the
  active leaves), ``c`` (the constant leaves), ``y`` and ``aux`` are flat tuples of the framework's
  own arrays. Trees, argnums, static arguments and foreign array libraries are dealt with above.
* A **kernel** is what a backend makes of a problem: a ``Kernel``, or a plain callable, for both are
  called as ``kernel(x, c, *seeds)``. It returns ``(result, y, aux)``, and for second-order operators
  ``(result, y, aux, first)``; each is a flat tuple of leaves. Blocks of Jacobians and Hessians come
  row by row: all input leaves of the first output leaf, then of the second.
* A **backend** defines ``jvp`` or ``vjp`` (or both). Everything else comes from ``derive`` and is
  overridden only where the framework does better.
* Seeds of the ``..._batched`` products have one more leading axis, and so has the result.
* Real inner products pair cotangents: ``vjp`` is the adjoint of ``jvp`` under
  ``Re(sum(conj(w) * dy))``, so that the gradient of ``|z|**2`` is ``2 z`` under every backend.
* Kernels may be differentiated by their own backend (that is how second order arises) unless
  ``nestable`` is False. ``finish`` is the one place for what must come last: tracing,
  compiling, locks, scoped settings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.errors import ArgumentError, BackendContractError

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "Backend",
    "Call",
    "Executable",
    "Kernel",
    "Leaves",
    "Linearized",
    "Problem",
    "Variant",
    "strategy",
    "strategy_of",
]

Leaves = tuple[Any, ...]
Call = Callable[..., Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Kernel:
    """What a backend makes of a problem.

    Parameters
    ----------
    call : callable
        ``call(x, c, *seeds)`` gives ``(result, y, aux)``, or ``(result, y, aux, first)``.
    words : str or object
        How it works, for ``repr``: an object whose ``str`` says so where that is found out by running it.
    direct : callable, optional
        ``direct(x, c, *seeds)`` gives the result alone, sooner.
    bare : callable, optional
        Takes all leaves in a row and gives the one array of the result, where one array goes in.
    own : object, optional
        What the backend's ``finish`` wants to know of it.
    """

    call: Call
    words: Any = "native"
    direct: Call | None = None
    bare: Call | None = None
    own: Any = None

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


class Function(Protocol):
    """``f(x, c) -> (y, aux)``, all four flat tuples of leaves."""

    def __call__(self, x: Leaves, c: Leaves, /) -> tuple[Leaves, Leaves]: ...


@dataclasses.dataclass(frozen=True)
class Problem:
    """A function to differentiate, with an example of every argument.

    Parameters
    ----------
    f : callable
        ``f(x, c) -> (y, aux)`` on flat tuples of the framework's arrays.
    x, c : tuple
        Examples of the active and of the constant leaves.
    evaluate : callable
        From the problem to the specs of its output leaves (the backend's ``outputs``).
    label : str
        The user's name for the function, for messages.
    """

    f: Function
    x: Leaves
    c: Leaves
    evaluate: Callable[[Problem], tuple[ArraySpec, ...]]
    label: str = "f"

    @cached_property
    def inputs(self) -> tuple[ArraySpec, ...]:
        """Specs of the active leaves."""
        return tuple(map(spec_of, self.x))

    @cached_property
    def outputs(self) -> tuple[ArraySpec, ...]:
        """Specs of the output leaves; finding them may call the function once."""
        return self.evaluate(self)

    def derived(self, f: Function, outputs: Sequence[ArraySpec]) -> Problem:
        """The problem of another function of the same arguments (a gradient, say)."""
        known = tuple(outputs)
        problem = Problem(f, self.x, self.c, lambda _: known, self.label)
        problem.__dict__.update(inputs=self.inputs, outputs=known)
        return problem


@dataclasses.dataclass(frozen=True)
class Executable:
    """A finished kernel.

    ``full(x, c, *seeds)`` gives all that the kernel gives, ``result(x, c, *seeds)`` only the result.
    Where one array goes in and the result is one array, a backend may add ``bare``: it takes all
    leaves in a row and gives that array, without a tuple around anything. ``exclusive`` says that
    nobody else holds the memory of what ``bare`` gives.
    """

    full: Call
    result: Call
    strategy: str
    bare: Call | None = None
    exclusive: bool = False


@dataclasses.dataclass(frozen=True)
class Linearized:
    """A function at a point: its value, and the products with its Jacobian there.

    ``push(v)`` and ``pull(w)`` take and give flat tuples of leaves; the batched forms have a
    leading axis. None of them evaluates the function again.
    """

    y: Leaves
    aux: Leaves
    push: Callable[[Leaves], Leaves]
    pull: Callable[[Leaves], Leaves]
    push_batched: Callable[[Leaves], Leaves]
    pull_batched: Callable[[Leaves], Leaves]
    strategy: str


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way of a backend that a name selects: ``"numpy:compiled"`` is ``NumPy(compile=True)``.

    Parameters
    ----------
    options : mapping
        Keywords of the backend's class.
    compared : bool
        Whether a comparison of all backends tries it beside the plain backend.
    most_inputs : int, optional
        Only where there are no more numbers than that to differentiate by.
    """

    options: Mapping[str, Any]
    compared: bool = False
    most_inputs: int | None = None


def strategy(text: str) -> Callable[[Call], Kernel]:
    """Decorate a function that makes it a kernel, with the words that ``repr`` shows for how it works."""
    return lambda call: Kernel(call, text)


def strategy_of(kernel: Kernel | Call) -> str:
    """How a kernel works, in words; a plain callable, as authors may return, has none."""
    return str(getattr(kernel, "words", "native"))


@dataclasses.dataclass(frozen=True, repr=False)
class Backend:
    """Base class of every backend; subclasses are frozen dataclasses of their options.

    Parameters
    ----------
    mode : {None, "forward", "reverse"}
        Force one mode; None leaves the choice to the backend, operator by operator.
    lift : bool, optional
        Whether the function is NumPy code to be lifted to the framework's arrays (True), or is
        written for these (False); None finds out at preparation.

    Attributes
    ----------
    name : str
        The word that selects the backend.
    library : str
        Name of the array library whose arrays its kernels take and give.
    requires : tuple of str
        Modules that must be importable.
    extra : str
        The extra of polyad that installs them (``pip install 'polyad[extra]'``).
    supports : frozenset of str
        The modes that it has: ``"forward"``, ``"reverse"``.
    nestable : bool
        Whether its kernels can be differentiated by itself.
    exact : bool
        Whether derivatives are right to rounding; differences are not.
    sweeps : bool
        Whether its ``vjp`` sweeps the input by itself, so that it serves without a reverse mode.
    by_value : bool
        Whether prepared functions run on values, so that their branches may look at these.
    hosts : bool
        Whether it computes with boxes, so that it runs on arrays that another framework is tracing.
    keeps_boxes : bool
        Whether arrays that it follows stay in their boxes when they reach it from the function around it.
    native : bool
        Whether it differentiates functions that are written for its framework's own arrays.
    """

    mode: str | None = dataclasses.field(default=None, kw_only=True)
    lift: bool | None = dataclasses.field(default=None, kw_only=True)

    name: ClassVar[str] = "?"
    library: ClassVar[str] = "numpy"
    requires: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    supports: ClassVar[frozenset[str]] = frozenset()
    nestable: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    sweeps: ClassVar[bool] = False
    by_value: ClassVar[bool] = False
    hosts: ClassVar[bool] = False
    keeps_boxes: ClassVar[bool] = False
    native: ClassVar[bool] = True
    complex_inputs: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Variant]] = {}

    def __post_init__(self) -> None:
        if self.mode is not None and self.mode not in self.supports:
            known = " or ".join(repr(m) for m in sorted(self.supports))
            raise ArgumentError(f"{type(self).__name__} has mode {known}, not {self.mode!r}")
        chunk = getattr(self, "chunk_size", None)
        if chunk is not None and (type(chunk) is not int or chunk < 1):
            raise ArgumentError(f"chunk_size is a positive number of directions, not {chunk!r}")

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)
        chosen = [(f.name, getattr(self, f.name)) for f in fields if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in chosen)})"

    # -- modes ------------------------------------------------------------------------------

    @property
    def forward(self) -> bool:
        """Whether forward mode may be used."""
        return "forward" in self.supports and self.mode != "reverse"

    @property
    def reverse(self) -> bool:
        """Whether reverse mode may be used."""
        return "reverse" in self.supports and self.mode != "forward"

    @property
    def lifts_to(self) -> str | None:
        """The library to whose arrays NumPy functions are lifted; None where they need no lift."""
        return self.library if self.library in ("jax", "torch") else None

    @property
    def follows(self) -> str | None:
        """The library whose arrays in boxes it differentiates again, inside of its own differentiation."""
        return self.lifts_to

    @property
    def xp(self) -> Any:
        """The namespace in which derivations compute with the framework's arrays."""
        import numpy

        return numpy

    # -- the primitives: define at least one ---------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        """``kernel(x, c, v)`` giving ``(dy, y, aux)``: the tangent of the output along ``v``."""
        raise BackendContractError(f"{self!r} supports forward mode but defines no jvp")

    def vjp(self, problem: Problem) -> Kernel:
        """``kernel(x, c, w)`` giving ``(dx, y, aux)``: the cotangent of the input under ``w``."""
        raise BackendContractError(f"{self!r} supports reverse mode but defines no vjp")

    # -- everything else, overridden only where the framework does better -----------------------

    def jvp_batched(self, problem: Problem) -> Kernel:
        """As ``jvp``, every leaf of ``v`` and of ``dy`` with one more leading axis."""
        return derive.jvp_batched(self, problem)

    def vjp_batched(self, problem: Problem) -> Kernel:
        """As ``vjp``, every leaf of ``w`` and of ``dx`` with one more leading axis."""
        return derive.vjp_batched(self, problem)

    def derivative(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` for one scalar input leaf: the result is like the output."""
        return derive.derivative(self, problem)

    def gradient(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` for one scalar output leaf: the result is like the input."""
        return derive.gradient(self, problem)

    def jacobian(self, problem: Problem) -> Kernel:
        """``kernel(x, c)``: blocks of shape ``output.shape + input.shape``, row by row."""
        return derive.jacobian(self, problem)

    def second_derivative(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` giving ``(d2y, y, aux, dy)`` for one scalar input leaf."""
        return derive.second_derivative(self, problem)

    def hvp(self, problem: Problem) -> Kernel:
        """``kernel(x, c, v)`` giving ``(hv, y, aux, g)`` for one scalar output leaf."""
        return derive.hvp(self, problem)

    def hvp_batched(self, problem: Problem) -> Kernel:
        """As ``hvp``, every leaf of ``v`` and of ``hv`` with one more leading axis."""
        return derive.hvp_batched(self, problem)

    def hessian(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` giving ``(blocks, y, aux, g)`` for one scalar output leaf."""
        return derive.hessian(self, problem)

    def taylor(self, problem: Problem, order: int) -> Kernel:
        """``kernel(x, c, v)``: leaves like the output's with ``order + 1`` Taylor coefficients in front."""
        return nesting.taylor(self, problem, order)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        """The function at ``x``: its value and the products with its Jacobian."""
        return linearizing.linearize(self, problem, x, c)

    def value(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` giving ``(y, y, aux)``: the function itself, finished like the rest."""
        return derive.value(self, problem)

    # -- what surrounds the kernels -----------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        """Specs of the output leaves, by calling the function once on the examples."""
        y, _ = problem.f(problem.x, problem.c)
        return tuple(map(spec_of, y))

    def output(self, leaf: Any) -> Any:
        """An output leaf of the user's function as the framework's array."""
        return leaf

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        """Make a kernel ready to be called with the framework's arrays.

        Parameters
        ----------
        kernel : callable
            What an operator method returned.
        problem : Problem
            Its problem, whose examples a compiler may trace with.
        seeds : tuple
            Examples of the seeds that the kernel takes after ``x`` and ``c``.
        prepared : bool
            Whether the executable will be called often (trace and compile), or once.
        """
        kernel = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
        return Executable(kernel.call, kernel.direct or _first(kernel.call), str(kernel.words))

    def explain(self, error: Exception) -> str | None:
        """The remedy for an error out of the framework, or None if it is the user's own."""
        return None

    def replace(self, **options: Any) -> Self:
        """A copy with other options."""
        return dataclasses.replace(self, **options)


def _first(kernel: Call) -> Call:
    def result(x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        return kernel(x, c, *seeds)[0]

    return result


def scalar_output(backend: Backend, y: Leaves) -> None:
    """Guard of kernels that need a scalar; operators have refused others with a kind message."""
    if len(y) != 1 or tuple(y[0].shape) != ():
        raise BackendContractError(f"{backend!r}: a gradient kernel met a non-scalar output")


from polyad.backends import derive, linearizing, nesting  # noqa: E402  (they need the classes above)
