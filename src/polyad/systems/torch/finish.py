"""Around the kernels of PyTorch: scopes, compilation, the output at preparation, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, spec_of
from polyad.errors import FunctionNotSupportedError
from polyad.systems.contract import Call, Executable, Leaves, Problem
from polyad.systems.torch.state import FORWARD_LOCK, STATE, evaluate, free, functional, watched

__all__ = ["as_tensor", "compiled", "eager", "explanation", "output_specs", "scoped"]


# -- scopes -------------------------------------------------------------------------------------


def scoped(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call with torch recording, whatever the user has switched off around it."""
    import torch

    is_grad_enabled, is_inference = torch.is_grad_enabled, torch.is_inference_mode_enabled

    def run(*args: Any) -> Any:
        if is_grad_enabled() and not is_inference():
            return call(*args)
        with torch.inference_mode(False), torch.enable_grad():
            return call(*[_recordable(arg) for arg in args])

    return run


def _recordable(arg: Any) -> Any:
    """Leaves without inference tensors, which torch cannot record."""
    import torch

    if not isinstance(arg, tuple):
        return arg
    return tuple(a.clone() if isinstance(a, torch.Tensor) and a.is_inference() else a for a in arg)


def eager(kernel: Call, *, attached: bool, watch: bool, direct: Call | None = None) -> tuple[Call, Call]:
    """The full form of a kernel and the form that gives the result alone.

    ``direct`` gives the result in fewer steps, for calls from outside of any derivative.
    """
    import torch

    def outcome(*args: Leaves) -> Any:
        return watched(lambda: kernel(*args)) if watch else kernel(*args)

    def full(*args: Leaves) -> Any:
        whole = outcome(*args)
        if STATE.depth or functional():
            return whole
        if attached:
            return tuple([tuple([free(a) if isinstance(a, torch.Tensor) else a for a in g]) for g in whole])
        return tuple([_detached(leaves) for leaves in whole])

    def result(*args: Leaves) -> Leaves:
        leaves = outcome(*args)[0]
        if STATE.depth or functional():
            return leaves
        return tuple(map(free, leaves)) if attached else _detached(leaves)

    result = scoped(result)
    if direct is None or attached or watch:
        return scoped(full), result
    short, general, state = direct, result, STATE
    recording, inference = torch.is_grad_enabled, torch.is_inference_mode_enabled
    transforming = torch._C._are_functorch_transforms_active

    def shortest(*args: Leaves) -> Leaves:
        if state.depth or transforming() or inference() or not recording():
            return general(*args)
        return short(*args)

    return scoped(full), shortest


def _detached(leaves: Leaves) -> Leaves:
    return tuple([a.detach() if getattr(a, "requires_grad", False) else a for a in leaves])


# -- compilation ----------------------------------------------------------------------------------


