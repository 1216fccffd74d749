"""Boxes of the autograd package."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec, Host
from polyad.errors import FunctionNotSupportedError

__all__ = ["AutogradLibrary"]


class AutogradLibrary(Host):
    """Boxes of the autograd package, which exist only while it traces a function."""

    name = module = "autograd"
    packages = ("autograd",)
    namespace = "polyad.systems.autograd.namespace"
    adapter = "polyad.systems.autograd.adapter:AutogradAdapter"
    backends = ("autograd",)  # within a function that the user's own autograd differentiates
    carried = True
    enters_objects = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["autograd"].tracer.Box,)

    def is_traced(self, a: Any) -> bool:
        return bool(a._trace <= sys.modules["autograd"].tracer.trace_stack.top)

    def released(self, a: Any) -> Any:
        value: Any = a
        while isinstance(value, self.array_types()) and not self.is_traced(value):
            value = value._value  # type: ignore[attr-defined]
        return value

    def hand_over(self, a: Any) -> Any:
        raise FunctionNotSupportedError(
            "a value that autograd differentiates was given to another framework, where its "
            "derivative would be lost: use backend='autograd' inside as well"
        )

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(tuple(np.shape(a._value)), np.result_type(a._value))
