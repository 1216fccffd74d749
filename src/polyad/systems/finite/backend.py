"""Finite differences: any black-box function of NumPy arrays, without any framework.

* Real schemes sample beside the point; the complex scheme steps along the imaginary axis and is
  exact, for functions written so that they follow complex numbers, which is checked.
* One sweep over the entries of the input gives gradients, pullbacks and Jacobians; memory stays in
  bounds because blocks of lines are contracted as they come.
* Second order is differenced directly, with its own steps, never by differencing a difference.
* The value is evaluated only where it is asked for, or where the scheme needs it anyway.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.contract import Compression, Kernel, Leaves, Problem, Variant
from polyad.systems.derive.basis import size
from polyad.systems.finite import grouped, kernels
from polyad.systems.finite.kernels import Run, real_size
from polyad.systems.finite.lines import Coordinates
from polyad.systems.finite.sampling import Point, as_numpy, natural
from polyad.systems.finite.stencils import CENTRAL_ORDERS, LEVELS, ONE_SIDED_ORDERS, Stencil, stencil
from polyad.workers.pools import check

__all__ = ["ErrorEstimate", "FiniteDifferences"]

SCHEMES = ("central", "forward", "backward", "complex")


@dataclasses.dataclass(frozen=True, repr=False)
class FiniteDifferences(Backend):
    """Differences of function values, for any function.

    Parameters
    ----------
    scheme : {"central", "forward", "backward", "complex"}
        On which side of the point the function is evaluated. One-sided schemes cost half as much
        and lose about a third of the digits; ``"complex"`` steps along the imaginary axis, costs as
        little and loses none, but needs a real-analytic function that follows complex arguments.
        That is checked at preparation against real differences.
    order : int, optional
        Order of accuracy: 2, 4, 6 or 8 for central schemes (2 if None), 1 to 4 for one-sided ones (1 if
        None), which is also the number of evaluations for each entry of the input. With
        ``"complex"`` it concerns second derivatives only.
    step : float, optional
        Length of the step, in the units of the input, for every entry; None chooses
        ``eps ** (1 / (order + 1)) * max(1, abs(x))`` for first and ``eps ** (1 / (order + 2)) *
        max(1, abs(x))`` for second derivatives, ``eps`` being that of what the function returns, checks
        the result with shorter steps, and finds others where it is wrong. For a noisy function pass a
        step over which it changes by more than its noise. With ``adaptive`` it is the longest step
        tried, with ``"complex"`` the imaginary one.
    relative : bool
        Take ``step`` times ``abs(x)`` of each entry (``step`` itself where an entry is zero); without
        ``step``, take ``abs(x)`` in place of ``max(1, abs(x))``.
    adaptive : bool
        Find step and order for each entry by Ridders' extrapolation: 12 to 14 digits of a smooth
        function for 12 to 16 evaluations an entry.
    workers : int, executor or callable, optional
        Who evaluates in parallel, as SciPy's ``workers`` does: so many processes (-1: one on each core),
        an executor of ``concurrent.futures`` (that of ``mpi4py.futures`` too), a Dask client, or
        ``workers(function, items)``, given a list: the ``map`` of a process pool or a thread pool. The
        function must be one that can be sent there: for processes one at the top of a module, or any
        where cloudpickle is installed.
    chunk : int, optional
        Evaluations that a worker gets at once: more of them where one takes less than what it costs to
        send it (about 1 ms for processes, 10 ms for Dask). By default 1, and a quarter of its share for
        each of a number of processes.
    mode : {None, "forward"}
        There is no other.

    Notes
    -----
    Along a direction ``v`` the step is such that no entry moves farther than its own step; where
    the active entries differ in scale by more than 100, the direction is cut into parts of like
    scale. Relative accuracy with default steps, for functions of moderate derivatives: central 1e-10,
    forward 1e-8, complex 1e-15; second derivatives central 1e-8 (1e-10 with ``order=4``), complex
    1e-10, adaptive 1e-11. The lower derivative that comes along with second order has its own
    steps and its own accuracy.

    Sources: Fornberg (1988) for the weights, Ridders (1982) for ``adaptive``, Squire and Trapp
    (1998) for the complex step.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def f(x):
    ...     return np.exp(x).sum()
    >>> ad.gradient(f, np.zeros(2), backend=ad.FiniteDifferences(order=4)).round(9)
    array([1., 1.])
    >>> bool(ad.gradient(f, np.zeros(1), backend=ad.FiniteDifferences("complex"))[0] == 1.0)
    True
    """

    scheme: str = "central"
    order: int | None = None
    step: float | None = None
    relative: bool = False
    adaptive: bool = False
    workers: Any = None
    chunk: int | None = None

    name: ClassVar[str] = "finite"
    supports: ClassVar[frozenset[str]] = frozenset({"forward"})
    variants: ClassVar[Mapping[str, Variant]] = {
        "adaptive": Variant({"adaptive": True}),
        "complex": Variant({"scheme": "complex"}),
    }
    # a difference of differences would take the noise of the inner for digits
    nestable: ClassVar[bool] = False
    whole: ClassVar[bool] = True
    exact: ClassVar[bool] = False
    tolerances: ClassVar[tuple[float, float]] = (1e-7, 1e-4)
    sweeps: ClassVar[bool] = True
    # second differences are taken entry by entry, each with its own steps
    compresses: ClassVar[frozenset[str]] = frozenset({"hessian"})
    estimates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheme not in SCHEMES:
            raise ArgumentError(f"scheme is {self.scheme!r}: one of {', '.join(map(repr, SCHEMES))}")
        orders = CENTRAL_ORDERS if self.scheme in ("central", "complex") else ONE_SIDED_ORDERS
        if self.order is not None and self.order not in orders:
            raise ArgumentError(
                f"order is {self.order!r}: scheme={self.scheme!r} has {', '.join(map(str, orders))}"
            )
        if self.adaptive and self.order is not None:
            raise ArgumentError("adaptive=True finds the order by itself: leave order out")
        if self.step is not None and not (self.step > 0 and math.isfinite(self.step)):
            raise ArgumentError(f"step is {self.step!r}: pass a positive number, in the units of the input")
        check(self.workers, self.chunk)

    @property
    def complex_inputs(self) -> bool:  # type: ignore[override]
        """Whether inputs may be complex: not where the imaginary axis is taken."""
        return self.scheme != "complex"

    @property
    def error_estimate(self) -> ErrorEstimate:
        """The backend that gives, in place of every derivative, the estimate of its error.

        Truncation is measured by a second step (by the tableau where ``adaptive``), roundoff follows
        from the size of the values and the step; both are absolute, and of the shape of the result.

        Examples
        --------
        >>> import numpy as np, polyad as ad
        >>> fd = ad.FiniteDifferences()
        >>> g = ad.gradient(lambda x: np.exp(x).sum(), np.zeros(2), backend=fd)
        >>> error = ad.gradient(lambda x: np.exp(x).sum(), np.zeros(2), backend=fd.error_estimate)
        >>> bool(np.all(abs(g - 1) <= error) and np.all(error < 1e-8))
        True
        """
        return ErrorEstimate(**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    # -- first order --------------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point, v: Leaves) -> Leaves:
            rows = run.along(point, tuple(np.asarray(leaf)[None] for leaf in v))
            return tuple(leaf[0] for leaf in run.like_output(point, rows))

        return self._made(problem, compute, self._words(problem, 1))

    def jvp_batched(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point, v: Leaves) -> Leaves:
            return run.like_output(point, run.along(point, v))

        return self._made(problem, compute, f"{self._words(problem, 1)} a direction")

    def vjp(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point, w: Leaves) -> Leaves:
            pulled = run.pulled(point, tuple(np.asarray(leaf)[None] for leaf in w))
            return tuple(leaf[0] for leaf in run.like_input(pulled))

        return self._made(problem, compute, self._words(problem, real_size(problem)))

    def vjp_batched(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point, w: Leaves) -> Leaves:
            return run.like_input(run.pulled(point, w))

        return self._made(problem, compute, self._words(problem, real_size(problem)))

    def gradient(self, problem: Problem) -> Kernel:
        return self._made(problem, kernels.gradient, self._words(problem, real_size(problem)))

    def jacobian(self, problem: Problem) -> Kernel:
        return self._made(problem, kernels.jacobian, self._words(problem, size(problem.inputs)))

    def derivative(self, problem: Problem) -> Kernel:
        return self.jacobian(problem)  # blocks of shape output.shape + ()

    # -- second order -------------------------------------------------------------------------------

    def second_derivative(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point) -> Leaves:
            lines = Coordinates(point, run.step(second=True, real=True))
            difference = run.pairs(point, lines, lines, np.zeros((1, 2), dtype=int))
            ((_, rows),) = run.solve(difference, point)
            return tuple(leaf[0] for leaf in run.like_output(point, rows))

        return self._made(problem, compute, self._words(problem, 1, second=True), lower=kernels.jacobian)

    def hvp(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point, v: Leaves) -> Leaves:
            products = run.curved(point, tuple(np.asarray(leaf)[None] for leaf in v))
            return tuple(leaf[0] for leaf in run.like_input(products))

        words = self._words(problem, 2 * real_size(problem), second=True)
        return self._made(problem, compute, f"{words}, along v and every entry", lower=kernels.gradient)

    def hvp_batched(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point, v: Leaves) -> Leaves:
            return run.like_input(run.curved(point, v))

        words = self._words(problem, real_size(problem), second=True)
        return self._made(problem, compute, f"{words} a direction and once", lower=kernels.gradient)

    def hessian(self, problem: Problem) -> Kernel:
        n = size(problem.inputs)
        words = self._words(problem, n * (n + 1) // 2, second=True)
        return self._made(problem, kernels.hessian, f"{words}, one triangle", lower=kernels.gradient)

    def sparse_jacobian(self, problem: Problem, plan: Compression) -> Kernel:
        def compute(run: Run, point: Point) -> Leaves:
            return grouped.jacobian_entries(run, point, plan)

        words = self._words(problem, plan.pushes)
        return self._made(problem, compute, f"{words}, each entry by its own step")

    def sparse_hessian(self, problem: Problem, plan: Compression) -> Kernel:
        def compute(run: Run, point: Point) -> Leaves:
            return grouped.hessian_entries(run, point, plan)

        count = int(np.count_nonzero(plan.rows <= plan.columns))
        words = self._words(problem, count, second=True)
        return self._made(problem, compute, f"{words}, the pattern's upper triangle", lower=kernels.gradient)

    def value(self, problem: Problem) -> Kernel:
        def compute(run: Run, point: Point) -> Leaves:
            return run.value(point)

        return _kernel(Run(self, problem, compute, "evaluation"))

    # -- surroundings -------------------------------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        return natural(problem)

    # static, so that the pool is not pickled together with a function that is sent to another process
    output = staticmethod(as_numpy)

    def explain(self, error: Exception) -> str | None:
        text = str(error)
        if isinstance(error, pickle.PicklingError) or "pickle" in text or "Can't get attribute" in text:
            return (
                "the function cannot be sent to the workers: define the function at module level (no lambda, "
                "no function inside another), or pass the map of a thread pool"
            )
        if self.scheme == "complex" and (
            isinstance(error, np.exceptions.ComplexWarning)
            or (isinstance(error, TypeError) and "complex" in text)
        ):
            return "the function does not follow complex arguments: use scheme='central'"
        if isinstance(error, ValueError) and "math domain error" in text:
            return (
                "it was evaluated outside its domain, at or beside the point: use scheme='forward' or "
                "'backward' to stay on one side, or a shorter step="
            )
        if isinstance(error, TypeError) and "numpy.ndarray" in text and "must be Tensor" in text:
            return "finite differences call the function with NumPy arrays: use backend='torch'"
        return None

    def _made(
        self, problem: Problem, compute: Callable[..., Leaves], words: str, lower: Any = None
    ) -> Kernel:
        run = Run(self, problem, compute, words, lower)
        if self.scheme == "complex":
            run.check_complex()
        return _kernel(run)

    def _words(self, problem: Problem, lines: int, *, second: bool = False) -> str:
        """The scheme, and how many evaluations so many lines take."""
        if self.scheme == "complex" and not second:
            return f"complex step, {lines} evaluation{'s' * (lines != 1)}"
        words = "complex step and central" if self.scheme == "complex" else self.scheme
        if self.adaptive:
            most = 2 * (LEVELS + 2) * lines if self.scheme in ("central", "complex") else (LEVELS + 2) * lines
            return f"{words} differences extrapolated after Ridders, at most {most} evaluations"
        chosen = self.stencil_for(second=second)
        count = lines * (chosen.corner if second else len(chosen.offsets))
        about = "about " if second else ""
        base = " + 1" if not chosen.central or (second and self.scheme != "complex") else ""
        return f"{words} differences of order {chosen.order}, {about}{count}{base} evaluations"

    def stencil_for(self, *, second: bool = False) -> Stencil:
        """The stencil of first or second real differences."""
        scheme = "central" if self.scheme == "complex" else self.scheme
        lowest = 2 if scheme == "central" else 1
        return stencil(scheme, self.order or lowest, second=second and scheme != "central")


@dataclasses.dataclass(frozen=True, repr=False)
class ErrorEstimate(FiniteDifferences):
    """Estimates of the absolute error of finite differences, in place of the derivatives.

    Made by ``FiniteDifferences.error_estimate``; takes the same options. Every operator gives a
    result of the same structure and shape as the derivative has, holding errors. Values come along
    as they are.
    """

    estimates: ClassVar[bool] = True


def _kernel(run: Run) -> Kernel:
    return Kernel(run, run.strategy, direct=run.result)
