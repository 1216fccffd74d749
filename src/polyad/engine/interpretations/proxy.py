"""The lift: an array of another library, on which NumPy code runs by that library's own functions.

It is the lowest level. Constants of NumPy become the library's arrays where they meet one, and operands
have the types in which NumPy would compute (``promotion``), which is settled at a glance where all are
double precision.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT
from polyad.engine.core.kinds import DECOMPOSITIONS, hosted
from polyad.engine.core.refusals import refuse
from polyad.engine.core.shifts import unshifted
from polyad.engine.core.values import ALIVE, PRIMITIVES, Binary, Primitive, Tracer, Value, base
from polyad.engine.interpretations.adapter import Adapter, adapter
from polyad.engine.interpretations.gates import FOLLOWED, Made, gated, made, short_way
from polyad.engine.interpretations.numpy_errors import (
    FAILING,
    UNFIT,
    check_factors,
    check_numbers,
    errstate,
    raise_as_numpy,
    usual,
)
from polyad.engine.interpretations.promotion import has_plain_index, is_logical, is_unchanged, is_whole
from polyad.errors import KEPT, OperationNotSupportedError, PolyadError

__all__ = ["Proxy", "beside", "later", "numbers"]

_DOUBLE = np.dtype(np.float64)
_COUNT = np.dtype(np.int64)
_TRUTH = np.dtype(np.bool_)


class Proxy(Tracer):
    """An array of another library.

    Parameters
    ----------
    library : str
        Its name.
    array : array
        The array.
    run : int
        The level of the run of a lifted function that it belongs to, and beyond whose end some libraries'
        arrays have no meaning; 0 for what belongs to none.
    """

    __slots__ = ("array", "entry", "library", "made", "run")
    level = 0

    def __init__(self, library: str, array: Any, run: int = 0) -> None:
        self.library = library
        self.array = array
        self.run = run
        self.made: Made | None = None  # how, where that is kept (``gates``)
        self.entry: Any = None  # of an entry, the array and the index that it was taken by (``roots``)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(adapter(self.library).shape_of(self.array))

    @property
    def dtype(self) -> Any:
        return adapter(self.library).dtype(self.array)

    def lower(self) -> Value:
        return self

    def truth(self) -> bool:
        """The truth of a 0-d array, or the error that says why it has none yet."""
        return adapter(self.library).truth(self.array)

    def __bool__(self) -> bool:
        return self.truth()

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        try:
            own = adapter(self.library)
            if (state := errstate()) is not usual and state is not SILENT:
                check_numbers(own, primitive, args, params)
            way = own.short.get(primitive)
            if way is not None and (not params or has_plain_index(params)):
                # all are double precision, the most common case: there is nothing to promote or to convert
                compute, remembers, chooses, picks = way
                library, dtype_of, double, past = self.library, own.dtype_of, own.double, False
                arrays: list[Any] = []
                for a in args:
                    kind = type(a)
                    if kind is Proxy:
                        if a.library != library or (a.run and a.run not in ALIVE):
                            break
                        array = a.array
                        if dtype_of(array) is not double and not (
                            picks and not arrays and own.is_truth(array)
                        ):
                            break
                        if a.made is not None:
                            past = True
                        arrays.append(array)
                    elif kind is float or (kind is int and not picks):
                        arrays.append(a)
                    elif kind is np.ndarray and a.dtype is _DOUBLE:
                        past = True  # whether it holds an infinity is seen where that matters
                        arrays.append(own.constant(a, self.array))
                    elif kind is np.ndarray and picks and not arrays and a.dtype is _TRUTH:
                        arrays.append(own.constant(a, self.array))
                    else:
                        break
                else:
                    if not (past and chooses) and not (
                        picks and not any(type(a) in _ARRAYS for a in args[1:])
                    ):
                        result = compute(*arrays, **params)
                        if type(result) is not own.certain and (
                            type(result) is tuple or not own.is_own(result)
                        ):
                            several = type(result) is tuple
                            return tuple([self._leave(own, a) for a in result]) if several else result
                        value = Proxy(library, result, self.run)
                        if remembers and (past or primitive.steep or primitive.name == "max"):
                            value.made = how = made(primitive, args, params)
                            if how is not None and how.shift is not None and how.shift.step == "added":
                                value = self._unshifted(own, value)
                        if params and primitive.name == "getitem" and type(params["index"]) is int:
                            value.entry = (self.array, params["index"])
                        return value
            result = self._long_way(own, primitive, args, params)
            if primitive.name == "getitem" and type(result) is Proxy and type(params["index"]) is int:
                result.entry = (self.array, params["index"])
            return result
        except UNFIT as error:
            raise_as_numpy(primitive, args, params, error)
            raise

    def _unshifted(self, own: Adapter, value: Proxy) -> Proxy:
        """A logarithm of a sum of exponentials without its derivative by what they are shifted by."""
        how = value.made
        if not own.drops or own.has_values(value.array):
            return value
        assert how is not None and how.shift is not None
        value = unshifted(how.shift, lambda v: self._leave(own, own.stop(v.array)))
        value.made = how
        return value

    def with_number(self, primitive: Binary, a: Value, b: Value, side: int) -> Value:
        own = adapter(self.library)
        if (state := errstate()) is not usual and state is not SILENT:
            check_numbers(own, primitive, (a, b), {})
        way = own.short.get(primitive)
        if way is not None and (not self.run or self.run in ALIVE):
            array = self.array
            if own.dtype_of(array) is own.double:
                result = way[0](array, b) if side == 0 else way[0](a, array)
                if type(result) is not own.certain and not own.is_own(result):
                    return result
                value = Proxy(self.library, result, self.run)
                # x / 2 and x**2 have no infinite slope, nor has any other operation with that on the right
                if way[1] and (self.made is not None or (primitive.steep and (side or b != 2))):
                    value.made = made(primitive, (a, b), {})
                return value
        return self._long_way(own, primitive, (a, b), {})

    def _long_way(
        self, own: Adapter, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]
    ) -> Value:
        """The result, whatever the operands are."""
        if not own.raises and primitive.name in FAILING:
            check_factors(self.library, primitive)
        if primitive not in own.short:
            own.short[primitive] = short_way(own, primitive)
        if not own.traps:
            return self._processed(own, primitive, args, params)
        given = args
        if primitive.chooses and not any(map(is_kept, args)):
            given = gated(primitive, args, params, lambda v: self._leave(own, own.stop(v.array)), self.run)
        result = self._processed(own, primitive, given, params)
        # made of the gated operands, but remembered as of the first: a choice around it has its own gates
        if type(result) is Proxy and (primitive.lazy or primitive.name in FOLLOWED):
            result.made = made(primitive, args, params)
        return result

    def product(self) -> Value | None:
        """The product along the last axis as one operation; None where it has to be made of pairs."""
        if self.made is not None or errstate() is not usual or (self.run and self.run not in ALIVE):
            return None  # a choice follows the pairs to what they are made of, and they may be at a pole
        found = adapter(self.library).product(self.array)
        return None if found is None else Proxy(self.library, found, self.run)

    def plainly(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        """The result, without gates, and without remembering how it was made."""
        return self._processed(adapter(self.library), primitive, args, params)

    def _processed(
        self, own: Adapter, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]
    ) -> Value:
        """The result by the library's version of the primitive, or by what stands for it."""
        compute = own.compute(primitive)
        double, same = own.double, True
        arrays: list[Any] = []
        for a in args:
            kind = type(a)
            if kind is Proxy:
                if a.run and a.run not in ALIVE:  # kept from a run that is finished: a constant
                    return primitive(*[numbers(b) if is_kept(b) else b for b in args], **params)
                if a.library != self.library:
                    raise _mixed(self.library, a.library)
                a = a.array
                if a.dtype is not double:
                    same = False
            elif isinstance(a, np.ndarray | np.generic):
                if a.dtype is not _DOUBLE:
                    own.check(a.dtype)
                    same = False
                a = own.constant(a, self.array)
            elif kind is not float and kind is not int:
                same = False
            arrays.append(a)
        if "index" in params:
            params = {**params, "index": _index(params["index"])}
        if same or not own.promotes:
            return self._computed(own, primitive, compute, arrays, params)
        key = (primitive.name, *[getattr(a, "dtype", None) or type(a) for a in arrays])
        if key in own.agrees:
            return self._computed(own, primitive, compute, arrays, params)
        return self._promoted(own, primitive, compute, arrays, params, args, key)

    def _computed(
        self, own: Adapter, primitive: Primitive, compute: Any, arrays: list[Any], params: dict[str, Any]
    ) -> Value:
        """The result in the types that the library gives by itself."""
        if compute is None:
            result = substitute(own, primitive, tuple([self._leave(own, a) for a in arrays]))
            if result is not NotImplemented:
                return result
            compute = from_host(own, primitive)
        if compute is None:
            raise refuse(
                f"{self.library} has no counterpart of {primitive.name}",
                f"write this part in {self.library}'s own functions, or use backend='numpy'",
            )
        result = compute(*arrays, **params)
        if primitive.multiple or type(result) is tuple:
            return tuple(self._leave(own, part) for part in result)
        return self._leave(own, result)

    def _promoted(
        self,
        own: Adapter,
        primitive: Primitive,
        compute: Any,
        arrays: list[Any],
        params: dict[str, Any],
        args: tuple[Value, ...],
        key: tuple[Any, ...],
    ) -> Value:
        """The result in NumPy's types, whatever those of the library would be."""
        types = own.types(primitive.name, arrays)
        if types is None:
            return self._computed(own, primitive, compute, arrays, params)
        given, arrays = arrays, own.typed(primitive.name, arrays, types)
        if is_unchanged(primitive.name, types):
            return self._leave(own, arrays[0])
        try:
            if is_logical(primitive.name, types):  # a sum of products of truth values is whether there is one
                counted = [own.cast(a, _COUNT) for a in arrays]
                result = PRIMITIVES["not_equal"](self._computed(own, primitive, compute, counted, params), 0)
            elif is_whole(primitive.name, types):
                result = self._whole(own, primitive, compute, arrays, args)
            else:
                result = self._computed(own, primitive, compute, arrays, params)
        except (RuntimeError, NotImplementedError) as error:
            if isinstance(error, PolyadError) or all(a.dtype is own.double for a in arrays if own.is_own(a)):
                raise
            raise own.unable(primitive.name, arrays, error) from error
        if types.result is None or type(result) is tuple:
            return result
        if result.dtype == types.result:
            # the library does as NumPy does by itself, and need not be told again; whole numbers are
            # looked at each time, for there are some that do not fit
            if own.wraps and types.result.kind in "fc" and all(map(operator.is_, given, arrays)):
                own.agrees.add(key)
            return result
        if type(result) is Proxy:
            return self._leave(own, own.cast(result.array, types.result))
        return result.astype(types.result)

    def _whole(
        self, own: Adapter, primitive: Primitive, compute: Any, arrays: list[Any], args: tuple[Value, ...]
    ) -> Value:
        """Operations that are not defined for all whole numbers: NumPy's answer, or its error."""
        if primitive.name == "power":
            known = args[1] if type(args[1]) is not Proxy else own.values(arrays[1])
            if known is not None and np.any(np.less(known, 0)):
                raise ValueError("Integers to negative integer powers are not allowed.")
            return self._computed(own, primitive, compute, arrays, {})
        choose, equal = PRIMITIVES["where"], PRIMITIVES["equal"]
        divisor = Proxy(self.library, arrays[-1]) if own.is_own(arrays[-1]) else arrays[-1]
        if primitive.name == "reciprocal":
            return choose(equal(PRIMITIVES["absolute"](divisor), 1), divisor, 0)
        zero = equal(divisor, 0)
        safe = choose(zero, 1, divisor)
        safe = safe.array if type(safe) is Proxy else own.constant(np.asarray(safe), self.array)
        return choose(zero, 0, self._computed(own, primitive, compute, [arrays[0], safe], {}))

    def _entered(self, own: Adapter, a: Value) -> Any:
        """An operand as the library takes it."""
        if type(a) is Proxy:
            if a.library != self.library:
                raise _mixed(self.library, a.library)
            return a.array
        return own.constant(a, self.array) if isinstance(a, np.ndarray | np.generic) else a

    def _leave(self, own: Adapter, result: Any) -> Value:
        return Proxy(self.library, result, self.run) if own.is_own(result) else result

    def __repr__(self) -> str:
        return f"Proxy({self.array!r})"


