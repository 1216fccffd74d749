"""SciPy's functions that make plain arrays of their arguments, and compiled functions with Python code."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import base
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import COUNTERPARTS, Counterpart, counterpart, has_box, module_like
from polyad.engine.follow.iterables import MADE, remade
from polyad.engine.follow.linear import ENTER as ENTER_LINEAR
from polyad.engine.follow.solvers import ENTER
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["compiled", "fill"]

OURS = {
    "polyad.linalg": "expm logm sqrtm solve_triangular cho_factor cho_solve block_diag toeplitz",
    "polyad.special": "logsumexp softmax log_softmax",
}
SAME = "det solve eig eigvals eigh eigvalsh svdvals norm pinv lstsq inv"

# of which the parts come before the whole
MODULES = (
    "numpy",
    "math",
    "cmath",
    "statistics",
    "scipy.linalg",
    "scipy.special",
    "scipy.integrate",
    "scipy.optimize",
    "scipy.interpolate",
    "scipy.fft",
    "scipy.ndimage",
    "scipy.signal",
    "scipy.spatial.distance",
    "scipy.spatial",
    "scipy.sparse.linalg",
    "scipy.sparse",
    "scipy",
    "numexpr",
)
_DONE: set[Any] = set()


def _arrays(args: tuple[Any, ...]) -> list[Any]:
    return [as_box(a) if isinstance(a, list | tuple) and not _is_pair(a) else a for a in args]


def _is_pair(a: Any) -> bool:
    """Whether it is a matrix with something else, as factors are."""
    return type(a) is tuple and len(a) == 2 and np.ndim(a[0]) > 1 and np.shape(a[0]) != np.shape(a[1])


def fill() -> None:
    """Enter the counterparts of what is loaded by now, and of the modules that hold them."""
    for name, enter in (
        ("scipy.linalg", _linalg),
        ("scipy.special", _special),
        ("scipy.integrate", _integrate),
        ("scipy.spatial.distance", _distance),
        ("numexpr", _numexpr),
        *ENTER.items(),
        *ENTER_LINEAR.items(),
    ):
        if name in sys.modules and (name, enter) not in _DONE:
            _DONE.add((name, enter))
            enter(sys.modules[name])
    for name, module in list(sys.modules.items()):
        for end, enter in _ANYWHERE.items():
            if name.endswith(end) and name not in _DONE:
                _DONE.add(name)
                enter(module)
        if name.endswith("array_api_extra"):
            module_like(module)
    for name in MODULES:
        if name in sys.modules:
            module_like(sys.modules[name])


class Whole(Counterpart):
    """Stands for a function that is not followed where its arguments are plain, for it calls no others."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = FOLLOWING
        if not state.depth:
            return self.original(*args, **kwargs)
        if has_box(args) or has_box(kwargs.values()):
            return self.own(*args, **kwargs)
        depth, state.depth = state.depth, 0
        try:
            return self.original(*args, **kwargs)
        finally:
            state.depth = depth


def _by_polyad(original: Any, module: str, name: str) -> None:
    @counterpart(original, Whole)
    def apply(*args: Any, **kwargs: Any) -> Any:
        for option in ("check_finite", "overwrite_a", "overwrite_b"):
            kwargs.pop(option, None)
        return getattr(importlib.import_module(module), name)(*_arrays(args), **kwargs)


def _by_numpy(original: Any, own: Any) -> None:
    @counterpart(original, Whole)
    def apply(*args: Any, **kwargs: Any) -> Any:
        for option in ("check_finite", "overwrite_a", "overwrite_b"):
            kwargs.pop(option, None)
        return own(*_arrays(args), **kwargs)


def _special(module: Any) -> None:
    for name in OURS["polyad.special"].split():
        _by_polyad(getattr(module, name), "polyad.special", name)

    @counterpart(module.polygamma)
    def polygamma(n: Any, x: Any) -> Any:
        return (-1.0) ** (n + 1) * module.gamma(n + 1.0) * module.zeta(n + 1.0, x) if n else module.digamma(x)


