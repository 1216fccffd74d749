"""SciPy's trees of points (``cKDTree``): which are near is constant, how far they are has a derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.values import Tracer, base
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import counterpart, has_box

__all__ = ["ENTER", "numbers_of"]

# what gives numbers of points
_WHICH = frozenset("query_ball_point query_ball_tree query_pairs count_neighbors".split())


class Points:
    """Stands for a tree of points that are differentiated.

    Parameters
    ----------
    original : type
        SciPy's class.
    data : Box
        The points.
    """

    def __init__(self, original: Any, data: Any, *args: Any, **kwargs: Any) -> None:
        self.data = as_box(data)
        self._plain = original(numbers_of(self.data), *args, **kwargs)
        self.n, self.m = self._plain.n, self._plain.m

    def query(self, x: Any, k: Any = 1, eps: float = 0, p: float = 2, **options: Any) -> Any:
        """The nearest points, as SciPy gives them."""
        _, places = self._plain.query(numbers_of(x), k, eps, p, **options)
        if np.any(places == self.n) or not 1 <= p < np.inf:
            return self._plain.query(x, k, eps, p, **options)  # refuses
        x = as_box(x) if has_box((x,)) else np.asarray(x)
        apart = (x if places.ndim < x.ndim else x[..., None, :]) - self.data[places]
        if p == 2:
            return np.sqrt(np.sum(apart**2, axis=-1)), places
        return np.sum(np.abs(apart) ** p, axis=-1) ** (1 / p), places

    def __getattr__(self, name: str) -> Any:
        if name not in _WHICH:
            raise AttributeError(name)
        which = getattr(self._plain, name)

        def ask(*args: Any, **kwargs: Any) -> Any:
            return which(*map(numbers_of, args), **{k: numbers_of(a) for k, a in kwargs.items()})

        return ask


def numbers_of(a: Any) -> Any:
    """What is looked at only: plain numbers, where they are known."""
    if isinstance(a, Points):
        return a._plain
    if type(a) not in BOXES:
        if not has_box((a,)):
            return a
        is_pair = isinstance(a, tuple)  # entries and their places are no array
        return tuple(map(numbers_of, a)) if is_pair else numbers_of(as_box(a))
    known = base(a._value)
    return a if isinstance(known, Tracer) else np.array(known)


def _spatial(module: Any) -> None:
    for name in ("cKDTree", "KDTree"):
        original = getattr(module, name)
        counterpart(original)(_of(original))


def _of(original: Any) -> Callable[..., Any]:
    return lambda data, *args, **kwargs: Points(original, data, *args, **kwargs)


ENTER: dict[str, Callable[[Any], None]] = {"scipy.spatial": _spatial}
