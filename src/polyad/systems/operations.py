"""The operators by their facts, which their classes state and everything else reads here.

``call.prepared`` enters each class as it is made. polyad imports a module of ``operators`` when one of its
names is asked for, so whoever reads the table has the rest imported.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil

__all__ = ["Operation", "declare", "operations"]

# the derivative that a second-order operator gives besides, by what that is like
_LOWER = {"input": "gradient", "output": "derivative"}


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operator.

    Parameters
    ----------
    name : str
        As users and backends call it.
    order : int
        Order of differentiation; 0 where the caller chooses it.
    gives : str
        What the result is like: ``"input"``, ``"output"``, ``"jacobian"`` or ``"hessian"``.
    lower : str or None
        What the first derivative is like that comes with it.
    seed : str or None
        The keyword of its direction.
    """

    name: str
    order: int
    gives: str
    lower: str | None
    seed: str | None

    @property
    def with_value(self) -> str:
        """The name of the form that gives the value as well."""
        lower = "" if self.lower is None else f"{_LOWER[self.lower]}_"
        return f"value_{lower}and_{self.name}"


_KNOWN: dict[str, Operation] = {}


def declare(operation: Operation) -> None:
    """Enter an operator into the table."""
    _KNOWN[operation.name] = operation


def operations(order: int | None = None) -> dict[str, Operation]:
    """The operators of that order by name; without one all that have a fixed order, the lowest first."""
    _import_operators()
    found = [o for o in _KNOWN.values() if (o.order > 0 if order is None else o.order == order)]
    return {o.name: o for o in sorted(found, key=lambda o: (o.order, o.name))}


@functools.cache
def _import_operators() -> None:
    room = importlib.import_module("polyad.operators")  # by name: it is a floor above
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")
