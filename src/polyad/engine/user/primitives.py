"""What ``define`` makes: primitives whose rules are the user's, written in NumPy.

Rules run on plain arrays where nothing is traced, and on boxes where their operands are under another
differentiation, so derivatives of any order follow from them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library as library_named
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import (
    LOOKED,
    PRIMITIVES,
    Primitive,
    Tracer,
    Value,
    base,
    is_real,
    shape_of,
)
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.masked import settled
from polyad.engine.user.linear import Looks
from polyad.engine.user.rules import on_boxes, ruled, unboxed, value_of_rule
from polyad.errors import FOLLOWED, ArgumentError, rule_out

__all__ = ["Defined", "check_rules", "elementwise", "general", "is_fixed", "is_ufunc"]

Rule = Callable[..., Any]
_LETTERS = ("a", "b", "c", "d")


def is_ufunc(f: Any) -> bool:
    """NumPy's universal functions, and numba's, which are like them."""
    return isinstance(f, np.ufunc) or isinstance(getattr(f, "ufunc", None), np.ufunc)


def _inner(f: Any) -> np.ufunc:
    return f if isinstance(f, np.ufunc) else f.ufunc


class Defined(Primitive):
    """A user's primitive; other libraries have it only as far as its definition says."""

    __slots__ = ("label", "lifts", "like", "namesake", "source")

    label: str
    lifts: dict[str, Rule]
    namesake: Primitive | None
    like: Any  # an example of the result, or a function of the arguments that gives one
    source: Rule | None  # the function, if a library's own arrays may run through it for its values

    def __call__(self, *args: Value, **params: Any) -> Value:
        from polyad.engine.interpretations.proxy import Proxy

        tracers = [a for a in args if isinstance(a, Tracer)]
        if not tracers:
            return self.compute(*args, **params)
        LOOKED.rules += 1  # a rule may differ from the slope of what it stands for, and be meant to
        top = max(tracers, key=lambda a: a.level)
        return self._lifted(top, args, params) if type(top) is Proxy else top.process(self, args, params)

    def _lifted(self, top: Any, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        from polyad.engine.boxes.box import unbox, wrap
        from polyad.engine.core.kinds import DECOMPOSITIONS
        from polyad.engine.interpretations.adapter import adapter
        from polyad.engine.interpretations.proxy import from_host

        library = top.library
        own, f = adapter(library), self.lifts.get(library)
        if f is not None and library_named(library).symbolic:
            return unbox(f(*map(wrap, args), **params))
        if f is not None:
            return top._leave(own, own.of_user(f, [top._entered(own, a) for a in args], params, self.label))
        ruled = None if self.joint is None else own.by_rule(self)
        if ruled is not None:
            symbolic = library_named(library).symbolic  # there a constant is a part of the operation
            kept = [is_fixed(a) or (symbolic and isinstance(a, np.ndarray)) for a in args]
            given = [a if k else top._entered(own, a) for a, k in zip(args, kept, strict=True)]
            return top._leave(own, ruled(*given, **params))
        found = self.namesake or self
        if (
            own.compute(found) is not None
            or found.name in DECOMPOSITIONS
            or from_host(own, found) is not None
        ):
            return top.process(found, args, params)
        raise refuse(
            f"{library} has no counterpart of {self.label}",
            f"polyad.define(..., lifts={{{library!r}: g}}) gives it one, or use backend='numpy'",
        )


# -- values ---------------------------------------------------------------------------------------------


def _computed(f: Rule, label: str, *, copies: bool) -> Rule:
    """``f`` on NumPy arrays: with ``copies`` it may write to its arguments; its result is copied."""

    def compute(*args: Any, **params: Any) -> Any:
        given = [a.copy() if copies and isinstance(a, np.ndarray) else a for a in args]
        out = f(*given, **params)
        if hasattr(out, "_value") or (hasattr(out, "dtype") and not isinstance(out, np.ndarray | np.generic)):
            error = refuse(
                f"{label} takes a value from around itself that is differentiated, or traced",
                "pass it as an argument, and give its derivative in the rules",
            )
            raise rule_out(error, FOLLOWED)
        if isinstance(out, tuple | list | dict) or out is None:
            raise refuse(
                f"{label} returned a {type(out).__name__}",
                "a defined function has one array or number as its result",
            )
        found = np.array(out)
        if found.dtype.kind not in "fc":
            found = found.astype(np.result_type(1.0, *(a for a in args if hasattr(a, "dtype"))))
        return found if found.shape else found[()]

    return compute


# -- elementwise functions ----------------------------------------------------------------------------------


def elementwise(f: Any, partials: Sequence[Rule | None], name: str, label: str) -> Defined:
    """A primitive of partial derivatives."""
    from polyad.engine.core import kinds

    own = is_ufunc(f)
    names = _operands(f, len(partials), label)
    if len(names) > len(_LETTERS):
        raise ArgumentError(f"{label} has {len(names)} operands, partials are for {len(_LETTERS)}: use jvp=")
    if own and _inner(f).nout != 1:
        raise ArgumentError(f"{label} has {_inner(f).nout} results: define a function for each of them")
    if own and _inner(f).signature is not None:
        raise ArgumentError(f"{label} is not elementwise (its signature is {f.signature}): use jvp= or vjp=")
    table = ("x",) if len(names) == 1 else _LETTERS[: len(names)]
    rules = [
        None if d is None else _partial(d, names, table, f"the derivative of {label} by {n}")
        for d, n in zip(partials, names, strict=True)
    ]
    compute = _computed(f, label, copies=not own)
    made = kinds.elementwise(name, compute, *rules)
    return _made(Defined(name, compute, made.push, made.pulls, lazy=True))


def _made(primitive: Defined) -> Defined:
    primitive.home = "user"
    primitive.namesake = primitive.like = primitive.source = None
    return primitive


def _operands(f: Any, count: int, label: str) -> tuple[str, ...]:
    """The names of the operands: as the function has them, or the table's."""
    names: tuple[str, ...] = ()
    if is_ufunc(f):
        number = _inner(f).nin
        names = ("x",) if number == 1 else _LETTERS[:number] + ("?",) * (number - len(_LETTERS))
    else:
        names = _parameters(f) or (("x",) if count == 1 else _LETTERS[:count])
    if len(names) != count:
        raise ArgumentError(
            f"{label} has {len(names)} operands ({', '.join(names)}), and define got {count} partial "
            "derivatives: one for each, None where there is none"
        )
    return names


def _parameters(f: Any) -> tuple[str, ...] | None:
    """The names of positional parameters, or None where they cannot be known."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return None
    return tuple(p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _partial(d: Rule, names: tuple[str, ...], table: tuple[str, ...], what: str) -> Rule:
    """A partial derivative as the table has it: on values, with the table's names, its shape checked."""
    if not callable(d):
        raise ArgumentError(f"{what} is {d!r}: pass a function, as lambda {', '.join(names)}: ...")
    needs = names if isinstance(d, np.ufunc) and d.nin == len(names) else _parameters(d)
    known = {"y": "y", **dict(zip(names, table, strict=True))}
    unknown = ["*args"] if needs is None else [n for n in needs if n not in known]
    if unknown:
        result = "" if "y" in names else ", and y for the result"
        raise ArgumentError(
            f"{what} has a parameter {unknown[0]!r}: its parameters are those of the function that it "
            f"needs ({', '.join(names)}){result}"
        )
    assert needs is not None

    def rule(*values: Value) -> Value:
        shape = np.broadcast_shapes(*map(shape_of, values))
        return value_of_rule(ruled(d, values), shape, what, broadcast=True)

    kind = inspect.Parameter.POSITIONAL_ONLY
    rule.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(known[n], kind) for n in needs]
    )
    return rule


