"""The address of a function, as the command line takes it: ``module.py:function``.

Finding the function runs its module, which is the user's code: it may print, hang or end the process.
So ``compare`` sends the address, and the function is found in the process that runs it.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyad.benchmark.transport import load_file
from polyad.errors import ArgumentError

__all__ = ["Address"]


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a function is: ``module.py:function`` or ``package.module:function``.

    Parameters
    ----------
    target : str
        The address; what stands after the colon may have dots.

    Raises
    ------
    polyad.errors.ArgumentError
        If it is no address, or there is no such file.

    Examples
    --------
    >>> Address("numpy:linalg.norm").label
    'linalg.norm'
    """

    target: str

    def __post_init__(self) -> None:
        where, _, name = self.target.rpartition(":")
        if not where or not name:
            raise ArgumentError(
                f"{self.target!r} names no function: write module.py:function or module:function"
            )
        if where.endswith(".py") and not Path(where).is_file():
            raise ArgumentError(f"there is no file {where}")

    @property
    def label(self) -> str:
        """The name of the function."""
        return self.target.rpartition(":")[2]

    def find(self) -> Callable[..., Any]:
        """The function.

        Raises
        ------
        polyad.errors.ArgumentError
            If the module cannot be imported or has no such function; the message says which.
        """
        where, _, name = self.target.rpartition(":")
        found: Any = _module(where)
        for part in name.split("."):
            try:
                found = getattr(found, part)
            except Exception:
                names = getattr(found, "__dict__", {})
                functions = sorted(k for k, v in names.items() if callable(v) and not k.startswith("_"))
                has = f"; it has {', '.join(functions[:8])}" if functions else ""
                raise ArgumentError(f"{where} has no {part!r}{has}") from None
        if not callable(found):
            raise ArgumentError(f"{self.target} is of type {type(found).__name__}, not a function")
        return found


def _module(where: str) -> Any:
    try:
        if where.endswith(".py"):
            return load_file(Path(where))
        if "" not in sys.path:
            sys.path.insert(0, "")  # modules of the working directory, as for python -m
        return importlib.import_module(where)
    except ArgumentError:
        raise
    except (Exception, SystemExit) as error:  # the user's module failed: say so in a line
        hint = f"; {where}.py is a file: write {where}.py:..." if Path(f"{where}.py").is_file() else ""
        raise ArgumentError(
            f"{where} cannot be imported: {type(error).__name__}: {str(error) or 'no message'}{hint}"
        ) from error
