"""How much of a cluster's time is used: differences of a slow function, by workers that wait.

A function of 1000 variables that takes a second is differentiated by 100 workers. They are threads that
sleep, so that the cost of handing out is what is seen: by an executor in this process, and over Dask's
scheduler and its sockets where it is installed. ``--scale 0.1`` makes a second a tenth of one, which is
harder.

    python benchmarks/cluster.py --scale 0.1
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np

import polyad as ad

CALLS: list[int] = []


class Slow:
    """A simulation that takes its time elsewhere."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, x: Any) -> Any:
        """The function; it counts its calls in this process."""
        CALLS.append(1)
        time.sleep(self.seconds)
        return np.sum(np.sin(x))


def row(name: str, workers: Any, count: int, seconds: float, n: int) -> str:
    x = np.linspace(0, 1, n)
    backend = ad.FiniteDifferences(workers=workers)
    CALLS.clear()
    ad.gradient(Slow(0.0), x, backend=ad.FiniteDifferences())
    calls = len(CALLS)
    ad.gradient(Slow(0.0), x[:count], backend=backend)  # everybody is there
    start = time.perf_counter()
    g = ad.gradient(Slow(seconds), x, backend=backend)
    taken = time.perf_counter() - start
    assert np.allclose(g, np.cos(x), atol=1e-8)
    used = calls * seconds / (count * taken)
    return f"| {name} | {count} | {calls} | {calls * seconds / count:.1f} s | {taken:.1f} s | {used:.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="seconds that a call takes")
    parser.add_argument("--variables", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=100)
    options = parser.parse_args()
    seconds, n, count = options.scale, options.variables, options.workers
    rows = []
    with ThreadPoolExecutor(count) as pool:
        rows.append(row("threads of this process", pool, count, seconds, n))
    if importlib.util.find_spec("distributed"):
        import distributed

        with (
            distributed.LocalCluster(
                n_workers=4, threads_per_worker=count // 4, processes=True, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            rows.append(row("Dask, 4 processes of threads", client, count, seconds, n))
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("polyad", "numpy")]
    if importlib.util.find_spec("distributed"):
        versions.append(f"distributed {importlib.metadata.version('distributed')}")
    print(f"Calls of {seconds:g} s that wait. Ideal is all calls by all workers without a pause.\n")
    print("| who works | workers | calls | ideal | taken | efficiency |\n|---|---|---|---|---|---|")
    print("\n".join(rows))
    python = platform.python_version()
    print(f"\nPython {python}, {', '.join(versions)}, {date.today()}, {platform.machine()}")


if __name__ == "__main__":
    main()
