"""What a Jacobian and a Hessian take at their peak, with ``memory=`` and without it.

Each case is a process of its own. Peak is how far its resident memory grows in a call, the result taken off;
JAX's programs are compiled before, by a call at another point. ``python benchmarks/memory.py [n]``
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import polyad as ad

N = 3000
MIB = 2**20
BOUNDS = (None, 64 * MIB, 8 * MIB)
CASES = (
    ("jacobian", "numpy:forward"),
    ("jacobian", "numpy:reverse"),
    ("jacobian", "jax"),
    ("jacobian", "torch"),
    ("hessian", "numpy"),
    ("hessian", "jax"),
    ("hessian", "torch"),
)


def states(x: Any) -> Any:
    """Some twenty operations on arrays like the input."""
    for k in range(4):
        x = np.sin(x) * np.roll(x, 1) + 0.1 * k * np.exp(-(x**2))
    return x


def energy(x: Any) -> Any:
    return np.sum(states(x) ** 2)


def resident() -> int:
    """Bytes of this process at its peak so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def now() -> int:
    """Bytes of this process at the moment."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def case(operator: str, backend: str, memory: int | None, n: int) -> None:
    """Print peak in MiB and seconds of one call."""
    x = np.linspace(0.1, 1.0, n)
    f = states if operator == "jacobian" else energy
    if backend == "jax":
        prepare: Any = getattr(ad, f"prepare_{operator}")
        p = prepare(f, x, backend=backend, memory=memory)
        peak_before = resident()
        before = now()
        start = time.perf_counter()
        p(x + 0.1)
        seconds = time.perf_counter() - start
        # preparation runs the program once already, so its peak counts where that was higher
        grown = max(resident(), peak_before) - before
    else:
        getattr(ad, operator)(f, x[:5], backend=backend)  # imports
        before = now()
        start = time.perf_counter()
        getattr(ad, operator)(f, x, backend=backend, memory=memory)
        seconds = time.perf_counter() - start
        grown = resident() - before
    print(f"{(grown - 8 * n * n) / MIB:.0f} {seconds:.2f}")


def main(n: int) -> None:
    """Print the table."""
    print(f"n = {n}, the result takes {8 * n * n / MIB:.0f} MiB\n")
    print("| operator | backend | " + " | ".join(f"memory={b and b // MIB}" for b in BOUNDS) + " |")
    print("|---|---|" + "---:|" * len(BOUNDS))
    for operator, backend in CASES:
        found = []
        for memory in BOUNDS:
            command = [sys.executable, __file__, operator, backend, str(memory or 0), str(n)]
            done = subprocess.run(command, capture_output=True, text=True)
            peak, seconds = done.stdout.split() if done.returncode == 0 else ("failed", "?")
            found.append(f"{peak} MiB, {seconds} s")
            if done.returncode:
                print(done.stderr[-500:], file=sys.stderr)
        print(f"| {operator} | {backend} | " + " | ".join(found) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        case(sys.argv[1], sys.argv[2], int(sys.argv[3]) or None, int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else N)
