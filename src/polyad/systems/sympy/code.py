"""SymPy expressions as one Python function of numbers, every shared part computed once.

The same code runs in two versions: on Python's floats by the functions of ``math``, which is fastest, and,
where that raises (a pole, a domain, an overflow), once more on NumPy's floats by NumPy's functions,
whose infinities and NaNs are then the result, as they are of the NumPy function.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.names import MATH
from polyad.engine.core.refusals import refuse
from polyad.engine.programs.text import twice
from polyad.errors import OperationNotSupportedError
from polyad.systems.sympy.calculus import ordered
from polyad.systems.sympy.functions import PARTIALS
from polyad.systems.sympy.special import COMPUTE

__all__ = ["compiled"]

# Deeper expressions get a name in between: Python's parser nests no deeper than a hundred brackets.
DEEPEST = 25
RELATIONS = {
    "StrictLessThan": "<",
    "LessThan": "<=",
    "StrictGreaterThan": ">",
    "GreaterThan": ">=",
    "Equality": "==",
    "Unequality": "!=",
}
# SymPy's name -> the name in ``math`` and NumPy's own
BOTH = {
    **{c: n for n, c in MATH.items() if n not in ("arctan2", "copysign", "isnan", "isinf", "isfinite")},
    **{n: n for n in ("floor", "ceil", "trunc")},
}
# SymPy's name -> the name in ``scipy.special``
SPECIAL = {
    **{name: name for name in ("erf", "erfc", "erfi", "erfinv", "gamma", "loggamma", "beta")},
    **{"besselj": "jv", "bessely": "yv", "besseli": "iv", "besselk": "kv"},
    **{"elliptic_k": "ellipk", "elliptic_e": "ellipe"},
}
# names in the code -> names of the users' functions
_DEFINED: dict[str, str] = {}
_LOCK = threading.Lock()
PAIRS = {"Si": ("sici", 0), "Ci": ("sici", 1), "Shi": ("shichi", 0), "Chi": ("shichi", 1)}


# -- the functions that the code calls ----------------------------------------------------------------


def _sign(x: Any) -> Any:
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0 * x


def _largest(*xs: Any) -> Any:
    best = xs[0]
    for x in xs[1:]:
        if x > best or x != x:
            best = x
    return best


def _smallest(*xs: Any) -> Any:
    best = xs[0]
    for x in xs[1:]:
        if x < best or x != x:
            best = x
    return best


def _pick(index: Any, *entries: Any) -> Any:
    return entries[int(index)]


def _polygamma(n: Any, x: Any) -> Any:
    import scipy.special

    return scipy.special.digamma(x) if n == 0 else scipy.special.polygamma(int(n), x)[()]


def _part(name: str, k: int) -> Callable[[Any], Any]:
    import scipy.special

    f = getattr(scipy.special, name)
    return lambda x: f(x)[k]


@functools.cache
def _names(fast: bool) -> dict[str, Any]:
    """What the code's names mean."""
    import scipy.special

    found: dict[str, Any] = {
        "abs": abs,
        "Abs": abs,
        "sign": _sign if fast else np.sign,
        "float64": np.float64,
        "maximum": _largest,
        "minimum": _smallest,
        "pick": _pick,
        "polygamma": _polygamma,
        "constant": lambda x: x,
        "inf": math.inf,
        "nan": math.nan,
        "power": math.pow if fast else np.power,
    }
    for name in PARTIALS:
        if name not in found and name not in COMPUTE:
            found[name] = getattr(np, name, None) or getattr(scipy.special, name)
    for name, other in SPECIAL.items():
        found[name] = getattr(scipy.special, other)
    for name, (other, k) in PAIRS.items():
        found[name] = _part(other, k)
    for name, other in BOTH.items():
        # floor and its like give integers in ``math``
        in_math = getattr(math, name, None) if name not in ("floor", "ceil", "trunc") else None
        found[name] = in_math if fast and in_math is not None else getattr(np, other)
    return found