# -- functions of arrays ------------------------------------------------------------------------------------


def check_rules(jvp: Rule | None, vjp: Rule | None, label: str) -> None:
    """See whether rules take the directions that they are called with."""
    for rule, word in ((jvp, "v"), (vjp, "w")):
        if rule is not None and not _takes(rule, word):
            raise ArgumentError(
                f"the {'jvp' if word == 'v' else 'vjp'} of {label} must take the keyword {word}: "
                f"it is called as rule(*args, {word}={word})"
            )


def general(f: Any, jvp: Rule | None, vjp: Rule | None, name: str, label: str) -> Defined:
    """A primitive with a pushforward, a pullback, or both."""
    check_rules(jvp, vjp, label)
    if is_ufunc(f) and _inner(f).nout != 1:
        raise ArgumentError(f"{label} has {_inner(f).nout} results: define a function for each of them")

    looks = Looks(label, jvp, vjp)

    def along(args: Sequence[Value], v: tuple[Value, ...], shape: tuple[int, ...], params: Any) -> Value:
        """The tangent of the result."""
        if jvp is None:
            return _transposed_vjp(args, v, shape, params)
        if looks.waiting:
            looks.look("v", args, shape, params)
        out = ruled(jvp, args, params, v=v if len(args) > 1 else v[0])
        return value_of_rule(out, shape, f"the jvp of {label}")

    def back(args: Sequence[Value], w: Value, params: Any) -> tuple[Value, ...]:
        """The cotangent of every argument, None where there is none."""
        level = max([a.level for a in args if isinstance(a, Tracer)], default=-1)
        if type(w) is Dual and w.level > level:
            # linear in w: row by row, so that the rule gets plain arrays where it can
            rows = [
                back(args, PRIMITIVES["getitem"](w.tangent, index=i), params) for i in range(len(w.tangent))
            ]
            first = back(args, w.primal, params)
            return tuple(
                None if p is None else Dual(w.level, p, _stacked([row[k] for row in rows]))
                for k, p in enumerate(first)
            )
        if vjp is None:
            return _transposed_jvp(args, w, params)
        if looks.waiting:
            looks.look("w", args, shape_of(w), params)
        return _cotangents(ruled(vjp, args, params, w=w), args)

    def _cotangents(out: Any, args: Sequence[Value]) -> tuple[Value, ...]:
        parts = (out,) if len(args) == 1 and not isinstance(out, tuple | list) else out
        if not isinstance(parts, tuple | list) or len(parts) != len(args):
            count = len(parts) if isinstance(parts, tuple | list) else 1
            raise refuse(
                f"the vjp of {label} returned {count} cotangents for {len(args)} arguments",
                "return one for each, None for what has none",
            )
        what = f"a cotangent from the vjp of {label}"
        return tuple(
            None if g is None else value_of_rule(g, shape_of(a), what)
            for g, a in zip(parts, args, strict=True)
        )

    def _transposed_vjp(args: Sequence[Value], v: Any, shape: tuple[int, ...], params: Any) -> Value:
        """The pullback is linear in ``w``, and its own pullback is the pushforward."""
        from polyad.engine import run

        active = [k for k, t in enumerate(v) if t is not None]

        if looks.waiting:
            looks.look("w", args, shape, params)

        def pullback(boxes: tuple[Any, ...]) -> Any:
            assert vjp is not None
            parts = _cotangents(ruled(vjp, args, params, w=run.enter(boxes[0])), args)
            return tuple(_given(parts[k]) for k in active), ()

        recorded = run.record(pullback, (run.leave(_zeros(args, shape)),))
        return run.enter(recorded.pull([run.leave(v[k]) for k in active])[0])

    def _transposed_jvp(args: Sequence[Value], w: Value, params: Any) -> tuple[Value, ...]:
        from polyad.engine import run

        active = [k for k, a in enumerate(args) if _is_number(a)]

        def pushforward(boxes: tuple[Any, ...]) -> Any:
            tangents: list[Any] = [None] * len(args)
            for k, box in zip(active, boxes, strict=True):
                tangents[k] = run.enter(box)
            return (along(args, tuple(tangents), shape_of(w), params),), ()

        zeros = [run.leave(_zeros([args[k]], shape_of(args[k]))) for k in active]
        try:
            found = iter(run.record(pushforward, zeros).pull([run.leave(w)]))
        except RecursionError:
            raise refuse(
                f"the jvp of {label} calls itself for its direction, so that its transpose never ends",
                "give the vjp too, or let the jvp compute with other functions",
            ) from None
        return tuple(run.enter(next(found)) if k in active else None for k in range(len(args)))

    def _given(part: Value) -> Value:
        if part is None:
            raise refuse(
                f"the vjp of {label} gave None for an argument that is differentiated",
                "return its cotangent, or polyad.stop_gradient(x) where dropping the derivative is meant",
            )
        return part

    def push(y: Value, tangents: Sequence[Value], *args: Value, **params: Any) -> Value:
        count = next(t for t in tangents if t is not None).shape[0]
        rows = []
        for i in range(count):
            v = [
                PRIMITIVES["getitem"](t, index=i)
                if t is not None
                else _zeros([a], shape_of(a))
                if jvp is not None and _is_number(a)
                else None
                for t, a in zip(tangents, args, strict=True)
            ]
            rows.append(along(args, tuple(v), shape_of(y), params))
        return _stacked(rows)

    def joint(which: tuple[int, ...], y: Value, *args: Value, **params: Any) -> Any:
        def pull(w: Value) -> tuple[Value, ...]:
            parts = back(args, settled(w), params)
            return tuple(_real_where(_given(parts[k]), args[k]) for k in which)

        return pull

    compute = _computed(f, label, copies=not is_ufunc(f))
    primitive = _made(Defined(name, compute, push, (), joint=joint))
    primitive.source = lambda *args, **params: unboxed(on_boxes(f, args, params))
    return primitive


