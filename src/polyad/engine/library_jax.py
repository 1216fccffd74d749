"""NumPy code on ``jax.numpy``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from polyad.engine.libraries import Adapter
from polyad.engine.refuse import refuse

__all__ = ["JAX"]


class JAX(Adapter):
    """``jax.numpy``."""

    name = "jax"

    def main(self) -> Any:
        import jax.numpy

        return jax.numpy

    def namespaces(self, home: str) -> tuple[Any, ...]:
        import jax.scipy.special

        return (self.main(), self.main().linalg) if home == "numpy" else (jax.scipy.special,)

    def constant(self, a: Any, beside: Any) -> Any:
        return self.main().asarray(a) if isinstance(a, np.ndarray) else a

    def stop(self, a: Any) -> Any:
        return sys.modules["jax"].lax.stop_gradient(a)

    def own_setitem(self, x: Any, v: Any, index: Any) -> Any:
        return self.main().asarray(x).at[index].set(v)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Any:
        return self.main().zeros(shape, dtype=w.dtype).at[index].add(w)

    def own_getitem(self, x: Any, index: Any) -> Any:
        tracer = sys.modules["jax"].core.Tracer
        for k in index if type(index) is tuple else (index,):
            if isinstance(k, tracer) and k.dtype == bool:
                raise refuse(
                    "a mask that JAX is still tracing picks entries, whose number is not known",
                    "use np.where(mask, x, 0)",
                )
        return x[index]

    def own_pinv(self, a: Any, rcond: Any) -> Any:
        return self._linalg().pinv(a, rtol=rcond)
