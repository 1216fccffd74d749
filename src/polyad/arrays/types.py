"""Names of types that every floor uses, for signatures that say what they take."""

from __future__ import annotations

from typing import Any

__all__ = ["Array", "Leaves"]

# An array of any library, a number, or a framework's tracer; they have no class in common.
Array = Any
# The leaves of a tree in a row: arguments, seeds and results as kernels take and give them.
Leaves = tuple[Array, ...]
