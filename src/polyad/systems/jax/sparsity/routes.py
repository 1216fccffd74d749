"""Whose program is read: the function's, that of its pushforward, or that of its pullback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.patterns.joining import joined
from polyad.engine.patterns.reading import size_of
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.errors import PatternError
from polyad.systems.contract import Leaves, Problem
from polyad.systems.jax.precision import is_wide, precision
from polyad.systems.jax.sparsity.program import NoForward, ProgramReader

__all__ = ["hessian_sets", "jacobian_sets"]

Function = Callable[[Leaves, Leaves], Leaves]


def jacobian_sets(problem: Problem, *, local: bool, dense: bool) -> IndexSets | None:
    """Of each output entry, which input entries it depends on; None for NumPy code."""
    import jax

    def f(x: Leaves, c: Leaves) -> Leaves:
        return problem.f(x, c)[0]

    def pull(x: Leaves, c: Leaves, w: Leaves) -> Any:
        return jax.vjp(lambda x: f(x, c), x)[1](w)[0]

    try:
        return _forward(problem, f, local=local, dense=dense)
    except NoForward:
        vars(problem)["backward"] = True
        seeds = tuple(np.zeros(spec.shape, spec.dtype) for spec in problem.outputs)
    found = _read(problem, pull, seeds, local=local, dense=dense)
    return None if found is None else found.transposed()


def hessian_sets(problem: Problem, *, local: bool, dense: bool) -> IndexSets | None:
    """The same of each entry of the gradient."""
    import jax

    def gradient(x: Leaves, c: Leaves) -> Leaves:
        found: Leaves = jax.grad(lambda x: problem.f(x, c)[0][0])(x)
        return found

    def pull(x: Leaves, c: Leaves, w: Leaves) -> Any:
        return jax.vjp(lambda x: gradient(x, c), x)[1](w)[0]

    try:
        return _forward(problem, gradient, local=local, dense=dense)
    except NoForward:
        vars(problem)["backward"] = True
    return _read(problem, pull, problem.x, local=local, dense=dense)  # which is symmetric


def _forward(problem: Problem, f: Function, *, local: bool, dense: bool) -> IndexSets | None:
    import jax

    if not local:  # the values at a point are not looked at in the function itself
        try:
            return _read(problem, f, None, local=False, dense=False)
        except (NoForward, PatternError):
            pass

    def push(x: Leaves, c: Leaves, v: Leaves) -> Any:
        return jax.jvp(lambda x: f(x, c), (x,), (v,))[1]

    return _read(problem, push, problem.x, local=local, dense=dense)


def _read(
    problem: Problem, f: Callable[..., Any], seeds: Leaves | None, *, local: bool, dense: bool
) -> IndexSets | None:
    """The pattern of ``f(x, c)`` in ``x``, or of ``f(x, c, v)`` in ``v``, in which it is linear."""
    import jax

    with precision(is_wide((*problem.x, *problem.c))):

        def form(leaf: Any) -> Any:
            # where no values are looked at, none are handed to JAX, which would copy them
            if local or type(leaf) is not np.ndarray:
                return jax.numpy.asarray(leaf)
            return jax.ShapeDtypeStruct(leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype))

        x = tuple(map(form, problem.x))
        free = [k for k, leaf in enumerate(problem.c) if _is_float(leaf)]

        def along(x: Leaves, c: Leaves, *v: Leaves) -> Any:
            whole = list(problem.c)
            for k, leaf in zip(free, c, strict=True):
                whole[k] = leaf
            return f(x, tuple(whole), *v)

        c = tuple(form(problem.c[k]) for k in free)
        v: tuple[Leaves, ...] = () if seeds is None else (tuple(map(form, seeds)),)
        program = jax.make_jaxpr(along)(x, c, *v)
        if getattr(problem.f, "lifted", False):
            return None
        active = x if seeds is None else v[0]
        columns = sum(int(leaf.size) for leaf in active)
        reader = ProgramReader(Analysis(columns, local=local), dense, primal=seeds is None)
        tangents, start = [], 0
        for leaf in active:
            tangents.append(reader.tangent(leaf.shape, IndexSets.identity(start, leaf.size, columns)))
            start += leaf.size
        others: list[Any] = [np.asarray(a) if local else reader.unknown(a.shape) for a in (*x, *c)]
        entered = [*tangents, *others[len(x) :]] if seeds is None else [*others, *tangents]
        found = reader.run(program.jaxpr, program.consts, entered)
    return joined(
        [a.rows() if type(a) is Supported else IndexSets.empty(size_of(a.shape), columns) for a in found]
    )


def _is_float(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, float | complex) or str(dtype).startswith(("float", "complex", "bfloat"))
