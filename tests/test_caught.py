"""Functions that catch errors: what they do then is what they do on plain numbers, or it is refused."""

from __future__ import annotations

import contextlib
import gc
import weakref

import numpy as np
import pytest

import backends
import polyad as ad
from polyad.errors import FunctionNotSupportedError, OperationNotSupportedError, PolyadError

X = np.array([2.0, 1.0, 3.0])
SINGULAR = np.ones((2, 2))
REGULAR = np.array([[4.0, 1.0], [1.0, 3.0]])
PREPARED = [False, True]
NAMES = ["numpy:reverse", "numpy:forward", "numpy:compiled", "jax", "torch", "autograd", "casadi", "sympy"]
LIFTING = [name for name in NAMES if name.partition(":")[0] in backends.AVAILABLE]
LINALG_ERROR = np.linalg.LinAlgError  # a name that the code of a test may mention


def gradient(f, x, name, prepared, **options):
    backend = ad.NumPy(compile=True) if name == "numpy:compiled" else name
    if prepared:
        return ad.prepare_gradient(f, x, backend=backend, **options)(x)
    return ad.gradient(f, x, backend=backend, **options)


def right_or_refused(f, x, expected, name, prepared, **options):
    """Whether it is right; anything else than a refusal is an error here."""
    try:
        found = gradient(f, x, name, prepared, **options)
    except PolyadError:
        return False
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    return True


def to_float(x):
    try:
        return float(x[0]) * x[1]
    except Exception:
        return 7 * x[1]


def to_float_of_type(x):
    y = x[0]
    with contextlib.suppress(TypeError):
        y = 3 * float(x[0])
    return y * x[1]


def into_plain_array(x):
    try:
        y = np.zeros(2)
        y[0] = x[0]
        return np.sum(y) * x[1]
    except ValueError:
        return 7 * x[1]


def of_a_bare_except(x):
    try:
        return np.asarray(x)[0] * x[1]
    except:  # noqa: E722
        return 7 * x[1]


def within_a_call(x):
    def attempt():
        return np.array(x, dtype=float)[0] * x[1]

    try:
        return attempt()
    except (KeyError, Exception) as error:
        return 7 * x[1] + 0 * len(str(error))


SWALLOWED = [to_float, into_plain_array, of_a_bare_except, within_a_call]


@pytest.mark.parametrize("prepared", PREPARED)
@pytest.mark.parametrize("name", LIFTING)
@pytest.mark.parametrize("f", SWALLOWED, ids=lambda f: f.__name__)
def test_a_refusal_that_the_function_caught_is_not_lost(f, name, prepared):
    right_or_refused(f, X, [1.0, 2.0, 0.0], name, prepared)


@pytest.mark.parametrize("name", LIFTING)
def test_a_refusal_that_was_suppressed_is_not_lost(name):
    assert not right_or_refused(to_float_of_type, X, [3.0, 6.0, 0.0], name, False, follow=False)
    assert right_or_refused(to_float_of_type, X, [3.0, 6.0, 0.0], name, False)


def test_the_refusal_says_who_caught_it_and_what_to_do():
    with pytest.raises(OperationNotSupportedError, match=r"float\(x\).*caught.*PolyadError") as caught:
        ad.gradient(to_float, X, backend="numpy", follow=False)
    assert "return float(x[0]) * x[1]" in str(caught.value)


@pytest.mark.parametrize("name", LIFTING)
def test_who_names_the_errors_of_polyad_means_it(name):
    def f(x):
        try:
            y = float(x[0])
        except PolyadError:
            y = x[0]
        return y * x[0]

    assert right_or_refused(f, X, [4.0, 0.0, 0.0], name, False)


@pytest.mark.parametrize("name", LIFTING)
def test_what_plain_arrays_raise_may_be_caught(name):
    def f(x):
        try:
            y = float(x)
        except TypeError:
            y = np.sum(x)
        try:
            x.unheard_of  # noqa: B018
        except AttributeError:
            y = y * 2
        try:
            x[17]
        except IndexError:
            y = y * 3
        return y

    assert right_or_refused(f, X, [6.0, 6.0, 6.0], name, False)


@pytest.mark.parametrize("name", LIFTING)
def test_log_messages_are_no_refusals(name, caplog):
    import logging

    def f(x):
        logging.getLogger("polyad-test").warning("%s", x.shape)
        return x[0] ** 2

    assert right_or_refused(f, X, [4.0, 0.0, 0.0], name, False)


def test_a_refusal_within_an_inner_derivative_reaches_the_outer_one():
    def f(x):
        try:
            return ad.gradient(lambda y: float(x[0]) * y[1] ** 2, x, backend="numpy", follow=False)[1]
        except TypeError:
            return 7 * x[1]

    with pytest.raises(FunctionNotSupportedError, match="caught"):
        ad.gradient(f, X, backend="numpy", follow=False)


