"""``compare``: every backend on the user's function, checked against each other and timed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad import errors
from polyad.benchmark import sparsity, transport
from polyad.benchmark.address import Address
from polyad.benchmark.agreement import compare_results, where_not_finite
from polyad.benchmark.events import Event, Task
from polyad.benchmark.plain import Plain, differing
from polyad.benchmark.side_by_side import Process, Run, SideBySide
from polyad.benchmark.table import Heading, Row, Table
from polyad.benchmark.timing import Measured, as_numpy
from polyad.call.function.flat import label_of
from polyad.call.inputs.signature import Signature
from polyad.combine.second_order import SecondOrder
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.operations import operations
from polyad.systems.overview import backends as registered
from polyad.systems.registry import resolve, variants
from polyad.workers.pools import check
from polyad.workers.progress import Progress

__all__ = ["Process", "compare", "first_look"]

# Seconds that a variant which nobody has named may take to prepare one operator.
PREPARING = 15.0


def compare(
    f: Callable[..., Any] | Address,
    *args: Any,
    operators: str | Sequence[str] | None = None,
    backends: Backend | str | Sequence[Backend | str | tuple[str, str]] | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    v: Any = None,
    w: Any = None,
    limit: float = 60.0,
    seconds: float = 0.5,
    rtol: float | None = None,
    calls: int | None = None,
    isolate: bool = True,
    workers: Any = None,
    progress: bool | None = None,
    title: str = "",
) -> Table:
    """Run every backend on a function, check them against each other, time them, recommend one.

    Each backend runs in a process of its own, which is stopped at the time limit; what it had
    finished by then counts. A function that cannot be sent to another process (a lambda, a
    closure, one defined at the prompt) runs in this one without a limit, and the table says so.

    Parameters
    ----------
    f : callable or Address
        The function, or its address for the command line. Its module is imported in the other
        processes; in a script, what stands behind ``if __name__ == "__main__"`` does not run there.
    *args : scalar, array or tree of them
        The arguments of ``f``: where to differentiate it.
    operators : str or sequence of str, optional
        Which derivatives: ``"gradient"``, ``"hvp"``, ``"jacobian"``, ... By default the gradient and the
        Hessian-vector product of a scalar function, the Jacobian of any other.
    backends : Backend, str or a sequence of them, optional
        Whom to compare; ``("jax", "torch")`` is a pair, ``SecondOrder``. By default all that are installed,
        and their variants that may win: compiled ones, for up to 16 inputs JAX in forward mode, and
        ``Sparse`` where 32 inputs or more take at most a third of the products.
    argnums, has_aux
        As for the operators.
    v, w : optional
        Direction of products with tangents and with cotangents; by default random, the same for all.
    limit : float
        Seconds for each backend, importing the framework and all operators included, and for a first
        look at the plain function. A compiled variant that is not named in ``backends`` is left out where
        the preparation of one operator takes over 15 of them.
    seconds : float
        Seconds of timing for each operator.
    rtol : float, optional
        Tolerance of the agreement; by default ``eps ** 0.6`` of the result's dtype, 4e-10 for float64,
        and ``eps ** 0.25`` for approximations such as finite differences.
    calls : int, optional
        For how many calls a backend is to be recommended: with its preparation, the least time in all.
    isolate : bool
        False runs everything in this process.
    workers : int, executor, Dask client or callable, optional
        So many backends side by side, each in its process, or those who start these, as for
        ``polyad.workers.run``. Results and agreement are the same; times disturb each other where cores are
        shared, so that this is for many slow backends. By default one after the other.
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
        If there is nothing to compare: an operator is unknown or does not suit the output, ``f(*args)``
        is not finite, differs from call to call, or fails where its output decides the operators.
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
    if transport.inside_worker:
        raise transport.Recursion
    if not callable(f) and not isinstance(f, Address):
        raise ArgumentError(f"compare takes the function first, then its arguments: f is {f!r}")
    if not args:
        raise ArgumentError("compare needs the arguments of the function: compare(f, x, ...)")
    if not (limit > 0 and seconds > 0 and (calls is None or calls > 0)):
        raise ArgumentError(f"limit={limit!r}, seconds={seconds!r} and calls={calls!r} must be positive")
    check(workers)
    wanted = _operators(operators)
    signature = Signature(args, argnums)  # refuses what no backend can differentiate
    size = sum(math.prod(spec.shape) for spec in signature.x_specs)
    chosen, missing = _backends(backends, size)
    function = f.label if isinstance(f, Address) else label_of(f)
    process = Process(function, limit, Progress(progress), "" if isolate else "as asked")
    task = Task(f, args, wanted, None, argnums, has_aux, v, w, seconds)
    task, values, notes = _look(task, process)
    sparse = _sparse(task, process) if backends is None and size >= sparsity.FEWEST else {}
    notes.extend(sparse.values())
    if sparse:
        chosen = [*chosen, *sparsity.candidates()]
    side = SideBySide(process, task, PREPARING, unnamed=backends is None, sparse=tuple(sparse))
    runs: list[Run] = []
    for one in side.runs(chosen, None if process.here else workers):
        runs.append(one)
        for event in one.events:
            if event.kind == "primal" and event.data[0] and (words := differing(values, event.data[1])):
                raise ArgumentError(
                    f"{function}: two processes give {words} for the same arguments: it depends on something "
                    "else (the process, the clock, a file), and such results cannot be compared"
                )
    if side.spread:
        notes.append(f"Ran side by side (workers={workers!r}): the times disturb each other.")
    if process.here:
        notes.append(f"Ran in this process, without a time limit: {process.here}.")
    stopped = f"stopped after {limit:g} s"
    if any(stopped in str(event.data) for each in runs for event in each.events):
        notes.append(
            "Stopped at the time limit (limit=, --limit): frameworks that compile unroll the loops of "
            "Python, which may take them minutes."
        )
    if missing:
        notes.append("Not available: " + ", ".join(missing) + ".")
    plain = [event.data[0] for each in runs for event in each.events if event.kind == "primal"]
    times = [t for samples in plain for t in samples]
    primal = float(np.median(times)) if times else None
    large = _largest(values or ()), _largest([as_numpy(leaf) for leaf in signature.x_leaves])
    rows = [
        row for operator in task.operators for row in _rows(function, operator, runs, primal, rtol, large)
    ]
    return Table(rows, [Heading(function, title, primal, tuple(notes), calls)])


