"""``minimize`` and ``least_squares``: where the gradient is zero, or held by bounds and constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.stopped import differenced
from polyad.engine import run
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import unbox
from polyad.engine.implicit.captured import active
from polyad.engine.implicit.equation import Equation, form_of, plain, plainly, solution
from polyad.errors import ArgumentError, DomainError, PolyadError
from polyad.optimize.constrained import Constraints, is_constrained
from polyad.optimize.roots import as_tuple
from polyad.optimize.sharp import MINIMUM, polished, sharp, told

__all__ = ["least_squares", "minimize"]

Function = Callable[..., Any]
# methods that take a gradient, and of these what they call differences
GRADIENTS = frozenset({"cg", "bfgs", "l-bfgs-b", "tnc", "slsqp", "newton-cg", "trust-constr"})
DIFFERENCES = (None, False, "2-point", "3-point", "cs")
# how near to a bound counts as on it, and how small a slope there as none
ON_BOUND, NO_SLOPE = 1e-9, 1e-7


def _slope(f: Function, x: Any) -> Any:
    """The gradient of a function of an array, by the engine, for arrays and boxes."""
    recorded = run.record(lambda boxes: ((np.reshape(f(boxes[0]), ()),), ()), (x,))
    return recorded.pull((1.0,), free=True)[0]


def _limits(bounds: Any, size: int) -> tuple[Any, Any]:
    """Lower and upper bounds, lists or arrays; None where there are none."""
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb"):
        return bounds.lb, bounds.ub
    pairs = list(bounds)
    lower = [-np.inf if pair[0] is None else pair[0] for pair in pairs]
    upper = [np.inf if pair[1] is None else pair[1] for pair in pairs]
    return lower, upper


def _held(x: Any, slope: Any, bounds: Any) -> Any:
    """Equations for a minimum: the slope, or the distance to a bound that is reached."""
    lower, upper = bounds
    for limit in (lower, upper):
        if limit is None:
            continue
        limit = (
            np.stack([part * 1.0 for part in limit])
            if isinstance(limit, list)
            else limit * np.ones(np.shape(x))
        )
        finite = np.isfinite(limit)
        near = np.where(finite, limit, 0.0)
        on = finite & (np.abs(x - near) <= ON_BOUND * (1.0 + np.abs(near)))
        slope = np.where(on, x - near, slope)
    return slope


def _strict(x: Any, slope: Any, bounds: Any, label: str) -> None:
    """Refuse a minimum that is on a bound without being held there."""
    held = plain(_held(x, np.nan * slope, bounds), label)
    loose = ~np.isnan(held) & (np.abs(slope) <= NO_SLOPE * max(1.0, float(np.max(np.abs(slope)))))
    if loose.any():
        raise DomainError(
            f"{label}: entry {int(np.argmax(loose))} of the minimum is on a bound and has no slope "
            f"there, so it "
            "moves to one side only and has no derivative: move the bound, or leave it out"
        )


def _is_flat(found: Any) -> bool:
    """Whether a search ended for want of digits where there is no slope any more."""
    jac = np.asarray(found.get("jac", np.nan), dtype=float)
    return found.status == 2 and bool(np.max(np.abs(jac)) <= NO_SLOPE * (1.0 + abs(float(found.fun))))


def minimize(
    fun: Function,
    x0: Any,
    args: Any = (),
    method: str | None = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """``scipy.optimize.minimize``, differentiable in all that the objective and the bounds depend on.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, a number; written in NumPy.
    x0 : array of shape (n,)
        Where the search begins.
    args, method, hess, hessp, constraints, tol, callback, options
        As SciPy has them. Under constraints the conditions of Karush, Kuhn and Tucker are differentiated, and
        a differentiated call goes on to where these are fulfilled in all digits.
    jac : callable, bool or None
        As SciPy has it, but that None takes polyad's gradient where ``fun`` can be followed and the method
        takes one, and no differences: a minimum is known to the accuracy of its gradient.
    bounds : sequence of pairs, or Bounds
        As SciPy has them. Where a bound is reached the minimum moves with it.

    Returns
    -------
    OptimizeResult
        SciPy's, with ``x`` and ``fun`` that are followed. Its other fields are plain numbers.

    Raises
    ------
    polyad.errors.DomainError
        Where the minimum is differentiated: if SciPy does not converge (otherwise its result says so), a
        bound is reached and the objective has no slope there, or a constraint and it has no multiplier.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def mode(p):
    ...     return ad.optimize.minimize(lambda x: np.sum(np.cosh(x) - p * x), np.zeros(2), tol=1e-10).x
    >>> ad.jacobian(mode, np.array([0.0, 0.75])).round(6) + 0.0
    array([[1. , 0. ],
           [0. , 0.8]])
    """
    import scipy.optimize

    args = as_tuple(args)
    label, name = "minimize", (method or "bfgs").lower() if isinstance(method, str | None) else ""
    words: dict[str, Any] = {"method": method, "hess": hess, "hessp": hessp, "bounds": bounds}
    words |= {"constraints": constraints, "tol": tol, "callback": callback, "options": options}

    def exact(f: Function, start: Any, rest: Any) -> Any:
        """The gradient by the engine where that is to be taken, or ``jac`` as it is."""
        if not (jac in DIFFERENCES[:2] if not callable(jac) else False) or name not in GRADIENTS:
            return jac
        try:
            plain(_slope(lambda x: f(x, *rest), np.array(start, dtype=float).ravel()), label)
        except (PolyadError, TypeError, ValueError):
            return jac
        return lambda x, *rest: np.asarray(plain(_slope(lambda x: f(x, *rest), x), label))

    lower, upper = _limits(bounds, np.size(form_of(x0)))
    under = Constraints(constraints, (lower, upper)) if is_constrained(constraints) else None
    entries = None if under is None else under.entries
    bundle = (fun, jac, x0, args, lower, upper, entries, (hess, hessp, callback, options))
    results: list[Any] = []
    size = np.size(form_of(x0))

    def slope(x: Any, given: Any) -> Any:
        f, j, _, rest = given[:4]
        if callable(j):
            return j(x, *rest)
        if jac is True:
            return f(x, *rest)[1]
        return _slope(lambda x: f(x, *rest), x)

    def solve(given: Any) -> Any:
        f, j, start, rest, low, high, held, helpers = given
        here = dict(words)
        here |= dict(zip(("hess", "hessp", "callback", "options"), helpers, strict=True))
        here |= {name: plainly(here[name], label) for name in ("hess", "hessp") if callable(here[name])}
        if under is not None:
            here["constraints"] = under.scipys(held, label)
        if low is not None:
            here["bounds"] = scipy.optimize.Bounds(np.asarray(low, float), np.asarray(high, float))
        j = plainly(j, label) if callable(j) else exact(f, start, rest)
        found = scipy.optimize.minimize(plainly(f, label), start, rest, jac=j, **here)
        if not found.success and not _is_flat(found):
            raise DomainError(
                f"minimize did not converge: {found.message}; begin nearer to the minimum, give a "
                f"larger tol=, "
                "or take another method="
            )
        results.append(found)
        return ending(found, given)

    def ending(found: Any, given: Any, *, sharp: bool = False) -> Any:
        """The unknowns of the equation where SciPy has stopped; ``sharp`` asks for all digits."""
        low, high, held = given[4:7]
        if under is not None:
            down = np.asarray(plain(slope(found.x, given), label))
            forces, idle = under.multipliers(found.x, down, held, label)
            z = polished(lambda z: residual(z, given), np.concatenate([found.x, forces]), idle, label)
            under.check(z, size, held, label)
            return z
        if low is not None:
            _strict(found.x, np.asarray(plain(slope(found.x, given), label)), (low, high), label)
        if sharp:
            return polished(lambda x: residual(x, given), found.x, np.zeros(0, dtype=bool), label)
        return found.x

    def residual(x: Any, given: Any) -> Any:
        if under is not None:
            return under.residual(x, size, lambda x: slope(x, given), given[6])
        return _held(x, slope(x, given), given[4:6])

    if not active(bundle):
        found = scipy.optimize.minimize(fun, x0, args, jac=exact(fun, x0, args), **words)
        if differenced() and found.success:
            # where a search stops jumps from point to point, and differences would divide that by their step
            try:
                found.x = ending(found, bundle, sharp=True)[:size]
                value = fun(found.x, *args)
                found.fun = value[0] if jac is True else value
            except DomainError as error:
                told(error)
            except (PolyadError, TypeError, ValueError, np.linalg.LinAlgError):
                pass  # of a function that polyad cannot follow: differences tell how noisy it is
        return found
    count = 0 if under is None else np.size(under.rows(np.ones(size), entries)[0])
    x = solution(Equation(bundle, solve, residual, label=label, like=np.zeros(size + count)))[:size]
    found = scipy.optimize.OptimizeResult(results[-1] if results else {"success": True})
    found.x = x
    value = fun(x, *args)
    found.fun = value[0] if jac is True else value
    return found


LOSSES: dict[str, Function] = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (np.sqrt(1 + z) - 1),
    "huber": lambda z: np.where(z <= 1, z, 2 * np.sqrt(np.where(z <= 1, 1.0, z)) - 1),
    "cauchy": lambda z: np.log1p(z),
    "arctan": lambda z: np.arctan(z),
}


def least_squares(
    fun: Function,
    x0: Any,
    jac: Any = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = None,
    loss: Any = "linear",
    f_scale: float = 1.0,
    diff_step: Any = None,
    tr_solver: Any = None,
    tr_options: Any = None,
    jac_sparsity: Any = None,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: Any = (),
    kwargs: Any = None,
) -> Any:
    """``scipy.optimize.least_squares``, differentiable in all that residuals and bounds depend on.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)``, the residuals; written in NumPy.
    x0 : array of shape (n,)
        Where the search begins.
    jac : {"2-point", "3-point", "cs"} or callable
        As SciPy has it, but that the default takes polyad's Jacobian where ``fun`` can be followed, and no
        differences.
    bounds, method, ftol, xtol, gtol, x_scale, loss, f_scale, diff_step, tr_solver, tr_options,
    jac_sparsity, \
