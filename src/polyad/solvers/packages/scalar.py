"""What packages share that take a function whose value is one number: it is a program without constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.nlp.program import Program, program

__all__ = ["dense_hessian", "described"]


def described(f: Callable[..., Any], start: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Program:
    """The function with its derivatives, prepared: what cannot be differentiated is refused now."""
    made = program(f, start, *args, **options)
    made.gradient(made.start)
    return made


def dense_hessian(p: Program, x: Array) -> Array:
    """The Hessian as an array."""
    return p.hessian_matrix(np.asarray(x, dtype=np.float64), np.zeros(0)).toarray()