# -- writing the code -----------------------------------------------------------------------------------


class _Writer:
    """Names and lines for the expressions of one function."""

    def __init__(self, groups: Sequence[Sequence[Any]]) -> None:
        self.known: dict[Any, str] = {}
        self.lines: list[str] = []
        self.depth: dict[Any, int] = {}
        for g, symbols in enumerate(groups):
            names = [f"s{g}_{k}" for k in range(len(symbols))]
            self.known.update(zip(symbols, names, strict=True))
            if names:
                self.lines.append(f"{', '.join(names)}, = g{g}")

    def write(self, roots: Sequence[Any]) -> None:
        """Lines for every part that is used more than once."""
        order = ordered(roots)
        uses: dict[Any, int] = {}
        for node in order:
            for arg in _parts(node):
                uses[arg] = uses.get(arg, 0) + 1
        for root in roots:
            if root.is_Number:
                continue
            uses[root] = uses.get(root, 0) + 1
        pieces = {arg for node in order if node.is_Piecewise for arg in node.args}
        for node in order:
            if not node.args or node in pieces:
                continue
            text = self.text(node)
            depth = 1 + max((self.depth.get(arg, 0) for arg in _parts(node)), default=0)
            if uses.get(node, 0) > 1 or depth > DEEPEST:
                name = f"t{len(self.lines)}"
                self.lines.append(f"{name} = {text}")
                text, depth = name, 0
            self.known[node] = text
            self.depth[node] = depth

    def of(self, node: Any) -> str:
        """An expression that has been written, or an atom."""
        found = None if node.is_Atom and not node.is_Symbol else self.known.get(node)
        return found if found is not None else self.text(node)

    def text(self, node: Any) -> str:
        """The code of one expression in terms of its parts."""
        import sympy

        if not node.args:
            return _atom(node)
        kind = type(node).__name__
        if node.is_Add:
            return _joined(" + ", [self.of(arg) for arg in node.args])
        if node.is_Mul:
            return self._product(node)
        if node.is_Pow:
            return self._power(node)
        if node.is_Piecewise:
            return self._choice(node)
        args = [self.of(arg) for arg in node.args]
        if kind in RELATIONS:
            return f"({args[0]} {RELATIONS[kind]} {args[1]})"
        if isinstance(node, sympy.And | sympy.Or):
            return f"({(' and ' if isinstance(node, sympy.And) else ' or ').join(args)})"
        if isinstance(node, sympy.Not):
            return f"(not {args[0]})"
        if isinstance(node, sympy.ITE):
            return f"({args[1]} if {args[0]} else {args[2]})"
        if isinstance(node, sympy.Xor):
            return f"({' ^ '.join(f'bool({a})' for a in args)})"
        if kind == "power":
            return self._to(*node.args)
        if kind not in COMPUTE and (kind == "erfcinv" or kind not in _names(True)):
            raise refuse(f"{kind} has no numerical counterpart", "use backend='numpy', 'jax' or 'torch'")
        return f"{_identifier(kind)}({', '.join(args)})"

    def _product(self, node: Any) -> str:
        above, below = [], []
        for arg in node.args:
            # a power with other uses has its own line, which is not to be computed again
            if arg.is_Pow and arg.exp.is_Number and arg.exp < 0 and not self._named(arg):
                below.append(self._raised(arg.base, -arg.exp))
            elif arg.is_Rational and not arg.is_Integer and arg.p == 1:
                below.append(f"{arg.q}.0")
            else:
                above.append(self.of(arg))
        if above[:1] == ["-1.0"] and len(above) > 1:
            above = [f"-{above[1]}", *above[2:]]
        text = _joined("*", above)[1:-1] if above else "1.0"
        if below:
            text = f"{text}/{below[0]}" if len(below) == 1 else f"{text}/({'*'.join(below)})"
        return f"({text})"

    def _named(self, node: Any) -> bool:
        return self.known.get(node, "(").isidentifier()

    def _power(self, node: Any) -> str:
        import sympy

        base, exponent = node.args
        if base is sympy.E:
            return f"exp({self.of(exponent)})"
        return self._to(base, exponent)

    def _to(self, base: Any, exponent: Any) -> str:
        if exponent.is_Number and exponent < 0:
            return f"(1.0/{self._raised(base, -exponent)})"
        return self._raised(base, exponent)

    def _raised(self, base: Any, exponent: Any) -> str:
        text = self.of(base)
        if exponent == 1:
            return text
        if exponent.is_Integer:
            if exponent == 2 and text.isidentifier():
                return f"({text}*{text})"
            return (
                f"({text}**{int(exponent)})" if not text.startswith("-") else f"(({text})**{int(exponent)})"
            )
        if exponent.is_Number and exponent * 2 == 1:
            return f"sqrt({text})"
        return f"power({text}, {self.of(exponent)})"

    def _choice(self, node: Any) -> str:
        import sympy

        text = "nan"
        for value, test in reversed(node.args):
            text = (
                self.of(value) if test is sympy.true else f"({self.of(value)} if {self.of(test)} else {text})"
            )
        return text


