"""Running a program one way, and what is wrong with what comes out.

A refusal (an error of polyad) is no finding. Everything else that is not the derivative is one: another
error, a wrong or missing number, another shape or dtype, changed arguments or captured arrays, memory
shared with them, another result at the second call, no end.
"""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from polyad.errors import PolyadError
from polyad.systems.base import Backend
from polyad.testing.fuzz.differences import Reference, Unreliable, reference
from polyad.testing.fuzz.finding import Finding
from polyad.testing.fuzz.program import Program, quiet
from polyad.testing.fuzz.ways import OPERATORS, Operator, backend_of, leaves_of, tolerance
from polyad.testing.suite import profile_of

__all__ = ["Checked", "check", "references"]


@dataclasses.dataclass
class Checked:
    """What came of one program one way.

    Parameters
    ----------
    findings : list of Finding
        What is wrong.
    refusals : list of str
        The errors of polyad.
    passed : int
        Results that are right.
    results : dict
        From operator and point to the flat result, to hold ways against each other.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    refusals: list[str] = dataclasses.field(default_factory=list)
    passed: int = 0
    results: dict[tuple[str, int], np.ndarray] = dataclasses.field(default_factory=dict)


class _Hangs(BaseException):
    """Time is up; no handler for exceptions in between may catch it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Break off what takes longer, where the platform and the thread can."""
    can = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not can or not seconds:
        yield
        return

    def stop(*_: Any) -> None:
        raise _Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def references(program: Program, *, second: bool = True) -> dict[int, Reference]:
    """The points of a program where differences say what the derivative is."""
    found = {}
    for point in range(len(program.points)):
        try:
            found[point] = reference(program, point, second=second)
        except Unreliable:
            continue
    shapes = {np.shape(ref.value) for ref in found.values()}
    return found if len(shapes) == 1 else {k: r for k, r in found.items() if k == min(found)}


def check(
    program: Program,
    way: str | Backend,
    refs: Mapping[int, Reference] | None = None,
    operators: Sequence[str] = tuple(OPERATORS),
    *,
    unprepared: bool = True,
    limit: float = 60.0,
) -> Checked:
    """Run the derivatives of a program one way.

    Parameters
    ----------
    program : Program
        The program.
    way : str or Backend
        One of ``WAYS``, or any backend.
    refs : mapping from int to Reference, optional
        What must come out at which point; by default ``references(program)``.
    operators : sequence of str
        Which operators.
    unprepared : bool
        Whether the first operator also runs without preparation, at the last point.
    limit : float
        Seconds for one operator, after which it counts as endless.

    Returns
    -------
    Checked
        Findings, refusals, and results.
    """
    checked = Checked()
    refs = references(program) if refs is None else refs
    if not refs:
        return checked
    first = min(refs)
    chosen = [
        op
        for op in map(OPERATORS.__getitem__, operators)
        if not (op.scalar and np.shape(refs[first].value)) and not (op.second and refs[first].second is None)
    ]
    for number, operator in enumerate(chosen):
        run = _Run(program, way, operator, checked)
        with quiet():
            run.guarded(lambda run=run: run.prepared(refs), first, True, limit)
            if unprepared and number == 0:
                last = max(refs)
                run.guarded(lambda run=run, last=last: run.once(last, refs[last]), last, False, limit)
    return checked


class _Run:
    """One operator on one program one way."""

    def __init__(
        self, program: Program, way: str | Backend, operator: Operator, checked: Checked, point: int = 0
    ) -> None:
        self.program, self.way, self.operator, self.checked = program, way, operator, checked
        self.backend = backend_of(way)
        self.f, self.space = program.compiled()
        self.point = point

    def found(self, kind: str, detail: str, prepared: bool, expected: Any = None, got: Any = None) -> None:
        finding = Finding(
            self.program, self.way, self.operator.name, prepared, self.point, kind, detail, expected, got
        )
        self.checked.findings.append(finding)

    def guarded(self, run: Any, point: int, prepared: bool, limit: float) -> None:
        self.point = point
        try:
            with limited(limit):
                run()
        except PolyadError as refusal:
            self.checked.refusals.append(f"{type(refusal).__name__}: {refusal}")
        except _Hangs:
            self.found("no end", f"not done after {limit:g} s", prepared)
        except Exception as error:  # whatever comes out raw is what is looked for
            self.found("raw error", f"{type(error).__name__}: {error}", prepared)

    def prepared(self, refs: Mapping[int, Reference]) -> None:
        """Prepare at the first point, run at all."""
        first = min(refs)
        args = self.program.args(first)
        p = self.operator.prepare(self.program, self.f, args, self.backend, refs[first])
        self.unchanged(args, first, True)
        for point, ref in refs.items():
            if self.operator.second and ref.second is None:
                continue
            self.point = point
            try:
                self.calls(p, point, ref)
            except PolyadError as refusal:  # other points may be refused, with a clear error
                self.checked.refusals.append(f"{type(refusal).__name__}: {refusal}")

    def calls(self, p: Any, point: int, ref: Reference) -> None:
        seeds = self.operator.seeds(self.program, ref)
        args = self.program.args(point)
        result = p(*args, **seeds)
        self.unchanged(args, point, True)
        self.apart(result, args)
        right = self.judge(result, ref, True)
        kept = [np.array(leaf) for leaf in leaves_of(result)]
        for leaf in leaves_of(result):
            if isinstance(leaf, np.ndarray) and leaf.flags.writeable:
                leaf[...] = np.nan  # it is the caller's own
        value, *between, again = p.value_and(*self.program.args(point), **seeds)
        if between:  # the gradient comes along with a product with the Hessian
            _Run(self.program, self.way, OPERATORS["gradient"], self.checked, self.point).judge(
                between[0], ref, True
            )
        third = p(*args, **seeds)
        for name, other in (("value_and", again), ("a second call", third)):
            if right and not self.same(kept, leaves_of(other), exact=name != "value_and"):
                self.found("not the same again", f"{name} gives another result", True, kept, other)
        self.value(value, ref)

    def once(self, point: int, ref: Reference) -> None:
        """Without preparation."""
        args = self.program.args(point)
        result = self.operator.once(self.program, self.f, args, self.backend, ref)
        self.unchanged(args, point, False)
        self.apart(result, args)
        self.judge(result, ref, False)

    # -- what must hold -------------------------------------------------------------------------------

    def judge(self, result: Any, ref: Reference, prepared: bool) -> bool:
        """Whether a result has the right shapes, dtypes and numbers."""
        leaves = leaves_of(result)
        expected = self.operator.expected(ref)
        shapes = self.operator.shapes(self.program, ref)
        if [np.shape(leaf) for leaf in leaves] != shapes:
            self.found(
                "shape", f"{[np.shape(leaf) for leaf in leaves]} for {shapes}", prepared, expected, result
            )
            return False
        strange = [leaf for leaf in leaves if not isinstance(leaf, np.ndarray | np.float64)]
        dtypes = {str(np.asarray(leaf).dtype) for leaf in leaves}
        if strange or dtypes != {"float64"}:
            kinds = ", ".join(sorted({*dtypes, *(type(leaf).__name__ for leaf in strange)}))
            self.found("dtype", f"{kinds} for float64", prepared, expected, result)
            return False
        got = self.operator.flat(leaves, ref)
        allowed = tolerance(self.backend, self.operator, ref, expected)
        off = np.abs(got - expected)
        worst = float(np.max(np.where(np.isnan(off), np.inf, off), initial=0.0))
        if worst > allowed:
            scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-300)
            detail = f"off by {worst:.3g} (relative {worst / scale:.1e}, allowed {allowed:.1e})"
            self.found("wrong", detail, prepared, expected, got)
            return False
        self.checked.passed += 1
        if prepared:
            self.checked.results[self.operator.name, self.point] = got
        return True

    def value(self, value: Any, ref: Reference) -> None:
        if np.shape(value) != np.shape(ref.value) or np.asarray(value).dtype != np.float64:
            what = (
                f"shape {np.shape(value)}, dtype {np.asarray(value).dtype} for {np.shape(ref.value)}, float64"
            )
            self.found("wrong value", what, True, ref.value, value)
            return
        off = float(np.max(np.abs(np.asarray(value) - ref.value)))
        if not off <= 1e-10 * max(1.0, float(np.max(np.abs(ref.value)))) + 10 * ref.error:
            self.found("wrong value", f"off by {off:.3g}", True, ref.value, value)

    def unchanged(self, args: tuple[Any, ...], point: int, prepared: bool) -> None:
        for name, now, before in zip(self.program.parameters, args, self.program.args(point), strict=True):
            if not _identical(now, before):
                self.found("changed argument", f"{name} was written to", prepared, before, now)
        for name, before in self.program.captured.items():
            if not _identical(self.space[name], before):
                self.found(
                    "changed argument", f"captured {name} was written to", prepared, before, self.space[name]
                )

    def apart(self, result: Any, args: tuple[Any, ...]) -> None:
        arrays = [
            a for a in (*args, *(self.space[k] for k in self.program.captured)) if isinstance(a, np.ndarray)
        ]
        for leaf in leaves_of(result):
            if isinstance(leaf, np.ndarray) and any(np.may_share_memory(leaf, a) for a in arrays):
                self.found("shared memory", "the result is a view of an argument", True)

    def same(self, a: Sequence[Any], b: Sequence[Any], *, exact: bool) -> bool:
        if profile_is_approximate(self.backend):
            return True
        for one, other in zip(a, b, strict=True):
            scale = float(np.max(np.abs(one), initial=0.0))
            off = float(np.max(np.abs(np.asarray(one) - other), initial=0.0))
            if not off <= (0.0 if exact else 1e-11 * max(scale, 1e-3)):
                return False
        return True


def profile_is_approximate(backend: Backend) -> bool:
    """Whether a backend approximates."""
    return profile_of(backend).rtol is not None


def _identical(a: Any, b: Any) -> bool:
    return type(a) is type(b) and np.shape(a) == np.shape(b) and bool(np.all(a == b))
