"""Comparing the derivatives of a user's function with differences.

Automatic differentiation is exact for the program it sees; what it gets wrong are programs that
hide something from it: a custom rule with a mistake, a value that is detached, a kink. The
message of a failure names the entry that is furthest off and the most likely reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad
from polyad.arrays.libraries import library_of, spec_of
from polyad.arrays.trees import Structure, flatten
from polyad.call.function.flat import label_of
from polyad.call.prepared import Prepared
from polyad.errors import DerivativeMismatchError, FunctionNotSupportedError, UnsupportedOperatorError
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem
from polyad.systems.registry import resolve
from polyad.testing.trees import wide

__all__ = ["check_derivatives"]

# A difference of a function with values near one is certain to about this.
NOISE = 1e-9


class _Value(Prepared):
    """The function itself, run by the backend's own framework on NumPy arguments."""

    operator = "value"
    listed = False
    differentiates = False
    gives = "output"

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.value(problem)

    def __call__(self, *args: Any) -> Any:
        return self._call(args, None)


def check_derivatives(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    order: int = 1,
    rtol: float = 1e-5,
) -> float:
    """Compare the derivatives of a function with finite differences.

    Every mode that the backend has is compared, so that a rule that is right forward and wrong in
    reverse is found. Arrays in single precision are compared in double precision.

    Parameters
    ----------
    f : callable
        The function.
    *args : scalar, array or tree of them
        Its arguments, at a point where it is smooth.
    backend : Backend or str, optional
        Whose derivatives are checked; None chooses by the type of the active argument.
    argnums : int or tuple of int, default 0
        The active arguments.
    order : {1, 2}, default 1
        With 2 the Hessian is compared with differences of the gradient as well.
    rtol : float, default 1e-5
        Allowed error relative to the largest entry of a block.

    Returns
    -------
    float
        The largest relative error found.

    Raises
    ------
    polyad.errors.DerivativeMismatchError
        If a derivative is wrong; the message names the entry, both values and a likely reason.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> from polyad.testing import check_derivatives
    >>> check_derivatives(lambda x: (x**3).sum(), np.array([1.0, 2.0]), backend="jax") < 1e-6
    True
    """
    found = flatten(args[argnums if isinstance(argnums, int) else argnums[0]])[0]
    owner = library_of(found[0]) if found else None
    chosen = resolve(backend, owner.name if owner else "numpy")
    numpy_args = tuple(_numpy(arg) for arg in args)
    value = _restatic(_Value(f, numpy_args, backend=chosen, argnums=argnums, once=True), numpy_args)
    options: dict[str, Any] = {"argnums": argnums}
    differences = ad.jacobian(value, *numpy_args, backend="finite", **options)
    worst = _each_mode(
        lambda mode: ad.jacobian(f, *numpy_args, backend=mode, **options),
        chosen,
        _Comparison(label_of(f), "derivative", value, numpy_args, argnums, differences, rtol),
    )
    if order == 2:
        slope = _restatic(ad.prepare_gradient(f, *numpy_args, backend=chosen, **options), numpy_args)
        differences = ad.jacobian(slope, *numpy_args, backend="finite", **options)
        second = _each_mode(
            lambda mode: ad.hessian(f, *numpy_args, backend=mode, **options),
            chosen,
            _Comparison(label_of(f), "Hessian", slope, numpy_args, argnums, differences, rtol),
        )
        worst = max(worst, second)
    return worst


