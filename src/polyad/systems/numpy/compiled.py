"""A derivative of NumPy code as a program: recorded once, replayed without Python's dispatch.

* The kernel runs once on recorded arrays; what it did is made shorter and written as Python code, on
  numbers where everything is small, on arrays elsewhere.
* Active leaves, seeds and floating-point constants are inputs of the program. Other constants
  (integers, truth values, objects) are part of it: other values get a program of their own, and the last
  few are kept.
* Before it is used, a program is run at the recorded point and beside it, and compared with the kernel.
* Buffers belong to one call at a time: each thread takes a slot from the pool, or makes another.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.memory import collector_paused
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.boxes.box import Box
from polyad.engine.core.refusals import Deviates
from polyad.engine.programs.recording import Captured
from polyad.errors import DegenerateError, FunctionNotSupportedError, OperationNotSupportedError
from polyad.systems.contract import Executable, Kernel, Leaves, Problem, Unkept, strategy_of

__all__ = ["are_plain", "compiled"]

KEPT = 8  # programs of one kernel for other integers and other batches
# A program with all that a kernel gives serves for its result alone if that is so much of the work.
NEARLY = 0.97
LARGE = 2000  # operations from which on a second program is written only when it is called

# what a program raises where the function is to be run itself, which may raise it as well
OTHERWISE = (Deviates, DegenerateError, np.linalg.LinAlgError)

# what a recorded kernel is besides its programs
KEPT_FIELDS = ("_frozen", "_places", "_counts", "_fixed", "single", "words")

_WIDE = (np.dtype(np.float64), np.dtype(np.complex128))


def compiled(kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> Executable:
    """A kernel as a compiled program."""
    found = Compiled(kernel, problem, seeds)
    first = found.first
    bare = found.bare if first.single else None
    words = f"{strategy_of(kernel)}, {first.words}"
    return Executable(found.full, found.result, words, bare, exclusive=bare is not None, image=found.image)


class Compiled:
    """A kernel with the programs that it has needed so far.

    Parameters
    ----------
    kernel : callable
        What an operator of the backend returned.
    problem : Problem
        Its problem.
    seeds : tuple
        Examples of the seeds.
    """

    def __init__(self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> None:
        self._kernel = kernel
        self._problem = problem
        self._lock = threading.RLock()
        self._programs: OrderedDict[Any, RecordedKernel] = OrderedDict()
        wide = all(_dtype(leaf) in _WIDE for leaf in (*problem.x, *problem.c) if _is_inexact(leaf))
        self._frozen = [k for k, leaf in enumerate(problem.c) if not _is_recorded(leaf, wide)]
        self._ins, self._count = len(problem.x), len(problem.x) + len(problem.c)
        self._seed_shapes = _shapes(seeds)
        if getattr(kernel, "image", None) is not None:
            self._key, self.first = RecordedKernel.restored(kernel, problem.label)
            self._programs[self._key] = self.first
            return
        self._key = self._key_of(problem.c, seeds)
        self.first = self._program(problem.x, problem.c, seeds)

    def image(self) -> bytes:
        """The program of the preparation, with what it is a program for."""
        from polyad.engine.programs.image import packed

        try:
            return packed((self._key, self.first.state()))
        except Exception as error:
            raise Unkept(f"its program cannot be written ({type(error).__name__}: {error})") from error

    @property
    def bare(self) -> Callable[..., Any]:
        """From all leaves in a row to the only leaf of the result."""
        first, ins, count, shapes = self.first.bare, self._ins, self._count, self._seed_shapes
        direct = not self._frozen

        def call(*leaves: Any) -> Any:
            usual = direct and (not shapes or tuple([a.shape for a in leaves[count:]]) == shapes)
            for leaf in leaves:
                if type(leaf) is not np.ndarray and type(leaf) is not float:
                    usual = False
            if usual:
                try:
                    return first(leaves)
                except OTHERWISE:
                    pass
            seeds = (leaves[count:],) if len(leaves) > count else ()
            return self.result(leaves[:ins], leaves[ins:count], *seeds)[0]

        return call

    def full(self, x: Leaves, c: Leaves, *seeds: Leaves) -> tuple[Leaves, ...]:
        """All that the kernel gives."""
        if not are_plain(x, c, *seeds):
            return self._kernel(x, c, *seeds)
        try:
            return self._program(x, c, seeds).full((x, c, *seeds))
        except OTHERWISE:
            return self._kernel(x, c, *seeds)

    def result(self, x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        """Its result alone."""
        if not are_plain(x, c, *seeds):
            return self._kernel(x, c, *seeds)[0]
        try:
            return self._program(x, c, seeds).result((x, c, *seeds))
        except OTHERWISE:
            return self._kernel(x, c, *seeds)[0]

    def _program(self, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...]) -> RecordedKernel:
        key = self._key_of(c, seeds)
        with self._lock:
            found = self._programs.get(key)
            if found is None:
                found = self._programs[key] = self._recorded(x, c, seeds)
                if len(self._programs) > KEPT:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(key)
        return found

    def _key_of(self, c: Leaves, seeds: tuple[Leaves, ...]) -> Any:
        return (_shapes(seeds), *[_identity(c[k]) for k in self._frozen])

    def _recorded(self, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...]) -> RecordedKernel:
        try:
            with collector_paused():
                return RecordedKernel(self._kernel, (x, c, *seeds), self._frozen, self._problem.label)
        except OperationNotSupportedError as error:
            reason = str(error)
            if "compile=False" not in reason and self._runs(x, c, seeds):
                reason += "; polyad.NumPy(compile=False) runs the function on values"
            raise FunctionNotSupportedError(
                f"{self._problem.label} cannot be compiled to a program: {reason}"
            ) from error
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            self._kernel(*_each(lambda place, leaf: _copied(leaf), (x, c, *seeds)))  # or it is the user's own
            raise FunctionNotSupportedError(
                f"{self._problem.label} cannot be compiled to a program, as it demands values of its "
                f"arguments ({type(error).__name__}: {error}): use polyad.NumPy(compile=False)"
            ) from error

    def _runs(self, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...]) -> bool:
        """Whether what cannot be compiled is followed on values."""
        try:
            self._kernel(*_each(lambda place, leaf: _copied(leaf), (x, c, *seeds)))
        except Exception:
            return False
        return True


class RecordedKernel:
    """The programs of a kernel at one set of frozen constants and shapes.

    Parameters
    ----------
    kernel : callable
        The kernel.
    args : tuple of tuple
        Examples of all its arguments.
    frozen : sequence of int
        Which constants are part of the program.
    label : str
        The user's name for the function.
    """

    def __init__(self, kernel: Kernel, args: tuple[Leaves, ...], frozen: Sequence[int], label: str) -> None:
        from polyad.engine import run
        from polyad.engine.core.values import Tracer
        from polyad.engine.programs.code import Code
        from polyad.engine.programs.recording import Cell, Recording
        from polyad.engine.programs.simplify import optimised

        self._label = label
        self._kernel = kernel
        self._frozen = {(1, k) for k in frozen}
        tape = Recording()

        def entered(place: tuple[int, int], leaf: Any) -> Any:
            if place in self._frozen:
                return _copied(leaf)
            return run.lift("recording", tape.enter(run.enter(leaf)))

        self._places = [
            (g, k) for g, leaves in enumerate(args) for k in range(len(leaves)) if (g, k) not in self._frozen
        ]
        boxes = _each(entered, args)
        with run.under_way():
            outcome = [tuple(map(run.unlift, group)) for group in kernel(*boxes)]
        self._counts = [len(group) for group in outcome]
        leaves = [leaf for group in outcome for leaf in group]
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            raise Captured
        computed = [type(leaf) is Cell for leaf in leaves]
        self._fixed = [None if own else (leaf,) for own, leaf in zip(computed, leaves, strict=True)]
        variables = [leaf.source for own, leaf in zip(computed, leaves, strict=True) if own]
        self.single = self._counts[0] == 1 and computed[0]
        program = optimised(tape.inputs, tape.operations, variables)
        first = program.first(sum(computed[: self._counts[0]]))
        everything = Code(program, label)
        self._full = self._result = everything
        if len(first.operations) < NEARLY * len(program.operations):
            self._result = Code(first, label)
        self.words = f"compiled to {self._result.words}"
        values = [leaf.value if own else leaf for own, leaf in zip(computed, leaves, strict=True)]
        if everything.operations < LARGE:
            self._check(args, values)
        else:
            self._check(args, values[: self._counts[0]])

    # -- files --------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What another process makes the same of."""
        codes = [self._full] if self._result is self._full else [self._full, self._result]
        return {
            "fields": {k: getattr(self, k) for k in KEPT_FIELDS},
            "codes": [(code.text, code.words) for code in codes],
        }

    @classmethod
    def restored(cls, kernel: Kernel, label: str) -> tuple[Any, RecordedKernel]:
        """A recorded kernel out of a file, and the key that it is known by."""
        from polyad.engine.programs.code import Code
        from polyad.engine.programs.image import unpacked

        try:
            key, state = unpacked(kernel.image)
            made = object.__new__(cls)
            vars(made).update(state["fields"])
            made._label, made._kernel = label, kernel
            codes = [Code.of(text, label, words) for text, words in state["codes"]]
        except Exception as error:
            raise Unkept(f"its program cannot be read here ({type(error).__name__}: {error})") from error
        made._full, made._result = codes[0], codes[-1]
        return key, made

    # -- the calls ----------------------------------------------------------------------------------

    def bare(self, leaves: Sequence[Any]) -> Any:
        """The only leaf of the result, of leaves in a row."""
        return self._result.call(*leaves)[0]

    def full(self, args: tuple[Leaves, ...]) -> tuple[Leaves, ...]:
        """All groups of leaves of the outcome."""
        found = self._read(self._full, args, len(self._fixed))
        groups, start = [], 0
        for count in self._counts:
            groups.append(tuple(found[start : start + count]))
            start += count
        return tuple(groups)

    def result(self, args: tuple[Leaves, ...]) -> Leaves:
        """The first group alone."""
        return tuple(self._read(self._result, args, self._counts[0]))

    def _read(self, code: Any, args: tuple[Leaves, ...], count: int) -> list[Any]:
        found = iter(code.call(*[args[g][k] for g, k in self._places]))
        return [next(found) if fixed is None else _copied(fixed[0]) for fixed in self._fixed[:count]]

    # -- the check ----------------------------------------------------------------------------------

    def _check(self, args: tuple[Leaves, ...], recorded: Sequence[Any]) -> None:
        """Compare with the kernel, at the recorded point and beside it."""
        count = len(recorded)
        heard = get_state()
        try:
            set_state(SILENT)
            self._compare(args, recorded, count)
            beside = _each(lambda place, a: _copied(a) if place in self._frozen else _moved(a), args)
            try:
                outcome = self._kernel(*_each(lambda place, a: _copied(a), beside))
            except Exception:
                return  # what the kernel refuses there says nothing about the program
            self._compare(beside, [leaf for group in outcome for leaf in group][:count], count)
        finally:
            set_state(heard)

    def _compare(self, args: tuple[Leaves, ...], expected: Sequence[Any], count: int) -> None:
        code = self._full if count > self._counts[0] else self._result
        try:
            found = self._read(code, args, count)
        except OTHERWISE:
            return
        if not all(map(_close, found, expected)):
            raise FunctionNotSupportedError(
                f"{self._label} cannot be compiled to a program: at another point this gives something else "
                "than the function, which seems to depend on more than its arguments (random numbers, a "
                "counter, a file), or on values in a way that cannot be recorded: use "
                "polyad.NumPy(compile=False)"
            )


