"""A jaxpr as a program of NumPy code, for a framework around JAX that cannot follow its tracers.

Compiled functions, closed calls and checkpoints are read as part of the whole; loops run as Python's; a
branch and a loop of unknown length ask for the value of what they depend on. A function with a derivative
of its own (``custom_jvp``) is one with a rule of its own there as well (``rules``). What calls back to the
host has no counterpart.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.engine.define import custom_rule
from polyad.systems.contract import Kernel, Leaves, Problem, strategy_of
from polyad.systems.derive.delegated import delegated
from polyad.systems.derive.replay import NotReplayable, Program, Recorder, or_asked
from polyad.systems.jax.finish import completed, traceable
from polyad.systems.jax.precision import is_wide, precision
from polyad.systems.jax.replay.primitives import FLAT, rule_of, stopped

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = ["portable", "program_of", "replayed"]

# what is read as part of the program around it -> where its jaxpr stands
INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


def portable(backend: Backend, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> Kernel:
    """The kernel replayed, or, where it has something without a counterpart, asked for."""
    try:
        found = replayed(kernel, problem, seeds)
        return or_asked(found, functools.cache(lambda: delegated(backend, kernel, problem, seeds)))
    except NotReplayable as lacking:
        asked = delegated(backend, kernel, problem, seeds)
        return dataclasses.replace(asked, words=f"{asked.words} (no replay of {lacking})")


def replayed(kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> Kernel:
    """The kernel, traced at the problem's examples, as NumPy code.

    Raises
    ------
    NotReplayable
        If it has an operation without a counterpart.
    """
    import jax

    examples = (problem.x, problem.c, *seeds)
    kept: dict[int, Any] = {}
    with precision(is_wide([leaf for leaves in examples for leaf in leaves])):
        closed, shape = jax.make_jaxpr(traceable(kernel, kept), return_shape=True)(*examples)
        program = program_of(closed)
    tree = jax.tree_util.tree_structure(shape)

    def call(*args: Leaves) -> Any:
        found = program(*[leaf for leaves in args for leaf in leaves])
        return jax.tree_util.tree_unflatten(tree, found)

    return Kernel(completed(call, kept) if kept else call, f"{strategy_of(kernel)}, its jaxpr replayed")


def program_of(closed: Any) -> Program:
    """A closed jaxpr as a program."""
    import jax

    consts = []
    for const in closed.consts:
        if isinstance(const, jax.core.Tracer):
            raise NotReplayable("a value that JAX is tracing around it")
        consts.append(np.asarray(const))
    recorder = Recorder(len(closed.jaxpr.invars))
    return recorder.program(_read(recorder, closed.jaxpr, consts, recorder.inputs))


def _read(recorder: Recorder, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """The equations of a jaxpr as steps; gives its outputs."""
    known: dict[Any, Any] = {}

    def value(atom: Any) -> Any:
        if hasattr(atom, "val"):
            return np.asarray(atom.val, dtype=atom.aval.dtype)[()]
        return known[atom]

    known.update(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, args, strict=True))
    for eqn in _needed(jaxpr):
        ins = [value(a) for a in eqn.invars]
        outs = _equation(recorder, eqn, ins)
        known.update(zip(eqn.outvars, outs, strict=True))
    return [value(a) for a in jaxpr.outvars]


def _needed(jaxpr: Any) -> list[Any]:
    """The equations on which the outputs depend."""
    needed = {id(v) for v in jaxpr.outvars}
    kept = []
    for eqn in reversed(jaxpr.eqns):
        if any(id(v) in needed for v in eqn.outvars):
            kept.append(eqn)
            needed.update(id(v) for v in eqn.invars)
    return kept[::-1]


def _equation(recorder: Recorder, eqn: Any, ins: list[Any]) -> list[Any]:
    name, params = eqn.primitive.name, eqn.params
    if name in INLINED:
        inner = params["jaxpr" if "jaxpr" in params else "call_jaxpr"]
        jaxpr, consts = _opened(inner)
        return _read(recorder, jaxpr, consts, ins)
    if name in CONTROL:
        return CONTROL[name](recorder, eqn, ins)
    if name == "platform_index":
        return [np.asarray(eqn.primitive.bind(**params))]
    if name == "stop_gradient":
        return recorder.step(stopped, ins, 1, stop=True)
    if name in CUSTOM:
        return recorder.step(_custom(eqn), ins, len(eqn.outvars))
    rule = rule_of(name)
    if rule is None:
        return recorder.missing(f"JAX's {name}", ins, len(eqn.outvars))
    return recorder.step(rule(params, eqn), ins, len(eqn.outvars), flat=name in FLAT)


def _opened(jaxpr: Any) -> tuple[Any, list[Any]]:
    """A jaxpr with its constants, closed or not."""
    if hasattr(jaxpr, "consts"):
        return jaxpr.jaxpr, [np.asarray(c) for c in jaxpr.consts]
    return jaxpr, []


def _program(jaxpr: Any) -> Program:
    """A jaxpr of control flow as a program of its own."""
    inner, consts = _opened(jaxpr)
    recorder = Recorder(len(inner.invars))
    return recorder.program(_read(recorder, inner, consts, recorder.inputs))


# -- functions with a derivative of their own --------------------------------------------------------------

# whether the rule of such a function is being read
BUSY: contextvars.ContextVar[bool] = contextvars.ContextVar("BUSY", default=False)
CUSTOM = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})


def _custom(eqn: Any) -> Callable[..., list[Any]]:
    """Of a function and its rule the programs, as a function with a rule of the engine's."""
    import jax

    avals = [v.aval for v in eqn.invars]
    if any(np.dtype(a.dtype).kind != "f" for a in avals):
        raise NotReplayable(f"JAX's {eqn.primitive.name} of something that is no real number")
    examples = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
    results = [v.aval for v in eqn.outvars]
    given = eqn.primitive.get_bind_params(eqn.params)
    functions, params = given if isinstance(given, tuple) else ((), given)

    def bound(*args: Any) -> Any:
        return tuple(eqn.primitive.bind(*functions, *args, **params))

    def pushed(args: Any, tangents: Any) -> Any:
        return jax.jvp(bound, args, tangents)[1]

    def pulled(args: Any, w: Any) -> Any:
        return jax.vjp(bound, *args)[1](w)

    forward = eqn.primitive.name == "custom_jvp_call"
    inner = next(v for k, v in eqn.params.items() if k in ("call_jaxpr", "fun_jaxpr"))
    value = _program(inner)
    outs = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in results)
    by = (pushed, (tuple(examples), tuple(examples))) if forward else (pulled, (tuple(examples), outs))
    made: list[Program] = []

    def rule() -> Program:
        if not made:
            with precision(any(np.dtype(a.dtype).itemsize > 4 for a in avals)):
                made.append(program_of(jax.make_jaxpr(by[0])(*by[1])))
        return made[0]

    single = len(results) == 1

    def f(*args: Any) -> Any:
        found = value(*args)
        return found[0] if single else tuple(found)

    def along(*args: Any, **seeds: Any) -> Any:
        (seed,) = seeds.values()
        many = not single if not forward else len(examples) > 1
        found = rule()(*args, *(seed if many else (seed,)))
        only = single if forward else len(examples) == 1
        return found[0] if only else tuple(found)

    if not BUSY.get():  # a rule may ask its own function, so what is within one waits until it is asked
        try:
            BUSY.set(True)
            rule()
        finally:
            BUSY.set(False)
    like = tuple(np.ones(a.shape, a.dtype) for a in results)
    by_mode: dict[str, Any] = {"jvp" if forward else "vjp": along}
    own = custom_rule(f, **by_mode, like=like[0] if single else like)

    def call(*args: Any) -> list[Any]:
        found = own(*args)
        return [found] if single else list(found)

    return call


