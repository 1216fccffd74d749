"""What depends on no input in a program of JAX: computed when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.patterns.reading import size_of

__all__ = ["Later", "known"]

LARGEST = 1 << 27  # entries of a constant that is still computed


class Unaffordable(Exception):
    """A constant that is not computed."""


class Later:
    """A value that is computed when it is asked for."""

    __slots__ = ("_args", "_eqn", "_value", "place", "shape")

    def __init__(self, eqn: Any, args: Sequence[Any], place: int, shape: tuple[int, ...]) -> None:
        self._eqn, self._args, self.place, self.shape = eqn, args, place, shape
        self._value: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray:
        """The value."""
        if self._value is None:
            if size_of(self.shape) > LARGEST:
                raise Unaffordable
            self._value = _computed(self._eqn, [known(a) for a in self._args])[self.place]
            self._args = ()
        return self._value


def known(a: Any) -> Any:
    """The array itself."""
    return a.value if type(a) is Later else a


def _computed(eqn: Any, args: list[Any]) -> list[np.ndarray]:
    # indices of NumPy's may be wider than the program takes them
    args = [np.asarray(a).astype(v.aval.dtype, copy=False) for a, v in zip(args, eqn.invars, strict=True)]
    own = OWN.get(eqn.primitive.name)
    if own is not None:
        return [np.asarray(own(eqn.params, *args))]
    import jax

    with jax.ensure_compile_time_eval():
        result = eqn.primitive.bind(*args, **eqn.params)
    return list(map(np.asarray, result)) if eqn.primitive.multiple_results else [np.asarray(result)]


def _iota(p: Any) -> np.ndarray:
    shape, axis = p["shape"], p["dimension"]
    line = np.arange(shape[axis], dtype=p["dtype"])
    return np.broadcast_to(line.reshape([-1 if k == axis else 1 for k in range(len(shape))]), shape)


def broadcast(a: np.ndarray, shape: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """``broadcast_in_dim``."""
    form = [1] * len(shape)
    for k, n in zip(axes, a.shape, strict=True):
        form[k] = n
    return np.broadcast_to(a.reshape(form), shape)


def sliced(a: np.ndarray, p: Any) -> np.ndarray:
    """``slice``."""
    steps = p["strides"] or (1,) * a.ndim
    return a[tuple(map(slice, p["start_indices"], p["limit_indices"], steps))]


def reversed_along(a: np.ndarray, p: Any) -> np.ndarray:
    """``rev``."""
    return np.flip(a, p["dimensions"])


def _cast(p: Any, a: np.ndarray) -> np.ndarray:
    heard = get_state()
    try:
        set_state(SILENT)
        return np.asarray(a).astype(p["new_dtype"])
    finally:
        set_state(heard)


OWN: dict[str, Callable[..., Any]] = {
    "iota": _iota,
    "broadcast_in_dim": lambda p, a: broadcast(np.asarray(a), p["shape"], p["broadcast_dimensions"]),
    "reshape": lambda p, a: np.reshape(a, p["new_sizes"]),
    "squeeze": lambda p, a: np.squeeze(a, tuple(p["dimensions"])),
    "expand_dims": lambda p, a: np.expand_dims(a, tuple(p["dimensions"])),
    "transpose": lambda p, a: np.transpose(a, p["permutation"]),
    "slice": lambda p, a: sliced(np.asarray(a), p),
    "rev": lambda p, a: reversed_along(np.asarray(a), p),
    "concatenate": lambda p, *a: np.concatenate(a, axis=p["dimension"]),
    "convert_element_type": _cast,
    "add": lambda p, a, b: a + b,
    "sub": lambda p, a, b: a - b,
    "mul": lambda p, a, b: a * b,
    "max": lambda p, a, b: np.maximum(a, b),
    "min": lambda p, a, b: np.minimum(a, b),
    "lt": lambda p, a, b: np.less(a, b),
    "le": lambda p, a, b: np.less_equal(a, b),
    "gt": lambda p, a, b: np.greater(a, b),
    "ge": lambda p, a, b: np.greater_equal(a, b),
    "eq": lambda p, a, b: np.equal(a, b),
    "ne": lambda p, a, b: np.not_equal(a, b),
    "and": lambda p, a, b: np.bitwise_and(a, b),
    "or": lambda p, a, b: np.bitwise_or(a, b),
    "not": lambda p, a: np.invert(a),
    "copy": lambda p, a: a,
    "stop_gradient": lambda p, a: a,
}
