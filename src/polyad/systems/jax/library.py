"""What a JAX array is: recognised, described and converted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.interface import Writable
from polyad.arrays.libraries import is_followed
from polyad.arrays.library import Library

__all__ = ["JAXLibrary"]


class JAXLibrary(Library):
    """``jax.Array``, tracers included."""

    name = module = "jax"
    packages = ("jax", "jaxlib")
    namespace = "jax.numpy"
    adapter = "polyad.systems.jax.adapter:JAXAdapter"
    backends = ("jax",)
    immutable = True
    clamps = True
    stages = True
    sparse_kinds = ("bcoo",)
    takes_numpy = True  # compiled functions take it faster than any conversion would make it JAX's

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["jax"].Array,)

    def is_traced(self, a: Any) -> bool:
        return isinstance(a, sys.modules["jax"].core.Tracer)

    def is_leak(self, error: Exception) -> bool:
        # another thread may be importing JAX, and be no further than this
        errors = getattr(sys.modules.get("jax"), "errors", None)
        return errors is not None and isinstance(error, errors.UnexpectedTracerError)

    def to_numpy(self, a: Any) -> Any:
        return np.asarray(a)

    def adopt(self, a: Any) -> Any:
        return sys.modules["jax"].numpy.asarray(a)

    def example(self, a: Any) -> Any:
        jax = sys.modules["jax"]
        with jax.enable_x64(True):
            return jax.numpy.array(np.asarray(a))

    def leaver(self) -> Callable[[Any], Any]:
        return _leaving

    def waiter(self, a: Any) -> Callable[[Any], Any]:
        return sys.modules["jax"].block_until_ready

    def take(self, a: Any) -> Any:
        view = np.asarray(a)
        # below this size a copy is cheaper than describing the memory to NumPy again
        return view.copy() if view.nbytes < 2**15 else np.asarray(Writable(view))

    def from_numpy(self, a: Any) -> Any:
        return a

    def sparse_maker(
        self, kind: str, shape: tuple[int, int], indptr: Any, columns: Any, rows: Any, like: Any
    ) -> Callable[[Any], Any]:
        import jax
        from jax.experimental.sparse import BCOO

        with jax.ensure_compile_time_eval():  # the maker outlives a trace that goes on around it
            indices = jax.numpy.asarray(np.stack([rows, columns], axis=1))
            first = (jax.numpy.zeros(len(rows)), indices)
            form = BCOO(first, shape=shape, indices_sorted=True, unique_indices=True)
        structure = jax.tree_util.tree_structure(form)

        def made(entries: Any) -> Any:
            # as it leaves compiled code: its constructor takes longer than a small Jacobian
            return jax.tree_util.tree_unflatten(structure, (entries, indices))

        return made

    def writeable(self, out: Any) -> bool:
        return False


def _leaving(a: Any) -> Any:
    try:
        # A view would refuse writing; np.array(a) would wait for the result under a slower lock.
        return np.asarray(a).copy()
    except Exception:
        if is_followed(a):
            return a
        raise
