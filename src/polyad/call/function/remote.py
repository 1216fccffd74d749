"""The user's function as it travels to other processes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.stopped import elsewhere
from polyad.arrays.trees import flatten

__all__ = ["Remote"]


class Remote:
    """The user's function with its constants bound, free of anything that cannot be sent elsewhere."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        active: tuple[int, ...],
        caches: tuple[int, ...] = (),
    ) -> None:
        self._f, self._active, self._caches = f, active, caches
        self._args = [None if k in active else a for k, a in enumerate(args)]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """On arrival: constants cannot be written to, there as here."""
        self.__dict__.update(state)
        for leaf in flatten(self._args)[0]:
            if isinstance(leaf, np.ndarray):
                leaf.flags.writeable = False

    def __call__(self, active: Sequence[Any]) -> Any:
        """The output for active arguments."""
        args = list(self._args)
        for k, a in zip(self._active, active, strict=True):
            args[k] = a
        for k in self._caches:
            args[k] = copy.deepcopy(args[k])
        return elsewhere(self._f, *args)
