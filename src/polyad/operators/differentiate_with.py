"""``differentiate_with``: a function for any framework, which a backend computes and differentiates.

The framework around it (the *host*) asks for values, pushforwards and pullbacks, and the backend (the
*guest*) computes them with plain numbers (``systems.derive.delegated``). Where both are one framework there
is nothing to ask: the function runs on the host's arrays.
"""

from __future__ import annotations

import functools
import itertools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from polyad.arrays.libraries import Library, is_followed, library, library_of, spec_of
from polyad.arrays.trees import Structure, flatten
from polyad.call.prepared import Prepared
from polyad.combine.guest import exposed
from polyad.combine.hosted import on_arrays
from polyad.engine import lift
from polyad.errors import (
    ArgumentError,
    DependenceError,
    FunctionNotSupportedError,
    OutputTypeError,
    PolyadError,
    UnsupportedOperatorError,
)
from polyad.operators.vjp import vjp
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem
from polyad.systems.derive.delegated import delegated
from polyad.systems.registry import resolve

__all__ = ["differentiate_with"]

KEPT = 32  # functions of one bridge: for other shapes, and for other whole numbers


class PreparedValue(Prepared):
    """The function itself, prepared like its derivatives."""

    operator = "differentiate_with"
    gives = "output"
    differentiates = False
    listed = False

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.value(problem)

    def __call__(self, *args: Any) -> Any:
        """The value at ``args``."""
        return self._call(args, None)

    @property
    def returns(self) -> Any:
        """The structure of the output."""
        return self._flat.y_structure


def differentiate_with(f: Callable[..., Any], backend: Backend | str) -> Callable[..., Any]:
    """A function that any framework can call and differentiate, while ``backend`` does the work inside.

    Parameters
    ----------
    f : callable
        A function of arrays and numbers, or trees of them, that gives such: NumPy code, or code of the
        backend's framework.
    backend : Backend or str
        Who computes values and derivatives.

    Returns
    -------
    callable
        The function, to be called with arrays of JAX, torch or autograd, within their transformations, in
        functions that polyad's operators differentiate by any backend, and with NumPy's arrays. What it
        gives has arrays of the same library.

    Raises
    ------
    polyad.errors.ArgumentError
        If ``f`` is no function. When it is called: if there is no array of real numbers among the
        arguments, something else than arrays and numbers, or real and whole numbers in one tree.
    polyad.errors.FunctionNotSupportedError
        When it is called: if arrays of two frameworks meet, ``f`` takes a value from around itself that is
        differentiated, or whole numbers have no values because a framework traces them.
    polyad.errors.UnsupportedOperatorError
        If the backend cannot differentiate its own derivatives (SymPy, differences, pairs).
    polyad.errors.OutputTypeError
        When it is called: if the result is not real numbers.

    See Also
    --------
    SecondOrder : Two backends for second derivatives only.
    custom_rule : For functions whose derivative is written by hand.

    Notes
    -----
    Every array of real numbers is differentiated where the framework around it asks for that. Whole numbers
    and booleans are part of the function: other ones are prepared anew, and so are other shapes. What ``f``
    takes from around itself is a constant.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> f = ad.differentiate_with(lambda x, a: np.sum(a * np.sin(x)), "numpy")
    >>> ad.gradient(lambda x: f(x, x) ** 2, np.array([0.0, np.pi / 2])).round(6)
    array([0.      , 3.141593])
    """
    if not callable(f):
        raise ArgumentError(f"differentiate_with takes the function first, and f is {f!r}")
    found = resolve(backend)
    if not found.nestable:
        raise UnsupportedOperatorError(
            f"{found!r} cannot differentiate its own derivatives, so that another framework could not ask it "
            "for all that it needs: differentiate_with takes 'numpy', 'jax', 'torch', 'autograd' or 'casadi'"
        )
    return _Bridge(f, found)


