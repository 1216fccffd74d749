"""Operations of JAX's own sparse arrays (BCOO, BCSR), written out in operations of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["written_out"]


def written_out(eqn: Any) -> Any:
    """The program of an operation of a sparse array; None where it is none, or is not known.

    What JAX itself has as a program is taken. Its products are not among that, and written here for arrays
    without batches.
    """
    import jax

    by = PRODUCTS.get(eqn.primitive.name)
    if by is None:
        by = eqn.primitive.impl
        if not getattr(by, "__module__", "").startswith("jax.experimental.sparse"):
            return None
    elif eqn.invars[0].aval.ndim != 1 or eqn.invars[1].aval.ndim != (2 if by is _coordinates else 1):
        return None
    elif eqn.params["dimension_numbers"][1] != ((), ()):
        return None
    avals = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]
    return jax.make_jaxpr(lambda *arrays: by(*arrays, **eqn.params))(*avals)


def _coordinates(data: Any, indices: Any, dense: Any, *, dimension_numbers: Any, **params: Any) -> Any:
    """The product with an array of coordinates; places beyond its shape stand for none."""
    import jax

    shape = params["lhs_spinfo"].shape
    (mine, others), _ = dimension_numbers
    kept = [k for k in range(len(shape)) if k not in mine]
    rest = [k for k in range(dense.ndim) if k not in others]
    dense = dense.transpose([*others, *rest])
    met = dense.at[tuple(indices[:, k] for k in mine)].get(mode="fill", fill_value=0) if mine else dense[None]
    product = data.reshape(-1, *(1,) * len(rest)) * met
    if not kept:
        return product.sum(0)
    whole = jax.numpy.zeros([*(shape[k] for k in kept), *(dense.shape[len(others) :])], product.dtype)
    return whole.at[tuple(indices[:, k] for k in kept)].add(product)


def _rows(data: Any, indices: Any, indptr: Any, dense: Any, **params: Any) -> Any:
    """The product with an array of compressed rows."""
    from jax import numpy as jnp

    counts, each = indptr[1:] - indptr[:-1], jnp.arange(indptr.size - 1)
    rows = jnp.repeat(each, counts, total_repeat_length=data.size)
    return _coordinates(data, jnp.stack([rows, indices], axis=1), dense, **params)


PRODUCTS: dict[str, Callable[..., Any]] = {"bcoo_dot_general": _coordinates, "bcsr_dot_general": _rows}
