"""Memory of other libraries, described to NumPy through ``__array_interface__``."""

from __future__ import annotations

from typing import Any

__all__ = ["Described", "Writable"]


class Writable:
    """The memory of a read-only view of a fresh result, offered for writing.

    NumPy cannot be told that an array is the only one on its buffer, so ``writeable`` cannot be
    set on the view; the description of the same memory without that flag does it. The view, and
    through it the result, lives as long as this object, which becomes the base of the new array.
    """

    __slots__ = ("__array_interface__", "view")

    def __init__(self, view: Any) -> None:
        self.view = view
        interface = dict(view.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


class Described:
    """Where the entries of a tensor are, in the form that NumPy asks for; never used to read them."""

    __slots__ = ("__array_interface__", "tensor")

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        size = tensor.element_size()
        self.__array_interface__ = {
            "data": (tensor.data_ptr(), False),
            "shape": tuple(tensor.shape),
            "strides": tuple(s * size for s in tensor.stride()),
            "typestr": f"|V{size}",
            "version": 3,
        }
