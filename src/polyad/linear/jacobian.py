"""The Jacobian at a point as an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.linear.operator import LazyOperator, only_leaf, shaped, size, sparse_of
from polyad.operators.docs import document
from polyad.operators.jacobian import PreparedJacobian
from polyad.operators.jvp import PreparedJVP
from polyad.operators.linearize import Linearization
from polyad.operators.vjp import PreparedVJP
from polyad.systems.base import Backend

__all__ = ["JacobianOperator", "jacobian_operator"]


class JacobianOperator(LazyOperator):
    """The Jacobian of a function at a point; made by ``jacobian_operator``."""

    name = "jacobian"

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], *, keep: bool, **options: Any) -> None:
        super().__init__(f, args, options)
        self._keep = keep
        self._linear: Linearization = Linearization(f, self._args, **options)
        y = only_leaf(self._linear.value, self.name)
        spec = self._linear.problem.outputs[0]
        if spec.is_complex:
            raise self._complex("the output is complex")
        self._y_shape, self._y_dtype = tuple(spec.shape), spec.dtype
        self._y = y
        self.shape = size(self._y_shape), size(self._x_shape)
        self.dtype = np.dtype(np.result_type(self._spec.dtype, spec.dtype))
        self._prepared: dict[tuple[str, bool], Any] = {}
        self._sparse: Any = None

    @property
    def value(self) -> Any:
        """The value of the function at the point; only with ``keep=True``, which computes it."""
        if not self._keep:
            raise ArgumentError("value is known of an operator that keeps its point: pass keep=True")
        return self._y

    @property
    def backend(self) -> Any:
        """Who differentiates."""
        return self._linear.backend

    @property
    def strategy(self) -> str:
        """How the products are computed, in words."""
        if self._keep:
            return f"linearized at the point, {self._linear.strategy}"
        return "prepared jvp and vjp, called at the point"

    def update(self, *args: Any) -> JacobianOperator:
        """Move the point, in place: one run of the function with ``keep=True``, nothing without.

        Parameters
        ----------
        *args : arrays
            All arguments of the function, or the active one alone: then the others stay what they were.

        Returns
        -------
        JacobianOperator
            This operator. If the new point is refused it stays at the old one.
        """
        moved = self._point(args)
        if self._keep:
            linear = Linearization(self._f, moved, **{**self._options, "backend": self.backend})
            y = only_leaf(linear.value, self.name)
            spec = linear.problem.outputs[0]
            if (tuple(spec.shape), spec.dtype) != (self._y_shape, self._y_dtype):
                raise ArgumentError(
                    f"the output is {spec.dtype} of shape {tuple(spec.shape)} at the new point, and was "
                    f"{self._y_dtype} of shape {self._y_shape}: "
                    "make a new operator"
                )
            self._linear, self._y = linear, y
        self._args = moved
        return self

    def _apply(self, v: Any, *, adjoint: bool, batched: bool) -> Any:
        into, out = (self._y_shape, self._x_shape) if adjoint else (self._x_shape, self._y_shape)
        v = shaped(v, into, batched=batched)
        if self._keep:
            product = self._linear.vjp if adjoint else self._linear.jvp
            found = product(v, batched=batched)
        else:
            found = self._called(v, "w" if adjoint else "v", batched)
        return shaped(found, (size(out),), batched=batched)

    def _called(self, v: Any, name: str, batched: bool) -> Any:
        """A product by a prepared operator, which is made at the first."""
        prepared = self._prepared.get((name, batched))
        if prepared is None:
            kind = PreparedJVP if name == "v" else PreparedVJP
            options = {**self._options, "backend": self.backend}
            prepared = kind(self._f, self._args, seed=v, batched=batched, **options)
            self._prepared[name, batched] = prepared
        return prepared(*self._args, **{name: v})

    def _jacobian(self) -> Any:
        if self._sparse is None:
            options = {**self._options, "backend": sparse_of(self.backend)}
            self._sparse = PreparedJacobian(self._f, self._args, **options)
        return self._sparse(*self._args)

    def __repr__(self) -> str:
        return self._described(self.backend, self.strategy)


@document
def jacobian_operator(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int = 0,
    follow: bool | tuple[str, ...] | None = None,
    keep: bool = True,
) -> JacobianOperator:
    """The Jacobian at a point as an operator, never formed.

    Parameters
    ----------
    f : callable
        The function: of one real array (and constants), returning one real array. Arrays of several axes are
        flattened in C order.
    {args}
    backend : Backend or str, optional
        Who differentiates, as in ``jacobian``.
    argnums : int, default 0
        The active argument; the others are constants.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``jacobian``.
    keep : bool, default True
        Whether the function is linearized at the point (``polyad.linearize``): one run there, which all
        products share, and another run with each ``update``. False prepares the products at their first use,
        a compiled program under JAX: every product evaluates the function, and ``update`` costs nothing. JAX
        traces the function again where it is linearized, which takes milliseconds: there False suits a loop
        of updates.

    Returns
    -------
    JacobianOperator
        ``A @ v`` with ``v`` of shape ``(n,)`` or ``(n, k)``, ``A.T @ w``, ``A.update(x)``, ``A.to_scipy()``,
        ``A.to_dense()``, ``A.to_sparse()``; for square ones ``diagonal``, ``trace`` and their estimates.

    Raises
    ------
    polyad.errors.HolomorphicError
        If the active argument or the output is complex.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> A = ad.jacobian_operator(lambda x: x[1:] * x[:-1], np.array([1.0, 2.0, 3.0]), backend="numpy")
    >>> A.shape, A @ np.ones(3), A.T @ np.array([1.0, 0.0])
    ((2, 3), array([3., 5.]), array([2., 1., 0.]))
    >>> A.update(np.ones(3)) @ np.ones(3)
    array([2., 2.])
    """
    return JacobianOperator(f, args, keep=keep, backend=backend, argnums=argnums, follow=follow)
