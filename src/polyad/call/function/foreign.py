"""Functions written for another framework: errors that say so, not what the framework says of a box.

``jnp.sin`` of a box, of a torch tensor or of CasADi's symbols raises whatever JAX raises of things that it
does not know. Where the error comes from tells whose function it was: the first frame below the user's line
is the framework's, or, where compiled code leaves no frame, the line calls something of the framework.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import Any

import numpy as np

from polyad.arrays.libraries import libraries, loaded
from polyad.arrays.user_code import is_users, package_in, steps
from polyad.call.function.mentions import packages_of
from polyad.errors import OperationNotSupportedError, PolyadError
from polyad.systems.base import Backend
from polyad.systems.registry import load, names

__all__ = ["framework_of", "remedy_of", "returned", "written_for"]


def written_for(error: Exception, backend: Backend, f: Callable[..., Any]) -> str | None:
    """The remedy if the function is written for a framework that is not the backend's, or None.

    Parameters
    ----------
    error : Exception
        What running the function raised.
    backend : Backend
        Who ran it.
    f : callable
        The user's function.
    """
    cls = _framework_in(error, backend, f)
    if cls is None:
        return None
    lacking = getattr(error, "polyad_lacking", "")
    remedy = remedy_of(cls) + ("" if cls.native else backend.for_numpy)
    return remedy + (f" ({lacking} in NumPy code)" if lacking else "")


def framework_of(error: Exception, backend: Backend, f: Callable[..., Any]) -> type[Backend] | None:
    """The backend for whose framework a function is written, as far as an error of running it tells."""
    said = getattr(error, "polyad_framework", None)
    if said is not None:
        return _frameworks().get(said)
    if isinstance(error, PolyadError) and not isinstance(error, OperationNotSupportedError):
        below = error.__cause__
        return _framework_in(below, backend, f) if isinstance(below, OperationNotSupportedError) else None
    return _framework_in(error, backend, f)


def _framework_in(error: Exception, backend: Backend, f: Callable[..., Any]) -> type[Backend] | None:
    own = {*backend.requires, backend.library, backend.follows}
    for package in _suspects(error, f):
        cls = _frameworks().get(package)
        # what a backend does not take in its own language came from the user's line as well
        if cls is not None and not (package in own and cls.native):
            return cls
    return None


def remedy_of(cls: type[Backend]) -> str:
    """What to do with a function that is written for the framework of a backend."""
    if cls.native:
        return (
            f"it is written for {cls.__name__}: use backend={cls.name!r}, or write it with NumPy's functions"
        )
    return (
        f"it calls functions of {cls.requires[0]} itself, which take nothing that is being differentiated: "
        f"write it with NumPy's functions, which backend={cls.name!r} turns into those of {cls.requires[0]}"
    )


def returned(value: Any) -> str:
    """What to say of an output that no array library knows: the remedy, where a framework does."""
    cls = _frameworks().get(type(value).__module__.partition(".")[0])
    return "" if cls is None else f": {remedy_of(cls)}"


@functools.cache
def _frameworks() -> dict[str, type[Backend]]:
    """The backend of every framework, by the name of its package."""
    found = [load(name) for name in names()]
    return {cls.requires[0]: cls for cls in found if cls.requires}


def _suspects(error: Exception, f: Callable[..., Any]) -> Iterator[str]:
    """Packages whose function may have raised the error."""
    way = list(steps(error))
    users = [k for k, step in enumerate(way) if is_users(_file(step))]
    if not users:
        yield from (_package(step) for step in filter(_is_packaged, way))
        yield from packages_of(f)
        return
    last = users[-1]
    below = way[last + 1 :]
    if below and _is_packaged(below[0]):
        yield _package(below[0])
    if not _raises(way[last]):
        yield from _called_on(way[last])
    name = error.name if isinstance(error, AttributeError) else None
    # a private one is not asked for by anybody's own code
    if name is not None and not name.startswith("_") and not hasattr(np.ndarray, name):
        for library in libraries():
            types = library.array_types() if loaded(library.module) is not None else ()
            if any(hasattr(kind, name) for kind in types):
                yield library.module


def _file(step: TracebackType) -> str:
    return step.tb_frame.f_code.co_filename


def _is_packaged(step: TracebackType) -> bool:
    return package_in(_file(step)) is not None


def _package(step: TracebackType) -> str:
    return str(step.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _raises(step: TracebackType) -> bool:
    """Whether a frame raised the error by a statement of its own."""
    at = (i for i in dis.get_instructions(step.tb_frame.f_code) if i.offset == step.tb_lasti)
    return any(i.opname.startswith(("RAISE", "RERAISE")) for i in at)


def _called_on(step: TracebackType) -> Iterator[str]:
    """The packages of what the line under a frame mentions."""
    frame = step.tb_frame
    for name in _names_on(frame.f_code, step.tb_lineno):
        for place in (frame.f_locals, frame.f_globals):
            if name in place:
                yield from packages_of(place[name])
                yield type(place[name]).__module__.partition(".")[0]
                break


def _names_on(code: CodeType, line: int) -> list[str]:
    found = []
    for instruction in dis.get_instructions(code):
        positions = instruction.positions
        if positions is None or positions.lineno is None:
            continue
        if positions.lineno <= line <= (positions.end_lineno or positions.lineno):
            if isinstance(instruction.argval, str):
                found.append(instruction.argval)
    return found
