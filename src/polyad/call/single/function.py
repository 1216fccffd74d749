"""The user's function in a call that is made for one, of arrays of doubles and of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.arrays.lazily import Lazily
from polyad.arrays.types import Leaves
from polyad.call.function.constants import Constants
from polyad.call.function.flat import FlatFunction, label_of
from polyad.call.function.mentions import Mentions
from polyad.call.function.surroundings import Surroundings
from polyad.call.inputs.signature import Signature

__all__ = ["SingleFunction"]


class SingleConstants(Constants):
    """The user's function on leaves, of which the first alone is active."""

    def __init__(self, f: Callable[..., Any], *, arrays: bool, number: bool) -> None:
        self._f, self._build = f, _in_a_row
        self._arrays, self._simple = arrays, not (arrays or number)
        if number:
            self._floats = self._all_floats = (0,)


class SingleFunction(FlatFunction):
    """As ``FlatFunction``, made of what is known of such calls.

    Parameters
    ----------
    f : callable
        The user's function.
    args : tuple
        Its arguments: an array or a number, then arrays and numbers.
    around : Surroundings
        What the backend has to do with functions.
    operator : str
        For messages.
    scalar : bool
        Whether the operator needs a scalar output.
    arrays : bool
        Whether there are arrays among the constants.
    plain : bool
        Whether what is differentiated comes in NumPy's arrays or in numbers.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        around: Surroundings,
        operator: str,
        *,
        scalar: bool,
        arrays: bool,
        plain: bool,
    ) -> None:
        number = type(args[0]) is float
        self._f, self._args, self._backend = f, args, around.backend
        self._mentions = Mentions(f)
        self._constants = constants = SingleConstants(f, arrays=arrays, number=number)
        self._call: Callable[[Leaves, Leaves], Any] = constants
        if arrays:
            self._guard()
        if around.lifts_to:
            self._lifting = self._call = around.lifting(
                self._mentions, constants, label_of(f), numbers=number, plain=plain
            )
        self._output, self._numbers, self._takes_numbers = around.output, around.numbers, around.takes_numbers
        self._operator, self._scalar = operator, scalar
        self._may_replay = around.lift is not False
        self._kinds = set()

    @Lazily
    def _signature(self) -> Signature:
        return Signature(self._args, 0)

    @Lazily
    def _passive(self) -> tuple[int, ...]:
        return tuple(range(1, len(self._args)))


def _in_a_row(x: Leaves, c: Leaves) -> tuple[Any, ...]:
    return (*x, *c)
