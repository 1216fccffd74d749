"""Numbers that a function reads out of its tensors while its graph is recorded.

They would be those of the example, and a pattern that they decide would be that of the example as well.
torch refuses some (``bool(t)``, ``t.item()``); NumPy arrays and lists of numbers it gives away.
"""

from __future__ import annotations

import functools
from typing import Any

from polyad.errors import OperationNotSupportedError

__all__ = ["REMEDY", "closed", "in_coordinates"]

REMEDY = (
    "keep to tensor operations (torch.where, whose pattern is that of both branches), or use local=True for "
    "the pattern at this point"
)
READS = frozenset({"numpy", "tolist", "__array__", "__dlpack__"})


def in_coordinates() -> Any:
    """A context in which sparse tensors are made of coordinates: torch records no others."""
    return _coordinates()()


@functools.cache
def _coordinates() -> Any:
    import torch
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing
    from torch.overrides import TorchFunctionMode

    rows = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)

    def entered(a: Any) -> Any:
        if not isinstance(a, torch.Tensor) or a.layout not in rows:
            return a
        with disable_proxy_modes_tracing():
            return a.to_sparse_coo()

    class Coordinates(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            return func(*map(entered, args), **(kwargs or {}))

    return Coordinates


def closed() -> Any:
    """A context in which no number of a tensor that depends on an argument can be read."""
    return _mode()()


@functools.cache
def _mode() -> Any:
    from torch.overrides import TorchFunctionMode

    class Closed(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            name = getattr(func, "__name__", "")
            if name in READS and args and _depends(args[0]):
                raise OperationNotSupportedError(
                    f"t.{name}() of a tensor that depends on an argument gives numbers, and a pattern that "
                    f"holds for every input must not depend on them: {REMEDY}"
                )
            return func(*args, **(kwargs or {}))

    return Closed


def _depends(t: Any) -> bool:
    """Whether a tensor is made of an argument of the function that is recorded."""
    from torch._C import _functorch
    from torch.fx.experimental import proxy_tensor

    mode = proxy_tensor.get_proxy_mode()
    if mode is None:
        return False
    while _functorch.is_functorch_wrapped_tensor(t):
        t = _functorch.get_unwrapped(t)
    if not proxy_tensor.has_proxy_slot(t, mode.tracer):
        return False  # captured, and not touched
    open_, seen = [proxy_tensor.get_proxy_slot(t, mode.tracer).proxy.node], set()
    while open_:
        node = open_.pop()
        if node.op == "placeholder":
            return True
        if node not in seen:
            seen.add(node)
            open_ += node.all_input_nodes
    return False
