"""Values, primitives and levels.

* A **value** is what primitives compute with: a NumPy array or number, or a **tracer**, which is
  immutable and stands for an array under some interpretation: ``Dual`` carries tangents, ``Node``
  is recorded on a tape, ``Proxy`` holds an array of another library.
* A **primitive** applied to values looks for the tracer of the highest level among them and lets
  its class process the operation; without a tracer it is computed by NumPy. The rules of an
  interpretation are written in primitives and operators on values, so they meet the tracers of
  lower levels and nest to any order.
* Every differentiation has a **level** of its own, higher than all before it. An inner one begins
  after the outer one, so the tangents of two of them are never confused, in any thread.
* Operands are positional and may be tracers; parameters (axes, shapes, indices) are keywords. Only
  an index may hold a tracer, a ``Proxy``.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.engine.core.floating import SHARP, silent

__all__ = [
    "ALIVE",
    "LOOKED",
    "PRIMITIVES",
    "SEEN",
    "Binary",
    "Primitive",
    "Tracer",
    "Value",
    "axis_of",
    "base",
    "is_over",
    "is_real",
    "keys_of",
    "look",
    "ndim_of",
    "new_level",
    "settled",
    "shape_of",
    "under_way",
]

Value = Any

# Level 0 is the proxy's. A count is atomic and only grows, so threads may share it.
# Levels are even; the odd one right below a tape's is for tangents that the tape adds itself.
_LEVELS = itertools.count(2, 2)


def new_level() -> int:
    """A level above every level that exists."""
    return next(_LEVELS)


# The levels of the differentiations that are running, of all threads. A value of any other level was kept
# beyond the end of its differentiation, and is a constant from then on.
ALIVE: set[int] = set()


@contextlib.contextmanager
def under_way() -> Iterator[int]:
    """A new level, alive within the block."""
    level = new_level()
    try:  # Ctrl-C may come between any two calls
        ALIVE.add(level)
        yield level
    finally:
        ALIVE.discard(level)


def settled(value: Value) -> Value:
    """A value without what finished differentiations have put around it."""
    while isinstance(value, Tracer) and value.level > 0 and value.level not in ALIVE:
        value = value.lower()
    return value


def is_over(value: Value) -> bool:
    """Whether a value is left over from a differentiation that is finished."""
    if not isinstance(value, Tracer):
        return not ALIVE
    run = value.level or value.run
    return run > 0 and run not in ALIVE


class _Seen(threading.local):
    """How often this thread has asked for eigenvalues or singular values of another library's arrays."""

    count = 0


SEEN = _Seen()


class _Looked(threading.local):
    """How many bits this thread has learnt of values that are being differentiated, and defined rules used.

    A comparison tells one bit of a number, and passes no derivative on. What is computed from it is constant
    in pieces; with so many bits that the pieces are too small to be seen, it is a number like any other, and
    its derivative is lost (``call.looks``).
    """

    bits = 0
    rules = 0

    def so_far(self) -> int:
        """All bits, those of comparisons of numbers too, of whichever thread: too many do no harm."""
        return self.bits + look()


LOOKED = _Looked()
# a bit of a number: the quickest way to count, since a loop may do nothing else
look = itertools.count().__next__


class Tracer:
    """An immutable stand-in for an array.

    Subclasses have the slot ``level`` and the properties ``shape`` and ``dtype``; the operators are
    given to this class by ``rules.arithmetic``.
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that NumPy's operators leave the work to the reflected ones here

    level: int
    run = 0  # of the values at level 0, the level of the run that they belong to
    shape: tuple[int, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        from polyad.engine.core.refusals import refuse

        raise refuse(
            "an operation that needs values met an array that has none yet",
            "use backend='numpy', or write this part in the framework's own functions",
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        part = PRIMITIVES["getitem"]
        return (part(self, index=k) for k in range(len(self)))

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        """The primitive's result under the interpretation; this tracer has the highest level."""
        raise NotImplementedError

    def with_value(self, primitive: Binary, a: Value, b: Value) -> Value:
        """``process`` of two operands, of which this one has the highest level."""
        return self.process(primitive, (a, b), {})

    def with_number(self, primitive: Binary, a: Value, b: Value, side: int) -> Value:
        """``process`` where the operand on the right (``side`` 0) or left (1) is a Python number."""
        return self.process(primitive, (a, b), {})

    def lower(self) -> Value:
        """The value one level down."""
        raise NotImplementedError


# Common primitives whose derivative is infinite, or does not exist, at some point; see ``Tape.steep``.
STEEP = frozenset(
    "log log2 log10 log1p sqrt cbrt reciprocal divide power arcsin arccos arccosh arctanh arctan2 tan xlogy "
    "xlog1py entr logit gammaln exp exp2 expm1 sinh cosh".split()
)


# What takes some entries of its operands and leaves others; see ``interpretations.gates``.
CHOICES = frozenset("where maximum minimum fmax fmin max min setitem getitem".split())
# The rules of a primitive: the tangent of the result; what makes a pullback at a point; the pullback itself.
Push = Callable[..., Value]
Pull = Callable[[Value], Value]
PullMaker = Callable[..., Pull]


