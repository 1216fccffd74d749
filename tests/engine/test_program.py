"""Recorded programs: every rule replayed at other values than it was recorded at.

The reference is the engine without compilation, which ``test_rules`` compares with differences.
"""

from __future__ import annotations

import re
import types

import numpy as np
import pytest
from cases import CASES as GENERAL
from cases_special import CASES as SPECIAL

import polyad as ad
from polyad.engine import run
from polyad.engine.programs import code as program_code
from polyad.engine.programs import numbers as program_numbers
from polyad.engine.programs import simplify
from polyad.engine.programs.adapter import RecordingAdapter
from polyad.engine.programs.arrays import ArrayCode
from polyad.engine.programs.graph import ScalarNode
from polyad.engine.programs.recording import Recording
from polyad.errors import FunctionNotSupportedError, PolyadError

CASES = GENERAL | SPECIAL

# what decides on values how large a result is or of which form
REFUSED = {
    "indexing with arrays": "a mask computed from values",
    "piecewise": "a mask computed from values",
    "argwhere, flatnonzero": "nonzero",
    **dict.fromkeys(
        (
            "polymul, polydiv",
            "poly of a matrix",
            "unique",
            "trim_zeros",
            "bincount, histogram",
            "emath",
            "real_if_close",
        ),
        "form depends on values",
    ),
}


def others(x):
    """Values in another order, moved, with ties, with zeros and with another sign."""
    wave = np.cos(np.arange(x.size)).reshape(x.shape)
    return [x[::-1] * 1.01, x + 0.013 * wave, np.round(x, 1), x * (wave > 0.2), -x]


def scalar(f, x):
    y = np.asarray(f(np.array(x)))
    w = np.cos(1 + np.arange(y.size)).reshape(y.shape)
    return lambda x: np.sum(np.real(w * f(x)))


def compare(prepared, reference, points, *, limits=False):
    """Both at each point; with ``limits`` the reference takes some beside infinite derivatives, for NaN."""
    compared = 0
    for point in points:
        try:
            with np.errstate(all="ignore"):
                expected = reference(point)
        except (PolyadError, np.linalg.LinAlgError, ValueError):
            with pytest.raises((PolyadError, np.linalg.LinAlgError, ValueError)), np.errstate(all="ignore"):
                prepared(point)
            continue
        with np.errstate(all="ignore"):
            found = prepared(point)
        assert found.dtype == expected.dtype
        scale = 1 + np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0)
        if limits and np.isinf(expected).any():
            expected = np.where(np.isnan(found), np.nan, expected)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * scale)
        compared += 1
    assert compared


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("operator", ["forward", "reverse", "hvp"])
@pytest.mark.parametrize("name", CASES)
def test_replayed_elsewhere(name, operator):
    f, x = CASES[name]
    g, v = scalar(f, x), np.cos(np.arange(x.size)).reshape(x.shape)
    mode = None if operator == "hvp" else operator
    compiled, plain = ad.NumPy(mode, compile=True), ad.NumPy(mode)
    try:
        if operator == "hvp":
            prepared = ad.prepare_hvp(g, x, v=v, backend=compiled)
        else:
            prepared = ad.prepare_gradient(g, x, backend=compiled)
    except FunctionNotSupportedError as error:
        assert re.search(REFUSED.get(name, "never"), str(error))
        assert "compile=False" in str(error)
        return
    if operator == "hvp":
        reference = ad.prepare_hvp(g, x, v=v, backend=plain)
        compare(lambda z: prepared(z, v=v), lambda z: reference(z, v=v), others(x))
    else:
        plain = ad.prepare_gradient(g, x, backend=plain)
        # a program has no rows of reverse mode to ask
        compare(prepared, plain, others(x), limits=operator == "forward")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", GENERAL)
def test_code_on_arrays(name, monkeypatch):
    """Small programs are ones of numbers: here they are made to work on arrays."""
    monkeypatch.setattr(program_code, "_graph", lambda program: None)
    f, x = CASES[name]
    if name in REFUSED:
        return
    g, v = scalar(f, x), np.sin(np.arange(x.size)).reshape(x.shape)
    prepared = ad.prepare_hvp(g, x, v=v, backend=ad.NumPy(compile=True))
    assert "NumPy calls" in prepared.strategy
    compare(lambda z: prepared(z, v=v), lambda z: ad.hvp(g, z, v=v, backend="numpy"), others(x)[:2])
    y = g(x)
    assert prepared.value_and(x, v=v)[0] == pytest.approx(y, rel=1e-12)


# -- the optimiser -------------------------------------------------------------------------------------


def recorded(f, *arrays):
    tape = Recording()
    boxes = [run.lift("recording", tape.enter(np.asarray(a)[()])) for a in arrays]
    result = run.unlift(f(*boxes))
    return simplify.optimised(tape.inputs, tape.operations, [result.source])


def names(f, *arrays):
    return [op.name for op in recorded(f, *arrays).operations]


A, B = np.array([1.0, -2.0, 3.0]), np.array([0.5, 4.0, -1.0])


def test_what_nobody_needs_is_left_out():
    assert names(lambda a, b: (np.sin(a), a + b)[1], A, B) == ["add"]


def test_what_is_known_is_not_computed_again():
    assert names(lambda a, b: np.sin(a) * np.sin(a), A, B) == ["sin", "multiply"]


def test_neutral_operations_vanish():
    assert names(lambda a, b: (a * 1.0 - 0.0) / 1.0 + b, A, B) == ["add"]
    # -0.0 + 0.0 is 0.0, so this one is not neutral
    assert names(lambda a, b: a + 0.0, A, B) == ["add"]


