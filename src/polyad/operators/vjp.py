"""Vector-Jacobian product (pullback): any -> any; the result is like the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem
from polyad.systems.derive import operators as derive

__all__ = ["PreparedVJP", "prepare_vjp", "value_and_vjp", "vjp"]


class PreparedVJP(Prepared):
    """A vector-Jacobian product prepared by ``prepare_vjp``."""

    operator = "vjp"
    gives = "input"
    seed_name = "w"

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return derive.pullback(backend, problem, batched=self.batched)

    def __call__(self, *args: Any, w: Any, out: Any = None) -> Any:
        """The vector-Jacobian product at ``args``; written into ``out`` where given."""
        return self._call(args, out, w)

    def value_and(self, *args: Any, w: Any, out: Any = None) -> tuple[Any, Any]:
        """The value and the vector-Jacobian product at ``args``."""
        return self._value_and(args, out, w)


@document
def vjp(
    f: Callable[..., Any],
    *args: Any,
    w: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    out: Any = None,
) -> Any:
    """Vector-Jacobian product (pullback): the cotangent of the input under ``w``.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    w : like the output
        The cotangent of the output.
    {common}
    {batched}
    {out}

    Returns
    -------
    vjp : like the active argument
        The adjoint of ``jvp`` under ``Re(sum(conj(w) * dy))``: ``J.T w`` for real functions. With
        ``batched=True`` every leaf has the leading axis of ``w``.

    Raises
    ------
    polyad.errors.TangentMismatchError
        If ``w`` does not have the structure and shapes of the output.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.vjp(lambda x: x**2, np.array([1.0, 2.0]), w=np.array([1.0, 1.0]), backend="jax")
    array([2., 4.])
    """
    return single(
        PreparedVJP,
        f,
        args,
        (w,),
        out=out,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        batched=batched,
    )


@document
def value_and_vjp(
    f: Callable[..., Any],
    *args: Any,
    w: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    out: Any = None,
) -> tuple[Any, Any]:
    """Value and vector-Jacobian product, in one computation.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    w : like the output
        The cotangent of the output.
    {common}
    {batched}
    {out}

    Returns
    -------
    value : like the output
        ``f(*args)``.
    vjp : like the active argument
        As ``vjp`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.value_and_vjp(lambda x: x**2, np.array([1.0, 2.0]), w=np.ones(2), backend="jax")
    (array([1., 4.]), array([2., 4.]))
    """
    return single(
        PreparedVJP,
        f,
        args,
        (w,),
        out=out,
        drop=0,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        batched=batched,
    )


@document
def prepare_vjp(
    f: Callable[..., Any],
    *args: Any,
    w: Any = None,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    on_mismatch: str = "raise",
) -> PreparedVJP:
    """Prepare a vector-Jacobian product for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    w : optional
        An example of the direction; needed with ``batched=True`` only.
    {common}
    {batched}
    {prepare}

    Returns
    -------
    PreparedVJP
        Call it as ``p(*args, w=w)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_and_vjp`` gives.

    Raises
    ------
    polyad.errors.TangentMismatchError
        If ``w`` does not have the structure and shapes of the output.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_vjp(lambda x: x**2, np.ones(2), backend="jax")
    >>> p(np.array([1.0, 2.0]), w=np.array([0.0, 1.0]))
    array([0., 4.])
    """
    return PreparedVJP(
        f,
        args,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        on_mismatch=on_mismatch,
        seed=w,
        batched=batched,
    )
