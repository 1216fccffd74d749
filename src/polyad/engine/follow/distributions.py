"""Methods of SciPy's distributions by polyad's, in place of the masks and look-ups that SciPy's own code has.

They stand in classes, so that a distribution that an object holds is reached as well: the functions get
other code for the time of a followed call.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from polyad.engine.core.refusals import taken_back
from polyad.engine.follow.places import Holder, Replaced, instead
from polyad.errors import OperationNotSupportedError

__all__ = ["of_scipy"]

MODULES = ("scipy.stats._distn_infrastructure", "scipy.stats._multivariate")
_MULTIVARIATE = ("multivariate_normal", "multivariate_t", "dirichlet", "wishart")


def of_scipy(name: str) -> Iterator[Holder]:
    """The functions of a module of ``scipy.stats`` that get other code."""
    if name not in MODULES:
        return
    from polyad.engine.distributions.methods import METHODS

    module = sys.modules[name]
    if name == MODULES[0]:
        classes = [module.rv_generic, module.rv_continuous, module.rv_discrete]
    else:
        classes = [type(getattr(module, n)) for n in _MULTIVARIATE]
    for cls in classes:
        for method in METHODS:
            f = vars(cls).get(method)
            if isinstance(f, types.FunctionType) and not f.__code__.co_freevars and not f.__defaults__:
                yield _replaced(f, method)
            elif isinstance(f, types.FunctionType) and name == MODULES[1]:
                yield _replaced(f, method)


@functools.cache
def _replaced(f: types.FunctionType, method: str) -> Replaced:
    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        known = _known(self, method)
        return NotImplemented if known is None else getattr(known, method)(*args, **kwargs)

    return instead(f, own)


def _known(distribution: Any, method: str) -> Any:
    """Polyad's distribution, where it has one of its own for this one; SciPy copies those with parameters."""
    import scipy.stats

    from polyad.engine.distributions.counterparts import of

    if type(distribution).__name__.endswith("_gen") and hasattr(distribution, "name"):
        name, ends = distribution.name, ["a", "b"]
    else:
        name, ends = type(distribution).__name__.removesuffix("_gen"), []
    original = getattr(scipy.stats, name, None)
    if type(original) is not type(distribution):
        return None
    if any(getattr(original, end) != getattr(distribution, end) for end in ends):
        return None
    found = of(original)
    if ends and method not in ("ppf", "isf"):
        try:
            found.formula(("logpmf" if found.discrete else "logpdf") if method == "nnlf" else method)
        except OperationNotSupportedError as error:
            taken_back(error)
            return None
    return found
