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
from polyad.arrays.libraries import Library, library, library_of_kind
from polyad.arrays.memory import keep_pages
from polyad.arrays.trees import LEAF
from polyad.arrays.types import Leaves
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
NUMBERS = (float, np.float64)
PYTHONS = (float, int)
# what of an operator, a backend and a class of arguments there is to know, by the classes and by what was
# said of the backend; None where its calls are all for the general code
TABLE: dict[tuple[Any, Any, type], Usual | None] = {}
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
    if plain and args and AROUND.library is None:
        if not options or all([value is None or value is False for value in options.values()]):
            usual = _usual(made, backend, type(args[0]))
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


def _usual(made: type[Prepared], backend: Backend | str | None, kind: type) -> Usual | None:
    """What is known of an operator, a backend, and an active argument of that class."""
    if backend is not None and type(backend) is not str and "fast_path" not in vars(type(backend)):
        return None  # it may hold arrays, and would be kept with them
    key = made, backend, kind
    try:
        return TABLE[key]
    except KeyError:
        pass
    target = NUMPY if kind is np.ndarray or kind in NUMBERS else library_of_kind(kind)
    if target is None or not _is_simple(made, kind):
        return None  # a class that somebody makes anew is not kept
    chosen = in_use(default_backend(target.name) if backend is None else backend, target.name)
    if len(TABLE) >= MOST:  # of options that are made up anew at each call
        TABLE.clear()
    apt = type(chosen).fast_path and (target is NUMPY or chosen.library == target.name)
    found = TABLE[key] = Usual(made, chosen, target, number=kind in NUMBERS) if apt else None
    return found


def _is_simple(made: type[Prepared], kind: type) -> bool:
    """Whether an operator gives one array of one array or number, of a direction at most."""
    if not made.listed or made.rows or (made.scalar_input and kind is np.ndarray):
        return False
    return kind not in NUMBERS or (made.gives in ("input", "output") and made.lower in (None, "output"))


