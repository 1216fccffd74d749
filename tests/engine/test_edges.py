"""Every elementwise primitive right at its special points, to third order, in every mode and framework.

Two frameworks are asked less. JAX compiles each operation of each order anew (a second a name and order, 250
names): the functions whose rule is replaced go to the second order, forward; the others take the table's
partials, which the other frameworks test to the third, and are tested inside JAX away from these points
(test_special, test_lift). Torch forward within itself loses levels, which polyad refuses: its forward mode is
tested over its reverse one.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.special as sp
import scipy.stats
from edge_runners import ENGINE, FRAMEWORKS
from edges import CONVENTIONS, ELSEWHERE, FILE, SMOOTH, function, key, references

import polyad as ad
from polyad.engine.core.kinds import PARTIALS
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.user.primitives import Defined
from polyad.systems.registry import is_installed, load

REFERENCES = json.loads(FILE.read_text())
INSTALLED = {name: runner for name, runner in FRAMEWORKS.items() if is_installed(load(name.split()[0]))}
# The slope of tanh is 1 - tanh**2, as in every framework: it keeps absolute digits, not relative ones. So do
# CasADi's differences beside zero.
ABSOLUTE = frozenset({"tanh", "arcsin", "arccos", "arctanh"})

pytestmark = pytest.mark.filterwarnings("ignore")  # of infinities at poles, and of what torch imports


def groups(name):
    """Function of one array, its values, and the references, for every direction of the operands."""
    row, f = SMOOTH[name], function(name)
    for way in row.ways:
        columns = [np.array(c) for c in zip(*row.points, strict=True)]
        active = [k for k, u in enumerate(way) if u]
        alone = len(active) == 1

        def g(t, columns=columns, way=way, alone=alone):
            args = [(t if alone else c + t * u) if u else c for c, u in zip(columns, way, strict=True)]
            y = f(*args)
            return np.real(y) + np.imag(y) if COMPLEX.get(name) else y

        x = columns[active[0]] * 1.0 if alone else np.zeros(len(row.points))
        expected = np.array([REFERENCES[key(name, way, p)] for p in row.points]).T
        yield g, x, expected, f"{name}, direction {way}, at {row.points}"


def _is_complex(name):
    with np.errstate(all="ignore"):
        return np.iscomplexobj(function(name)(*SMOOTH[name].points[0]))


COMPLEX = {name: _is_complex(name) for name in SMOOTH}


def check(found, expected, rtol, absolute, message):
    for order, (value, right) in enumerate(zip(found, expected, strict=False)):
        value = np.broadcast_to(np.asarray(value, dtype=float), right.shape)
        tolerance = rtol * 100.0 ** max(0, order - 1) * np.abs(right)
        # where a derivative is zero, it is the difference of numbers like those of lower order
        tolerance += np.where(right == 0, rtol * np.abs(expected[: order + 1]).max(axis=0), 1e-290)
        if order == 0 or absolute:
            tolerance += 1e-15
        assert (np.abs(value - right) <= tolerance).all(), f"order {order} of {message}: {value} for {right}"


@pytest.mark.parametrize("name", SMOOTH)
def test_in_every_mode(name):
    for mode, runner in ENGINE.items():
        for f, x, expected, message in groups(name):
            check(runner(f, x), expected, SMOOTH[name].rtol, name in ABSOLUTE, f"{message}, {mode}")


# JAX compiles every operation of each of these, which takes most of the time: those of its own whose rule is
# replaced, to the second order. What it lacks is computed as in the other frameworks.
IN_JAX = (
    "power sinc hypot arctan2 logaddexp expm1 arctanh expit log_ndtr i0 betaln digamma xlogy xlog1py "
    "gammainc hyp2f1 ldexp absolute"
).split()


@pytest.mark.parametrize(
    ("name", "framework"),
    [(n, f) for n in SMOOTH for f in INSTALLED if n in IN_JAX or not f.startswith("jax")],
)
def test_in_every_framework(name, framework):
    for f, x, expected, message in groups(name):
        try:
            found = INSTALLED[framework](f, x)
        except ad.errors.OperationNotSupportedError:
            assert name in REFUSED.get(framework, ()), f"{message} is refused by {framework}"
            return
        check(found, expected, SMOOTH[name].rtol, name in ABSOLUTE, f"{message}, {framework}")


# what is refused by name: complex numbers in SymPy, integers
REFUSED = {
    "sympy": frozenset(
        "ldexp wofz hankel1 hankel2 hankel1e hankel2e ber bei berp beip voigt_profile lambertw eval_hermite "
        "eval_hermitenorm modfresnelp_0 modfresnelp_1 modfresnelm_0 modfresnelm_1".split()
    ),
    "autograd": frozenset({"real"}),
    # what has no form in elementary functions
    "casadi": frozenset(n for n in SMOOTH if n in PARTIALS and PRIMITIVES[n].home != "numpy") | {"nextafter"},
}


# derivatives by parameters, which test_parameters has
PARAMETERS = ("gammainc_", "betainc_", "stdtr_", "student_", "zeta_", "kve_", "ive_", "jv_", "yv_")


def test_every_primitive_has_a_row():
    derived = {
        name
        for name, (partials, _) in PARTIALS.items()
        if any(d is not None for d in partials)
        and not name.startswith(("carlson", *PARAMETERS))
        and not isinstance(PRIMITIVES[name], Defined)  # by tests of ad.define in the same process
    }
    assert derived - SMOOTH.keys() - ELSEWHERE == {"leg"}  # of the inverses of sine, which have rows


def test_the_table_is_mpmaths():
    rows = [(name, way, p) for name, row in SMOOTH.items() for way in row.ways for p in row.points]
    assert {key(*row) for row in rows} == REFERENCES.keys()
    for name, way, point in rows[::29]:
        found = references(name, way, point)
        np.testing.assert_allclose(found, REFERENCES[key(name, way, point)], rtol=1e-9, atol=1e-30)


BACKENDS = [
    name for name in ("numpy", "jax", "torch", "autograd", "casadi", "sympy") if is_installed(load(name))
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_conventions(backend):
    options = {"jax": ad.JAX(lift=True), "torch": ad.Torch(lift=True), "autograd": ad.Autograd(lift=True)}
    wrong = {}
    for row in CONVENTIONS:
        f = function(row.name)
        with np.errstate(all="ignore"):
            found = ad.jacobian(
                lambda x: f(*[x[k : k + 1] for k in range(len(row.point))]),  # noqa: B023
                np.array(row.point),
                backend=options.get(backend, backend),
            )
        if not np.array_equal(np.ravel(found), row.partials):
            wrong[row.name, row.point] = np.ravel(found), row.partials
    assert not wrong


def test_empty_arrays():
    for name, row in SMOOTH.items():
        if "_" in name and name[-1].isdigit():
            continue
        f, n = function(name), len(row.points[0])
        k = next(k for k, u in enumerate(row.ways[0]) if u)
        args = [np.zeros(0) if j == k else row.points[0][j] for j in range(n)]
        found = ad.jacobian(lambda x: f(*args[:k], x, *args[k + 1 :]), args[k])  # noqa: B023
        assert found.shape == (0, 0)


def test_functions_that_read_plain_arrays_name_what_to_call():
    """Out of SciPy's Python code comes no raw error about objects, but the function and the remedy."""
    x = np.array([1.5, 2.0])
    for f, at in ((lambda t: sp.polygamma(1, t), 1.5), (lambda t: np.sum(sp.polygamma(1, t)), x)):
        with pytest.raises(ad.errors.PolyadError, match=r"scipy\.special\.polygamma turns x.*zeta"):
            ad.gradient(f, at, follow=False)
        found = ad.gradient(f, at)  # what it calls is followed
        np.testing.assert_allclose(found, sp.polygamma(2, at), rtol=1e-12)
    for f in (lambda p: scipy.stats.binom.logpmf(3, 10, p), lambda p: scipy.stats.beta.logpdf(0.3, p, 2.0)):
        with pytest.raises(ad.errors.PolyadError, match=r"scipy\.stats\.log.*polyad\.stats"):
            ad.gradient(f, 0.4, follow=False)
        np.testing.assert_allclose(ad.gradient(f, 0.4), ad.gradient(f, 0.4, backend="finite"), rtol=1e-7)
    # the remedies work
    for n in (1, 2):
        found = ad.derivative(lambda t: (-1) ** (n + 1) * sp.gamma(n + 1) * sp.zeta(n + 1, t), 1.5)  # noqa: B023
        np.testing.assert_allclose(found, sp.polygamma(n + 1, 1.5), rtol=1e-12)


