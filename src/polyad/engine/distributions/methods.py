"""A distribution of ``scipy.stats`` on boxes: location, scale and support around its formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine.boxes import methods  # noqa: F401  (fills the table and gives the box its methods)
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import contains_box, gathered
from polyad.engine.core.refusals import refuse
from polyad.engine.distributions.searched import start_of
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["FORMULAS", "METHODS", "Distribution", "Formula", "Frozen", "entered", "floating", "unavailable"]

Formula = Callable[..., Any]

# name of a distribution -> name of a method -> the formula on standardised data and the shape parameters, or
# None where it follows from those of other methods
FORMULAS: dict[str, dict[str, Any]] = {}
METHODS = ("pdf", "logpdf", "pmf", "logpmf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf", "nnlf")

# method -> what it is below and above the support
_OUTSIDE = {
    "pdf": (0.0, 0.0),
    "pmf": (0.0, 0.0),
    "logpdf": (-np.inf, -np.inf),
    "logpmf": (-np.inf, -np.inf),
    "cdf": (0.0, 1.0),
    "sf": (1.0, 0.0),
    "logcdf": (-np.inf, 0.0),
    "logsf": (0.0, -np.inf),
}

# a method by another one, for distributions that do not have it otherwise
_DERIVED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pdf": ("logpdf", lambda v: np.exp(v)),
    "pmf": ("logpmf", lambda v: np.exp(v)),
    "logpdf": ("pdf", lambda v: np.log(v)),
    "logpmf": ("pmf", lambda v: np.log(v)),
    "cdf": ("sf", lambda v: 1.0 - v),
    "sf": ("cdf", lambda v: 1.0 - v),
    "logcdf": ("cdf", lambda v: np.log(v)),
    "logsf": ("sf", lambda v: np.log(v)),
}


def unavailable(*args: Any) -> Any:
    """The formula of what has none."""
    raise refuse(
        "this method of a distribution of scipy.stats has no formula that keeps its digits",
        "use backend='finite'",
    )


def entered(f: Callable[..., Any], plain: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """``f`` on boxes, or the plain function where no argument is followed.

    Arrays of other libraries go in as boxes, and the result comes out as an array of that library.
    """
    given = [*args, *kwargs.values()]
    if any(map(_followed, given)):
        return f(*map(_opened, args), **{name: _opened(a) for name, a in kwargs.items()})
    if not any(map(_foreign, given)):
        return plain(*args, **kwargs)
    result = f(*map(_lifted, args), **{name: _lifted(a) for name, a in kwargs.items()})
    value = result._value if isinstance(result, Box) else result
    return value.array if type(value) is Proxy else value


def _followed(a: Any) -> bool:
    return isinstance(a, Box) or (isinstance(a, list | tuple) and contains_box(a))


def _foreign(a: Any) -> bool:
    owner = library_of(a)
    return owner is not None and owner.is_foreign


def _lifted(a: Any) -> Any:
    owner = library_of(a)
    return Box(Proxy(owner.name, a)) if owner is not None and owner.is_foreign else _opened(a)


def _opened(a: Any) -> Any:
    """A list as an array, which may be a box."""
    if not isinstance(a, list | tuple):
        return a
    return Box(gathered(a)) if contains_box(a) else np.asarray(a)


def is_known(condition: Any) -> bool:
    """Whether a condition has values, and holds everywhere."""
    return isinstance(condition, bool | np.bool_ | np.ndarray) and bool(np.all(condition))


class Distribution:
    """A univariate distribution of ``scipy.stats``.

    Parameters
    ----------
    original : scipy.stats.rv_continuous or scipy.stats.rv_discrete
        SciPy's.
    """

    def __init__(self, original: Any) -> None:
        self.original = original
        self.name = original.name
        self.discrete = not hasattr(original, "logpdf")
        # somebody else's distribution may have the name of one of SciPy's
        self.table = (
            FORMULAS.get(self.name, {}) if type(original).__module__.startswith("scipy.stats.") else {}
        )

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        """The distribution with its parameters, whose methods take the data only."""
        given = [*args, *kwds.values()]
        if any(map(_followed, given)) or any(map(_foreign, given)):
            return Frozen(self, args, kwds)
        return Frozen(self, args, kwds, self.original(*args, **kwds))

    def __repr__(self) -> str:
        return f"<distribution {self.name} of scipy.stats>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("original", "table"):
            raise AttributeError(name)
        plain = getattr(self.original, name)
        return self.method(name) if name in METHODS else plain

    def method(self, name: str) -> Callable[..., Any]:
        """A method on boxes, on arrays of any library, and SciPy's own on plain ones."""
        plain = getattr(self.original, name)
        f = self._quantile if name in ("ppf", "isf") else self._value

        def apply(*args: Any, **kwds: Any) -> Any:
            if name == "nnlf":
                return self._likelihood(plain, *args, **kwds)
            return entered(lambda *a, **k: f(name, *a, **k), plain, args, kwds)

        apply.__name__ = name
        apply.__doc__ = plain.__doc__
        return apply

    # -- the parts of SciPy's distributions ---------------------------------------------------------

    def _overridden(self, name: str) -> Callable[..., Any] | None:
        """SciPy's formula, where the class of the distribution has one of its own."""
        formula = getattr(self.original, name, None)
        owner = getattr(formula, "__qualname__", "rv_generic.").split(".")[0]
        return None if owner in ("rv_continuous", "rv_discrete", "rv_generic") else formula

    def formula(self, name: str, seen: tuple[str, ...] = ()) -> Callable[..., Any]:
        """The formula of a method: polyad's, or SciPy's, or one that follows from another method's."""
        own = self.table
        if own.get(name) is not None:
            return own[name]
        found = None if name in own else self._overridden(f"_{name}")
        if found is not None:
            return found
        if name in _DERIVED and name not in seen:
            other, turn = _DERIVED[name]
            inner = self.formula(other, (*seen, name))
            return lambda *args: turn(inner(*args))
        raise refuse(
            f"scipy.stats.{self.name} has no formula for {seen[0] if seen else name}",
            "use backend='finite', or write it in NumPy and scipy.special",
        )

    def _valid(self, args: tuple[Any, ...]) -> Any:
        own = self.table.get("valid") or self._overridden("_argcheck")
        if own is not None:
            return own(*args)
        valid: Any = True
        for a in args:
            valid = valid & (a > 0)
        return valid

    def _support(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        own = self.table.get("support") or self._overridden("_get_support")
        return own(*args) if own is not None else (self.original.a, self.original.b)

    def _parsed(self, args: Any, kwds: Any) -> tuple[tuple[Any, ...], Any, Any]:
        shapes, loc, scale = self.original._parse_args(*args, **kwds)
        if self.discrete and isinstance(loc, Box):
            raise refuse(
                f"the location of scipy.stats.{self.name} is differentiated, which moves the whole numbers",
                "make it a constant",
            )
        return tuple(map(floating, shapes)), floating(loc), floating(scale)

    # -- methods --------------------------------------------------------------------------------------

    def _value(self, name: str, x: Any, *args: Any, **kwds: Any) -> Any:
        shapes, loc, scale = self._parsed(args, kwds)
        if self.discrete and isinstance(x, Box) and not name.endswith("pmf"):
            raise refuse(
                f"{name} of scipy.stats.{self.name} is a step function of its data",
                "make the data a constant",
            )
        y = floating(x) - loc
        y = y if self.discrete else y / scale
        low, high = self._support(shapes)
        valid = self._valid(shapes) & (scale > 0)
        if name in ("pdf", "logpdf", "pmf", "logpmf"):
            inside = (y >= low) & (y <= high)
            if self.discrete:
                inside = inside & (np.floor(y) == y)
        elif self.discrete:
            inside = (y >= low) & (y < high)
        else:
            inside = (y > low) & (y < high)
        formula = self.formula(name)
        certain = is_known(inside)
        result = formula(y if certain else np.where(inside, y, _interior(low, high)), *shapes)
        if not self.discrete and name == "pdf":
            result = result / scale
        if not self.discrete and name == "logpdf":
            result = result - np.log(scale)
        if not certain:
            below, above = _OUTSIDE[name]
            beyond = below if below == above else np.where(y >= high, above, below)
            result = np.where(inside, result, np.where(np.isnan(y), np.nan, beyond))
        return result if is_known(valid) else np.where(valid, result, np.nan)

    def _quantile(self, name: str, q: Any, *args: Any, **kwds: Any) -> Any:
        if self.discrete:
            raise refuse(
                f"{name} of scipy.stats.{self.name} is a step function", "use polyad.stop_gradient(...)"
            )
        shapes, loc, scale = self._parsed(args, kwds)
        q = floating(q)
        low, high = self._support(shapes)
        valid = self._valid(shapes) & (scale > 0)
        inside = (q > 0) & (q < 1)
        certain = is_known(inside)
        y = self._inverse(name, q if certain else np.where(inside, q, 0.5), shapes)
        result = y * scale + loc
        if not certain:
            first, last = (low, high) if name == "ppf" else (high, low)
            result = np.where(q == 0, _placed(first, scale, loc), result)
            result = np.where(q == 1, _placed(last, scale, loc), result)
            valid = valid & (q >= 0) & (q <= 1)
        return result if is_known(valid) else np.where(valid, result, np.nan)

    def _inverse(self, name: str, q: Any, shapes: tuple[Any, ...]) -> Any:
        own = self.table
        if name == "isf" and "isf" not in own and self._overridden("_isf") is None:
            return self._inverse("ppf", 1.0 - q, shapes)
        if own.get(name) is not None or (name not in own and self._overridden(f"_{name}") is not None):
            return self.formula(name)(q, *shapes)
        return self._by_newton(name, q, shapes)

    def _by_newton(self, name: str, q: Any, shapes: tuple[Any, ...]) -> Any:
        """SciPy's root, and two steps of Newton's that give it its first three derivatives."""
        y = start_of(self.original, name, q, *shapes)
        function, density = self.formula("cdf" if name == "ppf" else "sf"), self.formula("pdf")
        turn = 1.0 if name == "ppf" else -1.0
        for _ in range(2):
            y = y - turn * (function(y, *shapes) - q) / density(y, *shapes)
        return y

    def _likelihood(self, plain: Callable[..., Any], theta: Any, x: Any) -> Any:
        """``nnlf``; a tuple of parameters stays one, of which some are followed and others not."""
        if not isinstance(theta, list | tuple):
            return entered(self._nnlf, plain, (theta, x), {})
        return entered(lambda x, *t: self._nnlf(t, x), lambda x, *t: plain(t, x), (x, *theta), {})

    def _nnlf(self, theta: Any, x: Any) -> Any:
        if self.discrete:
            return -np.sum(self._value("logpmf", x, *theta))
        x = floating(x)
        *shapes, loc, scale = (floating(theta[k]) for k in range(len(theta)))
        count = self.original.numargs
        if len(shapes) != count:
            raise ValueError(f"theta has {len(shapes) + 2} entries, {self.name} takes {count + 2}")
        result = -np.sum(self._value("logpdf", x, *shapes, loc=loc, scale=scale), axis=0)
        # SciPy gives infinity outside of the parameters' domain, where the density is not a number
        valid = np.all(self._valid(tuple(shapes)) & (scale > 0))
        return result if is_known(valid) else np.where(valid, result, np.inf)


def floating(a: Any) -> Any:
    """Of floating-point numbers, in double precision at least where it is plain."""
    if isinstance(a, Box):
        box: Any = a
        return box if box.dtype.kind == "f" else box * 1.0
    a = np.asarray(a)
    return a.astype(np.promote_types(a.dtype, np.float64), copy=False)[()]


def _interior(low: Any, high: Any) -> Any:
    """Some point of a support."""
    if isinstance(low, int | float) and isinstance(high, int | float):
        if np.isfinite(low) and np.isfinite(high):
            return (low + high) / 2
        return low + 1.0 if np.isfinite(low) else high - 1.0 if np.isfinite(high) else 0.0
    left, right = np.isfinite(low), np.isfinite(high)
    a, b = np.where(left, low, 0.0), np.where(right, high, 0.0)
    return np.where(left, np.where(right, (a + b) / 2, a + 1.0), np.where(right, b - 1.0, 0.0))


def _placed(end: Any, scale: Any, loc: Any) -> Any:
    """An end of the support; one that is infinite stays where it is, without a derivative."""
    if isinstance(end, int | float) and not np.isfinite(end):
        return end
    finite = np.isfinite(end)
    return np.where(finite, np.where(finite, end, 0.0) * scale + loc, end)


class Frozen:
    """A distribution with its parameters.

    Parameters
    ----------
    distribution : Distribution
        Of whatever parameters.
    args, kwds : tuple, dict
        The parameters.
    original : scipy.stats.rv_frozen, optional
        SciPy's, where the parameters are plain numbers.
    """

    def __init__(self, distribution: Any, args: Any, kwds: Any, original: Any = None) -> None:
        self.distribution = distribution
        self.args = args
        self.kwds = kwds
        self.original = original

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("original", "distribution", "args", "kwds"):
            raise AttributeError(name)
        if name in METHODS:
            f = self.distribution.method(name)
            return lambda x: f(x, *self.args, **self.kwds)
        if self.original is None:
            raise refuse(
                f"{name} of a distribution of scipy.stats whose parameters are followed",
                f"use one of {', '.join(METHODS)}",
            )
        return getattr(self.original, name)

    def __repr__(self) -> str:
        return f"<{self.distribution!r} with parameters>"
