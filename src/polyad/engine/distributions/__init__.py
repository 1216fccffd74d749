"""The distributions of ``scipy.stats`` on boxes, in every parameter and in the data.

``methods`` is what a distribution does, with location, scale and support; its formulas are SciPy's own where
they are NumPy code, and those of ``continuous`` and ``discrete`` where SciPy computes in C, by a loop, or by
branches. ``multivariate`` has those of vectors and matrices. ``counterparts`` leads from a method of SciPy's
to that of polyad.
"""
