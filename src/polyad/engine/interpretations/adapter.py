"""What the proxy needs to know of each library, found when one of its arrays arrives.

An operation is looked up by the name of its primitive: among the library's exceptions (``own_...``
here), then among the operators that every library has, then in its own namespaces.
"""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library as library_named
from polyad.engine.core.names import ARITHMETIC, COMPARISONS
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive
from polyad.engine.interpretations.looping import Looping
from polyad.engine.interpretations.promotion import Kind, Types, fixed, kind_of, may_wrap, types_of

__all__ = ["BRANCH", "Adapter", "adapter"]

# What Python's own operators do in every library.
OPERATORS: dict[str, Callable[..., Any]] = {
    **ARITHMETIC,
    **COMPARISONS,
    "negative": operator.neg,
    "power": operator.pow,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "invert": operator.invert,
    "getitem": lambda x, index: x[index],
}


# what to do where a branch depends on a traced value (``Adapter.branch``)
BRANCH = (
    "use np.where (np.maximum and np.minimum for max and min), polyad.cond, or a backend that runs the "
    "function on values: 'numpy'"
)
BITS = frozenset("bitwise_and bitwise_or bitwise_xor invert left_shift right_shift gcd lcm".split())
_LONG = np.dtype(np.int64)


class Adapter(Looping):
    """One array library under NumPy code.

    An operation is looked up by the name of its primitive: a method ``own_<name>``, Python's operator, a
    function of that name in ``namespaces``. What is found nowhere is decomposed into other operations, or
    refused. The first operand of ``own_<name>`` need not be an array of the library, as in ``2 - x``; Python
    numbers are handed over as they are, NumPy's arrays as constants of the library.

    A subclass defines ``name``, ``main``, ``namespaces``, ``is_own``, ``constant`` and ``stop``; ``values``
    where arrays have values; ``native`` where its dtypes are not NumPy's.
    """

    name = "?"
    # whether ``stop`` costs nothing and leaves an array
    stops = False
    # whether a branch that was not taken spoils derivatives, as zero times infinity (``gates``)
    traps = False
    # whether what nobody uses, or what is there already, costs nothing where it compiles
    drops = False
    # what to raise where one of its arrays meets one of another library; None for the usual error
    mixed: type[Exception] | None = None
    # whether it has every type that NumPy's numbers have, extended precision too
    extended = False
    # whether its whole numbers are wrapped around at the end of their type, as NumPy's are
    wraps = True
    # whether results have NumPy's types only where operands are brought to them (``typed``)
    promotes = True

    # whether a matrix that has no factor or inverse is an error there, as in NumPy
    raises = True

    # whether its arithmetic is NumPy's, so that np.errstate says what happens at a pole
    warns = False

    # what to do where a branch depends on a value that is not known while tracing
    branch = BRANCH

    # the class of which all are the library's own arrays, where most are of one
    certain: type | None = None

    # an array's dtype as the library names it, and its shape, by the fastest call
    dtype_of: Callable[[Any], Any] = operator.attrgetter("dtype")
    shape_of: Callable[[Any], Any] = operator.attrgetter("shape")

    def __init__(self) -> None:
        self._found: dict[str, Callable[..., Any] | None] = {}
        # its own name of double precision: where all arrays have that there is nothing to promote
        self.double: Any = self.native(np.dtype(np.float64))
        # operations and operands for which the library's types were found to be NumPy's
        self.agrees: set[tuple[Any, ...]] = set()
        # operations -> how they are computed where all is double precision (``proxy``)
        self.short: dict[Primitive, Any] = {}

    def main(self) -> Any:
        """Its counterpart of ``numpy``: the module."""
        raise NotImplementedError

    def namespaces(self, home: str) -> tuple[Any, ...]:
        """Where its functions are, under the names of ``home``: ``"numpy"`` or ``"scipy.special"``."""
        raise NotImplementedError

    def by_rule(self, primitive: Primitive) -> Callable[..., Any] | None:
        """A function of whole arrays that a user defined, as one of the library's: None if there are none.

        Its values are the user's, its derivatives those of its rules, which run on the library's arrays.
        """
        return None

    def of_user(self, f: Callable[..., Any], args: list[Any], params: dict[str, Any], label: str) -> Any:
        """What a user's own function of the library's arrays gives (``polyad.define(..., lifts=)``)."""
        return f(*args, **params)

    def compute(self, primitive: Primitive) -> Callable[..., Any] | None:
        """The library's own version of a primitive, or None."""
        name = primitive.name
        if name not in self._found:
            found = self._search(name, primitive.home)
            if found is not None and self.stops and primitive.is_constant:
                found = self._of_values(found)
            result = fixed(name)
            if found is not None and self.promotes and result is not None:
                found = self._always(found, result)
            if found is not None and name in ("astype", "truncate_to"):
                found = self._to_known(found)
            elif found is not None and name in BITS:
                found = self._of_bits(name, found)
            self._found[name] = found
        return self._found[name]

    def _always(self, f: Callable[..., Any], dtype: np.dtype[Any]) -> Callable[..., Any]:
        """A function whose result counts or compares, in NumPy's type."""

        def call(*args: Any, **params: Any) -> Any:
            result = f(*args, **params)
            if type(result) is tuple:
                return tuple(self.cast(part, dtype) for part in result)
            return self.cast(result, dtype)

        return call

    def _of_values(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A piecewise constant function, whose rule the library need not have."""
        stop, own = self.stop, self.is_own
        return lambda *args, **params: f(*[stop(a) if own(a) else a for a in args], **params)

    def _search(self, name: str, home: str) -> Callable[..., Any] | None:
        own = getattr(self, f"own_{name}", None) or OPERATORS.get(name)
        if own is not None:
            return own
        for place in self.namespaces(home):
            found = getattr(place, name, None)
            if found is not None:
                return self.adapted(found)
        return None

    def adapted(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """One of the library's functions as the proxy calls it."""
        return f

    def dtype(self, a: Any) -> np.dtype[Any]:
        """NumPy's dtype of an array."""
        return library_named(self.name).spec(a).dtype

    # -- types ----------------------------------------------------------------------------------------

    def native(self, dtype: np.dtype[Any]) -> Any:
        """The library's own name of a dtype."""
        return dtype

    def _of_bits(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        """An operation on bits, which floating-point numbers have none of: then NumPy's error."""

        def call(*args: Any, **params: Any) -> Any:
            self.types(name, list(args))
            return f(*args, **params)

        return call

    def check(self, dtype: np.dtype[Any]) -> None:
        """Refuse a constant or a conversion of a type that the library lacks."""
        if dtype.kind not in "biufc" or (dtype.char in "gG" and not self.extended):
            raise refuse(
                f"{self.name} has no numbers of type {dtype}",
                "convert with .astype(np.float64), or use backend='numpy', which has NumPy's numbers",
            )

    def _to_known(self, f: Callable[..., Any]) -> Callable[..., Any]:
        def call(x: Any, dtype: Any) -> Any:
            self.check(np.dtype(dtype))
            return f(x, dtype=dtype)

        return call

    def kind(self, a: Any) -> Kind:
        """What decides the types of a result: an operand's dtype, or the class of a number that adapts."""
        if not hasattr(a, "dtype"):
            return kind_of(a)
        dtype = self.dtype(a)
        return type(dtype.type(0).item()) if getattr(a, "weak", False) and dtype.kind != "b" else dtype

    def cast(self, a: Any, dtype: np.dtype[Any]) -> Any:
        """An operand or a result in a type, if it is an array and has another one."""
        if not hasattr(a, "dtype") or self.dtype(a) == dtype:
            return a
        return self.own_astype(a, dtype) if self.is_own(a) else a.astype(dtype)

    def types(self, name: str, arrays: list[Any]) -> Types | None:
        """NumPy's types of an operation on these operands; None where numbers alone meet, or no dtypes."""
        kinds = tuple(map(self.kind, arrays))
        dtypes = [k for k in kinds if not isinstance(k, type)]
        # the small floats of frameworks are no types of NumPy's
        if not dtypes or not all(getattr(k, "kind", "V") in "biufc" for k in dtypes):
            return None
        if name in COMPARISONS:  # NumPy compares with whole numbers of any size
            kinds = tuple(_LONG if k is int and dtypes[0].kind in "iu" else k for k in kinds)
        return types_of(name, kinds)

    def typed(self, name: str, arrays: list[Any], types: Types) -> list[Any]:
        """Operands in the types in which NumPy would compute."""
        if not self.wraps and may_wrap(name, tuple(map(self.kind, arrays)), types):
            raise refuse(
                f"{name} of {types.result} wraps around at the end of that type, which {self.name} cannot",
                "convert with x.astype(np.int64) or x.astype(float), or use backend='numpy'",
            )
        # where the library's arrays are NumPy's, those without a derivative do not count as its own
        like = next((a for a in arrays if self.is_own(a) and hasattr(a, "dtype")), arrays[0])
        cast = [
            a if dtype is None else self.cast(a, dtype)
            for a, dtype in zip(arrays, types.operands, strict=True)
        ]
        have = {self.dtype(a) for a in cast if hasattr(a, "dtype")}
        return [
            self._adapted_number(name, a, t, have, like) for a, t in zip(cast, types.operands, strict=True)
        ]

    def _adapted_number(self, name: str, a: Any, dtype: Any, have: set[Any], like: Any) -> Any:
        """A Python number as it takes part: as it is where it adapts to an array, else as a constant."""
        if dtype is None or not isinstance(a, bool | int | float | complex):
            return a
        if isinstance(a, int) and dtype.kind in "iu":
            info = np.iinfo(dtype)
            if not info.min <= a <= info.max:
                raise OverflowError(f"Python integer {a} out of bounds for {dtype}")
            if name == "power" and a < 0:
                raise ValueError("Integers to negative integer powers are not allowed.")
        if dtype in have and not (isinstance(a, bool) and dtype.kind != "b"):
            # where all is computed in double precision, the number at least is rounded as NumPy rounds it
            return a if self.wraps or dtype.kind != "f" else float(dtype.type(a))
        return self.constant(np.asarray(a, dtype=dtype), like)

    def unable(self, name: str, arrays: list[Any], error: Exception) -> Exception:
        """The error for an operation that the library lacks for these types."""
        kinds = (f"a Python {k.__name__}" if isinstance(k, type) else str(k) for k in map(self.kind, arrays))
        found = " and ".join(dict.fromkeys(kinds))
        return refuse(
            f"{self.name} cannot compute {name} of {found} ({error})",
            "convert with x.astype(np.float64), or use backend='numpy'",
        )

    def constant(self, a: Any, beside: Any) -> Any:
        """A NumPy array as the library's, where ``beside`` is."""
        raise NotImplementedError

    def is_own(self, a: Any) -> bool:
        """Whether a result is the library's array, not NumPy's."""
        return True

    def is_truth(self, a: Any) -> bool:
        """Whether an array holds truth values."""
        return self.dtype(a).kind == "b"

    def truth(self, a: Any) -> bool:
        """``bool(a)``, or the error that says why a branch cannot be taken."""
        try:
            return bool(a)
        except Exception as error:
            raise refuse(
                f"a branch depends on a value that {self.name} does not have yet (it is tracing)",
                self.branch,
            ) from error

    def stop(self, a: Any) -> Any:
        """The array without its derivative."""
        raise NotImplementedError

    def values(self, a: Any) -> np.ndarray | None:
        """The numbers in an array, or None where it has none yet."""
        return None

    def may_repeat(self, shape: tuple[int, ...], index: Any, plain: bool) -> bool:
        """Whether the index of an assignment may name an entry twice.

        Parameters
        ----------
        shape : tuple of int
            Of the array.
        index : object
            The index, with arrays of the library in it.
        plain : bool
            Whether the library differentiates the assignment, and no rule of the table does.
        """
        return True

    def example(self, a: Any) -> np.ndarray | None:
        """The numbers in an array of a recording, at which it is made; None elsewhere."""
        return None

    def kept(self, a: Any) -> np.ndarray | None:
        """The numbers in an array of a finished differentiation; None where it never had any."""
        try:
            return self.values(a)
        except Exception:  # every library has an error of its own for an array whose trace is over
            return None

    def shown(self, a: Any) -> np.ndarray | None:
        """The number that a text has for people to read; None where there is none yet."""
        return self.kept(a)

    def later(self, check: Callable[..., Any], arrays: tuple[Any, ...]) -> bool:
        """Make a check on values, which raises, whenever there are any; False where it is not made."""
        return False

    def product(self, a: Any) -> Any:
        """The product along the last axis, right at zeros to any order; None for one made of pairs."""
        return None

    # -- what has other names or forms nearly everywhere ---------------------------------------------

    def own_concatenate(self, *parts: Any, axis: int) -> Any:
        return self.main().concatenate(list(parts), axis=axis)

    def own_stack(self, *parts: Any, axis: int) -> Any:
        return self.main().stack(list(parts), axis=axis)

    def own_einsum(self, *operands: Any, subscripts: str) -> Any:
        return self.main().einsum(subscripts, *operands)

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return self.main().zeros(shape, dtype=like.dtype)

    def own_svd(self, a: Any) -> Any:
        return tuple(self._linalg().svd(a, full_matrices=False))

    def _linalg(self) -> Any:
        return self.main().linalg

    def own_searchsorted(self, nodes: Any, points: Any, side: str) -> Any:
        return self.main().searchsorted(nodes, points, side=side)

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        return self._linalg().pinv(a, rcond)

    def own_fft(self, x: Any, axis: int) -> Any:
        return self.main().fft.fft(x, axis=axis)

    def own_ifft(self, x: Any, axis: int) -> Any:
        return self.main().fft.ifft(x, axis=axis)

    def own_argsort(self, x: Any, axis: int, kind: Any) -> Any:
        return self.main().argsort(x, axis=axis)

    def own_argpartition(self, x: Any, kth: Any, axis: int) -> Any:
        raise NotImplementedError

    def own_truncate_to(self, x: Any, dtype: Any) -> Any:
        return self.own_astype(x, dtype)

    def own_astype(self, x: Any, dtype: Any) -> Any:
        return x.astype(dtype)


@functools.cache
def adapter(library: str) -> Adapter:
    """The adapter of a library.

    Raises
    ------
    polyad.errors.OperationNotSupportedError
        If NumPy code cannot be lifted to it.
    """
    module, _, name = library_named(library).adapter.partition(":")
    if not name:
        raise refuse(f"NumPy functions cannot be lifted to arrays of {library}", "convert them to NumPy")
    return getattr(importlib.import_module(module), name)()
