"""Where NumPy's indices lie in a tensor, as flat positions: torch has other rules for some of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import keys_of
from polyad.engine.interpretations.adapter import Adapter

__all__ = ["positions"]


def positions(own: Adapter, shape: Any, index: Any, x: Any) -> Any:
    """Flat positions of what an index picks."""
    import torch

    shape = tuple(shape)
    keys = keys_of(index)
    tensors = [k for k, key in enumerate(keys) if isinstance(key, torch.Tensor)]
    if any(keys[k].dtype == torch.bool for k in tensors):
        known = [own.values(key) if k in tensors else key for k, key in enumerate(keys)]
        if any(key is None for k, key in enumerate(known) if k in tensors):
            raise refuse(
                "a mask that torch is still tracing picks entries, whose number is not known",
                "use np.where(mask, x, 0)",
            )
        keys, tensors = tuple(np.asarray(k) if isinstance(k, np.ndarray) else k for k in known), []
    blank = [np.zeros(tuple(key.shape), dtype=int) if k in tensors else key for k, key in enumerate(keys)]
    places = np.asarray(np.arange(math.prod(shape)).reshape(shape)[tuple(blank)])
    found = torch.as_tensor(places.copy(), device=x.device)
    for k in tensors:
        # NumPy says which entry of the key each entry of the result takes
        axis, key = _axis_of(keys, k, len(shape)), keys[k]
        count = key.numel()
        longer = (*shape[:axis], count, *shape[axis + 1 :])
        along = np.arange(count).reshape(-1, *(1,) * (len(shape) - axis - 1))
        numbers = [*blank[:k], np.arange(count).reshape(tuple(key.shape)), *blank[k + 1 :]]
        which = np.broadcast_to(along, longer)[tuple(numbers)].copy()
        step, n = math.prod(shape[axis + 1 :]), shape[axis]
        taken = key.reshape(-1)[torch.as_tensor(which, device=x.device)]
        found = found + step * torch.where(taken < 0, taken + n, taken)
    return found


def _axis_of(keys: tuple[Any, ...], k: int, ndim: int) -> int:
    """The axis that a key of an index stands for."""
    if any(key is Ellipsis for key in keys[:k]):
        return ndim - sum(1 for key in keys[k:] if key is not None)
    return sum(getattr(key, "ndim", 1) if _is_mask(key) else 1 for key in keys[:k] if key is not None)


def _is_mask(key: Any) -> bool:
    return isinstance(key, np.ndarray) and key.dtype.kind == "b"
