"""What code a function reaches: found by running it, and looking at every function that is entered."""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of_package
from polyad.arrays.user_code import steps
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.refusals import refuse
from polyad.engine.follow import conversions, iterables, mathematics, packages, python  # noqa: F401  (fill the tables)
from polyad.engine.follow.methods import of_density, of_interpolation, of_scipy, of_sparse
from polyad.engine.follow.namespaces import Names, Namespace
from polyad.engine.follow.places import LOCK, Defaults, Enclosed, Holder, Replaced, entered, left, shared
from polyad.engine.follow.rewriting import loses_silently, rewritten

__all__ = ["Route"]

# one for every namespace that a followed call has been in, since calls share them
_NAMESPACES: dict[int, Namespace] = {}
# never entered: libraries of arrays and what belongs to them, polyad, and Python's own
_OUTSIDE = frozenset({"polyad", "numpy", "numba", "llvmlite", "optree", "mpmath"})

# sparse matrices, whose products know boxes where they are left alone, and whose code hands arrays to C
_IN_C = "scipy.sparse._"
# modules of a package's own that stand for NumPy
_COMPATIBLE = "array_api_compat.numpy"


@functools.lru_cache(maxsize=1)
def _compatible(loaded: int) -> tuple[tuple[str, types.ModuleType], ...]:
    """Packages with such a module, and it, of so many that are loaded: a walk takes half a millisecond."""
    return tuple([(k.partition(".")[0], m) for k, m in list(sys.modules.items()) if k.endswith(_COMPATIBLE)])


def _is_outside(package: str) -> bool:
    if package == "__main__":
        return False
    known = package in _OUTSIDE or package in sys.stdlib_module_names
    return known or library_of_package(package) is not None


