"""The array libraries polyad knows, one small class each.

* A library is recognised by the type of an array through ``sys.modules``: what is not loaded
  cannot own an array, so nothing is ever imported to find out.
* Python numbers and NumPy scalars belong to NumPy.
* NumPy is the meeting point of conversions; memory is shared wherever that is safe, and a
  result never shares memory with what the caller passed in.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from polyad.arrays.interface import Described, Writable
from polyad.arrays.library import ArraySpec, Library, loaded
from polyad.errors import FunctionNotSupportedError, InputTypeError

__all__ = ["ArraySpec", "Library", "is_followed", "is_leaf", "library", "library_of", "loaded", "spec_of"]


class NumPy(Library):
    """NumPy arrays, NumPy scalars and Python numbers."""

    name = module = "numpy"

    def array_types(self) -> tuple[type, ...]:
        return (np.ndarray, np.generic, float, int, complex)

    def spec(self, a: Any) -> ArraySpec:
        if isinstance(a, np.ndarray):
            if type(a) is not np.ndarray:
                kind = f"{type(a).__module__}.{type(a).__name__}"
                raise InputTypeError(
                    f"an argument is a {kind}, whose extra meaning would be lost: "
                    "pass a plain array, np.asarray(x)"
                )
            return ArraySpec(a.shape, a.dtype)
        if isinstance(a, np.generic):
            return ArraySpec((), a.dtype)
        return ArraySpec((), np.dtype(type(a)), weak=True)

    def to_numpy(self, a: Any) -> Any:
        return a

    def from_numpy(self, a: Any) -> Any:
        return a

    def fresh(self, a: Any, others: tuple[Any, ...]) -> Any:
        if type(a) is np.ndarray:
            if not all(a.strides) and a.size > 1:  # broadcast: entries share one place
                return a.copy()
            for other in others:
                if type(other) is np.ndarray and np.may_share_memory(a, other):
                    return a.copy()
        return a

    def copy_into(self, out: Any, result: Any) -> None:
        np.copyto(out, result)

    def writeable(self, out: Any) -> bool:
        return isinstance(out, np.ndarray) and out.flags.writeable

    def own(self, a: Any) -> Any:
        return a.copy() if isinstance(a, np.ndarray) else a


class JAX(Library):
    """``jax.Array``, tracers included."""

    name = module = "jax"
    immutable = True
    clamps = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["jax"].Array,)

    def is_traced(self, a: Any) -> bool:
        return isinstance(a, sys.modules["jax"].core.Tracer)

    def is_leak(self, error: Exception) -> bool:
        # another thread may be importing JAX, and be no further than this
        errors = getattr(sys.modules.get("jax"), "errors", None)
        return errors is not None and isinstance(error, errors.UnexpectedTracerError)

    def to_numpy(self, a: Any) -> Any:
        return np.asarray(a)

    def take(self, a: Any) -> Any:
        view = np.asarray(a)
        # below this size a copy is cheaper than describing the memory to NumPy again
        return view.copy() if view.nbytes < 2**15 else np.asarray(Writable(view))

    def from_numpy(self, a: Any) -> Any:
        return a  # compiled functions take NumPy faster than any conversion would make it JAX's

    def writeable(self, out: Any) -> bool:
        return False


class Torch(Library):
    """``torch.Tensor``; a NumPy view of it shares memory."""

    name = module = "torch"
    counts = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["torch"].Tensor,)

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(tuple(a.shape), _numpy_dtype(a.dtype))

    def to_numpy(self, a: Any) -> Any:
        try:
            return a.numpy() if a.is_contiguous() else a.contiguous().numpy()
        except (RuntimeError, TypeError):  # of a graph, on another device, lazily conjugated
            a = a.detach().cpu()
            return a.resolve_conj().resolve_neg().contiguous().numpy()

    def is_traced(self, a: Any) -> bool:
        torch = sys.modules["torch"]
        dual = torch.autograd.forward_ad
        return (
            (a.requires_grad and torch.is_grad_enabled())
            or torch._C._functorch.is_functorch_wrapped_tensor(a)
            or (dual._current_level >= 0 and dual.unpack_dual(a).tangent is not None)
        )

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
            raise InputTypeError(f"torch has no dtype {a.dtype}: convert with x.astype(np.float64)") from None

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


class Autograd(NumPy):
    """Boxes of the autograd package, which exist only while it traces a function."""

    name = module = "autograd"

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["autograd"].tracer.Box,)

    def is_traced(self, a: Any) -> bool:
        return bool(a._trace <= sys.modules["autograd"].tracer.trace_stack.top)

    def released(self, a: Any) -> Any:
        value: Any = a
        while isinstance(value, self.array_types()) and not self.is_traced(value):
            value = value._value  # type: ignore[attr-defined]
        return value

    def hand_over(self, a: Any) -> Any:
        raise FunctionNotSupportedError(
            "a value that autograd differentiates was given to another framework, where its "
            "derivative would be lost: use backend='autograd' inside as well"
        )

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(tuple(np.shape(a._value)), np.result_type(a._value))

    def cast(self, a: Any, dtype: Any) -> Any:
        return a.astype(dtype)


class Engine(NumPy):
    """Boxes of polyad's own engine, which exist only while it runs a function."""

    name = "engine"
    module = "polyad.engine.boxes.box"

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["polyad.engine.boxes.box"].Box,)

    def is_traced(self, a: Any) -> bool:
        return not sys.modules["polyad.engine.core.values"].is_over(a._value)

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(a.shape, a.dtype)

    def cast(self, a: Any, dtype: Any) -> Any:
        return a.astype(dtype)

    def own(self, a: Any) -> Any:
        return sys.modules["polyad.engine.boxes.memory"].apart(a)

    def released(self, a: Any) -> Any:
        return sys.modules["polyad.engine.run"].released(a)

    guarded = own  # a box is written to by giving it another value, so another box is enough

    def writeable(self, out: Any) -> bool:
        return True


