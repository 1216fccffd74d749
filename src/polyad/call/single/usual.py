"""The fast path of a call that is made for one.

Most of what a prepared object is made of serves calls that come later, or does not depend on the function:
who differentiates, how arrays enter and leave. For an operator and a backend the latter is found out once
(``Usual``), in a table that knows neither functions nor arrays. What is left of a single call of arrays of
doubles is to run the kernel and to look at what it gives. Whatever is not usual there, an error, a zero, an
entry that is no number, a value that something around follows, is for the general code: a prepared object of
a single call, which takes over what has been done (``Begun``) and alone knows what to do with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.conversion import converter, leaving
from polyad.arrays.libraries import library
from polyad.arrays.memory import keep_pages
from polyad.arrays.trees import LEAF
from polyad.arrays.types import Array, Leaves
from polyad.call.function.flat import label_of
from polyad.call.function.foreign_traces import AROUND
from polyad.call.function.surroundings import Surroundings
from polyad.call.looks import ENOUGH
from polyad.call.single.begun import Begun
from polyad.call.single.function import SingleFunction
from polyad.combine.guest import exposed
from polyad.engine.notices import LOOKED, SEEN
from polyad.systems.base import Backend
from polyad.systems.contract import Problem
from polyad.systems.registry import default_backend, in_use

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["single"]

DOUBLE = np.dtype(np.float64)
NUMPY = library("numpy")
# what of an operator and a backend there is to know, by the class and by what was said of the backend; None
# where its calls are all for the general code
TABLE: dict[tuple[Any, Any], Usual | None] = {}
# so many are remembered
MOST = 512


def single(
    made: type[Prepared],
    f: Callable[..., Any],
    args: tuple[Any, ...],
    seed: tuple[Any, ...] = (),
    *,
    out: Any = None,
    drop: int | None = None,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    **options: Any,
) -> Any:
    """What an operator gives that is called for one function at one point.

    Parameters
    ----------
    made : type
        The class of its prepared objects.
    f : callable
        The function.
    args : tuple
        Its arguments.
    seed : tuple
        The direction of a product.
    out : array or tree, optional
        Where to write the result.
    drop : int, optional
        Value, lower derivative and result are wanted but for so many of the first; None: the result alone.
    backend, argnums, has_aux, follow, **options
        As the operator takes them.
    """
    begun = None
    plain = out is None and type(argnums) is int and argnums == 0 and not has_aux and follow is None
    if plain and AROUND.library is None:
        if not options or all([value is None or value is False for value in options.values()]):
            usual = _usual(made, backend)
            if usual is not None and usual.takes(f, args, seed):
                begun = usual.begin(f, args)
                if begun is not None:
                    found = usual.run(begun, args, seed, drop)
                    if found is not None:
                        return found
    if seed:
        options["seed"] = seed[0]
    options.update(backend=backend, argnums=argnums, has_aux=has_aux, follow=follow)
    prepared = made(f, args, once=True, begun=begun, **options)
    if drop is None:
        return prepared._call(args, out, *seed)
    return prepared._value_and(args, out, *seed, drop=drop)


def _usual(made: type[Prepared], backend: Backend | str | None) -> Usual | None:
    """What is known of an operator and a backend."""
    if backend is None:
        backend = default_backend(NUMPY.name)
    if type(backend) is not str and "fast_path" not in vars(type(backend)):
        return None  # it may hold arrays, and would be kept with them
    key = made, backend
    try:
        return TABLE[key]
    except KeyError:
        chosen = in_use(backend, NUMPY.name)
        if len(TABLE) >= MOST:  # of options that are made up anew at each call
            TABLE.clear()
        found = TABLE[key] = Usual(made, chosen) if type(chosen).fast_path and _is_simple(made) else None
        return found


def _is_simple(made: type[Prepared]) -> bool:
    """Whether an operator gives one array of one array, of a direction at most."""
    shaped = made.gives in ("input", "hessian", "jacobian") and made.lower in (None, "input")
    return shaped and made.listed and not made.scalar_input and made.seed_name in (None, "v")


class Usual:
    """What of the single calls of an operator by a backend does not depend on the call.

    Parameters
    ----------
    made : type
        The class of the operator's prepared objects.
    backend : Backend
        Who differentiates.
    """

    __slots__ = ("_around", "_backend", "_enter", "_leave", "_made", "_make", "_square", "_value")

    def __init__(self, made: type[Prepared], backend: Backend) -> None:
        self._made, self._backend = made, backend
        # the kernel is the class's to make, of the backend and the problem alone
        bare = made.__new__(made)
        bare.batched = False
        self._make = bare._kernel
        self._around = Surroundings(backend)
        source = library(backend.library)
        self._enter = converter(NUMPY, source)
        dtype = DOUBLE if made.gives == "input" else None
        self._leave = None if source is NUMPY else leaving(source, NUMPY, scalar=False, dtype=dtype)
        self._value = leaving(source, NUMPY, scalar=True)
        self._square = made.gives != "input"

    def takes(self, f: Any, args: tuple[Any, ...], seed: tuple[Any, ...]) -> bool:
        """Whether a call is of arrays of doubles, the first of which is active, and of numbers."""
        if not (args and callable(f)):
            return False
        x = args[0]
        if type(x) is not np.ndarray or x.dtype is not DOUBLE or not x.shape:
            return False
        for a in args[1:]:
            if type(a) is not float and (type(a) is not np.ndarray or a.dtype is not DOUBLE):
                return False
        if self._made.seed_name is None:
            return True
        (v,) = seed
        return type(v) is np.ndarray and v.dtype is DOUBLE and v.shape == x.shape

    def begin(self, f: Callable[..., Any], args: tuple[Any, ...]) -> Begun | None:
        """A call of that function; None where something is to be asked before it."""
        if not self._backend.hosts and exposed(f, len(args))[1]:
            return None
        made, arrays = self._made, any([type(a) is np.ndarray for a in args[1:]])
        flat = SingleFunction(f, args, self._around, made.operator, scalar=made.scalar_output, arrays=arrays)
        if flat.asks_for_types:
            return None
        return Begun(flat, (SEEN.count, LOOKED.so_far(), LOOKED.rules))

    def run(self, begun: Begun, args: tuple[Any, ...], seed: tuple[Any, ...], drop: int | None) -> Any:
        """What is wanted; None where the general code has to take over."""
        keep_pages(args, square=self._square)
        given, seeds = args, (seed,) if seed else ()
        if self._enter is not None:
            enter = self._enter
            given = tuple([a if type(a) is float else enter(a) for a in args])
            seeds = (tuple(map(enter, seed)),) if seed else ()
        x, c = given[:1], given[1:]
        try:
            problem = Problem(begun.flat, x, c, self._backend.outputs, label_of(begun.flat.function))
            begun.problem = problem
            ready = self._backend.finish(self._make(self._backend, problem), problem, seeds, prepared=False)
            begun.ready = ready
            outcome: Any = ready.result(x, c, *seeds) if drop is None else ready.full(x, c, *seeds)
        except Exception as error:
            begun.failed = error
            return None
        found = self._looked_at(begun, outcome, args, seed, drop)
        if found is None:
            begun.keep(outcome)
        return found

    def _looked_at(
        self, begun: Begun, outcome: Any, args: tuple[Any, ...], seed: tuple[Any, ...], drop: int | None
    ) -> Any:
        """What is wanted of an outcome; None where there is anything to be looked into."""
        flat, before = begun.flat, begun.before
        if SEEN.count != before[0] or LOOKED.rules != before[2]:
            return None
        if LOOKED.so_far() - before[1] >= ENOUGH or flat.may_look or flat.y_structure is not LEAF:
            return None
        others = args + seed
        if drop is None:
            return self._array(outcome, others, args[0].ndim)
        parts: list[Any] = [self._output(outcome[1])]
        if self._made.lower is not None:
            parts.append(self._array(outcome[3], others, 0))
            others = (*others, parts[1])
        if parts[-1] is None or parts[0] is None:
            return None
        parts.append(self._array(outcome[0], others, args[0].ndim))
        return None if parts[-1] is None else tuple(parts[drop:])

    def _array(self, leaves: Leaves, others: tuple[Any, ...], ndim: int) -> Array | None:
        """The array of a result, in memory of its own; None where it is not to be handed out as it is."""
        (a,) = leaves
        if self._leave is not None:
            a = self._leave(a)
        # of finite entries one of which is not zero the sum of squares is positive, of others it may be
        if type(a) is not np.ndarray or a.dtype is not DOUBLE or not np.vdot(a, a) > 0.0:
            return None
        if self._made.gives == "jacobian" and not np.count_nonzero(a) == a.size:
            rows = a.reshape(-1, *a.shape[a.ndim - ndim :])
            if not rows.any(axis=tuple(range(1, rows.ndim))).all():
                return None
        found: Array = NUMPY.fresh(a, others)
        return found

    def _output(self, leaves: Leaves) -> Any:
        """The value, if it is a number or an array; in memory of its own, for it may be an argument."""
        (y,) = leaves
        y = self._value(y)
        if type(y) is np.ndarray and y.dtype is DOUBLE:
            return y.copy()
        return y if type(y) is np.float64 else None
