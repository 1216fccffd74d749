"""The Hessian of a scalar function at a point as an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.linear.operator import LazyOperator, shaped, size, sparse_of
from polyad.operators.docs import document
from polyad.operators.hessian import PreparedHessian
from polyad.operators.hvp import PreparedHVP
from polyad.systems.base import Backend

__all__ = ["HessianOperator", "hessian_operator"]

# bytes up to which np.array is the quickest copy of a framework's result
SMALL = 2**11


class HessianOperator(LazyOperator):
    """The Hessian of a function at a point; made by ``hessian_operator``."""

    name = "hessian"

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], **options: Any) -> None:
        super().__init__(f, args, options)
        self._single = PreparedHVP(f, self._args, **options)
        self._batched: PreparedHVP | None = None
        self._sparse: Any = None
        n = size(self._x_shape)
        self.shape, self.dtype = (n, n), np.dtype(self._spec.dtype)
        self._fast: Callable[[Any], Any] | None = None
        self._stay()

    @property
    def backend(self) -> Any:
        """Who differentiates."""
        return self._single.backend

    @property
    def strategy(self) -> str:
        """How the products are computed, in words."""
        return f"prepared hvp, {self._single.strategy}"

    def update(self, *args: Any) -> HessianOperator:
        """Move the point, in place: nothing is computed or prepared.

        Parameters
        ----------
        *args : arrays
            All arguments of the function, or the active one alone: then the others stay what they were.

        Returns
        -------
        HessianOperator
            This operator. If the new point is refused it stays at the old one.
        """
        self._args = self._point(args)
        self._stay()
        return self

    def _stay(self) -> None:
        """Make the product at this point that asks nothing of the arguments, where a program is compiled.

        They were looked at and converted when the operator came here. A direction is an array like them, or
        is left to the code for all others.
        """
        self._fast = None
        single, (n, _) = self._single, self.shape
        executable, source = single._executable, single._source
        if executable.bare is None or not executable.exclusive or single._guests is not None:
            return
        example, target = self._args[self._options["argnums"]], single.signature.library
        if self._x_shape != (n,) or not hasattr(example, "dtype") or not (target.plain or target is source):
            return
        x, c = single._enter(self._args)
        # an array of NumPy's would be handed over in every product
        leaves = [self.backend.table(a, single.problem) if isinstance(a, np.ndarray) else a for a in (*x, *c)]
        bare, kind, dtype, shape = executable.bare, type(example), example.dtype, self._x_shape
        leave: Any = None
        if target.plain and not source.plain:
            leave = np.array if single._delivery.nbytes(single.problem) <= SMALL else source.take

        def product(v: Any) -> Any:
            if type(v) is kind and v.dtype is dtype and v.shape == shape:
                return bare(*leaves, v) if leave is None else leave(bare(*leaves, v))
            return None

        (point, *rest) = leaves

        def alone(v: Any) -> Any:
            return bare(point, v) if type(v) is kind and v.dtype is dtype and v.shape == shape else None

        self._fast = product if rest or leave is not None else alone

    def __matmul__(self, v: Any) -> Any:
        if self._fast is not None:
            try:
                found = self._fast(v)
            except Exception:  # told by the code for all others, in the terms of the function
                found = None
            if found is not None:
                return found
        return super().__matmul__(v)

    def _apply(self, v: Any, *, adjoint: bool, batched: bool) -> Any:
        v, n = shaped(v, self._x_shape, batched=batched), self.shape[0]
        if not batched:
            return shaped(self._single(*self._args, v=v), (n,), batched=False)
        if self._batched is None:
            options = {**self._options, "backend": self.backend}
            self._batched = PreparedHVP(self._f, self._args, seed=v, batched=True, **options)
        return shaped(self._batched(*self._args, v=v), (n,), batched=True)

    def _jacobian(self) -> Any:
        if self._sparse is None:
            options = {**self._options, "backend": sparse_of(self.backend)}
            self._sparse = PreparedHessian(self._f, self._args, **options)
        return self._sparse(*self._args)

    def __repr__(self) -> str:
        return self._described(self.backend, self.strategy)


@document
def hessian_operator(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int = 0,
    follow: bool | tuple[str, ...] | None = None,
) -> HessianOperator:
    """The Hessian of a scalar function at a point as an operator, never formed.

    Its products are those of one prepared Hessian-vector product, which is called at the point: ``update``
    prepares and computes nothing. Every product evaluates the function and its gradient.

    Parameters
    ----------
    f : callable
        The function of one real array (and constants); its output must be a real scalar.
    {args}
    backend : Backend or str, optional
        Who differentiates, as in ``hvp``.
    argnums : int, default 0
        The active argument; the others are constants.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``hvp``.

    Returns
    -------
    HessianOperator
        Symmetric: ``H @ v`` with ``v`` of shape ``(n,)`` or ``(n, k)``, and what ``jacobian_operator`` lists.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
    polyad.errors.HolomorphicError
        If the active argument is complex.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> H = ad.hessian_operator(lambda x: np.sum(x**3), np.array([1.0, 2.0]), backend="numpy")
    >>> H @ np.ones(2), H.trace()
    (array([ 6., 12.]), 18.0)
    >>> H.update(np.ones(2)).diagonal()
    array([6., 6.])
    """
    return HessianOperator(f, args, backend=backend, argnums=argnums, follow=follow)