def test_signs_move_into_sums():
    assert names(lambda a, b: a + -b, A, B) == ["subtract"]
    assert names(lambda a, b: a - (-b) * a, A, B) == ["multiply", "add"]
    assert names(lambda a, b: -(a * 2.0) + b, A, B) == ["multiply", "add"]


def ready(code):
    return program_code.Text(code.source, code.named, buffers=code.buffers).call("f")


def test_signs_of_zeros_stay():
    a = np.array([0.0, -0.0])
    for f in (lambda a, b: a + -b, lambda a, b: -a * b, lambda a, b: a * 1.0, lambda a, b: a - 0.0):
        code = ArrayCode(recorded(f, A[:2], B[:2]))
        for b in (np.array([0.0, 0.0]), np.array([-0.0, 2.0])):
            (found,) = ready(code)(a, b)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(f(a, b)))


NUMBERS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "where": lambda a, b: np.where(a > b, a, b),
    "maximum": np.maximum,
    "power": lambda a: 1.0 / (a * a),  # the exponent is -2
}


@pytest.mark.parametrize("outer", NUMBERS)
def test_brackets_stand_where_they_matter(outer):
    """Every operation on every other, on either side, of names, of numbers with a sign and of a third one."""

    def arity(name):
        return 1 if name in ("negative", "square", "reciprocal", "power") else 2

    for inner in NUMBERS:
        for third in ("subtract", "divide", "negative"):
            for side in range(arity(outer)):
                nodes = [ScalarNode("input", (k, 0), k) for k in range(3)]

                def node(name, *args, nodes=nodes):
                    if name == "where":
                        args = (node("greater", *args), *args)
                    if name == "power":
                        args = (*args, -2.0)
                    nodes.append(ScalarNode(name, args, len(nodes)))
                    return nodes[-1]

                a, b, c = 1.75, -2.5, 0.625
                first = node(third, *nodes[: arity(third)])
                expected = NUMBERS[third](*(np.float64(a), b)[: arity(third)])
                second = node(inner, *(first, -1.5)[: arity(inner)])
                expected = NUMBERS[inner](*(expected, -1.5)[: arity(inner)])
                pair, numbers = [second, nodes[2]], [expected, np.float64(c)]
                if side:
                    pair, numbers = pair[::-1], numbers[::-1]
                result = node(outer, *pair[: arity(outer)])
                graph = types.SimpleNamespace(nodes=nodes, outputs=[[result]], inputs=3, ndims=[0] * 3)
                text, functions = program_numbers.numbers(graph)
                found = program_numbers.executed(text, functions, "<test>")(a, b, c)
                assert found == [NUMBERS[outer](*numbers[: arity(outer)])], text


def test_buffers_are_used_again():
    def f(a):
        for _ in range(50):
            a = np.sin(a) * 0.5 + a
        return a

    code = ArrayCode(recorded(f, np.linspace(0, 1, 1000)))
    assert len(code._slot) <= 2
    x = np.linspace(-1, 1, 1000)
    np.testing.assert_array_equal(ready(code)(x)[0], f(x))


def test_views_of_buffers_are_made_once():
    code = ArrayCode(recorded(lambda a: np.sin(a)[1:] * np.cos(a)[:-1], A))
    assert code.source.count("[K") == 2
    assert code.source.index("def slot") < code.source.index("[K")


def test_memory_is_not_given_away_while_a_view_is_read():
    def f(a):
        s = np.exp(a)
        part = s.reshape(2, 3).T[1:]
        t = np.sin(a) * np.cos(a) + np.tanh(a)
        u = np.sqrt(t * t + 1.0) * t
        return part.sum() * u + s

    x = np.linspace(0.3, 2, 6)
    code = ArrayCode(recorded(f, x))
    for z in (x, x[::-1].copy(), x * 2):
        np.testing.assert_allclose(ready(code)(z)[0], f(z), rtol=1e-15)


@pytest.mark.parametrize("n", [3, 300])
def test_an_operand_that_overlaps_the_result(n):
    def f(a):
        s = np.exp(a)
        t = np.where(s > s.T, s[::-1], s) * s.T
        return t * t[::-1, ::-1]

    x = np.random.default_rng(0).normal(size=(n, n)) / 10
    code = ArrayCode(recorded(f, x))
    for z in (x, x.T, x[::-1].copy()):
        np.testing.assert_array_equal(ready(code)(z)[0], f(z))


def test_places_that_are_filled_one_after_the_other():
    def f(a):
        y = np.zeros_like(a)
        for k in range(3):
            y[k] = a[k] * 2.0
            y[k:] += a[: 3 - k]
        z = y.copy()
        z[1] = 7.0
        return y * z

    x = np.array([1.0, 2.0, 4.0])
    prepared = ad.prepare_jacobian(f, x, backend=ad.NumPy(compile=True))
    for z in (x, -x, x[::-1].copy()):
        step = 1e-30j * np.eye(3)
        expected = np.stack([f(z + s).imag / 1e-30 for s in step], axis=1)
        np.testing.assert_allclose(prepared(z), expected, rtol=1e-14)


def test_the_adapter_never_takes_a_library_function():
    """What ``Adapter`` writes in terms of a framework's names is NumPy's own computation here."""
    from polyad.engine.core.values import PRIMITIVES

    own = {"zeros", "getitem", "setitem"}
    for name, primitive in PRIMITIVES.items():
        if name not in own:
            assert RecordingAdapter().compute(primitive).__qualname__.startswith("_recorded"), name
