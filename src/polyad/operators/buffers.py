"""Arrays that a function writes to: fresh at every call, able to hold active values.

What NumPy code fills while it is differentiated must be what its active arguments are: a box where those
are boxes, a tensor where they are tensors. ``inplace`` and ``Cache`` ask for such an array here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of

__all__ = ["copied", "zeros"]


def _inexact(leaves: Sequence[Any]) -> list[Any]:
    """The leaves that are arrays of floating-point numbers; Python numbers adapt to any."""
    return [a for a in leaves if hasattr(a, "shape") and library_of(a) is not None and _is_inexact(a)]


def _is_inexact(a: Any) -> bool:
    spec = library_of(a).spec(a)  # type: ignore[union-attr]
    return spec.is_inexact


