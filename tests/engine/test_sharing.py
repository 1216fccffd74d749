"""Views and copies are NumPy's: every function and method that may share memory, every way of writing.

The public functions of NumPy and the methods of its arrays are called in many ways on plain arrays. What
NumPy does with memory in these calls is found by NumPy itself. Then one of the two, the argument or the
result, is written to and the other one is read, by plain NumPy and by the engine: values and derivatives
have to agree, or the engine refuses. All programs are affine in their input, so differences of plain NumPy
are exact derivatives.
"""

from __future__ import annotations

import functools
import inspect
import itertools

import numpy as np
import pytest

import polyad as ad
from backends import EXACT
from polyad.engine import run
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.computing import COMPUTING, COMPUTING_METHODS
from polyad.errors import OperationNotSupportedError, PolyadError

RNG = np.random.default_rng(8)

# -- which calls there are ----------------------------------------------------------------------------------

# what stands beside the array in a call
ARGUMENTS = [
    *[
        (),
        (0,),
        (1,),
        (2,),
        (-1,),
        ((),),
        ((0,),),
        ((1, 0),),
        (0, 1),
        (0, 0),
        (1, 0),
        (-1, -2),
        ((-1,),),
        ((2, -1),),
    ],
    *[
        (1.5,),
        (float,),
        ("f",),
        ([1],),
        ([0, 0],),
        (None,),
        ((2, 2),),
        (None, "F"),
        ((-1,), "F"),
        ([0, 1], [1, 0]),
    ],
    *[("C",), ("F",), ("A",), ("K",), ("c",), (1, 1), (None, 1.0), (None, 0)],
]
OPTIONS = [
    *[
        {},
        {"axis": 0},
        {"axis": -1},
        {"axis": ()},
        {"axes": ()},
        {"copy": False},
        {"n": 0},
        {"k": 0},
        {"k": 2},
    ],
    *[{"order": "F"}, {"order": "C", "copy": False}, {"order": "F", "copy": False}, {"dtype": float}],
    *[{"offset": 1}, {"shape": (3, 2, 2)}, {"copy": False, "sparse": True}, {"writeable": True}],
    *[{"axis1": 1, "axis2": 0}, {"offset": -1, "axis1": -1, "axis2": -2}, {"copy": False, "indexing": "ij"}],
]
# how the array itself is given
FORMS = {
    "f(a)": lambda f, a, more, options: f(a, *more, **options),
    "f(a, c)": lambda f, a, more, options: f(a, *more, np.ones(a.shape), **options),
    "f(a, a)": lambda f, a, more, options: f(a, a, *more, **options),
    "f(word, a)": lambda f, a, more, options: f(
        "ijk"[: a.ndim] + "->" + "kji"[3 - a.ndim :], a, *more, **options
    ),
    "f(other word, a)": lambda f, a, more, options: f("i" * a.ndim + "->i", a, *more, **options),
}
MODULES = {
    "np.": np,
    "np.linalg.": np.linalg,
    "np.fft.": np.fft,
    "np.emath.": np.emath,
    "np.lib.stride_tricks.": np.lib.stride_tricks,
}
# they write files, ask about the machine, call back, or give memory that is not set
LEFT_OUT = frozenset(
    "save savetxt savez savez_compressed einsum_path info show_config test empty_like".split()
)
# they change their argument and return nothing of it
LEFT_OUT |= frozenset("copyto fill_diagonal place put put_along_axis putmask shuffle piecewise".split())
METHODS_LEFT_OUT = frozenset(
    "dump dumps tofile resize setfield setflags byteswap partition sort fill put".split()
)

SHAPES = {"vector": (4,), "square": (2, 2), "one entry": (1, 1), "cube": (2, 1, 3), "zero axes": ()}


def functions():
    """Names and functions of one array that may share memory with it, as far as anybody knows."""
    for prefix, module in MODULES.items():
        for name in sorted(dir(module)):
            f = getattr(module, name)
            public = (
                not name.startswith("_") and name not in LEFT_OUT and callable(f) and not inspect.isclass(f)
            )
            if public and not isinstance(f, np.ufunc) and hasattr(f, "_implementation"):
                yield prefix + name, f