class Usual:
    """What of the single calls of an operator by a backend does not depend on the call.

    Parameters
    ----------
    made : type
        The class of the operator's prepared objects.
    backend : Backend
        Who differentiates.
    target : Library
        The library of the caller's arrays.
    number : bool
        Whether the active argument is a number.
    """

    __slots__ = (
        "_around", "_backend", "_doubles", "_enter", "_leave", "_made", "_make", "_number", "_pairs",
        "_plain", "_source", "_square", "_target", "_value",
    )  # fmt: skip

    def __init__(self, made: type[Prepared], backend: Backend, target: Library, *, number: bool) -> None:
        self._made, self._backend, self._number = made, backend, number
        # the kernel is the class's to make, of the backend and the problem alone
        bare = made.__new__(made)
        bare.batched = False
        self._make = bare._kernel
        self._around = Surroundings(backend)
        self._source = source = library(backend.library)
        self._target, self._doubles = target, target.doubles
        self._enter = converter(target, source)
        self._value = leaving(source, target, scalar=True)
        dtype = DOUBLE if made.gives == "input" else None
        leave = leaving(source, target, scalar=number or made.gives == "output", dtype=dtype)
        self._leave = None if source is target and not (number or made.gives == "output") else leave
        self._square = made.gives in ("hessian", "jacobian")
        self._pairs = made.seed_name == "w"
        # which numbers are constants as they are
        self._plain = PYTHONS if source is NUMPY else (float,)

    def takes(self, f: Any, args: tuple[Any, ...], seed: tuple[Any, ...]) -> bool:
        """Whether a call is of doubles, the first of which is active."""
        x, doubles, plain = args[0], self._doubles, self._target is NUMPY
        if not callable(f):
            return False
        if not self._number:
            if (n := doubles(x)) is None or (plain and not n.shape) or (self._made.scalar_input and n.shape):
                return False
        for a in args[1:]:
            if type(a) not in self._plain and doubles(a) is None:
                return False
        if not seed:
            return True
        (v,) = seed
        if type(v) in NUMBERS:
            return plain and (self._number or self._pairs)
        if (w := doubles(v)) is None:
            return False
        return self._pairs or (not self._number and w.shape == n.shape)

    def begin(self, f: Callable[..., Any], args: tuple[Any, ...]) -> Begun | None:
        """A call of that function; None where something is to be asked before it."""
        if not self._backend.hosts and exposed(f, len(args))[1]:
            return None
        made, arrays = self._made, any([type(a) not in PYTHONS for a in args[1:]])
        options: Any = {"scalar": made.scalar_output, "arrays": arrays, "plain": self._target is NUMPY}
        flat = SingleFunction(f, args, self._around, made.operator, **options)
        if flat.asks_for_types:
            return None
        return Begun(flat, (SEEN.count, LOOKED.so_far(), LOOKED.rules))

    def run(self, begun: Begun, args: tuple[Any, ...], seed: tuple[Any, ...], drop: int | None) -> Any:
        """What is wanted; None where the general code has to take over."""
        keep_pages(args, square=self._square)
        given: tuple[Any, ...] = args
        seeds: tuple[Leaves, ...] = (seed,) if seed else ()
        if self._number:
            given = (np.float64(args[0]), *args[1:])
        if seed and type(seed[0]) in NUMBERS:
            seeds = ((np.asarray(seed[0]),),)
        if self._enter is not None:
            enter = self._enter
            given = tuple([a if type(a) is float else enter(a) for a in given])
            seeds = (tuple(map(enter, seeds[0])),) if seed else ()
        x, c = given[:1], given[1:]
        try:
            problem = Problem(begun.flat, x, c, self._backend.outputs, label_of(begun.flat.function))
            begun.problem = problem
            ready = self._backend.finish(self._make(self._backend, problem), problem, seeds, prepared=False)
            begun.ready = ready
            if drop is None and not self._pairs:
                outcome: Any = ready.result(x, c, *seeds)
            else:
                outcome = ready.full(x, c, *seeds)
        except Exception as error:
            begun.failed = error
            return None
        if self._pairs:
            if not self._fits(outcome[1], seeds[0]):
                return None  # it is the general code that says why
            if drop is None:
                outcome = outcome[0]
        found = self._looked_at(begun, outcome, args, seed, drop)
        if found is None:
            begun.keep(outcome)
        return found

    def _fits(self, y: Leaves, w: Leaves) -> bool:
        """Whether a cotangent is like the output: an array of doubles of its shape."""
        if len(y) != 1:
            return False
        spec = self._source.spec(y[0])
        return bool(spec.dtype == DOUBLE) and spec.shape == tuple(w[0].shape)

    def _looked_at(
        self, begun: Begun, outcome: Any, args: tuple[Any, ...], seed: tuple[Any, ...], drop: int | None
    ) -> Any:
        """What is wanted of an outcome; None where there is anything to be looked into."""
        flat, before, made = begun.flat, begun.before, self._made
        if SEEN.count != before[0] or LOOKED.rules != before[2]:
            return None
        if LOOKED.so_far() - before[1] >= ENOUGH or flat.may_look or flat.y_structure is not LEAF:
            return None
        others = args + seed
        if drop is None:
            # of a second derivative alone some entry has to be seen, else the first would be looked at
            gives = "input" if made.lower == "output" else made.gives
            return self._array(outcome, others, gives, args)
        parts: list[Any] = [self._output(outcome[1])]
        if made.lower is not None:
            parts.append(self._array(outcome[3], others, made.lower, args))
            others = (*others, parts[1])
        if parts[-1] is None or parts[0] is None:
            return None
        gives = "input" if made.lower == "output" else made.gives
        parts.append(self._array(outcome[0], others, gives, args))
        return None if parts[-1] is None else tuple(parts[drop:])

    def _array(self, leaves: Leaves, others: tuple[Any, ...], gives: str, args: tuple[Any, ...]) -> Any:
        """The array of a result, in memory of its own; None where it is not to be handed out as it is."""
        (a,) = leaves
        if self._leave is not None:
            a = self._leave(a)
        if type(a) is np.float64:
            return a if a != 0.0 and a == a else None
        n = self._doubles(a)
        # of finite entries one of which is not zero the sum of squares is positive, of others it may be
        if n is None or not np.vdot(n, n) > 0.0:
            return None
        if gives == "output":
            if not n.all():
                return None
        elif gives == "jacobian" and not np.count_nonzero(n) == n.size:
            rows = n.reshape(-1, *n.shape[n.ndim - args[0].ndim :])
            if not rows.any(axis=tuple(range(1, rows.ndim))).all():
                return None
        return self._target.fresh(a, others)

    def _output(self, leaves: Leaves) -> Any:
        """The value, if it is a number or an array; in memory of its own, for it may be an argument."""
        (y,) = leaves
        y = self._value(y)
        if type(y) is np.float64:
            return y
        return None if self._doubles(y) is None else self._target.own(y)
