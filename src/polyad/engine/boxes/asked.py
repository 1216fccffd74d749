"""What a box answers when it is asked for a plain array: an array of its entries, or an error.

NumPy calls ``__array__`` alike for ``np.asarray(x)``, which has to be ``x`` itself and is refused, and for
``np.array([x, y])``, ``np.c_[x, y]`` or ``np.full(shape, x)``, which make a new array: an array of objects
with a box for every entry is right there. The calling frame tells which it is: functions of NumPy by their
names, a call in other code by its arguments.
"""

from __future__ import annotations

import ast
import dis
import sys
import types
from typing import Any, NoReturn

import numpy as np

from polyad.arrays.libraries import library_of_package
from polyad.arrays.user_code import call_at, is_polyads
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import LOOKED, base
from polyad.engine.interpretations.adapter import adapter
from polyad.errors import ON_OTHER_ARRAYS, rule_out

__all__ = [
    "DIGITS",
    "FEW",
    "LARGEST",
    "asks_for_entries",
    "asks_for_itself",
    "asks_for_numbers",
    "asks_in_product",
    "boxes_of_entries",
    "looks_before_compiled_code",
    "no_key",
    "no_plain_array",
    "stands_for",
    "text",
]

# the bits of a number, all of which its text may tell
DIGITS = 53
# An array of more entries than this is not split into a box for each: it would take too long.
LARGEST = 10_000
# and of more than this only where nothing else helps
FEW = 16
# NumPy's functions that make a new array of what they are given, by the names of their code; the first two
# are where it turns the arguments of a vectorized function into arrays without saying of what
MAKERS = (
    "vectorize._get_ufunc_and_otypes",
    "vectorize._vectorize_call_with_signature",
    "AxisConcatenator.__getitem__",
    "ndim",
    "full",
)
# Functions that make a new array of a list; others expect numbers in it.
ARRAYS = frozenset(("array", "asarray", "asanyarray"))
# Where scipy.sparse looks at the other operand of a product; it leaves objects without axes to their class.
PRODUCTS = frozenset(("_matmul_dispatch", "_rmatmul_dispatch"))
POLYNOMIALS = "numpy.polynomial"
# Through so many functions NumPy's call gets from code that looks at a result to the box.
LOOKERS = 5
MINPACK = "scipy.optimize._minpack_py"
# How an array lies in memory, where functions ask for it
MEMORY_ORDERS = frozenset("KA")
READERS = frozenset(("ravel", "reshape", "flatten"))
# Packages whose code knows boxes, or hands arrays to code of its own that reads memory, as libraries of
# arrays do
KNOWING = frozenset(("polyad", "scipy", "optree", "copyreg"))
# Packages whose code asks on behalf of its caller
ASKING = frozenset(("abc", "typing", "typing_extensions"))


def stands_for(frame: types.FrameType | None, box: Any) -> type:
    """The class of a box as ``isinstance`` asks for it in a frame.

    Code for NumPy takes another branch where ``isinstance(x, np.ndarray)`` is false, some of NumPy's own too;
    there a box passes for the array or number that it stands for.
    """
    package = "polyad"
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ASKING:
            break
        frame = frame.f_back
    if package in KNOWING or ((own := library_of_package(package)) is not None and not own.plain):
        return type(box)
    if box._is_array():
        return np.ndarray
    kind: type = box.dtype.type
    return PYTHON.get(kind, kind) if box._is_python else kind


PYTHON: dict[type, type] = {np.float64: float, np.complex128: complex, np.bool_: bool}


def asks_for_entries(frame: types.FrameType, copy: bool | None, value: Any) -> bool:
    """Whether the array of a value that is asked for will be a new one, in which boxes may stand."""
    module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname
    if module.startswith(POLYNOMIALS):
        return not _solves(frame)
    if module.startswith("numpy.ma."):
        return name == "getdata" and FOLLOWING.depth > 0
    if module.startswith("numpy."):
        return name.startswith(MAKERS)
    if module.startswith("scipy."):
        return False
    if copy is True and (type(base(value)) is np.ndarray or not _speaks_of_order(frame)):
        return True
    return _is_given_list(frame)


