"""Functions that NumPy and SciPy have and SymPy lacks, or computes with loss, as SymPy functions.

``log1p(x)`` written as ``log(1 + x)`` would lose the digits of a small ``x``, and the limits of
``logaddexp`` would overflow: so these are functions of their own, with one line for their partial
derivatives each, and are evaluated by the function of that name in NumPy or ``scipy.special``. They
are subclasses of ``sympy.Function``, so SymPy differentiates them as well.

``PARTIALS`` holds, for a name, one function of ``(*operands)`` for each operand; None where there is
no derivative. Conventions: ties share equally, the sign of zero is zero.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["PARTIALS", "added", "condition", "is_number", "named", "partial", "product", "raised", "select"]

Partial = Callable[..., Any]

# A sum or product of more parts than this is nested rather than merged: merged ones share nothing.
MERGED = 8


def _sympy() -> Any:
    import sympy

    return sympy


@functools.cache
def named(name: str) -> Any:
    """The SymPy function of that name; its numbers are those of NumPy or ``scipy.special``."""
    sympy = _sympy()

    def fdiff(self: Any, argindex: int = 1) -> Any:
        found = partial(name, self.args, argindex - 1)
        if found is None:
            raise sympy.core.function.ArgumentIndexError(self, argindex)
        return found

    members: dict[str, Any] = {"fdiff": fdiff, "__doc__": f"``{name}`` of NumPy or SciPy."}
    if name == "power":  # expression.rewrite(sympy.Pow), where the domain is the user's concern
        members["_eval_rewrite_as_Pow"] = lambda self, a, b, **options: a**b
    return type(name, (sympy.Function,), members)


def partial(name: str, args: tuple[Any, ...], k: int) -> Any:
    """The partial derivative by operand ``k``, or None."""
    if name in ("maximum", "minimum"):
        return _share(name, args, k)
    if name == "pick":
        return _picked(args, k)
    rules = PARTIALS[name]
    if rules == ():
        return _sympy().S.Zero
    rule = rules[k]
    return None if rule is None else rule(*args)


# -- conditions ---------------------------------------------------------------------------------------


def is_number(e: Any) -> bool:
    """Whether an entry is a number by itself."""
    return bool(e.is_Number)


def condition(name: str, a: Any, b: Any) -> Any:
    """A comparison, decided between numbers and left alone otherwise.

    Left alone, because SymPy would search its assumptions for an answer, at great cost, and would
    call ``x == x`` true, which asks whether ``x`` is not NaN.
    """
    sympy = _sympy()
    made = getattr(sympy, name)
    return made(a, b) if is_number(a) and is_number(b) else made(a, b, evaluate=False)


def select(*pieces: tuple[Any, Any]) -> Any:
    """The value that goes with the first condition that holds; the last one always does."""
    sympy = _sympy()
    kept: list[tuple[Any, Any]] = []
    for value, test in pieces:
        if test is sympy.false:
            continue
        kept.append((value, test))
        if test is sympy.true:
            break
    if kept[0][1] is sympy.true or all(value == kept[0][0] for value, _ in kept):
        return kept[0][0]
    # built by hand: SymPy would fold choices within the conditions, each of which doubles the others
    pair = sympy.functions.elementary.piecewise.ExprCondPair
    pairs = [sympy.Tuple.__new__(pair, value, test) for value, test in kept]
    return sympy.Basic.__new__(sympy.Piecewise, *pairs)


def added(*terms: Any) -> Any:
    """A sum that does not grow by merging: of a long one that is added to, its terms share nothing."""
    sympy = _sympy()
    kept = [t for t in terms if t is not sympy.S.Zero]
    if len(kept) > 1 and any(t.is_Add for t in kept) and sum(map(_terms, kept)) > MERGED:
        return sympy.Add(*kept, evaluate=False)
    return sympy.Add(*kept)


def _terms(e: Any) -> int:
    return len(e.args) if e.is_Add else 1


def _mergeable(e: Any) -> bool:
    """Whether SymPy multiplies it without asking at length what its powers' bases may be."""
    if e.is_Pow:
        return e.base.is_Symbol or (e.exp.is_Integer and e.exp == -1)
    return all(map(_mergeable, e.args)) if e.is_Mul else True


