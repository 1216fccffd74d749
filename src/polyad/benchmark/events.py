"""Messages between ``compare`` and its workers: tasks to them, events from them."""

from __future__ import annotations

import dataclasses
import math
import traceback
from collections.abc import Callable
from typing import Any

from polyad.errors import PolyadError

__all__ = ["CAUGHT", "Event", "Report", "Task", "failure"]

# a function that calls sys.exit has failed like any other
CAUGHT = (Exception, SystemExit)


@dataclasses.dataclass(frozen=True)
class Task:
    """What a worker is to do.

    Parameters
    ----------
    f : callable or Address
        The function, or where it is.
    args : tuple
        Its arguments.
    operators : tuple of str
        What to run; empty to find out what suits the function.
    backend : Backend, str or None
        Who differentiates; None for a look at the plain function.
    argnums, has_aux, v, w, seconds
        As for ``compare``.
    plain : bool
        Whether the plain function can be run, to be timed.
    pattern : bool
        Whether the patterns of the operators are looked for, in place of running them.
    checks : bool
        Whether derivatives are compared with differences, in place of being timed.
    preparing : float
        Seconds that the preparation of one operator may take.
    """

    f: Any
    args: tuple[Any, ...]
    operators: tuple[str, ...]
    backend: Any = None
    argnums: int | tuple[int, ...] = 0
    has_aux: bool = False
    v: Any = None
    w: Any = None
    seconds: float = 0.5
    plain: bool = True
    pattern: bool = False
    checks: bool = False
    preparing: float = math.inf


@dataclasses.dataclass(frozen=True)
class Event:
    """What a worker reports.

    Parameters
    ----------
    kind : str
        What happened: "phase", "plain", "refused", "primal", "pattern", "measured", "wrong", "failed",
        "unsendable", "done".
    operator : str
        The operator that it happened to, if any.
    data : object
        The phase, the ``Plain``, name and words of an error that concerns every backend, the samples
        of the plain function, what a pattern saves, the ``Measured``, the error of a check, or the reason
        in words.
    details : str
        The traceback, where there is one.
    """

    kind: str
    operator: str = ""
    data: Any = None
    details: str = ""


Report = Callable[[Event], None]


def failure(operator: str, error: BaseException) -> Event:
    """The event of an operator that failed with this error."""
    message = str(error).strip() or "no message"
    reason = message if isinstance(error, PolyadError) else f"{type(error).__name__}: {message}"
    return Event("failed", operator, reason, "".join(traceback.format_exception(error)))