class Primitive:
    """One operation: how it is computed, and its rules.

    Parameters
    ----------
    name : str
        Its name, under which another library's version is looked up.
    compute : callable
        ``compute(*args, **params)`` on NumPy arrays.
    push : callable, optional
        ``push(y, tangents, *args, **params)``: the tangent of the result. A tangent has one more
        leading axis than its value, and is None where the operand is constant; not all are.
    pulls : tuple of callable, optional
        For each operand ``pull(y, *args, **params)``, giving a callable from the cotangent of the
        result to that of the operand. Arrays are kept only as long as that callable refers to them.
    joint : callable, optional
        Instead of ``pulls``: ``joint(which, y, *args, **params)`` gives a callable from the
        cotangent to a tuple, one for each operand numbered in ``which``.
    multiple : bool
        Whether the result is a tuple; ``y``, tangent and cotangent then are tuples as well.
    lazy : bool
        Whether the pullback accepts a cotangent that only broadcasts to the shape of the result.
    home : {"numpy", "scipy.special"}
        The namespace that the name is from: functions of this name elsewhere may be other functions.
    """

    __slots__ = (
        "chooses", "compute", "home", "joint", "lazy", "masks", "multiple", "name", "pulls", "push", "steep",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        compute: Callable[..., Any],
        push: Push | None = None,
        pulls: tuple[PullMaker, ...] = (),
        *,
        joint: Callable[..., Callable[[Value], tuple[Value, ...]]] | None = None,
        multiple: bool = False,
        lazy: bool = False,
        home: str = "numpy",
    ) -> None:
        self.name = name
        self.home = home
        self.compute = compute
        self.push = silent(push) if push is not None and name in SHARP else push
        self.pulls = pulls
        self.joint = joint
        self.multiple = multiple
        self.lazy = lazy
        self.steep = name in STEEP
        self.chooses = name in CHOICES
        self.masks = self.chooses and name != "getitem"  # see ``interpretations.masked``
        PRIMITIVES[name] = self

    def __call__(self, *args: Value, **params: Any) -> Value:
        if len(args) == 1:
            a = args[0]
            return a.process(self, args, params) if isinstance(a, Tracer) else self.compute(a, **params)
        top: Tracer | None = None
        for a in args:
            if isinstance(a, Tracer) and (top is None or a.level > top.level):
                top = a
        if top is None:
            return self.compute(*args, **params)
        return top.process(self, args, params)

    @property
    def is_constant(self) -> bool:
        """Whether it is constant in pieces, or makes something of shapes only: it has no rules."""
        return self.push is None and not self.pulls and self.joint is None

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


class Binary(Primitive):
    """A primitive of two operands without parameters; most operations are, so their calls are written out.

    Parameters
    ----------
    numbers : tuple of callable
        The rules where one operand is a Python number, for which nothing broadcasts:
        ``push(y, t, a, b)`` and ``pull(y, a, b)`` for a number on the right, then on the left.
    """

    __slots__ = ("numbers",)

    def __init__(
        self,
        name: str,
        compute: Callable[..., Any],
        push: Push,
        pulls: tuple[PullMaker, ...],
        numbers: tuple[Callable[..., Any], ...],
    ) -> None:
        super().__init__(name, compute, push, pulls, lazy=True)
        self.numbers = numbers

    def __call__(self, a: Value, b: Value) -> Value:
        if isinstance(a, Tracer):
            if isinstance(b, Tracer):
                return a.with_value(self, a, b) if a.level >= b.level else b.with_value(self, a, b)
            kind = type(b)
            return a.with_number(self, a, b, 0) if kind is float or kind is int else a.with_value(self, a, b)
        if isinstance(b, Tracer):
            kind = type(a)
            return b.with_number(self, a, b, 1) if kind is float or kind is int else b.with_value(self, a, b)
        return self.compute(a, b)


PRIMITIVES: dict[str, Primitive] = {}


def shape_of(a: Value) -> tuple[int, ...]:
    """The shape of a value; Python numbers have none."""
    return getattr(a, "shape", ())  # asked once only, because a tracer calculates its shape


def ndim_of(a: Value) -> int:
    """Number of axes of a value."""
    if type(a) is np.ndarray:
        return a.ndim
    return a.ndim if hasattr(a, "shape") else 0


def keys_of(index: Any) -> tuple[Any, ...]:
    """The keys of an index, which are one where it is no tuple."""
    return index if type(index) is tuple else (index,)


def axis_of(axis: int, ndim: int) -> int:
    """An axis counted from the front; NumPy's error where there is none."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


_F8 = np.dtype(np.float64)


def is_real(a: Value) -> bool:
    """Whether a value is real; asked at every operation, so the common answer comes first."""
    dtype = getattr(a, "dtype", None)
    if dtype is not None:
        return dtype is _F8 or dtype.kind != "c"
    return type(a) is not complex


def dtype_of(a: Value) -> np.dtype[Any]:
    """The NumPy dtype of a value."""
    return a.dtype if hasattr(a, "dtype") else np.dtype(type(a))


def base(a: Value) -> Value:
    """The value under all derivatives: a NumPy array or number, or a ``Proxy``."""
    while isinstance(a, Tracer) and a.level > 0:
        a = a.lower()
    return a
