"""Nothing that is lifted computes in less precision than NumPy, and results have NumPy's types.

All universal functions of NumPy meet all pairs of companions (truth values, whole numbers of every size,
Python's numbers, single and double precision, complex numbers), and all functions of the tables of cases meet
arrays of other types. References are NumPy's own values and types, and derivatives by differences that are
exact for functions that are linear in pieces.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse
import scipy.special as sp
from cases import CASES

import polyad as ad
from polyad.engine import run
from polyad.engine.boxes.box import Box
from polyad.errors import OperationNotSupportedError

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning"),
]

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

ARRAYS = {
    "bool": np.array([True, False, True]),
    **{f"int{n}": np.array([3, -2, 1], dtype=f"int{n}") for n in (8, 16, 32, 64)},
    "uint8": np.array([3, 2, 1], dtype=np.uint8),
    "float16": np.array([0.5, 1.25, -0.75], dtype=np.float16),
    "float32": np.array([0.5, 1.3, -0.7], dtype=np.float32),
    "float64": np.array([0.4, 1.3, -0.7]),
    "complex64": np.array([0.4 + 1j, 1.3, -0.7], dtype=np.complex64),
    "complex128": np.array([0.4 + 1j, 1.3, -0.7]),
}
NUMBERS = {"True": True, "2": 2, "0.1": 0.1, "1j": 1j}
UFUNCS = {
    f.__name__: f
    for f in vars(np).values()
    if isinstance(f, np.ufunc) and f.signature is None and f.nin <= 2 and f is not np.isnat
}
# None has NumPy's neighbours of numbers, and only some have its operations on bits.
BITS = frozenset("left_shift right_shift bitwise_count spacing nextafter gcd lcm frexp invert".split())
BITS |= {"bitwise_and", "bitwise_or", "bitwise_xor"}
ORDER = frozenset("less less_equal greater greater_equal maximum minimum fmax fmin rint sign".split())
TOLERANCE = {"float16": 5e-3, "float32": 2e-6, "complex64": 2e-6}


def torch_box(a):
    import torch

    return run.lift("torch", torch.tensor(a))


def autograd_box(a):
    from autograd.core import VJPNode
    from autograd.tracer import new_box

    if np.asarray(a).dtype.kind not in "fc":
        return a  # autograd leaves whole numbers to NumPy
    return run.lift("autograd", new_box(a, 0, VJPNode.new_root()))


def casadi_box(a):
    import casadi

    from polyad.systems.casadi.symbolic import constant

    return run.lift("casadi", constant(a, casadi.MX))


def sympy_box(a):
    from polyad.engine.interpretations.adapter import adapter

    return run.lift("sympy", adapter("sympy").constant(a, None))


def numbers(a):
    """What a result is in NumPy: its type, and its values."""
    if not isinstance(a, Box):
        a = np.asarray(a)
        return numbers(Box(run.gathered(a))) if a.dtype == object else (a.dtype, a)
    dtype, a = np.dtype(a.dtype), run.unlift(a)
    if hasattr(a, "column"):
        import casadi

        return dtype, np.array(casadi.evalf(a.column)).reshape(a.shape)
    if hasattr(a, "resolve_conj"):
        return dtype, a.detach().resolve_conj().numpy()
    if type(a).__name__ == "Expressions":
        flat = [complex(bool(e) if dtype.kind == "b" else e.doit()) for e in a.array.flat]
        return dtype, np.array(flat).reshape(a.shape)
    return dtype, np.asarray(getattr(a, "_value", a))


def combinations(f, arrays):
    if f.nin == 1:
        return [(name,) for name in arrays]
    pairs = [(a, b) for a in arrays for b in (*arrays, *NUMBERS)]
    return pairs + [(b, a) for a in arrays for b in NUMBERS]


def as_listed(out):
    return out if isinstance(out, tuple) else (out,)


def check_ufunc(name, names, lift, *, may_refuse):
    f, args = UFUNCS[name], [ARRAYS[n] if n in ARRAYS else NUMBERS[n] for n in names]
    try:
        expected = as_listed(f(*args))
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, TypeError):  # where values decide, they may not be known
            with pytest.raises(TypeError):
                f(*[lift(a) if isinstance(a, np.ndarray) else a for a in args])
        return
    try:
        found = as_listed(f(*[lift(a) if isinstance(a, np.ndarray) else a for a in args]))
    except OperationNotSupportedError as error:
        assert may_refuse(name, [a.dtype for a in expected], str(error)), f"{name} of {names}: {error}"
        return
    for one, other in zip(found, expected, strict=True):
        dtype, values = numbers(one)
        assert dtype == other.dtype, f"{name} of {names}: {dtype}, not {other.dtype}"
        tolerance = TOLERANCE.get(str(other.dtype), 1e-14)
        message = f"{name} of {names}"
        np.testing.assert_allclose(values, other, rtol=tolerance, atol=tolerance, err_msg=message)


def refuses_bits(name, dtypes, text):
    """Operations on bits, and the order of complex numbers; whole numbers that would wrap around."""
    return name in BITS or (name in ORDER and "complex" in text) or "wraps around" in text


# Rounding differs in half precision, which CasADi and SymPy do not have: 0.5 % 0.1 is anything there.
UNSTEADY = frozenset(("remainder", "fmod", "floor_divide", "divmod"))
LIFTS = {"torch": torch_box, "autograd": autograd_box, "casadi": casadi_box, "sympy": sympy_box}


@pytest.mark.parametrize("library", LIFTS)
def test_universal_functions(library):
    real_only = library in ("casadi", "sympy")
    arrays = {n: a for n, a in ARRAYS.items() if not (real_only and a.dtype.kind == "c")}
    for name, f in UFUNCS.items():
        for names in combinations(f, arrays):
            if real_only and ("1j" in names or (name in UNSTEADY and "float16" in names)):
                continue
            if library == "casadi" and name in ("divide", "true_divide") and names == ("bool", "bool"):
                continue  # of two constants, 0 / 0 is 1 there
            if name == "ldexp" and names[1] not in ("bool", "int8", "int16", "int32"):
                continue  # of other exponents it is NumPy that refuses, and not all of them
            check_ufunc(name, names, LIFTS[library], may_refuse=refuses_bits)


def test_universal_functions_of_jax():
    """Traced only, which is what decides about types; values in one program for a part of them."""
    import jax

    checked = []

    def every(arrays):
        results = []
        for name, f in UFUNCS.items():
            for names in combinations(f, KINDS):
                try:
                    with np.errstate(all="ignore"):
                        expected = as_listed(f(*[ARRAYS.get(n, NUMBERS.get(n)) for n in names]))
                    found = as_listed(
                        f(*[run.lift("jax", arrays[n]) if n in arrays else NUMBERS[n] for n in names])
                    )
                except (TypeError, ValueError, OverflowError):
                    continue
                for one, other in zip(found, expected, strict=True):
                    assert one.dtype == other.dtype, f"{name} of {names}: {one.dtype}, not {other.dtype}"
                    checked.append((name, names, other))
                    results.append(run.unlift(one))
        return results

    KINDS = ["bool", "int32", "uint8", "float32", "float64"]
    with jax.enable_x64(True):
        jax.eval_shape(every, {n: ARRAYS[n] for n in KINDS})
        assert len(checked) > 1500
        checked.clear()
        KINDS = ["bool", "float64"]
        values = jax.jit(every)({n: ARRAYS[n] for n in KINDS})
    for value, (name, names, other) in zip(values, checked, strict=True):
        message = f"{name} of {names}"
        tolerance = TOLERANCE.get(str(other.dtype), 1e-14)
        np.testing.assert_allclose(value, other, rtol=tolerance, atol=tolerance, err_msg=message)


# -- functions of the tables, on arrays of other types ----------------------------------------------------

# Degenerate for whole numbers, or what no framework says: the real eigenvalues of a real matrix as real ones.
LEFT_OUT = {"eig, real", "svd, hermitian", "cond", "np.reciprocal"}
# As truth values the columns are equal: all vectors but one, and the order of eigenvalues, come of rounding,
# so that another LAPACK has others, of the same type; what all of them share is tested below.
ROUNDING = {(name, "bool") for name in ("qr", "eig, complex", "eigvals", "eigvals, stacks")}
# x ** 2 of truth values is int8 as an operator and int64 as a function
OPERATOR = "int8"


@pytest.mark.parametrize("library", ["torch", "autograd"])
@pytest.mark.filterwarnings("ignore")  # of matrices that are singular as whole numbers
def test_functions_on_other_types(library):
    """Not SciPy's functions, which are universal ones for the most part."""
    checked = 0
    for name, (f, x) in CASES.items():
        if name.startswith("sp.") or name in LEFT_OUT:
            continue
        for kind in ("float64", "float32", "int64", "int32", "bool"):
            if library == "autograd" and not kind.startswith("float"):
                continue
            array = np.asarray(x * 3 if kind[0] in "ib" else x).astype(kind)
            try:
                expected = np.asarray(f(array.copy()))
                found = f(LIFTS[library](array.copy()))
            except (TypeError, ValueError, IndexError, OverflowError, np.linalg.LinAlgError) as error:
                # NumPy has no such operation, or the library says that it lacks it
                assert kind != "float64" or isinstance(error, OperationNotSupportedError), f"{name}: {error}"
                continue
            dtype, values = numbers(found)
            message = f"{name} of {kind}"
            if kind != "bool" and (name, kind, library) not in OTHER_TYPES:
                assert dtype == expected.dtype, f"{message}: {dtype}, not {expected.dtype}"
            if (name, kind) in ROUNDING:
                assert dtype == expected.dtype and np.shape(values) == np.shape(expected)
                continue
            scale = 1 + np.max(np.abs(expected.astype(complex)), initial=0, where=np.isfinite(expected))
            tolerance = 5e-5 if kind == "float32" else 1e-2 if expected.dtype == np.float16 else 1e-12
            np.testing.assert_allclose(
                values, expected, rtol=tolerance, atol=tolerance * scale, err_msg=message
            )
            checked += 1
    assert checked > 300


