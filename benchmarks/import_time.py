"""Time of ``import polyad`` in ratio to that of NumPy and two parts of SciPy, in fresh interpreters.

Run as ``python benchmarks/import_time.py [processes]``; 20 of them by default. Each one imports NumPy,
``scipy.special`` and ``scipy.sparse`` first, which is the time that polyad's is a ratio of. The goal is 0.3.
A name of polyad brings its modules when it is first used, so that two more lines are shown: what an operator
takes beside the import, and what all names take (``polyad.linalg`` and ``polyad.special`` load every rule).

All modules are read from bytecode, as those of an installed package are, in a folder of the benchmark's own:
a checkout has none where ``PYTHONDONTWRITEBYTECODE`` is set, and Python's compiler then takes two thirds of
the time. Times are the processor's, which others on the machine change less than the clock's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

TIMED = """\
import json, time
start = time.process_time()
import numpy, scipy.special, scipy.sparse
libraries = time.process_time() - start
start = time.process_time()
import polyad
alone = time.process_time() - start
polyad.gradient
operator = time.process_time() - start
for name in polyad.__all__:
    getattr(polyad, name)
print(json.dumps([libraries, alone, operator, time.process_time() - start]))
"""
ROWS = ("import polyad", "and polyad.gradient", "and all other names")


def main(processes: int = 20) -> None:
    """Print medians of the times and of their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", TIMED]
        runs = [
            json.loads(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
            for _ in range(processes + 1)
        ][1:]  # the first one writes the bytecode
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
