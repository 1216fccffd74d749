"""Whether a function's code makes truth values or whole numbers, whose arithmetic is not NumPy's elsewhere.

``(x > 0) * 0.1`` mentions neither NumPy nor a framework and runs on the arrays of any, but torch computes
it in single precision, and autograd takes ``x.astype(int)`` for differentiable. Code that does such things
is taken for NumPy code; what only adds and multiplies floating-point numbers is the same everywhere.

Of NumPy's arrays it is also NumPy code where it says what frameworks understand otherwise: ``x.var()``,
``x.repeat(2)`` and ``x[0, :, [0, 1]]`` are other numbers in torch, and ``abs(x)``, ``x.std()``, ``x.prod()``
and ``x**p`` have other derivatives at their special points.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of_package

__all__ = ["makes_whole_numbers", "speaks_numpy"]

# methods and functions whose results count, compare or choose a type
NAMES = frozenset("argsort argmax argmin argpartition searchsorted nonzero any all astype round".split())
# attributes of NumPy's arrays that mean the same on those of every framework, derivatives included
SAME = frozenset("T conj data dot dtype imag item mT mean ndim real reshape shape sum tolist".split())
OTHERWISE = (frozenset(dir(np.ndarray)) - SAME) | frozenset("abs divmod pow max min suppress".split())
OPERATORS = frozenset(("//", "//=", "%", "%=", "**", "**="))
DEPTH = 4
# containers longer than this are data
LONGEST = 256
# objects of these packages, and of those of libraries of arrays, are what they are
# of how an array lies in memory, of which only NumPy's know
LETTERS = frozenset("AFK")
FOREIGN = frozenset(("builtins", "scipy", "equinox", "flax"))


def speaks_numpy(f: Any) -> bool:
    """Whether the code of a function says what means something else on the arrays of some framework."""
    return any(_found(f, DEPTH, set(), _is_said_otherwise))


def makes_whole_numbers(f: Any, leaves: Iterable[Any]) -> bool:
    """Whether truth values or whole numbers appear in a function: in its code, its captures or constants.

    Parameters
    ----------
    f : callable
        The user's function.
    leaves : iterable
        Arrays that are handed to it.
    """
    return any(map(_is_whole, leaves)) or any(_found(f, DEPTH, set(), _counts))


def _is_whole(a: Any) -> bool:
    """Whether an array of any library has no floating-point numbers, or such as only NumPy has."""
    dtype = getattr(a, "dtype", None)
    if dtype is None or not hasattr(a, "shape"):
        return False
    name = str(dtype).rpartition(".")[2]  # torch.int64
    return name.startswith(("bool", "int", "uint")) or getattr(dtype, "char", "") in ("g", "G")


def _is_foreign(package: str) -> bool:
    return package in FOREIGN or library_of_package(package) is not None


def _found(f: Any, depth: int, seen: set[int], says: Callable[[types.CodeType], bool]) -> Iterator[bool]:
    while isinstance(f, functools.partial):
        yield from map(_is_whole, (*f.args, *f.keywords.values()))
        f = f.func
    f = getattr(f, "__wrapped__", f)
    held: list[Any] = []
    if isinstance(f, types.MethodType):
        held.append(f.__self__)
        f = f.__func__
    if not isinstance(f, types.FunctionType):
        held.append(f)
        f = type(f).__call__ if callable(f) else None
    if not isinstance(f, types.FunctionType) or id(f) in seen or depth == 0:
        return
    seen.add(id(f))
    codes, globals_of = [f.__code__], f.__globals__
    held += [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    for code in codes:
        codes.extend([k for k in code.co_consts if isinstance(k, types.CodeType)])
        yield says(code)
        held.extend([value for name in code.co_names if (value := globals_of.get(name)) is not None])
    for cell in f.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    names = {name for code in codes for name in code.co_names} if held else set()
    for value in held:
        yield from _within(value, names, depth, seen, says)


def _within(
    value: Any, names: set[str], depth: int, seen: set[int], says: Callable[[types.CodeType], bool]
) -> Iterator[bool]:
    """What a function holds: arrays, functions, containers of them, objects by what is asked of them."""
    if isinstance(value, types.ModuleType):
        yield depth < DEPTH and value.__name__ == "numpy"
    elif isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        yield from _found(value, depth - 1, seen, says)
    elif isinstance(value, dict | list | tuple):
        if len(value) <= LONGEST and id(value) not in seen:
            seen.add(id(value))
            if says is _is_said_otherwise and value and all(type(k) in (int, bool) for k in value):
                yield True
            for item in value.values() if isinstance(value, dict) else value:
                yield from _within(item, names, depth, seen, says)
    elif _is_whole(value) or type(value).__module__.startswith("scipy.sparse"):
        yield True
    elif hasattr(value, "__dict__") and not _is_foreign(type(value).__module__.partition(".")[0]):
        kind = value if isinstance(value, type) else type(value)
        for name in names:
            for owner in (vars(value), *(vars(base) for base in kind.__mro__)):
                if name in owner and id(owner[name]) not in seen:
                    member = owner[name]
                    member = getattr(member, "__func__", member)  # static and class methods
                    yield from _within(getattr(member, "fget", member), names, depth, seen, says)


# what code says depends on nothing else, and unprepared calls ask each time
@functools.lru_cache(maxsize=512)
def _counts(code: types.CodeType) -> bool:
    return not NAMES.isdisjoint(code.co_names) or _compares(code)


@functools.lru_cache(maxsize=512)
def _is_said_otherwise(code: types.CodeType) -> bool:
    if not OTHERWISE.isdisjoint(code.co_names) or not LETTERS.isdisjoint(code.co_consts):
        return True
    takes = lists = False
    before = None
    for instruction in dis.get_instructions(code):
        name, sign = instruction.opname, instruction.argrepr
        if name == "STORE_SUBSCR":
            return True
        # what raises in one language may not in another, and what is caught shows nowhere
        if name == "CHECK_EXC_MATCH" or (name == "POP_TOP" and before and before.opname == "PUSH_EXC_INFO"):
            return True
        if name == "BINARY_OP" and sign in OPERATORS and not (sign.startswith("**") and _is_constant(before)):
            return True
        takes = takes or name == "BINARY_SUBSCR" or (name == "BINARY_OP" and sign == "[]")
        lists = lists or name == "BUILD_LIST"
        before = instruction
    # places in a list, or in a tuple inside of an index
    return takes and (lists or any(_holds_tuple(c) for c in code.co_consts))


def _is_constant(instruction: dis.Instruction | None) -> bool:
    return instruction is not None and instruction.opname.startswith(("LOAD_CONST", "LOAD_SMALL_INT"))


def _holds_tuple(value: Any) -> bool:
    """Whether a constant has whole numbers in it, as a tuple that is an index or part of one has."""
    return isinstance(value, tuple) and bool(value) and all(type(k) in (int, bool) for k in value)


def _compares(code: types.CodeType) -> bool:
    """Whether a comparison is used for more than a branch."""
    instructions = list(dis.get_instructions(code))
    for k, instruction in enumerate(instructions):
        if instruction.opname == "COMPARE_OP":
            after = instructions[k + 1 : k + 3]
            names = [i.opname for i in after if i.opname != "TO_BOOL"]
            if not names or not names[0].startswith("POP_JUMP"):
                return True
    return False
