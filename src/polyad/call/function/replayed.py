"""A function of another framework as NumPy code: its trace at the example, replayed on any arrays.

The framework traces the function once, as it does for ``SecondOrder`` (``Backend.portable``), and whoever
differentiates runs the steps. What has no counterpart there, or does not agree with the framework's own
derivative, is refused as before, with the remedy to take that framework's backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import is_followed
from polyad.arrays.types import Leaves
from polyad.call.function.foreign import framework_of
from polyad.combine.hosted import NUMBERS, moved, on_arrays
from polyad.errors import NonScalarOutputError
from polyad.systems.base import Backend
from polyad.systems.contract import Problem
from polyad.systems.derive.delegated import DELEGATED
from polyad.systems.derive.replay import NotReplayable
from polyad.systems.registry import is_installed

if TYPE_CHECKING:
    from polyad.call.function.flat import FlatFunction

__all__ = ["Replayed", "replayed"]


class Replayed:
    """The user's function, replayed: called with leaves, it gives what the function does.

    Parameters
    ----------
    flat : FlatFunction
        The function for the framework that it is written for.
    call : callable
        Its steps, on groups of leaves in boxes or plain arrays.
    words : str
        By which mechanism.
    """

    def __init__(
        self, flat: FlatFunction, call: Any, words: str, told: tuple[BaseException, ...] = ()
    ) -> None:
        self._flat, self._call, self.words, self._told = flat, call, words, told

    def on(self, library: str | None) -> Any:
        """For the arrays of a library; None for NumPy's and for boxes."""
        call = on_arrays(self._call, library)

        def run(x: Leaves, c: Leaves) -> Any:
            try:
                y, _, aux = call(x, c)
            except NotReplayable as lacking:
                _tell(self._told, f"no replay of {lacking} in NumPy code")
                raise
            assert self._flat.y_structure is not None
            out = self._flat.y_structure.unflatten(y)
            structure = self._flat.aux_structure
            return out if structure is None else (out, structure.unflatten(aux))

        return run


def replayed(
    error: BaseException, backend: Backend, flat: FlatFunction, x: Leaves, c: Leaves
) -> Replayed | None:
    """The function replayed, if an error says that it is written for another framework and that can be.

    Parameters
    ----------
    error : exception
        What running the function raised. It is told why nothing came of it.
    backend : Backend
        Who ran it.
    flat : FlatFunction
        The function.
    x, c : tuple
        Its leaves at the example, as the caller passes them.
    """
    if not isinstance(error, Exception) or any(map(is_followed, (*x, *c))):
        return None
    cls = framework_of(error, backend, flat.function)
    if cls is None or not cls.native or not cls.nestable or not is_installed(cls):
        return None
    source = cls()
    for module in source.requires:
        importlib.import_module(module)
    try:
        inner = flat.for_backend(source)
        active = moved(tuple([np.asarray(a) if type(a) in NUMBERS else a for a in x]), source.library)
        problem = Problem(inner, active, moved(c, source.library), source.outputs, "the function")
        problem.outputs  # noqa: B018  (whether the function is lifted is found out outside of any trace)
        if inner.lifted:
            return None
        found = source.portable(source.value(problem), problem, ())
    except NonScalarOutputError:
        raise
    except Exception:  # it is not that framework's either, and the first error stays
        return None
    _, _, words = str(found.words).partition(", ")
    told = tuple(filter(None, (error, error.__cause__)))  # one of them is reported
    if found.own is DELEGATED:
        _, _, why = words.partition("(")
        _tell(told, why.rstrip(")"))
        return None
    return Replayed(inner, found.call, words, told)


def _tell(errors: tuple[BaseException, ...], why: str) -> None:
    """Note on errors why there is no replay."""
    for error in errors:
        error.polyad_lacking = why  # type: ignore[attr-defined]