# -- leaves -------------------------------------------------------------------------------------------


def _each(f: Callable[[tuple[int, int], Any], Any], args: tuple[Leaves, ...]) -> tuple[Leaves, ...]:
    return tuple(tuple(f((g, k), leaf) for k, leaf in enumerate(leaves)) for g, leaves in enumerate(args))


def _moved(leaf: Any) -> Any:
    """A leaf with every entry a little elsewhere."""
    a = np.asarray(leaf)
    steps = 1e-3 * np.cos(1.0 + np.arange(a.size)).reshape(a.shape)
    moved = (a + steps * np.where(a == 0, 1.0, a)).astype(a.dtype)
    return moved if a.shape else moved[()]


def _close(a: Any, b: Any) -> bool:
    """Whether two leaves agree as far as rounding allows; objects must be of one kind."""
    if not isinstance(b, np.ndarray | np.generic | float | complex):
        return type(a) is type(b)
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc" or not a.size:
        return bool(np.array_equal(a, b))
    known = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), known):
        return False
    scale = np.max(np.abs(b), where=known, initial=0.0)
    tolerance = np.sqrt(np.finfo(a.dtype).eps) * 10 * scale
    return bool(np.all(np.abs(a[known] - b[known]) <= tolerance))


def _copied(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _dtype(leaf: Any) -> np.dtype[Any]:
    return leaf.dtype if hasattr(leaf, "dtype") else np.dtype(type(leaf))


def _is_inexact(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind in "fc"


def _is_recorded(leaf: Any, wide: bool) -> bool:
    """Whether a constant is an input of the program.

    A Python number takes the precision of what it meets, which an input of the program does not: it
    becomes one where there is no precision but the widest.
    """
    return _is_inexact(leaf) or (wide and type(leaf) in (float, complex))


def _shapes(seeds: Sequence[Leaves]) -> tuple[Any, ...]:
    return tuple([leaf.shape for leaves in seeds for leaf in leaves if hasattr(leaf, "shape")])


def _identity(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return leaf.tobytes(), leaf.shape, leaf.dtype
    return type(leaf), leaf


def are_plain(*groups: Leaves) -> bool:
    """Whether none of these belongs to a differentiation around this one."""
    return not any(isinstance(leaf, Box) for group in groups for leaf in group)
