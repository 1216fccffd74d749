"""``compare``: every backend on the user's function, checked against each other and timed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.trees import flatten
from polyad.backends.base import Backend
from polyad.backends.registry import load, resolve
from polyad.benchmark import sending
from polyad.benchmark.agreement import compare_results
from polyad.benchmark.progress import Progress
from polyad.benchmark.table import Heading, Row, Table
from polyad.benchmark.timing import OPERATORS, Measured
from polyad.benchmark.worker import Event, Task, execute, run
from polyad.errors import ArgumentError
from polyad.operators.arguments import Static
from polyad.operators.function import label_of
from polyad.overview import backends as registered

__all__ = ["compare"]


def compare(
    f: Callable[..., Any],
    *args: Any,
    operators: str | Sequence[str] | None = None,
    backends: Backend | str | Sequence[Backend | str] | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    v: Any = None,
    w: Any = None,
    limit: float = 60.0,
    seconds: float = 0.5,
    rtol: float | None = None,
    isolate: bool = True,
    progress: bool | None = None,
    title: str = "",
) -> Table:
    """Run every backend on a function, check them against each other, time them, recommend one.

    Each backend runs in a process of its own, which is stopped at the time limit; what it had
    finished by then counts. A function that cannot be sent to another process (a lambda, a
    closure, one defined at the prompt) runs in this one without a limit, and the table says so.

    Parameters
    ----------
    f : callable
        The function. Its module is imported in the other processes; in a script, what stands
        behind ``if __name__ == "__main__"`` does not run there.
    *args : scalar, array or tree of them
        The arguments of ``f``: where to differentiate it.
    operators : str or sequence of str, optional
        Which derivatives: ``"gradient"``, ``"hvp"``, ``"jacobian"``, ... By default the gradient and the
        Hessian-vector product of a scalar function, the Jacobian of any other.
    backends : Backend, str or a sequence of them, optional
        Whom to compare; by default all that are installed.
    argnums, has_aux
        As for the operators.
    v, w : optional
        Direction of products with tangents and with cotangents; by default random, the same for all.
    limit : float
        Seconds for each backend, importing the framework and all operators included.
    seconds : float
        Seconds of timing for each operator.
    rtol : float, optional
        Tolerance of the agreement; by default ``eps ** 0.6`` of the result's dtype, 4e-10 for float64,
        and ``eps ** 0.25`` for approximations such as finite differences.
    isolate : bool
        False runs everything in this process.
    progress : bool, optional
        Whether to show what is being done on standard error; by default on a terminal.
    title : str
        What the function is, for the table.

    Returns
    -------
    Table
        Rows to print, plot, write, or hand to pandas; ``.recommendations`` and ``.disagreements``.

    Raises
    ------
    polyad.errors.ArgumentError
        If an operator is unknown, or ``f(*args)`` fails where its output decides the operators.
    polyad.errors.BackendNotFoundError, polyad.errors.BackendNotInstalledError
        If a backend named in ``backends`` is not there.

    Notes
    -----
    The ratio is the time of a call over that of ``f(*args)`` in plain Python, measured in the same
    processes (the median over them).

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.benchmark import compare
    >>> from polyad.benchmark.problems import lotka_volterra
    >>> p = np.array([1.5, 1.0, 1.0, 3.0])
    >>> table = compare(lotka_volterra, p, operators="gradient", backends="autograd", seconds=0.01)
    >>> table[0].backend, table[0].status, table[0].calls
    ('autograd', 'agrees', 1)
    """
    if sending.inside_worker:
        raise sending.Recursion
    if not callable(f):
        raise ArgumentError(f"compare takes the function first, then its arguments: f is {f!r}")
    if not args:
        raise ArgumentError("compare needs the arguments of the function: compare(f, x, ...)")
    if limit <= 0 or seconds <= 0:
        raise ArgumentError(f"limit={limit!r} and seconds={seconds!r} must be positive")
    wanted = _operators(f, args, operators, has_aux)
    chosen, missing = _backends(backends)
    function = label_of(f)
    show = Progress(progress)
    runs: list[_Run] = []
    notes: list[str] = []
    here = "" if isolate else "as asked"
    for k, (label, backend) in enumerate(chosen):
        task = Task(f, args, wanted, backend, argnums, has_aux, v, w, seconds)
        current = _Run(label, _is_exact(backend))
        words = f"[{k + 1}/{len(chosen)}] {function}, {label}"
        show.say(f"{words}: starting")

        def report(event: Event, current: _Run = current, words: str = words) -> None:
            current.events.append(event)
            if event.kind == "phase":
                show.say(f"{words}: {event.data}")

        try:
            if not here:
                try:
                    run(task, limit, report, show.tick)
                except sending.NotSendableError as error:
                    here = f"{function} cannot be sent to another ({error})"
            if here:
                current.events.clear()
                execute(task, report)
        finally:
            show.clear()
        runs.append(current)
    if here:
        notes.append(f"Ran in this process, without a time limit: {here}.")
    stopped = f"stopped after {limit:g} s"
    if any(stopped in str(event.data) for each in runs for event in each.events):
        notes.append(
            "Stopped at the time limit (limit=, --limit): frameworks that compile unroll the loops of "
            "Python, which may take them minutes."
        )
    if missing:
        notes.append("Not available: " + ", ".join(missing) + ".")
    plain = [event.data for each in runs for event in each.events if event.kind == "primal"]
    times = [t for samples in plain if samples is not None for t in samples]
    primal = float(np.median(times)) if times else None
    rows = [row for operator in wanted for row in _rows(function, operator, runs, primal, rtol)]
    return Table(rows, [Heading(function, title, primal, tuple(notes))])


@dataclasses.dataclass(frozen=True)
class _Run:
    """What one backend reported."""

    label: str
    exact: bool
    events: list[Event] = dataclasses.field(default_factory=list)


def _operators(
    f: Callable[..., Any], args: tuple[Any, ...], operators: str | Sequence[str] | None, has_aux: bool
) -> tuple[str, ...]:
    if operators is not None:
        wanted = (operators,) if isinstance(operators, str) else tuple(dict.fromkeys(operators))
        unknown = [name for name in wanted if name not in OPERATORS]
        if unknown or not wanted:
            raise ArgumentError(
                f"no operator is named {unknown[0]!r}; known: {', '.join(OPERATORS)}"
                if unknown
                else "operators is empty: name at least one, or leave it out"
            )
        return wanted
    try:
        output = f(*(a.value if isinstance(a, Static) else a for a in args))
    except Exception as error:
        raise ArgumentError(
            f"{label_of(f)} failed on these arguments with {type(error).__name__}: {error}; "
            "correct them, or name the operators if it only runs inside a framework"
        ) from error
    leaves = flatten(output[0] if has_aux else output)[0]
    scalar = len(leaves) == 1 and np.ndim(leaves[0]) == 0
    return ("gradient", "hvp") if scalar else ("jacobian",)


def _backends(
    backends: Backend | str | Sequence[Backend | str] | None,
) -> tuple[list[tuple[str, Backend | str]], list[str]]:
    """Whom to compare, each with a label, and whom not because it is missing."""
    if backends is None:
        known = registered()
        missing = [f"{info.name} ({info.problem})" for info in known if not info.installed]
        return [(info.name, info.name) for info in known if info.installed], missing
    wanted = [backends] if isinstance(backends, Backend | str) else list(backends)
    if not wanted:
        raise ArgumentError("backends is empty: name at least one, or leave it out")
    for backend in wanted:
        resolve(backend)  # mistakes in a name show here, before anything runs
    return [(b if isinstance(b, str) else repr(b), b) for b in wanted], []


def _is_exact(backend: Backend | str) -> bool:
    """Whether the backend computes to rounding; approximations say so by ``exact = False``."""
    found = load(backend.partition(":")[0]) if isinstance(backend, str) else type(backend)
    return found.exact


def _rows(
    function: str, operator: str, runs: Sequence[_Run], primal: float | None, rtol: float | None
) -> list[Row]:
    """The rows of one operator, in the order of the backends."""
    outcomes: dict[int, Event] = {}
    for k, each in enumerate(runs):
        for event in each.events:
            if event.operator == operator and event.kind in ("measured", "failed"):
                outcomes[k] = event
    done = [k for k, event in outcomes.items() if event.kind == "measured"]
    verdicts = compare_results(
        [outcomes[k].data.result for k in done],
        [runs[k].label for k in done],
        [runs[k].exact for k in done],
        rtol,
    )
    rows = []
    for k, event in outcomes.items():
        row = Row(function, operator, runs[k].label, "failed", exact=runs[k].exact)
        if event.kind == "failed":
            rows.append(dataclasses.replace(row, reason=event.data, details=event.details))
            continue
        measured: Measured = event.data
        verdict = verdicts[done.index(k)]
        q25, median, q75 = map(float, np.quantile(measured.samples, [0.25, 0.5, 0.75]))
        rows.append(
            dataclasses.replace(
                row,
                status="agrees" if verdict.agrees else "disagrees",
                strategy=measured.strategy,
                agreement=verdict.error,
                reference=verdict.reference and len(done) > 1,
                preparation=measured.preparation,
                time=median,
                q25=q25,
                q75=q75,
                ratio=None if primal is None else median / primal,
                preparation_calls=measured.preparation_calls,
                calls=measured.calls,
                memory=measured.memory,
                samples=measured.samples,
                reason=verdict.reason,
            )
        )
    return rows