max_nfev, verbose, args, kwargs
        As SciPy has them; a ``loss`` that is differentiated is one of SciPy's names.

    Returns
    -------
    OptimizeResult
        SciPy's, with ``x``, ``fun`` and ``cost`` that are followed. Its other fields are plain numbers.

    Raises
    ------
    polyad.errors.DomainError
        Where the solution is differentiated: if SciPy does not converge (otherwise its result says so), or a
        bound is reached and the cost has no slope there.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> t = np.linspace(0, 1, 5)
    >>> def slope(y):  # of a fitted line
    ...     return ad.optimize.least_squares(lambda c: c[0] + c[1] * t - y, np.zeros(2)).x[1]
    >>> ad.gradient(slope, t**2).round(6) + 0.0
    array([-0.8, -0.4,  0. ,  0.4,  0.8])
    """
    import scipy.optimize

    args, label = as_tuple(args), "least_squares"
    kwargs = {} if kwargs is None else kwargs
    words: dict[str, Any] = {"method": method, "ftol": ftol, "xtol": xtol, "gtol": gtol, "loss": loss}
    words |= {"f_scale": f_scale, "diff_step": diff_step, "tr_solver": tr_solver, "tr_options": tr_options}
    words |= {"jac_sparsity": jac_sparsity, "max_nfev": max_nfev, "verbose": verbose}
    words |= {} if x_scale is None else {"x_scale": x_scale}

    def exact(f: Function, start: Any, rest: Any, more: Any) -> Any:
        if jac != "2-point" or jac_sparsity is not None or diff_step is not None:
            return jac

        def rows(x: Any, *rest: Any, **more: Any) -> Any:
            pushed = run.push(lambda b: ((f(b[0], *rest, **more),), ()), (x,), (np.eye(len(x)),))
            return np.asarray(plain(pushed[0][0], label)).T

        try:
            rows(np.atleast_1d(np.array(start, dtype=float)), *rest, **more)
        except (PolyadError, TypeError, ValueError):
            return jac
        return rows

    limits = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else tuple(bounds)

    def cost(x: Any, given: Any) -> Any:
        f, _, _, rest, more, *_, scale = given
        z = (f(x, *rest, **more) / scale) ** 2
        return 0.5 * scale**2 * np.sum(LOSSES[loss](z))

    def residual(x: Any, given: Any) -> Any:
        slope = _slope(lambda x: cost(x, given), x)
        return _held(x, slope, given[5:7]) if _has_bounds(limits) else slope

    bundle = (fun, jac, x0, args, kwargs, *limits, f_scale)
    if not active(bundle):
        found = scipy.optimize.least_squares(
            fun, x0, exact(fun, x0, args, kwargs), bounds, args=args, kwargs=kwargs, **words
        )
        if found.success and loss in LOSSES:
            found.x = sharp(found.x, lambda x: residual(x, bundle), label, MINIMUM)
            if differenced():
                found.fun, found.cost = fun(found.x, *args, **kwargs), cost(found.x, bundle)
        return found
    if loss not in LOSSES:
        raise ArgumentError(f"least_squares is differentiated with one of the losses {', '.join(LOSSES)}")
    results = []

    def solve(given: Any) -> Any:
        f, j, start, rest, more, low, high, scale = given
        j = plainly(j, label) if callable(j) else exact(f, start, rest, more)
        low, high = np.asarray(low, float), np.asarray(high, float)
        found = scipy.optimize.least_squares(
            plainly(f, label), start, j, (low, high), args=rest, kwargs=more, **words | {"f_scale": scale}
        )
        if not found.success:
            raise DomainError(f"least_squares did not converge: {found.message} Allow more steps (max_nfev)")
        if np.isfinite(low).any() or np.isfinite(high).any():
            slope = np.asarray(plain(_slope(lambda x: cost(x, given), found.x), label))
            _strict(found.x, slope, (low, high), label)
        results.append(found)
        return found.x

    equation = Equation(bundle, solve, residual, label=label, like=np.zeros(max(1, np.size(form_of(x0)))))
    x = solution(equation)
    found = scipy.optimize.OptimizeResult(results[-1] if results else {"success": True})
    found.x, found.fun, found.cost = x, fun(x, *args, **kwargs), cost(x, bundle)
    return found


def _has_bounds(limits: Any) -> bool:
    return any(isinstance(limit, Box) or bool(np.isfinite(unbox(limit)).any()) for limit in limits)
