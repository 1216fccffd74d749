"""The first coloring of a fresh process, beside ``import numba`` in the same run.

``python benchmarks/sparse_first_use.py [--without]`` starts each process several times, in turns, and prints
the least time of each without that of a Python that does nothing, and its ratio to ``import numba``. Compiled
loops are in numba's cache after a first round; ``--without`` keeps none between processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

BANDS = """
import scipy.sparse, polyad as ad
S = scipy.sparse.diags_array([1.0] * 3, offsets=[-1, 0, 1], shape=({n}, {n}))
ad.sparse.color(S)
"""
RANDOM = """
import numpy as np, polyad as ad
columns = np.random.default_rng(0).integers(0, {n}, 10 * {n})
rows = np.repeat(np.arange(2 * {n}), 5)
ad.sparse.color(ad.sparse.Pattern.from_coordinates((2 * {n}, {n}), rows, columns))
"""
GRID = """
import numpy as np, polyad as ad
i = np.arange({n} * {n}).reshape({n}, {n})
rows = np.tile(i.ravel(), 5)
columns = np.concatenate([np.roll(i, s, (0, 1)).ravel() for s in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))])
ad.sparse.color(ad.sparse.Pattern.from_coordinates(({n} * {n}, {n} * {n}), rows, columns))
"""
PROCESSES = {
    "nothing": "pass",
    "import numba": "import numba",
    "import numpy": "import numpy",
    "import scipy.sparse": "import scipy.sparse",
    "tridiagonal 1e2": BANDS.format(n=100),
    "tridiagonal 3e5": BANDS.format(n=300_000),
    "five points 100": GRID.format(n=100),
    "five points 300": GRID.format(n=300),
    "least squares 1e4": RANDOM.format(n=10_000),
    "least squares 1e5": RANDOM.format(n=100_000),
}


def main() -> None:
    """Print a line for each process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without", action="store_true", help="without compiled loops in the cache")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    best = dict.fromkeys(PROCESSES, float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        for k in range(-1, options.rounds):
            for name, code in PROCESSES.items():
                with tempfile.TemporaryDirectory() as fresh:
                    cache = fresh if options.without else folder
                    start = time.perf_counter()
                    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
                    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
                    if k >= 0:
                        best[name] = min(best[name], time.perf_counter() - start)
    unit = best["import numba"] - best["nothing"]
    for name, seconds in best.items():
        print(f"{name:20s} {seconds:6.3f} s, {(seconds - best['nothing']) / unit:5.2f} of import numba")


if __name__ == "__main__":
    main()
