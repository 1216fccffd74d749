"""A list of operations on arrays, written down while they were computed on examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.core.floating import same
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import keys_of
from polyad.engine.interpretations.example import Example

__all__ = ["LIMIT", "Captured", "Cell", "Constant", "Operation", "Recording", "Variable"]

# operations from which on a program would cost more to prepare than it could ever save
LIMIT = 200_000
_DOUBLE = np.dtype(np.float64)
_NOTHING: dict[str, Any] = {}
_new = object.__new__


class Captured(Exception):
    """The function uses a value that an enclosing differentiation traces, which no program can contain."""


class Variable:
    """The name of an array in a program, with what is known of it."""

    __slots__ = ("dtype", "fortran", "shape", "strides")

    def __init__(self, value: Any) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] = _DOUBLE
        self.fortran = False
        self.strides: tuple[int, ...] | None = None  # in entries, where they are not the usual ones
        if type(value) is np.float64:  # most of long programs are numbers, whose attributes take time
            return
        self.shape, self.dtype = value.shape, value.dtype
        flags = value.flags
        self.fortran = flags.f_contiguous and not flags.c_contiguous
        if not flags.c_contiguous:
            self.strides = tuple(s // value.itemsize for s in value.strides)

    @property
    def size(self) -> int:
        """Number of entries."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def like(self) -> Variable:
        """Another one of the same kind."""
        other = object.__new__(Variable)
        other.shape, other.dtype, other.fortran = self.shape, self.dtype, self.fortran
        other.strides = self.strides
        return other

    def __repr__(self) -> str:
        return f"<{self.dtype}{list(self.shape)} at {id(self):x}>"


class Constant:
    """An array that is part of a program, as it was when it was used."""

    __slots__ = ("value",)

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the entries."""
        return self.value.dtype


class Cell(Example):
    """An array under recording: an example of its values, and its name.

    Parameters
    ----------
    value : numpy.ndarray or numpy.generic
        The example.
    source : Variable or Constant
        The name.
    recording : Recording or None
        Where operations on it are written down; None for a constant.
    """

    __slots__ = ("recording", "source")

    refusal = ("a value was demanded of an array under recording", "polyad.NumPy(compile=False)")

    def __init__(self, value: Any, source: Variable | Constant, recording: Recording | None) -> None:
        self.value, self.source, self.recording = value, source, recording

    def __repr__(self) -> str:
        return f"recorded {self.value!r}"


@dataclasses.dataclass(slots=True, eq=False)
class Operation:
    """One step: ``results = compute(*operands, **params)``; operands are variables, constants, numbers."""

    name: str
    compute: Callable[..., Any]
    operands: tuple[Any, ...]
    params: dict[str, Any]
    results: tuple[Variable, ...]
    multiple: bool = False

    def replace(
        self,
        operands: tuple[Any, ...] | None = None,
        *,
        params: dict[str, Any] | None = None,
        results: tuple[Variable, ...] | None = None,
    ) -> Operation:
        """The same step with others; ``dataclasses.replace`` takes three times as long."""
        return Operation(
            self.name,
            self.compute,
            self.operands if operands is None else operands,
            self.params if params is None else params,
            self.results if results is None else results,
            self.multiple,
        )

    def variables(self) -> list[Variable]:
        """The variables that it reads."""
        found = [a for a in self.operands if type(a) is Variable]
        index = self.params.get("index") if self.params else None
        if index is not None:
            found += [k for k in keys_of(index) if type(k) is Variable]
        return found


class Recording:
    """What a recording writes to."""

    def __init__(self, outer: Recording | None = None, *, is_body: bool = False) -> None:
        self.operations: list[Operation] = []
        self.inputs: list[Variable] = []
        self.outer = outer
        # of the body of a loop: what everything is at the examples, where derivatives of it are recorded
        self.values: dict[Variable, Any] | None = {} if is_body else None
        # of the body of a loop: what it takes from around itself, by identity, and its name within
        self.captured: dict[int, tuple[Any, Cell]] = {}
        self._held: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def enter(self, value: Any) -> Cell:
        """An input of the program."""
        variable = Variable(value)
        self.inputs.append(variable)
        return Cell(value, variable, self)

    def capture(self, value: Any, example: Any) -> Cell:
        """What the body of a loop takes from around itself, as an input."""
        known = self.captured.get(id(value))
        if known is None:
            known = self.captured[id(value)] = (value, self.enter(example))
        return known[1]

    def is_within(self, other: Recording | None) -> bool:
        """Whether this is the recording of a loop's body, within the other one."""
        outer = self.outer
        while outer is not None and outer is not other:
            outer = outer.outer
        return outer is not None

    def held(self, a: np.ndarray) -> np.ndarray:
        """The array as it is now, whatever is written to it later."""
        known = self._held.get(id(a))
        if known is not None and same(a, known[1]):
            return known[1]
        copy = a.copy()
        copy.flags.writeable = False
        self._held[id(a)] = (a, copy)  # both, so that the id is not reused
        return copy

    def append(
        self,
        name: str,
        compute: Callable[..., Any],
        operands: Sequence[Any],
        params: dict[str, Any],
        y: Any,
    ) -> Any:
        """Write an operation down whose result on the examples is ``y``."""
        if len(self.operations) >= LIMIT:
            raise refuse(
                f"the derivative has more than {LIMIT} operations on arrays, too many for a compiled program",
                "use functions of whole arrays, or polyad.NumPy(compile=False)",
            )
        multiple = isinstance(y, tuple | list)
        known = tuple([Constant(self.held(a)) if isinstance(a, np.ndarray) else a for a in operands])
        if not multiple and not params:
            part = y if type(y) is np.float64 else np.asarray(y)[()]
            result = Variable(part)
            self.operations.append(Operation(name, compute, known, params, (result,)))
            if self.values is not None:
                self.values[result] = part
            return Cell(part, result, self)
        parts = [np.asarray(part)[()] for part in y] if multiple else [np.asarray(y)[()]]
        results = tuple(map(Variable, parts))
        if self.values is not None:
            self.values.update(zip(results, parts, strict=True))
        if "index" in params:
            params = {**params, "index": self._index(params["index"])}
        self.operations.append(Operation(name, compute, known, params, results, multiple))
        cells = tuple(Cell(part, v, self) for part, v in zip(parts, results, strict=True))
        return cells if multiple else cells[0]

    def append_number(
        self, name: str, compute: Callable[..., Any], operands: tuple[Any, ...], y: np.float64
    ) -> Cell:
        """The same for a number of numbers, which most operations of long programs are."""
        if len(self.operations) >= LIMIT or self.values is not None:
            cell: Cell = self.append(name, compute, operands, {}, y)
            return cell
        result = _new(Variable)
        result.shape, result.dtype, result.fortran, result.strides = (), _DOUBLE, False, None
        self.operations.append(Operation(name, compute, operands, _NOTHING, (result,)))
        return Cell(y, result, self)

    def demand(self, check: Callable[..., Any], operands: Sequence[Any]) -> None:
        """Let every run of the program make a check, which raises."""
        known = tuple(Constant(self.held(a)) if isinstance(a, np.ndarray) else a for a in operands)
        self.operations.append(Operation("check", check, known, {}, ()))

    def _index(self, index: Any) -> Any:
        if type(index) is tuple:
            return tuple(map(self._index, index))
        return self.held(index) if isinstance(index, np.ndarray) else index
