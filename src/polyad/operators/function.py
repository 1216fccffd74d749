"""The user's function as backends see it: flat tuples of leaves in, flat tuples out."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.backends.base import Backend
from polyad.errors import NonScalarOutputError, OutputTypeError
from polyad.operators.signature import Signature

__all__ = ["FlatFunction", "label_of", "user_line"]

Leaves = tuple[Any, ...]

# Frames of polyad, of Python's own library and of installed packages are not the user's code.
ELSEWHERE = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<frozen")


class FlatFunction:
    """``f(x, c) -> (y, aux)`` on leaves; learns the structure of the output as it is called.

    Parameters
    ----------
    f : callable
        The user's function.
    signature : Signature
        How leaves become its arguments.
    backend : Backend
        Who turns stray numbers in the output into its own arrays.
    has_aux : bool
        Whether ``f`` returns ``(output, aux)``.
    operator : str
        For messages.
    scalar : bool
        Whether the operator needs a scalar output.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        signature: Signature,
        backend: Backend,
        *,
        has_aux: bool,
        operator: str,
        scalar: bool,
    ) -> None:
        self._f = f
        self._rebuild = signature.rebuild
        self._output = backend.output
        self._has_aux = has_aux
        self._operator = operator
        self._scalar = scalar
        self.y_structure: Structure | None = None
        self.aux_structure: Structure | None = None

    def __call__(self, x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
        """Output and aux leaves for active and constant leaves."""
        out = self._f(*self._rebuild(x, c))
        if not self._has_aux:
            return self._checked(out), ()
        if not (isinstance(out, tuple) and len(out) == 2):
            raise OutputTypeError(
                f"with has_aux=True the function must return (output, aux), not {_kind(out)}"
            )
        aux, structure = flatten(out[1])
        self.aux_structure = structure
        return self._checked(out[0]), aux

    def _checked(self, out: Any) -> Leaves:
        # one array, as at the call before: nothing is left to find out
        if (
            self.y_structure is LEAF
            and (not self._scalar or getattr(out, "shape", None) == ())
            and library_of(out) is not None
        ):
            return (self._output(out),)
        leaves, structure = flatten(out)
        if self.y_structure is None:
            self.y_structure = structure
        elif structure != self.y_structure:
            raise OutputTypeError(
                f"the function returned {structure!r} now and {self.y_structure!r} before: "
                "its output must always have the same structure"
            )
        if not leaves:
            raise OutputTypeError(
                f"the function returned {_kind(out)}, which holds no numbers: did it forget a return?"
            )
        for leaf in leaves:
            owner = library_of(leaf)
            if owner is None:
                raise OutputTypeError(
                    f"the function returned {_kind(leaf)}: {self._operator} needs numbers, arrays or "
                    "trees of them"
                )
            spec = owner.spec(leaf)
            if not spec.is_inexact and not spec.weak:
                raise OutputTypeError(
                    f"the function returned {spec.dtype}, which has no derivative: return floating-point "
                    "numbers"
                )
        if self._scalar:
            self._check_scalar(leaves)
        return tuple([self._output(leaf) for leaf in leaves])

    def _check_scalar(self, leaves: Leaves) -> None:
        shapes = [tuple(getattr(leaf, "shape", ())) for leaf in leaves]
        if shapes == [()]:
            return
        if len(shapes) > 1:
            raise NonScalarOutputError(
                f"output is a tree of {len(shapes)} leaves, {self._operator} needs a scalar: use jacobian, "
                "or has_aux=True to return more than the value"
            )
        hint = "return y[0] instead of y, or use jacobian" if shapes[0] == (1,) else "use jacobian"
        raise NonScalarOutputError(f"output has shape {shapes[0]}, {self._operator} needs a scalar: {hint}")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def label_of(f: Callable[..., Any]) -> str:
    """The name by which messages call a function."""
    return getattr(f, "__qualname__", None) or type(f).__name__


def user_line(error: BaseException) -> str:
    """Where in the user's code an error arose, as ``file:line``, or an empty string."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if not frame.filename.startswith(ELSEWHERE) and "site-packages" not in frame.filename:
            return f"{Path(frame.filename).name}:{frame.lineno} `{frame.line}`"
    return ""
