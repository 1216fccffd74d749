"""A right-hand side of ODEs with what it depends on, for whichever integrator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import Tracer, settled, shape_of
from polyad.engine.implicit.captured import active, replaced
from polyad.engine.implicit.equation import entered, plain
from polyad.engine.implicit.ode import ODE, Flow

__all__ = ["System", "number", "tight", "vector"]

Function = Callable[..., Any]
# to which tolerances systems are solved of which differences are taken
RTOL, ATOL = 1e-10, 1e-12


def tight(rtol: Any, atol: Any) -> dict[str, Any]:
    """Tolerances where differences are taken.

    The steps of an integrator move with the parameters, and its error with them: seen from outside a smooth
    function, whose derivatives are not those of the solution.
    """
    return {"rtol": np.minimum(rtol, RTOL), "atol": np.minimum(atol, ATOL)}


class System:
    """A right-hand side with its active values, and the integrator."""

    def __init__(
        self,
        fun: Function,
        args: tuple[Any, ...],
        integrate: Function,
        label: str,
        how: str,
        slope: Any = None,
    ) -> None:
        self.bundle = (fun, args, slope)
        self.leaves = active(self.bundle)
        self.integrate, self.label, self.how = integrate, label, how
        self.values = [settled(unbox(leaf)) for leaf in self.leaves]

    def rhs(self, t: Any, y: Any, *values: Any) -> Any:
        """The right-hand side of values."""
        fun, args, _ = replaced(self.bundle, self.leaves, [entered(v) for v in values])
        out = fun(entered(t), entered(y), *args)
        found = unbox(np.stack([part * 1.0 for part in out]) if _has_boxes(out) else out)
        if not hasattr(found, "shape") or isinstance(found, np.ndarray):
            found = np.asarray(found, dtype=float)
        return found if shape_of(found) == shape_of(y) else unbox(np.reshape(wrap(found), shape_of(y)))

    def plainly(self, values: Sequence[Any]) -> Function:
        """The right-hand side of plain numbers, for plain values."""
        fun, args, slope = replaced(self.bundle, self.leaves, [entered(v) for v in values])
        label = self.label

        def rhs(t: float, y: Any) -> Any:
            out = fun(t, y, *args)
            return out if type(out) is np.ndarray and out.dtype.kind == "f" else plain(out, label)

        # the Jacobian is that of this system, and not of a larger one or one in scaled time
        rhs.slope = plain(slope, label)  # type: ignore[attr-defined]
        if callable(slope):
            rhs.slope = lambda t, y: plain(slope(t, y, *args), label)  # type: ignore[attr-defined]
        return rhs

    def at(self, y0: Any, times: np.ndarray[Any, Any]) -> Any:
        """The solution at times, the first of which is where it begins, as a value."""
        flow = Flow(
            self.rhs, self.integrate, times, shape_of(y0)[0], self.label, self.how, bound=self.plainly
        )
        return ODE(y0, *self.values, flow=flow)

    def until(self, y0: Any, start: Any, end: Any, places: np.ndarray[Any, Any]) -> Any:
        """As ``at``, where begin and end may be active, at places between 0 and 1 of the way."""

        def rhs(s: Any, y: Any, a: Any, b: Any, *values: Any) -> Any:
            a, b = wrap(a), wrap(b)
            return unbox((b - a) * wrap(self.rhs(unbox(a + s * (b - a)), y, *values)))

        flow = Flow(
            rhs, self.integrate, np.concatenate([[0.0], places]), shape_of(y0)[0], self.label, self.how
        )
        return ODE(y0, start, end, *self.values, flow=flow)


def _has_boxes(out: Any) -> bool:
    return isinstance(out, list | tuple) and any(isinstance(part, Box) for part in out)


def vector(y0: Any) -> Any:
    """Initial values as a value of one axis."""
    if isinstance(y0, list | tuple) and active(y0):
        y0 = np.stack([part * 1.0 for part in y0])
    value = settled(unbox(y0))
    value = value if isinstance(value, Tracer) else np.asarray(value, dtype=float)
    return value if len(shape_of(value)) == 1 else unbox(np.reshape(wrap(value), (-1,)))


def number(t: Any) -> Any:
    """A time as a value."""
    value = settled(unbox(t))
    return value if isinstance(value, Tracer) else np.float64(value)