# of which one at least stands on a side of a choice, so that a number on the other adapts to it
_ARRAYS = frozenset({Proxy, np.ndarray})


def _mixed(a: str, b: str) -> Exception:
    """The error for arrays of two libraries, as a derivative inside one of another framework has them."""
    own = adapter(a).mixed or adapter(b).mixed
    if own is not None:
        return own()
    return refuse(
        f"arrays of {a} and {b} met in one operation, as where a derivative by {a} is taken inside one by "
        f"{b}, or the other way round",
        "use one backend for both, or backend='numpy' for the inner one, which works inside every other; if "
        + KEPT,
    )


def beside(x: Any, like: Proxy) -> Proxy:
    """A plain array as the library's that another one is of."""
    return Proxy(like.library, adapter(like.library).constant(np.asarray(x), like.array))


def later(check: Callable[..., Any], *values: Value) -> bool:
    """Make a check whenever the library knows the values; one at least is a ``Proxy``. False if never."""
    own = adapter(next(v.library for v in values if type(v) is Proxy))
    return own.later(check, tuple(v.array if type(v) is Proxy else v for v in values))


def is_kept(value: Value) -> bool:
    """Whether a value is an array of a library that was lifted in a run that is finished."""
    return type(value) is Proxy and value.run > 0 and value.run not in ALIVE


def numbers(value: Value) -> Any:
    """The numbers in what was kept from a finished differentiation."""
    value = base(value)
    if type(value) is not Proxy:
        return value
    found = adapter(value.library).kept(value.array)
    if found is None:
        raise refuse("numbers were asked of a value that never had any", KEPT)
    return found if found.shape else found[()]


def _index(index: Any) -> Any:
    """An index with the library's own arrays in it; those of NumPy stay."""
    if type(index) is tuple:
        return tuple(_index(k) for k in index)
    if is_kept(index):
        return numbers(index)
    return index.array if type(index) is Proxy else index


def substitute(own: Adapter, primitive: Primitive, args: tuple[Value, ...]) -> Value:
    """The operation in terms of others that the library has, or NotImplemented."""
    form = DECOMPOSITIONS.get(primitive.name)
    if form is None:
        return NotImplemented
    try:
        return form(*args)
    except OperationNotSupportedError:  # it lacks one of these as well
        return NotImplemented


def from_host(own: Adapter, primitive: Primitive) -> Any:
    """The operation computed by SciPy within the library's own transformations, or None."""
    enter = getattr(own, "host", None)
    return enter(primitive) if enter is not None and hosted(primitive) else None
