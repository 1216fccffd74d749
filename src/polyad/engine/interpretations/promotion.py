"""NumPy's rules of types, for the arrays of every other library: the one place where they are decided.

A lifted operation is computed in the types in which NumPy would compute it, and its result has the type
that NumPy's has, whatever the library's own rules are (torch computes truth values times a Python float
in single precision, JAX keeps an ``int32`` in a sum). NumPy itself is asked: a universal function says
which loop it would run (``ufunc.resolve_dtypes``), everything else is run on an array of one entry.

An operand is described by its dtype, or by the class of a Python number, which adapts to the others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from polyad.engine.core.values import PRIMITIVES

__all__ = [
    "Kind",
    "Types",
    "fixed",
    "has_plain_index",
    "is_unchanged",
    "is_whole",
    "kind_of",
    "loop_of",
    "may_wrap",
    "types_of",
    "ufunc_of",
]

# what an index consists of where none of it is computed by a library
_KEYS = frozenset({int, slice, type(None), type(Ellipsis), np.ndarray})

Kind = Any  # numpy.dtype, or float, int, complex
Type = np.dtype[Any]


class Types(NamedTuple):
    """In which types an operation is computed.

    Attributes
    ----------
    operands : tuple
        The dtype of each operand, None where it stays as it is.
    result : dtype or None
        That of the result; None where it follows from the operands, or where there are several.
    """

    operands: tuple[Type | None, ...]
    result: Type | None


# Results that count or compare have one type, whatever the operands are.
_PLACES = "nonzero argmax argmin argsort argpartition count_nonzero searchsorted matrix_rank bincount"
FIXED: dict[str, Type] = {
    **dict.fromkeys(_PLACES.split(), np.dtype(np.intp)),
    **dict.fromkeys(("all", "any", "isin"), np.dtype(bool)),
    "frexp_exponent": np.dtype(np.intc),
}
# primitive -> the kinds of numbers that it leaves as they are
_UNCHANGED = {**dict.fromkeys(("floor", "ceil", "trunc"), "biu"), "absolute": "bu"}
_LONG = np.dtype(np.int64)
_GROWING = frozenset("add subtract multiply power negative square left_shift".split())
_WHOLE = frozenset(("floor_divide", "remainder", "fmod", "power", "reciprocal"))
# Places among truth values are those among small numbers, which every library can order.
ORDERING = frozenset("argmax argmin argsort argpartition".split())
# Of one operand, the others being parameters: the result's type is what NumPy makes of one entry.
ASKED = frozenset(("real", "imag", "max", "min"))
MATRICES = frozenset(
    "inv solve pinv det slogdet cholesky eigh svd svdvals qr eig expm logm sqrtm solve_triangular".split()
)


def is_unchanged(name: str, types: Types) -> bool:
    """Whether an operation hands whole numbers or truth values through; frameworks lack some of these."""
    kinds = _UNCHANGED.get(name)
    return kinds is not None and types.result is not None and types.result.kind in kinds


def is_logical(name: str, types: Types) -> bool:
    """Whether an operation adds products of truth values, which frameworks refuse or count."""
    return name in ("matmul", "einsum") and types.result is not None and types.result.kind == "b"


def is_whole(name: str, types: Types) -> bool:
    """Whether an operation runs on whole numbers, some of which have no result there."""
    last = types.operands[-1]
    return name in _WHOLE and last is not None and last.kind in "biu"


def may_wrap(name: str, kinds: tuple[Kind, ...], types: Types) -> bool:
    """Whether the result may leave the range of a type of less than 64 bits, or without signs."""
    result = types.result
    if name not in _GROWING or result is None or result.kind not in "iu" or result == _LONG:
        return False
    truths = [k == np.dtype(bool) for k in kinds]
    return not (all(truths) or (name == "multiply" and any(truths)))


def fixed(name: str) -> Type | None:
    """The type of a primitive's result that does not depend on its operands; None where it does."""
    return FIXED.get(name)


def kind_of(a: Any) -> Kind:
    """What an operand contributes: its dtype, or the class of a Python number, which adapts."""
    if hasattr(a, "dtype"):
        return a.dtype
    return np.dtype(bool) if isinstance(a, bool) else type(a)


