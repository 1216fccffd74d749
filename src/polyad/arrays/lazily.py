"""A property that is computed once, without a lock.

``functools.cached_property`` of Python 3.11 holds one lock for all objects of a class while it computes. What
is computed in another thread in the meantime, as within JAX's traces, and needs the property of another
object, would wait without end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["Lazily"]

T = TypeVar("T")


class Lazily(Generic[T]):
    """A method as an attribute, computed at its first use; of two threads both may do so."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__
        self._name = compute.__name__

    @overload
    def __get__(self, owner: None, kind: Any = None) -> Lazily[T]: ...

    @overload
    def __get__(self, owner: object, kind: Any = None) -> T: ...

    def __get__(self, owner: object | None, kind: Any = None) -> Lazily[T] | T:
        if owner is None:
            return self
        found = owner.__dict__[self._name] = self._compute(owner)
        return found
