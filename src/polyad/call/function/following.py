"""When a function is followed through the packages that it calls.

It is run as it is first. Where that loses a derivative, it is run once on plain
numbers to see which modules it reaches, and then again with counterparts in their namespaces
(``engine.follow``). What was chosen stays for every later call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.types import Leaves
from polyad.arrays.user_code import passed_in, raised_at, steps
from polyad.engine.notices import ELSE
from polyad.errors import FOLLOWED, ArgumentError, FunctionNotSupportedError, PolyadError, is_ruled_out
from polyad.systems.base import Backend

if TYPE_CHECKING:
    from polyad.call.function.flat import FlatFunction

__all__ = ["Follower", "checked_follow"]

# so often it is looked for more code that is reached, when the code that is known is followed
MOST = 8


def checked_follow(follow: Any) -> bool | tuple[str, ...] | None:
    """The option ``follow``, if it is one."""
    if follow is None or isinstance(follow, bool):
        return follow
    if isinstance(follow, tuple) and follow and all(isinstance(name, str) for name in follow):
        return follow
    raise ArgumentError(f"follow is True, False or a tuple of names of packages, not {follow!r}")


class Follower:
    """The choice for one function.

    Parameters
    ----------
    follow : bool, tuple of str or None
        What the caller asks for; None decides.
    backend : Backend
        Who differentiates.
    """

    def __init__(self, follow: bool | tuple[str, ...] | None, backend: Backend) -> None:
        self._follow = follow
        self._backend = backend
        self._reach: Any = None
        self._tries = 0
        # whether it has run on plain numbers, and on other values since
        self._runs, self._preparing = False, True
        # what was lost where everything was followed
        self.first: Exception | None = None
        self._original: Exception | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that are followed."""
        return () if self._reach is None else self._reach.packages

    @property
    def forced(self) -> bool:
        """Whether it is followed from the start."""
        return self._follow is True or isinstance(self._follow, tuple)

    @property
    def _is_forbidden(self) -> bool:
        # a backend that is not to lift NumPy code leaves a framework's own code to the framework
        return self._follow is False or (self._follow is None and self._backend.lift is False)

    def begin(self, flat: FlatFunction, x: Leaves, c: Leaves) -> None:
        """Follow from the start, where that is asked for."""
        if self.forced and self._reach is None and self._backend.exact:
            self._start(flat, x, c)

    def again(
        self, error: Exception, flat: FlatFunction, leaves: Callable[[], tuple[Leaves, Leaves]]
    ) -> bool:
        """Whether a run that failed may be made again, followed, or farther than before."""
        if self._is_forbidden or not self._is_lost(error) or self._tries > MOST:
            return False
        if flat.is_native and not self.forced:
            return False
        self._tries += 1
        if self._reach is None:
            self._original = error
            return self._start(flat, *leaves())
        return self._farther(error, flat)

    def _start(self, flat: FlatFunction, x: Leaves, c: Leaves) -> bool:
        from polyad.engine.following import Route

        reach = Route(self._follow if isinstance(self._follow, tuple) else None)
        try:
            reach.recorded(flat.plain, tuple(map(_plain, x)), tuple(map(_plain, c)))
            self._runs = True
        except Exception:
            if not self.forced:
                return False  # the function has an error of its own, which the first run has shown
        self._reach, self._seen = reach, len(reach.places)
        flat.follow(reach)
        return True

    def _farther(self, error: Exception, flat: FlatFunction) -> bool:
        """After a failure: follow what was reached for the first time, or leave new arrays plain."""
        reach = self._reach
        if reach.widen():
            pass
        elif reach.rewrite(error):
            self._tries -= 1
        elif not reach.recording:
            reach.recording = True
        elif len(reach.places) > self._seen:
            self._seen = len(reach.places)
        elif reach.buffers and reach.made:
            self.first = error
            reach.buffers = False
        else:
            return False
        flat.follow(reach)
        return True

    def causes(self, error: Exception) -> list[Exception]:
        """What to report where nothing helps: how far it was followed, or why it was."""
        return [found for found in (self.first, error, self._original) if found is not None][
            : 3 if self._reach else 1
        ]

    def explained(self, error: Exception, f: Callable[..., Any]) -> PolyadError | None:
        """The public error for one that a followed function raises of boxes only; None for its own."""
        if not self._runs or isinstance(error, PolyadError) or not self._preparing:
            return None
        if not _passes(error, f):
            return None  # a fault of polyad's, or of a framework's
        line, inner = raised_at(error), passed_in(error)
        name = getattr(f, "__qualname__", type(f).__name__)
        return FunctionNotSupportedError(
            f"{self._backend!r} cannot follow {name}{f' at {line}' if line else ''}: "
            f"{f'in code of {inner}: ' if inner else ''}{type(error).__name__}: {error}; {ELSE}"
        )

    def settle(self, once: bool) -> None:
        """Nothing is looked for any more: what was chosen holds."""
        self._preparing = False
        if self._reach is not None and not once:
            self._reach.recording = False

    def _is_lost(self, error: Exception) -> bool:
        """Whether an error may come of a derivative that would be lost."""
        if isinstance(error, PolyadError):
            if not isinstance(error, FunctionNotSupportedError):
                return False
        return not is_ruled_out(error, FOLLOWED)


def _passes(error: Exception, f: Callable[..., Any]) -> bool:
    """Whether an error was raised while a function ran, as far as its code is known."""
    f = inspect.unwrap(f)
    code = getattr(getattr(f, "__func__", f), "__code__", None)
    if code is None:
        return True
    ran = [step.tb_frame.f_code for step in steps(error)]  # code that is rewritten is another object
    return any(c.co_filename == code.co_filename and c.co_name == code.co_name for c in ran)


def _plain(leaf: Any) -> Any:
    """A leaf for a plain run, which may write to it."""
    owner = library_of(leaf)
    a = leaf if owner is None or owner.plain else owner.to_numpy(leaf)
    return a.copy() if isinstance(a, np.ndarray) else a