class Route:
    """The places that the code of a function looks names up in.

    Parameters
    ----------
    only : tuple of str, optional
        The packages that are followed; all by default.
    """

    def __init__(self, only: tuple[str, ...] | None = None) -> None:
        self._only = only
        self.places: tuple[Holder, ...] = ()
        # all of them, where those that no followed run has been in are left out
        self._wide: tuple[Holder, ...] | None = None
        self._spaces: dict[int, Namespace] = {}
        # what followed runs have been in: code, with its namespace
        self._entered: dict[int, tuple[types.CodeType, dict[str, Any]]] = {}
        self._known: set[int] = set()
        self._kept: list[Any] = []
        # code by file, and the files whose code is rewritten
        self._codes: dict[str, list[types.CodeType]] = {}
        self._rewritten: set[str] = set()
        self.packages: tuple[str, ...] = ()
        # whether new arrays can take active values, and whether the last run made any
        self.buffers = True
        self.made = False
        # whether new code is looked for
        self.recording = True

    @staticmethod
    def stands_for(f: Any) -> Any:
        """What is called for the function itself, which may be one that has a counterpart."""
        return packages.stands_for(f)

    def run(self, f: Callable[..., Any], *args: Any) -> Any:
        """Call a function that is followed."""
        user, places = object(), self.places
        state = FOLLOWING
        before = state.depth, state.buffers, state.route, state.made
        seen, state.viewed = state.viewed, []
        try:
            entered(places, user)
            state.depth, state.buffers, state.route, state.made = before[0] + 1, self.buffers, self, False
            if not self.recording:
                result = f(*args)
                return _unwritten(result, state.viewed) if state.viewed else result
            result = _unwritten(self.recorded(f, *args, entered=self._entered), state.viewed)
            if self.places is places and before[2] is not self:  # all that was reached is followed
                self._settle()
            return result
        finally:
            self.made, state.viewed = state.made, seen
            state.depth, state.buffers, state.route, state.made = before
            try:
                left(places, user)
            except BaseException:  # Ctrl-C, which waits
                left(places, user)
                raise

    def recorded(self, f: Callable[..., Any], *args: Any, entered: dict[int, Any] | None = None) -> Any:
        """Call a function, and add what it reaches to what is known.

        ``entered`` gets the code that runs, and its namespaces.
        """
        globals_: dict[int, Any] = {}
        codes: dict[int, Any] = {}
        outside: set[int] = set()
        compiled: set[str] = set()
        if not self._known:
            packages.fill()  # so that a variable that holds such a function is known for one

        def look(frame: types.FrameType, event: str, _: Any) -> None:
            if event == "call":
                code, space = frame.f_code, frame.f_globals
                if frame.f_back is None:  # numba tells of compiled code so, without its names
                    compiled.add(code.co_filename)
                elif id(space) in outside:
                    return
                elif id(space) not in globals_ and _is_outside(_package(space)):
                    outside.add(id(space))
                elif id(code) not in codes:
                    codes[id(code)] = code, space, _may_hold(frame)
                    globals_[id(space)] = space

        before: Any = sys.getprofile()
        listen: Callable[[Any], None] = sys.setprofile
        if before is not None:  # a profiler in C, as cProfile's, cannot be set again by its object
            before, listen = sys.gettrace(), sys.settrace
        listen(look)
        try:
            return f(*args)
        finally:
            listen(before)
            self._add([*globals_.values(), *_of_files(compiled)], codes.values())
            if entered is not None:
                spaces = self._spaces
                entered.update({k: (c, s) for k, (c, s, _) in codes.items() if id(s) in spaces})

    def _settle(self) -> None:
        """Keep the places that a followed run has been in: a plain run may reach more."""
        self.recording = False
        if self._wide is None:
            self._wide = self.places
            self.places = tuple([place for p in self.places if (place := self._needed(p)) is not None])
            self.packages = _shown(self.places)

    def _needed(self, place: Holder) -> Holder | None:
        """As much of a place as the code looks at that was entered; None where that is nothing."""
        if not isinstance(place, Names):
            return place if not place.of or not place.of.isdisjoint(self._entered) else None
        names = place.namespace.names
        if place.namespace.label.endswith(_COMPATIBLE):  # which is handed about
            return place
        own = [code for code, space in self._entered.values() if space is names]
        if not own:
            return None
        used = set().union(*map(_names, own))
        module = sys.modules.get(place.namespace.label)
        others = [(c, s) for c, s in self._entered.values() if s is not names]
        if any(s.get(n) is module for c, s in others for n in c.co_names):  # they look there as well
            used = used.union(*[c.co_names for c, _ in others])
        part = Names(place.namespace, frozenset(used))
        with LOCK:
            part.prepare()
        return part if part.plan.names else None

    def widen(self) -> bool:
        """Whether there are places that were left out, which are taken again."""
        if self._wide is None or set(self._wide) <= set(self.places):
            return False
        self.places = (*self._wide, *[p for p in self.places if p not in self._wide])
        self.packages = _shown(self.places)
        return True

    def _add(
        self, found: Iterable[dict[str, Any]], codes: Iterable[tuple[types.CodeType, Any, bool]]
    ) -> None:
        packages.fill()
        places = list(self.places)
        todo = [space for space in found if id(space) not in self._known]
        packages_ = {_package(space) for space in todo}
        todo.extend(vars(m) for package, m in _compatible(len(sys.modules)) if package in packages_)
        for space in todo:
            if id(space) in self._known:
                continue
            self._known.add(id(space))
            name, package = str(space.get("__name__", "")), _package(space)
            if _is_outside(package):
                continue
            if name.startswith(_IN_C):
                places.extend(of_sparse(name))
                continue
            if self._only is not None and not _is_of(name, self._only):
                continue
            namespace = _NAMESPACES.get(id(space))
            if namespace is None:
                namespace = _NAMESPACES[id(space)] = Namespace(space)
            self._spaces[id(space)] = namespace
            places.append(shared(Names, namespace))
            places.extend(of_scipy(name))
            places.extend(of_interpolation(name))
            places.extend(of_density(name))
            for value in list(space.values()):  # compiled functions are run as Python code when followed
                if (found := packages.compiled(value)) is not None:
                    todo.append(getattr(inspect.unwrap(found.own), "__globals__", space))
        fresh, holding = [], []
        for code, space, held in codes:
            if id(code) in self._known:
                continue
            self._known.add(id(code))
            self._kept.append(code)  # so that its identity stays its own
            if id(space) in self._spaces:
                self._codes.setdefault(code.co_filename, []).append(code)
                fresh.append(code)
                if held:
                    holding.append(code)
        places.extend(self._of_functions(holding))
        if len(places) > len(self.places):
            self.places, self.packages = tuple(places), _shown(places)
        self._rewrite([c for c in fresh if c.co_filename in self._rewritten or loses_silently(c)])

    def rewrite(self, error: BaseException) -> bool:
        """Rewrite the functions of the file in which a derivative was lost, where that may help."""
        code = _lost_in(error, self._codes, self._rewritten)
        if code is None:
            return False
        self._rewritten.add(code.co_filename)
        return self._rewrite(self._codes[code.co_filename])

    def _rewrite(self, codes: list[types.CodeType]) -> bool:
        new = {id(c): found for c in codes if (found := rewritten(c)) is not None}
        if not new:
            return False
        functions = [f for f in gc.get_referrers(*codes) if isinstance(f, types.FunctionType)]
        made = [shared(Replaced, f, new[id(f.__code__)]) for f in functions if id(f.__code__) in new]
        self.places = (*self.places, *made)
        return bool(made)

    def _of_functions(self, codes: list[types.CodeType]) -> Iterable[Holder]:
        if not codes:
            return
        # it looks at every object that there is: all at once, and only where such a variable was seen
        for f in gc.get_referrers(*codes):
            if not isinstance(f, types.FunctionType):
                continue
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                # a method asks for the identity of its class
                if name != "__class__" and id(cell) not in self._known and _holds(cell):
                    self._known.add(id(cell))
                    self._kept.append(cell)
                    yield shared(Enclosed, cell)
            if f.__defaults__ and any(map(_is_replaced, f.__defaults__)):
                yield shared(Defaults, f)


