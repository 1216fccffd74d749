"""What belongs to one point is computed once: a solver asks for value and derivative by separate calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["AtPoint", "LastPoint"]

# With more products at a point than this it pays to linearize there.
FEW_PRODUCTS = 3


class LastPoint:
    """A function of one NumPy array that returns a tuple, with what it returned at the last point.

    The point is compared by its bytes, of which a copy is kept: a solver may write into its array between two
    calls. What is handed out by ``part`` is a copy too, because solvers also write into what they are given.
    A call that raises leaves what was known before. Threads may share one: each sees a whole point.

    Parameters
    ----------
    compute : callable
        ``compute(x) -> tuple``, which runs when a point is another one than the last.

    Examples
    --------
    >>> import numpy as np
    >>> at = LastPoint(lambda x: (print("computed"), float(x @ x), 2 * x)[1:])
    >>> value, gradient = at.part(0), at.part(1)
    >>> x = np.array([1.0, 2.0])
    >>> value(x)
    computed
    5.0
    >>> gradient(x)
    array([2., 4.])
    >>> x[0] = 0.0
    >>> value(x)
    computed
    4.0
    """

    __slots__ = ("_compute", "_last")

    def __init__(self, compute: Callable[[Any], tuple[Any, ...]]) -> None:
        self._compute = compute
        self._last: tuple[bytes, tuple[Any, ...]] | None = None

    def __call__(self, x: Any) -> tuple[Any, ...]:
        """Everything at ``x``, not copied: for callers that do not write into it."""
        key, last = x.tobytes(), self._last
        if last is not None and last[0] == key:
            return last[1]
        found = self._compute(x)
        self._last = key, found
        return found

    def part(self, k: int) -> Callable[[Any], Any]:
        """The function that returns entry ``k`` of the tuple, a copy where it has one."""

        # what ``__call__`` does is said again: a callback has less than a microsecond
        def part(x: Any) -> Any:
            last = self._last
            found = (last[1] if last is not None and last[0] == x.tobytes() else self(x))[k]
            return found if type(found) is float else found.copy() if hasattr(found, "copy") else found

        return part


class AtPoint:
    """Products at points: single ones, or of a linearization where there are many at one point.

    To linearize costs about two products, and makes each a third as dear. Where the point before had many, so
    will this one; else the first few are single ones.

    Parameters
    ----------
    single : callable
        ``single(x, v)``, a product by itself.
    linearize : callable
        ``linearize(x)`` gives ``product(v)`` for that point.
    """

    __slots__ = ("_count", "_key", "_linearize", "_many", "_product", "_single")

    def __init__(
        self, single: Callable[[Any, Any], Any], linearize: Callable[[Any], Callable[[Any], Any]]
    ) -> None:
        self._single, self._linearize = single, linearize
        self._key: bytes | None = None
        self._product: Callable[[Any], Any] | None = None
        self._count, self._many = 0, False

    def __call__(self, x: Any, v: Any) -> Any:
        """The product at ``x`` with ``v``."""
        key = x.tobytes()
        if key != self._key:
            self._many = self._count > FEW_PRODUCTS
            self._key, self._product, self._count = key, None, 0
        self._count += 1
        if self._product is None:
            if not self._many and self._count <= FEW_PRODUCTS:
                return self._single(x, v)
            self._product = self._linearize(x.copy())
        return self._product(v)