# -- control flow ------------------------------------------------------------------------------------------


def _scan(recorder: Recorder, eqn: Any, ins: list[Any]) -> list[Any]:
    params = eqn.params
    consts, carried, length = params["num_consts"], params["num_carry"], params["length"]
    body = _program(params["jaxpr"])
    order = range(length)[::-1] if params["reverse"] else range(length)
    specs = [var.aval for var in eqn.outvars[carried:]]

    def run(*args: Any) -> list[Any]:
        fixed, carry, xs = args[:consts], list(args[consts : consts + carried]), args[consts + carried :]
        rows: list[Any] = [None] * length
        for k in order:
            out = body(*fixed, *carry, *[x[k] for x in xs])
            carry, rows[k] = out[:carried], out[carried:]
        stacked = [
            np.stack([row[j] for row in rows]) if length else np.zeros(spec.shape, dtype=spec.dtype)
            for j, spec in enumerate(specs)
        ]
        return [*carry, *stacked]

    return recorder.step(run, ins, len(eqn.outvars))


def _while(recorder: Recorder, eqn: Any, ins: list[Any]) -> list[Any]:
    params = eqn.params
    test, body = _program(params["cond_jaxpr"]), _program(params["body_jaxpr"])
    first, second = params["cond_nconsts"], params["body_nconsts"]

    def run(*args: Any) -> list[Any]:
        of_test, of_body = args[:first], args[first : first + second]
        carry = list(args[first + second :])
        while bool(test(*of_test, *carry)[0]):
            carry = body(*of_body, *carry)
        return carry

    return recorder.step(run, ins, len(eqn.outvars))