def _restatic(prepared: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """A prepared object as a plain function, which gets static arguments unwrapped."""
    statics = {k: arg for k, arg in enumerate(args) if isinstance(arg, ad.Static)}
    return lambda *given: prepared(*(statics.get(k, arg) for k, arg in enumerate(given)))


def _numpy(arg: Any) -> Any:
    """An argument with NumPy arrays in double precision of its own; ``Static`` stays."""
    if isinstance(arg, ad.Static):
        return arg
    leaves, structure = flatten(arg)
    return structure.unflatten(map(_leaf, leaves))


def _leaf(leaf: Any) -> Any:
    owner = library_of(leaf)
    if owner is None or spec_of(leaf).weak:
        return leaf
    a = owner.to_numpy(leaf)
    return np.array(wide(a)) if isinstance(a, np.ndarray) else wide(a)


def _each_mode(derivative: Callable[[Backend], Any], backend: Backend, comparison: _Comparison) -> float:
    """Compare in every mode of the backend; the ones that cannot follow the function do not count."""
    modes = [backend.mode] if backend.mode or not backend.supports else sorted(backend.supports)
    failures: dict[str | None, str] = {}
    refused: Exception | None = None
    passed: list[str | None] = []
    worst = 0.0
    for mode in modes:
        one = backend if mode == backend.mode else backend.replace(mode=mode)
        try:
            found = derivative(one)
        except (FunctionNotSupportedError, UnsupportedOperatorError) as cannot:
            refused = cannot
            continue
        off, message = comparison.judge(found)
        worst = max(worst, off)
        if message:
            failures[mode] = message
        else:
            passed.append(mode)
    if failures:
        mode, message = next(iter(failures.items()))
        where = f"{backend!r}{f' in {mode} mode' if mode else ''}"
        other = f"; {passed[0]} mode is right, so look at the rule for {mode} mode" if passed else ""
        raise DerivativeMismatchError(f"{where}: {message}{other}")
    if not passed and refused is not None:
        raise refused
    return worst


@dataclasses.dataclass(frozen=True)
class _Comparison:
    """Blocks of a Jacobian against the same blocks by differences.

    Parameters
    ----------
    label, what : str
        The function and the derivative, for messages.
    function : callable
        What was differenced.
    args, argnums
        Where, and with respect to what.
    differences : tree
        The blocks by differences.
    rtol : float
        Allowed error relative to the largest entry of a block.
    """

    label: str
    what: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    argnums: int | tuple[int, ...]
    differences: Any
    rtol: float

    def judge(self, found: Any) -> tuple[float, str]:
        """The largest relative error, and a message if it is too large."""
        y_leaves, y_tree = flatten(self.function(*self.args))
        x_leaves, x_tree = self.active()
        magnitude = 1.0 + max((float(np.max(np.abs(y), initial=0.0)) for y in y_leaves), default=0.0)
        ours, theirs = flatten(found)[0], flatten(self.differences)[0]
        worst: tuple[float, int] = (0.0, -1)
        error = 0.0
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            a, b = np.asarray(a), np.asarray(b)
            if not a.size:
                continue
            scale = max(float(np.max(np.abs(b))), float(np.max(np.abs(np.nan_to_num(a)))), 1e-300)
            off = np.abs(a - b)
            # nan is as wrong as can be
            largest = float(np.inf if np.any(np.isnan(off)) else np.max(off))
            floor = NOISE * magnitude
            error = max(error, largest / max(scale, floor / self.rtol))
            excess = largest / (self.rtol * scale + floor)
            worst = max(worst, (excess, k))
        excess, k = worst
        if excess <= 1.0:
            return error, ""
        j, i = divmod(k, len(x_leaves))
        a, b = np.asarray(ours[k]), np.asarray(theirs[k])
        off = np.abs(a - b)
        at = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
        split = np.ndim(y_leaves[j])
        output, inputs = at[:split], at[split:]
        entry = f"d {y_tree.paths('y')[j]}{_index(output)} / d {x_tree.paths('x')[i]}{_index(inputs)}"
        hint = self.hint(a, b, x_leaves, x_tree, (i, inputs), (j, output))
        return error, (
            f"the {self.what} of {self.label} is wrong at {entry}: {a[at]:.10g}, differences give "
            f"{b[at]:.10g} ({hint})"
        )

    def active(self) -> tuple[tuple[Any, ...], Structure]:
        """The active leaves and their tree."""
        n = self.argnums
        return flatten(self.args[n] if isinstance(n, int) else tuple(self.args[k] for k in n))

    def hint(
        self,
        a: Any,
        b: Any,
        x_leaves: tuple[Any, ...],
        x_tree: Structure,
        entry: tuple[int, tuple[Any, ...]],
        output: tuple[int, tuple[Any, ...]],
    ) -> str:
        """The most likely reason why ``a`` is not ``b``."""
        left, right = self.slopes(x_leaves, x_tree, entry, output)
        size = max(abs(left), abs(right))
        if size and abs(right - left) > 1e-2 * size:
            return f"the function has a kink there: slope {left:.6g} on the left, {right:.6g} on the right"
        if np.any(np.isnan(a)):
            return "nan: a branch that where() does not take is not finite, or a square root or norm of zero"
        if not np.any(a):
            return (
                "the whole block is zero: the derivative was dropped by detach, stop_gradient, item(), "
                "float() or a conversion to integers"
            )
        if a.shape == b.shape and np.any(b):
            if a.ndim == 2 and a.shape[0] == a.shape[1] and np.allclose(a.T, b, rtol=1e-4):
                return "the block is transposed"
            ratio = float(np.vdot(b, a).real / np.vdot(b, b).real)
            if np.allclose(a, ratio * b, rtol=1e-4, atol=1e-6 * np.max(np.abs(b))):
                return f"every entry of the block is off by the factor {ratio:.6g}"
        return "a custom rule is wrong, or part of the value is hidden from the framework"

    def slopes(
        self,
        x_leaves: tuple[Any, ...],
        x_tree: Structure,
        entry: tuple[int, tuple[Any, ...]],
        output: tuple[int, tuple[Any, ...]],
    ) -> tuple[float, float]:
        """One-sided slopes of one entry of the output along one entry of the input."""
        (i, index), (j, place) = entry, output
        step = 1e-5 * max(1.0, abs(complex(np.asarray(x_leaves[i])[index])))

        def at(h: float) -> float:
            moved = np.array(x_leaves[i], dtype=np.result_type(x_leaves[i], 1.0))
            moved[index] += h
            leaves = list(x_leaves)
            leaves[i] = moved if isinstance(x_leaves[i], np.ndarray) else moved[()]
            value = self.function(*self.replaced(x_tree.unflatten(leaves)))
            return float(np.real(np.asarray(flatten(value)[0][j])[place]))

        middle = at(0.0)
        return (middle - at(-step)) / step, (at(step) - middle) / step

    def replaced(self, active: Any) -> tuple[Any, ...]:
        """The arguments with other active ones."""
        args = list(self.args)
        if isinstance(self.argnums, int):
            args[self.argnums] = active
        else:
            for k, value in zip(self.argnums, active, strict=True):
                args[k] = value
        return tuple(args)


def _index(index: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(k)) for k in index)}]" if index else ""
