"""Memory that views share: random programs of views and writes give what NumPy gives, or are refused."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import polyad as ad
from polyad.arrays.libraries import library
from polyad.engine import run
from polyad.engine.boxes.box import Box
from polyad.engine.core.values import base
from polyad.errors import OperationNotSupportedError

# an array -> arrays that may share its memory
TAKES = {
    "tail": lambda a: [a[1:]],
    "backwards": lambda a: [a[::-1]],
    "every other": lambda a: [a[..., ::2]],
    "first": lambda a: [a[0]],
    "last axis": lambda a: [a[..., -1]],
    "new axis": lambda a: [a[:, None]],
    "T": lambda a: [a.T],
    "transpose": lambda a: [np.transpose(a)],
    "swapaxes": lambda a: [np.swapaxes(a, 0, -1)],
    "swapaxes of": lambda a: [a.swapaxes(0, -1)],
    "moveaxis": lambda a: [np.moveaxis(a, 0, -1)],
    "rollaxis": lambda a: [np.rollaxis(a, -1)],
    "ravel": lambda a: [a.ravel()],
    "np.ravel": lambda a: [np.ravel(a)],
    "flatten": lambda a: [a.flatten()],
    "reshape": lambda a: [a.reshape(-1)],
    "reshape to two": lambda a: [a.reshape(2, -1)],
    "np.reshape": lambda a: [np.reshape(a, (-1, 2))],
    "reshape in F": lambda a: [a.reshape(-1, order="F")],
    "squeeze": lambda a: [np.squeeze(a)],
    "expand_dims": lambda a: [np.expand_dims(a, 0)],
    "atleast_1d": lambda a: [np.atleast_1d(a)],
    "atleast_2d": lambda a: [np.atleast_2d(a)],
    "atleast_3d": lambda a: [np.atleast_3d(a)],
    "flip": lambda a: [np.flip(a)],
    "flip first": lambda a: [np.flip(a, 0)],
    "flipud": lambda a: [np.flipud(a)],
    "fliplr": lambda a: [np.fliplr(a)],
    "rot90": lambda a: [np.rot90(a)],
    "rot90 twice": lambda a: [np.rot90(a, 2)],
    "split": lambda a: np.split(a, 2),
    "array_split": lambda a: np.array_split(a, 3),
    "vsplit": lambda a: np.vsplit(a, 2),
    "hsplit": lambda a: np.hsplit(a, [1]),
    "unstack": lambda a: list(np.unstack(a)),
    "rows": lambda a: list(a),
    "copy": lambda a: [a.copy()],
    "np.copy": lambda a: [np.copy(a)],
    "zeros_like": lambda a: [np.zeros_like(a)],
    "twice": lambda a: [a * 2],
    "sum of both": lambda a: [a + a.T],
    "fancy": lambda a: [a[[0, -1]]],
    "mask": lambda a: [a[a > 0]],
    "roll": lambda a: [np.roll(a, 1)],
    "sort": lambda a: [np.sort(a)],
    "concatenate": lambda a: [np.concatenate([a, a])],
    "diagonal": lambda a: [np.diagonal(a)],
    "real": lambda a: [a.real],
    "np.real": lambda a: [np.real(a)],
    "matrix_transpose": lambda a: [np.matrix_transpose(a)],
    "asarray of rows": lambda a: [np.stack([a, a])],
    "nan_to_num": lambda a: [np.nan_to_num(a)],
    "broadcast_to": lambda a: [np.broadcast_to(a, (2, *a.shape))],
    "tile": lambda a: [np.tile(a, 1)],
    "repeat": lambda a: [np.repeat(a, 1)],
    "where": lambda a: [np.where(True, a, a)],
    "clip": lambda a: [a.clip(-100.0, 100.0)],
    "astype": lambda a: [a.astype(float)],
    "astype, no copy": lambda a: [a.astype(float, copy=False)],
    "conj": lambda a: [a.conj()],
    "real_if_close": lambda a: [np.real_if_close(a)],
    "einsum": lambda a: [np.einsum("ij->ji", a)],
    "einsum, diagonal": lambda a: [np.einsum("ii->i", a[:, :2])],
    "broadcast_arrays": lambda a: list(np.broadcast_arrays(a, a)),
    "diff": lambda a: [np.diff(a, n=0)],
    "matrix_power": lambda a: [np.linalg.matrix_power(a[:2, :2], 1)],
    "windows": lambda a: [np.lib.stride_tricks.sliding_window_view(a, 2, axis=0)],
    "np.astype": lambda a: [np.astype(a, float, copy=False)],
    "identity": lambda a: [a],
    "trim": lambda a: [np.trim_zeros(a)],
    "require": lambda a: [a[...]],
}


def add_to(a, k):
    a += k


def scale(a, k):
    a *= k


def set_first(a, k):
    a[0] = k


def set_all(a, k):
    a[...] = k


def set_flat(a, k):
    a.flat[0] = k


def add_last(a, k):
    a[-1] += k


def exchange(a, k):
    a[0], a[-1] = a[-1] + k, a[0] + 0.0


def fill(a, k):
    a.fill(k)


def through_out(a, k):
    np.multiply(a, k, out=a)


def sort(a, k):
    a.sort()


WRITES = [add_to, scale, set_first, set_all, set_flat, add_last, exchange, fill, through_out, sort]

START = np.array([[1.0, -2.0, 3.0, -4.0], [5.0, 6.0, -7.0, 8.0]])

steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from(sorted(TAKES)), st.integers(0, 9)),
        st.tuples(st.just("write"), st.sampled_from(WRITES), st.integers(0, 9)),
    ),
    min_size=2,
    max_size=7,
)


def play(program, x):
    """All arrays after a program; operations that NumPy refuses by itself are left out on both sides."""
    pool = [x]
    for number, (kind, what, where) in enumerate(program):
        target = pool[where % len(pool)]
        if kind == "take":
            pool.extend(TAKES[what](target))
        else:
            what(target, float(number + 2))
    return pool


def possible(program, x):
    """The steps that NumPy carries out, found by trying them one after another."""
    kept: list = []
    for step in program:
        try:
            play([*kept, step], x.copy(order="A"))
        except (ValueError, IndexError, TypeError, AttributeError, np.exceptions.AxisError):
            continue
        kept.append(step)
    return kept


def compare(program, start, lifted=None):
    program = possible(program, start)
    wanted = [np.array(a) for a in play(program, start.copy(order="A"))]
    found: list = []

    def f(boxes):
        try:
            pool = play(program, boxes[0])
        except OperationNotSupportedError:
            return (0.0,), ()
        for box, want in zip(pool, wanted, strict=True):
            try:
                value = box + 0.0
            except OperationNotSupportedError:
                continue  # a refusal is right, a lost write is not
            found.append((value, want))
        return (0.0,), ()

    if lifted is None:
        run.evaluate(f, (start.copy(order="A"),))
    else:
        f((run.lift(lifted, library(lifted).from_numpy(start.copy())),))
    for value, want in found:
        got = base(value._value) if isinstance(value, Box) else value
        got = got.array if lifted and hasattr(got, "array") else got
        np.testing.assert_array_equal(np.asarray(got), want)
    return len(found)


@hypothesis.settings(max_examples=500, deadline=None, derandomize=True)
@hypothesis.given(steps, st.sampled_from(["C", "F"]))
def test_random_programs(program, order):
    compare(program, np.array(START, order=order))


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(steps)
def test_random_programs_under_a_lift(program):
    pytest.importorskip("torch", reason="torch is not installed")
    compare(program, START.copy(), "torch")


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.flip(x),
        lambda x: np.split(x, 2)[1],
        lambda x: np.atleast_2d(x)[0, ::-1],
        lambda x: np.rot90(x.reshape(2, 2))[0],
        lambda x: x.reshape(2, 2).ravel()[1:],
    ],
)
def test_views_of_buffers_are_not_refused(f):
    def g(x):
        y = x.copy()
        f(y)[0] = x[1] ** 2
        return np.sum(y * np.arange(1.0, 5.0))

    x = np.array([1.0, 2.0, 3.0, 4.0])
    steps = 1e-6 * np.eye(4)
    wanted = [(g(x + h) - g(x - h)) / 2e-6 for h in steps]
    np.testing.assert_allclose(ad.gradient(g, x, backend="numpy"), wanted, rtol=1e-8)


def test_what_cannot_be_known_is_refused_only_where_it_matters():
    def written_and_forgotten(x):
        y = (x.reshape(2, 2).T * 2).reshape(-1)
        y[0] = 0.0
        return np.sum(y)

    def both_used(x):
        a = np.sort(x.reshape(2, 2).T, axis=0)
        y = a.reshape(-1)
        y[0] = 0.0
        return np.sum(y) + np.sum(a)

    x = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(ad.gradient(written_and_forgotten, x, backend="numpy"), [0, 2, 2, 2])
    with pytest.raises(OperationNotSupportedError, match="copy"):
        ad.gradient(both_used, x, backend="numpy")


@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse", "numpy:compiled", "torch"])
@pytest.mark.parametrize("source", [np.sum, lambda x: x[0], np.max, lambda x: x[:1].reshape(()) * 1])
def test_what_a_number_becomes_is_a_number_or_an_array_as_in_numpy(source, backend):
    pytest.importorskip(backend.partition(":")[0])
    x = np.array([0.9, 0.7, -0.2])
    for made in (
        lambda y: y.copy(),
        np.copy,
        lambda y: y.reshape(()),
        lambda y: np.full_like(y, y),
        lambda y: y.view(),
    ):

        def f(x, made=made):
            y = made(source(x))
            y.reshape(-1)[...] = (
                7.0 * x[1]
            )  # written into y where that is an array, which its numbers are not
            return y * 2

        slopes = [(f(x + h) - f(x - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
        value, found = ad.value_and_gradient(f, x, backend=backend)
        assert value == f(x)
        np.testing.assert_allclose(found, slopes, atol=1e-7)


# what NumPy makes a number of, and what an array without axes: ``+=`` changes all names of an array
WITHOUT_AXES = {
    **{f.__name__: f for f in (np.median, np.prod, np.std, np.sum, np.max, np.mean, np.nanmax, np.nanprod)},
    **{f.__name__: f for f in (np.nanmedian, np.average, np.trapezoid, np.linalg.norm)},
    "quantile": lambda x: np.quantile(x, 0.3),
    "inner": lambda x: np.inner(x, x),
    "tensordot": lambda x: np.tensordot(x, x, 1),
    "sinc": lambda x: np.sinc(x[0]),
    "i0": lambda x: np.i0(x[0]),
    "interp": lambda x: np.interp(x[0], [0, 1], [1, 3.0]),
    "where": lambda x: np.where(x[0] > 0, x[0], 0.0),
    "select": lambda x: np.select([x[0] > 0], [x[0]], 0.0),
    "piecewise": lambda x: np.piecewise(x[0], [x[0] > 0], [lambda t: t * 2, 0]),
    "roll": lambda x: np.roll(x[0], 1),
    "resize": lambda x: np.resize(x, ()),
    "nan_to_num": lambda x: np.nan_to_num(np.sum(x)),
    "choose": lambda x: np.choose(0, [x[0], 0.0]),
    "method": lambda x: x.prod(),
    "conj of an array": lambda x: x[:1].reshape(()).copy().conj(),
}


@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse", "numpy:compiled", "torch"])
@pytest.mark.parametrize("name", WITHOUT_AXES)
def test_other_names_of_a_number_keep_it(name, backend):
    pytest.importorskip(backend.partition(":")[0])

    def f(x):
        made = WITHOUT_AXES[name](x)
        other = made
        other += x[1] ** 2
        return made * 2 + x[2]

    x = np.array([0.9, 0.7, -0.2])
    value, found = ad.value_and_gradient(f, x, backend=backend)
    assert np.isclose(value, f(x), rtol=1e-13)
    slopes = [(f(x + h) - f(x - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(found, slopes, atol=1e-7)