def compiled(kernel: Call, full: Call, examples: tuple[Leaves, ...]) -> Executable:
    """The kernel traced as a whole, then compiled.

    Tracing comes first, because ``torch.compile`` of the function itself cannot be differentiated
    twice; and through ``torch.func``, because a trace of ``torch.autograd.grad`` records its
    results as constants, whose derivatives are zero without a word.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    dtype = _number_dtype(examples[0])
    device = examples[0][0].device

    def enter(args: tuple[Leaves, ...]) -> list[Any]:
        """All leaves in a row as tensors: a number would be frozen into the trace."""
        return [
            a.detach() if isinstance(a, torch.Tensor) else _number(a, dtype, device)
            for leaves in args
            for a in leaves
        ]

    sizes = [len(leaves) for leaves in examples]
    counts: list[int] = []

    def flat(*leaves: Any) -> list[Any]:
        rest = iter(leaves)
        args = [tuple(next(rest) for _ in range(size)) for size in sizes]
        outcome = kernel(*args)
        counts[:] = [len(part) for part in outcome]
        result = [a for part in outcome for a in part]
        for a in result:
            if not isinstance(a, torch.Tensor):
                raise FunctionNotSupportedError(
                    f"aux holds the {type(a).__name__} {a!r}, which a trace would freeze: return tensors "
                    "in aux, or use compile=False"
                )
        return [a.clone() for a in result]  # an output that is an input would share its memory

    leaves = enter(examples)
    reference = full(*examples)
    STATE.tracing = True
    try:
        with FORWARD_LOCK:
            graph = make_fx(flat)(*leaves)
    finally:
        STATE.tracing = False
    whole = torch.compile(graph, dynamic=False)
    first = torch.compile(_first(graph, counts[0]), dynamic=False)
    no_grad = torch.no_grad

    def run(program: Any, args: tuple[Leaves, ...]) -> Any:
        with no_grad():
            return program(*enter(args))

    def compiled_full(*args: Leaves) -> Any:
        if STATE.depth or functional():  # a compiled program cannot be differentiated
            return full(*args)
        outcome = iter(run(whole, args))
        return tuple(tuple(next(outcome) for _ in range(count)) for count in counts)

    def compiled_result(*args: Leaves) -> Leaves:
        if STATE.depth or functional():
            return full(*args)[0]
        return tuple(run(first, args))

    for found, wanted in zip(compiled_result(*examples), reference[0], strict=True):
        if found.dtype != wanted.dtype or found.shape != wanted.shape:
            raise FunctionNotSupportedError(
                f"traced, the result is {found.dtype}{list(found.shape)} and not {wanted.dtype}"
                f"{list(wanted.shape)}: pass numbers as arrays of the wanted dtype, or use compile=False"
            )
    return Executable(compiled_full, compiled_result, "traced through torch.func, compiled by torch.compile")


def _first(graph: Any, count: int) -> Any:
    """A copy of a traced graph that gives its first outputs alone."""
    import copy

    shorter = copy.deepcopy(graph)
    (output,) = [node for node in shorter.graph.nodes if node.op == "output"]
    output.args = (list(output.args[0][:count]),)
    shorter.graph.eliminate_dead_code()
    shorter.recompile()
    return shorter


def _number_dtype(leaves: Leaves) -> Any:
    """The real dtype in which numbers meet these leaves."""
    import torch

    wide = any(a.dtype in (torch.float64, torch.complex128) for a in leaves)
    return torch.float64 if wide else torch.float32


def _number(a: Any, dtype: Any, device: Any) -> Any:
    import torch

    if isinstance(a, bool | int):
        return torch.tensor(a, device=device)
    if isinstance(a, complex):
        dtype = torch.complex128 if dtype is torch.float64 else torch.complex64
    return torch.tensor(a, dtype=dtype, device=device)


# -- the output at preparation ----------------------------------------------------------------------


def as_tensor(leaf: Any) -> Any:
    """An output leaf as a tensor; numbers become float64, which torch's default would narrow."""
    import torch

    if isinstance(leaf, torch.Tensor):
        return leaf
    STATE.strays += 1
    return torch.from_numpy(np.array(leaf, dtype=np.result_type(leaf, 1.0)))


def output_specs(problem: Problem) -> tuple[ArraySpec, ...]:
    """Specs of the output leaves, from one evaluation that looks for dropped derivatives."""
    if functional():
        return tuple(map(spec_of, evaluate(problem, problem.x, problem.c)[0]))
    return scoped(_output_specs)(problem, problem.x, problem.c)


