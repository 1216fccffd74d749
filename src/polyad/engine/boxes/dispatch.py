"""NumPy's functions on boxes: looked up in the table and called on the values.

What is in neither ``UFUNCS`` nor ``FUNCTIONS`` is refused: nothing is ever treated as constant
because it is unknown. The exceptions are functions of the structure only (``STRUCTURAL``).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, as_array, number, wrap
from polyad.engine.boxes.boxing import contains_box, gathered, recorder, unbox, unbox_index
from polyad.engine.boxes.computing import COMPUTING, as_in_numpy
from polyad.engine.boxes.forms import ASKED, ask, said_by_numpy
from polyad.engine.boxes.memory import layout, linked, share_memory
from polyad.engine.boxes.views import VIEWS
from polyad.engine.boxes.writing import BOXED
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import FUNCTIONS, UFUNCS
from polyad.engine.core.values import Primitive, Tracer, Value, ndim_of, shape_of
from polyad.engine.functions import (
    reduction,
    tables,  # noqa: F401  (fills them)
)
from polyad.engine.functions.types import in_type, only_where
from polyad.engine.interpretations.numpy_errors import UNFIT
from polyad.engine.interpretations.promotion import kind_of, types_of, ufunc_of
from polyad.engine.rules import elementwise
from polyad.engine.rules.arithmetic import add, subtract, where
from polyad.engine.rules.structure import broadcast_to, getitem_shape, reshape, scatter
from polyad.errors import ON_OTHER_ARRAYS, PolyadError, rule_out

__all__ = ["apply_function", "apply_ufunc"]


def _of_its_own(func: Any) -> Any:
    """The Python code of one of NumPy's functions, which runs on boxes as it is, without dispatch."""
    return getattr(func, "_implementation", func)


STRUCTURAL: dict[Any, Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.iscomplexobj: lambda a: a.dtype.kind == "c",
    np.isrealobj: lambda a: a.dtype.kind != "c",
    np.result_type: lambda *a: np.result_type(*(k.dtype if isinstance(k, Box) else k for k in a)),
    np.common_type: lambda *a: np.common_type(*(np.empty(0, dtype=k.dtype) for k in a)),
    np.can_cast: lambda a, to, casting="safe": np.can_cast(a.dtype if isinstance(a, Box) else a, to, casting),
    np.min_scalar_type: lambda a: a.dtype,
    np.shares_memory: lambda a, b, max_work=None: share_memory(a, b),
    np.may_share_memory: lambda a, b, max_work=None: share_memory(a, b),
    np.array_repr: lambda a, *args, **kwargs: repr(a),
    np.array_str: lambda a, *args, **kwargs: str(a),
    # NumPy writes these in terms of functions that are in the table
    np.polynomial.polynomial.polyval2d: _of_its_own(np.polynomial.polynomial.polyval2d),
    np.polynomial.polynomial.polygrid2d: _of_its_own(np.polynomial.polynomial.polygrid2d),
    np.copyto: lambda dst, src, casting="same_kind", where=True: _copyto(dst, src, where),
    **BOXED,
}


def _copyto(dst: Any, src: Any, where: Any) -> None:
    if not isinstance(dst, Box):
        raise refuse(
            "np.copyto into a plain array would drop the derivative", "create the array with np.zeros_like(x)"
        )
    dst[...] = src if where is True else np.where(where, src, dst)


# -- functions ----------------------------------------------------------------------------------------


