"""Interpolation inside differentiated functions: ``scipy.interpolate``'s, in places and in values.

Each has the signature of SciPy's class of that name and its values. Derivatives are those by the places
where it
is evaluated and by the values that it goes through; by the knots too where that is said.
"""

from polyad.interpolate.grid import RegularGridInterpolator
from polyad.interpolate.local import Akima1DInterpolator, PchipInterpolator
from polyad.interpolate.one import interp1d
from polyad.interpolate.splines import CubicSpline, make_interp_spline

__all__ = [
    "Akima1DInterpolator",
    "CubicSpline",
    "PchipInterpolator",
    "RegularGridInterpolator",
    "interp1d",
    "make_interp_spline",
]