def methods():
    for name in sorted(dir(np.ndarray)):
        if name.startswith("_") or name in METHODS_LEFT_OUT:
            continue
        if callable(getattr(np.ndarray, name)):
            yield f"a.{name}", lambda a, *more, name=name, **options: getattr(a, name)(*more, **options)
        elif name in ("T", "mT", "real", "imag"):
            yield f"a.{name}", lambda a, name=name: getattr(a, name)
    yield "a[...]", lambda a: a[...]
    yield "a[0]", lambda a: a[0]
    yield "a[::-1]", lambda a: a[::-1]
    yield "a[:, None]", lambda a: a[:, None]
    yield "a[[0, 0]]", lambda a: a[[0, 0]]
    yield "a[mask]", lambda a: a[np.ones(a.shape, dtype=bool)]
    yield "list(a)", lambda a: list(a)
    yield "a.flat", lambda a: a.flat[:]
    yield "+a", lambda a: +a


def leaves(out):
    if isinstance(out, (tuple, list)):
        return [leaf for part in out for leaf in leaves(part)]
    return [out]


def arrays(out):
    """The arrays of floats in a result, whose entries can be written."""
    found = [p for p in leaves(out) if isinstance(p, np.ndarray) or (isinstance(p, Box) and p._is_array())]
    return [p for p in found if p.size and p.dtype == np.float64]


def in_memory(shape):
    """Arrays of one shape that lie in memory in several ways; writing to the last ones is not possible."""
    a = np.array(RNG.permutation(np.arange(1.0, 1 + np.prod(shape, dtype=int))).reshape(shape)) * 0.375 - 1.0
    yield "C", a
    if not shape:
        return
    yield "strided", np.repeat(a, 2, axis=-1)[..., ::2]
    yield "negative", a[..., ::-1].copy()[..., ::-1]
    if len(shape) > 1:
        yield "F", np.asfortranarray(a)
        yield "moved", np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0)
        yield "rows apart", np.repeat(a, 3, axis=0)[::3]


def fresh(a):
    """The same array again, in memory of its own that is ordered alike."""
    whole = a.base if a.base is not None else a
    while whole.base is not None:
        whole = whole.base
    memory = whole.copy(order="K")
    start = a.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    flat = np.lib.stride_tricks.as_strided(memory, (memory.size,), (memory.itemsize,))
    return np.ndarray(a.shape, a.dtype, flat, start, a.strides)


def outcome(call, a):
    """How the results lie in the memory of an argument: addresses and strides; None where the call fails."""
    a = fresh(a)
    try:
        found = arrays(call(a))
    except Exception:  # not a way to call it
        return None
    here = a.__array_interface__["data"][0]
    return tuple(
        (p.shape, p.strides, p.__array_interface__["data"][0] - here, p.__array_interface__["data"][1])
        if np.may_share_memory(p, a)
        else (p.shape,)
        for p in found
        if isinstance(p, np.ndarray)
    )


def several(name):
    """Whether a function takes arrays one beside the other."""
    return any(word in name for word in ("arrays", "meshgrid", "atleast", "ix_"))


def distinct(name, f):
    """The calls of one function that differ in what they do with memory, on any of the arrays."""
    found = {}
    for shape in SHAPES.values():
        kept = [a for _, a in in_memory(shape)]
        for form, more, options in itertools.product(FORMS, ARGUMENTS, OPTIONS):
            if ("word" in form and "einsum" not in name) or (form == "f(a, c)" and not several(name)):
                continue
            if more and options and not (len(more) == 1 and "copy" in options):
                continue
            call = functools.partial(called, FORMS[form], f, more, options)
            did = outcome(call, kept[0])
            if not did:
                continue
            did = (did, *(outcome(call, a) for a in kept[1:]))
            shares = any(len(part) > 1 for lying in did if lying for part in lying)
            if (shape, did) not in found and shares:
                found[shape, did] = (f"{name}: {form} {more} {options}", shape, call)
    return list(found.values())


def called(form, f, more, options, a):
    return form(f, a, more, options)


# -- programs -----------------------------------------------------------------------------------------------


def first(a):
    return a[(slice(None, 1),) * a.ndim] if a.ndim else a[...]


def set_first(a, x):
    a[(0,) * a.ndim] = 7.0 * x.ravel()[-1]


def set_all(a, x):
    a[...] = 2.0 * x.ravel()[0] + 1.0


def add_to(a, x):
    a += x.ravel()[-1]


def scale(a, x):
    a *= 3.0


def scale_part(a, x):
    part = first(a)
    part *= 5.0


def into_out(a, x):
    np.multiply(a, 3.0, out=a)


def add_up_into(a, x):
    np.add(a, a, out=a)


