"""The Gauss-Newton approximation of a Hessian at a point as an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.errors import ArgumentError
from polyad.linear.hessian import HessianOperator
from polyad.linear.jacobian import JacobianOperator
from polyad.linear.operator import Operator
from polyad.operators.docs import document
from polyad.systems.base import Backend

__all__ = ["GaussNewtonOperator", "gauss_newton_operator"]


class GaussNewtonOperator(Operator):
    """``J.T L J`` of residuals at a point; made by ``gauss_newton_operator``."""

    def __init__(
        self, r: Callable[..., Any], args: tuple[Any, ...], loss: Callable[..., Any] | None, **options: Any
    ) -> None:
        if loss is not None and not callable(loss):
            raise ArgumentError(
                f"loss={loss!r}: pass a function of the residuals that returns a scalar, "
                "or None for half the sum of squares"
            )
        self._J = JacobianOperator(r, args, keep=True, **options)
        self._L = None if loss is None else HessianOperator(loss, (self._J.value,), **self._for_loss(options))
        self._at = self._J.value
        self.shape, self.dtype = (self._J.shape[1],) * 2, self._J.dtype

    def _for_loss(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "argnums": 0, "backend": self._J.backend}

    @property
    def backend(self) -> Any:
        """Who differentiates."""
        return self._J.backend

    @property
    def strategy(self) -> str:
        """How the products are computed, in words."""
        middle = "" if self._L is None else f"; of the loss: {self._L.strategy}"
        return f"of the residuals: {self._J.strategy}{middle}"

    @property
    def residuals(self) -> Any:
        """The residuals at the point."""
        return self._J.value

    @property
    def jacobian(self) -> JacobianOperator:
        """The Jacobian of the residuals, at the same point."""
        return self._J

    def update(self, *args: Any) -> GaussNewtonOperator:
        """Move the point, in place: one run of the residuals.

        Parameters
        ----------
        *args : arrays
            All arguments of the residuals, or the active one alone: then the others stay what they were.

        Returns
        -------
        GaussNewtonOperator
            This operator.
        """
        self._J.update(*args)
        return self

    def _middle(self) -> HessianOperator | None:
        """The Hessian of the loss at the residuals, also where ``jacobian`` was moved by itself."""
        if self._L is not None and self._at is not self._J.value:
            self._at = self._J.value
            self._L.update(self._at)
        return self._L

    def _apply(self, v: Any, *, adjoint: bool, batched: bool) -> Any:
        found, L = self._J._apply(v, adjoint=False, batched=batched), self._middle()
        if L is not None:
            found = L._apply(found, adjoint=False, batched=batched)
        return self._J._apply(found, adjoint=True, batched=batched)

    def _jacobian(self) -> Any:
        J, L = self._J.to_sparse(), self._middle()
        return (J.T @ J if L is None else J.T @ L.to_sparse() @ J).tocsr()

    def __repr__(self) -> str:
        n = self.shape[0]
        return (
            f"<Gauss-Newton operator of shape ({n}, {n}), {self.dtype}, by {self.backend!r}: {self.strategy}>"
        )


@document
def gauss_newton_operator(
    r: Callable[..., Any],
    *args: Any,
    loss: Callable[..., Any] | None = None,
    backend: Backend | str | None = None,
    argnums: int = 0,
    follow: bool | tuple[str, ...] | None = None,
) -> GaussNewtonOperator:
    """The Gauss-Newton approximation of the Hessian of ``loss(r(x))`` as an operator, never formed.

    It is ``J.T L J`` with the Jacobian ``J`` of the residuals and the Hessian ``L`` of the loss at them: the
    Hessian without the curvature of the residuals, positive semidefinite where the loss is convex. The
    residuals are linearized at the point, and all products there share that; ``update`` runs them once.

    Parameters
    ----------
    r : callable
        The residuals: of one real array (and constants), returning one real array.
    {args}
    loss : callable, optional
        A function of the residuals that returns a real scalar. None is half the sum of their squares.
    backend : Backend or str, optional
        Who differentiates, as in ``jacobian``.
    argnums : int, default 0
        The active argument; the others are constants.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``jacobian``.

    Returns
    -------
    GaussNewtonOperator
        Symmetric: ``G @ v`` with ``v`` of shape ``(n,)`` or ``(n, k)``, and what ``jacobian_operator`` lists;
        ``G.jacobian`` and ``G.residuals`` for the right side.

    Raises
    ------
    polyad.errors.HolomorphicError
        If the active argument or the residuals are complex.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> G = ad.gauss_newton_operator(lambda x: x**2 - 1.0, np.array([1.0, 2.0]), backend="numpy")
    >>> G @ np.ones(2), G.jacobian.T @ G.residuals
    (array([ 4., 16.]), array([ 0., 12.]))
    """
    return GaussNewtonOperator(r, args, loss, backend=backend, argnums=argnums, follow=follow)
