"""The user's function as backends see it: flat tuples of leaves in, flat tuples out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, is_number, library_of, spec_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.arrays.types import Leaves
from polyad.call.function.constants import Constants
from polyad.call.function.foreign_traces import array_in, lost
from polyad.call.function.lifting import Lifting
from polyad.call.function.mentions import Mentions
from polyad.call.function.remote import Remote
from polyad.call.function.surroundings import Surroundings
from polyad.call.inputs.signature import Signature
from polyad.errors import FunctionNotSupportedError, NonScalarOutputError, OutputTypeError
from polyad.systems.base import Backend

__all__ = ["FlatFunction", "label_of"]

OBJECT = np.dtype(object)
_DOUBLE = np.dtype(np.float64)
_PLAIN = (np.ndarray, np.generic, float)


class FlatFunction:
    """``f(x, c) -> (y, aux)`` on leaves; learns the structure of the output as it is called.

    Parameters
    ----------
    f : callable
        The user's function.
    signature : Signature
        How leaves become its arguments.
    backend : Backend
        Who turns stray numbers in the output into its own arrays.
    has_aux : bool
        Whether ``f`` returns ``(output, aux)``.
    operator : str
        For messages.
    scalar : bool
        Whether the operator needs a scalar output.
    """

    # the classes of outputs that are handed on as they are
    _kinds: set[type]
    _plain = _has_aux = False
    # whether the output is an array that a framework's own differentiation around us follows
    caught = False
    # whether such a differentiation is known to be there
    inside = False
    y_structure: Structure | None = None
    aux_structure: Structure | None = None
    _active: tuple[int, ...] = (0,)
    _caches: tuple[int, ...] = ()
    _lifting: Lifting | None = None
    _reach: Any = None
    # the function of another framework as NumPy code, where it is one
    replay: Any = None
    _lacking = ""

    def __init__(
        self,
        f: Callable[..., Any],
        signature: Signature,
        backend: Backend,
        *,
        has_aux: bool,
        operator: str,
        scalar: bool,
    ) -> None:
        self._f = f
        self._mentions = Mentions(f)
        self._signature = signature
        self._constants = Constants(f, signature)
        if self._constants.guards:
            self._guard()
        if signature.plain:
            self._passive = tuple(range(1, signature.count))
        else:
            arguments = signature.arguments
            self._passive = tuple([k for k, a in enumerate(arguments) if not a.active and a.static is None])
            self._caches = tuple([k for k, a in enumerate(arguments) if a.cache])
        self._active = signature.active
        around = Surroundings(backend)
        self._call: Callable[[Leaves, Leaves], Any] = self._constants
        if around.lifts_to:
            # few frameworks can write to their own arrays, and none follows all of it
            writes = bool(self._caches) and backend.lift is None
            self._lifting = self._call = around.lifting(
                self._mentions,
                self._constants,
                label_of(f),
                lift=writes and not self._mentions.library(around.lifts_to),
                numbers=any([type(leaf) is float for leaf in signature.x_leaves]),
                plain=all([isinstance(leaf, _PLAIN) for leaf in signature.x_leaves]),
            )
        self._output, self._numbers = around.output, around.numbers
        self._has_aux = has_aux
        self._takes_numbers = around.takes_numbers and not has_aux
        self._operator = operator
        self._scalar = scalar
        self._kinds = set()
        self._backend, self._may_replay = backend, backend.lift is not False

    def _guard(self) -> None:
        """Tell what keeps constants out of the function's reach how its code writes."""
        self._constants.may_write = self._mentions.writes
        if self._mentions.ignores_flags:
            self._constants.copy()

    def __call__(self, x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
        """Output and aux leaves for active and constant leaves."""
        out = self._call(x, c)
        kind = type(out)
        # one array, of a class that was seen: nothing is left to find out
        if (
            self._plain
            and kind in self._kinds
            and (not self._scalar or getattr(out, "ndim", None) == 0)
            and (kind is not np.ndarray or out.dtype is not OBJECT)
        ):
            return (out,), ()
        if self._takes_numbers and self.y_structure is None and is_number(out):
            self.y_structure, self._plain = LEAF, True
            self._kinds.add(kind)
            return (out,), ()
        if self._lifting is not None and self._lifting.lifted is False:  # decided: not to be asked again
            self._call = self._lifting.native
        y, aux, specs = self._read(out)
        if (
            self._scalar
            and specs[0].dtype is not _DOUBLE
            and specs[0].is_complex
            and not any(spec_of(a).is_complex for a in x)
        ):
            # with complex x it may be a complex step; complex arguments are checked at preparation
            raise NonScalarOutputError(complex_value(self._operator))
        self._plain = self.y_structure is LEAF and not self._has_aux
        if self._plain and y[0] is out:
            self._kinds.add(kind)
        return y, aux

    def plain(self, x: Leaves, c: Leaves) -> Any:
        """What the user's function returns of these leaves, none of them lifted."""
        return self._constants(x, c)

    @property
    def origins(self) -> tuple[Any, ...]:
        """The user's function, and the static arguments that it is handed as they are."""
        given = () if self._signature.plain else self._signature.arguments
        return self._f, *(a.static.value for a in given if a.static is not None)

    def follow(self, reach: Any) -> None:
        """Follow the function through the packages that it reaches (``engine.follow``)."""
        call: Callable[[Leaves, Leaves], Any] = self._constants
        self._constants.call_instead(reach.stands_for(self._f))
        if self._lifting is not None:
            call = self._lifting = self._lifting.forced()
        self._call = lambda x, c: reach.run(call, x, c)
        self._reach = reach
        self._plain, self.y_structure, self.aux_structure = False, None, None

    @property
    def lifted(self) -> bool:
        """Whether NumPy code is lifted to the framework's arrays."""
        return self._lifting is not None and bool(self._lifting.lifted)

    @property
    def stops(self) -> bool:
        """Whether the user's code drops derivatives by a framework's own means."""
        return self._mentions.stops

    @property
    def may_look(self) -> bool:
        """Whether the user's code may compare values in loops where nobody counts (``call.looks``)."""
        return self._lifting is not None and self._lifting.may_look

    @property
    def asks_for_numbers(self) -> bool:
        """Whether the user's code takes plain numbers out of arrays."""
        return self._mentions.numbers

    @property
    def is_native(self) -> bool:
        """Whether the user's function is one for the framework's arrays, to which boxes are nothing."""
        return self._lifting is not None and self._lifting.is_native

    @property
    def asks_for_types(self) -> bool:
        """Whether the user's code asks of what type things are (``call.asks``)."""
        if self._lifting is not None and self._lifting.lifted is False and self._lifting.is_named:
            return False  # it is made for the framework's arrays
        return self._mentions.types

    def remote(self, xs: Sequence[Leaves], c: Leaves) -> tuple[Remote, list[tuple[Any, ...]]]:
        """For other processes: the user's function with its constants, and the active arguments.

        ``Remote(arguments)`` gives the output; ``read`` makes leaves of it here, so that nothing but
        the user's function and arrays has to travel.
        """
        calls = [self._constants.arguments(x, c) for x in xs]
        caches = self._passive if self._constants.copies else self._caches
        return Remote(self._f, calls[0], self._active, caches), [
            tuple(args[p] for p in self._active) for args in calls
        ]

    def on_numbers(self, x: Leaves, c: Leaves) -> Leaves:
        """The output leaves on plain arrays, by nothing but the user's function."""
        if self.replay is not None:
            out = self.replay.on(None)(x, c)
            return tuple(flatten(out[0] if self._has_aux else out)[0])
        x = tuple([_as_example(a, e) for a, e in zip(x, self._signature.x_leaves, strict=True)])
        out = self._f(*self._constants.arguments(x, c))
        return tuple(flatten(out[0] if self._has_aux else out)[0])

    def on_engine(self) -> FlatFunction:
        """The same function for polyad's own engine, whatever arrays it was made for."""
        from polyad.systems.numpy.backend import NumPy

        made = self.for_backend(NumPy())
        if self._reach is not None:
            made.follow(self._reach)
        if self.replay is not None:
            made._use(self.replay)
        return made

    def relents(self, error: BaseException) -> bool:
        """Whether another run gets past an error: with constants to write to, or replayed."""
        return self._constants.relents(error) or self._replays(error)

    def _replays(self, error: BaseException) -> bool:
        """Whether the function is one of another framework, and is replayed from now on."""
        backend, signature = self._backend, self._signature
        if self._lacking:  # it was tried
            error.polyad_lacking = self._lacking  # type: ignore[attr-defined]
        if self._lacking or self.replay is not None or self._reach is not None or not self._may_replay:
            return False
        from polyad.call.function.replayed import replayed

        c = tuple([leaf for a in signature.arguments if not a.active for leaf in a.leaves])
        self.replay = replayed(error, backend, self, signature.x_leaves, c)
        if self.replay is None:
            self._lacking = getattr(error, "polyad_lacking", "")
            return False
        self._use(self.replay)
        return True

    def _use(self, replay: Any) -> None:
        self.replay, self._lifting, self._reach = replay, None, None
        self._call = replay.on(self._backend.lifts_to)
        self._plain, self.y_structure, self.aux_structure = False, None, None

    @property
    def function(self) -> Callable[..., Any]:
        """The user's function."""
        return self._f

    def for_backend(self, backend: Backend) -> FlatFunction:
        """The same function for another backend."""
        options: dict[str, Any] = {"operator": self._operator, "scalar": self._scalar}
        return FlatFunction(self._f, self._signature, backend, has_aux=self._has_aux, **options)

    def read(self, out: Any) -> tuple[Leaves, Leaves]:
        """Output and aux leaves of what the user's function returned."""
        return self._read(out)[:2]

    def _read(self, out: Any) -> tuple[Leaves, Leaves, list[ArraySpec]]:
        """As ``read``, with the specs of the output leaves."""
        if not self._has_aux:
            y, specs = self._checked(out)
            return y, (), specs
        if not (isinstance(out, tuple) and len(out) == 2):
            raise OutputTypeError(
                f"with has_aux=True the function must return (output, aux), not {_kind(out)}"
            )
        aux, structure = flatten(out[1])
        self.aux_structure = structure
        y, specs = self._checked(out[0])
        return y, aux, specs

    def _checked(self, out: Any) -> tuple[Leaves, list[ArraySpec]]:
        leaves, structure = flatten(out)
        first = self.y_structure is None
        if first:
            self.y_structure = structure
        elif structure != self.y_structure:
            raise OutputTypeError(
                f"the function returned {structure!r} now and {self.y_structure!r} before: "
                "its output must always have the same structure"
            )
        if not leaves:
            raise OutputTypeError(
                f"the function returned {_kind(out)}, which holds no numbers: did it forget a return?"
            )
        specs, released = [], []
        for leaf in leaves:
            leaf = _gathered(leaf) if _is_of_objects(leaf) else leaf
            owner = library_of(leaf)
            if owner is not None:  # what finished differentiations left in it is no part of it
                plain = owner.released(leaf)
                if plain is not leaf:
                    leaf, owner = plain, library_of(plain)
            released.append(leaf)
            if owner is None:
                from polyad.call.function.foreign import returned

                raise OutputTypeError(
                    f"the function returned {_kind(leaf)}: {self._operator} needs numbers, arrays or "
                    f"trees of them{returned(leaf)}"
                )
            if first and owner.boxes:
                if self._numbers is not None:
                    raise lost(leaf._value, self._numbers)
                self._check_array_in(leaf)
            spec = owner.spec(leaf)
            specs.append(spec)
            if spec.dtype is _DOUBLE:
                continue
            if spec.kind == "O":
                raise OutputTypeError(
                    "the function returned an array of objects: return an array of numbers, which np.stack "
                    "makes of a list of them"
                )
            if not spec.is_inexact and not spec.weak:
                raise OutputTypeError(
                    f"the function returned {spec.dtype}, which has no derivative: return floating-point "
                    "numbers"
                )
        leaves = tuple(released)
        if self._scalar:
            if len(specs) > 1 or specs[0].shape != ():
                self._check_scalar(leaves)
        return leaves if self._output is None else tuple(map(self._output, leaves)), specs

    def _check_array_in(self, leaf: Any) -> None:
        """See whether an output computed with a framework's arrays belongs to a differentiation around us."""
        array = array_in(leaf)
        owner = None if array is None else library_of(array)
        if owner is None:
            return
        if not (self.inside or owner.is_traced(array)):
            error = FunctionNotSupportedError(
                f"{label_of(self._f)} computes with arrays of {owner.name} among NumPy's, as if written for "
                f"{owner.name}: use backend={owner.name!r}, or make NumPy arrays of them, np.asarray(a)"
            )
            error.polyad_framework = owner.module  # type: ignore[attr-defined]
            raise error
        self.caught = True

    def _check_scalar(self, leaves: Leaves) -> None:
        shapes = [tuple(getattr(leaf, "shape", ())) for leaf in leaves]
        if shapes == [()]:
            return
        if len(shapes) > 1:
            raise NonScalarOutputError(
                f"output is a tree of {len(shapes)} leaves, {self._operator} needs a scalar: use jacobian, "
                "or has_aux=True to return more than the value"
            )
        hint = "return y[0] instead of y, or use jacobian" if shapes[0] == (1,) else "use jacobian"
        raise NonScalarOutputError(f"output has shape {shapes[0]}, {self._operator} needs a scalar: {hint}")


def _as_example(a: Any, example: Any) -> Any:
    """Plain numbers as the caller passes them: one of Python's, one of NumPy's, or an array without axes."""
    if a.shape or isinstance(example, np.ndarray):
        return a
    return float(a) if type(example) is float else a[()]


def _is_of_objects(leaf: Any) -> bool:
    return getattr(leaf, "dtype", None) is OBJECT


def _gathered(leaf: Any) -> Any:
    """What NumPy made of a list of numbers that are being differentiated, as one array again."""
    from polyad.engine.run import whole

    return whole(leaf)


def complex_value(operator: str) -> str:
    """The message for a scalar that is no real number."""
    return f"output is complex, {operator} needs a real scalar: return its real part"


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def label_of(f: Callable[..., Any]) -> str:
    """The name by which messages call a function."""
    return getattr(f, "__qualname__", None) or type(f).__name__
