"""SciPy's solvers with exact derivatives: the same signatures, and the same results.

Each function here has the name and the signature of SciPy's, which does the work; what it would approximate
by differences comes from polyad, in the form that the method accepts. Keywords say how: ``backend=``,
``follow=``.
"""