def _takes(rule: Rule, word: str) -> bool:
    try:
        found = inspect.signature(rule).parameters
    except (TypeError, ValueError):
        return True
    return word in found or any(p.kind is p.VAR_KEYWORD for p in found.values())


def _is_number(a: Value) -> bool:
    """Whether something is there to be differentiated."""
    return isinstance(a, Tracer | np.ndarray | np.generic | float | int | complex)


def is_fixed(a: Any) -> bool:
    """Whether something is plain whole numbers: rules get them as they are, as indices for instance."""
    return isinstance(a, np.ndarray | np.generic) and a.dtype.kind in "iub"


def _zeros(like: Sequence[Value], shape: tuple[int, ...]) -> Value:
    """Zeros in the library of the first array among some operands."""
    from polyad.engine.core.kinds import zeros_of

    found = next((a for a in like if isinstance(base(a), Tracer)), None)
    if found is not None:
        return zeros_of(found, shape)
    kinds = [a.dtype if hasattr(a, "dtype") else type(a) for a in like if _is_number(a)]
    return np.zeros(shape, dtype=np.result_type(1.0, *kinds))[()] if shape == () else np.zeros(shape)


def _stacked(rows: Sequence[Value]) -> Value:
    return PRIMITIVES["stack"](*rows, axis=0)


def _real_where(g: Value, a: Value) -> Value:
    """A cotangent as the argument takes it: real where that is real."""
    return PRIMITIVES["real"](g) if is_real(a) and not is_real(g) else g