# computed in double precision though NumPy rounds: autograd's own functions give no other
OTHER_TYPES = {("delete, insert", kind, "autograd") for kind in ("float32", "int64", "int32")} | {
    ("piecewise", "float32", "autograd")
}


@needs_torch
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)])
def test_factors_of_truth_values(shape):
    """Of rank one: what does not come of rounding is as NumPy has it, in double precision."""
    a = np.ones(shape, dtype=bool)
    box = LIFTS["torch"](a)
    factors = [np.asarray(numbers(part)[1]) for part in np.linalg.qr(box)]
    np.testing.assert_allclose(factors[0] @ factors[1], a, atol=1e-14)
    eye = np.broadcast_to(np.eye(3), shape)
    np.testing.assert_allclose(np.swapaxes(factors[0], -1, -2) @ factors[0], eye, atol=1e-14)
    w, v = (np.asarray(numbers(part)[1]) for part in np.linalg.eig(box))
    np.testing.assert_allclose(a @ v, v * w[..., None, :], atol=1e-14)
    for values in (w, numbers(np.linalg.eigvals(box))[1]):
        ordered = np.sort(np.real(values))
        np.testing.assert_allclose(ordered, np.broadcast_to([0.0, 0.0, 3.0], ordered.shape), atol=1e-14)


