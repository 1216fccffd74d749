"""What a file keeps of a prepared object: its program, or the reason why there is none."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from polyad.call.saved import file
from polyad.call.saved.fingerprint import fingerprint
from polyad.errors import ArgumentError

X = np.array([0.4, 1.2, -0.7])
# what a function has been run for; a built-in method is known by its name when it is asked for changes
RUNS: list[int] = []
ran = RUNS.append
SCALE = 2.0


def needs_export():
    pytest.importorskip("flatbuffers", reason="jax.export writes by it")


# the backends whose programs a file can hold
PROGRAMS = ["numpy:compiled", *(name for name in ("casadi", "jax") if name in AVAILABLE)]


@pytest.fixture(params=PROGRAMS)
def backend(request):
    if request.param == "jax":
        needs_export()
    return request.param


def f(x, a, places):
    ran(1)
    return np.sum(SCALE * a * x[places] ** 3), {"label": "kept", "y": x * a}


def squares(x):
    ran(1)
    return x[1:] ** 2 * x[:-1]


def through(p, tmp_path):
    p.save(tmp_path / "p")
    return ad.load(tmp_path / "p")


def test_the_function_is_not_run_again(backend, tmp_path):
    places = np.array([0, 2])
    p = ad.prepare_gradient(f, X, 2.0, places, backend=backend, has_aux=True)
    q = through(p, tmp_path)
    RUNS.clear()
    y, g = q.value_and(X + 1, 3.0, places)
    assert q.strategy.endswith("; its program out of a file")
    assert not RUNS
    np.testing.assert_allclose(g, [18 * 1.4**2, 0, 18 * 0.3**2], rtol=1e-12)
    np.testing.assert_allclose(y[0], 6 * (1.4**3 + 0.3**3), rtol=1e-12)
    assert y[1]["label"] == "kept"
    np.testing.assert_allclose(y[1]["y"], 3 * (X + 1), rtol=1e-12)
    # other whole numbers are no part of that program
    np.testing.assert_allclose(q(X, 1.0, places - 1 + 1)[0], [6 * 0.16, 0, 6 * 0.49], rtol=1e-12)
    np.testing.assert_allclose(q(X, 1.0, np.array([1, 1]))[0], [0, 12 * 1.44, 0], rtol=1e-12)
    # and what came out of a file goes into one
    RUNS.clear()
    again = through(q, tmp_path)
    np.testing.assert_array_equal(again(X, 1.0, places)[0], p(X, 1.0, places)[0])
    assert not RUNS


def test_directions_of_another_number_and_sparse_matrices(backend, tmp_path):
    q = through(ad.prepare_jvp(squares, X, v=np.ones((2, 3)), batched=True, backend=backend), tmp_path)
    V = np.eye(3)
    dense = np.array([[X[1] ** 2, 2 * X[0] * X[1], 0], [0, X[2] ** 2, 2 * X[1] * X[2]]])
    np.testing.assert_allclose(q(X, v=V[:2]), dense.T[:2], rtol=1e-12)
    np.testing.assert_allclose(q(X, v=V), dense.T, rtol=1e-12)
    q = through(ad.prepare_jacobian(squares, X + 1, backend=ad.Sparse(backend)), tmp_path)
    np.testing.assert_allclose(q(X).toarray(), dense, rtol=1e-12)
    assert q.strategy.endswith("; its program out of a file")


def test_a_function_that_has_changed_is_prepared_again(backend, tmp_path, monkeypatch):
    p = ad.prepare_gradient(f, X, 2.0, np.array([0]), backend=backend, has_aux=True)
    p.save(tmp_path / "p")
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    q = ad.load(tmp_path / "p")
    np.testing.assert_allclose(q(X, 2.0, np.array([0]))[0], [30 * 0.16, 0, 0], rtol=1e-12)
    assert "prepared again out of a file, as the function, or what it takes from around it, is not" in repr(q)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert "its program out of a file" in ad.load(tmp_path / "p").strategy


class Slotted:
    """Numbers that are no attributes of a dictionary."""

    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (collections.deque([2.0]), collections.deque([5.0])),
        (Slotted(2.0), Slotted(5.0)),
        (np.array([2.0, None]), np.array([5.0, None])),
        (np.random.default_rng(1), np.random.default_rng(2)),
        ([np.zeros(1)] * 2 + [[k] for k in range(4000)], [[2.0]]),
    ],
    ids=["deque", "slots", "objects", "generator", "many"],
)
def test_what_a_function_may_hold_is_looked_into(first, then):
    held = [first]

    def g(x):
        return x * len(held)

    before = fingerprint((g,))
    held[0] = then
    assert fingerprint((g,)) != before


@pytest.mark.parametrize("name", ["numpy", "torch", "autograd", "sympy", "finite"])
def test_what_has_no_program_says_so(name, tmp_path):
    if name not in AVAILABLE:
        pytest.skip(f"{name} is not installed")
    q = through(ad.prepare_gradient(np.linalg.norm, np.ones(2), backend=name), tmp_path)
    np.testing.assert_allclose(q(np.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-6)
    assert "prepared again out of a file, as" in q.strategy
    assert "has no program of it that a file can hold" in q.strategy


def test_loops_complex_numbers_and_single_precision(tmp_path):
    def steps(x):
        return np.sum(ad.scan(lambda c, _: (np.sin(c) * 1.1, c), x, length=4)[1])

    for of, x in (
        (steps, X),
        (lambda z: np.sum(np.abs(z) ** 2), X + 1j),
        (lambda x: np.sum(np.outer(x, x) @ x), X.astype(np.float32)),
        (lambda x: np.sum(np.linalg.solve(np.diag(x) + np.ones((40, 40)), x)), np.ones(40)),
    ):
        p = ad.prepare_gradient(of, x, backend="numpy:compiled")
        q = through(p, tmp_path)
        assert "its program out of a file" in q.strategy
        assert q(x + 1).dtype == p(x + 1).dtype
        np.testing.assert_array_equal(q(x + 1), p(x + 1))


def test_equal_eigenvalues_are_left_to_the_engine(tmp_path):
    if "casadi" not in AVAILABLE:
        pytest.skip("casadi is not installed")
    p = ad.prepare_gradient(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3), np.diag(X), backend="casadi")
    assert "as where eigenvalues are equal, polyad's own engine takes over" in through(p, tmp_path).strategy


def test_within_traces_of_jax(tmp_path):
    jax = pytest.importorskip("jax")
    needs_export()
    q = through(ad.prepare_gradient(lambda x: (x**3).sum(), X, backend="jax"), tmp_path)
    assert "its program out of a file" in q.strategy
    with jax.enable_x64(True):
        x = jax.numpy.asarray(X)
        np.testing.assert_allclose(jax.jit(q)(x), 3 * X**2, rtol=1e-12)
        np.testing.assert_allclose(jax.vmap(q)(x[None]), 3 * X[None] ** 2, rtol=1e-12)
        np.testing.assert_allclose(jax.grad(lambda x: q(x).sum())(x), 6 * X, rtol=1e-12)


def test_a_fresh_process(tmp_path):
    names = [name for name in PROGRAMS if name != "jax"]
    for k, name in enumerate(names):
        c = np.array([1.0, 2.0, 3.0])
        ad.prepare_gradient(lambda x, c=c: np.sum(c * np.sin(x)), X, backend=name).save(tmp_path / str(k))
    code = f"""
        import json
        import numpy as np, polyad as ad
        x = np.array({X.tolist()})
        loaded = [ad.load(f"{tmp_path}/{{k}}") for k in range({len(names)})]
        print(json.dumps([(p(x).tolist(), p.strategy) for p in loaded]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    for g, words in json.loads(done.stdout):
        np.testing.assert_allclose(g, np.array([1.0, 2.0, 3.0]) * np.cos(X), rtol=1e-14)
        assert words.endswith("; its program out of a file")


# -- what is refused ------------------------------------------------------------------------------------


def test_damaged_files(tmp_path):
    path = tmp_path / "p"
    ad.prepare_gradient(np.linalg.norm, X, backend="numpy:compiled").save(path)
    whole = path.read_bytes()
    for k in (0, 30, whole.index(b"\n") + 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :])
        with pytest.raises(ArgumentError, match=r"is damaged|holds no prepared derivative"):
            ad.load(path)
    for k in (0, 10, whole.index(b"\n") + 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:k])
        with pytest.raises(ArgumentError, match=r"is damaged|holds no prepared derivative"):
            ad.load(path)
    path.write_bytes(whole)
    np.testing.assert_allclose(ad.load(path)(np.array([0.0, 3.0, 4.0])), [0, 0.6, 0.8])


def test_another_version_of_the_framework(backend, tmp_path, monkeypatch):
    path, name = tmp_path / "p", backend.partition(":")[0]
    ad.prepare_gradient(np.linalg.norm, X, backend=backend).save(path)
    right = file._version
    monkeypatch.setattr(file, "_version", lambda m: "9.9" if m == name else right(m))
    with pytest.raises(
        ArgumentError, match=rf"was saved by {name} .*, and this is {name} 9.9: prepare it anew"
    ):
        ad.load(path)
    monkeypatch.setattr(file, "_version", lambda m: "" if m == name else right(m))
    with pytest.raises(ArgumentError, match=f"with {name} .*, which is not installed: install it"):
        ad.load(path)


def test_a_function_that_is_not_found(tmp_path, monkeypatch):
    path = tmp_path / "p"
    ad.prepare_gradient(f, X, 2.0, np.array([0]), has_aux=True).save(path)
    monkeypatch.delitem(globals(), "f")
    with pytest.raises(
        ArgumentError, match=r"of f\) needs something that is not found here .*can be imported"
    ):
        ad.load(path)
