"""Names of backends, and the choice when none is named.

* Backends come from the entry-point group ``polyad.backends``, polyad's own among them; nothing
  is imported before its name is asked for.
* ``"jax:forward"`` is ``JAX(mode="forward")``; every mode has its word, and a class adds words of its
  own by ``variants`` (``"numpy:compiled"``). Words combine: ``"numpy:forward:compiled"``.
* Without a name the array library of the active argument decides (``Library.backends``).
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from polyad.arrays import libraries
from polyad.arrays.libraries import entries
from polyad.errors import ArgumentError, BackendNotFoundError, BackendNotInstalledError, how_to_install
from polyad.systems.base import Backend
from polyad.systems.contract import Variant

__all__ = ["GROUP", "default_backend", "in_use", "load", "names", "resolve", "variants"]

GROUP = "polyad.backends"

MODES = ("forward", "reverse")


def names() -> list[str]:
    """Names of all registered backends, installed or not."""
    return sorted(entries(GROUP))


@functools.cache
def load(name: str) -> type[Backend]:
    """The class registered under the name; its framework need not be installed.

    Raises
    ------
    BackendNotFoundError
        If nothing is registered under the name.
    """
    entry = entries(GROUP).get(name)
    if entry is None:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise BackendNotFoundError(
            f"no backend is named {name!r}{hint} Registered: {', '.join(map(repr, names()))}"
        )
    return entry.load()


@functools.cache
def _missing(modules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(module for module in modules if importlib.util.find_spec(module) is None)


def is_installed(backend: type[Backend]) -> bool:
    """Whether the modules that the backend needs can be found; imports none of them."""
    return not _missing(backend.requires)


def installed_version(backend: type[Backend]) -> str | None:
    """Version of the backend's framework, or None where it has no version of its own."""
    if not backend.requires:
        return None
    try:
        return version(backend.requires[0])
    except PackageNotFoundError:
        return None


def _check_installed(backend: type[Backend] | Backend) -> None:
    lacking = _missing(backend.requires)
    if lacking:
        missing = ", ".join(lacking)
        remedy = how_to_install(backend.extra) if backend.extra else f"pip install {' '.join(lacking)}"
        raise BackendNotInstalledError(
            f"backend {backend.name!r} needs {missing}, which is not installed: {remedy}"
        )


def variants(backend: type[Backend]) -> dict[str, Variant]:
    """What may stand after the backend's name, its modes first."""
    modes = {mode: Variant({"mode": mode}) for mode in MODES if mode in backend.supports}
    return {**modes, **backend.variants}


def class_of(name: str) -> type[Backend]:
    """The class that a name selects, whatever words follow the backend's own."""
    return load(name.partition(":")[0])


@functools.cache
def _named(text: str) -> Backend:
    """The backend that ``"name"`` or ``"name:word:word"`` selects."""
    name, *words = text.split(":")
    chosen = load(name)
    known = variants(chosen)
    options: dict[str, Any] = {}
    for word in words:
        if word not in known and word not in MODES:
            close = difflib.get_close_matches(word, known, n=1)
            hint = f"; did you mean {f'{name}:{close[0]}'!r}?" if close else "."
            listed = ", ".join(repr(f"{name}:{each}") for each in known) or "no variants"
            raise ArgumentError(f"backend {name!r} has no variant {word!r}{hint} It has {listed}")
        # a mode that the backend lacks is its class's to refuse
        added = known[word].options if word in known else {"mode": word}
        if not options.keys().isdisjoint(added):
            raise ArgumentError(
                f"backend {text!r} contradicts or repeats itself at {word!r}: leave one word out"
            )
        options.update(added)
    return chosen(**options)


def resolve(backend: Backend | str | None, library: str = libraries.PLAIN.name) -> Backend:
    """The backend object for an object, a name, or None.

    Parameters
    ----------
    backend : Backend, str or None
        What the user wrote; words may follow a name: ``"jax:forward"``, ``"numpy:compiled"``.
    library : str
        Array library of the active argument, which decides where ``backend`` is None.

    Raises
    ------
    BackendNotFoundError
        If the name is unknown.
    ArgumentError
        If a word after the name is unknown or contradicts another.
    BackendNotInstalledError
        If its framework is not installed.
    """
    if backend is None:
        return default_backend(library)
    if isinstance(backend, str):
        chosen = _named(backend)
        _check_installed(type(chosen))
        return chosen
    if isinstance(backend, type) and issubclass(backend, Backend):
        backend = backend()
    if not isinstance(backend, Backend):
        raise ArgumentError(
            f"backend is {backend!r}: pass a backend such as polyad.JAX(), or a name, "
            f"one of {', '.join(map(repr, names()))}"
        )
    _check_installed(backend)
    return backend


def in_use(backend: Backend | str | None, library: str) -> Backend:
    """As ``resolve``, its framework imported.

    Raises
    ------
    BackendNotInstalledError
        If the framework cannot be imported, or an import of it was broken off: it may seem whole after that.
    """
    chosen = resolve(backend, library)
    if chosen.requires not in _IMPORTED:
        for module in chosen.requires:
            _import(chosen.name, module)
        _IMPORTED.add(chosen.requires)
    return chosen


_IMPORTED: set[tuple[str, ...]] = set()
_BROKEN: dict[str, str] = {}  # module -> what broke its import off


def _import(backend: str, module: str) -> None:
    if module not in _BROKEN:
        try:
            importlib.import_module(module)
            return
        except Exception as error:
            _BROKEN[module] = f"{type(error).__name__}: {error}"
            raise _broken(backend, module) from error
        except BaseException as stop:  # Ctrl-C
            _BROKEN[module] = type(stop).__name__
            raise
    raise _broken(backend, module)


def _broken(backend: str, module: str) -> BackendNotInstalledError:
    return BackendNotInstalledError(
        f"backend {backend!r} needs {module}, the import of which was broken off ({_BROKEN[module]}) and "
        "left it half made: start Python anew"
    )


@functools.cache
def default_backend(library: str) -> Backend:
    """The preferred registered backend for arrays of that library."""
    registered = names()
    for name in libraries.library(library).backends:
        if name in registered:
            return resolve(name)
    raise BackendNotFoundError(f"no backend for {library} arrays is registered: pass backend=")


def refresh() -> None:
    """Look for entry points again, after a package was installed in this process."""
    libraries.refresh()
    for cached in (load, _missing, default_backend):
        cached.cache_clear()


def describe(name: str) -> dict[str, Any]:
    """What ``polyad.backends()`` tells of one backend."""
    backend = load(name)
    return {
        "name": name,
        "class": backend,
        "installed": is_installed(backend),
        "version": installed_version(backend),
        "library": backend.library,
        "modes": tuple(sorted(backend.supports)),
        "variants": tuple(word for word in variants(backend) if word not in MODES),
        "extra": backend.extra,
    }