def _linalg(module: Any) -> None:
    for name in OURS["polyad.linalg"].split():
        _by_polyad(getattr(module, name), "polyad.linalg", name)
    for name in ("det", "eig", "eigvals", "pinv", "lstsq", "inv", "norm"):
        _by_numpy(getattr(module, name), getattr(np.linalg, name))

    def solve(
        a: Any, b: Any, lower: bool = False, assume_a: Any = None, transposed: bool = False, **_: Any
    ) -> Any:
        if assume_a in ("sym", "her", "pos", "symmetric", "hermitian", "positive definite"):
            half = np.tril(a, -1) if lower else np.triu(a, 1)
            a = half + half.T.conj() + np.diag(np.diag(a))
        return np.linalg.solve(a.T if transposed else a, b)

    def cholesky(a: Any, lower: bool = False, **_: Any) -> Any:
        half = np.tril(a, -1) if lower else np.triu(a, 1)
        root = np.linalg.cholesky(half + np.swapaxes(half, -1, -2).conj() + _diagonal(a))
        return root if lower else np.swapaxes(root, -1, -2).conj()

    def eigh(
        a: Any,
        b: Any = None,
        lower: bool = True,
        eigvals_only: bool = False,
        turbo: Any = None,
        eigvals: Any = None,
        type: int = 1,
        subset_by_index: Any = None,
        subset_by_value: Any = None,
        driver: Any = None,
    ) -> Any:
        if b is not None or subset_by_index is not None or subset_by_value is not None or eigvals is not None:
            return module.eigh(a, b, subset_by_index=subset_by_index, subset_by_value=subset_by_value)
        side: Any = "L" if lower else "U"
        return np.linalg.eigvalsh(a, side) if eigvals_only else tuple(np.linalg.eigh(a, side))

    def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, **_: Any) -> Any:
        return (
            tuple(np.linalg.svd(a, full_matrices=full_matrices))
            if compute_uv
            else np.linalg.svd(a, compute_uv=False)
        )

    _by_numpy(module.solve, solve)
    _by_numpy(module.cholesky, cholesky)
    _by_numpy(module.eigh, eigh)
    _by_numpy(module.eigvalsh, lambda a, b=None, lower=True, **kw: eigh(a, b, lower, True, **kw))
    _by_numpy(module.svd, svd)
    _by_numpy(module.svdvals, lambda a: np.linalg.svd(a, compute_uv=False))

    def lu_factor(a: Any, *_: Any, **__: Any) -> Any:
        order = _pivots(module.lu_factor, a)
        return _factors(a[_permuted(order)]), order

    def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, **_: Any) -> Any:
        lu, order = lu_and_piv
        n = order.shape[0]
        lower, upper = np.tril(lu, -1) + np.eye(n), np.triu(lu)
        back = np.argsort(_permuted(order))
        if trans == 0:
            return np.linalg.solve(upper, np.linalg.solve(lower, b[_permuted(order)]))
        lower, upper = (lower, upper) if trans == 1 else (np.conj(lower), np.conj(upper))
        return np.linalg.solve(lower.T, np.linalg.solve(upper.T, b))[back]

    def lu(a: Any, permute_l: bool = False, *_: Any, **__: Any) -> Any:
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            return module.lu(a)  # refuses
        order = _permuted(_pivots(module.lu_factor, a))
        both, one = _factors(a[order]), np.eye(a.shape[0])
        lower, upper, back = np.tril(both, -1) + one, np.triu(both), one[:, order]
        return (back @ lower, upper) if permute_l else (back, lower, upper)

    def solve_banded(l_and_u: Any, ab: Any, b: Any, *_: Any, **__: Any) -> Any:
        below, above = l_and_u
        n = ab.shape[-1]
        rows = [np.diag(ab[above - k, k:], k) for k in range(above, -1, -1)]
        rows += [np.diag(ab[above + k, : n - k], -k) for k in range(1, below + 1)]
        return np.linalg.solve(functools.reduce(np.add, rows), b)

    def qr(
        a: Any, overwrite_a: Any = False, lwork: Any = None, mode: str = "full", pivoting: bool = False
    ) -> Any:
        if pivoting or mode not in ("full", "economic", "r") or (mode == "full" and a.shape[0] != a.shape[1]):
            return module.qr(a, mode=mode, pivoting=pivoting)  # refuses
        q, r = np.linalg.qr(a)
        return (r,) if mode == "r" else (q, r)

    def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
        m, n = a.shape[0], b.shape[0]
        system = np.kron(a, np.eye(n)) + np.kron(np.eye(m), b.T)
        return np.linalg.solve(system, np.reshape(q, (-1,))).reshape((m, n))

    def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
        return solve_sylvester(a, np.conj(a).T, q)

    def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
        n = a.shape[0]
        system = np.eye(n * n) - np.kron(a, np.conj(a))
        return np.linalg.solve(system, np.reshape(q, (-1,))).reshape((n, n))

    for own in (
        lu_factor,
        lu_solve,
        lu,
        solve_banded,
        qr,
        solve_sylvester,
        solve_continuous_lyapunov,
        solve_discrete_lyapunov,
    ):
        _by_numpy(getattr(module, own.__name__), own)


