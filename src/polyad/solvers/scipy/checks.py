"""``check_grad``: a gradient of the caller's beside the exact one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.solvers.function import Differentiated
from polyad.solvers.unknown import Unknown
from polyad.systems.base import Backend

__all__ = ["check_grad"]

Call = Callable[..., Any]


def check_grad(
    func: Call,
    grad: Call,
    x0: Any,
    *args: Any,
    epsilon: Any = None,
    direction: str = "all",
    rng: Any = None,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.check_grad`` against the exact gradient, and not against differences.

    Parameters
    ----------
    func : callable
        ``func(x, *args)``: a number, or an array, of which ``grad`` is the Jacobian.
    grad : callable
        ``grad(x, *args)``, what is checked.
    x0 : scalar, array or tree of them
        Where; both functions take what has this form.
    *args
        Further arguments of both.
    epsilon : None
        Of differences, and not used.
    direction : {"all", "random"}, default "all"
        ``"random"`` compares along one random direction only.
    rng : int or numpy.random.Generator, optional
        Where the random direction comes from.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.gradient``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.gradient``.

    Returns
    -------
    float
        The norm of the difference: of a right gradient as small as rounding is.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import check_grad
    >>> check_grad(lambda x: np.sum(x**2), lambda x: 2 * x, [1.5, 2.0])
    np.float64(0.0)
    >>> check_grad(lambda x: np.sum(x**2), lambda x: x, [3.0, 4.0])
    np.float64(5.0)
    """
    if direction not in ("all", "random"):
        raise ArgumentError(f"direction={direction!r}: pass 'all' or 'random'")
    unknown = Unknown(x0)
    f = Differentiated(func, unknown, args, backend=backend, follow=follow, solver="check_grad", several=True)
    exact = f.value_and_jacobian()(unknown.start)[1]
    found = grad(unknown.given(unknown.start), *args)
    if exact.shape[0] == 1 and not (unknown.one_axis and np.ndim(found) > 1):
        found = unknown.vector(found, "the gradient")[None, :]
    found = np.asarray(found, dtype=np.float64).reshape(-1, unknown.size)
    if found.shape != exact.shape:
        raise ArgumentError(f"grad returned {found.shape} where the derivative has shape {exact.shape}")
    if direction == "random":
        if len(exact) > 1:
            raise ArgumentError("direction='random' is of functions that return a number: pass 'all'")
        v = np.random.default_rng(rng).standard_normal(unknown.size)
        return np.abs((found - exact) @ v)[0]
    return np.linalg.norm(found - exact)