# -- functions of an array, linear in pieces, so that differences are exact ----------------------------------

X = np.array([0.37, -1.21, 2.03, 0.84, -0.05])
V = np.array([0.5, 0.25, -1.0, 2.0, -0.75])
MASK, PLACES = np.array([1, 0, 2, 0, 1]), np.arange(1, 6)
EIGHT, SINGLE = np.arange(1, 6, dtype=np.int8), np.linspace(0.1, 0.9, 5).astype(np.float32)
MATRIX = scipy.sparse.csr_array(
    np.round(np.cos(np.arange(20.0)).reshape(4, 5), 1) * (np.arange(20) % 3 > 0).reshape(4, 5)
)
OLD_MATRIX = scipy.sparse.coo_matrix(MATRIX)


def filled(x, place, item):
    y = np.zeros_like(x)
    y[place] = item
    return y * x


def order(x):
    return np.argsort(x, kind="stable")  # which CasADi knows, and not NumPy's default


LINES = {
    "truth times a number": lambda x: (x > 0) * 0.1 * x,
    "truth and a number": lambda x: ((x > 0) + 0.1) * ((x > 0) - 0.3) * x,
    "truth divided": lambda x: ((x > 0) / 3 + 0.1 / (1 + (x > 0))) * x,
    "truth added": lambda x: ((x > 0) + (x > 1)) * x,
    "truth multiplied": lambda x: ((x > 0) * (x > 1)) * 0.1 * x,
    "truth in a number's place": lambda x: (1 - (x > 0)) * 0.1 * x + 3 * (x > 1) * x,
    "logic of truth": lambda x: (
        (((x > 0) & (x < 1)) | (x > 2)) * x + ((x > 0) ^ (x > 1)) * 0.1 * x + ~(x > 0) * x
    ),
    "powers of truth": lambda x: ((x > 0) ** 2 + 2 ** (x > 0) + 0.1 ** (x > 0) + (x > 0) ** (x > 1)) * x,
    "choices of numbers": lambda x: np.where(x > 0, np.where(x > 1, 0.3, 0.2), 0.01) * x,
    "choices of whole numbers": lambda x: np.where(x > 0, 3, 7) * 0.1 * x + np.where(x > 0, 0.1, 3) * x,
    "sums of truth": lambda x: (np.sum(x > 0) * 0.1 + np.sum((x > 0) + (x > 1)) / 3) * x,
    "means of truth": lambda x: (np.mean(x > 0) + np.var(x > 0) + np.std(x > 0)) * x,
    "running sums of truth": lambda x: (np.cumsum(x > 0) * 0.1 + np.add.accumulate(x > 0) / 7) * x,
    "products of truth": lambda x: (np.prod(x > -9) * 0.1 + np.cumprod(x > -1) / 3) * x,
    "any, all": lambda x: (np.any(x > 1) * 0.1 + np.all(x > -9) * 0.3) * x,
    "extrema of truth": lambda x: (
        (np.max(x > 0) * 0.1 + np.maximum(x > 0, x > 1) / 3 + np.minimum(x > 0, 0.7)) * x
    ),
    "universal functions of truth": lambda x: (
        (np.add(x > 0, x > 1) + np.sqrt((x > 0) * 3) * 0.1 + np.exp((x > 0) * 1)) * x
    ),
    "angles of truth": lambda x: (
        (np.arctan2(x > 0, 0.3) + np.hypot(x > 0, 0.1) + np.logaddexp(x > 0, 0.1)) * x
    ),
    "logic of numbers": lambda x: (np.logical_and(x, x > 0) * 0.1 + np.logical_not(x) * 0.3) * x,
    "differences of truth": lambda x: np.diff(x > 0).sum() * 0.1 * x,
    "products of matrices of truth": lambda x: (((x > 0) @ (x > 1)) * 0.1 + (x > 0) @ PLACES / 3) * x,
    "outer products of truth": lambda x: (
        np.outer(x > 0, x).sum(0) * 0.1 + np.einsum("i,i->", x > 0, PLACES) * 0.1 * x
    ),
    "joined truth": lambda x: (
        (np.stack([x > 0, x > 1]).sum(0) * 0.1 + np.concatenate([x > 0, [0.1]])[:-1]) * x
    ),
    "steps": lambda x: (np.heaviside(x, 0.5) * 0.1 + np.sign(x) * 0.3 + np.heaviside((x > 0) - 1, 0.3)) * x,
    "whole parts": lambda x: (np.floor(3 * x) * 0.1 + np.rint(x) / 3 + np.trunc(x) / 7) * x,
    "whole numbers": lambda x: (
        ((3 * x).astype(int) * 0.1 + (3 * x).astype(int) / 7 - abs((3 * x).astype(int)) / 3) * x
    ),
    "whole division": lambda x: ((7 * x).astype(int) // 3 + (7 * x).astype(int) % 3 * 0.1) * x,
    "powers of whole numbers": lambda x: (
        ((3 * x).astype(int) ** 2 * 0.1 + np.float_power((3 * x).astype(int), 2)) * x
    ),
    "limits of whole numbers": lambda x: (
        (np.clip((3 * x).astype(int), 0, 2) * 0.1 + np.clip(x > 0, 0.1, 0.9)) * x
    ),
    "small companions": lambda x: (x > 0) * EIGHT * 0.1 * x + np.sqrt(EIGHT) * x,
    "single companions": lambda x: (x > 0) * SINGLE * x + np.where(x > 0, SINGLE, 0.1) * x,
    "numbers of NumPy": lambda x: (
        np.float32(0.1) * x + (x > 0) * np.float32(0.1) * x + np.int8(3) * x / np.int8(7)
    ),
    "masks of whole numbers": lambda x: (
        np.where(MASK, x, 0.1 * x) + np.where((3 * x).astype(int), x, 0.1 * x)
    ),
    "masks of numbers": lambda x: np.where(x, x, 0.1),
    "compress, extract": lambda x: (
        (np.compress(MASK, x) + np.extract(MASK, x) * 0.1).sum() * np.ones(5) * 0.3
    ),
    "select": lambda x: (
        np.select([x > 1, x > 0], [1, 2], 3) * 0.1 * x + np.select([x > 1, x > 0], [0.1, 0.2], 0.3) * x
    ),
    "choose": lambda x: np.choose([0, 1, 0, 1, 1], [x, 0.1 * x]),
    "buffers": lambda x: filled(x, slice(0, 2), 0.1) + filled(x, slice(0, 2), (x > 0)[:2]) * 0.1,
    "filled": lambda x: (np.ones_like(x > 0) * 0.1 + np.full_like(x, 0.1) * (x > 0) + np.full(5, 0.1)) * x,
    "weights": lambda x: np.average(x, weights=PLACES) + np.trapezoid(x > 0, dx=0.1) * x + np.isnan(x) * 0.1,
    # new arrays made of traced ones
    "np.array of numbers": lambda x: np.array([x[0], 0.1 * x[1], 2.0, x[3], 0]),
    "np.array of rows": lambda x: np.array([x, 0.1 * x]).sum(0) + np.array([k * x for k in range(3)])[2],
    "np.array of rows and constants": lambda x: np.asarray([x, SINGLE]).T @ np.array([0.3, 0.1]),
    "np.c_, np.r_": lambda x: (
        np.c_[x, 0.1 * x] @ np.array([0.3, 2]) + np.r_[x[0], 0.1, x[1:4]] + np.r_[0:2, x[2:]]
    ),
    "np.full": lambda x: np.full(5, x[0]) + np.full((2, 5), 0.1 * x)[1],
    "pad": lambda x: (
        np.pad(x[:3], 1, constant_values=x[4]) + np.pad(x[:3], (2, 0), mode="linear_ramp", end_values=0.3)
    ),
    "pad, statistics": lambda x: (
        np.pad(x[1:4], 1, mode="mean") + np.pad(x[1:4], 1, mode="maximum", stat_length=2)
    ),
    "pad, odd": lambda x: (
        np.pad(x[:3], (0, 2), mode="reflect", reflect_type="odd") + np.pad(x[:3], (1, 1), mode="wrap")
    ),
    "reduceat": lambda x: (
        np.repeat(np.add.reduceat(x, [0, 3, 1, 4]), 2)[:5] + np.maximum.reduceat(x, [0, 2])[1]
    ),
    "np.polynomial": lambda x: (
        np.polynomial.Polynomial(x)(0.5) * np.ones(5) + np.polynomial.Polynomial([1, 0.3])(x)
    ),
    "np.polynomial, families": lambda x: (
        np.polynomial.chebyshev.chebval(0.3, x) + np.polynomial.legendre.legval(x, [1, 2])
    ),
    "sparse matrices": lambda x: (
        MATRIX.T @ (MATRIX @ x) + x[:4] @ MATRIX + OLD_MATRIX.T * (OLD_MATRIX @ x) * 0.1
    ),
    "sparse matrices and matrices": lambda x: (
        (MATRIX @ np.stack([x, 0.1 * x], axis=1)).sum() + MATRIX.dot(x).sum() * x * 0
    ),
}
# what depends on places, which SymPy does not have
PLACED = {
    "places": lambda x: (order(x) * 0.1 + order(x) / 3 + (order(x) + 1) ** 0.5) * x,
    "places divided": lambda x: (order(x) // 2 + order(x) % 2 * 0.1) * x,
    "a place": lambda x: (np.argmax(x) * 0.1 + np.argmin(x) / 7) * x,
    "counted": lambda x: np.count_nonzero(x > 0) * 0.1 * x,
    "searched": lambda x: (np.searchsorted([-1.0, 0, 1], x) * 0.1 + np.digitize(x, [-1.0, 0, 1]) / 3) * x,
    "universal functions of places": lambda x: (np.sqrt(order(x)) + np.exp(order(x)) * 0.1) * x,
    "interpolated places": lambda x: np.interp(order(x), [0, 2, 4], [0.1, 0.2, 0.7]) * x,
    "sums of places": lambda x: (np.cumsum(order(x)) * 0.1 + order(x) @ PLACES / 3) * x,
    "joined places": lambda x: np.concatenate([order(x), np.arange(2)])[:5] * 0.1 * x,
    "quantiles of places": lambda x: (np.percentile(order(x), 30) + np.median(x > 0)) * x,
    "norms of places": lambda x: np.linalg.norm(order(x)) * x,
    "differences of places": lambda x: np.sum(np.diff(order(x)) * 0.1) * x,
    "pad, median": lambda x: np.pad(x[1:4], 1, mode="median"),
}
SYMBOLIC_LACKS = {"sympy": PLACED, "casadi": {}}


@pytest.mark.parametrize(
    "backend", ["torch", "torch:forward", "jax", "autograd", "casadi", "sympy", "numpy", "compiled"]
)
def test_lines(backend):
    lacks = SYMBOLIC_LACKS.get(backend, {})
    chosen = {name: f for name, f in (LINES | PLACED).items() if name not in lacks}

    def together(x):
        return tuple(f(x) for f in chosen.values())

    step = 2.0**-12
    expected = together(X)
    first = [
        (a - b) / (2 * step) for a, b in zip(together(X + step * V), together(X - step * V), strict=True)
    ]
    used = ad.NumPy(compile=True) if backend == "compiled" else backend
    values, tangents = ad.prepare_jvp(together, X, v=V, backend=used).value_and(X, v=V)
    for name, y, t, good, slope in zip(chosen, values, tangents, expected, first, strict=True):
        assert y.dtype == np.float64, name
        np.testing.assert_allclose(y, good, rtol=1e-13, atol=1e-14, err_msg=name)
        np.testing.assert_allclose(t, slope, rtol=1e-11, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("backend", ["torch", "jax", "autograd", "casadi", "sympy", "numpy"])
def test_code_that_mentions_nothing(backend):
    """Arithmetic of truth values and whole numbers is NumPy's where the code speaks of no library at all."""
    whole = np.array([1, 2, 3, 4, 5])
    functions = {
        "a comparison": (lambda x: ((x > 0) * 0.1 * x).sum(), ()),
        "a whole number": (lambda x, c: (c * 0.1 * x).sum(), (3,)),
        "whole numbers": (lambda x, c: (c * 0.1 * x).sum(), (whole,)),
        "captured whole numbers": (lambda x: (whole * 0.1 * x).sum(), ()),
        "a conversion": (lambda x: ((3 * x).astype(int) * 0.1 * x).sum(), ()),
        "a sparse matrix": (lambda x: (MATRIX @ x).sum() + (x[:4] @ MATRIX).sum(), ()),
    }
    step = 2.0**-12
    for name, (f, constants) in functions.items():
        along = [(f(X + step * e, *constants) - f(X - step * e, *constants)) / (2 * step) for e in np.eye(5)]
        found = ad.gradient(f, X, *constants, backend=backend)
        np.testing.assert_allclose(found, along, rtol=1e-11, atol=1e-11, err_msg=name)
        prepared = ad.prepare_gradient(f, X * 2, *constants, backend=backend)
        np.testing.assert_allclose(prepared(X, *constants), along, rtol=1e-11, atol=1e-11, err_msg=name)


# -- what is refused ---------------------------------------------------------------------------------------

LONG = X.astype(np.longdouble)


@pytest.mark.parametrize("backend", ["jax", "torch", "casadi", "sympy"])
@pytest.mark.parametrize(
    ("f", "arguments"),
    [
        (lambda x: np.sum(x * x), (LONG,)),
        (lambda x, c: np.sum(x * c), (X, LONG)),
        (lambda x: np.sum(x * LONG), (X,)),
        (lambda x: np.sum(x * np.longdouble(2)), (X,)),
        (lambda x: np.sum(x.astype(np.longdouble) * 2), (X,)),
        (lambda x: (x * LONG).sum(), (X,)),
    ],
)
def test_extended_precision_is_refused(f, arguments, backend):
    """Computed in double precision it would have lost digits without a word."""
    with pytest.raises((ad.errors.FunctionNotSupportedError, ad.errors.InputTypeError)) as caught:
        ad.gradient(f, *arguments, backend=backend)
    assert "float128" in str(caught.value) or str(LONG.dtype) in str(caught.value)
    assert "np.float64" in str(caught.value) or "'numpy'" in str(caught.value)
    assert ad.gradient(f, *arguments, backend="numpy").dtype == arguments[0].dtype  # the remedy


@pytest.mark.parametrize("backend", ["jax", "casadi", "sympy", ad.NumPy(compile=True)])
@pytest.mark.parametrize("choose", [max, min])
def test_pythons_extrema_name_numpys(choose, backend):
    for f in (lambda x: choose(x[0], x[1]) * x.sum(), lambda x: np.sum(choose(x[0], 0.1) * x)):
        with pytest.raises(
            ad.errors.FunctionNotSupportedError, match=r"p\.maximum and .*p\.minimum for max and min"
        ):
            ad.prepare_gradient(f, X, backend=backend, follow=False)
        followed = ad.prepare_gradient(f, X, backend=backend)
        for x in (X, X[::-1].copy()):  # either may be the larger one
            np.testing.assert_allclose(followed(x), ad.gradient(f, x, backend="numpy"), rtol=1e-14)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "casadi", "sympy"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of the way that is tried next
def test_sparse_matrices_elsewhere(backend):
    for f in (lambda x: np.dot(MATRIX, x)[0], lambda x: (x + OLD_MATRIX).sum()):
        with pytest.raises(ad.errors.FunctionNotSupportedError):
            ad.gradient(f, X, backend=backend)
    entrywise = lambda x: (MATRIX * x).sum()  # noqa: E731
    with pytest.raises(ad.errors.FunctionNotSupportedError):
        ad.gradient(entrywise, X, backend=backend, follow=False)
    np.testing.assert_allclose(ad.gradient(entrywise, X, backend=backend), MATRIX.sum(axis=0))
    with pytest.raises(ValueError, match="mismatch"):
        ad.gradient(lambda x: np.sum(MATRIX @ x[:3]), X, backend="numpy")


@needs_torch
def test_numbers_that_wrap_around():
    small = np.array([100, 100, 1, 1, 1], dtype=np.int8)

    def f(x):
        return np.sum(((x > -9).astype(np.int8) + small) * 2 * x)

    for backend in ("casadi", "sympy"):
        with pytest.raises(OperationNotSupportedError, match=r"int8 wraps around.*astype\(np.int64\)"):
            ad.gradient(f, X, backend=backend)
    expected = ((X > -9).astype(np.int8) + small) * 2
    for backend in ("numpy", "torch", "autograd"):
        np.testing.assert_array_equal(ad.gradient(f, X, backend=backend), expected)
    with pytest.raises(OverflowError, match="300 out of bounds for int8"):
        ad.gradient(lambda x: np.sum(((x > 0).astype(np.int8) + 300) * x), X, backend="torch")
    with pytest.raises(ValueError, match="negative integer powers"):
        ad.gradient(lambda x: np.sum((3 * x).astype(int) ** -1 * x), X, backend="torch")


@needs_torch
def test_new_arrays_are_new():
    """Writing to what was made does not reach its source, nor the other way round."""

    def f(x):
        x = x * 1.0
        rows = np.array([x, x])
        x[0] = 0.0
        rows[1, 1] = 2.0 * rows[0, 1]
        return np.sum(rows * np.arange(1.0, 11.0).reshape(2, 5)) + x[0]

    expected = np.array([7.0, 2.0 + 14.0, 11.0, 13.0, 15.0])
    for backend in ("numpy", "torch", "autograd", "casadi", "sympy"):
        np.testing.assert_allclose(ad.gradient(f, X, backend=backend), expected, rtol=1e-14)


@needs_torch
def test_hidden_functions_are_found():
    """Code that mentions nothing may hold its arithmetic in containers and objects."""

    class Model:
        scale = 0.1

        def step(self, x):
            return (x > 0) * self.scale * x

        @property
        def whole(self):
            return np.arange(1, 6)

    held, model = {"f": [lambda x: (x > 0) * 0.1 * x]}, Model()
    expected = (X > 0) * 0.1
    for f in (
        lambda x: held["f"][0](x).sum(),
        lambda x: model.step(x).sum(),
        lambda x: sum(step(x).sum() for step in (model.step,)),
    ):
        np.testing.assert_allclose(ad.gradient(f, X, backend="torch"), expected, rtol=1e-15)
    found = ad.gradient(lambda x: (model.whole * 0.1 * x).sum(), X, backend="torch")
    np.testing.assert_allclose(found, np.arange(1, 6) * 0.1, rtol=1e-15)


@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:compiled", "torch"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.maximum(x, 0.5),
        lambda x: np.fmin(x, x[::-1]),
        lambda x: np.clip(x, 0, 1),
        lambda x: np.max(x) * x,
        lambda x: np.linalg.eigvalsh(np.outer(x, x) + np.diag(x)),
        lambda x: sp.spence(x),
    ],
)
def test_directional_derivatives_have_the_precision_of_their_values(f, backend):
    x = np.array([0.25, 0.5, 0.75], dtype=np.float32)
    assert f(x).dtype == np.float32
    assert ad.jvp(f, x, v=x, backend=backend).dtype == np.float32
    assert ad.jacobian(f, x, backend=backend).dtype == np.float32
