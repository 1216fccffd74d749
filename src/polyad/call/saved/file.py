"""The file of a prepared object.

* Its first line says in words that people can read what it holds and which versions can read it, the second
  is a checksum of everything else, and then come two pickles: what the object was made of, and what it knows.
* pickle runs what a file says, so nothing is unpickled before versions and checksum were compared.
* Packed by cloudpickle, where that is installed, it has lambdas too.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from polyad.call.saved.known import knowledge
from polyad.errors import ArgumentError, NotPicklableError

__all__ = ["load", "write"]

# what the first line of a file says
MAGIC = "polyad prepared derivative"
# of what stands after it, so that what another commit of the same version has written is not misread
FORM = 2
NEW = "prepare it anew and save it"


def _versions(modules: Any) -> dict[str, str]:
    # the package itself stands on a floor above
    found = {
        "polyad": sys.modules["polyad"].__version__,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "form": str(FORM),
    }
    return {**found, **{name: _version(name) for name in ("numpy", *modules)}}


def _version(module: str) -> str:
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:  # one that is installed under another name than it is imported by
        return str(getattr(importlib.import_module(module), "__version__", "of no number"))
    except ImportError:
        return ""


def write(prepared: Any, path: str | os.PathLike[str], label: str) -> None:
    """Write a prepared object to a file; an existing one is replaced when all is written."""
    try:
        import cloudpickle as pickler
    except ImportError:
        pickler = pickle
    prepared._executable  # noqa: B018  (one that has arrived out of a file is prepared now)
    try:
        data = pickler.dumps(prepared)
    except NotPicklableError as error:
        words, by_value, _ = str(error).partition("or pickle with cloudpickle")
        if not by_value:
            raise
        raise NotPicklableError(f"{words}or install cloudpickle, which save takes where it is") from error
    except Exception as error:
        raise NotPicklableError(
            f"{label} cannot be saved ({type(error).__name__}: {error}): keep locks and open files out "
            "of what the function captures, and define it at the top level of a module"
        ) from error
    data += knowledge(prepared)
    target = Path(path)
    head = json.dumps({"what": MAGIC, "of": label, **_versions(prepared.backend.requires)}).encode() + b"\n"
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(head + _checksum(head, data) + data)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _checksum(head: bytes, data: bytes) -> bytes:
    return hashlib.sha256(head + data).hexdigest().encode() + b"\n"


def load(path: str | os.PathLike[str]) -> Any:
    """Read a prepared derivative that ``prepared.save(path)`` has written.

    Parameters
    ----------
    path : str or path
        The file. It is read by pickle, which runs what the file says: read only files that you trust.

    Returns
    -------
    Prepared
        As it was. Patterns, colorings, programs of polyad's engine (``NumPy(compile=True)``), CasADi's
        functions and JAX's programs (``jax.export``) are out of the file; what has none is prepared again at
        its first use, and so is a function that has changed since. Its ``strategy`` and ``repr`` say which.

    Raises
    ------
    polyad.errors.ArgumentError
        If the file holds something else, is damaged, was written by another version of polyad, of Python or
        of the framework, or is of a function that is not found here.

    Examples
    --------
    >>> import numpy as np, polyad as ad, tempfile
    >>> p = ad.prepare_gradient(np.linalg.norm, np.ones(2), backend="numpy:compiled")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     p.save(f"{folder}/norm.polyad")
    ...     q = ad.load(f"{folder}/norm.polyad")
    >>> q(np.array([3.0, 4.0])), q.strategy.split("; ")[-1]
    (array([0.6, 0.8]), 'its program out of a file')
    """
    with Path(path).open("rb") as file:
        first, checksum, data = file.readline(), file.readline(), file.read()
    try:
        head = json.loads(first)
        known = head["what"] == MAGIC
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ArgumentError(f"{path} holds no prepared derivative: prepared.save(path) writes one")
    what = f"{path} ({head.get('of')})"
    others = [name for name in head if name not in ("what", "of", "polyad", "python", "form", "numpy")]
    for name, version in _versions(others).items():
        if head.get(name) == version:
            continue
        if not version:
            raise ArgumentError(
                f"{what} was saved with {name} {head[name]}, which is not installed: install it"
            )
        if name == "form":
            raise ArgumentError(f"{what} was saved by another build of polyad {head['polyad']}: {NEW}")
        raise ArgumentError(
            f"{what} was saved by {name} {head.get(name)}, and this is {name} {version}: {NEW}"
        )
    if _checksum(first, data) != checksum:
        raise ArgumentError(f"{what} is damaged, its checksum is another: {NEW}")
    stream = io.BytesIO(data)
    try:
        prepared = pickle.load(stream)
        prepared.__dict__["_kept"] = pickle.load(stream)
    except Exception as error:
        raise ArgumentError(
            f"{what} needs something that is not found here ({type(error).__name__}: {error}): load it where "
            f"the modules of the function and of its arguments can be imported as they were, or {NEW}"
        ) from error
    return prepared