def product(a: Any, b: Any) -> Any:
    """``a * b``, by the short way where one is a number and there is nothing to merge.

    SymPy would work out what is known of every number (its sign, its parity) before it multiplies.
    """
    if not (a.is_Number or b.is_Number):
        many = (a.is_Mul or b.is_Mul) and len(a.args) + len(b.args) > MERGED
        if many or not (_mergeable(a) and _mergeable(b)):
            return _sympy().Mul(a, b, evaluate=False)
    if b.is_Number:
        a, b = b, a
    if not a.is_Number or b.is_Number or not a.is_finite:
        return a * b
    if a.is_Integer and a.p in (0, 1):
        return b if a.p else a
    mul = _sympy().Mul
    if b.is_Mul:
        number, *rest = b.args if b.args[0].is_Number else (_sympy().S.One, *b.args)
        number = a * number
        return mul._from_args(tuple(rest) if number == 1 else (number, *rest))
    return mul._from_args((a, b))


def raised(base: Any, exponent: Any) -> Any:
    """``base`` to the power of a number; evaluated, it would ask at length what the base may be."""
    sympy = _sympy()
    exponent = sympy.sympify(exponent)
    if base.is_Symbol or base.is_Number or exponent in (0, 1):
        return base**exponent
    return sympy.Pow(base, exponent, evaluate=False)


def _share(name: str, args: tuple[Any, ...], k: int) -> Any:
    """1 for the extremum, shared equally among ties, 0 for the rest."""
    sympy = _sympy()
    top = named(name)(*args)
    tests = [condition("Eq", a, top) for a in args]
    if len(args) == 2:
        other = args[1 - k]
        less = condition("Gt" if name == "maximum" else "Lt", args[k], other)
        tie = condition("Eq", args[k], other)
        return select((sympy.S.One, less), (sympy.S.Half, tie), (sympy.S.Zero, sympy.true))
    count = sympy.Add(*(select((sympy.S.One, t), (sympy.S.Zero, sympy.true)) for t in tests))
    return select((1 / count, tests[k]), (sympy.S.Zero, sympy.true))


def _picked(args: tuple[Any, ...], k: int) -> Any:
    """``pick(i, a, b, ...)`` is the entry number ``i``; negative numbers count from the end."""
    sympy = _sympy()
    index, count = args[0], len(args) - 1
    if k == 0:
        return sympy.S.Zero
    hit = sympy.Or(
        condition("Eq", index, sympy.Integer(k - 1)),
        condition("Eq", index, sympy.Integer(k - 1 - count)),
        evaluate=False,
    )
    return select((sympy.S.One, hit), (sympy.S.Zero, sympy.true))


# -- the table ----------------------------------------------------------------------------------------


def _f(name: str) -> Callable[..., Any]:
    """A function of SymPy where it has one that loses nothing, of this table otherwise."""

    def call(*args: Any) -> Any:
        return (named(name) if name in PARTIALS else getattr(_sympy(), name))(*args)

    return call


def _pi() -> Any:
    return _sympy().pi


_exp, _log, _sqrt, _sin, _gamma = map(_f, ("exp", "log", "sqrt", "sin", "gamma"))
_log1p, _expit, _logaddexp, _sign, _copysign = map(_f, ("log1p", "expit", "logaddexp", "sign", "copysign"))
_floor, _trunc, _hypot, _cbrt, _exp2 = map(_f, ("floor", "trunc", "hypot", "cbrt", "exp2"))
_erfcx, _dawsn, _ndtri, _log_ndtr, _rgamma = map(_f, ("erfcx", "dawsn", "ndtri", "log_ndtr", "rgamma"))
_betaln, _log10, _exp10, _logaddexp2 = map(_f, ("betaln", "log10", "exp10", "logaddexp2"))


def _psi(x: Any) -> Any:
    return _sympy().polygamma(0, x)


def _gaussian(x: Any) -> Any:
    return _exp(-(x**2) / 2) / _sqrt(2 * _pi())


