"""What following promises: nothing else is changed, whatever happens in between."""

from __future__ import annotations

import copy
import cProfile
import importlib
import math
import pickle
import sys
import types

import numpy as np
import pytest

import polyad as ad
from interrupts import DROPPED, interrupted, uncollected  # noqa: F401
from polyad.call.function.foreign_traces import AROUND
from polyad.engine.boxes.box import Box
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import ALIVE
from polyad.engine.follow import packages
from polyad.engine.follow.counterparts import COUNTERPARTS, Counterpart
from polyad.engine.follow.reach import _NAMESPACES

X = np.array([0.3, 1.2, 1.7])


class State:
    """All that a followed call changes for its time."""

    def __init__(self, package):
        self.package = package
        self.names = dict(vars(package))
        self.defaults = package.Model.energy.__defaults__
        self.cells = [c.cell_contents for c in package.closure.__closure__]
        self.alive = len(ALIVE)
        self.numpy = np.geterr()

    def check(self):
        assert list(vars(self.package)) == list(self.names)
        assert all(vars(self.package)[k] is v for k, v in self.names.items())
        assert self.package.Model.energy.__defaults__ is self.defaults
        found = [c.cell_contents for c in self.package.closure.__closure__]
        assert all(a is b for a, b in zip(found, self.cells, strict=True))
        assert not any(space.standing for space in _NAMESPACES.values())
        assert (FOLLOWING.depth, FOLLOWING.buffers) == (0, True)
        assert AROUND.library is None
        assert len(ALIVE) == self.alive
        assert sys.getprofile() is None
        assert np.geterr() == self.numpy


def everything(package):
    return lambda x: package.conversion(x) + package.methods(x) + package.closure(x) + package.buffers(x)


@DROPPED
@pytest.mark.usefixtures("uncollected")
# Python looks for signals where a function begins and after calls of compiled ones
@pytest.mark.parametrize("kind", ["call", "c_return"])
def test_ctrl_c_at_every_place_of_a_call(package, kind):
    prepared = ad.prepare_gradient(everything(package), X)
    assert "followed" in repr(prepared)
    expected = prepared(X)
    state = State(package)
    count = step = 1
    while interrupted(lambda: prepared(X), count, kind):
        state.check()
        count += step
        step = 1 if count < 150 else 7  # the beginning is where counterparts are put
    assert count > 300
    assert np.array_equal(prepared(X), expected)


@DROPPED
@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_while_it_is_found_out_what_to_follow(package):
    expected = ad.gradient(everything(package), X)
    state = State(package)
    count = 1
    while interrupted(lambda: ad.gradient(everything(package), X), count, "call"):
        state.check()
        count += 1 + count // 10
    assert np.array_equal(ad.gradient(everything(package), X), expected)


# -- plain arguments -----------------------------------------------------------------------------------------

DRAWN = np.random.default_rng(3)
MATRIX = DRAWN.standard_normal((3, 3)) @ np.diag([1.0, 2.0, 3.0])
GIVEN = [
    (),
    (0.7,),
    (-0.7,),
    (3,),
    (2.5, 1.5),
    (7, 2),
    ("0.5",),
    ("x",),
    (np.float32(0.3),),
    (1.0 + 2.0j,),
    ([0.5, 1.5, 2.5],),
    ([1, 2], float),
    ((2, 3),),
    ([0.5, 1.5], [2.5, 3.5]),
    (np.array([0.5, -1.5, 2.0]),),
    (np.array([1, 2, 3]), 4),
    (np.arange(6.0).reshape(2, 3)[:, ::2],),
    (np.asfortranarray(MATRIX),),
    (MATRIX @ MATRIX.T,),
    (MATRIX, MATRIX[0]),
    ((MATRIX, True), MATRIX[0]),
    (MATRIX.astype(np.float32), np.float64),
    (np.array([np.nan, np.inf]),),
    (np.array([], dtype=float),),
    (None,),
    (2, np.array([0.5, 3.0])),
    (0.5, (int, float)),
]
MODULES = "numpy math cmath builtins scipy.linalg scipy.special scipy.integrate scipy.spatial.distance"


def everywhere():
    """All counterparts of what these tests can load."""
    for name in MODULES.split():
        importlib.import_module(name)
    packages.fill()
    found = [c for c in COUNTERPARTS.values() if isinstance(c, Counterpart)]
    # SciPy's compiled rotations read beyond the end of arrays of another shape
    found = [c for c in found if type(c.original).__name__ != "cython_function_or_method"]
    # what these give are objects that equal nothing but themselves
    return [c for c in found if c.original is not np.ndenumerate and c.original is not np.vectorize]


def outcome(f, args, kwargs):
    try:
        return True, f(*copy.deepcopy(args), **kwargs)  # some write to what they are given
    except Exception as error:
        return False, type(error)


def bits(a):
    """What is to be the same, to the last bit."""
    if isinstance(a, Box):
        a = a._value
    if isinstance(a, np.ndarray) and a.dtype.kind == "O":
        return np.ndarray, a.dtype, a.shape, a.strides, [bits(v) for v in a.ravel()]
    if isinstance(a, np.ndarray):
        return np.ndarray, a.dtype, a.shape, a.strides, a.tobytes()
    if isinstance(a, np.generic | float | complex):
        return type(a), np.array(a).tobytes()
    if isinstance(a, tuple | list):
        return type(a), [bits(v) for v in a]
    if type(a).__module__.startswith("scipy.interpolate"):  # its nodes, values and coefficients
        names = [name for name in ("x", "y", "c", "k") if hasattr(a, name)]
        assert names or hasattr(a, "values"), a
        return type(a), [bits(getattr(a, name)) for name in (*names, "values") if hasattr(a, name)]
    if hasattr(a, "toarray"):
        return type(a), bits(a.toarray())
    if type(a).__name__.endswith("KDTree"):
        return type(a), bits(np.asarray(a.data))
    if type(a).__name__ == "SuperLU":
        return type(a), bits(a.solve(np.ones(a.shape[0])))
    if callable(a) and getattr(type(getattr(a, "__self__", None)), "__name__", "") == "SuperLU":  # its solve
        return bits(a(np.ones(a.__self__.shape[0])))
    return type(a), a


