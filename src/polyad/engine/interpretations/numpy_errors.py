"""Errors that NumPy raises at some values, and other libraries never: singular matrices, floating point.

Where the function catches them it has another way for that case. Values that are there are asked, of NumPy
itself; where there are none yet, the operation is refused.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np
from numpy._core import umath

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.user_code import is_polyads
from polyad.engine.core.handlers import is_caught
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive, Tracer, Value, base
from polyad.errors import ON_OTHER_ARRAYS, OperationNotSupportedError, PolyadError, rule_out

__all__ = [
    "FAILING",
    "UNFIT",
    "check_factors",
    "check_numbers",
    "errstate",
    "raise_as_numpy",
    "raised_by_numpy",
    "stand_in",
    "usual",
]

# what NumPy does not compute of every matrix
FAILING = frozenset("cholesky inv solve det slogdet eigh eigvalsh eig svd svdvals pinv".split())


USUAL = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def _state() -> tuple[Callable[[], Any], Any]:
    """How to see at a glance whether ``np.errstate`` is at work, and what the answer is where it is not."""
    state = getattr(umath, "_extobj_contextvar", None)
    if state is None:  # another NumPy: the long question, which takes as long as a sum
        return lambda: np.geterr() == USUAL, True
    return state.get, contextvars.Context().run(state.get)


errstate, usual = _state()


def check_factors(library: str, primitive: Primitive) -> None:
    """Refuse what may fail in NumPy where the function catches that and the library never fails."""
    if not _is_caught(np.linalg.LinAlgError):
        return
    refusal = refuse(
        f"np.linalg.{primitive.name} where np.linalg.LinAlgError is caught: what runs the function "
        f"without its values ({library}) cannot know whether it is raised",
        "use a backend that runs the function on values (backend='numpy', 'torch'), or leave the "
        "fallback away",
    )
    raise rule_out(refusal, ON_OTHER_ARRAYS)  # plain NumPy would look at the example's values


def check_numbers(own: Any, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> None:
    """Raise what NumPy raises under ``np.errstate(all="raise")``, or refuse where that cannot be known.

    Parameters
    ----------
    own : Adapter
        The library's.
    primitive, args, params : Primitive, tuple, dict
        The operation.
    """
    if own.warns or not {"raise", "call"} & set(np.geterr().values()):
        return
    values = [own.values(getattr(a, "array", a)) if own.raises and isinstance(a, Tracer) else a for a in args]
    if not any(v is None or isinstance(v, Tracer) for v in values):
        try:
            primitive.compute(*values, **params)
        except FloatingPointError:
            raise
        except Exception:  # what else is wrong the library says itself
            return
    elif is_caught(FloatingPointError, sys._getframe(1), is_call_of_function):
        refusal: OperationNotSupportedError = refuse(
            f"{primitive.name} under np.errstate(...='raise') where FloatingPointError is caught: what runs "
            f"the function without its values ({own.name}) cannot know whether it is raised",
            "use a backend that runs the function on values (backend='numpy', 'torch'), or np.where",
        )
        raise rule_out(refusal, ON_OTHER_ARRAYS)


# what libraries raise where shapes do not fit, each another
UNFIT = (TypeError, ValueError, IndexError, RuntimeError, AttributeError, NotImplementedError)


def stand_in(value: Value) -> Value:
    """A plain array of the shape and type of a value: the values themselves where they are there.

    Where they are not, matrices are the identity, of which everything can be computed.
    """
    value = base(value)
    if not isinstance(value, Tracer):
        return value
    shape, dtype = value.shape, value.dtype
    if len(shape) > 1 and shape[-1] == shape[-2]:
        return np.broadcast_to(np.eye(shape[-1], dtype=dtype), shape)
    return np.ones(shape, dtype) if dtype.kind in "fc" else np.zeros(shape, dtype)


def raised_by_numpy(f: Callable[..., Any], args: Any, params: dict[str, Any]) -> Exception | None:
    """What NumPy says of a call on plain arrays, to be raised instead of another library's error."""
    if any(
        isinstance(p, Tracer) or (isinstance(p, tuple) and any(map(_is_tracer, p))) for p in params.values()
    ):
        return None
    try:
        heard = get_state()
        try:
            set_state(SILENT)
            f(*args, **params)
        finally:
            set_state(heard)
    except PolyadError:
        return None
    except Exception as error:
        rule_out(error, ON_OTHER_ARRAYS)  # a framework's own arrays may accept the call
        return error.with_traceback(None)
    return None


def raise_as_numpy(
    primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any], error: Exception
) -> None:
    """Raise what NumPy raises of operands of these shapes, if it does."""
    if isinstance(error, PolyadError):
        return
    instead = raised_by_numpy(primitive.compute, list(map(stand_in, args)), params)
    if instead is not None and type(instead) is not type(error):
        raise instead from error


def _is_tracer(a: Any) -> bool:
    return isinstance(a, Tracer)


def _is_caught(error: type[Exception]) -> bool:
    """Whether the running code can handle the error that NumPy raises then."""
    frame: Any = sys._getframe(2)
    if is_caught(error, frame, is_call_of_function):
        return True
    while frame is not None:  # who calls the derivative may speak of it as well
        code = frame.f_code
        if error.__name__ in code.co_names and not is_polyads(code.co_filename):
            return True
        frame = frame.f_back
    return False


def is_call_of_function(code: CodeType) -> bool:
    """Whether a frame of that code calls the user's function (``run.called``): what is around is not its."""
    return code.co_name == "called" and is_polyads(code.co_filename)
