"""From one function with its hand-written derivatives to a scenario for every operator.

A case states a function, its Jacobian and its Hessian in closed form. What an operator must give
is then linear algebra on these blocks: ``J v``, the adjoint of ``J`` applied to ``w``, ``H v``.

* ``J(*args)`` gives a block ``output.shape + input.shape``, or for trees the rows
  ``[output leaf][input leaf]`` of such blocks; ``H(*args)`` likewise one order higher.
* Functions of complex arguments have a second block for the conjugate: ``dy = J v + Jc conj(v)``,
  where ``J`` and ``Jc`` are the Wirtinger derivatives. The cotangent of ``w`` is then
  ``J^H w + Jc^T conj(w)``, which makes the gradient of ``|z|**2`` equal to ``2 z``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from polyad import Static, namespace
from polyad.systems.operations import operations
from polyad.testing.scenario import Point, Scenario, vary
from polyad.testing.trees import leaves, map_leaves, plain, rebuild, wide

__all__ = ["Case", "Generic", "diagonal", "grid"]

Blocks = list[list[Any]]
GOLDEN = 0.6180339887498949


def grid(*shape: int, low: float = 0.3, high: float = 1.7, shift: int = 1) -> Any:
    """Irregular numbers between ``low`` and ``high``, the same in every run."""
    count = int(np.prod(shape))
    return (low + (high - low) * np.modf(GOLDEN * (np.arange(count) + shift))[0]).reshape(shape)


def diagonal(a: Any) -> Any:
    """The array of shape ``a.shape * 2`` with ``a`` on its diagonal."""
    a = np.asarray(a)
    return np.diag(a.ravel()).reshape(a.shape * 2)


class Generic:
    """``f(*args)`` for a function ``g(xp, *args)``, with ``xp`` that of the arguments' library."""

    def __init__(self, g: Callable[..., Any], name: str) -> None:
        self.g = g
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any) -> Any:
        """The function in the library of its arguments."""
        return self.g(namespace(*(leaf for _, leaf in leaves(args))), *args)

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A function with its derivatives.

    Parameters
    ----------
    name : str
        What it is.
    g : callable
        ``g(xp, *args)``.
    args : tuple
        The first point; others are varied from it.
    J, H : callable
        Closed forms of the first and second derivative, from the arguments in NumPy; without H
        there are first-order scenarios only.
    Jc, Hc : callable, optional
        The derivatives with respect to the conjugate.
    operators : tuple of str, optional
        Which operators; None takes all that the shapes allow.
    batches : tuple of int
        Numbers of directions of batched products; 0-direction products belong to it.
    layout : callable, optional
        Applied to every array of arguments and directions (strides, flags, byte order).
    raises : dict, optional
        Operator -> error that must be raised instead.
    argnums, has_aux, needs, dear
        As in ``Scenario``.
    """

    name: str
    g: Callable[..., Any]
    args: tuple[Any, ...]
    J: Callable[..., Any]
    H: Callable[..., Any] | None = None
    Jc: Callable[..., Any] | None = None
    Hc: Callable[..., Any] | None = None
    operators: tuple[str, ...] | None = None
    batches: tuple[int, ...] = ()
    layout: Callable[[Any], Any] | None = None
    raises: dict[str, type[Exception]] = dataclasses.field(default_factory=dict)
    argnums: int | tuple[int, ...] = 0
    has_aux: bool = False
    needs: frozenset[str] = frozenset()
    dear: bool = False

    def scenarios(self, family: str) -> Iterator[Scenario]:
        """A scenario for each operator, and for each batch of the products."""
        f = Generic(self.g, self.name)
        operators = self._possible() if self.operators is None else self.operators
        for operator in (*operators, *self.raises):
            is_product = operations()[operator].seed is not None
            counts: tuple[int | None, ...] = self.batches if self.batches and is_product else (None,)
            for count in counts:
                points = tuple(self._point(f, operator, k, count) for k in range(3))
                yield Scenario(
                    self.name,
                    operator,
                    f,
                    points[:2],
                    family=family,
                    argnums=self.argnums,
                    has_aux=self.has_aux,
                    batched=count is not None,
                    prepare_args=points[2].args,
                    prepare_seed=points[2].seed,
                    raises=self.raises.get(operator),
                    needs=self.needs,
                    dear=self.dear,
                )

    # -- the point -------------------------------------------------------------------------------

    def _possible(self) -> tuple[str, ...]:
        xs = [leaf for _, leaf in leaves(self._active(self.args))]
        ys = [leaf for _, leaf in leaves(self._value(self.args)[0])]
        scalar_in = len(xs) == 1 and np.ndim(xs[0]) == 0
        scalar_out = len(ys) == 1 and np.ndim(ys[0]) == 0 and not np.iscomplexobj(ys[0])
        names = ["jacobian", "jvp", "vjp"]
        names += ["derivative"] * scalar_in + ["gradient"] * scalar_out
        if self.H is not None:
            names += ["second_derivative"] * scalar_in + ["hvp", "hessian"] * scalar_out
        return tuple(names)

    def _active(self, args: tuple[Any, ...]) -> Any:
        if isinstance(self.argnums, int):
            return args[self.argnums]
        return tuple(args[k] for k in self.argnums)

    def _value(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        out = self.g(np, *plain(args))
        return out if self.has_aux else (out, None)

    def _point(self, f: Callable[..., Any], operator: str, k: int, count: int | None) -> Point:
        args = vary(self.args, k)
        x = self._active(args)
        y, aux = self._value(args)
        seed = None
        if (name := operations()[operator].seed) is not None:
            like = x if name == "v" else y
            seed = _seed(like, count, k)
        result = lower = None
        if operator not in self.raises:
            result, lower = self._reference(operator, args, x, y, seed, count)
        if self.layout is not None:
            args = tuple(a if isinstance(a, Static) else map_leaves(self.layout, a) for a in args)
            seed = None if seed is None else map_leaves(self.layout, seed)
        return Point(args=args, result=result, value=y, seed=seed, lower=lower, aux=aux)

    # -- references --------------------------------------------------------------------------------

    def _blocks(self, form: Callable[..., Any] | None, args: tuple[Any, ...]) -> Blocks | None:
        if form is None:
            return None
        given = form(*(a.value if isinstance(a, Static) else map_leaves(wide, a) for a in args))
        return [list(row) for row in given] if isinstance(given, tuple | list) else [[given]]

    def _reference(
        self, operator: str, args: tuple[Any, ...], x: Any, y: Any, seed: Any, count: int | None
    ) -> tuple[Any, Any]:
        """The result, and the first derivative that second-order operators give besides."""
        J, Jc = self._blocks(self.J, args), self._blocks(self.Jc, args)
        assert J is not None
        if operator == "jvp":
            return _each(lambda v: _push(J, Jc, x, y, v), seed, count, y), None
        if operator == "vjp":
            return _each(lambda w: _pull(J, Jc, x, w), seed, count, x), None
        if operator == "jacobian":
            return _nest(J, y, x), None
        if operator == "derivative":
            return _cast([row[0] for row in J], y), None
        gradient = None
        if operator != "second_derivative":
            gradient = _pull(J, Jc, x, 1.0)
        if operator == "gradient":
            return gradient, None
        H, Hc = self._blocks(self.H, args), self._blocks(self.Hc, args)
        assert H is not None
        if operator == "second_derivative":
            return _cast([row[0] for row in H], y), _cast([row[0] for row in J], y)
        if operator == "hessian":
            return _nest(H, x, x), gradient
        return _each(lambda v: _push(H, Hc, x, x, v), seed, count, x), gradient


def _seed(like: Any, count: int | None, k: int) -> Any:
    """A direction of the structure of ``like``, complex where it is."""
    position = iter(range(1, 1000))

    def direction(leaf: Any) -> Any:
        shape = np.shape(leaf) if count is None else (count, *np.shape(leaf))
        number = next(position) + 7 * k
        values = grid(*shape, low=-1.0, high=1.5, shift=number)
        dtype = np.result_type(leaf)
        if dtype.kind == "c":
            values = values + 1j * grid(*shape, low=-1.5, high=1.0, shift=number + 3)
        return values.astype(dtype)

    return map_leaves(direction, like)


def _dot(blocks: Sequence[Any], vectors: Sequence[Any], *, left: bool = False) -> Any:
    """The sum of products of blocks with vectors, over all axes of each vector."""
    pairs = zip(blocks, vectors, strict=True)
    if left:
        return sum((np.tensordot(a, b, np.ndim(a)) for b, a in pairs), start=np.zeros(()))
    return sum((np.tensordot(b, a, np.ndim(a)) for b, a in pairs), start=np.zeros(()))


def _push(J: Blocks, Jc: Blocks | None, x: Any, y: Any, v: Any) -> Any:
    vs = [wide(leaf) for _, leaf in leaves(v)]
    total = [_dot(row, vs) for row in J]
    if Jc is not None:
        total = [t + _dot(row, [np.conj(a) for a in vs]) for t, row in zip(total, Jc, strict=True)]
    return _cast(total, y)


def _pull(J: Blocks, Jc: Blocks | None, x: Any, w: Any) -> Any:
    ws = [wide(leaf) for _, leaf in leaves(w)]
    columns = range(len(J[0]))
    total = [_dot([np.conj(row[i]) for row in J], ws, left=True) for i in columns]
    if Jc is not None:
        turned = [np.conj(a) for a in ws]
        total = [t + _dot([row[i] for row in Jc], turned, left=True) for i, t in enumerate(total)]
    return _cast(total, x)


def _cast(values: list[Any], like: Any) -> Any:
    """Values with the structure, shapes and dtypes of ``like``; real leaves have real parts only."""
    found = []
    for value, (_, leaf) in zip(values, leaves(like), strict=True):
        dtype = np.result_type(leaf)
        real = np.asarray(value) if dtype.kind == "c" else np.real(np.asarray(value))
        found.append(real.astype(dtype).reshape(np.shape(leaf)))
    return rebuild(like, found)


def _nest(blocks: Blocks, outer: Any, inner: Any) -> Any:
    """Blocks as the tree of ``outer`` with a tree of ``inner`` at each leaf."""
    rows = []
    for row, (_, y) in zip(blocks, leaves(outer), strict=True):
        cast = []
        for block, (_, x) in zip(row, leaves(inner), strict=True):
            dtype = np.result_type(np.result_type(y), np.result_type(x))
            cast.append(np.asarray(block).astype(dtype).reshape(np.shape(y) + np.shape(x)))
        rows.append(rebuild(inner, cast))
    return rebuild(outer, rows)


def _each(product: Callable[[Any], Any], seed: Any, count: int | None, like: Any) -> Any:
    """A product for one direction, or for each of a batch."""
    if count is None:
        return product(seed)
    if count == 0:
        return map_leaves(lambda a: np.zeros((0, *np.shape(a)), dtype=np.result_type(a)), like)
    parts = []
    for k in range(count):
        row = map_leaves(itemgetter(k), seed)
        parts.append([leaf for _, leaf in leaves(product(row))])
    return rebuild(like, [np.stack(leaf) for leaf in zip(*parts, strict=True)])
