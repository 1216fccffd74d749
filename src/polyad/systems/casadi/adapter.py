"""NumPy code on CasADi's symbols: elementwise functions; arrays as wholes are in ``arrays``.

* Structure is a gather of flat positions, so it is exact and free at run time.
* Ties, and functions that CasADi lacks, are written so that their derivatives are right to every
  order (``forms``): of two smooth branches only the chosen one is computed with values that
  matter, and arguments of the other are kept where it is finite.
* What cannot be written without losing digits or derivatives has no counterpart here; the proxy
  refuses it by name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.names import COMPARISONS, MATH
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Primitive
from polyad.systems.casadi.direct import direct
from polyad.systems.casadi.forms import RESULTS, Forms
from polyad.systems.casadi.loops import CasADiLoops
from polyad.systems.casadi.numpy_nodes import HOSTED, called_back, of_user
from polyad.systems.casadi.order import Orders
from polyad.systems.casadi.symbolic import Symbolic, constant
from polyad.systems.casadi.work import WORK

__all__ = ["CasADiAdapter"]

# primitive -> CasADi's function of one operand, floating-point result
UNARY: dict[str, str] = {
    **{n: MATH[n] for n in ("exp", "expm1", "log", "log1p", "log10", "sqrt", "sin", "cos", "tan")},
    **{n: MATH[n] for n in ("sinh", "cosh", "tanh", "arctan", "arcsinh", "arccosh")},
    "erf": "erf",
}
# results keep the dtype
KEEPING: dict[str, str] = {"floor": "floor", "ceil": "ceil", "sign": "sign", "absolute": "fabs"}
ORDER: dict[str, str] = {name: f.__name__ for name, f in COMPARISONS.items()}
BINARY: dict[str, str] = {"add": "plus", "subtract": "minus", "multiply": "times"}
FLOATING: dict[str, str] = {"divide": "rdivide", "copysign": "copysign"}
LOGICAL = ("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")


@functools.cache
def _stopper(size: int) -> Any:
    """The identity, as a function of CasADi that has no derivative by its argument."""
    import casadi

    x = casadi.SX.sym("x", size)
    return casadi.Function("stop", [x], [x], {"never_inline": True, "is_diff_in": [False]})


Operation = Callable[..., Any]
DOUBLE, BOOL = np.dtype(np.float64), np.dtype(bool)


def dtype_of(args: tuple[Any, ...]) -> tuple[np.dtype[Any], bool]:
    """The dtype that NumPy gives to a result, and whether it is that of a Python number."""
    first = args[0]
    if len(args) == 1 and isinstance(first, Symbolic):
        return first.dtype, first.weak
    weak = True
    parts: list[Any] = []
    for a in args:
        if isinstance(a, Symbolic) and not a.weak:
            weak = False
            parts.append(a.dtype)
        elif isinstance(a, np.generic):
            weak = False
            parts.append(a.dtype)
        else:
            parts.append(a.dtype.type(0).item() if isinstance(a, Symbolic) else a)
    return np.result_type(*parts), weak


class CasADiAdapter(CasADiLoops, Orders):
    """CasADi's SX and MX."""

    name = "casadi"
    raises = False
    wraps = False

    def _search(self, name: str, home: str) -> Operation | None:
        own = getattr(self, f"own_{name}", None)
        general = "polyad.engine.interpretations.adapter"
        if own is not None and getattr(own, "__func__", own).__module__ != general:
            found: Operation = own
            return found
        return called_back(PRIMITIVES[name]) if name in HOSTED else self._elementwise(name)

    def by_rule(self, primitive: Primitive) -> Operation:
        return of_user(primitive)

    def _elementwise(self, name: str) -> Operation | None:
        import casadi

        tables = ((UNARY, "float"), (KEEPING, None), (ORDER, "bool"), (BINARY, None), (FLOATING, "float"))
        for table, dtype in tables:
            if name in table:
                return self._applied(getattr(casadi, table[name]), dtype, direct(table[name]))
        if name in LOGICAL:
            return self._logical(name)
        form = getattr(Forms, name, None)
        if form is None:
            return None
        return self._applied(form, RESULTS.get(name))

    def _applied(self, f: Operation, result: str | None, same: Operation | None = None) -> Operation:
        """A function of columns as one of arrays, with broadcasting."""
        usual = BOOL if result == "bool" else DOUBLE
        apply = same or f  # the same function, called more quickly

        def call(*args: Any) -> Symbolic:
            # double precision of one shape, the most common case: there is nothing to find out
            first, quick = None, []
            for a in args:
                kind = type(a)
                if kind is Symbolic:
                    if a.dtype is not DOUBLE or a.weak:
                        break
                    if first is None:
                        first = a.shape
                    elif a.shape != first:
                        break
                    quick.append(a.column)
                elif kind is float:
                    quick.append(a)
                else:
                    break
            else:
                if first is not None and 0 not in first:
                    WORK.note(math.prod(first) if first else 1)
                    return Symbolic(apply(*quick), first, usual)
            return general(*args)

        def general(*args: Any) -> Symbolic:
            shapes = [a.shape for a in args if isinstance(a, Symbolic)]
            shape = shapes[0]
            if any(s != shape for s in shapes[1:]):
                shape = np.broadcast_shapes(*shapes)
            dtype, weak = dtype_of(args)
            if result == "bool":
                dtype, weak = np.dtype(bool), False
            elif dtype.kind == "b" and result is None and len(args) == 2:
                return self._of_truths(f, *[self._column(a, shape) for a in args]).reshaped(shape)
            elif result == "float" and dtype.kind not in "fc":
                dtype = np.dtype(np.float64)
            columns = [self._column(a, shape) for a in args]
            if math.prod(shape) == 0:
                kind = next(a for a in args if isinstance(a, Symbolic)).kind
                return Symbolic(kind(0, 1), shape, dtype)
            WORK.note(math.prod(shape))
            return Symbolic(apply(*columns), shape, dtype, weak)

        return call

    def _of_truths(self, f: Operation, a: Any, b: Any) -> Symbolic:
        """Arithmetic of truth values, which NumPy has for some operations only."""
        import casadi

        forms = {casadi.plus: casadi.logic_or, casadi.times: casadi.logic_and,
                 Forms.maximum: casadi.logic_or, Forms.minimum: casadi.logic_and,
                 Forms.fmax: casadi.logic_or, Forms.fmin: casadi.logic_and}  # fmt: skip
        if f not in forms:
            raise refuse("arithmetic of truth values has no counterpart in casadi", "use x.astype(float)")
        column = forms[f](a, b)
        return Symbolic(column, (column.numel(),), bool)

    def _column(self, a: Any, shape: tuple[int, ...]) -> Any:
        """An operand as CasADi broadcasts it: a number, one entry, or all of them."""
        if not isinstance(a, Symbolic):
            if isinstance(a, complex | np.complexfloating):
                raise self.no_complex()
            return float(a)
        return a.column if a.shape == shape or a.size == 1 else a.spread(shape).column

    def _logical(self, name: str) -> Operation:
        import casadi

        how = name.split("_")[1]
        f: Operation = {"and": casadi.logic_and, "or": casadi.logic_or, "xor": casadi.ne}[how]

        def call(a: Any, b: Any) -> Symbolic:
            truths = [self._truths(v) for v in (a, b)]
            if name.startswith("bitwise") and any(
                (v.dtype if isinstance(v, Symbolic) else np.result_type(v)).kind != "b" for v in (a, b)
            ):
                raise refuse(f"{name} of integers has no counterpart in casadi", "use backend='numpy'")
            return self._applied(f, "bool")(*truths)

        return call

    # -- surroundings -------------------------------------------------------------------------------

    def dtype(self, a: Any) -> np.dtype[Any]:
        return np.dtype(a.dtype)

    def constant(self, a: Any, beside: Any) -> Any:
        if a.dtype.kind == "c":
            raise self.no_complex()
        if a.dtype.kind not in "fiub":
            raise refuse(f"an array of dtype {a.dtype} met one of casadi", "keep to real numbers")
        return constant(a, beside.kind)

    def no_complex(self) -> Exception:
        """The error for complex numbers."""
        return refuse("casadi computes with real numbers only", "use backend='numpy'")

    def is_own(self, a: Any) -> bool:
        return isinstance(a, Symbolic)

    def truth(self, a: Any) -> bool:
        raise refuse(
            "a branch depends on a value that casadi does not have yet (its graph is built without values)",
            self.branch,
        )

    def stop(self, a: Any) -> Any:
        return a.like(_stopper(a.size)(a.column)) if a.size else a

    # -- elementwise with a special form --------------------------------------------------------------

    def own_where(self, condition: Any, a: Any, b: Any) -> Symbolic:
        import casadi

        values = [v for v in (a, b) if isinstance(v, Symbolic) or not isinstance(v, bool)]
        dtype, _ = dtype_of(tuple(values) if values else (True,))
        if not isinstance(condition, Symbolic):
            kind = next(v for v in (a, b) if isinstance(v, Symbolic)).kind
            condition = constant(condition, kind)
        result = self._applied(casadi.if_else, None)(self._truths(condition), a, b)
        return result.like(result.column, dtype=dtype)

    def own_astype(self, x: Any, dtype: Any) -> Symbolic:
        wanted = np.dtype(dtype)
        if wanted.kind == "c":
            raise self.no_complex()
        if wanted.kind == "b":
            return self._truths(x)
        if wanted.kind in "iu" and x.dtype.kind == "f":
            return self.own_truncate_to(x, wanted)
        return x.like(x.raw, dtype=wanted)

    def own_truncate_to(self, x: Any, dtype: Any) -> Symbolic:
        return x.like(Forms.trunc(x.column), dtype=np.dtype(dtype))

    def own_round(self, x: Any, decimals: int = 0) -> Symbolic:
        scale = 10.0**decimals
        return x.like(Forms.rint(x.column * scale) / scale if decimals else Forms.rint(x.column))

    def own_invert(self, x: Any) -> Symbolic:
        if x.dtype.kind != "b":
            raise refuse("~x of integers has no counterpart in casadi", "use backend='numpy'")
        return self.own_logical_not(x)

    def own_logical_not(self, x: Any) -> Symbolic:
        import casadi

        return x.like(casadi.logic_not(self._truths(x).column), dtype=bool)

    def own_conjugate(self, x: Any) -> Symbolic:
        return self._same(x)

    def own_real(self, x: Any) -> Symbolic:
        return self._same(x)

    def own_imag(self, x: Any) -> Symbolic:
        return self.own_zeros(x, x.shape)

    def own_negative(self, x: Any) -> Symbolic:
        return Symbolic(-x.column, x.shape, x.dtype, x.weak)

    def _same(self, x: Symbolic) -> Symbolic:
        return x
