"""Bad input: each mistake has its own class, a message that names the remedy, and changes nothing."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, EXACT, eager
from polyad import errors
from polyad.systems import registry

NAME = "autograd" if "autograd" in AVAILABLE else AVAILABLE[0]
BACKEND = eager(NAME)
BACKENDS = [pytest.param(eager(name), id=name) for name in AVAILABLE]
X = np.array([1.0, 2.0, 3.0])


def squares(x, a=1.0):
    return a * ad.namespace(x).sum(x**2)


def raised(error, *words, call):
    """The error of a call, whose message has all the words."""
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, errors.PolyadError)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return caught.value


# -- which backend --------------------------------------------------------------------------------


def test_a_missing_framework(monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda m: None if m == "jax" else find(m))
    registry.refresh()
    try:
        error = raised(
            errors.BackendNotInstalledError,
            "'jax'", "pip install -e '.[jax]'",
            call=lambda: ad.gradient(squares, X, backend="jax"),
        )  # fmt: skip
        assert isinstance(error, ImportError)
    finally:
        monkeypatch.undo()
        registry.refresh()


def test_an_unknown_name_suggests_one():
    error = raised(
        errors.BackendNotFoundError,
        "'pytorch'",
        "'torch'",
        call=lambda: ad.gradient(squares, X, backend="pytorch"),
    )
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("wrong", [3, int, object()])
def test_what_is_no_backend(wrong):
    raised(errors.ArgumentError, "backend", call=lambda: ad.gradient(squares, X, backend=wrong))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("numpy:compiled", {"compile": True}),
        ("numpy:forward:compiled", {"mode": "forward", "compile": True}),
        ("numpy:compiled:forward", {"mode": "forward", "compile": True}),
        ("finite:complex", {"scheme": "complex"}),
    ],
)
def test_names_of_variants(name, options):
    prepared = ad.prepare_gradient(lambda x: np.sum(x**3), np.ones(2), backend=name)
    assert prepared.backend.replace(**options) == prepared.backend
    np.testing.assert_allclose(prepared(np.array([1.0, 2.0])), [3.0, 12.0], rtol=1e-8)


@pytest.mark.parametrize("name", ["numpy:", "numpy:comp", "jax:compiled", "sympy:compiled"])
def test_unknown_variants(name):
    with pytest.raises(errors.ArgumentError, match="has no variant"):
        ad.gradient(np.sum, np.ones(2), backend=name)


@pytest.mark.parametrize("name", ["numpy:forward:reverse", "numpy:compiled:compiled"])
def test_variants_that_contradict(name):
    with pytest.raises(errors.ArgumentError, match="leave one word out"):
        ad.gradient(np.sum, np.ones(2), backend=name)


def test_an_unknown_mode():
    raised(
        errors.ArgumentError,
        "'sideways'",
        "forward",
        call=lambda: ad.gradient(squares, X, backend=f"{NAME}:sideways"),
    )


def test_an_operator_that_cannot_be_had():
    from polyad.systems.base import Backend

    class Once(type(BACKEND)):
        nestable = False

        def hvp(self, problem):
            return Backend.hvp(self, problem)

    error = raised(
        errors.UnsupportedOperatorError,
        "cannot differentiate its own derivatives", "another backend",
        call=lambda: ad.hvp(squares, X, v=X, backend=Once()),
    )  # fmt: skip
    assert isinstance(error, NotImplementedError)


# -- the function ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("operator", ["gradient", "hvp", "hessian"])
def test_an_output_that_is_no_scalar(backend, operator):
    seed = {"v": X} if operator == "hvp" else {}
    for call in (getattr(ad, operator), getattr(ad, f"prepare_{operator}")):
        error = raised(
            errors.NonScalarOutputError, "(3,)", operator, "jacobian",
            call=lambda call=call: call(lambda x: x**2, X, backend=backend, **seed),
        )  # fmt: skip
        assert isinstance(error, ValueError)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_output_of_one_entry_in_a_vector(backend):
    raised(
        errors.NonScalarOutputError, "(1,)", "y[0]",
        call=lambda: ad.gradient(lambda x: ad.namespace(x).reshape(squares(x), (1,)), X, backend=backend),
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_output_that_is_a_tree(backend):
    raised(
        errors.NonScalarOutputError, "2 leaves", "has_aux",
        call=lambda: ad.gradient(lambda x: (squares(x), x), X, backend=backend),
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("output", "words"),
    [(None, "forget a return"), ("text", "str"), ({1, 2}, "set")],
    ids=["None", "text", "set"],
)
def test_an_output_that_is_nothing(backend, output, words):
    for operator in (ad.gradient, ad.jacobian, ad.prepare_gradient):
        error = raised(
            errors.OutputTypeError,
            words,
            call=lambda operator=operator: operator(lambda x: output, X, backend=backend),
        )
        assert isinstance(error, TypeError)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_integer_output(backend):
    raised(
        errors.OutputTypeError, "int", "floating-point",
        call=lambda: ad.jacobian(lambda x: ad.namespace(x).asarray(np.arange(3)), X, backend=backend),
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_aux_that_is_missing(backend):
    raised(
        errors.OutputTypeError, "has_aux", "(output, aux)",
        call=lambda: ad.gradient(squares, X, backend=backend, has_aux=True),
    )  # fmt: skip


@pytest.mark.parametrize("operator", ["gradient", "jacobian", "derivative", "hessian", "prepare_gradient"])
def test_what_is_no_function(operator):
    raised(
        errors.ArgumentError,
        "function first",
        call=lambda: getattr(ad, operator)(X, squares, backend=BACKEND),
    )
    raised(
        errors.ArgumentError,
        operator.removeprefix("prepare_"),
        call=lambda: getattr(ad, operator)(squares, backend=BACKEND),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_errors_of_the_function_itself_stay_what_they_are(backend):
    class Mine(Exception):
        pass

    def f(x):
        raise Mine("here")

    for operator in (ad.gradient, ad.jacobian, ad.prepare_hessian):
        with pytest.raises(Mine, match="here"):
            operator(f, X, backend=backend)


# -- the arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.arange(3), ("int64", "astype(float)")),
        (3, ("3", "3.0")),
        (True, ("bool",)),
        (np.array([1, None], dtype=object), ("object",)),
        (np.array(["a"]), ("<U1",)),
        (None, ("no arrays",)),
        ("text", ("str", "pass an array")),
        ([], ("no arrays",)),
        ({"a": np.ones(2), "b": "text"}, ("'b'", "str")),
        (np.ma.masked_array([1.0]), ("MaskedArray", "np.asarray")),
    ],
    ids=repr,
)
def test_inputs_without_derivative(x, words):
    kept = copy.deepcopy(x)
    for operator in (ad.gradient, ad.jacobian, ad.prepare_gradient):
        error = raised(
            errors.InputTypeError,
            *words,
            call=lambda operator=operator: operator(squares, x, backend=BACKEND),
        )
        assert isinstance(error, TypeError)
    assert repr(x) == repr(kept)


def test_a_constant_that_is_a_word_should_be_static():
    raised(
        errors.InputTypeError,
        "argument 1",
        "Static",
        call=lambda: ad.gradient(squares, X, "a", backend=BACKEND),
    )


@pytest.mark.parametrize("operator", [ad.derivative, ad.second_derivative])
def test_a_derivative_of_an_array(operator):
    raised(
        errors.ArgumentError,
        "(3,)",
        "scalar input",
        call=lambda: operator(lambda x: x**2, X, backend=BACKEND),
    )


@pytest.mark.parametrize(
    ("argnums", "words"),
    [(2, "out of range"), (-3, "arguments given: 2"), ((), "empty"), ((0, 0), "twice"), ((0, -2), "twice"),
     ("0", "int"), (1.0, "int"), (True, "int"), ((0, "a"), "int")],
)  # fmt: skip
def test_argnums(argnums, words):
    raised(
        errors.ArgumentError,
        words,
        call=lambda: ad.gradient(squares, X, 2.0, argnums=argnums, backend=BACKEND),
    )


def test_an_active_static_argument():
    raised(
        errors.ArgumentError,
        "Static",
        "argnums",
        call=lambda: ad.gradient(squares, ad.Static(2.0), backend=BACKEND),
    )


# -- directions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("v", "words"),
    [
        (np.ones(2), ("(2,)", "(3,)")),
        (np.ones((2, 3)), ("(2, 3)", "batched=True")),
        ((np.ones(3),), ("structure",)),
        (1.0, ("()", "(3,)")),
        (np.ones(3) * 1j, ("complex", "real")),
        ("text", ("str",)),
        (np.array(["a", "b", "c"]), ("<U1",)),
    ],
    ids=repr,
)
def test_directions_that_do_not_fit(v, words):
    kept = copy.deepcopy(v)
    prepared = ad.prepare_jvp(lambda x: x**2, X, backend=BACKEND)
    for call in (
        lambda: ad.jvp(lambda x: x**2, X, v=v, backend=BACKEND),
        lambda: ad.hvp(squares, X, v=v, backend=BACKEND),
        lambda: ad.vjp(lambda x: x**2, X, w=v, backend=BACKEND),
        lambda: prepared(X, v=v),
        lambda: prepared.value_and(X, v=v),
    ):
        error = raised(errors.TangentMismatchError, *words, call=call)
        assert isinstance(error, ValueError)
    np.testing.assert_array_equal(prepared(X, v=np.ones(3)), 2 * X)
    assert repr(v) == repr(kept)


def test_batches_that_do_not_fit():
    f, tree = (lambda t: t[0] * t[1]), (X, X)
    uneven = (np.ones((2, 3)), np.ones((3, 3)))
    raised(errors.TangentMismatchError, "(k, 3)",
           call=lambda: ad.jvp(lambda x: x, X, v=np.ones((2, 2)), batched=True, backend=BACKEND))  # fmt: skip
    raised(errors.TangentMismatchError, "same number of directions",
           call=lambda: ad.jvp(f, tree, v=uneven, batched=True, backend=BACKEND))  # fmt: skip
    raised(errors.TangentMismatchError, "no axis",
           call=lambda: ad.jvp(lambda t: t, 1.0, v=1.0, batched=True, backend=BACKEND))  # fmt: skip
    raised(errors.ArgumentError, "example of v=",
           call=lambda: ad.prepare_jvp(lambda x: x, X, batched=True, backend=BACKEND))  # fmt: skip


# -- preparation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_does_not_fit_its_preparation(backend):
    grad = ad.prepare_gradient(lambda x, p: p["s"] * squares(x), X, {"s": 2.0}, backend=backend)
    for args, words in (
        ((np.ones(4), {"s": 2.0}), ("numpy float64[3]", "numpy float64[4]", "* argument 0 (x)")),
        ((X.astype(np.float32), {"s": 2.0}), ("float32[3]",)),
        ((X, {"t": 2.0}), ("* argument 1 (p)", "['t']")),
        ((X, {"s": np.ones(2)}), ("float64[2]",)),
        ((X,), ("called with nothing",)),
        ((X, {"s": 2.0}, 1.0), ("prepared with nothing",)),
        ((None, {"s": 2.0}), ("argument 0",)),
        (("text", {"s": 2.0}), ("a str",)),
    ):
        for call in (grad, grad.value_and):
            error = raised(
                errors.PreparationMismatchError, "prepared with", "called with", "reprepare", *words,
                call=lambda call=call, args=args: call(*args),
            )  # fmt: skip
            assert len(str(error).splitlines()) >= 4  # a line per argument between the first and the last
    np.testing.assert_allclose(grad(X, {"s": 3.0}), 6 * X, rtol=1e-6)


def test_another_static_value():
    grad = ad.prepare_gradient(lambda x, n: squares(x) ** n, X, ad.Static(2), backend=BACKEND)
    raised(errors.PreparationMismatchError, "Static(2)", "Static(3)", call=lambda: grad(X, ad.Static(3)))


def test_reprepare_serves_other_shapes():
    grad = ad.prepare_gradient(squares, X, backend=BACKEND, on_mismatch="reprepare")
    for n in (2, 5, 2, 3):
        np.testing.assert_allclose(grad(np.ones(n)), 2 * np.ones(n))
    assert grad.repreparations == 2
    raised(errors.ArgumentError, "'reprepare'",
           call=lambda: ad.prepare_gradient(squares, X, backend=BACKEND, on_mismatch="guess"))  # fmt: skip


# -- out --------------------------------------------------------------------------------------------


def read_only(a):
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.full(2, 7.0), ("(2,)", "(3,)")),
        (np.full((3, 1), 7.0), ("(3, 1)",)),
        (np.full(3, 7), ("int64", "float64")),
        (read_only(np.full(3, 7.0)), ("writable",)),
        ([7.0, 7.0, 7.0], ("3 leaves",)),
        (7.0, ("cannot be written",)),
        ((np.full(3, 7.0), np.full(3, 7.0)), ("2 leaves",)),
    ],
    ids=["shape", "column", "integers", "read-only", "list", "number", "tree"],
)
def test_out_that_does_not_fit(backend, out, words):
    kept = copy.deepcopy(out)
    prepared = ad.prepare_gradient(squares, X, backend=backend)
    for call in (
        lambda: ad.gradient(squares, X, backend=backend, out=out),
        lambda: ad.value_and_gradient(squares, X, backend=backend, out=out),
        lambda: prepared(X, out=out),
        lambda: prepared.value_and(X, out=out),
    ):
        error = raised(errors.OutMismatchError, *words, call=call)
        assert isinstance(error, ValueError)
    assert repr(out) == repr(kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_out_is_untouched_if_the_function_fails(backend):
    fail = [False]

    def f(x):
        if fail[0]:
            raise RuntimeError("mine")
        return squares(x)

    prepared = ad.prepare_gradient(f, X, backend=backend)
    fail[0] = True
    out = np.full(3, 7.0)
    calls = [lambda: ad.gradient(f, X, backend=backend, out=out)]
    if backend.name not in ("casadi", "sympy"):  # their graph is built: the function does not run again
        calls.append(lambda: prepared(X, out=out))
    for call in calls:
        with pytest.raises(RuntimeError, match="mine"):
            call()
        np.testing.assert_array_equal(out, 7.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_out_is_untouched_by_a_mismatch(backend):
    prepared = ad.prepare_jvp(lambda x: x**2, X, backend=backend)
    out = np.full(3, 7.0)
    raised(errors.PreparationMismatchError, call=lambda: prepared(np.ones(4), v=X, out=out))
    raised(errors.TangentMismatchError, call=lambda: prepared(X, v=np.ones(4), out=out))
    np.testing.assert_array_equal(out, 7.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_out_may_be_an_argument(backend):
    x = X.copy()
    got = ad.gradient(squares, x, backend=backend, out=x)
    assert got is x
    np.testing.assert_allclose(x, 2 * X, rtol=1e-6)


# -- what a framework cannot follow -------------------------------------------------------------------


@pytest.mark.skipif("jax" not in EXACT, reason="jax is not installed")
def test_jax_names_the_line_and_the_remedy():
    def g(x):
        return x.sum() if x[0] > 0 else -x.sum()

    raised(errors.FunctionNotSupportedError, "test_errors.py", "x[0] > 0", "where", "jit=False",
           call=lambda: ad.prepare_gradient(g, X, backend="jax"))  # fmt: skip
    np.testing.assert_array_equal(ad.gradient(g, X, backend=ad.JAX(jit=False)), np.ones(3))
    np.testing.assert_array_equal(ad.prepare_gradient(g, X, backend=ad.JAX(jit=False))(X), np.ones(3))


@pytest.mark.skipif("autograd" not in EXACT, reason="autograd is not installed")
def test_autograd_names_the_rule_that_is_missing():
    def f(x):
        xp = ad.namespace(x)
        return xp.linalg.det(xp.reshape(x, (1, 3)).T @ xp.reshape(x, (1, 3)) + xp.eye(3))

    raised(errors.FunctionNotSupportedError, "JVP of det", "autograd:reverse",
           call=lambda: ad.gradient(f, X, backend=ad.Autograd("forward", lift=False)))  # fmt: skip


def test_every_error_is_documented_and_derived():
    for name in errors.__all__:
        error = getattr(errors, name)
        assert error.__doc__
        assert issubclass(error, (errors.PolyadError, errors.PolyadWarning))
    assert "polyad.errors" in sys.modules


@pytest.mark.parametrize("name", ["numpy", "jax", "torch", "autograd", "finite"])
@pytest.mark.parametrize("operator", [ad.gradient, ad.prepare_gradient, ad.hessian])
def test_a_complex_value_has_no_gradient(name, operator):
    with pytest.raises(errors.NonScalarOutputError, match="return its real part"):
        operator(lambda x: (1j * x).sum(), np.ones(2), backend=name)

    with pytest.raises(errors.NonScalarOutputError, match="return its real part"):
        operator(lambda x: (1j * x).sum(), np.ones(2) + 1j, backend=name)


@pytest.mark.parametrize("make", [ad.NumPy, ad.JAX, ad.Torch, ad.Autograd])
def test_the_mode_comes_first(make):
    assert make("forward").mode == "forward"
    with pytest.raises(ad.errors.ArgumentError, match="'forward' or 'reverse', not 'backward'"):
        make("backward")


@pytest.mark.parametrize("make", [ad.NumPy, ad.JAX, ad.Torch])
@pytest.mark.parametrize("size", [0, -1, 2.0, "forward", True])
def test_a_chunk_is_a_number_of_directions(make, size):
    with pytest.raises(ad.errors.ArgumentError, match="chunk_size is a positive number"):
        make(chunk_size=size)


@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse", *(b for b in EXACT if b != "numpy")])
@pytest.mark.parametrize("name", ["brentq", "root_scalar", "fsolve", "linprog"])
def test_compiled_solvers_that_are_handed_a_traced_number(
    backend: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """SciPy's compiled code turns a refusal into a SystemError, or into a complaint of its own."""
    from scipy import optimize

    solvers = {
        "brentq": lambda a: optimize.brentq(lambda z: z**3 - a, 0.0, 5.0),
        "root_scalar": lambda a: optimize.root_scalar(lambda z: z**3 - a, bracket=(0.0, 5.0)).root,
        "fsolve": lambda a: optimize.fsolve(lambda z: z**3 - a, 1.0)[0],
        "linprog": lambda a: optimize.linprog([a, 1.0], A_ub=[[1.0, 1.0]], b_ub=[1.0]).fun,
    }
    with pytest.raises(errors.FunctionNotSupportedError) as caught:
        ad.derivative(solvers[name], 2.0, backend=backend, follow=False)
    assert "test_errors.py" in str(caught.value)
    if name != "linprog":
        assert "finite" in str(caught.value) or backend in ("casadi", "sympy")
        assert abs(ad.derivative(solvers[name], 2.0, backend="finite") - 2 ** (-2 / 3) / 3) < 1e-4
    if name == "brentq" and backend not in ("casadi", "sympy"):  # polyad's serves where it is followed
        assert abs(ad.derivative(solvers[name], 2.0, backend=backend) - 2 ** (-2 / 3) / 3) < 1e-10
    capfd.readouterr()  # minpack prints the traceback that it has swallowed


INSTALLED = """
import math
import numpy as np
import polyad as ad

assert "site-packages" in ad.__file__

def f(x):
    return math.sin(x[0])

try:
    ad.gradient(f, np.ones(2), backend="numpy", follow=False)
except ad.errors.OperationNotSupportedError as error:
    print(error)
"""


def test_polyad_where_packages_are_installed_is_nobodys_package(tmp_path):
    """Tests run on a clone; in an ordinary installation polyad's own files lie beside those of packages."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "polyad").symlink_to(Path(ad.__file__).parent, target_is_directory=True)
    script = tmp_path / "script.py"
    script.write_text(INSTALLED)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
    )
    assert "script.py:9 `return math.sin(x[0])`: keep x as it is" in done.stdout, done.stdout + done.stderr
