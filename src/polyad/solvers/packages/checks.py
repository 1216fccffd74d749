"""What the adapters ask of their arguments: packages would say something else later, or nothing."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.arrays.trees import LEAF
from polyad.arrays.types import Array
from polyad.call.function.flat import label_of
from polyad.call.prepared import Prepared
from polyad.errors import (
    ArgumentError,
    HolomorphicError,
    InputTypeError,
    OptionalPackageError,
    OutputTypeError,
)
from polyad.operators.differentiate_with import PreparedValue
from polyad.solvers.nlp.program import Program, program
from polyad.solvers.unknown import warn_of_precision
from polyad.sparse.backend import Sparse
from polyad.systems.registry import resolve

__all__ = [
    "array",
    "dense_hessian",
    "described",
    "function",
    "looked_at",
    "needing",
    "number",
    "program_of",
    "valued",
    "vector",
]


@contextlib.contextmanager
def needing(package: str, install: str) -> Iterator[None]:
    """Say how to install the package, where what stands within does not find it."""
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # something that it needs itself
            raise
        raise OptionalPackageError(f"{package} is not installed: pip install {install}") from error
    yield


def function(f: Any, what: str) -> None:
    """Refuse what cannot be called."""
    if not callable(f):
        raise ArgumentError(f"the {what} must be a function, and it is {f!r}")


def program_of(p: Any, what: str) -> Program:
    """A nonlinear program, and nothing else."""
    if not isinstance(p, Program):
        raise ArgumentError(
            f"{what} takes a nonlinear program, and got {p!r}: pass polyad.solvers.nlp.program(f, start, ...)"
        )
    return p


def array(given: Any, what: str) -> Array:
    """Finite real numbers as an array of float64, of its own shape."""
    owner = library_of(given)
    try:
        plain = np.asarray(given if owner is None else owner.to_numpy(given))
    except (TypeError, ValueError):
        plain = np.asarray(None)
    if plain.dtype.kind == "c":
        raise HolomorphicError(
            f"{what} is complex, and the package works with real numbers: pass real and imaginary parts as "
            "two, and put them together in the function"
        )
    if plain.dtype.kind not in "biuf":
        raise InputTypeError(f"{what} is {_short(given)}: pass an array of real numbers")
    found = plain.astype(np.float64)
    if not np.isfinite(found).all():
        at = np.argwhere(~np.isfinite(found))[0].tolist()
        where = f" at {at}" if at else ""
        raise ArgumentError(f"{what} is {found[tuple(at)]}{where}: pass finite numbers")
    return found


def vector(given: Any, what: str) -> Array:
    """Finite real numbers in one axis, at least one of them."""
    found = array(given, what)
    if found.ndim != 1 or not found.size:
        raise ArgumentError(
            f"{what} has shape {found.shape}: pass a vector, an array of one axis with entries"
        )
    return found


def number(given: Any, what: str) -> float:
    """One finite real number."""
    found = array(given, what)
    if found.size != 1:
        raise ArgumentError(f"{what} has shape {found.shape}: pass one number")
    return float(found.reshape(()))


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) < 60 else f"a {type(given).__name__}"


def described(
    f: Any, start: Any, args: tuple[Any, ...], backend: Any, follow: Any, *, starts: bool = True
) -> Program:
    """A function whose value is one number, with derivatives: a program without constraints, prepared.

    What cannot be differentiated is refused now, and so is a value that is no number where the package
    ``starts`` there.
    """
    made = program(f, start, *args, backend=backend, follow=follow)
    made.gradient(made.start)
    if starts and not np.isfinite(value := made.objective(made.start)):
        raise ArgumentError(
            f"{label_of(f)} is {value} at the start: start where its value is a finite number"
        )
    return made


def dense_hessian(p: Program, x: Array) -> Array:
    """The Hessian as an array."""
    return p.hessian_matrix(np.asarray(x, dtype=np.float64), np.zeros(0)).toarray()


def valued(
    f: Callable[..., Any], args: tuple[Any, ...], *, backend: Any, follow: Any, argnums: Any = 0
) -> Callable[..., Any]:
    """The function as the package calls it: NumPy code as it is, that of another framework through it."""
    found = resolve(backend)
    found = found._inner if isinstance(found, Sparse) else found
    if library(found.library).plain:
        return f
    return PreparedValue(f, args, backend=found, argnums=argnums, follow=follow)


def looked_at(made: Prepared, what: str, package: str, *, one: bool = True) -> int:
    """How many numbers a prepared function returns; refused where the package cannot take them.

    Of ``one`` array of real numbers, or of a tree of them. Fewer digits than those of float64 are told of.
    """
    outputs = made.problem.outputs
    if one and made._flat.y_structure is not LEAF:
        raise ArgumentError(
            f"the {what} returned a tree of {len(outputs)} array{'s' * (len(outputs) != 1)}, and {package} "
            "takes one: return them in one array (np.concatenate)"
        )
    for spec in outputs:
        if spec.is_complex:
            raise OutputTypeError(
                f"the {what} returned complex numbers, and {package} takes real ones: return real and "
                "imaginary parts in one array, np.concatenate([y.real, y.imag])"
            )
        if spec.is_inexact and np.finfo(spec.dtype).eps > np.finfo(np.float64).eps:
            warn_of_precision(f"the {what} returned {spec.dtype}", package)
    return sum(spec.size for spec in outputs)