def apply_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function on boxes among other things."""
    try:
        if func in ASKED:
            ask(func, args, kwargs)
        return _applied(func, args, kwargs)
    except UNFIT as error:
        if isinstance(error, PolyadError):
            raise
        instead = said_by_numpy(func, args, kwargs)
        if instead is None or type(instead) is type(error):
            raise
        raise instead from error


def _applied(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    view = VIEWS.get(func)
    if view is not None:
        return view(*args, **kwargs)
    own = FUNCTIONS.get(func)
    if own is not None and not kwargs and len(args) == 1 and type(args[0]) is Box:
        result = rewrap(own(args[0]._value))
        if func in COMPUTING:
            return laid_out(func, args, kwargs, result) if func in LIKE else as_in_numpy(func, result)
        return as_in_numpy(func, linked(func, args, kwargs, result))
    if own is None:
        if func in STRUCTURAL:
            return STRUCTURAL[func](*args, **kwargs)
        name = f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"
        raise refuse(
            f"{name} of a traced array is not supported",
            "write it with supported functions (polyad's documentation lists them), "
            "or polyad.stop_gradient(x) where no derivative is meant to pass",
        )
    if len(args) > 2:
        args, kwargs = out_named(func, args, kwargs)
    if "out" in kwargs:
        return call(own, args, kwargs)
    if func in COMPUTING:
        result = call(own, args, kwargs)
        return laid_out(func, args, kwargs, result) if func in LIKE else as_in_numpy(func, result)
    return as_in_numpy(func, linked(func, args, kwargs, call(own, args, dict(kwargs))))


# functions whose results lie in memory like their arguments
LIKE = frozenset({np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.copy})


def laid_out(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """The result, with what is known of its layout."""
    if isinstance(result, Box) and not result.shape:
        return as_array(result._value)
    if isinstance(result, Box) and result.ndim > 1 and args:
        known = layout(args[0]) if isinstance(args[0], Box) else np.empty(np.shape(args[0]), dtype=bool)
        if known is None and kwargs.get("order") == "C":
            known = np.empty(np.shape(args[0]), dtype=bool)
        if known is not None:
            options = {k: kwargs[k] for k in ("order", "shape") if k in kwargs}
            result._layout = np.copy(known, **options) if func is np.copy else np.empty_like(known, **options)
    return result


@functools.cache
def _parameters(func: Any) -> tuple[str, ...]:
    try:
        found = inspect.signature(func).parameters
    except ValueError:  # some functions in C have no signature; they take out as a keyword
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(name for name, p in found.items() if p.kind in positional)


def out_named(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``out`` and what follows it as keywords, since functions on values have no parameter ``out``."""
    names = _parameters(func)
    if "out" not in names or len(args) <= (place := names.index("out")):
        return args, kwargs
    return args[:place], {**kwargs, **dict(zip(names[place:], args[place:], strict=False))}


