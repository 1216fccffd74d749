"""What a thread of PyTorch computations is inside of, and the watch over its function's values.

* torch drops derivatives without a word where a tensor becomes a Python number (``float(t)``,
  ``math.sin(t)``, ``torch.tensor([t])``) and where an operation has tensor arguments but no
  derivative for them (``torch.linspace`` in its end points). The watch refuses both, with the
  line of the user's code. It costs a few microseconds per operation, so it runs where the
  output is learned at preparation and in unprepared calls.
* What the user cuts on purpose (``detach``, ``no_grad``, a branch on a value) stays allowed.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from polyad.arrays.user_code import running_at
from polyad.errors import FunctionNotSupportedError
from polyad.systems.contract import Leaves, Problem

__all__ = [
    "FORWARD_LOCK",
    "STATE",
    "depends",
    "evaluate",
    "forward_formulas",
    "free",
    "functional",
    "guarded",
    "transforming",
    "watched",
]

# Two threads in torch's forward mode give each other wrong numbers without an error.
FORWARD_LOCK = threading.RLock()


class State(threading.local):
    """What this thread is doing.

    ``depth`` counts the functions under differentiation that are being evaluated: inside of one,
    results stay attached to its graph. ``watch`` asks evaluations to look for dropped
    derivatives, ``tracing`` makes every kernel take the form that a tracer can follow, and
    ``strays`` counts the numbers and NumPy arrays that functions returned instead of tensors.
    """

    depth = 0
    watch = False
    tracing = False
    strays = 0


STATE = State()


def transforming() -> bool:
    """Whether a transform of ``torch.func`` is at work around us."""
    import torch

    return torch._C._are_functorch_transforms_active()


def functional() -> bool:
    """Whether only ``torch.func`` works here: inside its transforms, and under a tracer."""
    return STATE.tracing or transforming()


def forward_formulas() -> None:
    """Load torch's forward formulas now: torch does it at the first use, in a second, and warns.

    Python does not show them by default. Only where they are errors are they silenced, since the
    filters belong to all threads.
    """
    name = "torch._decomp.decompositions_for_jvp"
    with FORWARD_LOCK:
        try:
            importlib.import_module(name)
        except DeprecationWarning:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                importlib.import_module(name)


def evaluate(problem: Problem, x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
    """The function of a problem, counted in ``STATE.depth``."""
    state = STATE
    state.depth += 1
    try:
        return problem.f(x, c)
    finally:
        state.depth -= 1


def guarded(call: Callable[..., Any], args: tuple[Any, ...], leaves: Leaves, label: str) -> Any:
    """Run the user's code on tensors, watched for dropped derivatives of the leaves where asked for."""
    if not STATE.watch:
        return call(*args)
    with _watch_class()(label, leaves):
        return call(*args)