def _cond(recorder: Recorder, eqn: Any, ins: list[Any]) -> list[Any]:
    if recorder.is_known(ins[0]):
        which = min(max(int(ins[0]), 0), len(eqn.params["branches"]) - 1)
        jaxpr, consts = _opened(eqn.params["branches"][which])
        return _read(recorder, jaxpr, consts, ins[1:])
    branches = [_program(branch) for branch in eqn.params["branches"]]

    def run(which: Any, *args: Any) -> list[Any]:
        last = len(branches) - 1
        for k in range(last):
            if bool(which <= k):
                return branches[k](*args)
        return branches[last](*args)

    return recorder.step(run, ins, len(eqn.outvars))


def _solve(recorder: Recorder, eqn: Any, ins: list[Any]) -> list[Any]:
    """A linear system by the matrix of its product, whatever factors JAX would solve it by."""
    lengths, jaxprs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    matrix = ins[: lengths.matvec]
    right = ins[sum(lengths) :]
    if len(right) != 1:
        raise NotReplayable("JAX's custom_linear_solve of several arrays")
    product, aval = _program(jaxprs.matvec), eqn.invars[-1].aval
    simple = _plain_matrix(jaxprs.matvec) if len(matrix) == 1 else None

    def run(b: Any, *consts: Any) -> list[Any]:
        if simple is not None:
            a = consts[0] if simple == 1 else np.swapaxes(consts[0], -1, -2)
            return [np.linalg.solve(a, b)]
        units = np.eye(aval.size, dtype=aval.dtype)
        columns = [np.reshape(product(*consts, np.reshape(e, aval.shape))[0], (aval.size,)) for e in units]
        a = np.stack(columns, axis=1)
        return [np.reshape(np.linalg.solve(a, np.reshape(b, (aval.size,))), aval.shape)]

    return recorder.step(run, [*right, *matrix], len(eqn.outvars))


def _plain_matrix(matvec: Any) -> int | None:
    """Which axis a product with a square matrix sums over, if it is one of a matrix by a vector."""
    jaxpr = matvec.jaxpr
    equations = [e for e in jaxpr.eqns if not (e.primitive.name == "reduce_sum" and not e.params["axes"])]
    if len(equations) != 1 or equations[0].primitive.name != "dot_general":
        return None
    (eqn,) = equations
    shapes = [tuple(v.aval.shape) for v in jaxpr.invars]
    if len(shapes) != 2 or len(shapes[0]) != 2 or len(shapes[1]) != 1:
        return None
    (left, right), batch = eqn.params["dimension_numbers"]
    if any(batch[0]):
        return None
    first = eqn.invars[0] is jaxpr.invars[0]
    return int((left if first else right)[0])


CONTROL: dict[str, Callable[[Recorder, Any, list[Any]], list[Any]]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "custom_linear_solve": _solve,
}