@functools.cache
def loop_of(ufunc: np.ufunc, kinds: tuple[Kind, ...]) -> tuple[Type, ...]:
    """The types of operands and results of the loop that NumPy would run."""
    return ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))


@functools.cache
def ufunc_of(name: str) -> np.ufunc | None:
    """NumPy's universal function that a primitive is."""
    compute = PRIMITIVES[name].compute
    if isinstance(compute, np.ufunc):
        return compute
    found = getattr(np, name, None) if PRIMITIVES[name].home == "numpy" else None
    return found if isinstance(found, np.ufunc) else None


@functools.cache
def types_of(name: str, kinds: tuple[Kind, ...]) -> Types:
    """The types of a primitive for operands of these kinds.

    Raises
    ------
    TypeError
        NumPy's own, where it has no such operation.
    """
    ufunc = ufunc_of(name)
    if ufunc is not None:
        return _of_ufunc(ufunc, kinds)
    own = _RULES.get(name)
    if own is not None:
        return own(kinds)
    if name in FIXED:
        return Types((None,) * len(kinds), FIXED[name])
    if PRIMITIVES[name].home != "numpy":  # part of a function of SciPy's with several results
        result = np.asarray(PRIMITIVES[name].compute(*map(_one, kinds))).dtype
        return Types(tuple(None if _inexact(k) else _real(result) for k in kinds), result)
    return Types((None,) * len(kinds), None)


def _of_ufunc(ufunc: np.ufunc, kinds: tuple[Kind, ...]) -> Types:
    found = loop_of(ufunc, kinds)
    return Types(found[: ufunc.nin], found[-1] if ufunc.nout == 1 else None)


def _one(kind: Kind) -> Any:
    """An operand of a kind."""
    return np.ones(1, kind) if isinstance(kind, np.dtype) else kind(1)


def _inexact(kind: Kind) -> bool:
    return kind in (float, complex) or (isinstance(kind, np.dtype) and kind.kind in "fc")


def _real(dtype: Type) -> Type:
    return np.empty(0, dtype).real.dtype


def _chosen(kinds: tuple[Kind, ...]) -> Types:
    result = np.where(np.ones(1, bool), *map(_one, kinds[1:])).dtype
    return Types((np.dtype(bool), result, result), result)


def _joined(kinds: tuple[Kind, ...]) -> Types:
    result = np.result_type(*kinds)
    return Types((result,) * len(kinds), result)


def _searched(kinds: tuple[Kind, ...]) -> Types:
    return Types(_joined(kinds).operands, None)


def _summed(kinds: tuple[Kind, ...]) -> Types:
    result = np.add.reduce(_one(kinds[0]), axis=0).dtype
    return Types((result,), result)


def _of_matrices(kinds: tuple[Kind, ...]) -> Types:
    common = np.result_type(*kinds)
    return Types((common if common.kind in "fc" else np.dtype(np.float64),) * len(kinds), None)


def _transformed(kinds: tuple[Kind, ...]) -> Types:
    (kind,) = kinds
    return Types((kind if _inexact(kind) else np.dtype(np.float64),), np.fft.fft(_one(kind)).dtype)


def _ordered(name: str) -> Callable[[tuple[Kind, ...]], Types]:
    small = np.dtype(np.int8)
    return lambda kinds: Types(tuple(small if k == np.dtype(bool) else None for k in kinds), FIXED[name])


def _asked(name: str) -> Callable[[tuple[Kind, ...]], Types]:
    f = getattr(np, name)
    return lambda kinds: Types((None,), np.asarray(f(_one(kinds[0]))).dtype)


_RULES: dict[str, Callable[[tuple[Kind, ...]], Types]] = {
    "where": _chosen,
    **dict.fromkeys(("concatenate", "stack", "einsum"), _joined),
    **dict.fromkeys(("searchsorted", "isin"), _searched),
    **dict.fromkeys(("sum", "cumsum"), _summed),
    **dict.fromkeys(MATRICES, _of_matrices),
    **dict.fromkeys(("fft", "ifft"), _transformed),
    **{name: _ordered(name) for name in ORDERING},
    **{name: _asked(name) for name in ASKED},
}


def has_plain_index(params: dict[str, Any]) -> bool:
    """Whether there is no array of a library in an index among the parameters."""
    index = params.get("index")
    if type(index) is tuple:
        return all([type(k) in _KEYS for k in index])
    return type(index) in _KEYS
