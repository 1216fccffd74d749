"""What is asked of a library that has loops and choices of its own: ``polyad.scan`` and its siblings.

A body is a function on lists of the library's arrays. It may be called as often as the library traces it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from polyad.engine.core.refusals import refuse
from polyad.errors import ON_OTHER_ARRAYS, rule_out

__all__ = ["Choice", "Looping", "Repeated", "Steps", "compared"]

Arrays = Sequence[Any]
Function = Callable[[Arrays], list[Any]]


@dataclasses.dataclass
class Steps:
    """A loop of a known number of steps.

    Parameters
    ----------
    body : callable
        ``body(carry, x)``, giving the next carry, of the same form, and what is kept of the step.
    carry, xs : list of array
        What it begins with, and what it goes through along the first axis.
    length : int
        The number of steps, one at least.
    reverse : bool
        Whether it begins at the end.
    segments : int
        At how many places reverse mode keeps the carry; 0 for everywhere.
    """

    body: Callable[[Arrays, Arrays], tuple[list[Any], list[Any]]]
    carry: Arrays
    xs: Arrays
    length: int
    reverse: bool = False
    segments: int = 0


@dataclasses.dataclass
class Repeated:
    """A loop that ends on a condition: ``while cond(carry): carry = body(carry)``, ``max_steps`` at most."""

    cond: Callable[[Arrays], Any]
    body: Function
    carry: Arrays
    max_steps: int | None


@dataclasses.dataclass
class Choice:
    """The call of one of several functions; a truth value chooses between two, True the second."""

    choice: Any
    functions: Sequence[Function]
    arrays: Arrays
    truth: bool


def compared(same: bool) -> None:
    """Refuse steps that gave other numbers when they were computed again."""
    if not same:
        refusal = refuse(
            "the steps of a loop with checkpoint= gave other numbers when they were computed again",
            "draw random numbers outside of the loop and hand them in as xs, or leave checkpoint= out",
        )
        raise rule_out(refusal, ON_OTHER_ARRAYS)


class Looping:
    """Loops and choices as one operation each; an adapter with ``loops`` defines them."""

    # whether there are any; otherwise Python loops and chooses
    loops = False
    # whether the body of a loop is recorded, for a loop that is a primitive
    records = False
    # whether a Python loop, all its steps traced, may stand for one whose body cannot be traced by itself
    unrolls = False

    # whether its reverse mode can compute a run of steps again (``again``)
    recomputes = False

    def again(self, f: Callable[[Arrays], list[Any]], arrays: Arrays) -> Arrays | None:
        """``f(arrays)``, of which reverse mode keeps the arrays alone and computes the rest again.

        None where ``f`` depends on other arrays that are differentiated. Where what is computed again can be
        looked at, it is ``compared``.
        """
        raise NotImplementedError

    def has_values(self, a: Any) -> bool:
        """Whether a choice can be made by the value of an array now."""
        return True

    def extent(self, a: Any) -> int:
        """On how many inputs the entries of an array depend together; where ``is_either`` holds."""
        return 0

    def is_either(self, a: Any) -> bool:
        """Whether no value decides a choice, ever, so that both branches count."""
        return False

    def shapes(self, f: Callable[[Arrays], list[Any]], arrays: Arrays) -> None:
        """Call a function on arrays like these, for what it finds out by itself."""
        raise NotImplementedError

    def scan(self, loop: Steps) -> tuple[list[Any], list[Any]]:
        """The last carry and what all steps gave, stacked."""
        raise NotImplementedError

    def while_loop(self, loop: Repeated) -> list[Any]:
        """The first carry for which the condition does not hold; NaN if that is not found in time."""
        raise NotImplementedError

    def choose(self, choice: Choice) -> list[Any]:
        """What the chosen function gives."""
        raise NotImplementedError
