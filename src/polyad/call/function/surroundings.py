"""What a backend has to do with the functions that it differentiates, whichever they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from polyad.call.function.lifting import Lifting
from polyad.systems.base import Backend

__all__ = ["Surroundings"]


class Surroundings:
    """How a backend has functions run, and what it makes of their outputs.

    Parameters
    ----------
    backend : Backend
        Who runs them.
    """

    __slots__ = ("backend", "lift", "lifts_to", "natively", "numbers", "output", "takes_numbers")

    def __init__(self, backend: Backend) -> None:
        kind = type(backend)
        self.backend, self.lift, self.lifts_to = backend, backend.lift, backend.lifts_to
        # None where it needs nothing
        self.natively = None if kind.natively is Backend.natively else backend.natively
        # None where the output is what the function returns
        self.output = None if kind.output is Backend.output else backend.output
        # who has lost a number that the engine follows; None where it may be the output
        self.numbers = None if backend.hosts or backend.follows else repr(backend)
        # whether a number that the engine follows is the output as it is, which is not to be asked further
        self.takes_numbers = self.lifts_to is None and self.output is None and self.numbers is None

    def lifting(
        self,
        mentions: Any,
        apply: Callable[..., Any],
        label: str,
        *,
        lift: bool | None = None,
        numbers: bool,
        plain: bool,
    ) -> Lifting:
        """The function of that label on the framework's arrays, lifted where it is NumPy code."""
        natively = self.natively and functools.partial(self.natively, label=label)
        options: Any = {"numbers": numbers, "plain": plain, "natively": natively}
        return Lifting(mentions, apply, self.lifts_to, lift or self.lift, **options)
