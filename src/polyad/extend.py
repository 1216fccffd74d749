"""For authors: what a backend, an array library or the lift of NumPy code to it is made of, and nothing else.

* **A backend** (``Backend``) makes a kernel (``Kernel``, ``strategy``) of a problem (``Problem``). It is
  registered under the entry-point group ``polyad.backends``.
* **An array library** (``Library``) recognises, describes and converts its arrays. It is registered under
  ``polyad.libraries``.
* **An adapter** (``Adapter``) says how NumPy code runs on a library's arrays. The library names it.
* ``polyad.testing.check_backend`` proves all of it.

Names that stand here keep their meaning; whatever else is in polyad may change.
"""

from __future__ import annotations

from polyad.arrays.libraries import is_followed, library, library_of
from polyad.arrays.library import ArraySpec, Library
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.by_table import pulled, pushed, value_of
from polyad.errors import (
    ArgumentError,
    BackendContractError,
    FunctionNotSupportedError,
    InputTypeError,
    OperationNotSupportedError,
    PolyadError,
    UnsupportedOperatorError,
)
from polyad.systems.base import Backend
from polyad.systems.contract import Executable, Kernel, Leaves, Linearized, Problem, Variant, strategy

__all__ = [
    "Adapter",
    "ArgumentError",
    "ArraySpec",
    "Backend",
    "BackendContractError",
    "Executable",
    "FunctionNotSupportedError",
    "InputTypeError",
    "Kernel",
    "Leaves",
    "Library",
    "Linearized",
    "OperationNotSupportedError",
    "PolyadError",
    "Primitive",
    "Problem",
    "UnsupportedOperatorError",
    "Variant",
    "is_followed",
    "library",
    "library_of",
    "pulled",
    "pushed",
    "refuse",
    "strategy",
    "value_of",
]
