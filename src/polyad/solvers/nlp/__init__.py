"""Nonlinear programs: from objective, constraints, bounds and a start to everything that a solver asks for.

``program`` makes the description, one object for all solvers; ``solve`` hands it to one of them. ``unknowns``
is the way between the caller's arrays or trees and the solvers' vector, ``bounds`` reads what bounds it. The
folder ``interfaces`` has one file for each solver's contract.
"""

from __future__ import annotations

from polyad.solvers.nlp.program import Program, program
from polyad.solvers.nlp.solve import solve, solvers

__all__ = ["Program", "program", "solve", "solvers"]
