"""The autograd package: NumPy code on ``autograd.numpy``, traced anew at every call.

* Its trace stack is one counter for the whole process, and nested traces of two threads can end
  up with the same number; everything here runs under one lock.
* Its forward rules are fewer than its reverse rules (linear algebra has almost none): second
  order is reverse over reverse, and a pushforward without a rule becomes the pullback of the
  pullback, which is linear in its cotangent.
* Its reverse mode gives the unconjugated product; polyad's convention conjugates.
* One leaf travels bare; several travel in autograd's own tuple.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.systems.base import Backend
from polyad.systems.contract import (
    Call,
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    strategy,
    strategy_of,
)
from polyad.systems.derive import operators

__all__ = ["Autograd"]

LOCK = threading.RLock()
# numbers of traces, above those of any use of autograd beside polyad
_TRACES = itertools.count(2**40)

Pullback = Callable[[Leaves], Leaves]


@dataclasses.dataclass(frozen=True, repr=False)
class Autograd(Backend):
    """Differentiation by the autograd package.

    Parameters
    ----------
    mode : {None, "forward", "reverse"}
        Force one mode; None means reverse, and forward for ``jvp``, derivatives and Jacobians
        with far fewer columns than rows.
    lift : bool, optional
        Whether the function is NumPy code to be run on the framework's arrays (True), or is written
        for these (False); None finds out at preparation.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def f(x):
    ...     xp = ad.namespace(x)
    ...     return xp.sum(xp.sin(x))
    >>> ad.gradient(f, np.zeros(2), backend=ad.Autograd())
    array([1., 1.])
    """

    mode: str | None = None

    name: ClassVar[str] = "autograd"
    requires: ClassVar[tuple[str, ...]] = ("autograd",)
    extra: ClassVar[str] = "autograd"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})
    prefers_pullbacks: ClassVar[bool] = True
    by_value: ClassVar[bool] = True
    fast_path: ClassVar[bool] = True

    @property
    def lifts_to(self) -> str | None:
        return "autograd"

    @property
    def refusals(self) -> Mapping[str, str]:
        if self.mode != "forward":
            return {}
        why = "autograd has no forward rules for linear algebra: use 'autograd' or 'autograd:reverse'"
        return {"linear algebra": why}

    @property
    def xp(self) -> Any:
        from polyad.systems.autograd import namespace

        return namespace

    # -- primitives -------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        root = _parts().core.JVPNode.new_root

        @strategy("forward, by autograd")
        def forward(x: Leaves, c: Leaves, v: Leaves) -> Any:
            y, node, count, aux = _trace(problem, x, c, root(_pack(v)))
            dy = _zeros(y) if node is None else node.g
            return tuple(map(_settled, _unpack(dy, count))), _unpack(y, count), aux

        if self.mode == "forward":
            return forward

        @strategy("forward, or the pullback of the pullback where autograd has no forward rule")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            try:
                return forward(x, c, v)
            except NotImplementedError as error:
                if not str(error).startswith("JVP of"):
                    raise
            pullback, y, aux = _pull(problem, x, c)
            return _push(problem, pullback, y, v), y, aux

        return kernel

    def vjp(self, problem: Problem) -> Kernel:
        @strategy("reverse, by autograd")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            pullback, y, aux = _pull(problem, x, c)
            return pullback(w), y, aux

        return kernel

    def vjp_batched(self, problem: Problem) -> Kernel:
        xp = self.xp

        @strategy("reverse, by autograd, pass after pass over one tape")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            pullback, y, aux = _pull(problem, x, c)
            return _each(xp, pullback, w, x), y, aux

        return kernel

    # -- overrides ----------------------------------------------------------------------------

    def gradient(self, problem: Problem) -> Kernel:
        if not self.reverse:
            return operators.gradient(self, problem)

        @strategy("reverse, by autograd")
        def kernel(x: Leaves, c: Leaves) -> Any:
            pullback, y, aux = _pull(problem, x, c)
            return pullback((np.ones((), y[0].dtype),)), y, aux

        return kernel

    def jacobian(self, problem: Problem) -> Kernel:
        # A pushforward evaluates f again, a pullback only walks the kept tape.
        if operators.forward_wins(self, problem, bias=0.5):
            return operators.jacobian_by_columns(self, problem)
        return operators.jacobian_by_rows(self, problem)

    def hvp(self, problem: Problem) -> Kernel:
        return operators.hvp(self._second_order, problem)

    def hvp_batched(self, problem: Problem) -> Kernel:
        return operators.hvp_batched(self._second_order, problem)

    def hessian(self, problem: Problem) -> Kernel:
        return operators.hessian(self._second_order, problem)

    @property
    def _second_order(self) -> Autograd:
        return self if self.mode is not None else self.replace(mode="reverse")

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        xp = self.xp
        with LOCK:
            pullback, y, aux = _pull(problem, x, c, root=_keeping().new_root())

        def push(v: Leaves) -> Leaves:
            return _push(problem, pullback, y, v)

        return Linearized(
            y,
            aux,
            _locked(push),
            _locked(pullback),
            _locked(lambda v: _each(xp, push, v, y)),
            _locked(lambda w: _each(xp, pullback, w, x)),
            "the kept tape, and its own pullback for pushforwards",
        )

    # -- surroundings -------------------------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        # on boxes, as at every call: what runs on plain arrays says nothing of these
        core, zeros = _parts().core, tuple(np.zeros_like(leaf) for leaf in problem.x)
        forward = self.mode == "forward"
        root = core.JVPNode.new_root(_pack(zeros)) if forward else _node().new_root()
        with LOCK:
            y, _, count, _ = _trace(problem, problem.x, problem.c, root)
        return tuple(map(spec_of, _unpack(y, count)))

    def output(self, leaf: Any) -> Any:
        return leaf if hasattr(leaf, "shape") else np.asarray(leaf, dtype=np.result_type(leaf, 1.0))

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        call = kernel.call if isinstance(kernel, Kernel) else kernel

        def result(*args: Any) -> Leaves:
            with LOCK:
                leaves: Leaves = call(*args)[0]
                return leaves

        return Executable(_locked(call), result, strategy_of(kernel))

    def explain(self, error: Exception) -> str | None:
        text = str(error)
        if isinstance(error, NotImplementedError) and text.startswith(("JVP of", "VJP of")):
            rule = text.partition(" wrt")[0]
            other = "'autograd:reverse' or 'jax'" if text.startswith("JVP") else "'jax' or 'torch'"
            return f"autograd has no {rule}: use backend={other}"
        if isinstance(error, TypeError) and "polyad.engine.boxes.box" in text:
            return (
                "its argument is being differentiated by polyad's own engine, which autograd cannot follow: "
                "use backend='numpy' inside as well"
            )
        if isinstance(error, TypeError) and text.startswith("Can't differentiate w.r.t. type"):
            return f"autograd knows no {text[30:]}: pass x.astype(float), or use backend='numpy'"
        boxed = ("ArrayBox", "must be real number", "setting an array element", "not supported for the input")
        if isinstance(error, TypeError | ValueError) and any(words in text for words in boxed):
            return (
                "a plain NumPy or math function, or an assignment into an array, met a traced "
                "value: write the function on xp = polyad.namespace(x), without assignments"
            )
        return None


@functools.cache
def _parts() -> Any:
    """The package with the modules that are used here; an import statement costs a microsecond a call."""
    import autograd
    import autograd.builtins
    import autograd.core
    import autograd.extend
    import autograd.numpy
    import autograd.tracer

    return autograd


def _pack(leaves: Leaves) -> Any:
    """Leaves as one value for autograd: itself, or autograd's own tuple."""
    if len(leaves) == 1:
        return leaves[0]
    return _parts().builtins.tuple(leaves)


