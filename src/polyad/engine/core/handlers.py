"""Which handler would catch an error: the ``except`` clauses around the lines that are running.

A framework that runs a function without its values cannot raise what NumPy raises at some of them. That
matters where the function has another way for that case, and only there. Which errors a clause names is
read from the code that Python runs, since the source may not be there.
"""

from __future__ import annotations

import builtins
import dis
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from polyad.arrays.libraries import library_of_package
from polyad.arrays.user_code import is_polyads

__all__ = ["catches", "innermost", "is_caught", "is_own_recursion"]


class Instruction(NamedTuple):
    """An instruction: what it does, to what, and where it is."""

    name: str
    value: Any
    offset: int


class Handlers(NamedTuple):
    """The instructions of a code object, where each stands in the list, and what leads to handlers."""

    steps: tuple[Instruction, ...]
    places: dict[int, int]
    entries: tuple[tuple[int, int, int], ...]


@functools.lru_cache(maxsize=512)
def _read(code: CodeType) -> Handlers:
    read: Any = dis.Bytecode(code)
    steps = tuple(Instruction(i.opname, i.argval, i.offset) for i in read)
    entries = tuple((e.start, e.end, e.target) for e in read.exception_entries)
    return Handlers(steps, {s.offset: k for k, s in enumerate(steps)}, entries)


def is_caught(error: type[Exception], frame: FrameType | None, stop: Callable[[CodeType], bool]) -> bool:
    """Whether code under way would catch an error that is raised here.

    Parameters
    ----------
    error : type
        Its class.
    frame : frame
        Where it would be raised.
    stop : callable
        Whether a frame's code calls the function that is looked at: there the search ends. Where no such
        frame is around, no function is under way: rules are computed after it has returned.
    """
    inside = []
    while frame is not None and not stop(frame.f_code):
        if not (is_polyads(frame.f_code.co_filename) or _is_a_frameworks(frame)):
            inside.append(frame)
        frame = frame.f_back
    return frame is not None and any(catches(each, each.f_lasti, error) for each in inside)


def _is_a_frameworks(frame: FrameType) -> bool:
    """Whether a frame is in a framework's own code, which has handlers for purposes of its own."""
    owner = library_of_package(str(frame.f_globals.get("__name__", "")).partition(".")[0])
    return owner is not None and owner.is_foreign


def catches(frame: FrameType, at: int, error: type[Exception]) -> bool:
    """Whether a frame would catch an error that comes out of the instruction at an offset."""
    code = _read(frame.f_code)
    offset: int | None = at
    for _ in range(100):  # as deep as blocks are nested, and no deeper
        target = None if offset is None else _target(code, offset)
        if target is None:
            return False
        found, offset = _handled(code, code.places[target], frame, error)
        if found:
            return True
    return True


def _target(code: Handlers, offset: int) -> int | None:
    """Where an error at an instruction leads: the innermost entry is the last one of those around it."""
    return next((t for start, end, t in reversed(code.entries) if start <= offset < end), None)


def _handled(code: Handlers, k: int, frame: FrameType, error: type[Exception]) -> tuple[bool, int | None]:
    """Whether a handler takes an error, and else where it raises it again."""
    stack: list[Any] = []
    if code.steps[k].name == "PUSH_EXC_INFO":
        k += 1
        if code.steps[k].name == "POP_TOP":  # except:
            return True, None
        if code.steps[k].name == "WITH_EXCEPT_START":  # contextlib.suppress, or what ends without it
            return bool({"suppress", "ExitStack"} & set(frame.f_code.co_names)), _raised(code, k)
    while k < len(code.steps):
        name, value, offset = code.steps[k]
        if name in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH"):
            if not stack or _takes(stack.pop(), error):
                return True, None
            jump = next(s for s in code.steps[k + 1 :] if s.name.endswith("IF_FALSE"))
            k, stack = code.places[jump.value], []
            continue
        if name == "RERAISE":
            return False, offset
        if name in ("RETURN_VALUE", "RETURN_CONST"):  # out of a finally
            return True, None
        for k_pushed in _pushed(name, value, frame, stack):
            stack.append(k_pushed)
        k += 1
    return False, None


def _raised(code: Handlers, k: int) -> int | None:
    return next((s.offset for s in code.steps[k:] if s.name == "RERAISE"), None)


UNKNOWN = object()


def _pushed(name: str, value: Any, frame: FrameType, stack: list[Any]) -> Iterator[Any]:
    """What an instruction of an expression that names classes leaves on the stack."""
    if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF", "LOAD_FAST_CHECK", "LOAD_CLOSURE"):
        for names in (frame.f_locals, frame.f_globals, vars(builtins)):
            if value in names:
                yield names[value]
                return
        yield UNKNOWN
    elif name == "LOAD_ATTR" and stack:
        yield getattr(stack.pop(), str(value), UNKNOWN)
    elif name == "BUILD_TUPLE" and len(stack) >= value:
        parts = tuple(stack[len(stack) - value :])
        del stack[len(stack) - value :]
        yield parts
    elif name not in ("PUSH_NULL", "CACHE", "NOP", "EXTENDED_ARG", "COPY", "POP_EXCEPT", "NOT_TAKEN"):
        stack.clear()
        yield UNKNOWN


def _takes(named: Any, error: type[Exception]) -> bool:
    """Whether what a clause names is the class of an error, or what is above it; what is not known may be."""
    if isinstance(named, tuple):
        return any(_takes(part, error) for part in named)
    return not isinstance(named, type) or issubclass(error, named)


# -- where an error came from ---------------------------------------------------------------------------

ENGINE = str(Path(__file__).parent.parent)


def is_own_recursion(error: BaseException) -> bool:
    """Whether the engine's own code recursed without end, not the user's code that calls it."""
    files = []
    trace = error.__traceback__
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return all(name.startswith(ENGINE) for name in files[-50:])


def innermost(error: BaseException) -> Any:
    """The frame in which an error was raised."""
    trace: Any = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame
