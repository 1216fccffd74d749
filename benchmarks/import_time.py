"""Time of ``import polyad`` beyond NumPy and SciPy, in fresh interpreters.

Run as ``python benchmarks/import_time.py [runs]``; the goal is 200 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

TIMED = """\
import time, numpy, scipy
start = time.perf_counter()
import polyad
print(time.perf_counter() - start)
"""


def main(runs: int = 15) -> None:
    """Print the median and the range of the import times."""
    times = sorted(
        1e3 * float(subprocess.run([sys.executable, "-c", TIMED], capture_output=True, check=True).stdout)
        for _ in range(runs)
    )
    print(f"import polyad: median {statistics.median(times):.0f} ms, {times[0]:.0f} to {times[-1]:.0f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
