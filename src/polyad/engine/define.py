"""``polyad.define``: derivatives of a user's own functions, written once in NumPy, for the engine's table.

``define`` is the public door. What it makes (``user.primitives``) is a primitive like any other, so it nests
to any order and under every interpretation.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library, library_names, library_of
from polyad.arrays.trees import flatten
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Primitive, Value
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.user.primitives import Defined, elementwise, general, is_fixed, is_ufunc
from polyad.engine.user.trees import Form, of_trees
from polyad.errors import ArgumentError

__all__ = ["custom_rule", "define"]

Rule = Callable[..., Any]

_LOCK = threading.Lock()


def define(
    f: Any,
    *partials: Rule | None,
    jvp: Rule | None = None,
    vjp: Rule | None = None,
    lifts: Mapping[str, Rule] | None = None,
    like: Any = None,
    name: str | None = None,
    replace: bool = False,
) -> Any:
    """Give a function its derivatives, where polyad's engine cannot look inside it or should not.

    ``custom_rule`` is the same as a decorator, for functions of whole arrays.

    Parameters
    ----------
    f : callable or ufunc
        A universal function (of ``scipy.special``, ``numpy.frompyfunc``, numba's ``vectorize``): the
        rule is then known wherever anybody's code calls it, for the rest of the process. Or any other
        function of arrays and numbers, or (with ``jvp`` or ``vjp``) trees of them, compiled code included:
        then the callable that is returned has the rule, and ``f`` itself is as before.
    *partials : callable or None
        For an elementwise function: its partial derivative with respect to each operand, written in
        NumPy. A partial takes what it needs by name: the parameters of ``f`` (of a universal function
        ``x``, or ``a, b, c, d`` if it has several), and ``y``, the result. None is a derivative that is
        not there, which is refused when asked for.
    jvp, vjp : callable, optional
        For any other function: ``jvp(*args, v=v)``, the tangent of the result along ``v``, and
        ``vjp(*args, w=w)``, the cotangents of the arguments, both as ``polyad.jvp`` and ``polyad.vjp``
        have them: a tree like the argument for one, a tuple for several. One of them suffices if it is
        written in NumPy: the other is its transpose.
    lifts : mapping from str to callable, optional
        Counterparts for other frameworks, whose own derivatives are then taken: ``{"jax": g}`` with ``g``
        on JAX's arrays, likewise ``"torch"`` and ``"autograd"``; for ``"casadi"`` and ``"sympy"``, ``g`` is
        written in NumPy. Without one, JAX, torch, autograd and SymPy compute an elementwise function on
        the host and take its partial derivatives; CasADi refuses it. JAX, torch and autograd compute any
        other function on the host as well, and take its rules; CasADi does where ``like`` is given.
    like : array or callable, optional
        Of a function that is not elementwise: an example of the result, or a function of the arguments
        that gives one. JAX and CasADi have to know its form before they call the function. Without it JAX
        lets its arrays run through the function, which must then be written in NumPy.
    name : str, optional
        What errors call it.
    replace : bool
        Whether a rule that the universal function has already may be replaced.

    Returns
    -------
    callable
        ``f`` itself if it is a universal function; otherwise a function that computes ``f`` and has
        the rule. Keyword arguments are handed to ``f`` and to the rules, and not differentiated.

    Raises
    ------
    polyad.errors.ArgumentError
        If a rule is missing, has parameters of other names, or is there already.

    Notes
    -----
    Higher orders differentiate the rule, so it must hold around a point, not only at it. Rules must not
    write to what they are given. ``polyad.testing.check_derivatives`` checks a rule against differences.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> softplus = ad.define(lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)))
    >>> ad.gradient(lambda x: np.sum(softplus(x)), np.array([0.0, 50.0]))
    array([0.5, 1. ])
    >>> ad.hessian(lambda x: softplus(x[0]), np.array([0.0]))
    array([[0.25]])
    """
    from polyad.engine import run  # noqa: F401  (fills the table, which is not needed to import polyad)

    if not callable(f):
        raise ArgumentError(f"define takes the function first, then its derivatives: f is {f!r}")
    if bool(partials) == bool(jvp or vjp):
        raise ArgumentError(
            "define takes either the partial derivatives of an elementwise function, "
            "define(f, lambda x: ...), or jvp= or vjp= of any other"
        )
    wrong = [word for word in lifts or {} if word not in library_names() or not library(word).adapter]
    if wrong:
        able = ", ".join(repr(each) for each in library_names() if library(each).adapter)
        raise ArgumentError(f"lifts has {wrong[0]!r}: a framework is one of {able}")
    own = is_ufunc(f)
    label = name or str(getattr(f, "__name__", type(f).__name__))
    with _LOCK:
        known = _known(f, label, replace=replace) if own else None
        free = _free_name(f, label, own=own)
        if not partials and not own:
            tall = of_trees(f, jvp, vjp, free, label, like=like, lifts=lifts or {})
            return _callable(f, tall, trees=True)
        primitive = elementwise(f, partials, free, label) if partials else general(f, jvp, vjp, free, label)
        primitive.label, primitive.lifts, primitive.like = label, dict(lifts or {}), like
        if own:
            _register(f, primitive, known)
            return f
    return _callable(f, primitive)


def custom_rule(
    f: Rule | None = None,
    *,
    jvp: Rule | None = None,
    vjp: Rule | None = None,
    like: Any = None,
    name: str | None = None,
) -> Any:
    """A derivative rule that every backend takes: ``define`` as a decorator.

    Parameters
    ----------
    f : callable
        A function of arrays and numbers, or trees of them, that gives such. It is called with plain
        arrays, so anything may be in it: compiled code, SciPy, files.
    jvp : callable, optional
        ``jvp(*args, v=v)``, the tangent of the result along ``v``, written in NumPy.
    vjp : callable, optional
        ``vjp(*args, w=w)``, the cotangents of the arguments, written in NumPy. ``v`` and what this gives are
        like the argument, a tree for a tree; for several arguments tuples of that. Of the two rules one
        suffices: they are linear in ``v`` and ``w``, and the other one is the transpose.
    like : array or callable, optional
        An example of the result, or a function of the arguments that gives one: JAX and CasADi have to know
        its form before they call the function.
    name : str, optional
        What errors call it.

    Returns
    -------
    callable
        The function with its rule; without ``f``, a decorator.

    Raises
    ------
    polyad.errors.ArgumentError
        If there is no rule, or one that does not take ``v`` or ``w``.
    polyad.errors.OperationNotSupportedError
        When it is called: if a backend cannot have it, or ``f`` takes a value from around itself that is
        differentiated, which would be lost.

    See Also
    --------
    define : The same for elementwise functions, by their partial derivatives.
    implicit : For the result of a solver, whose rule polyad finds by itself.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> @ad.custom_rule(jvp=lambda x, v: v / np.cosh(x) ** 2)
    ... def slow_tanh(x):
    ...     return np.array([np.tanh(t) for t in x])
    >>> ad.gradient(lambda x: np.sum(slow_tanh(x)), np.array([0.0, 1.0])).round(6)
    array([1.      , 0.419974])
    """
    if f is None:
        return functools.partial(custom_rule, jvp=jvp, vjp=vjp, like=like, name=name)
    if is_ufunc(f):
        raise ArgumentError(
            "custom_rule is for functions of arrays: polyad.define(f, lambda x: ...) for ufuncs"
        )
    if not callable(f):
        raise ArgumentError(f"custom_rule takes a function, and f is {f!r}")
    if jvp is None and vjp is None:
        raise ArgumentError("custom_rule takes the derivative as jvp=, as vjp=, or both")
    return define(f, jvp=jvp, vjp=vjp, like=like, name=name)


def _callable(f: Rule, primitive: Defined, *, trees: bool = False) -> Rule:
    """The function that the user calls."""
    from polyad.engine.boxes.box import Box, wrap
    from polyad.engine.boxes.boxing import contains_box, unbox

    def traced(a: Any) -> bool:
        if isinstance(a, np.ndarray):
            return a.dtype == object and contains_box(list(a.ravel()))
        return isinstance(a, Box) or (isinstance(a, list | tuple) and contains_box(a))

    @functools.wraps(f)
    def call(*args: Any, **params: Any) -> Any:
        if any(traced(leaf) for value in params.values() for leaf in flatten(value)[0]):
            raise refuse(
                f"a keyword argument of {primitive.label} is traced, and would count as constant",
                "make it a positional one, or polyad.stop_gradient(x) where dropping the derivative is meant",
            )
        form = None
        leaves: Sequence[Any] = args
        if trees:
            opened = [flatten(a) for a in args]
            form = Form([structure for _, structure in opened], primitive.label)
            leaves = [leaf for part, _ in opened for leaf in part]
        here = params if form is None else {**params, "form": form}
        if any(map(traced, leaves)):
            found = wrap(primitive(*[_held(unbox(a), leaves) for a in leaves], **here))
            return found if form is None else form.apart(found)
        owner = next((found for a in leaves if (found := library_of(a)) and not found.plain), None)
        if owner is None:
            # it may write to its arguments, as where it is differentiated: the caller's stay what they are
            own_leaves = [a.copy() if type(a) is np.ndarray else a for a in leaves]
            return f(*(own_leaves if form is None else form.args(own_leaves)), **params)
        if owner.name in primitive.lifts and not owner.symbolic:
            return primitive.lifts[owner.name](*leaves, **here)
        own = adapter(owner.name) if owner.adapter and primitive.joint is not None else None
        ruled = None if own is None else own.by_rule(primitive)
        if ruled is None or own is None:
            raise refuse(
                f"{owner.name} has no counterpart of {primitive.label}",
                f"polyad.define(..., lifts={{{owner.name!r}: g}}) gives it one",
            )
        like = next(a for a in leaves if library_of(a) is owner)
        plain = [isinstance(a, np.ndarray) and not is_fixed(a) for a in leaves]
        given = [own.constant(a, like) if p else a for a, p in zip(leaves, plain, strict=True)]
        found = ruled(*given, **here)
        return found if form is None else form.apart(found)

    return call


def _held(value: Value, beside: Sequence[Any]) -> Value:
    """An operand that the caller cannot write to later."""
    return value.copy() if type(value) is np.ndarray else value


# -- names and places -----------------------------------------------------------------------------------


def _is_of(module: Any, f: Any) -> bool:
    return getattr(module, f.__name__, None) is f


def _known(f: Any, label: str, *, replace: bool) -> Any:
    """The rule that a universal function has already, which may be replaced."""
    from polyad.engine.core.table import UFUNCS

    known = UFUNCS.get(f)
    if known is None:
        return None
    if _is_of(np, f):
        raise ArgumentError(
            f"np.{f.__name__} belongs to polyad's own rules: define a function of yours that calls it"
        )
    if not replace:
        raise ArgumentError(f"{label} has derivatives already: replace=True replaces them")
    return known


def _register(f: Any, primitive: Defined, known: Any) -> None:
    import scipy.special

    from polyad.engine.core.table import UFUNCS

    if _is_of(scipy.special, f):
        primitive.home = "scipy.special"
        primitive.namesake = known if isinstance(known, Primitive) else primitive
        if isinstance(known, Defined):
            primitive.namesake = known.namesake
    UFUNCS[f] = primitive
    if not isinstance(f, np.ufunc):
        UFUNCS[f.ufunc] = primitive  # as which it arrives depends on its kind


def _free_name(f: Any, label: str, *, own: bool) -> str:
    """The primitive's name: that of a SciPy function, by which others know it, or one with a dot."""
    import scipy.special

    if own and _is_of(scipy.special, f) and f.__name__ not in PRIMITIVES:
        return str(f.__name__)
    stem = f"{getattr(f, '__module__', None) or 'user'}.{label}"
    found, k = stem, 1
    while found in PRIMITIVES:
        k += 1
        found = f"{stem} [{k}]"
    return found
