"""The base class of backends, on the contract of ``contract``.

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
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from polyad.arrays.libraries import ArraySpec, library, spec_of
from polyad.errors import ArgumentError, BackendContractError
from polyad.systems.contract import (
    Call,
    Compression,
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    Selection,
    Variant,
)
from polyad.systems.derive import compressed, linearize, operators
from polyad.systems.derive.laplacian import laplacian
from polyad.systems.derive.taylor import batched, nested

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Backend"]


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
        The extra of polyad that installs them (``pip install -e ".[extra]"``).
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
    freezes : bool
        Whether preparation takes what a function captures, so that a later change of it changes nothing.
    hosts : bool
        Whether it computes with boxes, so that it runs on arrays that another framework is tracing.
    keeps_boxes : bool
        Whether arrays that it follows stay in their boxes when they reach it from the function around it.
    takes_tables : bool
        Whether large constants of a kernel should be arguments of it, as in compiled programs.
    own_forms : frozenset of str
        The operators whose results are not blocks of arrays.
    compresses : frozenset of str
        The operators whose sparse matrices it computes natively from the pattern, without a coloring.
    compared_sparse : bool
        Whether ``polyad.benchmark.compare`` tries ``Sparse`` around it, where that pays.
    native : bool
        Whether it differentiates functions that are written for its framework's own arrays.
    tolerances : tuple of float, optional
        Of one that approximates: the relative errors of first and of second order that the conformance
        suite allows.
    prefers_pullbacks : bool
        Whether the product with a symmetric matrix costs less as a pullback than as a pushforward.
    whole : bool
        Whether its second order is of one piece, no derivative of its derivative.
    pieces : int
        Batches, at least, that all directions of a Jacobian are taken in.
    live : tuple of int
        Arrays like a direction and its product that a batch holds at once, of first and of second order, as
        ``benchmarks/memory.py`` measures.
    calls_out : bool
        Whether what it differentiates may ask another framework for values and derivatives.
    fast_path : bool
        Whether calls that are made for one may take the fast path (``call.single``). A class says so itself:
        its objects are kept in a table then, and hold nothing but options.
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
    freezes: ClassVar[bool] = False
    hosts: ClassVar[bool] = False
    keeps_boxes: ClassVar[bool] = False
    takes_tables: ClassVar[bool] = False
    own_forms: ClassVar[frozenset[str]] = frozenset()
    compresses: ClassVar[frozenset[str]] = frozenset()
    compared_sparse: ClassVar[bool] = False
    native: ClassVar[bool] = True
    complex_inputs: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Variant]] = {}
    tolerances: ClassVar[tuple[float, float] | None] = None
    prefers_pullbacks: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    pieces: ClassVar[int] = 1
    live: ClassVar[tuple[int, int]] = (4, 16)
    calls_out: ClassVar[bool] = True
    fast_path: ClassVar[bool] = False

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
        return self.library if library(self.library).adapter else None

    @property
    def follows(self) -> str | None:
        """The library whose arrays in boxes it differentiates again, inside of its own differentiation."""
        return self.lifts_to

    @property
    def runner(self) -> Backend:
        """Who runs the user's function: the backend itself, or the inner one of two."""
        return self

    @property
    def xp(self) -> Any:
        """The namespace in which derivations compute with the framework's arrays."""
        import numpy

        return numpy

    @property
    def refusals(self) -> Mapping[str, str]:
        """What the conformance suite may see refused, and why: a need of scenarios, an operator, an order."""
        return {}

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
        return operators.jvp_batched(self, problem)

    def vjp_batched(self, problem: Problem) -> Kernel:
        """As ``vjp``, every leaf of ``w`` and of ``dx`` with one more leading axis."""
        return operators.vjp_batched(self, problem)

    def derivative(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` for one scalar input leaf: the result is like the output."""
        return operators.derivative(self, problem)

    def gradient(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` for one scalar output leaf: the result is like the input."""
        return operators.gradient(self, problem)

    def jacobian(self, problem: Problem) -> Kernel:
        """``kernel(x, c)``: blocks of shape ``output.shape + input.shape``, row by row."""
        return operators.jacobian(self, problem)

    def second_derivative(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` giving ``(d2y, y, aux, dy)`` for one scalar input leaf."""
        return operators.second_derivative(self, problem)

    def hvp(self, problem: Problem) -> Kernel:
        """``kernel(x, c, v)`` giving ``(hv, y, aux, g)`` for one scalar output leaf."""
        return operators.hvp(self, problem)

    def hvp_batched(self, problem: Problem) -> Kernel:
        """As ``hvp``, every leaf of ``v`` and of ``hv`` with one more leading axis."""
        return operators.hvp_batched(self, problem)

    def hessian(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` giving ``(blocks, y, aux, g)`` for one scalar output leaf."""
        return operators.hessian(self, problem)

    def sparse_jacobian(self, problem: Problem, plan: Compression) -> Kernel:
        """``kernel(x, c)``: the entries of the Jacobian that the pattern has, in its order, as one leaf."""
        return compressed.jacobian(self, problem, plan)

    def sparse_hessian(self, problem: Problem, plan: Compression) -> Kernel:
        """As ``sparse_jacobian``, of the Hessian; the gradient comes along."""
        return compressed.hessian(self, problem, plan)

    def taylor(self, problem: Problem, order: int) -> Kernel:
        """``kernel(x, c, v)``: leaves like the output's with ``order + 1`` Taylor coefficients in front."""
        return nested(self, problem, order)

    def taylor_batched(self, problem: Problem, order: int) -> Kernel:
        """As ``taylor``, every leaf of ``v`` and of the coefficients with one more leading axis."""
        return batched(self, self.taylor(problem, order))

    def laplacian(self, problem: Problem, order: int) -> Kernel:
        """``kernel(x, c)``: the Laplacian of each output entry for order 2, the bilaplacian for order 4."""
        return laplacian(self, problem, order)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        """The function at ``x``: its value and the products with its Jacobian."""
        return linearize.linearize(self, problem, x, c)

    def value(self, problem: Problem) -> Kernel:
        """``kernel(x, c)`` giving ``(y, y, aux)``: the function itself, finished like the rest."""
        return operators.value(self, problem)

    def take(self, a: Any, index: Any) -> Any:
        """Entries of a vector; the index has no negative numbers and none that is too large."""
        return a[index]

    def table(self, a: Any, problem: Problem) -> Any:
        """A large constant of a kernel as an array of the framework's, where its examples are."""
        return a

    # -- inside of other frameworks -----------------------------------------------------------------

    def portable(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, once: bool = False
    ) -> Kernel:
        """A kernel as NumPy code, for a framework that differentiates or traces around it.

        What is returned takes and gives leaves as the kernel does, in boxes of the engine or in plain
        arrays; its words name the mechanism. Without a better one the framework around asks, and this
        backend computes (``derive.delegated``). ``once`` says that it is for a single call, of which a
        dear trace would not pay.
        """
        from polyad.systems.derive.delegated import delegated

        return delegated(self, kernel, problem, seeds)

    # -- patterns ---------------------------------------------------------------------------------

    def jacobian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        """Which entries of the Jacobian may be other than zero: ``indptr`` and ``indices`` of its rows.

        Rows are the entries of all output leaves, columns those of all input leaves, in flat order.

        Parameters
        ----------
        problem : Problem
            The function.
        local : bool
            Whether only at the example, where branches are taken; otherwise for every input of its form.
        dense : bool
            Whether an operation that is not known counts as one of which everything depends on everything;
            otherwise it is refused.
        """
        from polyad.systems.derive.sparsity import jacobian_sets

        return jacobian_sets(problem, local=local).csr()

    def hessian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        """As ``jacobian_sparsity``, of the Hessian of one scalar output leaf."""
        from polyad.systems.derive.sparsity import hessian_sets

        return hessian_sets(problem, local=local).csr()

    def directed(self, problem: Problem) -> Backend:
        """The backend for a function whose pattern was found: itself, or in the only mode that this has."""
        return self

    def selection(self, problem: Problem, most: int) -> Selection | None:
        """What a function selects of its input before it computes, and the rest.

        None where that is not known, where nothing is selected, or more than ``most`` numbers.
        """
        return None

    def folded(self, a: Any, places: Any) -> Any:
        """A vector whose last entries are added to those at places; only where ``selection`` gives some."""
        raise BackendContractError(f"{self!r} has a selection and does not define folded")

    # -- what surrounds the kernels -----------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        """Specs of the output leaves, by calling the function once on the examples."""
        return tuple(map(spec_of, problem.f(problem.x, problem.c)[0]))

    def natively(self, call: Call, x: Leaves, c: Leaves, label: str) -> Any:
        """Run the user's function, of that label, on the framework's own arrays."""
        return call(x, c)

    def output(self, leaf: Any) -> Any:
        """An output leaf as the framework's array; of a class of which one is handed on as it is, all are."""
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

    @property
    def for_numpy(self) -> str:
        """What is to be said of other backends where code in NumPy's functions is asked for."""
        return ""

    def source(self, error: Exception) -> Exception:
        """What a function on the host raised, where the framework wraps that in an error of its own."""
        return error

    def placed(self, error: Exception) -> Exception:
        """An error that stays as it is, or one that says where it comes from and what works there."""
        return error

    def explain(self, error: Exception) -> str | None:
        """The remedy for an error out of the framework, or None if it is the user's own."""
        return None

    def kept(self, form: Any) -> Backend:
        """The backend with what a preparation found (``Executable.form``), to prepare the same again."""
        return self

    def replace(self, **options: Any) -> Self:
        """A copy with other options."""
        return dataclasses.replace(self, **options)


def _first(kernel: Call) -> Call:
    def result(x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        return kernel(x, c, *seeds)[0]

    return result
