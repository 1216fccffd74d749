"""Core ATen in NumPy: each operation takes what torch's takes, on arrays or boxes.

Derivatives are those of the NumPy code, so an operation stands here only where they are right as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.stop import stop_gradient
from polyad.systems.derive.replay import NotReplayable
from polyad.systems.torch.replay import entries, factors, order, shapes, windows
from polyad.systems.torch.replay.shapes import typed

__all__ = ["FLAT", "OPERATIONS"]


def _axes(dim: Any) -> Any:
    return None if dim is None or dim == [] else tuple(dim) if isinstance(dim, list | tuple) else dim


# -- numbers ----------------------------------------------------------------------------------------------


def _add(a: Any, b: Any, alpha: Any = 1) -> Any:
    return a + b if alpha == 1 else a + alpha * b


def _sub(a: Any, b: Any, alpha: Any = 1) -> Any:
    return a - b if alpha == 1 else a - alpha * b


def _div(a: Any, b: Any, rounding_mode: Any = None) -> Any:
    if rounding_mode is not None:
        # of floating-point numbers, torch's floor is that of the exact quotient
        found = np.floor_divide(a, b) if rounding_mode == "floor" else np.trunc(a / b)
        whole = _whole(a, b)
        return found if whole is None else found.astype(whole)
    return a / b


def _whole(a: Any, b: Any) -> Any:
    """The type of what comes of two operands that are whole numbers."""
    types = [x if isinstance(x, bool | int) else x.dtype for x in (a, b) if not isinstance(x, float)]
    found = np.result_type(*types) if len(types) == 2 else np.dtype(float)
    return found if found.kind in "iu" else None


def _pow(a: Any, b: Any) -> Any:
    if isinstance(b, float) and b.is_integer() and abs(b) < 2**20:
        b = int(b)  # powers by whole numbers are right at zero, to every order
    return a**b


def _clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    # torch's slope at the bounds is one
    if low is not None:
        low = _bound(low, x)
        x = np.where((x < low) | (low != low), low, x)
    if high is None:
        return x
    high = _bound(high, x)
    return np.where((x > high) | (high != high), high, x)


def _bound(value: Any, x: Any) -> Any:
    """A bound, of the type of what it bounds where it is a number."""
    return np.asarray(value, dtype=x.dtype) if isinstance(value, float) and x.dtype.kind == "f" else value


def _hardtanh(x: Any, low: Any = -1.0, high: Any = 1.0) -> Any:
    # torch's slope at the bounds is zero
    low, high = _bound(low, x), _bound(high, x)
    return np.where(x <= low, low, np.where(x >= high, high, x))


def _polygamma(n: int, x: Any) -> Any:
    if n == 0:
        return sp.digamma(x)
    return (-1.0) ** (n + 1) * math.factorial(n) * sp.zeta(n + 1.0, x)


def _relu(x: Any) -> Any:
    return np.where(x <= 0, np.zeros((), dtype=x.dtype), x)


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate != "none":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + sp.erf(x * math.sqrt(0.5)))


# -- reductions ---------------------------------------------------------------------------------------------


def _reduced(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        return f(typed(x, dtype), axis=_axes(dim), keepdims=keepdim)

    return call


def _variance(x: Any, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    return np.var(x, axis=_axes(dim), ddof=1 if correction is None else correction, keepdims=keepdim)


def _softmax(x: Any, dim: int, half: bool = False) -> Any:
    e = np.exp(x - stop_gradient(np.max(x, axis=dim, keepdims=True)))
    return e / np.sum(e, axis=dim, keepdims=True)


def _log_softmax(x: Any, dim: int, half: bool = False) -> Any:
    z = x - stop_gradient(np.max(x, axis=dim, keepdims=True))
    return z - np.log(np.sum(np.exp(z), axis=dim, keepdims=True))


def _norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    axes = {"axis": _axes(dim), "keepdims": keepdim}
    if ord == 2:
        return _root(np.sum(x * x, **axes), np.sqrt)
    if ord in (math.inf, -math.inf):
        return (np.max if ord > 0 else np.min)(np.abs(x), **axes)
    if ord == 0:
        raise NotReplayable("torch's norm of order 0")
    if ord == 1:
        return np.sum(np.abs(x), **axes)
    return _root(np.sum(np.abs(x) ** ord, **axes), lambda s: s ** (1.0 / ord))


def _root(s: Any, of: Callable[[Any], Any]) -> Any:
    """A root, of which torch takes the derivative of a norm at zero to be zero."""
    zero = s == 0
    return np.where(zero, s, of(np.where(zero, np.ones((), dtype=s.dtype), s)))


def _var_mean(x: Any, dim: Any = None, correction: Any = None, keepdim: bool = False) -> list[Any]:
    if isinstance(dim, bool):  # by torch's older form, without an axis
        dim, correction = None, int(dim)
    return [_variance(x, dim, correction, keepdim), np.mean(x, axis=_axes(dim), keepdims=keepdim)]


def _trilinear(
    a: Any, b: Any, c: Any, first: Any, second: Any, third: Any, summed: Any, unroll: int = 1
) -> Any:
    product: Any = 1.0
    for part, axes in ((a, first), (b, second), (c, third)):
        for axis in sorted(axes):
            part = np.expand_dims(part, axis)
        product = product * part
    return np.sum(product, axis=tuple(summed))


def _shrunk(g: Any, x: Any, limit: float) -> Any:
    return np.where(np.abs(x) <= limit, 0.0 * g, g)


def _layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> list[Any]:
    axes = tuple(range(np.ndim(x) - len(shape), np.ndim(x)))
    mean = np.mean(x, axis=axes, keepdims=True)
    scale = 1.0 / np.sqrt(np.mean((x - mean) ** 2, axis=axes, keepdims=True) + eps)
    y = (x - mean) * scale
    y = y if weight is None else y * weight
    return [y if bias is None else y + bias, mean, scale]


# -- matrices -----------------------------------------------------------------------------------------------


def _addmm(c: Any, a: Any, b: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    product = np.matmul(a, b)
    return (c if beta == 1 else beta * c) + (product if alpha == 1 else alpha * product)


def _solve_ex(a: Any, b: Any, left: bool = True, check_errors: bool = False) -> list[Any]:
    if not left:
        x = _solve_ex(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2))[0]
        return [np.swapaxes(x, -1, -2), None, None, None]
    if np.ndim(b) == np.ndim(a) - 1:  # a vector, or one for each matrix
        return [np.squeeze(np.linalg.solve(a, np.expand_dims(b, -1)), -1), None, None, None]
    return [np.linalg.solve(a, b), None, None, None]


def _triangular(a: Any, b: Any, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    if not left:
        a, b, upper = np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2), not upper
    a = np.triu(a) if upper else np.tril(a)
    x = wrap(PRIMITIVES["solve_triangular"](unbox(a), unbox(b), lower=not upper, unit_diagonal=unitriangular))
    return x if left else np.swapaxes(x, -1, -2)


def _cholesky(a: Any, upper: bool = False, check_errors: bool = False) -> list[Any]:
    factor = np.linalg.cholesky(a)
    return [np.swapaxes(factor, -1, -2) if upper else factor, None]


def _same(x: Any, *rest: Any, **options: Any) -> Any:
    return x


OPERATIONS: dict[str, Callable[..., Any]] = {
    **shapes.OPERATIONS,
    **entries.OPERATIONS,
    **order.OPERATIONS,
    **windows.OPERATIONS,
    **factors.OPERATIONS,
    **{
        name: getattr(np, name)
        for name in "sin cos tan sinh cosh tanh exp exp2 expm1 log log2 log10 log1p".split()
    },
    **{
        name: getattr(np, name)
        for name in "sqrt reciprocal sign floor ceil trunc maximum minimum fmod".split()
    },
    **{
        name: getattr(np, name)
        for name in "remainder isnan isinf isfinite logical_not logical_and logical_or".split()
    },
    **{
        name: getattr(np, name)
        for name in "logical_xor bitwise_and bitwise_or bitwise_xor logaddexp hypot where".split()
    },
    **{"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh},
    **{"acosh": np.arccosh, "atanh": np.arctanh, "neg": np.negative, "abs": np.abs, "round": np.round},
    **{"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater},
    **{"ge": np.greater_equal, "bitwise_not": np.invert, "mul": np.multiply},
    **{"sigmoid": sp.expit, "erf": sp.erf, "erfc": sp.erfc, "erfinv": sp.erfinv, "lgamma": sp.gammaln},
    **{"digamma": sp.digamma, "igamma": sp.gammainc, "igammac": sp.gammaincc, "xlogy": sp.xlogy},
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "square": lambda x: x * x,
    "rsub": lambda a, b, alpha=1: b - alpha * a,
    "add": _add,
    "sub": _sub,
    "div": _div,
    "pow": _pow,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda x, high: _clamp(x, None, high),
    "polygamma": _polygamma,
    "relu": _relu,
    "hardtanh": _hardtanh,
    "gelu": _gelu,
    "silu": lambda x: x * sp.expit(x),
    "view": lambda x, size: np.reshape(x, size),
    "reshape": lambda x, size: np.reshape(x, size),
    "_unsafe_view": lambda x, size: np.reshape(x, size),
    "permute": lambda x, dims: np.transpose(x, dims),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "cat": lambda parts, dim=0: np.concatenate(parts, axis=dim),
    "stack": lambda parts, dim=0: np.stack(parts, axis=dim),
    "flip": lambda x, dims: np.flip(x, tuple(dims)),
    "roll": lambda x, shifts, dims=None: np.roll(x, tuple(shifts), _axes(dims)),
    "repeat": lambda x, repeats: np.tile(x, repeats),
    "tril": lambda x, k=0: np.tril(x, k),
    "triu": lambda x, k=0: np.triu(x, k),
    **dict.fromkeys("alias clone lift_fresh_copy contiguous lift_fresh".split(), _same),
    "detach": stop_gradient,
    "sum": _reduced(np.sum),
    "mean": _reduced(np.mean),
    "prod": _reduced(np.prod),
    "amax": _reduced(np.max),
    "amin": _reduced(np.min),
    "any": _reduced(np.any),
    "all": _reduced(np.all),
    "var": _variance,
    "cumsum": lambda x, dim, dtype=None: np.cumsum(typed(x, dtype), axis=dim),
    "cumprod": lambda x, dim, dtype=None: np.cumprod(typed(x, dtype), axis=dim),
    "argmax": lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim),
    "argmin": lambda x, dim=None, keepdim=False: np.argmin(x, axis=dim, keepdims=keepdim),
    "_softmax": _softmax,
    "_log_softmax": _log_softmax,
    "linalg_vector_norm": _norm,
    "native_layer_norm": _layer_norm,
    "mm": np.matmul,
    "bmm": np.matmul,
    "mv": np.matmul,
    "dot": np.matmul,
    "matmul": np.matmul,
    "addmm": _addmm,
    "_linalg_solve_ex": _solve_ex,
    "linalg_solve_triangular": _triangular,
    "linalg_inv_ex": lambda a, check_errors=False: [np.linalg.inv(a), None],
    "linalg_cholesky_ex": _cholesky,
    "_linalg_slogdet": lambda a: [*np.linalg.slogdet(a), None, None],
    "_linalg_det": lambda a: [np.linalg.det(a), None, None],
    "_linalg_eigh": lambda a, uplo="L", compute_v=True: list(np.linalg.eigh(a)),
    "var_mean": _var_mean,
    "_trilinear": _trilinear,
    "softshrink_backward": _shrunk,
    "hardshrink_backward": _shrunk,
    "signbit": lambda x: np.signbit(x),
    "linalg_matrix_exp": lambda a: wrap(PRIMITIVES["expm"](unbox(a))),
    **{f"special_{name}": getattr(sp, name) for name in "erfcx i0 i0e i1 i1e ndtri ndtr".split()},
    "i0": sp.i0,
    "_linalg_check_errors": lambda *given, **options: None,
}

# constant in pieces, or no floating-point numbers at all
FLAT = frozenset(
    (
        "sign floor ceil trunc round isnan isinf isfinite logical_not logical_and logical_or logical_xor "
        "bitwise_and bitwise_or bitwise_xor bitwise_not eq ne lt le gt ge argmax argmin any all zeros_like "
        "ones_like new_zeros new_ones full_like"
    ).split()
)