def test_nothing_is_kept_of_what_was_refused():
    class Held:
        pass

    held = Held()
    kept = weakref.ref(held)

    def f(x, held=held):
        try:
            return float(x[0]) * x[1]
        except TypeError:
            return x[1]

    with contextlib.suppress(PolyadError):
        ad.gradient(f, X, backend="numpy")
    del f, held
    gc.collect()
    assert kept() is None


# -- matrices that have no factor ------------------------------------------------------------------------

ERRORS = [
    Exception,
    ValueError,
    np.linalg.LinAlgError,
    (KeyError, ValueError),
    (np.linalg.LinAlgError, TypeError),
]


def solving(matrix, what, errors):
    def f(x):
        m = matrix * x[0]
        try:
            if what == "solve":
                y = np.linalg.solve(m, x[:2])
            elif what == "inv":
                y = np.linalg.inv(m) @ x[:2]
            else:
                y = np.linalg.cholesky(m - (matrix is SINGULAR) * 5 * np.eye(2)) @ x[:2]
        except errors:
            y = 100 * x[:2]
        return np.sum(y)

    return f


@pytest.mark.parametrize("name", LIFTING)
@pytest.mark.parametrize("what", ["solve", "inv", "cholesky"])
@pytest.mark.parametrize("errors", ERRORS, ids=str)
def test_the_other_way_of_a_singular_matrix_is_taken_or_refused(errors, what, name):
    f = solving(SINGULAR, what, errors)
    found = right_or_refused(f, X, [100.0, 100.0, 0.0], name, what == "inv")
    if name in ("numpy:reverse", "numpy:forward", "torch", "autograd"):
        assert found


@pytest.mark.parametrize("name", LIFTING)
@pytest.mark.parametrize("what", ["solve", "inv", "cholesky"])
def test_the_other_way_of_a_regular_matrix_is_not_taken(what, name):
    f = solving(REGULAR, what, Exception)
    right_or_refused(f, X, ad.gradient(f, X, backend="numpy"), name, False)


@pytest.mark.parametrize("name", [name for name in LIFTING if name in ("jax", "casadi")])
def test_who_has_no_other_way_is_not_refused(name):
    def f(x):
        try:
            y = np.sum(np.linalg.solve(REGULAR * x[0], x[:2]))
        except (KeyError, ZeroDivisionError):
            y = x[0]
        try:
            z = 1 / len(x)
        except ValueError:
            z = 0.0
        return y + z

    assert right_or_refused(f, X, ad.gradient(f, X, backend="numpy"), name, False)


def test_a_compiled_program_leaves_singular_matrices_to_the_function():
    def f(x):
        return np.sum(np.linalg.solve(np.outer(x, x) + np.diag([x[0], x[1]]) - 1, x))

    gradient = ad.prepare_gradient(f, np.array([2.0, 3.0]), backend=ad.NumPy(compile=True))
    with pytest.raises(LINALG_ERROR) as caught:
        gradient(np.array([0.0, 0.0]))
    assert any("np.linalg.solve" in str(step) for step in caught.traceback)


# -- np.errstate ---------------------------------------------------------------------------------------------


def at_a_pole(x):
    with np.errstate(all="raise"):
        try:
            y = np.log(x - 1)
        except FloatingPointError:
            y = 100 * x
    return np.sum(y)


@np.errstate(over="raise")
def exploding(x):
    return np.exp(1000 * x)


def too_large(x):
    try:
        y = exploding(x)
    except ArithmeticError:
        y = 100 * x
    return np.sum(y)


@pytest.mark.parametrize("name", LIFTING)
@pytest.mark.parametrize("f", [at_a_pole, too_large], ids=lambda f: f.__name__)
def test_errors_of_floating_point_are_raised_or_refused(f, name):
    found = right_or_refused(f, X, np.full(3, 100.0), name, f is at_a_pole)
    if name in ("numpy:reverse", "numpy:forward", "torch", "autograd"):
        assert found


@pytest.mark.parametrize("name", LIFTING)
def test_they_are_no_matter_where_nobody_catches_them(name):
    def f(x):
        with np.errstate(all="raise"):
            return np.sum(np.log(x))

    assert right_or_refused(f, X, 1 / X, name, True)


@pytest.mark.parametrize("name", ["numpy:reverse", "torch", "autograd"])
def test_at_other_points_the_first_way_is_taken(name):
    assert right_or_refused(at_a_pole, X + 1, 1 / X, name, True)


# -- what has no derivative ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numpy:reverse", "numpy:forward", "autograd"])
def test_qr_of_dependent_columns_is_refused(name):
    for a in (np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])):
        with pytest.raises(OperationNotSupportedError, match="columns depend on each other"):
            ad.gradient(lambda a: np.sum(np.linalg.qr(a)[0]), a, backend=name)


@pytest.mark.parametrize("method", ["hex", "as_integer_ratio"])
def test_methods_of_python_floats_are_refused_by_name(method):
    with pytest.raises(OperationNotSupportedError, match=method):
        ad.derivative(lambda x: x * len(str(getattr(x, method)())), 2.0, backend="numpy")