class _Bridge:
    """What ``differentiate_with`` returns."""

    def __init__(self, f: Callable[..., Any], backend: Backend) -> None:
        functools.update_wrapper(self, f, updated=())
        self.f, self.backend = f, backend
        self.label = str(getattr(f, "__name__", type(f).__name__))
        self._made: OrderedDict[Any, _Made] = OrderedDict()
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<{self.label}, differentiated with {self.backend!r}>"

    def __call__(self, *args: Any) -> Any:
        """The function at ``args``, for whoever follows these."""
        if any(map(is_followed, exposed(self.f, len(args))[1])):
            raise FunctionNotSupportedError(
                f"{self.label} takes a value from around itself that is differentiated or traced, which "
                f"{self.backend!r} would count as a constant: make it an argument"
            )
        opened = [flatten(a) for a in args]
        places = [k for k, (leaves, _) in enumerate(opened) for _ in leaves]
        leaves = [a for part, _ in opened for a in part]
        given = [self._checked(k, a) for k, a in zip(places, leaves, strict=True)]
        kinds = [spec_of(a).kind for a in given]
        active = tuple(k for k, kind in enumerate(kinds) if kind == "f")
        whole = {k for k, kind in zip(places, kinds, strict=True) if kind != "f"}
        mixed = whole.intersection(places[k] for k in active)
        if mixed:
            raise ArgumentError(
                f"argument {min(mixed)} of {self.label} has real and whole numbers in one tree, and whole "
                "numbers are part of the function: pass them as arguments of their own"
            )
        if not active:
            raise ArgumentError(
                f"{self.label} is called with no array of real numbers, so there is nothing to "
                "differentiate: pass one, or call the function itself"
            )
        # a Python number becomes what it would be beside the others
        strong = [spec_of(given[k]).dtype for k in active if not spec_of(given[k]).weak]
        for k in active:
            if spec_of(given[k]).weak and not is_followed(given[k]):
                given[k] = np.array(given[k], dtype=np.result_type(*strong) if strong else np.float64)
        host = self._host(given)
        made = self._prepared(given, active, tuple([structure for _, structure in opened]))
        return made.call(host, tuple([given[k] for k in active]))

    def _checked(self, place: int, a: Any) -> Any:
        """An argument that is an array or number; whole numbers are plain afterwards."""
        owner = library_of(a)
        kind = None if owner is None else spec_of(a).kind
        if owner is None or kind not in tuple("fiub"):
            what = "complex numbers" if kind == "c" else f"a {type(a).__name__}"
            raise ArgumentError(
                f"argument {place} of {self.label} is {what}, or has one: differentiate_with takes arrays of "
                "real and whole numbers, and trees of them; let the function take the rest from around "
                "itself, or write functools.partial(f, ...)"
            )
        if kind == "f":
            return a
        if is_followed(a):
            found = lift.numbers_in(a) if owner.boxes else None
            if found is None:
                raise FunctionNotSupportedError(
                    f"argument {place} of {self.label} is whole numbers, which have no values while a "
                    f"framework traces around {self.backend!r}: let the function take them from around "
                    "itself, or make them static there"
                )
            return np.array(found)
        plain = owner.to_numpy(a) if owner.is_foreign else lift.unlift(a)
        return a if owner.plain and not isinstance(a, np.ndarray) else np.array(plain)

    def _host(self, given: list[Any]) -> Library | None:
        """Whose arrays come in: None for plain ones."""
        found = {owner for a in given if (owner := library_of(a)) is not None and not owner.plain}
        if len(found) > 1:
            names = " and ".join(sorted(owner.name for owner in found))
            raise FunctionNotSupportedError(
                f"arrays of {names} meet in {self.label}, and only one of them can differentiate around "
                f"{self.backend!r}: convert the others first"
            )
        return next(iter(found), None)

    def _prepared(
        self, given: list[Any], active: tuple[int, ...], structures: tuple[Structure, ...]
    ) -> _Made:
        forms = tuple(
            (spec_of(a).shape, spec_of(a).dtype.str, None)
            if k in active
            else (np.shape(a), type(a), np.asarray(a).dtype.str, np.asarray(a).tobytes())
            for k, a in enumerate(given)
        )
        key = (forms, structures)
        with self._lock:
            found = self._made.get(key)
            if found is None:
                flat = iter([_example(a) if k in active else a for k, a in enumerate(given)])
                examples, argnums, start = [], [], 0
                for k, structure in enumerate(structures):
                    examples.append(structure.unflatten(itertools.islice(flat, structure.count)))
                    argnums += [k] if start in active else []
                    start += structure.count
                make = functools.partial(
                    _Made, self.f, tuple(examples), tuple(argnums), self.backend, self.label
                )
                found = _apart(self.backend, make)
                self._made[key] = found
                if len(self._made) > KEPT:
                    self._made.popitem(last=False)
            else:
                self._made.move_to_end(key)
            return found