def _pivots(factor: Any, a: Any) -> Any:
    """The rows that are exchanged, which are not differentiated: a graph without values has none."""
    known = base(a._value) if type(a) in BOXES else a
    if type(known) is Proxy:
        known = adapter(known.library).kept(known.array)
    return factor(a if known is None else known)[1]


def _permuted(pivots: Any) -> Any:
    order = np.arange(pivots.shape[0])
    for k, other in enumerate(pivots):
        order[[k, other]] = order[[other, k]]
    return order


def _factors(a: Any) -> Any:
    """L below the diagonal and U above: elimination without pivots, a rank-one update at a time."""
    rows = []
    for _ in range(a.shape[0] - 1):
        rows.append((a[0, :], a[1:, 0] / a[0, 0]))
        a = a[1:, 1:] - np.outer(rows[-1][1], a[0, 1:])
    both = a
    for top, side in reversed(rows):
        both = np.concatenate([top[None], np.concatenate([side[:, None], both], axis=1)], axis=0)
    return both


def _diagonal(a: Any) -> Any:
    return a * np.eye(a.shape[-1])


def _helpers(module: Any) -> None:
    """What the array API's helpers say of a box: that it is an array like NumPy's."""
    for name, answer in {
        "is_numpy_array": True,
        "is_array_api_obj": True,
        "is_writeable_array": True,
        "is_lazy_array": False,
        "device": "cpu",
    }.items():
        if hasattr(module, name):
            counterpart(getattr(module, name))(lambda *_, answer=answer, **__: answer)


def _choosing(module: Any) -> None:
    """The array API's choice between two functions, which picks the entries for each of them."""
    original = module.apply_where

    @counterpart(original)
    def apply_where(
        cond: Any, args: Any, f1: Any, f2: Any = None, /, *, fill_value: Any = None, xp: Any = None
    ) -> Any:
        if type(cond) not in BOXES:
            return original(cond, args, f1, f2, fill_value=fill_value, xp=xp)
        args = args if isinstance(args, tuple) else (args,)
        return np.where(cond, f1(*args), fill_value if f2 is None else f2(*args))


def _rotation(module: Any) -> None:
    """Rotations in compiled code by those that SciPy has for other arrays than NumPy's."""
    cython, general = module.cython_backend, module.xp_backend
    for name, original in vars(cython).items():
        own = getattr(general, name, None)
        if callable(original) and isinstance(own, types.FunctionType) and not name.startswith("_"):
            counterpart(original)(_of_arrays(own))
    registry = module.backend_registry
    COUNTERPARTS[id(registry)] = {xp: module_like(b) if b is cython else b for xp, b in registry.items()}


def _of_arrays(own: Any) -> Any:
    def apply(*args: Any, **kwargs: Any) -> Any:
        return own(*_arrays(args), **kwargs)

    return apply


