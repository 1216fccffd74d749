"""``polyad.associative_scan``: all partial results of an associative operation, in few wide steps.

It is NumPy code on slices, so it runs, and is differentiated, wherever NumPy code is (Blelloch, Prefix sums
and their applications, 1990; the odd and even form of ``jax.lax.associative_scan``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import PLAIN, library_of
from polyad.engine import run as _engine  # noqa: F401  (fills the table of rules)
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.loops.leaves import Tree, looks, refused
from polyad.errors import ArgumentError

__all__ = ["associative_scan"]

Leaves = Sequence[Any]


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False) -> Any:
    """All partial results of an associative operation: ``jax.lax.associative_scan`` in NumPy code.

    Entry k of the result is ``fn(... fn(fn(e_0, e_1), e_2) ..., e_k)``. It takes about ``2 log2(n)`` calls of
    ``fn`` on long arrays instead of n calls on single entries: faster than ``scan`` where a step does little.

    Parameters
    ----------
    fn : callable
        ``fn(a, b)``, associative, written in NumPy. It gets several entries of each leaf at once, along the
        first axis, and works on each pair of them by itself.
    elems : array or tree of them
        Each leaf has the entries along its first axis.
    reverse : bool
        Begin at the end: entry k is ``fn(... fn(e_n, e_(n-1)) ..., e_k)``.

    Returns
    -------
    like ``elems``
        The partial results.

    Raises
    ------
    polyad.errors.ArgumentError
        If leaves disagree on the number of entries.
    polyad.errors.OperationNotSupportedError
        If ``fn`` gives another structure, or other shapes, than it gets.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def chained(a, b):  # of c -> a c + x, one after the other
    ...     return a[0] * b[0], b[0] * a[1] + b[1]
    >>> rates, x = np.full(4, 0.5), np.ones(4)
    >>> ad.associative_scan(chained, (rates, x))[1]
    array([1.   , 1.5  , 1.75 , 1.875])
    >>> ad.gradient(lambda x: ad.associative_scan(chained, (rates, x))[1][-1], x)
    array([0.125, 0.25 , 0.5  , 1.   ])
    """
    tree = Tree(elems, "elems")
    lengths = {looks(leaf).shape[:1] for leaf in tree.leaves}
    if len(lengths) > 1 or () in lengths:
        shapes = ", ".join(f"{tree.path(k)} {looks(a).shape}" for k, a in enumerate(tree.leaves))
        raise ArgumentError(f"associative_scan goes along the first axis of all leaves, and got {shapes}")
    leaves = [leaf if hasattr(leaf, "__getitem__") else np.asarray(leaf) for leaf in tree.leaves]
    if not leaves or not looks(leaves[0]).shape[0]:
        return elems
    turned = [_of("getitem", leaf, index=slice(None, None, -1)) for leaf in leaves] if reverse else leaves

    def combined(a: Leaves, b: Leaves) -> list[Any]:
        found = tree.open(fn(tree.build(a), tree.build(b)))
        for k, (new, old) in enumerate(zip(found, a, strict=True)):
            if looks(new).shape != looks(old).shape:
                raise refused(
                    f"{tree.path(k)} changes its shape in fn, from {looks(old).shape} to {looks(new).shape}",
                    "let fn work on each entry along the first axis by itself",
                )
        return found

    result = _scanned(combined, turned)
    return tree.build([_of("getitem", a, index=slice(None, None, -1)) for a in result] if reverse else result)


def _scanned(fn: Callable[[Leaves, Leaves], list[Any]], leaves: Leaves) -> list[Any]:
    """The partial results along the first axis."""
    n = looks(leaves[0]).shape[0]
    if n < 2:
        return list(leaves)
    odd = _scanned(fn, fn([a[: n - 1 : 2] for a in leaves], [a[1::2] for a in leaves]))
    if n == 2:
        even: list[Any] = [a[:1] for a in leaves]
    else:
        pairs = [a[: (n - 1) // 2] for a in odd], [a[2::2] for a in leaves]
        even = [_joined([a[:1], more]) for a, more in zip(leaves, fn(*pairs), strict=True)]
    return [_interleaved(a, b, n) for a, b in zip(even, odd, strict=True)]


def _interleaved(even: Any, odd: Any, n: int) -> Any:
    """The entries in turns, the even ones first."""
    m = n // 2
    both = _of("stack", even[:m], odd[:m], axis=1).reshape((2 * m, *looks(odd).shape[1:]))
    return _joined([both, even[m:]]) if n % 2 else both


def _joined(parts: Sequence[Any]) -> Any:
    """One after the other along the first axis."""
    return _of("concatenate", *parts, axis=0)


def _of(name: str, *arrays: Any, **params: Any) -> Any:
    """A primitive on boxes, on plain arrays, or on those of another library, as which ``fn`` takes them."""
    if any(isinstance(a, Box) for a in arrays):
        return wrap(PRIMITIVES[name](*[unbox(a) if isinstance(a, Box) else a for a in arrays], **params))
    foreign = next((a for a in arrays if library_of(a) is not PLAIN), None)
    if foreign is None:
        return PRIMITIVES[name].compute(*arrays, **params)
    compute = adapter(library_of(foreign).name).compute(PRIMITIVES[name])  # type: ignore[union-attr]
    assert compute is not None
    return compute(*arrays, **params)
