"""One backend in a process of its own, under a time limit.

* The worker is a fresh interpreter (never a fork: frameworks hold threads) and the leader of its
  own process group, so that stopping it stops its children.
* It reports as it goes: what it has finished is kept when it is stopped.
* It talks through what were its standard input and output, which are empty and nowhere from then on, so
  that a function that prints or asks disturbs nothing. It ends when its parent does.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from polyad.benchmark import transport
from polyad.benchmark.events import CAUGHT, Event, Report, Task, failure
from polyad.benchmark.plain import function_of, look, plain_call, values_of
from polyad.benchmark.timing import fresh, measure, sample, waiter
from polyad.errors import DerivativeMismatchError, PolyadError
from polyad.operators.gradient import gradient
from polyad.systems.registry import resolve

__all__ = ["act", "check", "execute", "run"]

# -P keeps the working directory off the path until the parent's path is in place
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from polyad.benchmark.worker import serve; serve()"
)
TICK = 0.2
# what the limit is measured by; tests have one of their own
clock = time.monotonic


# -- the work -----------------------------------------------------------------------------------


def act(task: Task, report: Report) -> None:
    """Do the task in this process: look at the plain function, or let a backend run."""
    if task.pattern:
        from polyad.benchmark.sparsity import find

        find(task, report)
        return
    (look if task.backend is None else check if task.checks else execute)(task, report)


def check(task: Task, report: Report) -> None:
    """Compare a backend's derivatives with differences in this process: ``"measured"`` or ``"wrong"``."""
    from polyad.testing.derivatives import check_derivatives

    (operator,) = task.operators
    report(Event("phase", operator, "loading"))
    try:
        f = function_of(task)
        report(Event("phase", operator, "checking"))
        error = check_derivatives(f, *fresh(task.args), backend=task.backend, argnums=task.argnums)
    except DerivativeMismatchError as mismatch:
        report(Event("wrong", operator, str(mismatch)))
    except CAUGHT as reason:
        report(failure(operator, reason))
    else:
        report(Event("measured", operator, error))


def execute(task: Task, report: Report) -> None:
    """Do the task in this process, reporting each step."""
    report(Event("phase", data="loading"))
    try:
        f = function_of(task)
        backend = resolve(task.backend)
        _warm_up(backend)
    except CAUGHT as error:
        for operator in task.operators:
            report(failure(operator, error))
        return
    if task.plain:
        report(Event("phase", data="running f itself"))
        report(Event("primal", data=_primal(f, task)))
    for operator in task.operators:

        def phase(name: str, operator: str = operator) -> None:
            report(Event("phase", operator, f"{name} {operator}"))

        try:
            measured = measure(
                f,
                fresh(task.args),
                operator,
                backend,
                argnums=task.argnums,
                has_aux=task.has_aux,
                direction=task.w if operator == "vjp" else task.v,
                seconds=task.seconds,
                phase=phase,
            )
        except CAUGHT as error:
            # any error of a framework goes into the table: it is why this backend has no result
            report(failure(operator, error))
        else:
            report(Event("measured", operator, measured))


def _warm_up(backend: Any) -> None:
    """Let the framework import and start, which is no operator's preparation."""
    try:
        gradient(lambda x: x[0] * x[0], np.ones(1), backend=backend)
    except PolyadError:
        return  # a backend that cannot do this may still do what is asked


def _primal(f: Callable[..., Any], task: Task) -> tuple[tuple[float, ...], Any]:
    """Run times of the plain function, none if it fails, and what it gives."""
    args = fresh(task.args)
    try:
        output = plain_call(f, args)
        wait, values = waiter(output), values_of(output, has_aux=task.has_aux)
        return sample(lambda: wait(plain_call(f, args)), task.seconds / 5), values
    except CAUGHT:
        return (), None


# -- the worker's side of the pipe --------------------------------------------------------------


def serve() -> None:
    """Read a task from standard input, do it, report on what was standard output."""
    channel = os.fdopen(os.dup(1), "wb")
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 0)  # a function that asks for input is at the end of it
    transport.inside_worker = True
    _offer_to_be_killed()
    (size,) = struct.unpack("!Q", _read(source, 8))
    data = _read(source, size)
    threading.Thread(target=_end_with_parent, args=(source,), daemon=True).start()
    lock = threading.Lock()

    def report(event: Event) -> None:
        with lock:
            pickle.dump(event, channel)
            channel.flush()

    try:
        task = transport.unpack(data)
    except CAUGHT as error:
        # the parent can run the function, this process cannot find it: the parent decides
        report(Event("unsendable", data=f"{type(error).__name__}: {error}"))
        return
    act(task, report)
    report(Event("done"))


