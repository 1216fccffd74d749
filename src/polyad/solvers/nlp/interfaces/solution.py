"""What a solver gives back, in the same words whichever it was."""

from __future__ import annotations

import dataclasses
from typing import Any

from polyad.arrays.types import Array

__all__ = ["IPOPT", "Solution"]

# Ipopt's return codes, and whether the point is a solution
IPOPT = {
    0: "Solve_Succeeded",
    1: "Solved_To_Acceptable_Level",
    2: "Infeasible_Problem_Detected",
    3: "Search_Direction_Becomes_Too_Small",
    4: "Diverging_Iterates",
    5: "User_Requested_Stop",
    6: "Feasible_Point_Found",
    -1: "Maximum_Iterations_Exceeded",
    -2: "Restoration_Failed",
    -3: "Error_In_Step_Computation",
    -4: "Maximum_CpuTime_Exceeded",
    -5: "Maximum_WallTime_Exceeded",
    -10: "Not_Enough_Degrees_Of_Freedom",
    -11: "Invalid_Problem_Definition",
    -12: "Invalid_Option",
    -13: "Invalid_Number_Detected",
    -100: "Unrecoverable_Exception",
    -101: "NonIpopt_Exception_Thrown",
    -102: "Insufficient_Memory",
    -199: "Internal_Error",
}


@dataclasses.dataclass(frozen=True)
class Solution:
    """A point, whether the solver takes it for a solution, and what it said.

    Parameters
    ----------
    x : array of shape (n,)
        The point.
    success : bool
        Whether the solver takes it for a solution.
    message : str
        Its own words.
    multipliers : array of shape (m,)
        Of the constraints: the gradient of ``f + multipliers @ c`` and the bounds' parts are in balance.
    lower, upper : array of shape (n,) or None
        Of the bounds of the unknowns, none negative; None where the solver does not say.
    iterations : int or None
        How many it took, where it says so.
    raw : object
        What it returned.
    """

    x: Array
    success: bool
    message: str
    multipliers: Array
    lower: Array | None
    upper: Array | None
    iterations: int | None
    raw: Any