def _speaks_of_order(frame: types.FrameType | None) -> bool:
    """Whether code may ask a copy how it lies in memory: an array of boxes has one answer for all calls."""
    while frame is not None and not is_polyads(frame.f_code.co_filename):
        code = frame.f_code
        if not READERS.isdisjoint(code.co_names):
            if not MEMORY_ORDERS.isdisjoint(c for c in code.co_consts if isinstance(c, str)):
                return True
        frame = frame.f_back  # a helper makes the copy
    return False


def asks_in_product(frame: types.FrameType) -> bool:
    """Whether ``A.dot(x)`` of a plain array asks, which would compute with a box for every entry."""
    if FOLLOWING.depth:
        return False  # where it could not be helped otherwise
    call = call_at(frame)
    return call is not None and getattr(call.func, "attr", "") == "dot"


def asks_for_itself(frame: types.FrameType) -> bool:
    """Whether a sparse matrix asks what it is multiplied with."""
    return frame.f_code.co_name in PRODUCTS and str(frame.f_globals.get("__name__", "")).startswith(
        "scipy.sparse"
    )


def asks_for_numbers(frame: types.FrameType) -> bool:
    """Whether plain numbers may be handed out: where code is followed, whose buffers may be plain still.

    NumPy's ``roots`` is another, which turns its argument into plain numbers before it works.
    """
    if FOLLOWING.depth:
        return True
    return frame.f_code.co_name == "roots" and frame.f_globals.get("__name__") == "numpy.lib._polynomial_impl"


def looks_before_compiled_code(frame: types.FrameType | None) -> bool:
    """Whether MINPACK's wrapper looks at the first equations.

    An error out of its compiled part, where the next ones would be turned into plain arrays, is printed.
    """
    steps = 0 if MINPACK in sys.modules else LOOKERS  # lists of entries ask for each
    while frame is not None and steps < LOOKERS:
        if frame.f_globals.get("__name__") == MINPACK:
            return True
        frame, steps = frame.f_back, steps + 1
    return False


def boxes_of_entries(box: Any) -> np.ndarray:
    """A new array of objects, with a box for every entry, which lies in memory as NumPy's copy would."""
    from polyad.engine.boxes.memory import layout  # which is made of boxes

    shape, known = box._value.shape, layout(box)
    if not shape and looks_before_compiled_code(frame := sys._getframe(1)):
        raise no_plain_array(frame)
    places = np.empty(shape, dtype=object) if known is None else np.empty_like(known, dtype=object)
    for k in np.ndindex(shape):
        places[k] = (box[k] if len(k) > 1 else box[k[0]]) if shape else box
    return places


def no_key(box: Any) -> NoReturn:
    """Refuse a number that is being differentiated where a dictionary looks for a key."""
    if box._is_array():
        raise TypeError("unhashable type: 'numpy.ndarray'")
    raise refuse(
        "a traced number as the key of a dictionary, or hash(x), is a look at its value that passes no "
        "derivative on",
        "use an array and its index, or hash(polyad.stop_gradient(x)) where a constant is meant",
    )