def _output_specs(problem: Problem, x: Leaves, c: Leaves) -> tuple[ArraySpec, ...]:
    import torch

    leaves = tuple(a.detach().requires_grad_() for a in x)
    before = STATE.strays
    y, _ = watched(lambda: evaluate(problem, leaves, c))
    constant = [k for k, a in enumerate(y) if not a.requires_grad]
    if STATE.strays > before and constant:
        # A number or a NumPy array: constant, or computed from the input behind torch's back.
        moved = tuple((a.detach() * (1 + 1e-3) + 1e-3).requires_grad_() for a in x)
        again, _ = evaluate(problem, moved, c)
        for k in constant:
            if not torch.equal(torch.nan_to_num(y[k]), torch.nan_to_num(again[k])):
                raise FunctionNotSupportedError(
                    f"{problem.label} returns a number or a NumPy array that depends on the input, whose "
                    "derivative torch cannot see: compute it with tensor operations, on "
                    "xp = polyad.namespace(x)"
                )
    return tuple(map(spec_of, y))


# -- errors -----------------------------------------------------------------------------------------

# words of torch's messages, all of which must be there -> what to do; the first that fits counts
REMEDIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("Can't call numpy() on Tensor",),
        "a NumPy function met a torch tensor: write the function on xp = polyad.namespace(x) instead of np",
    ),
    (
        ("got an unexpected keyword argument",),
        "a NumPy function met a torch tensor, or a torch function NumPy's keywords: write the function "
        "on xp = polyad.namespace(x) instead of np",
    ),
    (
        ("unsupported operand type(s) for", "'numpy.ndarray' and"),
        "a NumPy array met a torch tensor: turn it into a tensor with xp.asarray(a), where "
        "xp = polyad.namespace(x), or pass it to the function as an argument",
    ),
    (
        ("must be Tensor, not numpy.ndarray",),
        "a NumPy array met a torch function: turn it into a tensor with xp.asarray(a), where "
        "xp = polyad.namespace(x), or pass it to the function as an argument",
    ),
    (
        ("Trying to use forward AD with",),
        "torch has no forward-mode formula for an operation in it (named above): use backend='torch', "
        "whose pushforwards are made of reverse mode",
    ),
    (
        ("get value out of a tracing tensor",),
        "a Python branch, loop or number depends on the value of a tensor, which a trace would freeze: "
        "use xp.where, wrap sizes and flags in polyad.Static, or use compile=False",
    ),
    (
        ("must override the setup_context staticmethod",),
        "a custom autograd.Function in it cannot be followed by torch.func: give it setup_context, or "
        "leave out compile=True and mode='forward'",
    ),
    (
        ("generate_vmap_rule",),
        "a custom autograd.Function in it cannot be followed by torch.func: give it "
        "generate_vmap_rule = True, or leave out compile=True and mode='forward'",
    ),
    (
        ("ZeroTensors are immutable",),
        "torch's forward mode fails in one of its functions (mse_loss, say): use 'torch' or 'torch:reverse'",
    ),
    (
        ("is being used in an in-place operation",),
        "it writes into its argument: start with x = x.clone()",
    ),
    (
        ("modified by an inplace operation",),
        "it overwrites a value that the derivative needs: work on a copy, y = y.clone()",
    ),
    (
        ("requires_grad_() ", "inside of a function being transformed"),
        "it uses torch.autograd inside, which torch.func cannot follow: use torch.func.grad inside it",
    ),
    (
        ("inference tensor",),
        "an argument was made in torch.inference_mode(), where torch records nothing: pass x.clone()",
    ),
)


def explanation(error: Exception) -> str | None:
    """What to do about an error out of torch, or None if it is the user's own."""
    text = str(error)
    lacking = isinstance(error, NotImplementedError) and "the derivative for" in text
    if lacking or (text.startswith("derivative for aten::") and "is not implemented" in text):
        operation = text.partition("'")[2].partition("'")[0] if lacking else text[21:].partition(" ")[0]
        return (
            f"torch has no formula for the derivative of {operation!r} (second derivatives of cdist and "
            "pdist, first ones of zeta and others): write the operation out in simpler ones, or use "
            "finite differences"
        )
    if isinstance(error, RuntimeError | TypeError):
        for words, remedy in REMEDIES:
            if all(word in text for word in words):
                return remedy
    return None
