"""Operations of whole arrays that autograd lacks, with the rules of the table.

All its arrays are NumPy's, so the values come from the primitive itself; its derivatives are the
primitive's pullback and pushforward on autograd's boxes, so that they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj
from polyad.engine.core.values import Primitive, Value, is_real, shape_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.structure import getitem, reshape

__all__ = ["by_rules", "constant"]


def constant(own: Adapter, primitive: Primitive) -> Callable[..., Any]:
    """A primitive that is constant in pieces, on the values alone."""
    return lambda *args, **params: primitive.compute(*map(own.stop, args), **params)


def by_rules(own: Adapter, primitive: Primitive) -> Callable[..., Any]:
    """A primitive as one of autograd's.

    Parameters
    ----------
    own : Adapter
        That of autograd.
    primitive : Primitive
        One with rules for both modes.
    """
    from autograd.builtins import tuple as tuple_of
    from autograd.extend import defjvp_argnums, defvjp_argnums
    from autograd.extend import primitive as of_autograd

    call = of_autograd(lambda *args, **params: primitive.compute(*args, **params))

    def enter(a: Any) -> Value:
        return Proxy(own.name, a) if own.is_own(a) else a

    def leave(a: Value) -> Any:
        return a.array if type(a) is Proxy else a

    def result(y: Any) -> Value:
        return tuple(enter(part) for part in y) if primitive.multiple else enter(y)

    def adjoint(g: Value, like: Value) -> Value:
        """From autograd's cotangents, which are not conjugated, to the table's, and back."""
        g = g if is_real(g) else conj(g)
        return g if shape_of(g) == shape_of(like) else reshape(g, shape=shape_of(like))

    def pull(argnums: tuple[int, ...], y: Any, args: Any, params: dict[str, Any]) -> Callable[[Any], Any]:
        y, values = result(y), [enter(a) for a in args]

        def back(g: Any) -> tuple[Any, ...]:
            w = result(g)
            w = tuple(map(adjoint, w, y)) if primitive.multiple else adjoint(w, y)
            if primitive.joint is not None:
                found = primitive.joint(argnums, y, *values, **params)(w)
            else:
                found = tuple(primitive.pulls[k](y, *values, **params)(w) for k in argnums)
            return tuple(leave(adjoint(f, values[k])) for k, f in zip(argnums, found, strict=True))

        return back

    def push(argnums: tuple[int, ...], gs: Any, y: Any, args: Any, params: dict[str, Any]) -> Any:
        assert primitive.push is not None
        y, values = result(y), [enter(a) for a in args]
        rows: list[Value] = [None] * len(args)
        for k, g in zip(argnums, gs, strict=True):
            rows[k] = reshape(enter(g), shape=(1, *shape_of(values[k])))
        moved = primitive.push(y, tuple(rows), *values, **params)
        if primitive.multiple:
            return tuple_of(tuple(leave(_first(t, part)) for t, part in zip(moved, y, strict=True)))
        return leave(_first(moved, y))

    defvjp_argnums(call, pull)
    defjvp_argnums(call, push)
    return call


def _first(t: Value, y: Value) -> Value:
    """The only tangent of a batch of one; zeros where there is none."""
    return np.zeros(shape_of(y)) if t is None else getitem(t, index=0)
