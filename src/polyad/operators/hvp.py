"""Hessian-vector product: anything -> scalar; the result is like the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedHVP", "gradient_and_hvp", "hvp", "prepare_hvp", "value_gradient_and_hvp"]


class PreparedHVP(Prepared):
    """A Hessian-vector product prepared by ``prepare_hvp``."""

    operator = "hvp"
    gives = "input"
    lower = "input"
    scalar_output = True
    seed_name = "v"

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.hvp_batched(problem) if self.batched else backend.hvp(problem)

    def __call__(self, *args: Any, v: Any, out: Any = None) -> Any:
        """The Hessian-vector product at ``args``; written into ``out`` where given."""
        return self._call(args, out, v)

    def value_and(self, *args: Any, v: Any, out: Any = None) -> tuple[Any, Any, Any]:
        """The value, the gradient and the Hessian-vector product at ``args``."""
        return self._value_and(args, out, v)

    def gradient_and(self, *args: Any, v: Any, out: Any = None) -> tuple[Any, Any]:
        """The gradient and the Hessian-vector product at ``args``."""
        return self._value_and(args, out, v, drop=1)


@document
def hvp(
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
    """Hessian-vector product of a scalar function, without the Hessian.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    v : like the active argument
        The direction.
    {common}
    {batched}
    {out}

    Returns
    -------
    hvp : like the active argument
        ``H v``; with ``batched=True`` every leaf has the leading axis of ``v``.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
    polyad.errors.TangentMismatchError
        If ``v`` does not have the structure and shapes of the active argument.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), v=np.ones(2), backend="jax")
    array([ 6., 12.])
    """
    return single(
        PreparedHVP,
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
def value_gradient_and_hvp(
    f: Callable[..., Any],
    *args: Any,
    v: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    out: Any = None,
) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian-vector product, in one computation.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    v : like the active argument
        The direction.
    {common}
    {batched}
    {out}

    Returns
    -------
    value : scalar
        ``f(*args)``.
    gradient : like the active argument
        As ``gradient`` gives it.
    hvp : like the active argument
        As ``hvp`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> y, g, hv = ad.value_gradient_and_hvp(
    ...     lambda x: (x**3).sum(), np.array([1.0, 2.0]), v=np.ones(2), backend="jax"
    ... )
    >>> float(y), g, hv
    (9.0, array([ 3., 12.]), array([ 6., 12.]))
    """
    return single(
        PreparedHVP,
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
def gradient_and_hvp(
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
    """Gradient and Hessian-vector product, in one computation.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    v : like the active argument
        The direction.
    {common}
    {batched}
    {out}

    Returns
    -------
    gradient : like the active argument
        As ``gradient`` gives it.
    hvp : like the active argument
        As ``hvp`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient_and_hvp(lambda x: (x**3).sum(), np.ones(2), v=np.ones(2), backend="jax")
    (array([3., 3.]), array([6., 6.]))
    """
    return single(
        PreparedHVP,
        f,
        args,
        (v,),
        out=out,
        drop=1,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        batched=batched,
    )


@document
def prepare_hvp(
    f: Callable[..., Any],
    *args: Any,
    v: Any = None,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    batched: bool = False,
    on_mismatch: str = "raise",
) -> PreparedHVP:
    """Prepare a Hessian-vector product for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    v : optional
        An example of the direction; needed with ``batched=True`` only.
    {common}
    {batched}
    {prepare}

    Returns
    -------
    PreparedHVP
        Call it as ``p(*args, v=v)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_gradient_and_hvp`` gives.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
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
    >>> p = ad.prepare_hvp(lambda x: (x**3).sum(), np.ones(2), backend="jax")
    >>> p(np.array([1.0, 2.0]), v=np.array([0.0, 1.0]))
    array([ 0., 12.])
    """
    return PreparedHVP(
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
