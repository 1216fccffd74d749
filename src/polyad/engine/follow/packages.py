"""SciPy's functions that make plain arrays of their arguments, and compiled functions with Python code."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.table import UFUNCS
from polyad.engine.follow.counterparts import COUNTERPARTS, Counterpart, counterpart, has_box, module_like
from polyad.engine.follow.iterables import MADE, of_entries, remade
from polyad.engine.follow.libraries import functions, linalg, trees
from polyad.engine.follow.libraries.linalg import arrays, by_numpy, by_polyad
from polyad.engine.follow.libraries.linear import ENTER as ENTER_LINEAR
from polyad.engine.follow.libraries.solvers import ENTER

__all__ = ["compiled", "fill"]

SPECIAL = "logsumexp softmax log_softmax"

# of which the parts come before the whole
MODULES = (
    "numpy.testing",
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
# how many modules were loaded, and how many counterparts there were, when all had been entered
_FILLED: tuple[int, int] | None = None


def fill() -> None:
    """Enter the counterparts of what is loaded by now, and of the modules that hold them."""
    global _FILLED
    if _FILLED == (len(sys.modules), len(COUNTERPARTS)):
        return  # it is asked in every run that looks for more, and a walk takes longer than many a function
    for name, enter in (
        ("scipy.linalg", linalg.enter),
        ("scipy.special", _special),
        ("scipy.integrate", _integrate),
        ("scipy.spatial.distance", _distance),
        ("numexpr", _numexpr),
        *ENTER.items(),
        *functions.ENTER.items(),
        *trees.ENTER.items(),
        *_OF_SPARSE.items(),
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
    _FILLED = len(sys.modules), len(COUNTERPARTS)


def _late(name: str) -> Callable[[Any], None]:
    """Matrices in places that are known are entered where SciPy's are loaded."""

    def enter(module: Any) -> None:
        importlib.import_module("polyad.engine.follow.libraries.sparse").ENTER[name](module)

    return enter


_OF_SPARSE = {name: _late(name) for name in ("scipy.sparse", "scipy.sparse.linalg")}


def _special(module: Any) -> None:
    for name in SPECIAL.split():
        by_polyad(getattr(module, name), "polyad.special", name)

    @counterpart(module.polygamma)
    def polygamma(n: Any, x: Any) -> Any:
        return (-1.0) ** (n + 1) * module.gamma(n + 1.0) * module.zeta(n + 1.0, x) if n else module.digamma(x)


def _helpers(module: Any) -> None:
    """What the array API's helpers say of a box: that it is an array like NumPy's."""
    for name, answer in {
        "is_numpy_array": True,
        "is_array_api_obj": True,
        "is_lazy_array": False,
        "device": "cpu",
    }.items():
        if hasattr(module, name):
            counterpart(getattr(module, name))(lambda *_, answer=answer, **__: answer)
    if hasattr(module, "is_writeable_array"):
        counterpart(module.is_writeable_array)(lambda x: x._is_array())


def _aliases(module: Any) -> None:
    """The array API's clip, which writes into an array of its own."""

    @counterpart(module.clip)
    def clip(x: Any, /, min: Any = None, max: Any = None, *, xp: Any = None, out: Any = None) -> Any:
        return np.clip(x, min, max)


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
            counterpart(original)(_ofarrays(own))
    registry = module.backend_registry
    COUNTERPARTS[id(registry)] = {xp: module_like(b) if b is cython else b for xp, b in registry.items()}


def _ofarrays(own: Any) -> Any:
    def apply(*args: Any, **kwargs: Any) -> Any:
        return own(*arrays(args), **kwargs)

    return apply


# by the end of a module's name, since packages have copies of some
_ANYWHERE = {
    "array_api_compat.common._helpers": _helpers,
    "array_api_compat.common._aliases": _aliases,
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
        by_numpy(getattr(module, own.__name__), own)


def _integrate(module: Any) -> None:
    by_numpy(module.trapezoid, lambda y, x=None, dx=1.0, axis=-1: np.trapezoid(y, x, dx, axis))


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
        if found is None and (found := remade(value)) is not None and type(value) is not functools.partial:
            COUNTERPARTS[id(value)] = found  # for good, where a module makes it once
        return found
    if getattr(type(value), "__module__", "").partition(".")[0] != "numba":
        return None
    try:
        vectorized = not hasattr(value, "py_func")
        if vectorized and value in UFUNCS:
            return None  # a rule of the caller's comes first
        python = (value._dispatcher if vectorized else value).py_func
    except Exception:  # objects of its compiler answer a name that they lack with an error of their own
        return None
    if not isinstance(python, types.FunctionType):
        return None
    found = COUNTERPARTS.get(id(value))
    if found is None:
        own = of_entries(np.vectorize(python)) if vectorized else python
        found = COUNTERPARTS[id(value)] = Counterpart(value, own)
    return found


def stands_for(f: Any) -> Any:
    """What is called for the function itself: ``math.sin``, say, has a counterpart."""
    fill()
    return COUNTERPARTS.get(id(f)) or compiled(f) or f