def _look(task: Task, process: Process) -> tuple[Task, Any, list[str]]:
    """The task with its operators, the function's values, and what the table has to say of the function.

    Raises
    ------
    polyad.errors.PolyadError
        If the function, at these arguments, leaves nothing to compare.
    """
    function = process.function
    found, why = first_look(task, process)
    if "plain" in found:
        plain: Plain = found["plain"].data
        notes = []
        if plain.writes:
            places = " and ".join(map(str, plain.writes))
            notes.append(f"{function} writes to its argument {places}: each run was given a copy.")
        if why:
            notes.append(f"Whether a second call gives the same was not found out: {why}.")
        return dataclasses.replace(task, operators=plain.operators), plain.values, notes
    if "failed" in found:
        why = f"it fails on these arguments with {found['failed'].data}"
        if not task.operators:
            raise ArgumentError(
                f"{function} itself: {why}; correct it or its arguments, or name the operators if it only "
                "runs inside a framework"
            )
    elif not task.operators or "while running" not in why or not why.startswith("stopped"):
        remedy = (
            ": give it more time (limit=, --limit), or name the operators if it is quicker inside a framework"
            if why.startswith("stopped")
            else ""
        )
        raise ArgumentError(f"{function} cannot be compared: {why}{remedy}")
    return (
        dataclasses.replace(task, plain=False),
        None,
        [f"No plain run of {function} to compare with: {why}."],
    )


def first_look(task: Task, process: Process) -> tuple[dict[str, Event], str]:
    """What a run of the plain function reported, by kind, and why it ended early.

    Raises
    ------
    polyad.errors.PolyadError
        If the function is one that nobody can differentiate at these arguments.
    """
    events, why = process.work(task, process.function)
    found = {event.kind: event for event in events}
    if "refused" in found:
        name, words = found["refused"].data
        raise getattr(errors, name, ArgumentError)(words)
    return found, why


def _sparse(task: Task, process: Process) -> dict[str, str]:
    """The operators whose results are sparse enough to be compressed, and what that saves."""
    operators = tuple(name for name in task.operators if name in sparsity.OPERATORS)
    if not operators:
        return {}
    looking = dataclasses.replace(task, operators=operators, pattern=True)
    events, _ = process.work(looking, f"{process.function}, its pattern")
    return {event.operator: event.data for event in events if event.kind == "pattern" and event.data}


def _operators(operators: str | Sequence[str] | None) -> tuple[str, ...]:
    """The operators that were asked for; none where the output decides."""
    if operators is None:
        return ()
    wanted = (operators,) if isinstance(operators, str) else tuple(dict.fromkeys(operators))
    unknown = [name for name in wanted if name not in operations()]
    if unknown or not wanted:
        raise ArgumentError(
            f"no operator is named {unknown[0]!r}; known: {', '.join(operations())}"
            if unknown
            else "operators is empty: name at least one, or leave it out"
        )
    return wanted


def _backends(
    backends: Backend | str | Sequence[Backend | str | tuple[str, str]] | None, inputs: int
) -> tuple[list[tuple[str, Backend | str]], list[str]]:
    """The backends to compare, each with a label, and those that are missing."""
    if backends is None:
        labels, missing = list[tuple[str, Backend | str]](), []
        for info in registered():
            if not info.installed or info.cls is None:
                missing.append(f"{info.name} ({info.problem})")
                continue
            labels.append((info.name, info.name))
            for word, variant in variants(info.cls).items():
                few = variant.most_inputs is None or inputs <= variant.most_inputs
                if variant.compared and few:
                    labels.append((f"{info.name}:{word}", f"{info.name}:{word}"))
        return labels, missing
    many = [backends] if isinstance(backends, Backend | str) else backends
    wanted = [SecondOrder(*b) if isinstance(b, tuple) else b for b in many]
    if not wanted:
        raise ArgumentError("backends is empty: name at least one, or leave it out")
    for backend in wanted:
        resolve(backend)  # mistakes in a name show here, before anything runs
    return [(b if isinstance(b, str) else repr(b), b) for b in wanted], []


def _largest(leaves: Sequence[Any]) -> float:
    """The largest magnitude among all entries."""
    return max((float(np.max(np.abs(leaf), initial=0.0)) for leaf in leaves), default=0.0)


def _rows(
    function: str,
    operator: str,
    runs: Sequence[Run],
    primal: float | None,
    rtol: float | None,
    size: tuple[float, float],
) -> list[Row]:
    """The rows of one operator, in the order of the backends."""
    value, argument = size
    order = operations()[operator].order
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
        size=value / (argument or 1.0) ** order,
        order=order,
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
                not_finite=where_not_finite(measured.result),
                reason=verdict.reason,
            )
        )
    return rows