def nodes(result: Any) -> Iterator[Any]:
    """The nodes of the graph of a tensor."""
    seen = set()
    todo = [result.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            todo.extend(parent for parent, _ in node.next_functions)


def depends(result: Any, leaves: Leaves) -> bool:
    """Whether the graph of a tensor reaches one of the leaves."""
    # a leaf stands in graphs as the node that accumulates into it, an alias as its own
    aliases = {leaf.grad_fn for leaf in leaves if leaf.grad_fn is not None}
    wanted = {id(leaf) for leaf in leaves}
    return id(result) in wanted or any(
        node in aliases or id(getattr(node, "variable", None)) in wanted for node in nodes(result)
    )


def free(result: Any) -> Any:
    """A result that is kept in a graph, out of it again where nothing of the user's is in that graph."""
    if not result.requires_grad:
        return result
    variables = [v for node in nodes(result) if (v := getattr(node, "variable", None)) is not None]
    return result.detach() if all(getattr(v, "of_polyad", False) for v in variables) else result


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors among arguments, lists included."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


# conversions to Python numbers and bytes; a truth value decides a branch and is no part of the result
NUMBERS = {
    "item": "t.item()",
    "tolist": "t.tolist()",
    "__float__": "float(t), which math functions call too,",
    "__int__": "int(t)",
    "__complex__": "complex(t)",
    "untyped_storage": "reading the storage of t, which pickling does,",
}
# conversions of lists to tensors, through Python numbers
COPIES = frozenset({"tensor", "new_tensor", "as_tensor", "asarray"})
# writes at places that an index names: which value stays is not defined where one is named twice, and torch's
# reverse mode gives each of them the whole cotangent
WRITES = frozenset({"__setitem__", "index_put", "index_put_"})
ALONG = frozenset({"scatter", "scatter_", "index_copy", "index_copy_"})
# products at places, whose forward formula ignores the factors beside
PRODUCTS = frozenset({"scatter_reduce", "index_reduce"})
TWICE = (
    "writes to a place twice, of which torch defines neither the value nor the derivative: name each place "
    "once, or add with index_put(..., accumulate=True), scatter_add or index_add"
)
REMEDY = (
    "drops the derivative of a tensor that depends on the input: keep to tensor operations (torch.sin "
    "instead of math.sin, torch.stack instead of torch.tensor of a list), or say t.detach() where a "
    "constant is meant"
)
# float results without a derivative that nobody takes for a function of the argument
CONSTANTS = frozenset(
    {
        *("detach", "detach_", "empty_like", "full_like", "ones_like", "zeros_like", "rand_like"),
        *("randn_like", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros"),
        # attributes: .data is an old name of detach()
        *("__get__", "__set__", "bernoulli", "normal", "poisson", "requires_grad_"),
    }
)


def _is_product(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(type(a) is str and a == "prod" for a in (*args, *kwargs.values()))


def _pushing() -> bool:
    """Whether torch's forward mode is at work."""
    from torch._functorch import eager_transforms
    from torch.autograd import forward_ad

    nested = getattr(eager_transforms, "JVP_NESTING", 0)
    return bool(nested > 0 or forward_ad._current_level >= 0)


def _repeats(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a write of torch's names a place twice, as far as its arguments are in their usual places."""
    import torch

    adds = kwargs.get("accumulate", args[3] is True if len(args) > 3 else False) or kwargs.get("reduce")
    if adds or len(args) < 3 or transforming():
        return False
    if name in ALONG:
        dim, index = args[1:3]
        return index.ndim > 0 and bool((index.sort(dim).values.diff(dim=dim) == 0).any())
    keys = args[1] if isinstance(args[1], list | tuple) else (args[1],)
    whole = [k for k in keys if isinstance(k, torch.Tensor) and k.dtype in (torch.int64, torch.int32)]
    if not whole:
        return False
    places = torch.stack([k.flatten() for k in torch.broadcast_tensors(*whole)], 1)
    return len(places.unique(dim=0)) < len(places)


def _watch_class() -> Any:
    """The watch; its base class is torch's, so it is made at the first use."""
    global _WATCH
    if _WATCH is None:
        _WATCH = _make_watch_class()
    return _WATCH


_WATCH: Any = None


def _make_watch_class() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __init__(self, label: str, leaves: Leaves) -> None:
            super().__init__()
            self.label, self.leaves = label, leaves

        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            name = getattr(func, "__name__", "")
            if name in NUMBERS:
                self.refuse(args[:1], NUMBERS[name])
            elif name in COPIES and args and (name in ("tensor", "new_tensor") or isinstance(args[-1], list)):
                self.refuse(args[name == "new_tensor" :], f"torch.{name}(...)")
            elif (name in WRITES or name in ALONG) and _repeats(name, args, kwargs or {}):
                self.refuse(args[2 if name in WRITES else 3 :], f"torch's {name}(...)", TWICE)
            elif name.rstrip("_") in PRODUCTS and _pushing() and _is_product(args, kwargs or {}):
                raise FunctionNotSupportedError(
                    f"Torch() cannot follow {self.label} at {running_at()}: torch's forward mode gives wrong "
                    f"derivatives of {name}(..., 'prod'): use 'torch:reverse'"
                )
            result = func(*args, **(kwargs or {}))
            if (
                isinstance(result, torch.Tensor)
                and not result.requires_grad
                and (result.is_floating_point() or result.is_complex())
                and name not in CONSTANTS
                and torch.is_grad_enabled()
                and not transforming()  # whose tensors do not say what they depend on
            ):
                values = (*args, *(kwargs or {}).values())
                self.refuse(values, f"torch's {name}(...)")
            return result

        def refuse(self, values: Any, what: str, why: str = REMEDY) -> None:
            for t in _tensors(list(values)):
                if t.requires_grad and depends(t, self.leaves):
                    raise FunctionNotSupportedError(
                        f"Torch() cannot follow {self.label} at {running_at()}: {what} {why}"
                    )

    return Watch


def watched(call: Callable[[], Any]) -> Any:
    """A computation whose evaluations are watched for dropped derivatives."""
    before, STATE.watch = STATE.watch, True
    try:
        return call()
    finally:
        STATE.watch = before
