"""A solution as a function of what its equation depends on: the implicit function theorem, to every order.

The equation is ``residual(x, p) = 0``, and ``x`` comes from any solver, on plain numbers. Under the
engine's own
interpretations the rest are Newton steps with the matrix at the solution, factored once: in the algebra of
tangents and expansions, where a step makes one more order right, ``n`` steps give derivatives of order ``n``
exactly. (Pasquier and Primeau's F-1 algorithm, 2019, is this with two orders; the value itself does not
move.)
In other frameworks the solution is a function with rules, whose rules call it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library as library_named
from polyad.arrays.libraries import library_of
from polyad.engine import run
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import noted, refuse
from polyad.engine.core.values import Tracer, Value, base, settled, shape_of
from polyad.engine.implicit.captured import active, replaced, unfollowed
from polyad.engine.implicit.linear import SINGULAR, Systems, factored, inverse
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.series import Series
from polyad.engine.interpretations.tape import Node
from polyad.engine.user.primitives import Defined
from polyad.errors import DomainError, OperationNotSupportedError

__all__ = ["Equation", "Hosted", "bare", "entered", "form_of", "plain", "plainly", "solution"]

# a Newton step from the solution may have this size, relative to it, before that is no solution
NEAR = 1e-3


class Equation:
    """An equation, its solver, and how its linear systems are solved.

    Parameters
    ----------
    bundle : tree
        What ``solve`` and ``residual`` get: arguments and functions, with what these have captured.
    solve : callable
        ``solve(bundle)``, giving the solution as a plain array; the bundle holds plain numbers.
    residual : callable
        ``residual(x, bundle)``, of the form of ``x``.
    label : str
        What errors call it.
    linear : {"dense", "sparse", "matrix-free"} or callable
        How linear systems are solved.
    jacobian : callable, optional
        ``jacobian(x, bundle)``: the derivative of the residual, dense or sparse.
    like : array, optional
        An example of the solution.
    """

    def __init__(
        self,
        bundle: Any,
        solve: Callable[[Any], Any],
        residual: Callable[[Any, Any], Any],
        *,
        label: str,
        linear: Any = "dense",
        jacobian: Callable[[Any, Any], Any] | None = None,
        like: Any = None,
    ) -> None:
        self.bundle, self._solve, self._residual = bundle, solve, residual
        self.label, self.linear, self._jacobian, self.like = label, linear, jacobian, like
        self.leaves = active(bundle)
        self.foreign = False  # whether a framework differentiates the solution by its rules

    def given(self, values: Sequence[Any]) -> Any:
        """The bundle with other values in the places of its active ones."""
        return replaced(self.bundle, self.leaves, [entered(v) for v in values])

    def solved(self, *arrays: Any) -> np.ndarray[Any, Any]:
        """The solution for plain numbers."""
        bundle = replaced(self.bundle, self.leaves, arrays)
        with unfollowed():
            x = np.asarray(plain(self._solve(bundle), self.label))
        if x.dtype.kind not in "fiu":
            raise refuse(f"{self.label} gave an array of dtype {x.dtype}", "keep to real numbers")
        if not np.isfinite(x).all():
            raise DomainError(f"{self.label} gave a solution that is not finite")
        x = x.astype(float, copy=False)
        if self.leaves:
            r = plain(self._residual(entered(x[()]), bundle), self.label)
            if self.foreign:  # under the engine's own interpretations the first step tells
                self.check(np.asarray(x, dtype=float), arrays, np.asarray(r, dtype=float))
        return x

    def check(self, x: np.ndarray[Any, Any], values: Sequence[Any], r: np.ndarray[Any, Any]) -> Systems:
        """Refuse what is no solution: a Newton step from there is not short. Gives what solves for steps."""
        systems = self.systems(x, values)
        if np.shape(r) != x.shape:
            self._of(x, self.given(values))
        step = float(np.linalg.norm(inverse(r, systems=systems, size=x.size, turned=False)))
        if not step <= NEAR * max(1.0, float(np.linalg.norm(x))):
            raise DomainError(
                f"{self.label}: the residual is not zero at the solution, a Newton step from there has "
                f"length {step:.1e}: let the solver converge further, and see that the residual is that of "
                "the solver"
            )
        return systems

    def residual(self, x: Value, values: Sequence[Value]) -> Value:
        """The residual of values, under whatever differentiation they and what is captured are in."""
        return self._of(x, self.given(values))

    def _of(self, x: Value, bundle: Any) -> Value:
        found = unbox(self._residual(entered(x), bundle))
        if not hasattr(found, "shape"):
            found = np.asarray(found, dtype=float)[()]
        if shape_of(found) != shape_of(x):
            raise refuse(
                f"the residual of {self.label} has shape {shape_of(found)}, and its solution {shape_of(x)}",
                "give as many equations as unknowns, in the same form",
            )
        return found

    # -- linear systems -------------------------------------------------------------------------------

    def matrix(self, x: Value, values: Sequence[Value]) -> Value:
        """The derivative of the residual by the solution, dense, as values."""
        n = int(np.prod(shape_of(x)))
        bundle = self.given(values)
        seeds = np.eye(n).reshape(n, *shape_of(x))
        rows = run.push(lambda b: ((self._residual(b[0], bundle),), ()), (run.leave(x),), (seeds,))[0][0]
        return unbox(_numpy().transpose(_numpy().reshape(rows, (n, n))))

    def systems(self, x: np.ndarray[Any, Any], values: Sequence[Any]) -> Systems:
        """What solves with the derivative of the residual at plain numbers."""
        if self._jacobian is not None:
            bundle = replaced(self.bundle, self.leaves, values)
            return factored(self._jacobian(x, bundle), self.linear)
        if self.linear == "dense" or self.linear == "sparse":
            return factored(base(self.matrix(x, values)), self.linear)
        return factored(self._operator(x, values), self.linear)

    def _operator(self, x: np.ndarray[Any, Any], values: Sequence[Any]) -> Any:
        import scipy.sparse.linalg

        bundle, n = self.given(values), x.size
        kept: list[Any] = []

        def f(boxes: Any) -> Any:
            return (self._residual(boxes[0], bundle),), ()

        def forward(v: Any) -> Any:
            return base(unbox(run.push(f, (x,), (np.reshape(v, (1, *x.shape)),))[0][0])).reshape(n)

        def backward(w: Any) -> Any:
            if not kept:
                kept.append(run.record(f, (x,)))
            return base(unbox(kept[0].pull((np.reshape(w, x.shape),))[0])).reshape(n)

        return scipy.sparse.linalg.LinearOperator((n, n), matvec=forward, rmatvec=backward, dtype=float)


def _numpy() -> Any:
    return np


def entered(v: Any) -> Any:
    """A value as the user's functions get it: a box if it is traced, else an array of its own."""
    if isinstance(v, Tracer):
        return wrap(v)
    return v.copy() if type(v) is np.ndarray else v


