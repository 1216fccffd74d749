"""Sending a function to another process, by where it is defined.

* Functions travel by reference (module and name), as pickle has it; the worker imports the module.
  A lambda or a closure travels where its module holds it under a name; what has no address (one
  inside of a function, the prompt) cannot travel.
* ``__main__`` travels by its file, loaded under another name, so that what stands behind
  ``if __name__ == "__main__"`` does not run again. A script without that guard calls ``compare``
  while the worker loads it: ``Recursion`` stops the loading there, with the function defined.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import io
import pickle
import sys
import types
from pathlib import Path
from typing import Any

from polyad.errors import ArgumentError

__all__ = ["NotSendableError", "Recursion", "load_file", "pack", "unpack"]

MAIN = "__polyad_main__"

# modules that were loaded from a file the user named: name -> path
_FILES: dict[str, str] = {}

# True in a worker; a comparison within a comparison never starts
inside_worker = False


class NotSendableError(Exception):
    """The function has no address that another process could import; the text says why."""


class Recursion(BaseException):
    """Raised by ``compare`` in a worker, where the user's script is only being loaded.

    A signal that user code must not catch, so no ``Exception``.
    """


def load_file(path: Path, name: str | None = None, package: str | None = None) -> types.ModuleType:
    """Import a Python file by its path.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        Name of the module; its stem by default, unless another module has that name.
    package : str, optional
        The package that its relative imports refer to.

    Returns
    -------
    module
        The module; another process finds it again through ``pack``.
    """
    path = path.resolve()
    if name is None:
        taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
        name = f"_polyad_file_{path.stem}" if taken else path.stem
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ArgumentError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    if package is not None:
        module.__package__ = package
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # its neighbours, as for a script
    sys.modules[name] = module
    _FILES[name] = str(path)
    try:
        loader.exec_module(module)
    except Recursion:
        pass  # everything up to the comparison is defined, and nothing after it is needed
    except BaseException:
        del sys.modules[name], _FILES[name]
        raise
    return module


class _Pickler(pickle.Pickler):
    """Pickles a lambda or a closure that has a name in its module by that name."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, types.FunctionType) and not value.__qualname__.isidentifier():
            module = sys.modules.get(value.__module__)
            for name, held in vars(module).items() if module is not None else ():
                if held is value:
                    return _held, (value.__module__, name)
        return NotImplemented


def _held(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def pack(task: Any) -> bytes:
    """A picklable description of ``task`` that ``unpack`` understands in another process.

    Raises
    ------
    NotSendableError
        If something in it has no address.
    """
    if not sys.executable:
        raise NotSendableError("this Python is embedded and cannot start another")
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(task)
        body = buffer.getvalue()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotSendableError(_why(task, error)) from error
    main = None
    if b"__main__" in body:
        module = sys.modules["__main__"]
        file = getattr(module, "__file__", None)
        if file is None or not Path(file).is_file():
            raise NotSendableError("it is defined at the prompt")
        spec = getattr(module, "__spec__", None)
        main = (str(Path(file).resolve()), spec.parent if spec is not None else None)
    return pickle.dumps({"main": main, "files": dict(_FILES), "argv": sys.argv, "body": body})


def _why(task: Any, error: Exception) -> str:
    name = getattr(getattr(task, "f", None), "__qualname__", "")
    if name.endswith("<lambda>"):
        return "a lambda has no name to find it by"
    if "<locals>" in name:
        return "it is defined inside another function"
    return str(error)


def unpack(data: bytes) -> Any:
    """What ``pack`` packed, after importing what it refers to."""
    message = pickle.loads(data)
    sys.argv = message["argv"]
    for name, path in message["files"].items():
        if name not in sys.modules:
            load_file(Path(path), name)
    if message["main"] is not None:
        path, package = message["main"]
        sys.modules["__main__"] = load_file(Path(path), MAIN, package)
        vars(sys.modules["__main__"])["__name__"] = MAIN
    return pickle.loads(message["body"])
