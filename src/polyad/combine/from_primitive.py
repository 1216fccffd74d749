"""A backend reduced to its primitive, so that everything else is derived from it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from polyad.combine.wrapper import Wrapper
from polyad.errors import ArgumentError

__all__ = ["FromPrimitive"]


@dataclasses.dataclass(frozen=True, repr=False)
class FromPrimitive(Wrapper):
    """Another backend's ``jvp`` or ``vjp`` alone, everything else derived.

    For the tests of the derivations, and for authors who want to see what a backend of one
    primitive costs.

    Parameters
    ----------
    backend : Backend or str
        The backend whose primitive is used.
    mode : {"forward", "reverse"}, optional
        Which primitive; None takes ``vjp`` where the backend has it, else ``jvp``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda x: (x**2).sum(), np.ones(2), backend=ad.FromPrimitive("jax", mode="forward"))
    array([2., 2.])
    """

    name: ClassVar[str] = "primitive"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode is not None and self.mode not in self._inner.supports:
            raise ArgumentError(f"{self._inner!r} has no {self.mode} mode: leave mode out")

    @property
    def forward(self) -> bool:
        return not self.reverse

    @property
    def reverse(self) -> bool:
        return self.mode == "reverse" or (self.mode is None and self._inner.reverse)
