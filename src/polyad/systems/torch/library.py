"""What a torch tensor is: recognised, described and converted."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.interface import Described
from polyad.arrays.libraries import is_followed
from polyad.arrays.library import ArraySpec, Library
from polyad.errors import FunctionNotSupportedError, InputTypeError

__all__ = ["TorchLibrary"]


class TorchLibrary(Library):
    """``torch.Tensor``; a NumPy view of it shares memory."""

    name = module = "torch"
    packages = ("torch",)
    namespace = "array_api_compat.torch"
    adapter = "polyad.systems.torch.adapter:TorchAdapter"
    backends = ("torch",)
    counts = True
    copies_scratch = True
    sparse_kinds = ("torch_coo", "torch_csr")

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["torch"].Tensor,)

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(tuple(a.shape), _numpy_dtype(a.dtype))

    def to_numpy(self, a: Any) -> Any:
        try:
            return a.numpy() if a.is_contiguous() else a.contiguous().numpy()
        except (RuntimeError, TypeError):  # of a graph, on another device, lazily conjugated
            a = a.detach().cpu().resolve_conj().resolve_neg().contiguous()
            return a.numpy() if a.dtype not in _small() else _as_numpy(a)

    def doubles(self, a: Any) -> Any:
        torch = sys.modules["torch"]
        if type(a) is not torch.Tensor or a.dtype is not torch.float64 or a.requires_grad:
            return None
        if torch.autograd.forward_ad._current_level >= 0:
            return None
        try:
            return a.numpy()
        except (RuntimeError, TypeError):  # on another device, sparse, of a transform, lazily negated
            return None

    def is_traced(self, a: Any) -> bool:
        torch = sys.modules["torch"]
        dual = torch.autograd.forward_ad
        return (
            (a.requires_grad and torch.is_grad_enabled())
            or torch._C._functorch.is_functorch_wrapped_tensor(a)
            or (dual._current_level >= 0 and dual.unpack_dual(a).tangent is not None)
        )

    def leaver(self) -> Callable[[Any], Any]:
        def to_numpy(a: Any) -> Any:
            try:
                return a.numpy() if a.is_contiguous() else a.contiguous().numpy()
            except (RuntimeError, TypeError):  # of a graph, on another device, lazily conjugated
                return a if is_followed(a) else self.to_numpy(a)

        return to_numpy

    def waiter(self, a: Any) -> Callable[[Any], Any] | None:
        if a.device.type != "cuda":
            return None
        synchronize = sys.modules["torch"].cuda.synchronize
        return lambda _: synchronize()

    def hand_over(self, a: Any) -> Any:
        if self.is_traced(a):
            raise FunctionNotSupportedError(
                "a torch tensor that torch differentiates was given to another framework, where its "
                "derivative would be lost: pass x.detach(), or use backend='torch' inside as well"
            )
        return self.to_numpy(a)

    def from_numpy(self, a: Any) -> Any:
        torch = sys.modules["torch"]
        if not isinstance(a, np.ndarray):
            a = np.asarray(a)
        flags = a.flags
        if not (flags.writeable and a.dtype.isnative and (flags.c_contiguous or min(a.strides) >= 0)):
            # torch shares writable, forward-strided, native memory only
            a = np.array(a, dtype=a.dtype.newbyteorder("="))
        try:
            return torch.from_numpy(a)
        except ValueError:  # one entry with a negative stride counts as contiguous
            return torch.from_numpy(np.array(a, order="C"))
        except TypeError:
            if (dtype := getattr(torch, a.dtype.name, None)) in _small():
                return torch.from_numpy(a.view(f"i{a.itemsize}")).view(dtype)
            raise InputTypeError(f"torch has no dtype {a.dtype}: convert with x.astype(np.float64)") from None

    def sparse_maker(
        self, kind: str, shape: tuple[int, int], indptr: Any, columns: Any, rows: Any, like: Any
    ) -> Callable[[Any], Any]:
        torch = sys.modules["torch"]
        if kind == "torch_csr":
            starts, places = (
                torch.as_tensor(a.astype(np.int64), device=like.device) for a in (indptr, columns)
            )
            return lambda entries: torch.sparse_csr_tensor(
                starts, places, entries, shape, check_invariants=False
            )
        indices = torch.as_tensor(np.stack([rows, columns]).astype(np.int64), device=like.device)

        def made(entries: Any) -> Any:
            return torch.sparse_coo_tensor(indices, entries, shape, check_invariants=False, is_coalesced=True)

        return made

    def fresh(self, a: Any, others: tuple[Any, ...]) -> Any:
        if not a.is_contiguous() and not all(a.stride()) and a.numel() > 1:
            return a.contiguous()
        try:
            start = a.data_ptr()
        except RuntimeError:  # inside a transform of torch.func, where nobody writes
            return a
        for other in others:
            if hasattr(other, "untyped_storage"):
                distance = start - other.data_ptr()
                # one allocation may hold both: only near addresses are worth the longer question
                if -a.nbytes <= distance <= other.nbytes or not other.is_contiguous():
                    storage = other.untyped_storage()
                    begin = storage.data_ptr()
                    if begin <= start < begin + storage.nbytes():
                        return a.clone()
        return a

    def cast(self, a: Any, dtype: Any) -> Any:
        return a.to(getattr(sys.modules["torch"], str(dtype)))

    def device(self, a: Any) -> dict[str, Any]:
        return {"device": a.device}

    def copy_into(self, out: Any, result: Any) -> None:
        out.detach().copy_(result)

    def own(self, a: Any) -> Any:
        return a.clone()

    def writes(self, a: Any) -> int:
        try:
            return int(a._version)
        except RuntimeError:  # of inference mode, where nothing is counted
            return 0

    def memory_of(self, a: Any) -> int:
        try:
            return int(a.untyped_storage().data_ptr())
        except (RuntimeError, NotImplementedError):  # inside a transform of torch.func
            return id(a)

    def describe_memory(self, a: Any) -> np.ndarray | None:
        try:
            return np.asarray(Described(a))
        except (RuntimeError, NotImplementedError):
            return None


@functools.cache
def _small() -> dict[Any, Any]:
    """Dtypes of torch that NumPy has only where ``ml_dtypes`` is loaded, and integers of their size."""
    torch = sys.modules["torch"]
    names = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
    found = {getattr(torch, name, None): torch.int16 if name == "bfloat16" else torch.int8 for name in names}
    return {dtype: integer for dtype, integer in found.items() if dtype is not None}


def _as_numpy(a: Any) -> np.ndarray:
    """A tensor of such a dtype, its bits shared."""
    dtype = _numpy_dtype(a.dtype)
    if not isinstance(dtype, np.dtype):
        raise InputTypeError(f"NumPy has no dtype {dtype}: pass x.double(), or use backend='torch'")
    return a.view(_small()[a.dtype]).numpy().view(dtype)


def _numpy_dtype(dtype: Any) -> Any:
    try:
        return np.dtype(str(dtype).removeprefix("torch."))
    except TypeError:
        return dtype  # bfloat16 and quantised types have no NumPy counterpart
