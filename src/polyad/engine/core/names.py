"""What NumPy's functions are called elsewhere: as Python's operators, and in ``math`` as in C."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

__all__ = ["ARITHMETIC", "COMPARISONS", "MATH", "SIGNS"]

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
# NumPy's name -> Python's operator, whose own name (``lt``) many libraries use
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
# NumPy's name -> how the operator is written
SIGNS = dict(zip((*ARITHMETIC, *COMPARISONS), "+ - * / < <= > >= == !=".split(), strict=True))
# NumPy's name -> the name in ``math``: that of C, and of CasADi and SymPy where they have the function
MATH = {
    **{n: n for n in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp2", "cbrt")},
    **{f"arc{n}": f"a{n}" for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")},
    **{n: n for n in ("expm1", "log1p", "log2", "log10", "copysign", "isnan", "isinf", "isfinite")},
}
