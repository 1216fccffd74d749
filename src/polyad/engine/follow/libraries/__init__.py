"""Counterparts of the functions of a library: SciPy's linear algebra, solvers, splines, fits, filters."""
