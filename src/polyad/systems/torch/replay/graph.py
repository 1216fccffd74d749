"""The graph of a kernel as a program of NumPy code.

* The kernel is traced by ``make_fx`` through ``torch.func``: a trace of ``torch.autograd.grad`` would
  record its results as constants. What writes in place is made functional, and large operations become
  those of core ATen.
* A branch on a value cannot be traced, and what has no counterpart in NumPy is not replayed: then torch is
  asked.
* What a function computes without a derivative (``torch.no_grad``) leaves no mark in a graph. So the
  derivative of the program is compared with torch's own at the example, and torch is asked where they
  differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.systems.contract import Kernel, Leaves, Problem, strategy_of
from polyad.systems.derive.delegated import delegated
from polyad.systems.derive.replay import NotReplayable, Program, Recorder, or_asked
from polyad.systems.torch.replay.operations import FLAT, OPERATIONS
from polyad.systems.torch.replay.shapes import typed
from polyad.systems.torch.state import FORWARD_LOCK, STATE

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = ["portable"]

# what torch says in smaller operations, and does not count among the core
SPLIT = (
    "elu leaky_relu hardtanh_backward addmv addr baddbmm copysign dist native_batch_norm "
    "native_group_norm rrelu_with_noise_backward max_pool2d_with_indices_backward special_xlog1py "
    "special_log_ndtr special_entr heaviside"
).split()


def portable(backend: Backend, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> Kernel:
    """The kernel replayed, or, where it cannot be or differs from torch, asked for."""
    asked = delegated(backend, kernel, problem, seeds)
    try:
        found = _replayed(kernel, problem, seeds)
        if not _agree(found, asked, (problem.x, problem.c, *seeds)):
            raise NotReplayable("what it computes without a derivative")
    except NotReplayable as lacking:
        return dataclasses.replace(asked, words=f"{asked.words} (no replay of {lacking})")
    return or_asked(found, lambda: asked)


def _replayed(kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...]) -> Kernel:
    import torch
    from torch._decomp import core_aten_decompositions, get_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    examples = (problem.x, problem.c, *seeds)
    sizes, counts = [len(leaves) for leaves in examples], list[int]()

    def flat(*leaves: Any) -> list[Any]:
        rest = iter(leaves)
        outcome = kernel(*[tuple(next(rest) for _ in range(size)) for size in sizes])
        counts[:] = [len(part) for part in outcome]
        found = [leaf for part in outcome for leaf in part]
        if not all(isinstance(leaf, torch.Tensor) for leaf in found):
            raise NotReplayable("results that are no tensors")
        return [leaf.clone() for leaf in found]

    table = dict(core_aten_decompositions())
    table.update(get_decompositions([getattr(torch.ops.aten, name) for name in SPLIT]))
    table.pop(torch.ops.aten.detach.default, None)  # it says what the function takes for constant
    leaves = [_tensor(leaf) for group in examples for leaf in group]
    STATE.tracing = True
    try:
        with FORWARD_LOCK:
            try:
                graph = make_fx(torch.func.functionalize(flat), decomposition_table=table)(*leaves)
            except RuntimeError:  # functions with rules of their own are not made functional
                graph = make_fx(flat, decomposition_table=table)(*leaves)
    except NotReplayable:
        raise
    except Exception as error:
        raise NotReplayable(f"a graph that torch cannot trace: {_first_line(error)}") from error
    finally:
        STATE.tracing = False
    program = _program(graph)

    def call(*args: Leaves) -> Any:
        found = iter(program(*[leaf for group in args for leaf in group]))
        return tuple(tuple(next(found) for _ in range(count)) for count in counts)

    return Kernel(call, f"{strategy_of(kernel)}, its graph replayed")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:80]


def _tensor(leaf: Any) -> Any:
    import torch

    if isinstance(leaf, torch.Tensor):
        return leaf.detach()
    if isinstance(leaf, float):
        return torch.tensor(leaf, dtype=torch.float64)
    raise NotReplayable(f"a {type(leaf).__name__} among its arguments")


def _program(graph: Any) -> Program:
    """The steps of a graph."""
    import torch

    nodes = list(graph.graph.nodes)
    recorder = Recorder(sum(node.op == "placeholder" for node in nodes))
    inputs = iter(recorder.inputs)
    known: dict[Any, Any] = {}
    outputs: Sequence[Any] = ()
    for node in nodes:
        if node.op == "placeholder":
            known[node] = next(inputs)
        elif node.op == "get_attr":
            value: Any = graph
            for part in node.target.split("."):
                value = getattr(value, part)
            known[node] = np.array(value.detach().cpu().numpy())
        elif node.op == "output":
            outputs = [known[out] for out in node.args[0]]
        else:
            known[node] = _step(recorder, node, known, torch)
    return recorder.program(outputs)


def _step(recorder: Recorder, node: Any, known: dict[Any, Any], torch: Any) -> Any:
    """One call of an operation: its tensors are operands, whatever else it takes is fixed."""
    import torch.fx

    places: list[Any] = []

    def marked(value: Any) -> Any:
        places.append(known[value])
        return _Operand(len(places) - 1)

    args = torch.fx.node.map_arg(node.args, marked)
    options = torch.fx.node.map_arg(node.kwargs, marked)
    name = _name(node.target)
    if name == "getitem":
        where = node.args[1]
        (found,) = recorder.step(lambda whole: [whole[where]], places[:1], 1)
        return found
    if name in ("squeeze_", "sub_", "add_", "mul_", "div_") and _is_own(node.args[0]):
        name = name[:-1]  # in place, of what nobody else has
    elif getattr(getattr(node.target, "_schema", None), "is_mutable", False):
        # its value would be left out of what shares the memory
        raise NotReplayable(f"torch's {name}, in place")
    operation = OPERATIONS.get(name)
    if operation is None:
        (found,) = recorder.missing(f"torch's {name}", places, 1)
        return found

    made = operation if (dtype := _narrow(node)) is None else _in(dtype, operation)

    def run(*values: Any) -> list[Any]:
        return [made(*_filled(args, values), **_filled(options, values))]

    (found,) = recorder.step(run, places, 1, flat=name in FLAT, stop=name == "detach")
    return found


def _narrow(node: Any) -> Any:
    """The type of a result that NumPy, which promotes in another way than torch, may make a wider one."""
    import torch

    dtype = getattr(node.meta.get("val"), "dtype", None) or getattr(
        node.meta.get("tensor_meta"), "dtype", None
    )
    return dtype if dtype in (torch.float32, torch.int32) else None


def _in(dtype: Any, operation: Any) -> Any:
    return lambda *args, **options: typed(operation(*args, **options), dtype)


def _is_own(node: Any) -> bool:
    """Whether what a node gives has memory of its own, and one user."""
    schema = getattr(node.target, "_schema", None)
    return (
        len(node.users) == 1
        and schema is not None
        and not any(result.alias_info is not None for result in schema.returns)
    )


@dataclasses.dataclass(frozen=True)
class _Operand:
    number: int


def _filled(tree: Any, values: Sequence[Any]) -> Any:
    if isinstance(tree, _Operand):
        return values[tree.number]
    if isinstance(tree, list | tuple):
        return [_filled(item, values) for item in tree]
    return {key: _filled(item, values) for key, item in tree.items()} if isinstance(tree, dict) else tree


def _name(target: Any) -> str:
    packet = getattr(target, "overloadpacket", None)
    return str(target.__name__) if packet is None else str(packet.__name__)


def _agree(found: Kernel, asked: Kernel, examples: tuple[Leaves, ...]) -> bool:
    """Whether two forms of a kernel have the same values and derivatives at the example."""
    from polyad.engine import run

    plain = [tuple(map(_plain, group)) for group in examples]
    sizes = [len(group) for group in plain]
    leaves = [leaf for group in plain for leaf in group]
    active = [k for k, leaf in enumerate(leaves) if np.asarray(leaf).dtype.kind == "f"]
    random = np.random.default_rng(20261130)

    def outputs(kernel: Kernel) -> Any:
        def f(boxes: Any) -> Any:
            whole = list(leaves)
            for k, box in zip(active, boxes, strict=True):
                whole[k] = box
            rest = iter(whole)
            parts = kernel.call(*[tuple(next(rest) for _ in range(size)) for size in sizes])
            return tuple(leaf for part in parts for leaf in part), ()

        return f

    point = tuple(np.array(leaves[k]) for k in active)
    tangents = [random.uniform(0.5, 1.0, (1, *np.shape(a))).astype(a.dtype) for a in point]
    try:
        pairs = [run.push(outputs(kernel), point, tangents)[:2] for kernel in (found, asked)]
    except Exception:
        return False
    (first, second) = [[np.asarray(a) for part in pair for a in part] for pair in pairs]
    return all(
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.allclose(a, b, rtol=1e3 * np.finfo(a.dtype).eps ** 0.75, equal_nan=True)
        for a, b in zip(first, second, strict=True)
    )


def _plain(leaf: Any) -> Any:
    owner = library_of(leaf)
    return leaf if owner is None or isinstance(leaf, float) else library(owner.name).to_numpy(leaf)
