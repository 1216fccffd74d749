"""The adapter under which NumPy code is run for the pattern of its derivative.

Every primitive is computed on examples, so that shapes, dtypes and what depends on no input are NumPy's own,
and beside that on the index sets, by the rule of ``rules``. Derivatives by the engine are made of primitives
too, so that the pattern of a gradient is that of a Hessian.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive, keys_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.patterns.rules import ENTRYWISE, rule_of, sets_of
from polyad.engine.patterns.supported import Supported

__all__ = ["PatternAdapter"]

REMEDY = (
    "use np.where (np.maximum and np.minimum for max and min), whose pattern is that of both branches, or "
    "local=True for the pattern at this point"
)


class PatternAdapter(Adapter):
    """NumPy's arrays with the pattern of their derivatives."""

    name = "pattern"
    extended = True
    raises = False
    promotes = False  # NumPy itself computes

    def main(self) -> Any:
        return np

    def namespaces(self, home: str) -> tuple[Any, ...]:
        return ()

    def compute(self, primitive: Primitive) -> Callable[..., Any] | None:
        name = primitive.name
        found = self._found.get(name)
        if found is None:
            own = getattr(self, f"own_{name}", None)
            found = self._found[name] = own or _analysed(primitive)
        return found

    def dtype(self, a: Any) -> np.dtype[Any]:
        dtype: np.dtype[Any] = a.value.dtype
        return dtype

    def constant(self, a: Any, beside: Any) -> Any:
        return a

    def is_own(self, a: Any) -> bool:
        return type(a) is Supported

    def truth(self, a: Any) -> bool:
        if a.analysis.local:
            return bool(a.value)
        raise refuse("a branch depends on a value, and a pattern that holds for every input has none", REMEDY)

    def is_either(self, a: Any) -> bool:
        return not a.analysis.local

    def extent(self, a: Any) -> int:
        return 0 if a.sets is None else a.sets.extent

    def values(self, a: Any) -> np.ndarray:
        if a.analysis.local:
            return np.asarray(a.value)
        raise refuse("an operation whose form depends on values has no pattern that holds everywhere", REMEDY)

    def example(self, a: Any) -> np.ndarray:
        return np.asarray(a.value)

    def kept(self, a: Any) -> np.ndarray | None:
        # a number that decides which entries are meant must not be that of the example
        return np.asarray(a.value) if a.analysis.local else None

    def shown(self, a: Any) -> np.ndarray:
        return np.asarray(a.value)

    def stop(self, a: Any) -> Any:
        return Supported(a.value, None, a.analysis)

    def later(self, check: Callable[..., Any], arrays: tuple[Any, ...]) -> bool:
        return True  # a check on values, which has no pattern

    # What Adapter defines in terms of a framework's own functions is NumPy's here.
    own_concatenate = own_stack = own_einsum = own_svd = own_searchsorted = None  # type: ignore[assignment]
    own_pinv = own_fft = own_ifft = own_argsort = own_argpartition = None  # type: ignore[assignment]
    own_truncate_to = own_astype = None  # type: ignore[assignment]

    def may_repeat(self, shape: tuple[int, ...], index: Any, plain: bool) -> bool:
        return False  # which value stays does not matter to a union

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, dtype=like.dtype)


# of a result with more entries than these only one is computed
FEW = 256
# the results have as many entries as the values say
SHAPED = frozenset({"nonzero", "bincount"})


def _analysed(primitive: Primitive) -> Callable[..., Any]:
    """The primitive on arrays with their patterns, numbers and plain arrays."""
    compute, rule, name = primitive.compute, rule_of(primitive), primitive.name
    entrywise = rule in ENTRYWISE and not primitive.multiple

    def apply(*args: Any, **params: Any) -> Any:
        analysis = None
        values = []
        active = False
        for a in args:
            if type(a) is Supported:
                analysis = a.analysis
                active = active or a.sets is not None
                values.append(a.value)
            else:
                values.append(a)
        given = params
        index = params.get("index")
        if index is not None and any(type(k) is Supported for k in keys_of(index)):
            analysis = next(k.analysis for k in keys_of(index) if type(k) is Supported)
            given = {**params, "index": example_of(index)}
            if analysis.local:
                params = given
            elif any(type(k) is Supported and k.dtype.kind == "b" for k in keys_of(index)):
                if name == "getitem" or (name == "setitem" and np.shape(args[1])):
                    raise refuse(
                        "a mask computed from values picks entries, whose number differs from input to input",
                        "use np.where(mask, x, 0), or local=True for the pattern at this point",
                    )
        if analysis is None:
            return compute(*values, **given)
        if "strict" in given:  # the example must not raise, since the user did not ask about it
            given = {**given, "strict": False}
        if name in SHAPED and not analysis.local:
            raise refuse(f"np.{name}, the form of whose result depends on values, has no pattern", REMEDY)
        heard = get_state()
        try:
            set_state(SILENT)
            if entrywise and not given and not analysis.local:
                y = _corner(compute, values)
            else:
                y = compute(*values, **given)
        finally:
            set_state(heard)
        if primitive.multiple or isinstance(y, tuple | list):
            parts = [np.asarray(part)[()] for part in y]
            found = rule(analysis, args, params, parts) if active else [None] * len(parts)
            return tuple(Supported(part, s, analysis) for part, s in zip(parts, found, strict=True))
        y = np.asarray(y)[()]
        return Supported(y, sets_of(rule, analysis, args, params, y) if active else None, analysis)

    return apply


def _corner(compute: Callable[..., Any], values: list[Any]) -> Any:
    """An example of the result of which only form and dtype matter: one entry, everywhere."""
    shapes = [a.shape for a in values if isinstance(a, np.ndarray)]
    shape = np.broadcast_shapes(*shapes) if shapes else ()
    if math.prod(shape) <= FEW:
        return compute(*values)
    first = [a[(slice(0, 1),) * a.ndim] if isinstance(a, np.ndarray) else a for a in values]
    return np.broadcast_to(compute(*first), shape)


def example_of(index: Any) -> Any:
    """An index with plain arrays in it."""
    if type(index) is tuple:
        return tuple(map(example_of, index))
    return index.value if type(index) is Supported else index
