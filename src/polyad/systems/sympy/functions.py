"""Functions that NumPy and SciPy have and SymPy lacks, or computes with loss, as SymPy functions.

``log1p(x)`` written as ``log(1 + x)`` would lose the digits of a small ``x``, and the limits of
``logaddexp`` would overflow: so these are functions of their own, evaluated by the function of that name in
NumPy or ``scipy.special``. Their partial derivatives are those of the engine's table, applied to symbols
(``special``). They are subclasses of ``sympy.Function``, so SymPy differentiates them as well.

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
    rules = PARTIALS.get(name)
    if rules is None:
        from polyad.systems.sympy.special import fill

        rules = fill(name)
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
    if len(kept) > 1:
        long = any(t.is_Add for t in kept) and sum(map(_terms, kept)) > MERGED
        if long or not all(map(_plain, kept)):
            return sympy.Add(*kept, evaluate=False)
    return sympy.Add(*kept)


def _plain(e: Any, limit: int = 40) -> bool:
    """Whether an expression has few parts and no choices, so that SymPy may ask what holds of it.

    It would fold choices within conditions, of which it does not know that they are nested.
    """
    stack = [e]
    while stack and limit:
        part = stack.pop()
        if part.is_Piecewise:
            return False
        stack.extend(part.args)
        limit -= 1
    return not stack


def _terms(e: Any) -> int:
    return len(e.args) if e.is_Add else 1


def _mergeable(e: Any) -> bool:
    """Whether SymPy multiplies it without asking at length what its powers' bases may be.

    A choice times itself would become a choice between powers, and choices within its conditions be folded.
    """
    if e.is_Piecewise or (e.is_Pow and e.base.is_Piecewise):
        return False
    if e.is_Pow:
        return e.base.is_Symbol or (e.exp.is_Integer and e.exp == -1)
    return all(map(_mergeable, e.args)) if e.is_Mul else True


def product(a: Any, b: Any) -> Any:
    """``a * b``, in fewer steps where one is a number and there is nothing to merge.

    SymPy would work out what is known of every number (its sign, its parity) before it multiplies.
    """
    if not (a.is_Number or b.is_Number):
        many = (a.is_Mul or b.is_Mul) and len(a.args) + len(b.args) > MERGED
        if many or not all(_mergeable(e) and _plain(e) for e in (a, b)):
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
    """``base`` to a power; evaluated, it would ask at length what the base may be."""
    sympy = _sympy()
    exponent = sympy.sympify(exponent)
    if base.is_Symbol or base.is_Number or (exponent.is_Number and exponent in (0, 1)):
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

# constant wherever they have a derivative; ``special`` adds the rest out of the engine's table
PARTIALS: dict[str, tuple[Partial | None, ...]] = dict.fromkeys(
    "floor ceil trunc rint sign isnan isinf isfinite floor_divide signbit constant".split(), ()
)
