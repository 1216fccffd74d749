"""polyad's engine inside another framework's trace.

An array that another framework is tracing or differentiating (within ``jax.jit``, ``jax.vmap``,
``torch.func``, autograd) has no values that it could hand over, or would lose a derivative. A backend
that computes with boxes need not ask for them: the arguments are put into boxes, the derivative is
calculated by the framework's own operations, and the results are the framework's arrays again.
"""

from __future__ import annotations

from typing import Any

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import flatten
from polyad.operators.arguments import Static
from polyad.operators.buffers import Cache

__all__ = ["any_guest", "enter", "leave"]


def any_guest(args: tuple[Any, ...]) -> bool:
    """Whether another framework is tracing or differentiating one of the arguments."""
    return any(_is_guest(leaf) for a in args for leaf in flatten(a)[0])


def _is_guest(leaf: Any) -> bool:
    owner = library_of(leaf)
    return owner is not None and owner.is_traced(leaf)


def enter(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with the framework's arrays in boxes."""
    return tuple(a if isinstance(a, Static | Cache) else _mapped(_boxed, a) for a in args)


def leave(result: Any) -> Any:
    """A result with the framework's arrays in place of boxes."""
    from polyad.engine import run

    return _mapped(run.unlift, result)


def _mapped(f: Any, tree: Any) -> Any:
    leaves, structure = flatten(tree)
    return structure.unflatten([f(leaf) for leaf in leaves])


def _boxed(leaf: Any) -> Any:
    from polyad.engine import run

    owner = library_of(leaf)
    foreign = owner is not None and owner.name not in ("numpy", "engine")
    return run.lift(owner.name, leaf) if foreign else leaf  # type: ignore[union-attr]
