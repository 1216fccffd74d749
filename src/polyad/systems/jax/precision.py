"""JAX's 64-bit setting: which leaves need it, and the scope in which it holds."""

from __future__ import annotations

import contextlib
from typing import Any

from polyad.errors import InputTypeError

__all__ = ["is_wide", "precision"]

_WIDE = frozenset({"float64", "complex128", "int64", "uint64"})


def is_wide(leaves: Any) -> bool:
    """Whether any leaf is a 64-bit array; Python numbers adapt to what they meet."""
    for leaf in leaves:
        if getattr(getattr(leaf, "dtype", None), "char", "") in ("g", "G"):
            raise InputTypeError(f"JAX has no dtype {leaf.dtype}: convert with x.astype(np.float64)")
    return any(str(getattr(leaf, "dtype", "")) in _WIDE for leaf in leaves)


def precision(wide: bool) -> Any:
    """The scope in which JAX computes with 64 bits where that is wanted, as it is elsewhere."""
    import jax

    return jax.enable_x64(True) if wide else contextlib.nullcontext()
