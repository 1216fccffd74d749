"""Laplacian and bilaplacian: any -> any; the result is like the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.trees import flatten
from polyad.call.prepared import Prepared
from polyad.operators.docs import document
from polyad.operators.jvp import PreparedJVP
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedLaplacian", "bilaplacian", "laplacian", "prepare_bilaplacian", "prepare_laplacian"]


class PreparedLaplacian(Prepared):
    """A Laplacian or bilaplacian, prepared by ``prepare_laplacian`` or ``prepare_bilaplacian``."""

    operator = "laplacian"
    gives = "output"
    differentiates = False
    listed = False

    def __init__(
        self, f: Callable[..., Any], args: tuple[Any, ...], *, order: int = 2, **options: Any
    ) -> None:
        self.order = order
        super().__init__(f, args, **options)
        if self.backend.exact and not (self._guests and self._guests.inside):
            self._prove(args)

    def _prove(self, args: tuple[Any, ...]) -> None:
        """Have a first derivative looked at, which is zero where a function only looks at its input.

        The Laplacian is zero for good functions too, so that nothing can be told from it.
        """
        random = np.random.default_rng(20261130)
        options: dict[str, Any] = {"argnums": self.argnums, "has_aux": self.has_aux, "follow": self.follow}
        active = [args[k] for k in (self.argnums if isinstance(self.argnums, tuple) else (self.argnums,))]
        leaves, structure = flatten(active)
        v = structure.unflatten([random.uniform(0.5, 1.0, np.shape(leaf)) for leaf in leaves])
        v = tuple(v) if isinstance(self.argnums, tuple) else v[0]
        PreparedJVP(self.f, args, backend=self.backend, seed=v, once=True, **options)(*args, v=v)

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.laplacian(problem, self.order)

    def __call__(self, *args: Any, out: Any = None) -> Any:
        """The Laplacian (or bilaplacian) at ``args``; written into ``out`` where given."""
        return self._call(args, out)

    def value_and(self, *args: Any, out: Any = None) -> tuple[Any, Any]:
        """The value and the Laplacian (or bilaplacian) at ``args``."""
        return self._value_and(args, out)

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "order": self.order}


@document
def laplacian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> Any:
    """Laplacian of a function: the sum of its second derivatives by each entry of the active argument.

    Parameters
    ----------
    f : callable
        The function; of an output with many entries each has its Laplacian.
    {args}
    {common}
    {out}

    Returns
    -------
    laplacian : like the output
        The trace of the Hessian of each entry.

    Raises
    ------
    polyad.errors.InputTypeError
        If the active argument is complex.
    {errors}

    Notes
    -----
    No Hessian: NumPy and JAX carry the tangents along all unit vectors and one sum of the second derivatives
    (collapsed Taylor mode [1]_); other backends one Taylor expansion of second order for each entry.

    References
    ----------
    .. [1] F. Dangel et al., Collapsing Taylor Mode Automatic Differentiation, NeurIPS 2025.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.laplacian(lambda x: np.exp(x[0]) * np.sin(2 * x[1]), np.array([0.0, np.pi / 4])).round(12)
    np.float64(-3.0)
    """
    options: dict[str, Any] = {"backend": backend, "argnums": argnums, "has_aux": has_aux, "follow": follow}
    return PreparedLaplacian(f, args, once=True, **options)(*args, out=out)


@document
def prepare_laplacian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    on_mismatch: str = "raise",
) -> PreparedLaplacian:
    """Prepare a Laplacian for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    {common}
    {prepare}

    Returns
    -------
    PreparedLaplacian
        Call it as ``p(*args)``, or ``y, l = p.value_and(*args)``.

    Raises
    ------
    {errors}
    {mismatch}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_laplacian(lambda x: np.sum(x**3), np.ones(2))
    >>> p(np.array([1.0, 2.0]))
    np.float64(18.0)
    """
    options: dict[str, Any] = {"backend": backend, "argnums": argnums, "has_aux": has_aux, "follow": follow}
    return PreparedLaplacian(f, args, on_mismatch=on_mismatch, **options)


@document
def bilaplacian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> Any:
    """Bilaplacian of a function, the Laplacian of its Laplacian.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    {common}
    {out}

    Returns
    -------
    bilaplacian : like the output
        The sum of all ``d^4 f / dx_i^2 dx_j^2``.

    Raises
    ------
    polyad.errors.UnsupportedOperatorError
        If the backend has no Taylor mode; take ``"numpy"`` or ``"jax"``.
    {errors}

    Notes
    -----
    NumPy and JAX take the Laplacian of the Laplacian, both in collapsed Taylor mode; others ``n**2`` Taylor
    expansions of fourth order for ``n`` entries of the active argument.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.bilaplacian(lambda x: x[0] ** 2 * x[1] ** 2 + x[0] ** 4, np.ones(2)).round(10)
    np.float64(32.0)
    """
    options: dict[str, Any] = {"backend": backend, "argnums": argnums, "has_aux": has_aux, "follow": follow}
    return PreparedLaplacian(f, args, order=4, once=True, **options)(*args, out=out)


@document
def prepare_bilaplacian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    on_mismatch: str = "raise",
) -> PreparedLaplacian:
    """Prepare a bilaplacian for many calls.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    {common}
    {prepare}

    Returns
    -------
    PreparedLaplacian
        Call it as ``p(*args)``, or ``y, b = p.value_and(*args)``.

    Raises
    ------
    {errors}
    {mismatch}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.prepare_bilaplacian(lambda x: np.sum(x**4), np.ones(2))(np.ones(2)).round(10)
    np.float64(48.0)
    """
    options: dict[str, Any] = {"backend": backend, "argnums": argnums, "has_aux": has_aux, "follow": follow}
    return PreparedLaplacian(f, args, order=4, on_mismatch=on_mismatch, **options)