def no_plain_array(frame: types.FrameType | None) -> Exception:
    """The error where a plain array is asked for: what is refused, and what to do instead.

    Where NumPy's polynomials are solved or fitted, another of NumPy's functions does it.
    """
    if _speaks_of_order(frame):
        error = refuse(
            "a new array of x in a function that names order='K' or 'A': how it lies in memory is not known",
            "use order='C' or 'F', which you mean",
        )
        return rule_out(error, ON_OTHER_ARRAYS)  # which lie otherwise
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(POLYNOMIALS):
        name = frame.f_code.co_name
        if name.endswith("fit"):
            return refuse(
                f"numpy.polynomial's {name.lstrip('_')} turns its data into plain arrays",
                "use np.polyfit(x, y, deg), whose coefficients begin with the highest power",
            )
        if name.endswith("roots") and not name.endswith("fromroots"):
            return refuse(
                f"numpy.polynomial's {name} turns the coefficients into plain numbers",
                "use np.roots(c[::-1]), whose coefficients begin with the highest power",
            )
        frame = frame.f_back
    return refuse(
        "turning a traced array into a plain one (np.asarray, np.array, writing it into a plain array) "
        "would drop its derivative",
        "leave x as it is, np.stack([...]) for arrays in a list, np.zeros_like(x) instead of np.zeros(n) "
        "for a buffer, polyad.stop_gradient(x) where dropping it is meant",
    )


def handed(value: np.ndarray, dtype: Any, copy: bool | None) -> np.ndarray:
    """Plain numbers for code that is not followed, which cannot write to the box through them."""
    array = value.astype(dtype if dtype is not None else value.dtype)
    if not copy:
        array.flags.writeable = False
    return array


class Unread(str):
    """The text of a value that is not known yet: people may read it, programs may not."""

    def _refused(self, *args: Any) -> NoReturn:
        raise refuse("a text was made of a value that is not known yet", "use backend='numpy'")


for _name in "len iter getitem contains eq ne lt gt hash".split():
    setattr(Unread, f"__{_name}__", Unread._refused)
for _name in "find index count split partition strip startswith endswith replace encode".split():
    setattr(Unread, _name, Unread._refused)


def text(value: Any, spec: str) -> str:
    """A value as text: that of a number has to be its digits, or is not to be computed with."""
    LOOKED.bits += DIGITS  # a number may be made of the text again
    if not hasattr(value, "array"):
        return format(value, spec) if np.shape(value) == () else str(value)
    known = adapter(value.library).shown(value.array)
    if known is not None:
        return format(known, spec) if known.shape == () else str(known)
    if spec and not value.shape:
        raise refuse("a text was made of a value that is not known yet", "use backend='numpy'")
    return Unread(value.array)


def spelled(frame: types.FrameType, value: Any) -> float | None:
    """The number that a text is made of by ``"%g" % x``; None where something else asks for it."""
    step = next((i for i in dis.get_instructions(frame.f_code) if i.offset == frame.f_lasti), None)
    if step is None or step.opname != "BINARY_OP" or not step.argrepr.startswith("%"):
        return None
    if hasattr(value, "array"):
        return None
    LOOKED.bits += DIGITS
    return float(value)


def _solves(frame: types.FrameType | None) -> bool:
    """Whether the polynomial is wanted for its roots or for a fit, by factorisations of plain arrays."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(POLYNOMIALS):
        name = frame.f_code.co_name
        if name.endswith("fit") or (name.endswith("roots") and name != "fromroots"):
            return not name.endswith("fromroots")
        frame = frame.f_back
    return False


def _is_given_list(frame: types.FrameType) -> bool:
    """Whether the call that a frame is at makes an array of a list or a tuple."""
    call = call_at(frame)
    if (
        call is None
        or not call.args
        or getattr(call.func, "attr", getattr(call.func, "id", "")) not in ARRAYS
    ):
        return False
    given = call.args[0]
    if isinstance(given, ast.BinOp):  # [x] * 3, [x] + rows
        given = given.left if isinstance(given.left, ast.List | ast.Tuple | ast.Name) else given.right
    if isinstance(given, ast.Name):
        return isinstance(frame.f_locals.get(given.id, frame.f_globals.get(given.id)), list | tuple)
    if isinstance(given, ast.Call):
        return isinstance(given.func, ast.Name) and given.func.id in ("list", "tuple", "sorted")
    return isinstance(given, ast.List | ast.Tuple | ast.ListComp)
