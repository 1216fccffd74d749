"""An error of the caller's function in a solver's callback: the solver ends, and the error comes out.

Solvers in C print an error, take it for a point that cannot be computed, or end with words of their own. So
the first one is kept, every later call fails at once, and after the solver has returned it is raised with its
traceback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Guard"]


class Guard:
    """The calls of one run of a solver.

    Used as a context, it raises what a callback has raised, whatever the solver made of that.

    Examples
    --------
    >>> guard = Guard()
    >>> half = guard(lambda x: 1 / x)
    >>> with guard:
    ...     try:
    ...         half(0)
    ...     except ZeroDivisionError:
    ...         raise RuntimeError("the solver's own words") from None
    Traceback (most recent call last):
    ...
    ZeroDivisionError: division by zero
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched."""

        @functools.wraps(function)
        def watched(*args: Any) -> Any:
            if self.error is not None:
                raise self.error
            try:
                return function(*args)
            except BaseException as error:  # kept until the solver has returned
                self.error = error
                raise

        return watched

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error from None
