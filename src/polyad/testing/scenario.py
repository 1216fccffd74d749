"""A scenario: one operator on one function at known points, as data.

* References are closed forms written by hand; nothing of the code under test makes them.
* A scenario is prepared on other values than it is run on, and run at every one of its points, so
  that whatever a preparation keeps by mistake shows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.systems.operations import operations
from polyad.testing.trees import leaves, map_leaves

__all__ = ["RTOL", "Point", "Scenario", "vary"]

# Allowed error of an exact backend, relative to the largest entry of the reference.
RTOL = {"float64": 1e-12, "complex128": 1e-12, "float32": 1e-5, "complex64": 1e-5}


@dataclasses.dataclass(frozen=True, eq=False)
class Point:
    """Arguments and what must come out there.

    Parameters
    ----------
    args : tuple
        The positional arguments, as the function takes them (``Static`` allowed).
    result : object
        The operator's result, as a tree of NumPy arrays.
    value : object
        The function's value.
    seed : object, optional
        The direction ``v`` or ``w`` of a product.
    lower : object, optional
        The first derivative that a second-order operator gives besides.
    aux : object, optional
        What the function returns besides, with ``has_aux``.
    """

    args: tuple[Any, ...]
    result: Any
    value: Any
    seed: Any = None
    lower: Any = None
    aux: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Scenario:
    """One operator on one function, with its references.

    Parameters
    ----------
    name : str
        What the function is.
    operator : str
        One of ``operations()``.
    f : callable
        The function, written for every library (``polyad.namespace``).
    points : tuple of Point
        Where it is run; at least two show state that a preparation should not keep.
    family : str
        The group it is counted under.
    argnums, has_aux, batched
        As the operator takes them.
    prepare_args, prepare_seed : optional
        What it is prepared on; by default other values of the same shapes.
    raises : type, optional
        The error that every backend must raise instead of a result.
    needs : frozenset of str
        What it asks of a backend beyond the ordinary (``"complex"``, ``"branch"``, ...): a
        backend may declare that it refuses a need.
    dear : bool
        Slow; run once rather than under every backend.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> from polyad.testing import Point, Scenario, check_scenario
    >>> points = tuple(
    ...     Point(args=(x,), value=np.sum(x**3), result=3 * x**2) for x in np.eye(2) + 1.0
    ... )
    >>> scenario = Scenario("sum of cubes", "gradient", lambda x: (x**3).sum(), points)
    >>> check_scenario("jax", scenario)
    'reverse, jax.vjp, compiled by XLA'
    """

    name: str
    operator: str
    f: Callable[..., Any]
    points: tuple[Point, ...]
    family: str = "yours"
    argnums: int | tuple[int, ...] = 0
    has_aux: bool = False
    batched: bool = False
    prepare_args: tuple[Any, ...] | None = None
    prepare_seed: Any = None
    raises: type[Exception] | None = None
    needs: frozenset[str] = frozenset()
    dear: bool = False

    def __post_init__(self) -> None:
        if self.operator not in operations():
            raise ValueError(f"operator {self.operator!r} is none of {', '.join(operations())}")
        if not self.points:
            raise ValueError(f"scenario {self.name!r} has no points")
        first = self.points[0]
        if self.prepare_args is None:
            object.__setattr__(self, "prepare_args", vary(first.args, 2))
        if self.prepare_seed is None and first.seed is not None:
            object.__setattr__(self, "prepare_seed", vary(first.seed, 2))

    @property
    def id(self) -> str:
        """Family, function and operator, as tests and reports call it."""
        batch = ""
        if self.batched:
            batch = f"[{next(np.shape(leaf)[0] for _, leaf in leaves(self.points[0].seed))}]"
        return f"{self.family}: {self.name}: {self.operator}{batch}"

    @property
    def seed_name(self) -> str | None:
        """The keyword of the direction, ``"v"`` or ``"w"``."""
        return operations()[self.operator].seed

    @property
    def order(self) -> int:
        """Order of differentiation."""
        return operations()[self.operator].order

    def __repr__(self) -> str:
        return f"<Scenario {self.id}>"


def vary(tree: Any, k: int) -> Any:
    """Other values of the same structure, shapes, dtypes and signs; integers and flags stay."""

    def other(leaf: Any) -> Any:
        kind = np.result_type(leaf).kind
        if kind not in "fc" or k == 0:
            return leaf
        if isinstance(leaf, float | complex) and not isinstance(leaf, np.generic):
            return leaf * (1 + 0.17 * k)
        factor = 1 + 0.1 * k + 0.05 * np.cos(k + np.arange(np.size(leaf))).reshape(np.shape(leaf))
        varied = np.asarray(leaf * factor).astype(leaf.dtype)
        return varied if isinstance(leaf, np.ndarray) else varied[()]

    return map_leaves(other, tree)
