"""Comparing backends on a function: agreement, preparation, run time, calls, memory.

``compare`` runs everything (``comparison``), each backend in a process of its own (``worker``,
``transport``), measured by ``timing``, judged by ``agreement`` and ``recommend``. The outcome is a
``Table`` (``table``, printed by ``layout``, drawn by ``plot``). ``problems`` holds real
functions to try it on.
"""

from __future__ import annotations

from polyad.benchmark.comparison import compare
from polyad.benchmark.problems import PROBLEMS, BuiltIn, built_in
from polyad.benchmark.table import Heading, Recommendation, Row, Table

__all__ = ["PROBLEMS", "BuiltIn", "Heading", "Recommendation", "Row", "Table", "built_in", "compare"]
