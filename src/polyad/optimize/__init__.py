"""Roots and minima inside differentiated functions: ``scipy.optimize``'s solvers, with derivatives.

Each has the signature of SciPy's function of that name, and SciPy does the work. Derivatives are those of the
solution by everything that the functions take, from their arguments or from around themselves; where the
solver
starts makes no difference to them.
"""

from polyad.optimize.assignment import linear_sum_assignment
from polyad.optimize.minima import least_squares, minimize
from polyad.optimize.roots import brentq, fixed_point, newton, root

__all__ = ["brentq", "fixed_point", "least_squares", "linear_sum_assignment", "minimize", "newton", "root"]
