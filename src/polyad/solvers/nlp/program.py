"""The description of a nonlinear program, as every solver wants it, made from the functions."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.arrays.user_code import stack_level
from polyad.errors import ArgumentError, NonScalarOutputError, OutputTypeError, PrecisionWarning
from polyad.operators.differentiate_with import PreparedValue
from polyad.operators.gradient import PreparedGradient
from polyad.operators.hessian import PreparedHessian
from polyad.operators.hvp import PreparedHVP
from polyad.operators.jacobian import PreparedJacobian
from polyad.operators.jvp import PreparedJVP
from polyad.solvers.nlp.bounds import bound, ordered, pair
from polyad.solvers.nlp.lagrangian import lagrangian
from polyad.solvers.nlp.unknowns import Unknowns, joined
from polyad.solvers.point import LastPoint
from polyad.sparse.backend import Sparse
from polyad.sparse.pattern import Pattern
from polyad.systems.base import Backend
from polyad.systems.registry import resolve

__all__ = ["Program", "program"]


class Program:
    """A nonlinear program with its derivatives; made by ``program``.

    Minimise ``f(x)`` where ``constraint_lower <= c(x) <= constraint_upper`` and ``lower <= x <= upper``. Here
    ``x`` is one vector of float64. The methods that compute have the names and results of cyipopt's
    contract, so that the object can be given to whatever takes that. The Lagrangian is
    ``obj_factor * f(x) + lagrange @ c(x)``. Nothing is prepared before it is first asked for.

    Attributes
    ----------
    n, m : int
        How many unknowns and constraints there are.
    start : array of shape (n,)
        Where a solver starts.
    lower, upper : array of shape (n,)
        Bounds of the unknowns; infinite where there is none.
    constraint_lower, constraint_upper : array of shape (m,)
        Bounds of the constraints.
    unknown : Unknowns
        The way from the caller's arrays to the vector, and back.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        start: Any,
        args: tuple[Any, ...],
        *,
        constraints: Callable[..., Any] | None,
        bounds: Any,
        constraint_bounds: Any,
        backend: Backend | str | None,
        follow: bool | tuple[str, ...] | None,
    ) -> None:
        for name, function in (("objective", f), ("constraints", constraints)):
            if not callable(function) and (function is not None or name == "objective"):
                raise ArgumentError(f"the {name} must be a function, and it is {function!r}")
        self.f, self.c, self.args = f, constraints, args
        self.unknown = Unknowns(start)
        found = resolve(backend, self.unknown.library.name)
        self._sparse = found.replace(format="csr", flat=True) if isinstance(found, Sparse) else None
        self.backend: Any = found.backend if isinstance(found, Sparse) else found
        self._options: dict[str, Any] = {"backend": self.backend, "follow": follow}
        self._lock = threading.RLock()
        self.n, self.start = self.unknown.size, self.unknown.start
        lower, upper = pair(bounds, "bounds")
        self.lower = self.unknown.bound(lower, -np.inf, "the lower bound of the unknowns")
        self.upper = self.unknown.bound(upper, np.inf, "the upper bound of the unknowns")
        self._shapes: tuple[tuple[int, ...], ...] = ()
        low, high = pair(constraint_bounds, "constraint_bounds")
        if constraints is None:
            if low is not None or high is not None:
                raise ArgumentError("constraint_bounds bound what constraints= gives, and there is none")
            self.m = 0
            self.constraint_lower = self.constraint_upper = np.zeros(0)
        else:
            if low is None and high is None:
                raise ArgumentError(
                    "constraints without constraint_bounds constrain nothing: pass a pair of the lowest and "
                    "the highest values, (0, 0) for equations, (0, None) for what must not be negative"
                )
            structure, self._shapes = self._constraints_form()
            self.constraint_lower = bound(
                low, structure, list(self._shapes), -np.inf, "the lower constraint bound"
            )
            self.constraint_upper = bound(
                high, structure, list(self._shapes), np.inf, "the upper constraint bound"
            )
            self.m = len(self.constraint_lower)
        ordered(self.lower, self.upper, "unknown")
        ordered(self.constraint_lower, self.constraint_upper, "constraint")
        self._objective = LastPoint(self._value_and_gradient)
        self._constraints = LastPoint(self._value_and_jacobian)

    # -- values and first derivatives ---------------------------------------------------------------

    def objective(self, x: Array) -> float:
        """The objective; its gradient is computed with it."""
        return self._objective(x)[0]

    def objective_alone(self, x: Array) -> float:
        """The objective without its gradient."""
        return float(self._value(self.unknown.split(x), *self.args))

    def gradient(self, x: Array) -> Array:
        """The gradient, of shape (n,)."""
        return self._objective(x)[1].copy()

    def constraints(self, x: Array) -> Array:
        """The constraints, of shape (m,); the Jacobian is computed with them."""
        return self._constraints(x)[0].copy()

    def jacobian(self, x: Array) -> Array:
        """The entries of the constraints' Jacobian, in the order of ``jacobianstructure``."""
        return self._constraints(x)[1].copy()

    def jacobianstructure(self) -> tuple[Array, Array]:
        """Rows and columns of the Jacobian's entries, row by row."""
        pattern = self.jacobian_pattern
        return pattern.row_ids(), pattern.indices

    @functools.cached_property
    def jacobian_pattern(self) -> Pattern:
        """Where the Jacobian of the constraints may have entries, of shape (m, n)."""
        if not self.m:
            return Pattern.from_coordinates((0, self.n), [], [])
        return self._jac.pattern

    def jacobian_matrix(self, x: Array) -> Any:
        """The Jacobian as a SciPy sparse array (CSR)."""
        return self.jacobian_pattern.to_scipy(self.jacobian(x))

    # -- second derivatives -----------------------------------------------------------------------------

    def hessian(self, x: Array, lagrange: Array, obj_factor: float) -> Array:
        """The entries of the Lagrangian's Hessian's lower triangle, in the order of ``hessianstructure``."""
        return self.hessian_matrix(x, lagrange, obj_factor).data[self._lower]

    def hessianstructure(self) -> tuple[Array, Array]:
        """Rows and columns of the entries of the Hessian's lower triangle, row by row."""
        pattern = self.hessian_pattern
        return pattern.row_ids()[self._lower], pattern.indices[self._lower]

    @functools.cached_property
    def hessian_pattern(self) -> Pattern:
        """Where the Hessian of the Lagrangian may have entries, both triangles, of shape (n, n)."""
        return self._hess.pattern

    def hessian_matrix(self, x: Array, lagrange: Array, obj_factor: float = 1.0) -> Any:
        """The Hessian of the Lagrangian, both triangles, as a SciPy sparse array (CSR)."""
        return self._hess(self.unknown.split(x), float(obj_factor), self._vector(lagrange), *self.args)

    # -- products ---------------------------------------------------------------------------------------

    def values(self, x: Array) -> Array:
        """The constraints alone: with products only, nothing else is computed."""
        return joined(self._val(self.unknown.split(x), *self.args)) if self.m else np.zeros(0)

    def jacobian_product(self, x: Array, v: Array) -> Array:
        """The product of the constraints' Jacobian and ``v``, of shape (m,)."""
        if not self.m:
            return np.zeros(0)
        return joined(self._push(self.unknown.split(x), *self.args, v=self.unknown.split(self._real(v))))

    def jacobian_transposed_product(self, x: Array, w: Array) -> Array:
        """The product of the transposed Jacobian and ``w``, of shape (n,)."""
        if not self.m:
            return np.zeros(self.n)
        return self.unknown.joined(self._pull(self.unknown.split(x), self._vector(w), *self.args))

    def hessian_product(self, x: Array, v: Array, lagrange: Array, obj_factor: float = 1.0) -> Array:
        """The product of the Lagrangian's Hessian and ``v``, of shape (n,)."""
        point = (self.unknown.split(x), float(obj_factor), self._vector(lagrange))
        return self.unknown.joined(self._hvp(*point, *self.args, v=self.unknown.split(self._real(v))))

    # -- solved -------------------------------------------------------------------------------------------

    def solve(self, method: str | None = None, **options: Any) -> Any:
        """Hand the program to a solver; see ``polyad.solvers.nlp.solve``."""
        from polyad.solvers.nlp.solve import solve

        return solve(self, method, **options)

    def __repr__(self) -> str:
        label = getattr(self.f, "__name__", type(self.f).__name__)
        return f"<Program {label}: {self.n} unknowns, {self.m} constraints, by {self.backend!r}>"

    # -- prepared when first asked for ------------------------------------------------------------------

    def _point(self) -> tuple[Any, ...]:
        # a start at zero, say, would be an example of little use; what is prepared holds at any point
        return self.unknown.split(self.start.copy()), *self.args

    def _lagrangian_point(self) -> tuple[Any, ...]:
        x, *args = self._point()
        return x, 1.0, np.linspace(0.7, 1.3, self.m), *args

    @functools.cached_property
    def _grad(self) -> PreparedGradient:
        made = PreparedGradient(self.f, self._point(), **self._options)
        self._look(made, self.f)
        return made

    @functools.cached_property
    def _value(self) -> PreparedValue:
        made = PreparedValue(self.f, self._point(), **self._options)
        shapes = [spec.shape for spec in made.problem.outputs]
        if shapes != [()]:
            what = f"shape {shapes[0]}" if len(shapes) == 1 else f"a tree of {len(shapes)} arrays"
            raise NonScalarOutputError(f"the objective returns {what}: return one number, a sum, say")
        return made

    @functools.cached_property
    def _val(self) -> PreparedValue:
        made = PreparedValue(self._c, self._point(), **self._options)
        self._look(made, self._c)
        return made

    @functools.cached_property
    def _jac(self) -> PreparedJacobian:
        return PreparedJacobian(self._c, self._point(), **{**self._options, "backend": self._compressed})

    @functools.cached_property
    def _hess(self) -> PreparedHessian:
        options = {**self._options, "backend": self._compressed}
        return PreparedHessian(self._lagrangian, self._lagrangian_point(), **options)

    @functools.cached_property
    def _push(self) -> PreparedJVP:
        x, *args = self._point()
        return PreparedJVP(self._c, (x, *args), seed=x, **self._options)

    @functools.cached_property
    def _pull(self) -> PreparedGradient:
        # w @ c(x) is a number, so that w may be a vector where the constraints are a tree
        weighted = lagrangian(None, self._c, self._shapes)
        x, _, w, *args = self._lagrangian_point()
        return PreparedGradient(weighted, (x, w, *args), **self._options)

    @functools.cached_property
    def _hvp(self) -> PreparedHVP:
        point = self._lagrangian_point()
        return PreparedHVP(self._lagrangian, point, seed=point[0], **self._options)

    @functools.cached_property
    def _lagrangian(self) -> Callable[..., Any]:
        return lagrangian(self.f, self.c, self._shapes)

    @functools.cached_property
    def _lower(self) -> Array:
        pattern = self.hessian_pattern
        return np.flatnonzero(pattern.indices <= pattern.row_ids())

    @property
    def _c(self) -> Callable[..., Any]:
        assert self.c is not None
        return self.c

    @property
    def _compressed(self) -> Any:
        return Sparse(self.backend, flat=True) if self._sparse is None else self._sparse

    # -- computed -----------------------------------------------------------------------------------------

    def _value_and_gradient(self, x: Array) -> tuple[float, Array]:
        value, gradient = self._grad.value_and(self.unknown.split(x), *self.args)
        return float(value), self.unknown.joined(gradient)

    def _value_and_jacobian(self, x: Array) -> tuple[Array, Array]:
        if not self.m:
            return np.zeros(0), np.zeros(0)
        values, matrix = self._jac.value_and(self.unknown.split(x), *self.args)
        return joined(values), matrix.data

    def _vector(self, w: Any) -> Array:
        w = self._real(w)
        if w.shape != (self.m,):
            raise ArgumentError(f"multipliers of shape {w.shape} for {self.m} constraints: pass one for each")
        return w

    @staticmethod
    def _real(v: Any) -> Array:
        return np.asarray(v, dtype=np.float64)

    def _constraints_form(self) -> tuple[Any, tuple[tuple[int, ...], ...]]:
        outputs = self._val.problem.outputs
        return self._val.returns, tuple(spec.shape for spec in outputs)

    def _look(self, made: Any, f: Callable[..., Any]) -> None:
        """Say what does not suit a solver: what is no real number, and numbers of fewer digits."""
        label = getattr(f, "__name__", type(f).__name__)
        for spec in made.problem.outputs:
            if spec.is_complex:
                raise OutputTypeError(f"{label} returns complex numbers, and solvers take real ones")
            if spec.is_inexact and np.finfo(spec.dtype).eps > np.finfo(np.float64).eps:
                warnings.warn(
                    f"{label} returns {spec.dtype} for unknowns of float64: solvers compute with that, and "
                    "with fewer digits in values and derivatives they may stop early; compute in float64",
                    PrecisionWarning,
                    stacklevel=stack_level(),
                )


