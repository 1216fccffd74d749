"""Running the plain function once, before any backend runs it.

* It happens in a process of its own, under the time limit: the function may hang, print or end it.
* What makes every comparison meaningless is found here and said once: an output that is no number or
  is not finite, a function that gives another result at its second call, an operator that does not
  suit the output.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import flatten
from polyad.benchmark.address import Address
from polyad.benchmark.agreement import distance, where_not_finite
from polyad.benchmark.events import CAUGHT, Event, Report, Task, failure
from polyad.benchmark.timing import fresh
from polyad.call.function.flat import label_of
from polyad.call.inputs.arguments import Static
from polyad.errors import (
    ArgumentError,
    InputTypeError,
    NonScalarOutputError,
    OutputTypeError,
    PolyadError,
    TangentMismatchError,
)
from polyad.systems.finite.backend import FiniteDifferences

__all__ = ["SCALAR", "Plain", "differing", "function_of", "look", "plain_call", "values_of"]

Arrays = tuple[np.ndarray[Any, Any], ...]

NUMBERS = np.ndarray | np.generic | complex | float | int

# the operators of a scalar function where none is named, and of any other
SCALAR, OTHER = ("gradient", "hvp"), ("jacobian",)

# errors by which no backend could differentiate the function
OF_THE_FUNCTION = (
    ArgumentError,
    InputTypeError,
    NonScalarOutputError,
    OutputTypeError,
    TangentMismatchError,
)


@dataclasses.dataclass(frozen=True)
class Plain:
    """What a look at the function found.

    Parameters
    ----------
    operators : tuple of str
        Those to run: the ones that were asked for, else those that suit the output.
    writes : tuple of int
        Positions of the arguments that the function writes to.
    values : tuple of arrays or None
        What it gave.
    """

    operators: tuple[str, ...]
    writes: tuple[int, ...] = ()
    values: Arrays | None = None


def look(task: Task, report: Report) -> None:
    """Run the plain function and report ``"plain"``, or ``"refused"``, or ``"failed"``."""
    report(Event("phase", data="loading f"))
    try:
        f = function_of(task)
    except PolyadError as error:
        report(Event("refused", data=(type(error).__name__, str(error))))
        return
    name = task.f.label if isinstance(task.f, Address) else label_of(f)
    report(Event("phase", data="running f itself"))
    try:
        _check_call(f, task.args)
        args = fresh(task.args)
        try:
            output = plain_call(f, args)
        except CAUGHT as error:
            report(failure("", error))
            return
        _look_at(f, task, output, args, report)
    except OF_THE_FUNCTION as error:
        report(Event("refused", data=(type(error).__name__, f"{name}: {error}")))


def _look_at(f: Callable[..., Any], task: Task, output: Any, args: tuple[Any, ...], report: Report) -> None:
    leaves = _leaves(output, has_aux=task.has_aux)
    values = _values(leaves)
    operators = task.operators or OTHER
    if values is not None:
        _check_finite(values)
        if not task.operators and len(values) == 1 and values[0].ndim == 0:
            operators = SCALAR
    # a framework's own arrays are for that framework to judge
    if values is None or all(owner is not None and owner.plain for owner in map(library_of, leaves)):
        for operator in operators:
            prepare = getattr(importlib.import_module(f"polyad.operators.{operator}"), f"prepare_{operator}")
            try:
                prepared = prepare(
                    f,
                    *fresh(task.args),
                    backend=FiniteDifferences(),
                    argnums=task.argnums,
                    has_aux=task.has_aux,
                )
                prepared.problem.outputs  # noqa: B018  (finding them runs the function and looks at what it gives)
            except OF_THE_FUNCTION:
                raise
            except CAUGHT:
                continue  # an operator that only differences cannot do may be done by the others
    writes = tuple(k for k, (a, b) in enumerate(zip(args, task.args, strict=True)) if not _same(a, b))
    report(Event("plain", data=Plain(operators, writes, values)))
    if values is None:
        return
    report(Event("phase", data="running f again"))
    try:
        again = values_of(plain_call(f, fresh(task.args)), has_aux=task.has_aux)
    except CAUGHT as error:
        raise ArgumentError(
            f"a second call with the same arguments fails with {type(error).__name__}: {error}"
        ) from None
    words = differing(values, again)
    if words:
        raise ArgumentError(
            f"two calls with the same arguments give {words}: it draws random numbers or keeps a state, and "
            "such results cannot be compared. Make the result depend on the arguments alone, as by "
            "rng = np.random.default_rng(0) inside of it"
        )


def differing(a: Arrays | None, b: Arrays | None) -> str:
    """Two outputs in words where they are not the same up to rounding; empty where they are."""
    if a is None or b is None:
        return "" if a is b else f"{_short(a)} and {_short(b)}"
    eps = max((float(np.finfo(v.dtype).eps) for v in (*a, *b) if v.dtype.kind in "fc"), default=1e-16)
    # sums of many threads differ in their last digits, draws of random numbers in the first
    return "" if distance(a, b) <= eps**0.75 else f"{_short(a)} and {_short(b)}"


def values_of(output: Any, *, has_aux: bool) -> Arrays | None:
    """The output's leaves as NumPy arrays; None where it holds something else than numbers."""
    return _values(_leaves(output, has_aux=has_aux))


def function_of(task: Task) -> Callable[..., Any]:
    """The function itself, found where the task has its address."""
    return task.f.find() if isinstance(task.f, Address) else task.f


def plain_call(f: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The function called as the user would call it."""
    return f(*(a.value if isinstance(a, Static) else a for a in args))


def _check_call(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return  # a builtin does not say
    try:
        signature.bind(*args)
    except TypeError as error:
        raise ArgumentError(f"it does not take these arguments: TypeError: {error}") from None


def _leaves(output: Any, *, has_aux: bool) -> list[Any]:
    if has_aux and isinstance(output, tuple) and len(output) == 2:
        output = output[0]
    return list(flatten(output)[0])


def _values(leaves: list[Any]) -> Arrays | None:
    """The output's leaves as NumPy arrays; None where it holds something else than numbers."""
    arrays = []
    for leaf in leaves:
        owner = library_of(leaf)
        if owner is None:
            return None
        arrays.append(np.array(owner.to_numpy(leaf)))
    return tuple(arrays) if arrays and all(a.dtype.kind in "biufc" for a in arrays) else None


def _check_finite(values: Arrays) -> None:
    where = where_not_finite(values)
    if where:
        raise ArgumentError(
            f"its value is {where} at these arguments, so no derivative there can be called right: "
            "choose another point"
        )


def _same(a: Any, b: Any) -> bool:
    """Whether an argument is as it was."""
    if isinstance(a, Static):
        a, b = a.value, b.value
    one, other = flatten(a)[0], flatten(b)[0]
    if len(one) != len(other):
        return False
    for x, y in zip(one, other, strict=True):
        owner = library_of(x)
        if owner is None:
            continue
        x, y = np.asarray(owner.to_numpy(x)), np.asarray(owner.to_numpy(y))
        if x.shape != y.shape or not np.array_equal(x, y, equal_nan=x.dtype.kind in "fc"):
            return False
    return True


def _short(values: Arrays | None) -> str:
    if values is None:
        return "no numbers"
    text = functools.partial(np.array2string, precision=6, threshold=4, edgeitems=1)
    return " and ".join(" ".join(text(v).split()) for v in values[:2])
