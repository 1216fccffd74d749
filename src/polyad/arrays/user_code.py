"""Where in the user's code something happened: the one place that tells it from all other code.

Code of polyad, of Python's own library and of installed packages is not the user's. Of the rest the
innermost frame is the one that the user can change.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

__all__ = [
    "call_at",
    "compiled_call",
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
_ELSEWHERE = (_POLYAD, sysconfig.get_path("stdlib"), "<frozen", "<__array_function__", "<stringsource")


def is_polyads(filename: str) -> bool:
    """Whether a file is polyad's."""
    return filename.startswith(_POLYAD)


def is_users(filename: str) -> bool:
    """Whether a file is the user's."""
    if filename.endswith((".pyx", ".pxd", ".pxi")):
        return False  # what Cython says of compiled code, whose source is not here
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


def call_at(frame: FrameType) -> ast.Call | None:
    """The call in the source that a frame waits for, if it can be read."""
    place = next(
        (p for k, p in enumerate(frame.f_code.co_positions()) if k == frame.f_lasti // 2), (None,) * 4
    )
    first, last, start, end = place
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(frame.f_code.co_filename, k) for k in range(first, last + 1)]
    if not all(lines):
        return None
    lines[-1] = lines[-1].encode()[:end].decode(errors="ignore")
    lines[0] = lines[0].encode()[start:].decode(errors="ignore")
    try:
        found: Any = ast.parse(f"({''.join(lines)})", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return found if isinstance(found, ast.Call) else None


def compiled_call(frame: FrameType | None) -> tuple[str, str] | None:
    """The function in compiled code (Cython) that the innermost frame outside of polyad calls.

    By its name, and by that under which it is looked up; None where another is called, or not known which.
    """
    while frame is not None and is_polyads(frame.f_code.co_filename):
        frame = frame.f_back
    call = None if frame is None else call_at(frame)
    if frame is None or call is None:
        return None
    names, f = [], call.func
    while isinstance(f, ast.Attribute):
        names.append(f.attr)
        f = f.value
    if not isinstance(f, ast.Name):
        return None
    found: Any = frame.f_locals.get(f.id, frame.f_globals.get(f.id))
    try:
        for name in reversed(names):
            found = getattr(found, name)
        found = getattr(found, "__wrapped__", found)  # what keeps its results calls it
        if "cython_function" not in type(found).__name__:
            return None
        place = ".".join([f.id, *reversed(names)])
        if f.id not in frame.f_locals and not is_users(frame.f_code.co_filename):
            place = f"{frame.f_globals.get('__name__', '')}.{place}"
        return f"{found.__module__}.{found.__qualname__}", place
    except AttributeError:
        return None