def with_items(a, x):
    a[(slice(None, None, -1),) * a.ndim] = a * 2.0


def set_flat(a, x):
    a.flat[0] = 4.0 * x.ravel()[0]


def fill(a, x):
    a.fill(x.ravel()[-1])


def sort(a, x):
    a.sort()


def exchange(a, x):
    a[0], a[-1] = a[-1] + x.ravel()[0], a[0] + 0.0


WRITES = [set_first, set_all, add_to, scale, scale_part, into_out, add_up_into, with_items]
WRITES += [set_flat, fill, sort, exchange]


def program(call, write, side, source):
    """Make the argument, take the result, write to one of the two, read both."""

    def f(x):
        a = source(x)
        found = arrays(call(a))
        known = x * 1.0
        target = a if side == "argument" else found[-1]
        if side == "both":
            write(found[0], known)
            target = a
        write(target, known)
        return [a * 1.0, *[p * 1.0 for p in found]]

    return f


SOURCES = {"input": lambda x: x, "copy": lambda x: x.copy(), "computed": lambda x: x * 1.0}


def plain(f, x):
    """The program of plain NumPy; None where NumPy does not allow it."""
    try:
        return f(x)
    except (ValueError, TypeError, IndexError):
        return None


def check(label, f, x, v, reverse):
    wanted = plain(f, fresh(x))
    if wanted is None:
        return "not possible"
    ahead = fresh(x)
    ahead[...] = x + v
    moved = plain(f, ahead)
    ahead = fresh(x)
    ahead[...] = x - v
    if not all(np.allclose(a - b, b - c) for a, b, c in zip(moved, wanted, plain(f, ahead), strict=True)):
        return "not affine"
    slopes = [b - a for a, b in zip(wanted, moved, strict=True)]
    given = fresh(x)

    def boxed(boxes):
        return f(boxes[0]), ()

    try:
        dy, y, _ = run.push(boxed, (given,), (v[None],))
        if reverse:
            recorded = run.record(boxed, (given,))
            weights = [np.cos(np.arange(p.size)).reshape(p.shape) for p in wanted]
            (pulled,) = recorded.pull(weights)
    except OperationNotSupportedError as error:
        return f"refused: {error}"
    assert len(y) == len(wanted), label
    for k, want in enumerate(wanted):
        np.testing.assert_allclose(y[k], want, rtol=1e-14, err_msg=label)
        np.testing.assert_allclose(dy[k][0], slopes[k], rtol=1e-11, atol=1e-12, err_msg=label)
    if reverse:
        total = sum(np.sum(w * s) for w, s in zip(weights, slopes, strict=True))
        np.testing.assert_allclose(np.sum(pulled * v), total, rtol=1e-10, atol=1e-10, err_msg=label)
    np.testing.assert_array_equal(given, x, err_msg=f"{label} changed its input")
    return "right"


# the engine has no counterpart of these, or of these forms of them
REFUSED = {"a.getfield", "np.nan_to_num", "np.histogramdd"}

KNOWN = [*functions(), *methods()]
ASKED = {
    name: f for name, f in KNOWN if f not in COMPUTING and name.removeprefix("a.") not in COMPUTING_METHODS
}


@functools.cache
def sharing():
    """The calls of every function of which a result shares memory with the argument, on any array."""
    return {name: calls for name, f in ASKED.items() if (calls := distinct(name, f))}


def test_the_walk_finds_what_is_known_to_share():
    found = set(sharing())
    known = "conj real_if_close einsum broadcast_arrays astype meshgrid diff squeeze atleast_2d trim_zeros"
    assert {"a.conj", *(f"np.{name}" for name in known.split()[1:])} <= found
    assert {"np.linalg.matrix_power", "np.linalg.matrix_transpose", "np.linalg.diagonal"} <= found
    assert {"np.fft.fftn", "np.lib.stride_tricks.sliding_window_view", "np.polyint", "a.astype"} <= found
    assert sum(map(len, sharing().values())) > 300


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ASKED)
def test_views_and_copies_are_those_of_numpy(name):
    """A few ways of writing for every call and memory: all of them in turn."""
    done, turn = set(), itertools.count()
    for label, shape, call in sharing().get(name, []):
        for memory, x in in_memory(shape):
            v = np.asarray(0.1 * np.cos(np.arange(x.size)).reshape(shape))
            for side in ("argument", "result", "both"):
                k = next(turn)
                sources = list(SOURCES)[: 3 if shape else 2]  # numbers that are computed are no arrays
                source, write = sources[k % len(sources)], WRITES[k % len(WRITES)]
                way = f"{label}, {memory}, {source}, {side}, {write.__name__}"
                did = check(way, program(call, write, side, SOURCES[source]), x, v, k % 3 == 0)
                done.add(did.split(":")[0])
    if name in sharing():
        assert ("right" in done) is (name not in REFUSED), done