def plain(found: Any, label: str, *, alone: bool = False) -> Any:
    """A result without what the engine has put around it; one of another framework is refused.

    ``alone`` refuses one of the engine that still carries a derivative, too: what is computed so has no other
    way to it, where an equation finds it again in its residual.
    """
    if isinstance(found, list | tuple):
        return type(found)([plain(part, label, alone=alone) for part in found])
    value = settled(unbox(found)) if isinstance(found, Box) or _is_foreign(found) else found
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = settled(unbox(value))
    under = base(value)
    if isinstance(under, Tracer):
        whose = under.library if type(under) is Proxy else "a framework"
        raise refuse(
            f"{label} takes a value of {whose} from around itself, whose derivative would be lost",
            "pass it as an argument (args)",
        )
    if alone and isinstance(value, Tracer):
        raise noted(
            OperationNotSupportedError(
                f"the function that {label} calls takes what is differentiated out of a place that is not "
                "looked at (a class, a module, an iterator), and its derivative would be lost: pass it as an "
                "argument (args), or take it from a variable around the function"
            )
        )
    value = under
    return value


def plainly(f: Callable[..., Any], label: str) -> Callable[..., Any]:
    """A function of the user's as a solver calls it: plain numbers go in and come out."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return plain(f(*args, **kwargs), label)

    return call


def _is_foreign(a: Any) -> bool:
    if isinstance(a, np.ndarray | np.generic | float | int):
        return False
    owner = library_of(a)
    return owner is not None and owner.is_foreign


# -- the solution as an operation ---------------------------------------------------------------------------


class Hosted(Defined):
    """A solver as an operation of other frameworks' arrays too: run on the host, with its rules."""

    __slots__ = ()

    def ready(self, like: Callable[..., Any]) -> None:
        """Complete it; ``like`` gives an example of the result."""
        self.home, self.namesake, self.source = "user", None, None
        self.label, self.lifts, self.like = self.name, {}, like

    def _lifted(self, top: Any, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        (problem,) = params.values()
        if library_named(top.library).symbolic:
            raise refuse(
                f"{problem.label} needs numbers, and {top.library} builds a graph without them",
                "use backend='numpy', 'torch', 'autograd' or 'jax'",
            )
        return super()._lifted(top, args, params)


def _push(y: Value, tangents: Sequence[Value], *args: Value, equation: Equation) -> Value:
    which = [k for k, t in enumerate(tangents) if t is not None]
    moved = run.push(
        _in_parameters(equation, y, args, which),
        [run.leave(args[k]) for k in which],
        [run.leave(tangents[k]) for k in which],
    )[0][0]
    count = shape_of(unbox(moved))[0]
    rows = np.reshape(moved, (count, -1))
    found = -np.transpose(_divided(equation.matrix(y, args), np.transpose(rows)))
    return unbox(np.reshape(found, (count, *shape_of(y))))


def _joint(which: tuple[int, ...], y: Value, *args: Value, equation: Equation) -> Any:
    def pull(w: Value) -> tuple[Value, ...]:
        from polyad.engine.interpretations.masked import settled as filled

        a, shape = np.transpose(wrap(equation.matrix(y, args))), shape_of(y)
        seed = _divided(unbox(a), -np.reshape(wrap(filled(w)), (-1,)))
        recorded = run.record(_in_parameters(equation, y, args, which), [run.leave(args[k]) for k in which])
        return tuple(map(run.enter, recorded.pull((np.reshape(seed, shape),))))

    return pull


def _divided(a: Value, b: Any) -> Any:
    """The solution of a system in whatever library, which may have an error of its own for it."""
    try:
        return np.linalg.solve(wrap(a), b)
    except Exception as error:
        if "singular" not in str(error).lower():
            raise
        raise DomainError(SINGULAR) from error


def _in_parameters(
    equation: Equation, y: Value, args: Sequence[Value], which: Sequence[int]
) -> Callable[[Sequence[Any]], Any]:
    def f(boxes: Sequence[Any]) -> Any:
        values = list(args)
        for k, box in zip(which, boxes, strict=True):
            values[k] = box._value
        return (wrap(equation.residual(y, values)),), ()

    return f


def _made() -> Hosted:
    made = Hosted("implicit", lambda *arrays, equation: equation.solved(*arrays)[()], _push, (), joint=_joint)
    made.ready(lambda *args, equation: equation.like)
    return made


IMPLICIT = _made()


# -- the solution in the engine --------------------------------------------------------------------


def orders(value: Value, found: dict[int, int]) -> None:
    """The levels that a value is differentiated at, each with its order."""
    while isinstance(value, Tracer) and value.level > 0:
        if type(value) is Series:
            for c in value.coefficients[1:]:
                orders(c, found)
            found[value.level] = max(found.get(value.level, 0), len(value.coefficients) - 1)
        elif type(value) is Dual:
            orders(value.tangent, found)
            found.setdefault(value.level, 1)
        elif type(value) is Node:
            found.setdefault(value.level, 1)
        value = value.lower()


def solution(equation: Equation) -> Any:
    """The solution, differentiable in every active value that its equation takes."""
    values = [settled(unbox(leaf)) for leaf in equation.leaves]
    if not values:
        return equation.solved()[()]
    lows = [base(v) for v in values]
    equation.foreign = any(isinstance(v, Tracer) for v in lows)
    x0 = IMPLICIT(*lows, equation=equation)
    x = _corrected(equation, x0, values, lows)
    return wrap(x) if any(isinstance(leaf, Box) for leaf in equation.leaves) else bare(x)


def form_of(x0: Any) -> Any:
    """An example of a solution that has the form of what it starts with."""
    shape = getattr(x0, "shape", None)
    return np.zeros(tuple(shape) if shape is not None else np.shape(x0))


def bare(x: Value) -> Any:
    """A value as its framework's array."""
    return x.array if type(x) is Proxy else x


def _corrected(equation: Equation, x0: Value, values: list[Value], lows: list[Value]) -> Value:
    """The solution with its derivatives: a Newton step for each order."""
    levels: dict[int, int] = {}
    for v in values:
        orders(v, levels)
    x, done, start, inverted = x0, 0, None, None
    while True:
        total = sum(levels.values())
        if done >= total:
            return x
        r = equation.residual(x, values)
        if start is None:
            start = base(r)
        orders(r, levels)
        if not isinstance(r, Tracer) or r.level == 0:
            return x
        if inverted is None:
            inverted = _inverted(equation, x0, lows, start)
        x = x - inverted(r - start)
        done += 1


def _inverted(equation: Equation, x: Value, lows: list[Value], r: Value) -> Callable[[Value], Value]:
    if isinstance(x, Tracer):
        a, shape = equation.matrix(x, lows), shape_of(x)

        def solve(b: Value) -> Value:
            return unbox(np.reshape(_divided(a, np.reshape(wrap(b), (-1,))), shape))

        return solve
    plain_x = np.asarray(x)
    systems, size = equation.check(plain_x, lows, np.asarray(r)), plain_x.size
    return lambda b: inverse(b, systems=systems, size=size, turned=False)
