"""Arrays of SymPy's expressions."""

from __future__ import annotations

import sys
from typing import Any

from polyad.arrays.library import ArraySpec, Host

__all__ = ["SymPyLibrary"]


class SymPyLibrary(Host):
    """Arrays of SymPy expressions, which exist only while the SymPy backend runs a function."""

    name = "sympy"
    module = "polyad.systems.sympy.expressions"
    packages = ("sympy",)
    adapter = "polyad.systems.sympy.adapter:SymPyAdapter"
    symbolic = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules[self.module].Expressions,)

    def is_traced(self, a: Any) -> bool:
        return True

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(a.shape, a.dtype)

    def cast(self, a: Any, dtype: Any) -> Any:
        return type(a)(a.array, dtype)