@pytest.mark.filterwarnings("ignore")
def test_plain_arguments_give_what_the_original_gives_to_the_last_bit():
    found = 0
    for c in everywhere():
        content = slice(0, 4 if c.original in (np.empty, np.empty_like) else None)
        for args in GIVEN:
            for kwargs in ({}, {"dtype": np.float32}, {"copy": True}):
                worked, value = outcome(c.original, args, kwargs)
                expected = bits(value)
                for depth in (0, 1):  # of a thread that follows nothing, and of one that follows
                    before, FOLLOWING.depth = FOLLOWING.depth, depth
                    try:
                        got = outcome(c, args, kwargs)
                    finally:
                        FOLLOWING.depth = before
                    message = f"{c!r} of {args}, {kwargs}"
                    assert got[0] is worked, message
                    assert bits(got[1])[content] == expected[content], message
                found += worked
    assert found > 1000


# -- memory that is shared, and what is left in objects ------------------------------------------------------


class Owner:
    """An object of the caller's, in which functions leave what they compute."""

    def __init__(self):
        self.kept = {}

    def writes(self, x):
        self.kept["whole"] = whole = np.zeros(6)
        self.kept["view"] = view = whole[::2]
        view[:] = x  # which shows in the whole
        whole[0] *= 2
        self.later(x)
        return float(np.sum(view**2)) + float(whole[2]) + math.sin(whole[1])

    def later(self, x):
        self.kept["whole"][1] = x[1]  # by whoever has it, after others have read it
        self.kept["number"] = math.exp(x[0])

    def refused(self, x):
        self.writes(x)
        return pickle.loads(pickle.dumps(x[0])) * 2


def test_what_shares_memory_goes_on_sharing_it():
    def same(x):
        y = np.asarray(x, dtype=float)
        assert np.asarray(y) is y
        assert np.shares_memory(y, x)
        part = y[1:]
        assert np.shares_memory(np.asanyarray(part), y)
        return float(np.sum(np.asarray(part) ** 2))

    assert np.allclose(ad.gradient(same, X, follow=True), [0, 2.4, 3.4])


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward", "torch", "jax"])
def test_buffers_that_others_keep(backend):
    pytest.importorskip(backend.partition(":")[0])
    owner = Owner()
    expected = [8 * X[0], 2 * X[1] + 1 + np.cos(X[1]), 2 * X[2]]
    prepared = ad.prepare_gradient(owner.writes, X, backend=backend)
    for _ in range(2):
        assert np.allclose(prepared(X), expected)


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward", "torch"])
@pytest.mark.parametrize("name", ["writes", "refused"])
def test_what_a_call_has_left_in_objects_is_plain_afterwards(backend, name):
    pytest.importorskip(backend.partition(":")[0])
    owner = Owner()
    if name == "refused":
        with pytest.raises(ad.errors.PolyadError, match="pickling"):
            ad.gradient(owner.refused, X, backend=backend)
        assert np.isfinite(np.asarray(owner.kept["whole"]) + 1.0).all()
        assert isinstance(owner.kept.get("number", 1.0), float)
        owner.kept.clear()
    ad.gradient(owner.writes, X, backend=backend)
    kept = owner.kept
    assert np.allclose(np.asarray(kept["whole"]), [0.6, 1.2, 1.2, 0, 1.7, 0])
    assert np.allclose(kept["view"] + 1.0, [1.6, 2.2, 2.7])
    assert math.isclose(math.log(kept["number"]), 0.3)
    assert isinstance(kept["number"], float)
    again = ad.gradient(lambda x: np.sum(x * kept["view"]) * kept["number"], X, backend=backend)
    assert np.allclose(again, np.array([0.6, 1.2, 1.7]) * np.exp(0.3))


# -- profilers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward"])
def test_a_function_is_followed_while_it_is_profiled(package, backend):
    expected = ad.gradient(everything(package), X, backend=backend)
    profiler = cProfile.Profile()
    before = sys.getprofile(), sys.gettrace()
    profiler.enable()
    try:
        found = ad.gradient(everything(package), X, backend=backend)
    finally:
        profiler.disable()
    assert (sys.getprofile(), sys.gettrace()) == before
    assert np.array_equal(found, expected)
    names = {getattr(entry.code, "co_name", "") for entry in profiler.getstats()}
    assert {"gradient", "conversion"} <= names  # of the function, and of what it calls


def test_packages_are_walked_once(package, monkeypatch):
    """What is loaded is looked through anew only when there is more of it."""
    ad.gradient(everything(package), X)
    walked = []
    monkeypatch.setattr(packages, "module_like", walked.append)
    ad.gradient(everything(package), X)
    assert not walked
    monkeypatch.setitem(sys.modules, "polyad_test_of_one_more", types.ModuleType("one_more"))
    ad.gradient(everything(package), X)
    assert walked