def call(own: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function on values, called with what the user wrote."""
    out = kwargs.pop("out", None) if kwargs else None
    tape = _recorder((*args, *kwargs.values()) if kwargs else args)
    values = [_enter(a, tape) for a in args]
    named = {name: _enter(a, tape) for name, a in kwargs.items()} if kwargs else kwargs
    result = rewrap(own(*values, **named))
    return result if out is None else write_out(out, result)


def _recorder(args: tuple[Any, ...]) -> Any:
    for a in args:
        if isinstance(a, Box):
            found = recorder(a._value)
        elif isinstance(a, list | tuple):
            found = _recorder(tuple(a))
        else:
            continue
        if found is not None:
            return found
    return None


def _enter(a: Any, tape: Any) -> Any:
    if isinstance(a, Box):
        return a._value
    if type(a) is np.ndarray:
        if a.dtype == object:
            return unbox(a)
        return a if tape is None else tape.hold(a)
    if isinstance(a, list | tuple) and (contains_box(a) or any(isinstance(k, np.ndarray) for k in a)):
        return [_enter(k, tape) for k in a]
    if a is None or isinstance(a, float | int | complex | str | tuple | list):
        return a
    return unbox(a)


# How results that carry more than a value become boxes, by class, and universal functions that give such
# results; ``roots`` fills both.
BOXING: dict[type, Callable[[Any], Any]] = {}
UFUNC_ROOTS: dict[Any, Callable[..., Any]] = {}


def rewrap(result: Any) -> Any:
    """Values of a result as the user's objects."""
    if isinstance(result, Tracer):
        return number(result)
    if isinstance(result, tuple | list):
        parts = [rewrap(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    special = BOXING.get(type(result))
    return wrap(result) if special is None else special(result)


def write_out(out: Any, result: Any) -> Any:
    """The result written where ``out`` says."""
    if isinstance(out, tuple):
        if len(out) > 1:
            return tuple(r if o is None else write_out(o, r) for o, r in zip(out, result, strict=True))
        out = out[0]
        if out is None:
            return result
    if not isinstance(out, Box):
        # numbers that count or compare are never active; a box may be, though it has a plain value now
        if not isinstance(result, Box) and isinstance(out, np.ndarray):
            out[...] = unbox(result)
            return out
        error = refuse(
            "writing a traced result into a plain array (out=, or +=) would drop its derivative",
            "create the array with np.zeros_like(x) instead of np.zeros(n), or leave out= away",
        )
        # a framework's += makes a new array, which other names of it would not show
        raise rule_out(error, ON_OTHER_ARRAYS)
    value = unbox(result)
    if shape_of(value) != out.shape:
        if np.broadcast_shapes(shape_of(value), out.shape) != out.shape:
            raise ValueError(f"output has shape {out.shape}, the result {shape_of(value)}")
        value = value if hasattr(value, "shape") else np.asarray(value, dtype=out.dtype)
        value = broadcast_to(value, shape=out.shape)
    return out._replace(value)


# -- universal functions ------------------------------------------------------------------------------


def apply_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A universal function, or one of its methods, on boxes among other things."""
    own = UFUNCS.get(ufunc)
    if own is not None and len(inputs) == 1 and not kwargs and method == "__call__":
        result = own(inputs[0]._value)
        return UFUNC_ROOTS[ufunc](result, inputs[0]._value) if ufunc in UFUNC_ROOTS else rewrap(result)
    if own is None:
        if ufunc.nin and set("".join(ufunc.types)) == {"O", "-", ">"}:
            return _of_objects(getattr(ufunc, method), inputs, kwargs)
        raise refuse(
            f"{ufunc.__name__} has no derivative rule",
            "polyad.define(f, lambda x: ...) adds one; polyad.stop_gradient(x) where no derivative "
            "is meant to pass",
        )
    out = kwargs.pop("out", None)
    if method != "__call__":
        return _ufunc_method(ufunc, method, inputs, kwargs, out)
    tape = _recorder(inputs)
    values = [a._value if type(a) is Box else _number(_enter(a, tape), inputs) for a in inputs]
    if len(values) > 1:
        values = _countable(own, values)
    if kwargs:
        result = (
            own(*values, **kwargs) if "axis" in kwargs else _with_options(ufunc, own, values, out, **kwargs)
        )
    else:
        result = own(*values)
        if ufunc in UFUNC_ROOTS and out is None:
            return UFUNC_ROOTS[ufunc](result, *values)
    result = rewrap(result)
    return result if out is None else write_out(out, result)


def _of_objects(f: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A Python function that NumPy calls entry by entry (``np.frompyfunc``)."""
    results = f(*[np.asarray(a, dtype=object) if isinstance(a, Box) else a for a in inputs], **kwargs)
    if isinstance(results, tuple):
        return tuple(map(_gathered, results))
    return _gathered(results)


def _gathered(a: Any) -> Any:
    return wrap(gathered(a)) if isinstance(a, np.ndarray) and a.dtype == object else a


def _number(a: Value, inputs: tuple[Any, ...]) -> Value:
    """Lists as arrays, and Python's complex numbers as NumPy's, whose products with NumPy's stay NumPy's."""
    if isinstance(a, list | tuple):
        return np.asarray(a)
    if type(a) is complex and not any(getattr(other, "shape", ()) for other in inputs):
        return np.complex128(a)
    return a


def _countable(own: Any, values: list[Value]) -> list[Value]:
    """Plain truth values as the numbers that NumPy's loop takes: the rules negate and subtract."""
    plain = [isinstance(a, np.ndarray | np.bool_) and a.dtype.kind == "b" for a in values]
    if not any(plain) or not isinstance(own, Primitive) or ufunc_of(own.name) is None:
        return values
    types = types_of(own.name, tuple(kind_of(a) for a in values)).operands
    return [a.astype(t) if b else a for a, b, t in zip(values, plain, types, strict=True)]


def _with_options(
    ufunc: Any, own: Callable[..., Value], values: list[Value], out: Any, where: Any = True, **options: Any
) -> Value:
    """``where=`` and ``dtype=`` of a universal function."""
    if where is True:
        return in_type(ufunc, own, values, **options)
    target = out[0] if isinstance(out, tuple) else out
    mask, kept = unbox(where), 0.0 if target is None else unbox(target)
    return choose(mask, in_type(ufunc, own, only_where(mask, values), **options), kept)


choose = where

REDUCTIONS: dict[Any, Callable[..., Value]] = {
    np.add: FUNCTIONS[np.sum],
    np.multiply: FUNCTIONS[np.prod],
    np.maximum: FUNCTIONS[np.max],
    np.minimum: FUNCTIONS[np.min],
    np.logaddexp: reduction.logaddexp_reduce,
    np.logical_and: FUNCTIONS[np.all],
    np.logical_or: FUNCTIONS[np.any],
}
ACCUMULATIONS: dict[Any, Callable[..., Value]] = {
    np.add: FUNCTIONS[np.cumsum],
    np.multiply: FUNCTIONS[np.cumprod],
    np.maximum: reduction.running(elementwise.maximum),
    np.minimum: reduction.running(elementwise.minimum),
    np.logaddexp: reduction.running(elementwise.logaddexp),
}


def _ufunc_method(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    if out is not None:
        kwargs["out"] = out[0] if isinstance(out, tuple) else out
    if method == "reduce" and ufunc in REDUCTIONS:
        array, *rest = inputs
        if rest:
            kwargs["axis"] = rest[0]
        kwargs.setdefault("axis", 0)
        return call(REDUCTIONS[ufunc], (array,), kwargs)
    if method == "accumulate" and ufunc in ACCUMULATIONS:
        kwargs.setdefault("axis", 0)
        return call(ACCUMULATIONS[ufunc], inputs, kwargs)
    if method == "reduceat" and ufunc in REDUCTIONS:
        return call(reduction.in_segments(REDUCTIONS[ufunc]), inputs, kwargs)
    if method == "outer":
        own = UFUNCS[ufunc]
        return call(
            lambda a, b, **options: in_type(ufunc, own, [_outer(a, ndim_of(b)), b], **options), inputs, kwargs
        )
    if method == "at" and ufunc in AT:
        return _at(ufunc, *inputs)
    raise refuse(
        f"np.{ufunc.__name__}.{method} of a traced array is not supported",
        "use a function of the whole array",
    )


def _outer(a: Value, ndim: int) -> Value:
    return reshape(a, shape=(*shape_of(a), *(1,) * ndim)) if ndim and hasattr(a, "shape") else a


AT: dict[Any, Callable[..., Value]] = {np.add: add, np.subtract: subtract}


def _at(ufunc: Any, target: Any, index: Any, item: Any = None) -> None:
    """``np.add.at``: unbuffered addition at an index."""
    if not isinstance(target, Box):
        raise refuse(
            f"np.{ufunc.__name__}.at on this array would drop the derivative",
            "make the array with np.zeros_like(x)",
        )
    old = target._value
    place = unbox_index(index, old)
    value = unbox(item, old)
    shape = getitem_shape(old.shape, place)
    if not hasattr(value, "shape"):
        value = np.asarray(value, dtype=old.dtype)
    value = broadcast_to(value, shape=shape)
    target._replace(AT[ufunc](old, scatter(value, index=place, shape=old.shape)))
