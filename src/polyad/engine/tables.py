"""Everything that fills the tables, in the order in which it fills them.

A table of the engine (``UFUNCS``, ``FUNCTIONS``, ``DECOMPOSITIONS``) is filled by the modules that hold its
rows when these are imported. This module imports them all, so that whoever reads a table needs to import this
one alone. A new module of rules or of functions is one line here.
"""

from polyad.engine import (  # noqa: F401  (importing them fills the tables)
    decompositions,
    numpy_calculus,
    numpy_creation,
    numpy_fft,
    numpy_linalg,
    numpy_nan,
    numpy_order,
    numpy_pad,
    numpy_polynomials,
    numpy_products,
    numpy_rearrange,
    numpy_reduction,
    numpy_statistics,
    numpy_types,
    rules_bessel,
    rules_elliptic,
    rules_special,
    rules_statistics,
)
