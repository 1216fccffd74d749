"""Numbers that a function only counts in: whatever they are, it computes the same.

``calls += 1`` reads a number and writes it back, and nothing else comes to know it. Where a number is used in
no other way the compiled code of all functions shows that, so that its changes need not be looked at. What is
not written in one of the forms known here counts as used.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator, Sequence

__all__ = ["only_counted"]

_IDLE = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PRECALL", "RESUME", "NOT_TAKEN"})
_NUMBER = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
_NAME = frozenset({"GLOBAL", "DEREF", "NAME"})
# by these a name could be asked for that is not written anywhere
_ASKING = frozenset(
    "getattr vars globals locals eval exec __dict__ dir attrgetter __getattribute__ __getattr__ asdict "
    "astuple fields getmembers".split()
)


def only_counted(word: str, codes: Sequence[types.CodeType]) -> bool:
    """Whether a name, or attribute, is read nowhere in some code but where a constant is added to it.

    Parameters
    ----------
    word : str
        The name.
    codes : sequence of code objects
        The code of all functions that may use it.

    Examples
    --------
    >>> def f(x):
    ...     global calls, scale
    ...     calls += 1
    ...     scale *= 2.0
    ...     return scale * x
    >>> only_counted("calls", [f.__code__]), only_counted("scale", [f.__code__])
    (True, False)
    """
    found = [_in_one(word, code) for code in _all(codes)]
    return any(found) and None not in found


def _all(codes: Sequence[types.CodeType]) -> Iterator[types.CodeType]:
    for code in codes:
        yield code
        yield from _all([k for k in code.co_consts if isinstance(k, types.CodeType)])


def _in_one(word: str, code: types.CodeType) -> bool | None:
    """Whether something is counted there under the name; None if the name is used for something else."""
    if _ASKING.intersection(code.co_names) or any(_mentions(k, word) for k in code.co_consts):
        return None
    if word not in (*code.co_names, *code.co_freevars, *code.co_cellvars, *code.co_varnames):
        return False
    steps = [s for s in dis.get_instructions(code) if s.opname not in _IDLE]
    uses = {k for k, s in enumerate(steps) if _mentions(s.argval, word)}
    # who only writes it does not come to know it
    written = {k for k in uses if steps[k].opname.startswith("STORE_")}
    counted = {place for k in uses for place in _counted(steps, k, word)}
    return bool(counted) if uses == written | counted else None


def _mentions(value: object, word: str) -> bool:
    """Whether a constant, or what an instruction is about, has the name in it."""
    if isinstance(value, tuple | frozenset):
        return any(_mentions(v, word) for v in value)
    return isinstance(value, str) and word == value


def _counted(steps: list[dis.Instruction], k: int, word: str) -> tuple[int, ...]:
    """The places that a count from here on has the name at; none if it is something else."""
    kind = steps[k].opname
    rest = [s.opname for s in steps[k + 1 : k + 10]]
    rest += [""] * (9 - len(rest))
    named = kind.startswith("LOAD_") and kind[5:] in _NAME
    owned = kind == "LOAD_ATTR" and k > 0
    if named and rest[0] in _NUMBER and _adds(steps, k + 2) and rest[2] == "STORE_" + kind[5:]:
        return (k, k + 3) if steps[k + 3].argval == word else ()
    if owned and steps[k - 1].opname == "COPY" and rest[0] in _NUMBER and _adds(steps, k + 2):
        stored = rest[2:4] == ["SWAP", "STORE_ATTR"] and steps[k + 4].argval == word
        return (k, k + 4) if stored else ()
    if (named or owned) and rest[0] in _NUMBER and rest[1:3] == ["COPY", "COPY"]:
        item = rest[3] == "BINARY_SUBSCR" or (rest[3] == "BINARY_OP" and steps[k + 4].argrepr == "[]")
        ends = rest[6:9] == ["SWAP", "SWAP", "STORE_SUBSCR"]
        return (k,) if item and rest[4] in _NUMBER and _adds(steps, k + 6) and ends else ()
    return ()


def _adds(steps: list[dis.Instruction], k: int) -> bool:
    return k < len(steps) and steps[k].opname == "BINARY_OP" and steps[k].argrepr in ("+=", "-=")
