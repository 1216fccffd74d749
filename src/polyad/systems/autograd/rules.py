"""Operations of whole arrays that autograd lacks, with the rules of the table.

All its arrays are NumPy's, so the values come from the primitive itself; its derivatives are the
primitive's pullback and pushforward on autograd's boxes, so that they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj
from polyad.engine.core.values import Primitive
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.by_table import pulled, pushed
from polyad.engine.interpretations.looping import compared
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["again", "by_rules", "constant"]


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

    def adjoint(g: Any) -> Any:
        """Autograd's cotangents are not conjugated, those of the table are: from one to the other."""
        if isinstance(g, tuple):
            return tuple(map(adjoint, g))
        moved = conj(Proxy(own.name, g) if own.is_own(g) else g)
        return moved.array if type(moved) is Proxy else moved

    def parts(y: Any) -> Any:
        """A result, or its parts in a plain tuple."""
        return tuple(y) if primitive.multiple else y

    def pull(argnums: tuple[int, ...], y: Any, args: Any, params: dict[str, Any]) -> Callable[[Any], Any]:
        return lambda g: adjoint(pulled(own, primitive, argnums, parts(y), args, params, adjoint(parts(g))))

    def push(argnums: tuple[int, ...], gs: Any, y: Any, args: Any, params: dict[str, Any]) -> Any:
        tangents: list[Any] = [None] * len(args)
        for k, g in zip(argnums, gs, strict=True):
            tangents[k] = g
        moved = pushed(own, primitive, tangents, parts(y), args, params)
        return tuple_of(moved) if primitive.multiple else moved

    defvjp_argnums(call, pull)
    defjvp_argnums(call, push)
    return call


def again(
    own: Adapter, f: Callable[[Sequence[Any]], list[Any]], arrays: Sequence[Any]
) -> Sequence[Any] | None:
    """``f(arrays)``, computed again in the reverse sweep, of which the arrays alone are kept till then.

    None where it depends on other arrays that are differentiated.
    """
    from autograd.builtins import tuple as tuple_of
    from autograd.core import make_jvp, make_vjp
    from autograd.extend import defjvp_argnums, defvjp_argnums
    from autograd.extend import primitive as of_autograd

    values = f([own.stop(a) for a in arrays])
    if any(map(own.is_own, values)):
        return None

    def whole(args: Any) -> Any:
        return tuple_of(f(list(args)))

    call = of_autograd(lambda *args: tuple(values))

    def pull(argnums: tuple[int, ...], y: Any, args: Any, params: Any) -> Callable[[Any], Any]:
        def back(g: Any) -> Any:
            transposed, now = make_vjp(whole, tuple_of(args))
            for a, b in zip(now, values, strict=True):
                compared(np.array_equal(own.stop(a), b, equal_nan=True))
            cotangents = transposed(g)
            return tuple([cotangents[k] for k in argnums])

        return back

    def push(argnums: tuple[int, ...], gs: Any, y: Any, args: Any, params: Any) -> Any:
        tangents = [np.zeros_like(own.stop(a)) for a in args]
        for k, g in zip(argnums, gs, strict=True):
            tangents[k] = g
        return make_jvp(whole, tuple_of(args))(tuple_of(tangents))[1]

    defvjp_argnums(call, pull)
    defjvp_argnums(call, push)
    found: Sequence[Any] = call(*arrays)
    return [found[k] for k in range(len(found))]