def _unwritten(result: Any, viewed: list[tuple[Any, Any]]) -> Any:
    """What a run has given, if no array was written to that also was viewed as a subclass."""
    if not all(box._value is value or _are_same(box._value, value) for box, value in viewed):
        raise refuse(
            "writing to an array of which there is a view as a subclass (x.view(cls))",
            "use x.copy().view(cls)",
        )
    return result


def _are_same(a: Any, b: Any) -> bool:
    return type(a) is type(b) is np.ndarray and np.array_equal(a, b, equal_nan=True)


def _package(space: dict[str, Any]) -> str:
    return str(space.get("__name__", "")).partition(".")[0]


def _names(code: types.CodeType) -> set[str]:
    """The names that code looks up, and what is made in it."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)


def _shown(places: Iterable[Holder]) -> tuple[str, ...]:
    """The packages whose namespaces these are, as ``repr`` names them."""
    names: dict[str, None] = {}
    for place in places:
        if isinstance(place, Names):
            parts = place.namespace.label.split(".")
            names[".".join(parts[: 2 if parts[0] == "scipy" else 1])] = None
    names.pop("", None)  # code made by exec may stand in a namespace without a name
    return tuple(names)


def _lost_in(error: BaseException, codes: dict[str, Any], done: set[str]) -> types.CodeType | None:
    """The innermost code of a file that is followed which an error has passed, or else one that led to it.

    A file that is rewritten already is passed by: the context of an error may be that of an earlier attempt.
    """
    seen: set[int] = set()
    below: BaseException | None = error
    while below is not None and id(below) not in seen:
        seen.add(id(below))
        passed = [step.tb_frame.f_code for step in steps(below)]
        found = [c for c in passed if c.co_filename in codes and c.co_filename not in done]
        if found:
            return found[-1]
        below = below.__cause__ or below.__context__
    return None


def _of_files(files: set[str]) -> list[dict[str, Any]]:
    """The namespaces of the modules that are in files."""
    if not files:
        return []
    return [vars(m) for m in list(sys.modules.values()) if getattr(m, "__file__", None) in files]


def _may_hold(frame: types.FrameType) -> bool:
    """Whether a function that begins has one of the originals in a variable around it, or as an argument."""
    code = frame.f_code
    if not (code.co_freevars or code.co_argcount):
        return False
    if not code.co_flags & inspect.CO_OPTIMIZED:
        return True  # numba has changed its flags: its variables would be written to the module's names
    return any(map(_is_replaced, frame.f_locals.values()))


def _is_replaced(value: Any) -> bool:
    from polyad.engine.follow.counterparts import COUNTERPARTS

    return id(value) in COUNTERPARTS or packages.compiled(value) is not None


def _holds(cell: Any) -> bool:
    try:
        return _is_replaced(cell.cell_contents)
    except ValueError:
        return False


def _is_of(name: str, chosen: tuple[str, ...]) -> bool:
    return any(name == c or name.startswith(c + ".") for c in chosen) or name == "__main__"