def test_sums_of_powers_at_zero():
    """A constant array of exponents with zero among them, at zero, under every backend and when prepared."""
    exponents = np.array([1.0, 0.0, 2.0, 3.0])

    def f(x):
        return np.sum(x**exponents)

    for backend in BACKENDS:
        gradient = ad.prepare_gradient(f, np.ones(4), backend=backend)(np.zeros(4))
        hessian = ad.prepare_hessian(f, np.ones(4), backend=backend)(np.zeros(4))
        np.testing.assert_array_equal(gradient, [1.0, 0.0, 0.0, 0.0], err_msg=backend)
        np.testing.assert_array_equal(hessian, np.diag([0.0, 0.0, 2.0, 0.0]), err_msg=backend)


def test_large_whole_numbers_under_sympy():
    if not is_installed(load("sympy")):
        pytest.skip("needs sympy")
    found = ad.gradient(lambda x: sp.betaln(x, 1e10), 2.0, backend="sympy")
    np.testing.assert_allclose(found, sp.digamma(2.0) - sp.digamma(2.0 + 1e10), rtol=1e-12)


def test_torch_has_forward_within_forward():
    """torch runs such a rule with its forward mode off, and would lose the outer level without a word."""
    torch = pytest.importorskip("torch")

    from polyad.engine import run

    def f(a):
        return run.unlift(sp.jv(1.5, run.lift("torch", a)))

    def step(g):
        return lambda a: torch.func.jvp(g, (a,), (torch.ones_like(a),))[1]

    x = torch.tensor([0.5], dtype=torch.float64)
    for order, found in enumerate((step(f)(x), step(step(f))(x), step(step(step(f)))(x)), 1):
        np.testing.assert_allclose(found, [sp.jvp(1.5, 0.5, order)], rtol=1e-12)
