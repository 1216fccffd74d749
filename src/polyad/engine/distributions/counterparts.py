"""From the distributions of ``scipy.stats`` to those of polyad."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from polyad.engine.distributions import continuous, discrete, tails  # noqa: F401  (fill the table)
from polyad.engine.distributions.methods import METHODS, Distribution, Frozen
from polyad.engine.distributions.multivariate import LOGARITHMS, Multivariate

__all__ = ["counterpart", "distribution"]

_KNOWN: dict[int, Any] = {}


def distribution(name: str) -> Any:
    """The distribution of a name in ``scipy.stats``; None where there is none of that name."""
    import scipy.stats

    original = getattr(scipy.stats, name, None)
    return None if original is None else of(original)


def of(original: Any) -> Any:
    """A distribution of ``scipy.stats`` as polyad's; None for anything else."""
    stats = sys.modules.get("scipy.stats")
    if stats is None:
        return None
    if isinstance(original, stats.rv_continuous | stats.rv_discrete):
        key = id(original)
        if key not in _KNOWN or _KNOWN[key].original is not original:
            _KNOWN[key] = Distribution(original)
        return _KNOWN[key]
    for name in LOGARITHMS:
        if original is getattr(stats, name, None):
            return _KNOWN.setdefault(id(original), Multivariate(name, original))
    return None


def counterpart(f: Any) -> Callable[..., Any] | None:
    """The differentiable counterpart of a distribution of ``scipy.stats`` or of one of its methods.

    Parameters
    ----------
    f : callable
        A distribution, which is called to give it parameters; a method of one; a method of one with
        parameters (frozen).

    Returns
    -------
    callable or None
        With the same signature and the same values; None where polyad has none.
    """
    stats = sys.modules.get("scipy.stats")
    if stats is None:
        return None
    owner, name = getattr(f, "__self__", None), getattr(f, "__name__", "")
    if owner is None:
        found: Callable[..., Any] | None = of(f)
        return found
    if name == "__call__":
        return of(owner)
    if name not in METHODS:
        return None
    known = of(owner)
    if known is not None:
        return known.method(name) if hasattr(owner, name) else None
    if isinstance(owner, stats._distn_infrastructure.rv_frozen):
        # SciPy makes a copy of the distribution for each that has parameters
        original = getattr(stats, owner.dist.name, owner.dist)
        inner = of(original if type(original) is type(owner.dist) else owner.dist)
        method: Callable[..., Any] = getattr(Frozen(inner, owner.args, owner.kwds, owner), name)
        return method
    return None