@functools.cache
def _identifier(kind: str) -> str:
    """A function's name in the code: a user's own have names with dots."""
    if kind.isidentifier():
        return kind
    with _LOCK:
        name = f"defined_{len(_DEFINED)}"
        _DEFINED[name] = kind
    return name


def _joined(sign: str, terms: list[str]) -> str:
    """Terms in brackets, many of them in groups: Python's compiler walks a long sum as a deep tree."""
    while len(terms) > DEEPEST:
        terms = [_joined(sign, terms[k : k + DEEPEST]) for k in range(0, len(terms), DEEPEST)]
    return f"({sign.join(terms)})"


def _parts(node: Any) -> tuple[Any, ...]:
    """What an expression is written in terms of, but for numbers; a choice has pairs in between."""
    args = tuple(part for pair in node.args for part in pair.args) if node.is_Piecewise else node.args
    return tuple(part for part in args if not part.is_Number)


def _atom(node: Any) -> str:
    import sympy

    if node is sympy.true or node is sympy.false:
        return str(bool(node))
    if node is sympy.nan:
        return "nan"
    if node in (sympy.oo, -sympy.oo):
        return "inf" if node is sympy.oo else "(-inf)"
    if node.is_number and node.is_real:
        try:
            value = repr(float(node))
        except OverflowError:
            return "inf" if node > 0 else "(-inf)"
        return f"({value})" if value.startswith("-") and value != "-1.0" else value
    if node.is_Symbol:
        raise OperationNotSupportedError(
            f"{node.name} belongs to another function on symbols (an outer one, or an earlier one that left "
            "it in a variable): pass it as an argument, or use backend='numpy'"
        )
    raise refuse(f"SymPy's result contains {node}, which is no real number", "use backend='numpy'")


def compiled(groups: Sequence[Sequence[Any]], roots: Sequence[Any]) -> Callable[..., list[Any]]:
    """A function of lists of numbers, one for each group of symbols, giving the roots' values."""
    writer = _Writer(groups)
    writer.write(roots)
    args = ", ".join(f"g{k}" for k in range(len(groups)))
    body = [*writer.lines, f"return [{', '.join(map(writer.of, roots))}]"]
    source = f"def program({args}):\n" + "".join(f"    {line}\n" for line in body)
    defined = {name: COMPUTE[kind] for name, kind in list(_DEFINED.items())}
    quick, careful = ({**COMPUTE, **_names(fast), **defined} for fast in (True, False))
    return twice(source, quick, careful, "<polyad SymPy>", _of_numpy)


def _of_numpy(values: list[Any]) -> list[Any]:
    """Python's floats as NumPy's, whose functions give infinities and NaNs where ``math`` raises."""
    return [np.float64(v) for v in values]
