"""Batches of directions spread over devices: each of them computes the products of its part.

The seeds are constrained to a sharding of their first axis inside of the program, and XLA's partitioner does
the rest. A batch that is no multiple of the number of parts is filled up with zeros.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from polyad.errors import ArgumentError
from polyad.systems.contract import Call, Leaves

__all__ = ["checked", "each"]


def checked(sharding: Any) -> Any:
    """What says over which devices, devices as a tuple; anything else is refused."""
    if sharding is None or hasattr(sharding, "spec"):
        return sharding
    if _are_devices(sharding):
        return tuple(sharding)
    raise ArgumentError(
        f"sharding is {sharding!r}: pass devices, jax.devices() for all of them, or a "
        "jax.sharding.NamedSharding of the first axis, along which the directions of a batch lie"
    )


def _are_devices(sharding: Any) -> bool:
    listed = isinstance(sharding, list | tuple) and len(sharding) > 0
    return listed and all(hasattr(device, "device_kind") for device in sharding)


@functools.lru_cache(maxsize=16)
def _over(devices: tuple[Any, ...]) -> Any:
    import jax
    import numpy as np

    mesh = jax.sharding.Mesh(np.array(devices), ("directions",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("directions"))


def _automatic(sharding: Any) -> Any:
    """The sharding on a mesh whose axes the partitioner may use, whatever kind those of the caller's are."""
    import jax

    mesh = jax.sharding.Mesh(sharding.mesh.devices, sharding.mesh.axis_names)
    return jax.sharding.NamedSharding(mesh, sharding.spec)


def _parted(sharding: Any, seeds: Leaves) -> Leaves:
    """The seeds in their parts, with zeros at the end where they are fewer than a multiple of these."""
    import jax

    named = _automatic(sharding) if hasattr(sharding, "spec") else _over(sharding)
    axes = named.spec[0] if len(named.spec) else None
    names = (axes,) if isinstance(axes, str) else axes or ()
    parts = math.prod(named.mesh.shape[name] for name in names)
    found = []
    for leaf in seeds:
        missing = -leaf.shape[0] % parts
        if missing:
            leaf = jax.numpy.concatenate([leaf, jax.numpy.zeros((missing, *leaf.shape[1:]), leaf.dtype)])
        found.append(jax.lax.with_sharding_constraint(leaf, named))
    return tuple(found)


def each(product: Call, seeds: Leaves, sharding: Any) -> Leaves:
    """A linear map of each of the seeds."""
    import jax

    if sharding is None:
        return tuple(jax.vmap(product)(seeds))
    count = seeds[0].shape[0]
    return tuple(leaf[:count] for leaf in jax.vmap(product)(_parted(sharding, seeds)))
