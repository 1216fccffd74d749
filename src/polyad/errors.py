"""Every error and warning that polyad raises.

One base class, so that ``except PolyadError`` catches all; each child also inherits the
builtin that a user would catch without knowing polyad. A message names the thing, the value
and the remedy.
"""

from __future__ import annotations

import pickle
from typing import TypeVar

__all__ = [
    "ArgumentError",
    "BackendContractError",
    "BackendNotFoundError",
    "BackendNotInstalledError",
    "ConformanceError",
    "DegenerateError",
    "DependenceError",
    "DerivativeMismatchError",
    "DomainError",
    "FunctionNotSupportedError",
    "HolomorphicError",
    "InputTypeError",
    "NonFiniteWarning",
    "NonScalarOutputError",
    "NotPicklableError",
    "OperationNotSupportedError",
    "OptionalPackageError",
    "OutMismatchError",
    "OutputTypeError",
    "PatternError",
    "PolyadError",
    "PolyadWarning",
    "PrecisionWarning",
    "PreparationMismatchError",
    "ReadOnlyError",
    "TangentMismatchError",
    "UnsupportedOperatorError",
    "WorkerError",
]


# The remedy for a value that comes back after its differentiation is finished.
KEPT = (
    "a value was used again that the function, or an object it writes to, kept from a differentiation that "
    "is finished: keep polyad.stop_gradient(x) instead of x, return it with has_aux=True, or make anew the "
    "object that keeps it"
)


# What may be tried after an error of the function: a run on the arrays of the framework (or of polyad, where
# it was on those), and one with the names replaced by which a derivative is lost.
ON_OTHER_ARRAYS = "on other arrays"
FOLLOWED = "followed"

_E = TypeVar("_E", bound=BaseException)


def rule_out(error: _E, way: str) -> _E:
    """Mark an error: running the function in this way would not be right, though it may give a number."""
    error.ruled_out = (*getattr(error, "ruled_out", ()), way)  # type: ignore[attr-defined]
    return error


def is_ruled_out(error: BaseException, way: str) -> bool:
    """Whether an error says that running the function in this way would not be right."""
    return way in getattr(error, "ruled_out", ())


def how_to_install(extra: str) -> str:
    """The command that adds an extra, as the README has it.

    Examples
    --------
    >>> how_to_install("jax")
    "pip install -e '.[jax]' in the clone of polyad"
    """
    return f"pip install -e '.[{extra}]' in the clone of polyad"


class PolyadError(Exception):
    """Base class of every error that polyad raises."""


class BackendNotFoundError(PolyadError, ValueError):
    """No backend is registered under the name: see ``polyad.backends()``."""


class BackendNotInstalledError(PolyadError, ImportError):
    """The backend is known but its framework is not installed: install the extra it names."""


class OptionalPackageError(PolyadError, ImportError):
    """A convenience needs a package that is not installed: install the extra it names."""


class UnsupportedOperatorError(PolyadError, NotImplementedError):
    """The backend cannot do this operator (or this form of it): take the one the message names."""


class InputTypeError(PolyadError, TypeError):
    """An argument is not something to differentiate: integers, objects, strings, subclasses."""


class ArgumentError(PolyadError, ValueError):
    """The arguments do not fit the operator: ``argnums`` out of range, a keyword's bad value."""


class OutputTypeError(PolyadError, TypeError):
    """The function returned something that is not a number, an array or a tree of them."""


class NonScalarOutputError(PolyadError, ValueError):
    """A gradient, HVP or Hessian was asked of a function that is not scalar: use ``jacobian``."""


class TangentMismatchError(PolyadError, ValueError):
    """A direction ``v`` or ``w`` does not have the structure of what it pairs with."""


class OutMismatchError(PolyadError, ValueError):
    """The array given as ``out`` cannot take the result; nothing was written to it."""


class PatternError(PolyadError, ValueError):
    """A sparsity pattern or a coloring does not fit the function: correct it, or let it be found."""


class PreparationMismatchError(PolyadError, ValueError):
    """A prepared object was called with other structures, shapes or dtypes than it was made for."""


class FunctionNotSupportedError(PolyadError, TypeError):
    """The framework cannot follow the function: the message says where and what to use instead."""


class DependenceError(FunctionNotSupportedError):
    """A derivative is zero because the function only looks at its input: by branches, tables, counters."""


class NotPicklableError(PolyadError, pickle.PicklingError):
    """A prepared object cannot be sent to another process: its function or an argument cannot."""


class OperationNotSupportedError(FunctionNotSupportedError):
    """polyad's engine cannot follow an operation; the message names it, its line and the remedy."""


class DegenerateError(OperationNotSupportedError):
    """Vectors of equal eigenvalues (singular values) have no derivative, and one was needed."""


class ReadOnlyError(OperationNotSupportedError, ValueError):
    """An array that only shows entries of others was written to, which NumPy does not allow either."""


class HolomorphicError(PolyadError, ValueError):
    """A complex Jacobian was asked of a function that has none because it is not holomorphic."""


class DomainError(PolyadError, ArithmeticError):
    """A difference left the domain of the function: one-sided, shorter or adaptive steps stay in it."""


class BackendContractError(PolyadError, RuntimeError):
    """A backend broke its contract; a message for the author of the backend."""


class ConformanceError(PolyadError, AssertionError):
    """A backend gave something else than a scenario's reference, or broke a rule of the contract."""


class WorkerError(PolyadError, RuntimeError):
    """Processes that worked were lost too often, or an error of theirs cannot be sent: its text is told."""


class DerivativeMismatchError(PolyadError, AssertionError):
    """A derivative is not what differences of the function say; the message names the entry."""


class PolyadWarning(UserWarning):
    """Base class of every warning that polyad gives."""


class PrecisionWarning(PolyadWarning):
    """The computation ran in less precision than the input promised."""


class NonFiniteWarning(PolyadWarning, RuntimeWarning):
    """The function is not finite at the point, so that some of its derivatives are NaN."""
