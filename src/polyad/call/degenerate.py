"""Equal eigenvalues under other frameworks, which have no rule for them: polyad's own engine takes over.

Where NumPy code is lifted to a framework, the rules of eigenvectors are those of single operations, which
divide by the distance of the eigenvalues. Whether there is a limit where that is zero shows in
what the whole function makes of the vectors, and only the engine can see that (``engine.rules.degenerate``).
A framework's answer is an error there, or not a number where it computes without looking at values. So
then the same function is differentiated by the engine at this point, or refused with the reason.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.arrays.types import Leaves
from polyad.arrays.user_code import stack_level
from polyad.call.function.flat import label_of
from polyad.call.saved.known import remembered
from polyad.call.undefined import has_nan, numbers
from polyad.engine.notices import SEEN
from polyad.errors import DegenerateError, DomainError, NonFiniteWarning, PolyadError
from polyad.systems.contract import Executable, Kernel, Linearized, Unkept
from polyad.systems.numpy.backend import NumPy

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["finished", "has_limits", "is_degenerate", "is_undefined", "linear_by_engine", "tell"]


def has_limits(prepared: Prepared) -> bool:
    """Whether the engine may stand in for a backend: that of another system, with nothing around it."""
    backend = prepared.backend
    of_blocks = prepared.operator not in backend.own_forms
    return backend.exact and of_blocks and not isinstance(backend, NumPy) and prepared._guests is None


def finished(prepared: Prepared, kernel: Kernel, seeds: tuple[Leaves, ...], before: int) -> Executable:
    """The executable of a kernel, which turns to the engine where eigenvalues are equal.

    For a single call it is made so at that call (``checked.looking``).
    """
    finish, problem = prepared.backend.finish, prepared.problem
    if prepared._image is not None and (known := remembered(prepared, kernel, seeds)) is not None:
        return known
    try:
        executable = finish(kernel, problem, seeds, prepared=not prepared.once)
    except Exception as error:  # it looked at the example's eigenvalues
        if prepared.once or SEEN.count == before or not is_degenerate(error) or not has_limits(prepared):
            raise
        executable = finish(kernel, problem, seeds, prepared=False)
    return executable if prepared.once else knowing_limits(prepared, executable, before)


def knowing_limits(prepared: Prepared, executable: Executable, before: int) -> Executable:
    """An executable that turns to the engine where eigenvalues or singular values are equal.

    Parameters
    ----------
    prepared : Prepared
        The operator, its problem ready.
    executable : Executable
        Its finished kernel; it stays as it is where the function has no eigenvalues.
    before : int
        The count of eigenvalues that this thread had asked for before the preparation began.
    """
    if not has_limits(prepared):
        return executable
    if not prepared.once:
        if prepared.backend.by_value:  # of which preparation has not run the function yet
            prepared.problem.outputs  # noqa: B018
        if SEEN.count == before:
            return executable

    def instead(error: Exception, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...]) -> Any:
        if SEEN.count == before and prepared.once:
            raise error
        if not is_degenerate(error):
            raise error
        try:
            outcome = _by_engine(prepared, x, c, seeds)
        except DegenerateError:
            raise
        except Exception:  # it was something else
            outcome = None
        if outcome is None:
            raise error
        return outcome

    def looked_at(outcome: Any, result: Leaves, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...]) -> Any:
        """The outcome, unless it is not a number somewhere; then the engine's, if it has one."""
        if (SEEN.count == before and prepared.once) or not is_undefined(result):
            return outcome
        try:
            limits = _by_engine(prepared, x, c, seeds)
        except DegenerateError:
            raise
        except PolyadError:
            limits = None
        if limits is None:
            tell(prepared)
            return outcome
        return limits if outcome is not result else limits[0]

    def full(x: Leaves, c: Leaves, *seeds: Leaves) -> Any:
        try:
            outcome = executable.full(x, c, *seeds)
        except Exception as error:
            return instead(error, x, c, seeds)
        return looked_at(outcome, outcome[0], x, c, seeds)

    def result(x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        try:
            leaves = executable.result(x, c, *seeds)
        except Exception as error:
            by_engine: Leaves = instead(error, x, c, seeds)[0]
            return by_engine
        return looked_at(leaves, leaves, x, c, seeds)

    def image() -> Any:
        raise Unkept("where eigenvalues are equal, polyad's own engine takes over")

    return Executable(full, result, executable.strategy, exclusive=executable.exclusive, image=image)


def is_degenerate(error: Exception) -> bool:
    """Whether equal eigenvalues may be what an error is about, or what it was made of."""
    cause: BaseException | None = error
    seen: set[int] = set()
    # an error that was kept and is raised again while one made of it is handled has itself below
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, DegenerateError | DomainError):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def is_undefined(leaves: Leaves) -> bool:
    """Whether some entry is not a number, as far as there are numbers now."""
    return any(map(has_nan, leaves))


def _by_engine(prepared: Prepared, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...]) -> Any:
    """The whole outcome by the engine, in the framework's arrays; None where there are no values."""
    args, known = _opened(prepared, x, c), tuple(tuple(map(_open, leaves)) for leaves in seeds)
    if args is None or any(a is None for leaves in known for a in leaves):
        return None
    seed = prepared._seeds.structure.unflatten(known[0]) if prepared._seeds is not None else None
    made = prepared._again(args, seed=seed, backend=NumPy(), once=True)
    outcome = made._executable.full(*made._enter(args), *known)
    for name in ("y_structure", "aux_structure"):  # which the framework may not have come to learn
        if getattr(prepared._flat, name) is None:
            setattr(prepared._flat, name, getattr(made._flat, name))
    return tuple(_back(prepared, group) for group in outcome)


def linear_by_engine(prepared: Prepared) -> Linearized | None:
    """A linearization at the same point, on the framework's arrays; None where there are no values."""
    args = _opened(prepared, prepared.problem.x, prepared.problem.c)
    if args is None:
        return None
    made: Any = prepared._again(args, backend=NumPy())
    linear: Linearized = made._linear

    def product(of: Any) -> Any:
        return lambda seeds: _back(prepared, of(tuple(map(_open, seeds))))

    many = product(linear.push_batched), product(linear.pull_batched)
    y, aux = _back(prepared, linear.y), _back(prepared, linear.aux)
    return Linearized(y, aux, product(linear.push), product(linear.pull), *many, linear.strategy)


def _open(leaf: Any) -> Any:
    return leaf if library_of(leaf) is None else numbers(leaf)


def _opened(prepared: Prepared, x: Leaves, c: Leaves) -> tuple[Any, ...] | None:
    """The arguments in plain arrays; None where one has no values."""
    active, rest = tuple(map(_open, x)), tuple(map(_open, c))
    if any(a is None and b is not None for a, b in zip((*active, *rest), (*x, *c), strict=True)):
        return None
    return prepared.signature.rebuild(active, rest)


def _back(prepared: Prepared, leaves: Leaves) -> Leaves:
    """Leaves in the framework's arrays."""
    enter = library(prepared.backend.library).from_numpy
    return tuple(enter(np.asarray(a)) if isinstance(a, np.ndarray | np.generic) else a for a in leaves)


def tell(prepared: Prepared) -> None:
    """Warn of a result that is not a number and that the engine knows nothing better for."""
    warnings.warn(
        f"the {prepared.operator} of {label_of(prepared.f)} by {prepared.backend!r} is not a number, as "
        "where eigenvalues or singular values are equal: backend='numpy' tells where",
        NonFiniteWarning,
        stacklevel=stack_level(),
    )