def _by_base(a: Any, b: Any) -> Any:
    """``b * a ** (b - 1)``, zero for the exponent zero, as polyad's engine has it."""
    sympy = _sympy()
    slope = b * named("power")(a, b - 1)
    return (
        slope
        if is_number(b)
        else select((sympy.S.Zero, condition("Eq", b, sympy.S.Zero)), (slope, sympy.true))
    )


def _by_exponent(a: Any, b: Any) -> Any:
    """``a ** b * log(a)``, whose limit at ``a = 0`` is zero for positive exponents."""
    sympy = _sympy()
    slope = named("power")(a, b) * sympy.log(a, evaluate=False)
    return select((sympy.S.Zero, condition("Eq", a, sympy.S.Zero)), (slope, sympy.true))


PARTIALS: dict[str, tuple[Partial | None, ...]] = {
    "power": (_by_base, _by_exponent),
    # constant wherever they have a derivative
    **{name: () for name in ("floor", "ceil", "trunc", "rint", "sign", "isnan", "isinf", "isfinite")},
    **{name: () for name in ("floor_divide", "signbit", "constant")},
    # elementary
    "exp2": (lambda x: _exp2(x) * _log(2),),
    "exp10": (lambda x: _exp10(x) * _log(10),),
    "expm1": (lambda x: _exp(x),),
    "log1p": (lambda x: 1 / (1 + x),),
    "log2": (lambda x: 1 / (x * _log(2)),),
    "log10": (lambda x: 1 / (x * _log(10)),),
    "cbrt": (lambda x: 1 / (3 * _cbrt(x) ** 2),),
    "arctan2": (lambda a, b: b / (a**2 + b**2), lambda a, b: -a / (a**2 + b**2)),
    "hypot": (lambda a, b: a / _hypot(a, b), lambda a, b: b / _hypot(a, b)),
    "logaddexp": (lambda a, b: _expit(a - b), lambda a, b: _expit(b - a)),
    "logaddexp2": (
        lambda a, b: _exp2(a - _logaddexp2(a, b)),
        lambda a, b: _exp2(b - _logaddexp2(a, b)),
    ),
    "copysign": (lambda a, b: _sign(a) * _copysign(1, b), lambda a, b: _sympy().S.Zero),
    "remainder": (lambda a, b: _sympy().S.One, lambda a, b: -_floor(a / b)),
    "fmod": (lambda a, b: _sympy().S.One, lambda a, b: -_trunc(a / b)),
    # scipy.special
    "expit": (lambda x: _expit(x) * _expit(-x),),
    "log_expit": (lambda x: _expit(-x),),
    "logit": (lambda x: 1 / (x * (1 - x)),),
    "erfcx": (lambda x: 2 * x * _erfcx(x) - 2 / _sqrt(_pi()),),
    "dawsn": (lambda x: 1 - 2 * x * _dawsn(x),),
    "ndtr": (_gaussian,),
    "ndtri": (lambda x: _sqrt(2 * _pi()) * _exp(_ndtri(x) ** 2 / 2),),
    "log_ndtr": (lambda x: _exp(-(x**2) / 2 - _log_ndtr(x)) / _sqrt(2 * _pi()),),
    "xlogy": (lambda a, b: _log(b), lambda a, b: a / b),
    "xlog1py": (lambda a, b: _log1p(b), lambda a, b: a / (1 + b)),
    "entr": (lambda x: -_log(x) - 1,),
    "cosm1": (lambda x: -_sin(x),),
    "gammaln": (_psi,),
    "rgamma": (lambda x: -_psi(x) * _rgamma(x),),
    "betaln": (lambda a, b: _psi(a) - _psi(a + b), lambda a, b: _psi(b) - _psi(a + b)),
    "gammainc": (None, lambda a, x: _exp(-x) * x ** (a - 1) / _gamma(a)),
    "gammaincc": (None, lambda a, x: -_exp(-x) * x ** (a - 1) / _gamma(a)),
    "betainc": (
        None,
        None,
        lambda a, b, x: x ** (a - 1) * (1 - x) ** (b - 1) * _exp(-_betaln(a, b)),
    ),
    "exp1": (lambda x: -_exp(-x) / x,),
    "expi": (lambda x: _exp(x) / x,),
    "spence": (lambda x: _log(x) / (1 - x),),
}