# by the end of a module's name, since packages have copies of some
_ANYWHERE = {
    "array_api_compat.common._helpers": _helpers,
    "array_api_extra._lib._funcs": _choosing,
    "scipy.spatial.transform._rotation": _rotation,
}


def _distance(module: Any) -> None:
    def differences(a: Any, b: Any) -> Any:
        return a[:, None, :] - b[None, :, :]

    def by(d: Any, metric: Any, original: Any, args: Any) -> Any:
        if metric in ("sqeuclidean", module.sqeuclidean):
            return np.sum(d**2, axis=-1)
        if metric in ("euclidean", module.euclidean):
            return np.sqrt(np.sum(d**2, axis=-1))
        if metric in ("cityblock", module.cityblock):
            return np.sum(np.abs(d), axis=-1)
        return original(*args, metric)  # refuses

    def cdist(XA: Any, XB: Any, metric: Any = "euclidean") -> Any:
        return by(differences(XA, XB), metric, module.cdist, (XA, XB))

    def pdist(X: Any, metric: Any = "euclidean") -> Any:
        k, n = np.triu_indices(X.shape[0], 1)
        return by(X[k] - X[n], metric, module.pdist, (X,))

    def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
        if X.ndim == 1:
            n = round((1 + (1 + 8 * X.shape[0]) ** 0.5) / 2)
            k, m = np.triu_indices(n, 1)
            places = np.zeros((n, n), dtype=int)
            places[k, m] = places[m, k] = np.arange(X.shape[0])
            return X[places] * (1.0 - np.eye(n))
        return X[np.triu_indices(X.shape[0], 1)]

    for own in (cdist, pdist, squareform):
        _by_numpy(getattr(module, own.__name__), own)


def _integrate(module: Any) -> None:
    _by_numpy(module.trapezoid, lambda y, x=None, dx=1.0, axis=-1: np.trapezoid(y, x, dx, axis))


def _numexpr(module: Any) -> None:
    names = {n: getattr(np, n) for n in "sin cos tan sinh cosh tanh exp expm1 log log10 log1p sqrt".split()}
    names.update(
        arcsin=np.arcsin, arccos=np.arccos, arctan=np.arctan, arctan2=np.arctan2, abs=np.abs, where=np.where
    )
    original = module.evaluate

    def evaluate(ex: str, local_dict: Any = None, global_dict: Any = None, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        places = {**frame.f_globals, **frame.f_locals} if local_dict is None else dict(local_dict)
        code = compile(ex.strip(), "<numexpr>", "eval")
        used = [places[n] for n in code.co_names if n in places]
        if FOLLOWING.depth and has_box(used):
            return eval(
                code, {"__builtins__": {}}, {**names, **{n: places[n] for n in code.co_names if n in places}}
            )
        if local_dict is None and global_dict is None:
            local_dict, global_dict = frame.f_locals, frame.f_globals
        return original(ex, local_dict=local_dict, global_dict=global_dict, **kwargs)

    COUNTERPARTS[id(original)] = Evaluation(original, evaluate)


class Evaluation(Counterpart):
    """Stands for numexpr's evaluation, whose operands are named in a string."""

    __slots__ = ()

    @property
    def __call__(self) -> Any:
        """The function itself, which looks for names in the frame that calls it."""
        return self.own


def compiled(value: Any) -> Any:
    """The counterpart of a function that was made of one in Python; None of anything else."""
    if type(value) in MADE:
        found = COUNTERPARTS.get(id(value))
        if found is None and (found := remade(value)) is not None:
            COUNTERPARTS[id(value)] = found
        return found
    if getattr(type(value), "__module__", "").partition(".")[0] != "numba":
        return None
    python = getattr(value, "py_func", None)
    if not isinstance(python, types.FunctionType):
        return None
    found = COUNTERPARTS.get(id(value))
    if found is None:
        found = COUNTERPARTS[id(value)] = Counterpart(value, python)
    return found
