"""Running one scenario under one backend, in every form an operator has.

A scenario is prepared on other values than it is run on and run at several points, unprepared and
prepared, alone and with the value, into new memory and into given memory. Nothing may be written
to that was not asked for, results stand on their own memory, and a call that does not fit is
refused and leaves the prepared object as it was.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import polyad as ad
from polyad.arrays.libraries import PLAIN, library, library_of
from polyad.errors import (
    ConformanceError,
    FunctionNotSupportedError,
    PolyadError,
    PreparationMismatchError,
    UnsupportedOperatorError,
)
from polyad.systems.base import Backend
from polyad.systems.operations import operations
from polyad.systems.registry import resolve
from polyad.testing.compare import Snapshot, assert_apart, assert_equal
from polyad.testing.scenario import RTOL, Point, Scenario
from polyad.testing.trees import leaves, map_leaves, rebuild

__all__ = ["Refused", "check_scenario"]

Convert = Callable[[Any], Any]


class Refused(Exception):
    """A backend refused a scenario by one of polyad's errors, which is the cause."""

    def __init__(self, error: PolyadError) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error


def check_scenario(
    backend: Backend | str,
    scenario: Scenario,
    *,
    rtol: Mapping[str, float] | float = RTOL,
    scale: float = 0.0,
    native: bool = False,
) -> str:
    """Run a scenario in every form and compare with its references.

    Parameters
    ----------
    backend : Backend or str
        The backend.
    scenario : Scenario
        What to run.
    rtol : float or mapping from dtype to float
        Allowed error relative to the largest entry of each reference.
    scale : float
        A magnitude below which errors count relative to it; for finite differences.
    native : bool
        Hand the arguments over as arrays of the backend's own library and expect such back.

    Returns
    -------
    str
        How the backend computed it, in words.

    Raises
    ------
    ConformanceError
        If anything is not as it must be.
    Refused
        If the backend refused at preparation or unprepared, by one of polyad's errors.
    """
    return _Check(resolve(backend), scenario, rtol, scale, native).run()


