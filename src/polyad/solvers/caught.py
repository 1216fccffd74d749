"""An error of the user's function reaches the caller as it was raised, whatever a solver makes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Caught"]


class Caught:
    """Remembers the first error that a callback raised, and raises that one when the solver comes back.

    Solvers written in C and Fortran raise an error of their own where a callback fails, or none.

    Examples
    --------
    >>> caught = Caught()
    >>> def solver(f):
    ...     try:
    ...         return f(0)
    ...     except ArithmeticError:
    ...         raise RuntimeError("callback failed") from None
    >>> caught.run(solver, caught.watched(lambda x: 1 / x))
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    """

    def __init__(self) -> None:
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether a callback has failed, so that the solver should end."""
        return self._error is not None

    def watched(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A callback whose error is remembered; after one it is not called again."""

        @functools.wraps(f)
        def watched(*args: Any) -> Any:
            if self._error is not None:
                raise self._error
            try:
                return f(*args)
            except BaseException as error:
                self._error = error
                raise

        return watched

    def run(self, solver: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the solver; where a callback failed its error is raised, with its own traceback."""
        try:
            result = solver(*args, **kwargs)
        except BaseException as error:
            if self._error is None or error is self._error:
                raise
            raise self._error  # noqa: B904  (the solver's word on it is its context)
        if self._error is not None:
            raise self._error
        return result
