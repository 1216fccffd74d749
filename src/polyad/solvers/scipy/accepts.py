"""What each method of SciPy's takes: one table, by which forms are chosen and others are refused.

The words for forms are "dense" (an array), "sparse" (one of SciPy's), "products" (a ``LinearOperator``, or
``hessp``) and "banded" (of LSODA). SciPy's own errors for a wrong form come late and speak of something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polyad.errors import ArgumentError

__all__ = [
    "BOUNDED",
    "CONSTRAINED",
    "DIFFERENCES",
    "FORMS",
    "GRADIENTS",
    "HESSIANS",
    "IVP",
    "KRYLOV",
    "LEAST_SQUARES",
    "OPERATORS",
    "ROOTS",
    "WITHOUT",
    "accepted",
    "container",
    "method_name",
]

FORMS = ("dense", "sparse", "products", "banded")
# SciPy's names of finite differences, which are left to it
DIFFERENCES = ("2-point", "3-point", "cs")

# minimize: methods that take a gradient only, and those that take Hessians, in which forms, the usual first
GRADIENTS = ("cg", "bfgs", "l-bfgs-b", "tnc", "slsqp")
HESSIANS: Mapping[str, tuple[str, ...]] = {
    "newton-cg": ("products", "dense", "sparse"),
    "trust-ncg": ("products", "dense"),
    "trust-krylov": ("products", "dense"),
    "trust-exact": ("dense",),
    "dogleg": ("dense",),
    "trust-constr": ("dense", "sparse", "products"),
}
# of the methods that take products, those that take them from ``hess``, as a LinearOperator
OPERATORS = ("newton-cg", "trust-constr")
WITHOUT = ("nelder-mead", "powell", "cobyla", "cobyqa")
BOUNDED = ("nelder-mead", "powell", "l-bfgs-b", "tnc", "slsqp", "trust-constr", "cobyla", "cobyqa")
CONSTRAINED = ("slsqp", "trust-constr", "cobyla", "cobyqa")

LEAST_SQUARES: Mapping[str, tuple[str, ...]] = {
    "trf": ("dense", "sparse", "products"),
    "dogbox": ("dense", "sparse", "products"),
    "lm": ("dense",),
}
ROOTS: Mapping[str, tuple[str, ...]] = {
    "hybr": ("dense",),
    "lm": ("dense",),
    "krylov": ("products",),
    "broyden1": (),
    "broyden2": (),
    "anderson": (),
    "linearmixing": (),
    "diagbroyden": (),
    "excitingmixing": (),
    "df-sane": (),
}
# the inner methods of Newton-Krylov
KRYLOV = ("lgmres", "gmres", "bicgstab", "cgs", "minres", "tfqmr")
IVP: Mapping[str, tuple[str, ...]] = {
    "radau": ("dense", "sparse"),
    "bdf": ("dense", "sparse"),
    "lsoda": ("dense", "banded"),
    "rk45": (),
    "rk23": (),
    "dop853": (),
}
# Jacobians of constraints
CONSTRAINTS: Mapping[str, tuple[str, ...]] = {
    "slsqp": ("dense", "sparse"),
    "trust-constr": ("dense", "sparse"),
    "cobyla": (),
    "cobyqa": (),
}


def method_name(method: Any, known: Sequence[str], what: str) -> str:
    """The method in small letters, refused where SciPy has none of that name."""
    name = method.lower() if isinstance(method, str) else method
    if name not in known:
        raise ArgumentError(f"method={method!r} is none of {what}: pass one of {', '.join(known)}")
    return name


def accepted(wanted: str, forms: Sequence[str], method: str, what: str) -> None:
    """Refuse a form that the method does not take."""
    if wanted not in FORMS:
        raise ArgumentError(f"{what} in the form {wanted!r}: pass one of {', '.join(map(repr, FORMS))}")
    if wanted not in forms:
        raise ArgumentError(f"method {method!r} takes no {wanted} {what}: {_instead(forms, what)}")


def _instead(forms: Sequence[str], what: str) -> str:
    if not forms:
        return f"it takes no {what} at all, so leave it out, or take another method"
    return f"pass {' or '.join(map(repr, forms))}, or leave it out and have it chosen"


def container(found: Any) -> str:
    """The form of what a user's function returned."""
    if hasattr(found, "matvec") and not hasattr(found, "toarray"):
        return "products"
    if hasattr(found, "tocsr"):
        return "sparse"
    return "dense"