# the real and the imaginary part of complex arrays are views of another dtype
COMPLEX = {
    "real": lambda z: np.real(z),
    "imag": lambda z: np.imag(z),
    "a.real": lambda z: z.real,
    "a.imag, turned": lambda z: z.imag.T,
    "ravelled": lambda z: z.real.ravel(),
    "backwards": lambda z: z.imag[::-1],
    "conj": lambda z: z.conj().real,
    "real_if_close": lambda z: np.real_if_close(z).real,
}


@pytest.mark.parametrize("name", COMPLEX)
def test_parts_of_complex_arrays(name):
    turn = itertools.count()
    for shape in ((4,), (2, 2), (2, 1, 3)):
        for memory, x in in_memory(shape):
            v = np.asarray(0.1 * np.cos(np.arange(x.size)).reshape(shape))
            for side, write in itertools.product(("argument", "result"), (set_first, add_to, scale_part)):

                def f(x):
                    z = (x * (1 + 2j)).copy()
                    part = COMPLEX[name](z)
                    write(part if side == "result" else z, x)  # noqa: B023
                    return [z.real + 3.0 * z.imag, part * 1.0]

                did = check(f"{name} {memory} {side} {write.__name__}", f, x, v, next(turn) % 2 == 0)
                assert did == "right" or (name == "ravelled" and "not known" in did), did


# under other libraries strides are not known, values may not be, and results may be the library's views
LIBRARIES = {
    name: backend
    for name, backend in {
        "numpy, compiled": ad.NumPy(compile=True),
        "torch": "torch:reverse",
        "autograd": "autograd",
        "casadi": "casadi",
        "sympy": "sympy",
    }.items()
    if name.split(",")[0] in EXACT
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("library", LIBRARIES)
def test_under_other_libraries(library):
    """Some calls of every function that has any (JAX, to which every operation is new, has its own tests)."""
    backend, done = LIBRARIES[library], []
    chosen = [call for calls in sharing().values() for call in calls[1::11]]
    for k, (label, shape, call) in enumerate(chosen):
        _, x = next(iter(in_memory(shape)))
        v = np.asarray(0.1 * np.cos(np.arange(x.size)).reshape(shape))
        # without axes the copy counts as a number where a framework has no arrays of that kind
        steps = program(call, WRITES[k % len(WRITES)], ("argument", "result")[k // 2 % 2], SOURCES["copy"])
        if not shape or plain(steps, fresh(x)) is None:
            continue

        def f(x):
            parts = steps(x)  # noqa: B023
            return sum(np.sum(p * np.cos(np.arange(p.size)).reshape(p.shape)) for p in parts)

        here, ahead, behind = f(fresh(x)), f(x + v), f(x - v)
        if not np.isclose(ahead - here, here - behind):
            continue  # not affine
        try:
            y, g = ad.prepare_gradient(f, fresh(x), backend=backend).value_and(fresh(x))
        except PolyadError:
            done.append("refused")
            continue
        np.testing.assert_allclose(y, here, rtol=1e-12, atol=1e-12, err_msg=label)
        np.testing.assert_allclose(np.sum(g * v), ahead - here, rtol=1e-8, atol=1e-9, err_msg=label)
        done.append("right")
    assert done.count("right") > 3 * done.count("refused"), done


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(name for name, f in KNOWN if name not in ASKED))
def test_what_is_not_asked_never_shares(name):
    """Otherwise a view would be taken for a copy."""
    f = dict(KNOWN)[name]
    for shape in SHAPES.values():
        _, a = next(iter(in_memory(shape)))
        for more, options in itertools.product(ARGUMENTS, [*OPTIONS, {"keepdims": True}, {"decimals": 0}]):
            for form in (lambda a: f(a, *more, **options), lambda a: f([a], *more, **options)):  # noqa: B023
                try:
                    found = leaves(form(a))
                except Exception:  # not a way to call it
                    continue
                found = [p for p in found if isinstance(p, np.ndarray) and p is not a]
                shared = any(np.may_share_memory(p, a) for p in found)
                assert not shared, (name, shape, more, options)
