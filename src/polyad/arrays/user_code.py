"""Where in the user's code something happened: the one place that tells it from all other code.

Code of polyad, of Python's own library and of installed packages is not the user's. Of the rest the
innermost frame is the one that the user can change.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

__all__ = [
    "is_polyads",
    "is_users",
    "package_in",
    "package_of",
    "passed_in",
    "raised_at",
    "running_at",
    "shown",
    "stack_level",
    "steps",
]

_POLYAD = str(Path(__file__).parents[1]) + os.sep
_ELSEWHERE = (_POLYAD, sysconfig.get_path("stdlib"), "<frozen", "<__array_function__")


def is_polyads(filename: str) -> bool:
    """Whether a file is polyad's."""
    return filename.startswith(_POLYAD)


def is_users(filename: str) -> bool:
    """Whether a file is the user's."""
    return "site-packages" not in filename and not filename.startswith(_ELSEWHERE)


def shown(filename: str, line: int) -> str:
    """A line as messages show it: ``file:line `source```."""
    text = linecache.getline(filename, line).strip()
    return f"{Path(filename).name}:{line}" + (f" `{text}`" if text else "")


def stack_level() -> int:
    """The stack level of the first caller that is not polyad, for a warning that is given by who asks."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and is_polyads(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    return level


def steps(error: BaseException) -> Iterator[TracebackType]:
    """The frames of an error, from the place that caught it to the place that raised it."""
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def raised_at(error: BaseException) -> str:
    """The user's line that an error came from, or an empty string."""
    found = [step for step in steps(error) if is_users(step.tb_frame.f_code.co_filename)]
    return shown(found[-1].tb_frame.f_code.co_filename, found[-1].tb_lineno) if found else ""


def running_at(frame: FrameType | None = None) -> str:
    """The line of the user's function that is running, or an empty string.

    The user's line that called polyad does not count, since polyad is not running outside of it.

    Parameters
    ----------
    frame : frame, optional
        Where to begin: a frame that was kept, of which nothing is around any more. Here by default.
    """
    kept = frame is not None
    frame = frame or sys._getframe(1)
    found = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if found and is_polyads(name):
            return found
        if not found and is_users(name):
            found = shown(name, frame.f_lineno)
        frame = frame.f_back
    return found if kept else ""


def package_in(filename: str) -> str | None:
    """The installed package that a file is of; None for the user's own and polyad's."""
    if "site-packages" not in filename or is_polyads(filename):
        return None
    return Path(filename.rpartition("site-packages")[2].lstrip("/\\")).parts[0]


def passed_in(error: BaseException) -> str:
    """The innermost line of an installed package, no library of arrays, that an error has passed."""
    from polyad.arrays.libraries import library_of_package

    found = ""
    for step in steps(error):
        file = step.tb_frame.f_code.co_filename
        package = package_in(file)
        if package is not None and library_of_package(package) is None:
            found = f"{package}, {shown(file, step.tb_lineno)}"
    return found


def package_of(error: BaseException) -> str | None:
    """The installed package in whose code an error was raised; None for the user's own code and polyad's."""
    names = [step.tb_frame.f_code.co_filename for step in steps(error)]
    package = package_in(names[-1] if names else "")
    if package is not None:
        return package
    # raised by no line of Python: by what the line calls
    return "what the line calls" if isinstance(error, SystemError) else None
