"""What operators and backends hand to each other: problems, kernels, and the words for them.

* A **problem** is the function seen from below: ``problem.f(x, c) -> (y, aux)``, where ``x`` (the
  active leaves), ``c`` (the constant leaves), ``y`` and ``aux`` are flat tuples of the framework's
  own arrays. Trees, argnums, static arguments and foreign array libraries are dealt with above.
* A **kernel** is what a backend makes of a problem: a ``Kernel``, or a plain callable, for both are
  called as ``kernel(x, c, *seeds)``. It returns ``(result, y, aux)``, and for second-order operators
  ``(result, y, aux, first)``; each is a flat tuple of leaves. Blocks of Jacobians and Hessians come
  row by row: all input leaves of the first output leaf, then of the second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from polyad.arrays.lazily import Lazily
from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.arrays.types import Array, Leaves
from polyad.errors import BackendContractError

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = [
    "Bare",
    "Call",
    "Compression",
    "Direct",
    "Executable",
    "Form",
    "Function",
    "Kernel",
    "Leaves",
    "Linearized",
    "Outcome",
    "Problem",
    "Selection",
    "Unkept",
    "Variant",
    "scalar_output",
    "strategy",
    "strategy_of",
]


# What a kernel gives: the result, the value and aux, and for second order the first derivative.
Outcome = tuple[Leaves, ...]
# The three forms of a kernel's code: everything it gives, the result alone, and the one array of the result.
Call = Callable[..., Outcome]
Direct = Callable[..., Leaves]
Bare = Callable[..., Array]


# JAX keeps what it traces under the function itself, by a weak reference.
@dataclasses.dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Kernel:
    """What a backend makes of a problem.

    Parameters
    ----------
    call : callable
        ``call(x, c, *seeds)`` gives ``(result, y, aux)``, or ``(result, y, aux, first)``.
    words : str or object
        How it works, for ``repr``; an object with ``__str__`` where that is known only after a run.
    direct : callable, optional
        ``direct(x, c, *seeds)`` gives the result alone, in fewer steps.
    bare : callable, optional
        Takes all leaves in a row and gives the one array of the result, where one array goes in.
    own : object, optional
        What the backend's ``finish`` needs besides.
    many : callable, optional
        ``many(x, c, batches)`` goes through ``(tag, seeds)`` and gives ``(tag, outcome)`` in that order,
        where batches of seeds are spread over others.
    image : object, optional
        What ``Executable.image`` gave of this kernel when it was saved: the backend's ``finish`` makes the
        executable of that, or raises ``Unkept``.
    """

    call: Call
    words: Any = "native"
    direct: Direct | None = None
    bare: Bare | None = None
    own: Any = None
    many: Callable[..., Any] | None = None
    image: Any = None

    def __call__(self, *args: Any) -> Outcome:
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

    @Lazily
    def inputs(self) -> tuple[ArraySpec, ...]:
        """Specs of the active leaves."""
        return tuple(map(spec_of, self.x))

    @Lazily
    def outputs(self) -> tuple[ArraySpec, ...]:
        """Specs of the output leaves; finding them may call the function once."""
        return self.evaluate(self)

    @Lazily
    def backward(self) -> bool:
        """Whether it was seen that the function has a derivative in reverse mode only."""
        return False

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
    nobody else holds the memory of what ``bare`` gives. ``form`` makes what the caller gets of a result
    that is not blocks of arrays. ``image()`` gives what was compiled, in a form that a file can hold, or
    raises ``Unkept``; None where nothing was compiled.
    """

    full: Call
    result: Direct
    strategy: str
    bare: Bare | None = None
    exclusive: bool = False
    form: Form | None = None
    image: Callable[[], Any] | None = None


class Unkept(Exception):
    """Why a compiled program cannot be written to a file, or be used out of one: it is prepared again."""


class Form(Protocol):
    """What the caller gets where a result is not blocks of arrays: sparse matrices, say."""

    @property
    def single(self) -> bool:
        """Whether it is one thing, whatever the trees of input and output."""
        ...

    @property
    def lower(self) -> Leaves | None:
        """The lower derivative at the point of preparation, where it is known without a kernel for it."""
        ...

    def made(self, result: Leaves) -> list[Any]:
        """The caller's things, in the order of blocks, of the leaves of a result."""
        ...

    def check(self, places: Sequence[Any]) -> None:
        """Refuse what the result cannot be written into."""
        ...

    def fill(self, places: Sequence[Any], result: Leaves) -> None:
        """Write a result into things that were checked."""
        ...

    def summary(self, result: Leaves) -> Leaves | None:
        """For each block of a Jacobian which of its rows have an entry that is not zero, ``(rows, 1)``."""
        ...

    def undefined(self, result: Leaves) -> list[tuple[int, int]]:
        """Row and column of each entry that is not a number."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Compression:
    """How the entries of a sparse matrix come out of few products.

    Parameters
    ----------
    shape : tuple of int
        All output entries by all input entries.
    indptr, columns : array of int
        The pattern in CSR form.
    rows : array of int
        The row of each of its entries.
    column_groups : array of int
        Which pushforward takes each column; -1: none does.
    pushes : int
        How many pushforwards there are.
    row_groups : array of int
        Which pullback takes each row; -1: none does.
    pulls : int
        How many pullbacks there are.
    index : array of int, optional
        Where each entry stands in the products, all pushforwards after each other and then all
        pullbacks; None leaves them as they are, for a decompression outside of the kernel.
    memory : int, optional
        Bytes that the seeds and products of a batch may take; None leaves that to the backend.
    """

    shape: tuple[int, int]
    indptr: Array
    columns: Array
    rows: Array
    column_groups: Array
    pushes: int
    row_groups: Array
    pulls: int
    index: Array | None
    memory: int | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """A function in two parts: one that selects numbers of its input, and the rest.

    Parameters
    ----------
    select : callable
        ``select(x, c)``: the leaves of what is selected, a number once for each use.
    rest : Problem
        The function of these leaves.
    sources : array of int
        Of each number that is selected, which input entry it is.
    indptr, indices : array of int
        The pattern of the rest in CSR form.
    otherwise : tuple of classes
        What the rest raises where the function selects other numbers than it did.
    """

    select: Callable[[Leaves, Leaves], Leaves]
    rest: Problem
    sources: Array
    indptr: Array
    indices: Array
    otherwise: tuple[type[Exception], ...] = ()


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
    """Options of a backend that a name selects: ``"numpy:compiled"`` is ``NumPy(compile=True)``.

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
    """How a kernel works, in words; a plain callable, which authors may return, has no words."""
    return str(getattr(kernel, "words", "native"))


def scalar_output(backend: Backend, y: Leaves) -> None:
    """Guard of kernels that need a scalar; operators have refused others with a kind message."""
    if len(y) != 1 or tuple(y[0].shape) != ():
        raise BackendContractError(f"{backend!r}: a gradient kernel met a non-scalar output")
