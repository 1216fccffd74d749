"""Programs of the function itself, where each operation is one whose derivative is known here.

Most functions have only such operations. Their pattern is that of the derivative, and the function takes half
as long to trace. Where an operation is another one, as a custom rule is, the program of the derivative is
read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from polyad.engine.patterns.reading import cumulative, reaches

if TYPE_CHECKING:
    from polyad.systems.jax.sparsity.program import ProgramReader

__all__ = ["CONSTANT", "CURVED", "LINEAR", "PRIMAL"]

# derivatives that are zero wherever there are any
CONSTANT = frozenset("sign floor ceil round stop_gradient".split())
# each result depends on the same entry of each operand
CURVED = frozenset(
    "exp exp2 log log1p expm1 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh logistic sqrt "
    "rsqrt cbrt square integer_pow pow atan2 max min abs erf erfc erf_inv lgamma digamma clamp rem".split()
)
# those of the linear operations that have the same rule here
LINEAR = frozenset(
    "broadcast_in_dim reshape squeeze expand_dims transpose slice rev tile split unstack concatenate "
    "stack pad select_n gather dynamic_slice dynamic_update_slice scatter scatter-add reduce_sum cumsum "
    "dot_general fft conv_general_dilated reduce_window_sum cond scan while".split()
)


def _reduced(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    x, axes = args[0], tuple(eqn.params["axes"])
    return reader.along(x, axes, shapes[0]) if axes else reader.tangent(shapes[0], x.sets)


def _cumulative(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    p = eqn.params
    sets = cumulative(args[0].sets, args[0].shape, p["axis"], reverse=p["reverse"])
    return reader.tangent(shapes[0], sets)


def _sort(reader: ProgramReader, eqn: Any, args: list[Any], shapes: list[Any]) -> Any:
    if len(args) > 1 or not reaches(args[0]):
        return None
    return reader.along(args[0], (eqn.params["dimension"],), shapes[0])


PRIMAL: dict[str, Callable[..., Any]] = {
    **dict.fromkeys("reduce_max reduce_min reduce_prod".split(), _reduced),
    **dict.fromkeys("cumprod cummax cummin cumlogsumexp".split(), _cumulative),
    "sort": _sort,
}
