"""Time of ``import polyad`` in ratio to that of NumPy and two parts of SciPy, in fresh interpreters.

Run as ``python benchmarks/import_time.py [processes]``; 20 of them by default. Each one imports NumPy,
``scipy.special`` and ``scipy.sparse`` first, which is the time that polyad's is a ratio of. The goal is 0.3.
A name of polyad brings its modules when it is first used, so that two more lines are shown: what an operator
takes beside the import, and what all names take (``polyad.linalg`` and ``polyad.special`` load every rule).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

TIMED = """\
import json, time
start = time.perf_counter()
import numpy, scipy.special, scipy.sparse
libraries = time.perf_counter() - start
start = time.perf_counter()
import polyad
alone = time.perf_counter() - start
polyad.gradient
operator = time.perf_counter() - start
for name in polyad.__all__:
    getattr(polyad, name)
print(json.dumps([libraries, alone, operator, time.perf_counter() - start]))
"""
ROWS = ("import polyad", "and polyad.gradient", "and all other names")


def main(processes: int = 20) -> None:
    """Print medians of the times and of their ratios."""
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", TIMED], capture_output=True, check=True).stdout)
        for _ in range(processes)
    ]
    libraries = statistics.median(run[0] for run in runs)
    print(
        f"numpy, scipy.special and scipy.sparse: {1e3 * libraries:.0f} ms (medians of {processes} processes)"
    )
    for k, row in enumerate(ROWS, 1):
        ratio = statistics.median(run[k] / run[0] for run in runs)
        taken = statistics.median(run[k] for run in runs)
        print(f"{row + ':':24}{1e3 * taken:6.0f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
