"""Random programs: functions that nobody thought of, in every way of differentiating them.

* ``generate(seed)`` writes a NumPy function of 10 to 30 statements, reproducible from one integer.
* ``check(program, way)`` runs its derivatives one way, at the point of preparation and at others, and holds
  them against high-order differences of the plain function.
* ``shrink(finding)`` makes what it found a few lines; ``script`` prints them as a runnable file.

``python -m polyad.testing.fuzz --minutes 10 --seed 0`` runs on and prints what it finds.
"""

from __future__ import annotations

from polyad.testing.fuzz.check import check
from polyad.testing.fuzz.finding import Finding, script
from polyad.testing.fuzz.generate import generate
from polyad.testing.fuzz.program import Program
from polyad.testing.fuzz.shrink import shrink
from polyad.testing.fuzz.ways import OPERATORS, WAYS

__all__ = ["OPERATORS", "WAYS", "Finding", "Program", "check", "generate", "script", "shrink"]
