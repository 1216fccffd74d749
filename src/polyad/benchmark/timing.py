"""Measuring one operator of one backend: preparation, calls of f, run times, memory.

* Preparation is everything up to the first result: ``prepare_...`` and the first call, in which
  some frameworks compile. Importing the framework is not part of it.
* A sample is the mean over as many calls as take ``SAMPLE`` seconds, so that the clock does not
  show; median and quartiles are over samples.
* Memory is how far the process grew at its highest above where it stood before the preparation.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import importlib
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import flatten
from polyad.call.function.flat import label_of
from polyad.systems.operations import operations

__all__ = ["Counted", "Measured", "as_numpy", "fresh", "measure", "sample", "waiter"]

Array = np.ndarray[Any, Any]

SAMPLE = 2e-4
MOST_SAMPLES = 200
# a sparse matrix of more entries is compared by those of its pattern alone
DENSE = 2**26


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a run of one operator by one backend gave; times in seconds, memory in bytes."""

    strategy: str
    preparation: float
    samples: tuple[float, ...]
    preparation_calls: int
    calls: int
    memory: int | None
    result: tuple[Array, ...]


def fresh(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies of the arguments, for a function that may write to them."""
    try:
        return copy.deepcopy(args)
    except Exception:  # what cannot be copied is handed over as it is, as in a call by hand
        return args


class Counted:
    """A function that counts its calls.

    Examples
    --------
    >>> f = Counted(abs)
    >>> f(-1.0), f.count
    (1.0, 1)
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        functools.update_wrapper(self, f)
        self.__qualname__ = label_of(f)
        self._f = f
        self._calls = itertools.count(1)  # atomic, also where a backend calls from many threads
        self.count = 0

    def __call__(self, *args: Any) -> Any:
        """Call the function, and count."""
        self.count = next(self._calls)
        return self._f(*args)


def measure(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    operator: str,
    backend: Any,
    *,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    direction: Any = None,
    seconds: float = 0.5,
    phase: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Prepare an operator, check how often it calls ``f``, and time it.

    Parameters
    ----------
    f, args, operator, backend, argnums, has_aux
        As for the operator.
    direction : optional
        ``v`` or ``w`` of a product; by default the same random one for every backend.
    seconds : float
        Time for the samples.
    phase : callable
        Told what begins: ``"preparing"``, ``"running"``.
    """
    prepare = getattr(importlib.import_module(f"polyad.operators.{operator}"), f"prepare_{operator}")
    counted = Counted(f)
    phase("preparing")
    gc.collect()
    given = fresh(args)  # a function that writes to its arguments must not find them changed
    before = _start_memory()
    start = time.perf_counter()
    prepared = prepare(counted, *args, backend=backend, argnums=argnums, has_aux=has_aux)
    keywords = _direction(operations()[operator].seed, prepared, direction)
    result = prepared(*given, **keywords)
    wait = waiter(result)
    wait(result)
    preparation = time.perf_counter() - start
    preparation_calls = counted.count

    def call() -> None:
        wait(prepared(*args, **keywords))

    phase("running")
    once = _timed(call)
    calls = counted.count - preparation_calls
    samples = sample(call, seconds, once)
    memory = _peak_memory(before)
    if has_aux:
        result = result[0]
    leaves = flatten(result)[0]
    matrices = _in_arrays(prepared, list(leaves))
    return Measured(
        prepared.strategy,
        preparation,
        samples,
        # the first call belongs to preparation in time, but its calls of f are those of any call
        max(0, preparation_calls - calls),
        calls,
        memory,
        tuple(as_numpy(leaf) for leaf in leaves) if matrices is None else tuple(matrices),
    )


def _in_arrays(prepared: Any, leaves: list[Any]) -> list[Array] | None:
    """The sparse matrices of a result as the arrays that other backends give; None if it has none."""
    form = prepared._form
    if form is None:
        return None
    if form.pattern.shape[0] * form.pattern.shape[1] > DENSE:
        return [leaf.data.copy() for leaf in leaves]
    blocks = zip(leaves, form.blocks, strict=True)
    return [leaf.toarray().reshape(block.dense_shape) for leaf, block in blocks]


def _timed(call: Callable[[], Any], number: int = 1) -> float:
    """Mean seconds of so many calls."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def sample(call: Callable[[], Any], seconds: float, once: float | None = None) -> tuple[float, ...]:
    """Seconds per call, sampled for about so long.

    Parameters
    ----------
    call : callable
        What to time.
    seconds : float
        How long; three samples are taken in any case, unless they take ten times as long.
    once : float, optional
        What one call took, if that is known.

    Returns
    -------
    tuple of float
        Each a mean over as many calls as make it longer than the clock's grain.
    """
    start = time.perf_counter()
    if once is None:
        once = _timed(call)
    number = max(1, round(SAMPLE / max(once, 1e-9)))
    samples = [once] if number == 1 else []
    while len(samples) < MOST_SAMPLES:
        elapsed = time.perf_counter() - start
        if samples and elapsed > (seconds if len(samples) >= 3 else 10 * seconds):
            break
        samples.append(_timed(call, number))
    return tuple(samples)


def _direction(keyword: str | None, prepared: Any, given: Any) -> dict[str, Any]:
    """The keyword argument of a product: what the user gave, or the same numbers for everyone."""
    if keyword is None:
        return {}
    if given is None:
        seeds = prepared._seeds
        rng = np.random.default_rng(0)
        given = seeds.structure.unflatten(_random(rng, spec.shape, spec.dtype) for spec in seeds.specs)
    return {keyword: given}


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    numbers = rng.standard_normal(shape)
    kind = np.dtype(dtype) if getattr(dtype, "kind", "") in "fc" else np.dtype(float)
    if kind.kind == "c":
        numbers = numbers + 1j * rng.standard_normal(shape)
    return np.asarray(numbers).astype(kind)


def waiter(result: Any) -> Callable[[Any], Any]:
    """A function that waits for a result that is still being computed on a device."""
    leaves = flatten(result)[0]
    for leaf in leaves:
        owner = library_of(leaf)
        wait = None if owner is None else owner.waiter(leaf)
        if wait is not None:
            return wait
    return lambda _: None


def as_numpy(leaf: Any) -> Array:
    """An array or a number of any library as a NumPy array of its own."""
    owner = library_of(leaf)
    assert owner is not None  # the operators give nothing else
    return np.array(owner.to_numpy(leaf))


# -- memory -----------------------------------------------------------------------------------

STATUS = Path("/proc/self/status")


def _start_memory() -> int | None:
    """Reset the recorded peak of memory, where the system can, and return the memory in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _highest()  # growth beyond the highest so far is the best that can be known
    return _proc("VmRSS")


def _peak_memory(before: int | None) -> int | None:
    after = _highest()
    return None if before is None or after is None else max(0, after - before)


def _highest() -> int | None:
    peak = _proc("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _proc(field: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