def _read(source: Any, size: int) -> bytes:
    """So many bytes of the pipe, which gives them in pieces."""
    parts = []
    while size:
        part = source.read(size)
        if not part:
            raise EOFError("the parent is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _offer_to_be_killed() -> None:
    """Where memory runs out, let it be this process that the system ends, not the user's others."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        pass  # no such thing here


def _end_with_parent(source: Any) -> None:
    source.read(1)  # nothing more comes: this returns when the pipe ends with the parent
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


# -- the parent's side --------------------------------------------------------------------------


def run(task: Task, limit: float, report: Report, tick: Callable[[], None] = lambda: None) -> str:
    """Do the task in another process, which is stopped after ``limit`` seconds.

    Parameters
    ----------
    task : Task
        The task.
    limit : float
        Seconds for everything: starting, importing the framework, all operators.
    report : callable
        Given every ``Event``; operators that were not finished come as ``"failed"``.
    tick : callable
        Called several times a second while waiting.

    Returns
    -------
    str
        Why it ended before it was done; empty where it was done.

    Raises
    ------
    sending.NotSendableError
        If the function cannot be sent, or cannot be found there.
    """
    data = transport.pack(task)
    path = json.dumps([str(entry) for entry in sys.path])
    open_operators = [] if task.backend is None else list(task.operators)
    phase = "starting"
    whole = clock() + limit
    until = [whole]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            for event in _events(process, data, until, tick):
                if event.kind == "unsendable":
                    raise transport.NotSendableError(event.data)
                if event.kind == "done":
                    return ""
                if event.kind == "phase":
                    phase = event.data
                    preparing = event.operator and phase.startswith("preparing")
                    until[0] = min(whole, clock() + task.preparing) if preparing else whole
                if event.operator in open_operators and event.kind in ("measured", "failed"):
                    open_operators.remove(event.operator)
                report(event)
            running = process.poll() is None and not _ended(process)
            if not running:
                why = _death(process, errors, phase)
            elif until[0] < whole:
                why = (
                    f"left out, {phase} takes over {task.preparing:g} s: name it as a backend to wait for it"
                )
            else:
                why = f"stopped after {limit:g} s while {phase}"
        finally:
            _stop(process)
    for k, operator in enumerate(open_operators):
        report(Event("failed", operator, why if k == 0 else f"not reached, {why}"))
    return why


def _events(
    process: subprocess.Popen[bytes], data: bytes, until: list[float], tick: Callable[[], None]
) -> Any:
    """The worker's events until it ends or its time has come, which each event may move."""
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    assert process.stdin is not None and process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def talk() -> None:
        try:
            stdin.write(struct.pack("!Q", len(data)) + data)
            stdin.flush()  # and left open: its end tells the worker that the parent is gone
            while True:
                events.put(pickle.load(stdout))
        except (EOFError, OSError, pickle.UnpicklingError, ValueError):
            events.put(None)  # the worker has ended, perhaps in the middle of a message

    threading.Thread(target=talk, daemon=True).start()
    while (left := until[0] - clock()) > 0:
        try:
            event = events.get(timeout=min(TICK, left))
        except queue.Empty:
            tick()
            continue
        if event is None:
            return
        yield event


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the worker closed its end and is about to be gone."""
    try:
        process.wait(timeout=TICK)
    except subprocess.TimeoutExpired:
        return False
    return True


def _death(process: subprocess.Popen[bytes], errors: IO[bytes], phase: str) -> str:
    """Why a worker ended that was not asked to."""
    code = process.wait()
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    if code >= 0:
        return f"its process ended with exit code {code} while {phase}{last}"
    name = signal.Signals(-code).name
    memory = " (out of memory?)" if name == "SIGKILL" else ""
    return f"its process died of {name}{memory} while {phase}{last}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the worker and its children."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # all of the group are gone already
    elif process.poll() is None:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                pass  # the worker went before it had read everything
