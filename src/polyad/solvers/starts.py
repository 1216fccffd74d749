"""Many starts of one solver, spread over workers: the best of what they find."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.solvers.kept import kept
from polyad.workers.pools import check
from polyad.workers.run import run

__all__ = ["Starts", "multistart"]


@dataclasses.dataclass(frozen=True)
class Starts:
    """What a solver found from many starts; made by ``multistart``.

    Attributes
    ----------
    best : OptimizeResult
        The result with the lowest value among those that succeeded, of equal ones the first; among all where
        none did, which its ``success`` tells.
    results : tuple
        What was found from each start, in their order; None for one that was skipped.
    errors : tuple
        Why a start was skipped; None for the others.
    """

    best: Any
    results: tuple[Any, ...]
    errors: tuple[Exception | None, ...]

    def __repr__(self) -> str:
        done = [r for r in self.results if r is not None]
        good = sum(map(_succeeded, done))
        skipped = len(self.results) - len(done)
        more = f", {skipped} skipped" * bool(skipped)
        return (
            f"<{len(self.results)} starts, {good} succeeded{more}; the best value is {_value(self.best):.6g}>"
        )


class _Search:
    """One solver from one start; whoever works prepares once, and keeps it for all of its starts."""

    def __init__(
        self, solver: Any, f: Any, options: dict[str, Any], skip: tuple[type[Exception], ...]
    ) -> None:
        self._given = solver, f, options, skip
        self._kept: dict[Any, Any] = {}

    def __call__(self, start: Any) -> tuple[Any, Exception | None]:
        solver, f, options, skip = self._given
        with kept(self._kept):
            try:
                return solver(f, start, **options), None
            except skip as error:
                return None, error.with_traceback(None)

    def __getstate__(self) -> Any:
        return self._given

    def __setstate__(self, state: Any) -> None:
        self.__init__(*state)  # type: ignore[misc]


def multistart(
    solver: Callable[..., Any],
    f: Callable[..., Any],
    starts: Iterable[Any],
    *,
    skip: tuple[type[Exception], ...] = (),
    workers: Any = None,
    chunk: int | None = None,
    retries: int = 2,
    progress: bool | None = None,
    **options: Any,
) -> Starts:
    """Run a solver from many starts and keep the best result.

    Parameters
    ----------
    solver : callable
        ``solver(f, start, **options)``: ``minimize``, ``least_squares`` or ``root`` of
        ``polyad.solvers.scipy``, or one of the caller's that returns such a result.
    f : callable
        The function.
    starts : iterable
        Where to begin: arrays, or trees like those that the solver takes.
    skip : tuple of exception classes, optional
        Errors after which a start is given up and the others go on, ``(ArithmeticError,)`` say. By default
        an error ends all, and says from which start it came.
    workers, chunk, retries, progress
        Who works, as for ``polyad.workers.run``. A worker prepares derivatives at its first start and keeps
        them. The result does not depend on the number of workers.
    **options
        What the solver takes besides.

    Returns
    -------
    Starts
        ``best``, and what was found from each start.

    Raises
    ------
    polyad.errors.ArgumentError
        If there are no starts.
    Exception
        What the solver raised; where every start was skipped, the error of the first.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers import multistart
    >>> from polyad.solvers.scipy import minimize
    >>> f = lambda x: np.sum(x**4 - 8 * x**2 + x)  # four minima
    >>> starts = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> found = multistart(minimize, f, starts, method="BFGS")
    >>> found.best.x.round(3), found
    (array([-2.031, -2.031]), <3 starts, 3 succeeded; the best value is -36.0308>)
    """
    check(workers, chunk)
    for name, call in (("solver", solver), ("function", f)):
        if not callable(call):
            raise ArgumentError(f"the {name} must be a function, and it is {call!r}")
    given = list(starts)
    if not given:
        raise ArgumentError("there are no starts: pass a list of them, or an array with one in each row")
    search = _Search(solver, f, options, tuple(skip))
    how: dict[str, Any] = {"chunk": chunk, "retries": retries, "progress": progress, "label": "start"}
    outcomes = run(search, given, workers=workers, **how)
    results = tuple(result for result, _ in outcomes)
    errors = tuple(error for _, error in outcomes)
    done = [result for result in results if result is not None]
    if not done:
        raise next(error for error in errors if error is not None)
    best = min([r for r in done if _succeeded(r)] or done, key=_value)
    return Starts(best, results, errors)


def _succeeded(result: Any) -> bool:
    return bool(getattr(result, "success", True))


def _value(result: Any) -> float:
    """What is to be low: the cost of a fit, the value of a minimum, the length of residuals; NaN is last."""
    value = result.cost if hasattr(result, "cost") else result.fun
    value = float(np.linalg.norm(np.ravel(value)) if np.ndim(value) else value)
    return np.inf if np.isnan(value) else value