class _Made:
    """The function for arguments of these forms."""

    def __init__(
        self,
        f: Callable[..., Any],
        examples: tuple[Any, ...],
        active: tuple[int, ...],
        backend: Backend,
        label: str,
    ) -> None:
        self.label = label
        self.prepared = prepared = PreparedValue(f, examples, argnums=active, backend=backend)
        self.backend, self.problem = prepared.backend, prepared.problem
        self.outputs = self.problem.outputs
        if any(spec.kind != "f" for spec in self.outputs):
            found = ", ".join(map(str, self.outputs))
            raise OutputTypeError(
                f"{label} returns {found}, and differentiate_with takes functions whose result is real "
                "numbers: call the function itself where no derivative is meant"
            )
        # a function that loses its derivative is refused as by the operators
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ones = [np.ones(spec.shape, dtype=spec.dtype) for spec in self.outputs]
                w = prepared.returns.unflatten(ones)
                vjp(f, *examples, w=w, argnums=active, backend=backend)
        except DependenceError:
            raise
        except PolyadError:
            pass  # of these examples, or of one direction: who asks for it is told
        whole = self.problem
        bound = Problem(lambda x, _: whole.f(x, whole.c), whole.x, (), lambda _: whole.outputs, label)
        # the value once, so that a number stays one
        kernel = Kernel(lambda x, c: (bound.f(x, c)[0], (), ()), "evaluation")
        self.portable = delegated(self.backend, kernel, bound, ())
        self._calls: dict[Any, Callable[..., Any]] = {}

    def call(self, host: Library | None, x: Leaves) -> Any:
        """The result on the host's arrays."""
        return self.prepared.returns.unflatten(self._leaves(host, x))

    def _leaves(self, host: Library | None, x: Leaves) -> Sequence[Any]:
        if host is not None and host.boxes:
            return self.portable.call(x, ())[0]
        if host is not None and host.name == self.backend.library and self.backend.nestable:
            moved = tuple(a if library_of(a) is host else host.from_numpy(np.array(a)) for a in x)
            found = self.problem.f(moved, self.problem.c)[0]
            return self._promised([host.own(y) if any(y is a for a in moved) else y for y in found])
        if host is None:
            found = _apart(self.backend, lambda: tuple(map(lift.unlift, self.portable.call(x, ())[0])))
            return self._promised([np.array(y)[()] for y in found])
        if host.name not in self._calls:
            self._calls[host.name] = on_arrays(self.portable.call, host.name)
        return self._promised(self._calls[host.name](x, ())[0])

    def _promised(self, leaves: Sequence[Any]) -> Sequence[Any]:
        for y, output in zip(leaves, self.outputs, strict=True):
            found = spec_of(y).dtype
            if found != output.dtype:
                raise FunctionNotSupportedError(
                    f"{self.label} gives {output.dtype}, and the framework around it made {found} of that: "
                    "let it keep this dtype (jax.config.update('jax_enable_x64', True) in JAX), or convert "
                    "the result in the function"
                )
        return leaves


def _apart(backend: Backend, compute: Callable[[], Any]) -> Any:
    """A computation with plain numbers, where no trace around it makes it a part of itself."""
    if not library(backend.library).stages:
        return compute()
    with ThreadPoolExecutor(1) as alone:  # a trace is of one thread
        return alone.submit(compute).result()


def _example(a: Any) -> np.ndarray:
    """A plain array like an argument: its numbers where there are some now, else ones."""
    spec = spec_of(a)
    owner = library_of(a)
    found = None
    if owner is not None and not owner.plain:
        found = lift.numbers_in(a) if owner.boxes or owner.is_traced(a) else owner.to_numpy(a)
    elif owner is not None:
        found = a
    if found is None:
        return np.ones(spec.shape, dtype=spec.dtype)
    return np.array(found, dtype=spec.dtype).reshape(spec.shape)