def program(
    f: Callable[..., Any],
    start: Any,
    *args: Any,
    constraints: Callable[..., Any] | None = None,
    bounds: Any = None,
    constraint_bounds: Any = None,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Program:
    """Describe a nonlinear program: everything that a solver asks for, from the functions alone.

    Parameters
    ----------
    f : callable
        The objective ``f(x, *args)``, a real number.
    start : array, number or tree of them
        Where solvers start, and the form of ``x``.
    *args
        Constants of ``f`` and of the constraints.
    constraints : callable, optional
        ``constraints(x, *args)``: an array, a number or a tree of them.
    bounds : pair, optional
        The lowest and the highest values of the unknowns, each a number, None for no bound, a vector, or a
        tree like the start; or what has attributes ``lb`` and ``ub``, as SciPy's ``Bounds``.
    constraint_bounds : pair, optional
        The same for the constraints: ``(0, 0)`` for equations, ``(0, None)`` for what must not be negative.
    backend : Backend or str, optional
        Who differentiates; by default the start's own library. A ``Sparse`` says how the Jacobian and the
        Hessian are compressed, which they are anyway.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``gradient``.

    Returns
    -------
    Program
        With ``solve``; it also satisfies cyipopt's contract.

    Raises
    ------
    polyad.errors.ArgumentError
        If bounds do not fit what they bound, or a lower one is above the upper one.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers import nlp
    >>> p = nlp.program(
    ...     lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
    ...     np.array([0.5, 0.5]),
    ...     constraints=lambda x: x[0] + x[1],
    ...     constraint_bounds=(None, 1.5),
    ... )
    >>> rows, columns = p.hessianstructure()
    >>> rows, columns
    (array([0, 1, 1], dtype=int32), array([0, 0, 1], dtype=int32))
    >>> p.solve("trust-constr").x.round(3)
    array([0.823, 0.677])
    """
    return Program(
        f,
        start,
        args,
        constraints=constraints,
        bounds=bounds,
        constraint_bounds=constraint_bounds,
        backend=backend,
        follow=follow,
    )