class SymPy(NumPy):
    """Arrays of SymPy expressions, which exist only while the SymPy backend runs a function."""

    name = "sympy"
    module = "polyad.systems.sympy.expressions"

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules[self.module].Expressions,)

    def is_traced(self, a: Any) -> bool:
        return True

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(a.shape, a.dtype)

    def cast(self, a: Any, dtype: Any) -> Any:
        return type(a)(a.array, dtype)


def _numpy_dtype(dtype: Any) -> Any:
    try:
        return np.dtype(str(dtype).removeprefix("torch."))
    except TypeError:
        return dtype  # bfloat16 and quantised types have no NumPy counterpart


LIBRARIES: dict[str, Library] = {
    lib.name: lib for lib in (NumPy(), JAX(), Torch(), Autograd(), Engine(), SymPy())
}


def library(name: str) -> Library:
    """The library of that name; third parties' backends use NumPy, jax or torch arrays."""
    return LIBRARIES[name]


_PLAIN = LIBRARIES["numpy"]
_BY_TYPE: dict[type, Library | None] = {}


def library_of(a: Any) -> Library | None:
    """The library that owns ``a``, or None if it is no array and no number."""
    kind = type(a)
    try:
        return _BY_TYPE[kind]
    except KeyError:
        pass
    found = None
    for lib in LIBRARIES.values():
        # by instance: the classes of tracers are recognised by JAX's own instance check only
        if loaded(lib.module) is not None and isinstance(a, lib.array_types()):
            found = lib
            break
    if found is not None:  # what is unknown today may belong to a library loaded tomorrow
        _BY_TYPE[kind] = found
    return found


def is_followed(a: Any) -> bool:
    """Whether a differentiation or a trace that is running follows ``a``."""
    owner = library_of(a)
    return owner is not None and owner is not _PLAIN and owner.is_traced(a)


def is_leaf(a: Any) -> bool:
    """Whether ``a`` is an array or a number of any library."""
    return type(a) in _BY_TYPE or library_of(a) is not None


def spec_of(a: Any) -> ArraySpec:
    """Shape and dtype of a leaf."""
    lib = library_of(a)
    if lib is None:
        raise InputTypeError(f"{type(a).__name__} is no array and no number")
    return lib.spec(a)
