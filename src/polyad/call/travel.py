"""Prepared objects in other processes: what they were made of is sent, and they are prepared again there.

* Traces, compiled programs, graphs and locks belong to a process. The function, the examples of its
  arguments and the options are sent; the object is prepared again where it arrives, at its first use, so
  that an error of preparing is raised by that call and not by the unpickling.
* pickle sends functions by name. Where that fails the error says so in the terms of the user's function,
  before pickle says it in its own; a pickler that sends functions by value (cloudpickle) is left alone.
* A prepared object never changes, so a copy of it is itself.
* What a file holds besides is in ``saved``.
"""

from __future__ import annotations

import copy
import functools
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from polyad.call.function.flat import label_of
from polyad.call.inputs.arguments import Static
from polyad.errors import NotPicklableError

if TYPE_CHECKING:
    from polyad.call.function.foreign_traces import Guests
    from polyad.systems.base import Backend
    from polyad.systems.contract import Form

__all__ = ["Travels"]

ARRIVING = threading.RLock()


class Travels:
    """Pickling and copying of prepared objects."""

    operator: ClassVar[str]
    f: Callable[..., Any]
    on_mismatch: str
    backend: Backend
    _form: Form | None
    _guests: Guests | None
    _examples: tuple[Any, ...]
    _example_of_seed: Any
    # what a file says of it (``saved.known``), what of that is still to be used, and in words what was done
    _kept: Any = None
    _image: Any = None
    _arrival: str = ""

    def _options(self) -> dict[str, Any]:
        raise NotImplementedError

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        f = copy.deepcopy(self.f, memo)
        if f is self.f:
            return self
        cls, _, args, options = self._parcel()
        return cls(f, args, **options)

    def __reduce_ex__(self, protocol: Any) -> Any:
        parcel = self._parcel()
        if not _sends_by_value():
            self._check(*parcel)
        return _arrive, parcel

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this to a file that ``polyad.load`` reads, in this process or another.

        Patterns and colorings are in it, and so is what was compiled: programs of polyad's engine, CasADi's
        functions, and JAX's programs. What frameworks have besides is made again where it is loaded.

        Parameters
        ----------
        path : str or path
            The file; an existing one is replaced.

        Raises
        ------
        polyad.errors.NotPicklableError
            If the function or an argument cannot be sent elsewhere; the message names it.
        """
        from polyad.call.saved.file import write

        write(self, path, f"the prepared {self.operator} of {label_of(self.f)}")

    def _parcel(self) -> tuple[Any, ...]:
        """Class, function, arguments and options: what it takes to make it again."""
        if self._guests is not None and self._guests.inside:
            raise NotPicklableError(
                f"this {self.operator} was made inside of another differentiation, whose values end with it: "
                "prepare it outside to send or copy it"
            )
        options = {**self._options(), "on_mismatch": self.on_mismatch}
        if self._form is not None:  # what took long to be found need not be found again
            options["backend"] = self.backend.kept(self._form)
        if self._example_of_seed is not None:
            options["seed"] = self._example_of_seed
        return type(self), self.f, self._examples, options

    def _check(self, cls: Any, f: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Raise the error that names what cannot be sent."""
        name = label_of(f)
        what = f"the prepared {self.operator} of {name}"
        reason = _refusal(f)
        if reason is not None:
            kind = "a lambda" if name.endswith("<lambda>") else "defined inside of a function"
            if isinstance(f, types.FunctionType) and ("<lambda>" in name or "<locals>" in name):
                reason = f"pickle sends functions by name, and {name} is {kind}"
            raise NotPicklableError(
                f"{what} cannot be pickled, because its function cannot ({reason}): define the function at "
                "the top level of a module, or pickle with cloudpickle, as joblib, Dask and Ray do"
            )
        for k, a in enumerate(args):
            reason = _refusal(a)
            if reason is not None:
                where = f"argument {k}" + " (Static)" * isinstance(a, Static)
                raise NotPicklableError(
                    f"{what} cannot be pickled, because {where} cannot ({reason}): pass something that can, "
                    "or pickle with cloudpickle"
                )
        reason = _refusal(options["backend"])
        if reason is not None:
            raise NotPicklableError(
                f"{what} cannot be pickled, because {options['backend']!r} cannot ({reason}): give it "
                "options that can be sent"
            )


class Arriving:
    """A prepared object that has arrived from elsewhere and was not used yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        with ARRIVING:
            parcel = self.__dict__.get("_arrived")
            if parcel is not None:
                cls, f, args, options = parcel
                made = object.__new__(cls)
                kept = self.__dict__.get("_kept")
                if kept is not None:
                    made._kept = kept
                cls.__init__(made, f, args, **options)
                self.__dict__.pop("_kept", None)
                self.__dict__.update(vars(made))
                self.__class__ = cls
                del self.__dict__["_arrived"]
        return getattr(self, name)

    def _parcel(self) -> tuple[Any, ...]:
        return self.__dict__["_arrived"]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        cls, f, args, options = self._parcel()
        return _arrive(cls, copy.deepcopy(f, memo), args, options)


@functools.cache
def _arriving(cls: type) -> type:
    return type(cls.__name__, (Arriving, cls), {"__doc__": cls.__doc__, "__module__": cls.__module__})


def _arrive(cls: type, f: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    found: Any = object.__new__(_arriving(cls))
    found.__dict__["_arrived"] = cls, f, args, options
    return found


class _Nowhere:
    """A file that forgets what is written to it."""

    def write(self, data: Any) -> int:
        return len(data)


def _refusal(value: Any) -> str | None:
    """What pickle says of a value that it cannot send, or None."""
    try:
        pickle.Pickler(_Nowhere()).dump(value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _sends_by_value() -> bool:
    """Whether the pickler at work is one that sends functions by value, as cloudpickle does."""
    frame: Any = sys._getframe(1)
    stock = pickle._Pickler.dispatch[types.FunctionType]
    while frame is not None:
        pickler = frame.f_locals.get("self")
        if isinstance(pickler, pickle.Pickler | pickle._Pickler):
            own = getattr(pickler, "dispatch", {}).get(types.FunctionType, stock)
            if hasattr(pickler, "reducer_override") or own is not stock:
                return True
        frame = frame.f_back
    return False
