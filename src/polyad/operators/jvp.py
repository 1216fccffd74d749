"""Jacobian-vector product (pushforward): any -> any; the result is like the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem
from polyad.systems.derive import operators as derive

__all__ = ["PreparedJVP", "jvp", "prepare_jvp", "value_and_jvp"]


class PreparedJVP(Prepared):
    """A Jacobian-vector product prepared by ``prepare_jvp``."""

    operator = "jvp"
    gives = "output"
    seed_name = "v"

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return derive.pushforward(backend, problem, batched=self.batched)

    def __call__(self, *args: Any, v: Any, out: Any = None) -> Any:
        """The Jacobian-vector product at ``args``; written into ``out`` where given."""
        return self._call(args, out, v)

    def value_and(self, *args: Any, v: Any, out: Any = None) -> tuple[Any, Any]:
        """The value and the Jacobian-vector product at ``args``."""
        return self._value_and(args, out, v)


@document
def jvp(
    f: Callable[..., Any],
    *args: Any,
    v: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    out: Any = None,
) -> Any:
    """Jacobian-vector product (pushforward): the tangent of the output along ``v``.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    v : like the active argument
        The direction.
    {common}
    {batched}
    {out}

    Returns
    -------
    jvp : like the output
        ``J v``; with ``batched=True`` every leaf has the leading axis of ``v``.

    Raises
    ------
    polyad.errors.TangentMismatchError
        If ``v`` does not have the structure and shapes of the active argument.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.jvp(lambda x: x**2, np.array([1.0, 2.0]), v=np.array([1.0, 1.0]), backend="jax")
    array([2., 4.])
    """
    return single(
        PreparedJVP,
        f,
        args,
        (v,),
        out=out,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        batched=batched,
    )


@document
def value_and_jvp(
    f: Callable[..., Any],
    *args: Any,
    v: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    out: Any = None,
) -> tuple[Any, Any]:
    """Value and Jacobian-vector product, in one computation.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    v : like the active argument
        The direction.
    {common}
    {batched}
    {out}

    Returns
    -------
    value : like the output
        ``f(*args)``.
    jvp : like the output
        As ``jvp`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.value_and_jvp(lambda x: x**2, np.array([1.0, 2.0]), v=np.ones(2), backend="jax")
    (array([1., 4.]), array([2., 4.]))
    """
    return single(
        PreparedJVP,
        f,
        args,
        (v,),
        out=out,
        drop=0,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        batched=batched,
    )


@document
def prepare_jvp(
    f: Callable[..., Any],
    *args: Any,
    v: Any = None,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    on_mismatch: str = "raise",
) -> PreparedJVP:
    """Prepare a Jacobian-vector product for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    v : optional
        An example of the direction; needed with ``batched=True`` only.
    {common}
    {batched}
    {prepare}

    Returns
    -------
    PreparedJVP
        Call it as ``p(*args, v=v)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_and_jvp`` gives.

    Raises
    ------
    polyad.errors.TangentMismatchError
        If ``v`` does not have the structure and shapes of the active argument.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_jvp(lambda x: x**2, np.ones(2), backend="jax")
    >>> p(np.array([1.0, 2.0]), v=np.array([0.0, 1.0]))
    array([0., 4.])
    """
    return PreparedJVP(
        f,
        args,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        on_mismatch=on_mismatch,
        seed=v,
        batched=batched,
    )
