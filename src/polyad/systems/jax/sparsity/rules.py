"""What JAX's operations on tangents depend on: ``rule(reader, eqn, args, shapes)`` gives the results.

None says that there is no rule for such operands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.engine.patterns.convolution import convolved, convolved_weights, pooled
from polyad.engine.patterns.products import contracted
from polyad.engine.patterns.reading import cumulative, reaches, size_of, triangular, windows
from polyad.engine.patterns.rules import elementwise, reduced
from polyad.engine.patterns.supported import Supported
from polyad.systems.jax.sparsity import loops
from polyad.systems.jax.sparsity.constants import broadcast, known, reversed_along, sliced
from polyad.systems.jax.sparsity.places import gathered_from, scattered_to

if TYPE_CHECKING:
    from polyad.systems.jax.sparsity.program import ProgramReader

__all__ = ["ELEMENTWISE", "RULES"]

Rule = Callable[["ProgramReader", Any, list[Any], list[Any]], Any]

ELEMENTWISE = frozenset(
    "mul div add_any add sub neg convert_element_type real imag conj complex copy copy_p reduce_precision "
    "device_put sharding_constraint optimization_barrier mesh_cast pvary".split()
)
RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def keep(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, f))
        return f

    return keep


# -- what moves entries ---------------------------------------------------------------------------------

MOVES: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "broadcast_in_dim": lambda p, a: broadcast(a, p["shape"], p["broadcast_dimensions"]),
    "reshape": lambda p, a: a.transpose(p["dimensions"] or range(a.ndim)).reshape(p["new_sizes"]),
    "squeeze": lambda p, a: np.squeeze(a, tuple(p["dimensions"])),
    "expand_dims": lambda p, a: np.expand_dims(a, tuple(p["dimensions"])),
    "transpose": lambda p, a: np.transpose(a, p["permutation"]),
    "slice": lambda p, a: sliced(a, p),
    "rev": lambda p, a: reversed_along(a, p),
    "tile": lambda p, a: np.tile(a, p["reps"]),
}


@_rule(*MOVES)
def _moved(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    if len(args) > 1:
        return None
    move = MOVES[eqn.primitive.name]
    return reader.moved(args[0], lambda a: move(eqn.params, a), shapes[0])


@_rule("split")
def _split(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    axis, found, start = eqn.params["axis"], [], 0
    lead = (slice(None),) * axis
    for size, shape in zip(eqn.params["sizes"], shapes, strict=True):
        part = (*lead, slice(start, start + size))
        found.append(reader.moved(args[0], lambda a, part=part: a[part], shape))  # type: ignore[misc]
        start += size
    return found


@_rule("unstack")
def _unstack(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    axis = eqn.params["axis"]
    return [
        reader.moved(args[0], lambda a, k=k: np.take(a, k, axis=axis), s)  # type: ignore[misc]
        for k, s in enumerate(shapes)
    ]


@_rule("concatenate", "stack")
def _concatenate(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    if eqn.primitive.name == "stack":
        return reader.together(args, lambda p: np.stack(p, axis=eqn.params["axis"]), shapes[0])
    return reader.together(args, lambda p: np.concatenate(p, axis=eqn.params["dimension"]), shapes[0])


@_rule("pad")
def _pad(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    inside, taken = [], []  # where the entries go, and which of them do
    for (low, _, step), n, size in zip(eqn.params["padding_config"], args[0].shape, shapes[0], strict=True):
        first = max(0, -(low // (step + 1)))
        last = min(n, -((low - size) // (step + 1)))
        taken.append(slice(first, max(first, last)))
        inside.append(slice(low + first * (step + 1), low + last * (step + 1), step + 1))
        if last <= first:
            inside[-1] = slice(0, 0)

    def put(parts: list[np.ndarray]) -> np.ndarray:
        whole = np.zeros(shapes[0], dtype=parts[0].dtype)
        if reaches(args[1]):
            whole[...] = parts[1]
        whole[tuple(inside)] = parts[0][tuple(taken)]
        return whole

    return reader.together(args, put, shapes[0]) if shapes[0] else None


@_rule("select_n")
def _select_n(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    which, cases, shape = args[0], args[1:], shapes[0]
    if type(which) is Supported:
        if reaches(which):
            return None
        example = np.broadcast_to(np.zeros(()), shape)
        return reader.tangent(shape, elementwise(reader.analysis, cases, {}, example))
    chosen = np.broadcast_to(known(which), shape).astype(np.int64)

    def pick(parts: list[np.ndarray]) -> np.ndarray:
        return np.choose(chosen, parts) if len(parts) < 32 else np.stack(parts)[chosen]

    return reader.together(cases, pick, shape)


# -- what is put where an index says ------------------------------------------------------------------------


def _unknown(args: list[Any]) -> bool:
    return any([type(a) is Supported for a in args])


@_rule("gather")
def _gather(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    x, indices = args
    if not reaches(x) or reaches(indices):
        return None
    lead = indices.shape[:-1]
    if type(indices) is not Supported:
        places = gathered_from(x.shape, known(indices), shapes[0], eqn.params, lead)
        return reader.tangent(shapes[0], x.sets.gathered(places))
    # at places that are not known: of everything along the axes that they count
    axes = tuple(eqn.params["dimension_numbers"].start_index_map)
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    places = gathered_from(kept, None, shapes[0], eqn.params, lead)
    return reader.tangent(shapes[0], reduced(x.sets, x.shape, axes).gathered(places))


@_rule("dynamic_slice")
def _dynamic_slice(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    x, starts = args[0], args[1:]
    if not reaches(x) or any(map(reaches, starts)):
        return None
    axes = tuple(k for k, s in enumerate(starts) if type(s) is Supported and shapes[0][k] < x.shape[k])
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    small = reader.tangent(kept, reduced(x.sets, x.shape, axes))
    index = []
    for k, (s, n, m) in enumerate(zip(starts, x.shape, shapes[0], strict=True)):
        begin = 0 if type(s) is Supported else int(np.clip(int(known(s)), 0, n - m))
        index.append(slice(0, 1) if k in axes else slice(begin, begin + m))
    if small.sets is None:
        return reader.unknown(shapes[0])
    return reader.moved(small, lambda a: np.broadcast_to(a[tuple(index)], shapes[0]), shapes[0])


@_rule("dynamic_update_slice")
def _dynamic_update_slice(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    x, update, starts = args[0], args[1], args[2:]
    if any(map(reaches, starts)):
        return None
    if _unknown(starts):
        axes = tuple(k for k, s in enumerate(starts) if type(s) is Supported)
        if not reaches(update) or any(
            m != n for k, (m, n) in enumerate(zip(update.shape, shapes[0], strict=True)) if k not in axes
        ):
            return reader.added(x, update, None, shapes[0])
        update = reader.along(update, axes, shapes[0])
        return reader.added(x, update, np.arange(update.size), shapes[0])
    index = []
    for s, n, m in zip(starts, shapes[0], np.shape(update), strict=True):
        begin = int(np.clip(int(known(s)), 0, n - m))
        index.append(slice(begin, begin + m))

    def put(parts: list[np.ndarray]) -> np.ndarray:
        whole = np.array(parts[0])
        whole[tuple(index)] = parts[1]
        return whole

    return reader.together([x, update], put, shapes[0])


@_rule("scatter", "scatter-add", "scatter_add")
def _scatter(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    x, indices, updates = args
    if reaches(indices):
        return None
    if type(indices) is Supported:
        return reader.added(x, updates, None, shapes[0])
    places = scattered_to(shapes[0], known(indices), updates.shape, eqn.params)
    if eqn.primitive.name == "scatter" and reaches(x):
        untouched = np.arange(size_of(shapes[0]))
        untouched[places[places >= 0]] = -1
        x = reader.tangent(shapes[0], x.sets.gathered(untouched))
    return reader.added(x, updates, places, shapes[0])


@_rule("scatter-mul", "scatter_mul")
def _scatter_mul(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    """Factors at some places, which no tangent reaches."""
    return None if any(map(reaches, args[1:])) else reader.tangent(shapes[0], args[0].sets)


# -- sums and products ----------------------------------------------------------------------------------


@_rule("reduce_sum")
def _reduce_sum(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    x = args[0]
    return reader.tangent(shapes[0], reduced(x.sets, x.shape, tuple(eqn.params["axes"])))


@_rule("cumsum")
def _cumsum(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    p = eqn.params
    sets = cumulative(args[0].sets, args[0].shape, p["axis"], reverse=p["reverse"])
    return reader.tangent(shapes[0], sets)


@_rule("dot_general")
def _dot_general(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    (lc, rc), (lb, rb) = eqn.params["dimension_numbers"]
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    left: list[str] = [""] * len(args[0].shape)
    right: list[str] = [""] * len(args[1].shape)
    for i, j in (*zip(lb, rb, strict=True), *zip(lc, rc, strict=True)):
        left[i] = right[j] = next(letters)
    for term in (left, right):
        for k, c in enumerate(term):
            term[k] = c or next(letters)
    output = [left[i] for i in lb]
    output += [c for k, c in enumerate(left) if k not in lb and k not in lc]
    output += [c for k, c in enumerate(right) if k not in rb and k not in rc]
    terms = ["".join(left), "".join(right)]
    found = contracted([known(a) for a in args], terms, "".join(output), shapes[0])
    return reader.tangent(shapes[0], found)


@_rule("fft")
def _fft(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    n = len(eqn.params["fft_lengths"])
    return reader.along(args[0], range(-n, 0), shapes[0])


# -- linear systems -----------------------------------------------------------------------------------------


@_rule("triangular_solve")
def _triangular_solve(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    a, b = args
    if reaches(a):
        return None
    p = eqn.params
    lower = bool(p["lower"]) != bool(p["transpose_a"])
    return reader.tangent(shapes[0], triangular(b.sets, b.shape, left=p["left_side"], lower=lower))


@_rule("tridiagonal_solve")
def _tridiagonal(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    if any(map(reaches, args[:3])):
        return None
    return reader.along(args[3], (-2 if len(shapes[0]) > len(args[0].shape) else -1,), shapes[0])


@_rule("custom_linear_solve")
def _custom_solve(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    """What solves is run where it does so in steps that are known; else all depends on all."""
    lengths, programs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    first = lengths.matvec + lengths.vecmat
    total = first + lengths.solve + lengths.transpose_solve
    solve, consts = programs.solve, args[first : first + lengths.solve]
    if not any(map(reaches, args[:total])) and solve is not None and _is_direct(solve.jaxpr):
        return reader.run(solve.jaxpr, solve.consts, [*consts, *args[total:]])
    return reader.everything(args, shapes)


def _is_direct(jaxpr: Any) -> bool:
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        inner = eqn.params.get("jaxpr") if name in ("jit", "pjit") else None
        if inner is not None:
            if not _is_direct(inner.jaxpr):
                return False
        elif name not in RULES and name not in ELEMENTWISE and name not in PRIMAL:
            return False
        elif name in ("while", "scan", "cond"):
            return False
    return True


# on the permutation of a factorisation
PRIMAL = frozenset("lt add select_n iota sort eq".split())


# -- windows ------------------------------------------------------------------------------------------------


@_rule("conv_general_dilated")
def _convolution(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    p, (x, w) = eqn.params, args
    d = p["dimension_numbers"]
    if p["batch_group_count"] != 1:
        return reader.everything(args, shapes)
    xs, ws, out = (
        tuple(s[k] for k in spec)
        for s, spec in ((x.shape, d.lhs_spec), (w.shape, d.rhs_spec), (shapes[0], d.out_spec))
    )
    seen = windows(
        xs[2:],
        ws[2:],
        out[2:],
        stride=p["window_strides"],
        before=[low for low, _ in p["padding"]],
        dilation=p["rhs_dilation"],
        base=p["lhs_dilation"],
    )
    parts = []
    if reaches(x):
        inner = x.sets.moved(x.shape, lambda a: np.transpose(a, d.lhs_spec))
        taps = None
        if type(w) is not Supported:
            taps = np.any(np.transpose(known(w), d.rhs_spec) != 0, axis=(0, 1))
        parts.append(convolved(inner, xs, seen, out[1], p["feature_group_count"], taps))
    if reaches(w):
        inner = w.sets.moved(w.shape, lambda a: np.transpose(a, d.rhs_spec))
        parts.append(convolved_weights(inner, ws, out))
    found = parts[0] if len(parts) == 1 else parts[0].united(parts[1])
    back = np.argsort(d.out_spec)
    return reader.tangent(shapes[0], found.moved(out, lambda a: np.transpose(a, back)))


@_rule("reduce_window_sum", "select_and_gather_add")
def _window(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    """Of all that a window sees."""
    p, x = eqn.params, args[0]
    if any(map(reaches, args[1:])):
        return None
    n = len(x.shape)
    seen = windows(
        x.shape,
        p["window_dimensions"],
        shapes[0],
        stride=p["window_strides"],
        before=[low for low, _ in p["padding"]],
        dilation=p.get("window_dilation") or (1,) * n,
        base=p.get("base_dilation"),
    )
    return reader.tangent(shapes[0], pooled(x.sets, (), x.size, seen))


@_rule("select_and_scatter_add")
def _window_back(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    p, source = eqn.params, args[0]
    if any(map(reaches, args[1:])):
        return None
    seen = windows(
        shapes[0],
        p["window_dimensions"],
        source.shape,
        stride=p["window_strides"],
        before=[low for low, _ in p["padding"]],
        dilation=(1,) * len(shapes[0]),
    )
    return reader.tangent(shapes[0], pooled(source.sets, (), size_of(shapes[0]), seen, back=True))


# -- loops and choices --------------------------------------------------------------------------------------

RULES.update({"cond": loops.choice, "scan": loops.scan, "while": loops.while_loop})


# -- what is not looked into: every result may depend on every operand --------------------------------


@_rule("cholesky", "sort")
def _whole(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    return reader.everything(args, shapes)