def _unpack(value: Any, count: int) -> Leaves:
    return (value,) if count == 1 else tuple(value[k] for k in range(count))


def _trace(problem: Problem, x: Leaves, c: Leaves, root: Any) -> tuple[Any, Any, int, Leaves]:
    """Run the function on boxes: value, its node (None if independent), leaves, aux.

    autograd's own ``trace`` warns where the output does not depend on the input; zero is the
    right answer there, and silencing the warning would change a process-wide setting. It also
    leaves the trace stack raised when the function raises.
    """
    tracer = _parts().tracer
    stack = tracer.trace_stack
    depth = stack.top
    # A number that no trace had before: a box that the function kept from an earlier call, whose trace would
    # have had the same one, is not taken for one of this trace.
    stack.top = level = max(depth, next(_TRACES)) + 1
    try:
        box = tracer.new_box(_pack(x), level, root)
        leaves, aux = problem.f(_unpack(box, len(x)), c)
        y = _pack(tuple([_settled(leaf, level) for leaf in leaves]))
        mine = tracer.isbox(y) and y._trace == level
        value, node = (y._value, y._node) if mine else (y, None)
    finally:
        stack.top = depth
    count = len(leaves)
    return _pack(tuple(map(_settled, _unpack(value, count)))), node, count, tuple(map(_settled, aux))


