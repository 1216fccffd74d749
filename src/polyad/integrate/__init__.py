"""Integrals and solutions of ODEs inside differentiated functions: ``scipy.integrate``'s, with derivatives.

Each has the signature of SciPy's function of that name, and SciPy does the work; on plain numbers the
result is
SciPy's. Derivatives are those by everything that the integrand or right-hand side takes, from its arguments
or from around itself.
"""

from polyad.integrate.ivp import solve_ivp
from polyad.integrate.older import odeint
from polyad.integrate.quadrature import quad, quad_vec
from polyad.integrate.samples import cumulative_trapezoid, simpson, trapezoid

__all__ = ["cumulative_trapezoid", "odeint", "quad", "quad_vec", "simpson", "solve_ivp", "trapezoid"]
