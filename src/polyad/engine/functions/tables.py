"""Imports every module that fills the tables, in the order in which it fills them.

A table of the engine (``UFUNCS``, ``FUNCTIONS``, ``DECOMPOSITIONS``) is filled by the modules that hold its
rows when these are imported. This module imports them all, so that whoever reads a table needs to import this
one alone. A new module of rules or of functions is one line here.
"""

from polyad.engine.functions import (
    calculus,  # noqa: F401  (importing them fills the tables)
    creation,  # noqa: F401  (importing them fills the tables)
    fft,  # noqa: F401  (importing them fills the tables)
    linalg,  # noqa: F401  (importing them fills the tables)
    nan,  # noqa: F401  (importing them fills the tables)
    order,  # noqa: F401  (importing them fills the tables)
    pad,  # noqa: F401  (importing them fills the tables)
    polynomials,  # noqa: F401  (importing them fills the tables)
    products,  # noqa: F401  (importing them fills the tables)
    rearrange,  # noqa: F401  (importing them fills the tables)
    reduction,  # noqa: F401  (importing them fills the tables)
    statistics,  # noqa: F401  (importing them fills the tables)
    types,  # noqa: F401  (importing them fills the tables)
)
from polyad.engine.rules import decompositions, gammas  # noqa: F401  (importing them fills the tables)
from polyad.engine.rules.special import (
    bessel,  # noqa: F401  (importing them fills the tables)
    distributions,  # noqa: F401  (importing them fills the tables)
    elliptic,  # noqa: F401  (importing them fills the tables)
    functions,  # noqa: F401  (importing them fills the tables)
)