def _settled(leaf: Any, top: int | None = None) -> Any:
    """A leaf without the boxes of finished traces, which have higher numbers than any that is running."""
    if type(leaf) is np.ndarray or type(leaf) is np.float64:
        return leaf
    tracer = _parts().tracer
    top = tracer.trace_stack.top if top is None else top
    while tracer.isbox(leaf) and leaf._trace > top:
        leaf = leaf._value
    return leaf


@functools.cache
def _node() -> Any:
    """A node of autograd's tape that is the same one in a deep copy of the box that holds it.

    ``copy.deepcopy`` of a box, as of ``dataclasses.asdict``, would copy the tape down to its root,
    and what reaches the copied root is lost.
    """
    core = _parts().core

    class Lasting(core.VJPNode):  # type: ignore[name-defined]
        __slots__ = ()

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    return _known(Lasting)


def _known(node: Any) -> Any:
    """A class of nodes of ours, for which the same functions are constant in pieces."""
    notrace = _parts().tracer.notrace_primitives
    notrace[node] = notrace[_parts().core.VJPNode]
    return node


@functools.cache
def _keeping() -> Any:
    """A node of autograd's tape that keeps copies of plain arrays, which the user may write to later."""

    class Keeping(_node()):  # type: ignore[misc]
        __slots__ = ()

        def __init__(self, value: Any, fun: Any, args: Any, kwargs: Any, argnums: Any, parents: Any) -> None:
            args = tuple(
                [a.copy() if k not in argnums and type(a) is np.ndarray else a for k, a in enumerate(args)]
            )
            super().__init__(value, fun, args, kwargs, argnums, parents)

    return _known(Keeping)


def _pull(problem: Problem, x: Leaves, c: Leaves, *, root: Any = None) -> tuple[Pullback, Leaves, Leaves]:
    """The pullback at a point, with the value and aux."""
    core = _parts().core
    y, node, count, aux = _trace(problem, x, c, _node().new_root() if root is None else root)

    def pullback(w: Leaves) -> Leaves:
        if node is None:
            return _unpack(_zeros(_pack(x)), len(x))
        # what is no number there polyad says itself
        heard = get_state()
        try:
            set_state(SILENT)
            found = _unpack(core.backward_pass(_pack(_conj(w)), node), len(x))
        finally:
            set_state(heard)
        return _conj(tuple(map(_settled, found)))

    return pullback, _unpack(y, count), aux


def _push(problem: Problem, pullback: Pullback, y: Leaves, v: Leaves) -> Leaves:
    """The pushforward at the point of a pullback: the pullback of the pullback."""
    zeros = tuple(np.zeros_like(leaf) for leaf in y)
    transposed = problem.derived(lambda w, _: (pullback(w), ()), problem.inputs)
    return _pull(transposed, zeros, ())[0](v)


def _each(xp: Any, product: Pullback, seeds: Leaves, like: Leaves) -> Leaves:
    """A product applied along the leading axis of its seeds."""
    rows = [product(tuple(leaf[k] for leaf in seeds)) for k in range(seeds[0].shape[0])]
    if not rows:
        return tuple(np.zeros((0, *np.shape(leaf)), dtype=leaf.dtype) for leaf in like)
    return tuple(xp.stack(leaf) for leaf in zip(*rows, strict=True))


def _zeros(value: Any) -> Any:
    return _parts().extend.vspace(value).zeros()


def _conj(leaves: Leaves) -> Leaves:
    return tuple([_parts().numpy.conj(a) if a.dtype.kind == "c" else a for a in leaves])


def _locked(call: Call) -> Call:
    """The call under the lock of autograd's trace stack."""

    def run(*args: Any) -> Any:
        with LOCK:
            return call(*args)

    return run