class _Check:
    def __init__(
        self,
        backend: Backend,
        scenario: Scenario,
        rtol: Mapping[str, float] | float,
        scale: float,
        native: bool,
    ) -> None:
        self.backend, self.scenario, self.rtol, self.scale = backend, scenario, rtol, scale
        self.library = library(backend.library) if native else PLAIN
        self.native = native
        kinds = {np.result_type(leaf).name for _, leaf in leaves(scenario.points[0].args)}
        self.single = bool(kinds & {"float32", "complex64"})
        self.options: dict[str, Any] = {
            "backend": backend,
            "argnums": scenario.argnums,
            "has_aux": scenario.has_aux,
        }
        if scenario.seed_name is not None:
            self.options["batched"] = scenario.batched

    def run(self) -> str:
        """All of it."""
        scenario = self.scenario
        points = [
            Point(self.arguments(p.args), p.result, p.value, self.direction(p.seed), p.lower, p.aux)
            for p in scenario.points
        ]
        inputs = Snapshot(*(p.args for p in points), *(p.seed for p in points))
        try:
            strategy = self.steps(points, inputs)
        except ConformanceError:
            inputs.assert_unchanged("an argument")  # that explains the failure better
            raise
        finally:
            inputs.restore()
        return strategy

    def steps(self, points: list[Point], inputs: Snapshot) -> str:
        """Every check in turn."""
        if self.scenario.raises is not None:
            self.check_refusal(points[0])
            inputs.assert_unchanged("an argument of a refused call")
            return "refused, as it must be"
        try:
            prepared = self.prepare()
        except PolyadError as error:
            self.check_refused_unprepared(points[0])
            raise Refused(error) from error
        self.check_late_refusal(prepared, points[0])
        self.check_unprepared(points[0])
        self.check_prepared(prepared, points)
        self.check_mismatch(prepared, points[0])
        inputs.assert_unchanged("an argument")
        return str(prepared.strategy)

    # -- the forms -------------------------------------------------------------------------------

    def prepare(self) -> Any:
        """The prepared object, from other values than those of the points."""
        scenario = self.scenario
        assert scenario.prepare_args is not None
        options = {**self.options, **self.seed(self.direction(scenario.prepare_seed))}
        prepare = getattr(ad, f"prepare_{scenario.operator}")
        return prepare(scenario.f, *self.arguments(scenario.prepare_args), **options)

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments in the library under test: active numbers are arrays there, others adapt."""
        if not self.native:
            return args
        argnums = self.scenario.argnums
        active = {k % len(args) for k in ((argnums,) if isinstance(argnums, int) else argnums)}
        return tuple(_native(self.backend, numbers=k in active)(arg) for k, arg in enumerate(args))

    def direction(self, seed: Any) -> Any:
        """A direction in the library under test."""
        return _native(self.backend, numbers=True)(seed) if self.native else seed

    def seed(self, seed: Any) -> dict[str, Any]:
        """The keyword of a product."""
        name = self.scenario.seed_name
        return {} if name is None else {name: seed}

    def call(self, point: Point, form: str | None = None, **more: Any) -> Any:
        """The unprepared operator at a point."""
        operator = getattr(ad, form or self.scenario.operator)
        return operator(self.scenario.f, *point.args, **self.options, **self.seed(point.seed), **more)

    def check_unprepared(self, point: Point) -> None:
        """The operator and its form with the value; the former once more into given memory."""
        self.check_result(self.call(point), point, "unprepared")
        self.check_parts(
            self.call(point, operations()[self.scenario.operator].with_value), point, "unprepared"
        )
        if self.library.plain:
            self.check_out(lambda out: self.call(point, out=out), point, "unprepared")

    def check_prepared(self, prepared: Any, points: list[Point]) -> None:
        """Every form at every point, and the first again, which nothing of the others may touch."""
        first: list[Any] = []
        for k, point in enumerate((*points, points[0])):
            where = f"prepared, call {k + 1}"
            seed = self.seed(point.seed)
            result = prepared(*point.args, **seed)
            self.check_result(result, point, where)
            parts = prepared.value_and(*point.args, **seed)
            self.check_parts(parts, point, where)
            if first:
                again = [self.bare(result)[0], *parts[1:]]  # aux may be the caller's own
                assert_apart(again, first, f"the result of call {k + 1}")
            elif self.library.plain:
                first = [self.bare(result)[0], parts[-1]]
                assert_apart(first[1], first[0], "the result of value_and")
        if self.library.plain:
            point = points[-1]
            self.check_out(
                lambda out: prepared(*point.args, **self.seed(point.seed), out=out), point, "prepared"
            )

    def bare(self, result: Any) -> tuple[Any, Any]:
        """A result without its aux, and the aux."""
        if not self.scenario.has_aux:
            return result, None
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ConformanceError(f"with has_aux the result is {type(result).__name__}, not (result, aux)")
        return result[0], result[1]

    def check_result(self, outcome: Any, point: Point, where: str) -> None:
        """A bare result against its reference."""
        result, aux = self.bare(outcome)
        self.equal(result, point.result, f"result ({where})", like=self.like(point))
        if self.scenario.has_aux:
            self.equal(aux, point.aux, f"aux ({where})")
        assert_apart(result, (point.args, point.seed), f"result ({where})")

    def check_parts(self, parts: Any, point: Point, where: str) -> None:
        """The value, the lower derivative where there is one, and the result."""
        count = 3 if self.scenario.order == 2 else 2
        if not (isinstance(parts, tuple) and len(parts) == count):
            raise ConformanceError(f"the form with the value must be a tuple of {count} ({where})")
        value, aux = self.bare(parts[0])
        self.equal(value, point.value, f"value ({where})", exact=True)
        if self.scenario.has_aux:
            self.equal(aux, point.aux, f"aux beside the value ({where})", exact=True)
        if count == 3:
            self.equal(parts[1], point.lower, f"first derivative ({where})")
            assert_apart(parts[1], (point.args, point.seed), f"first derivative ({where})")
        self.equal(parts[-1], point.result, f"result beside the value ({where})", like=self.like(point))
        assert_apart(parts[-1], (point.args, point.seed, value), f"result beside the value ({where})")
        assert_apart(value, (point.args, point.seed), f"value ({where})")

    def check_out(self, call: Callable[[Any], Any], point: Point, where: str) -> None:
        """The result written into given memory, which must be what is returned."""
        out = map_leaves(lambda a: np.full(np.shape(a), 77, dtype=np.result_type(a)), point.result)
        returned, _ = self.bare(call(out))
        if returned is not out:
            raise ConformanceError(f"out was not returned ({where})")
        self.equal(out, point.result, f"out ({where})")

    # -- refusals ----------------------------------------------------------------------------------

    def check_refusal(self, point: Point) -> None:
        """The error that the scenario demands, prepared and unprepared."""
        wanted = self.scenario.raises
        assert wanted is not None
        for what, call in (("prepared", self.prepare), ("unprepared", lambda: self.call(point))):
            try:
                call()
            except wanted:
                continue
            except PolyadError as error:
                raise Refused(error) from error
            raise ConformanceError(f"{what}, it must raise {wanted.__name__} and did not")

    def check_refused_unprepared(self, point: Point) -> None:
        """Where preparation is refused, the unprepared call is refused too or right."""
        try:
            outcome = self.call(point)
        except PolyadError:
            return
        self.check_result(outcome, point, "unprepared, though preparation was refused")

    def check_late_refusal(self, prepared: Any, point: Point) -> None:
        """A backend that only learns at a call what it cannot do refuses every call alike."""
        refusals = (FunctionNotSupportedError, UnsupportedOperatorError)
        try:
            prepared(*point.args, **self.seed(point.seed))
        except refusals as error:
            try:
                self.call(point)
            except refusals:
                raise Refused(error) from error
            raise ConformanceError(f"prepared, it refused ({error}); unprepared, it did not") from error

    def check_mismatch(self, prepared: Any, point: Point) -> None:
        """Another shape is refused, and the prepared object still works."""
        for args in misfits(point.args, self.scenario.argnums):
            try:
                prepared(*args, **self.seed(point.seed))
            except PreparationMismatchError:
                continue
            raise ConformanceError("a call with another shape than prepared for was not refused")
        self.check_result(prepared(*point.args, **self.seed(point.seed)), point, "after a refused call")

    # -- comparison --------------------------------------------------------------------------------

    def like(self, point: Point) -> Any:
        """The active argument, for results that are like it."""
        if self.scenario.operator not in ("gradient", "vjp", "hvp"):
            return None
        argnums = self.scenario.argnums
        return point.args[argnums] if isinstance(argnums, int) else tuple(point.args[k] for k in argnums)

    def equal(self, got: Any, want: Any, what: str, *, like: Any = None, exact: bool = False) -> None:
        """Compare; values are exact even where derivatives are approximations."""
        rtol, scale = (RTOL, 1.0) if exact else (self.rtol, self.scale)
        if self.single and not isinstance(rtol, float):
            rtol = rtol["float32"]  # what single precision enters is no more precise than that
        assert_equal(got, want, what, like=like, library=self.library, rtol=rtol, scale=scale)


def misfits(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Arguments with one leaf of another shape, and one argument too many."""
    position = argnums if isinstance(argnums, int) else argnums[0]
    found = [leaf for _, leaf in leaves(args[position])]
    owner = library_of(found[0])
    assert owner is not None
    wrong = owner.from_numpy(np.ones((2, *np.shape(found[0])), dtype=np.float64))
    changed = list(args)
    changed[position] = rebuild(args[position], [wrong, *found[1:]])
    return [tuple(changed), (*args, 1.0)]


def _native(backend: Backend, *, numbers: bool) -> Convert:
    """From NumPy trees to trees of the backend's own arrays; numbers too, or arrays only."""
    own = library(backend.library)
    importlib.import_module(own.module)

    def convert(leaf: Any) -> Any:
        number = not isinstance(leaf, np.ndarray)
        if number and (not numbers or np.result_type(leaf).kind not in "fc"):
            return leaf
        return own.example(np.array(leaf))

    return lambda tree: map_leaves(convert, tree)
