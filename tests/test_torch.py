"""PyTorch: what is special to it. The scenario suite tests the rest."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from polyad.errors import ArgumentError, FunctionNotSupportedError, NonScalarOutputError, PolyadError

torch = pytest.importorskip("torch")

from polyad.systems.torch.backend import Torch  # noqa: E402

KNOWN = [1164.881764812144, 1749.5486430921133, 2346.2155213720825, 2942.8823996520514, 6431.86668789933]
MODES = [None, "forward", "reverse"]
A = torch.linspace(-1.0, 1.0, 12, dtype=torch.float64).reshape(4, 3)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def known(x):
    return x.norm() ** 3 * x[-1] + x[0] ** 2


def close(got, wanted, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=rtol, atol=rtol)


# -- numbers -----------------------------------------------------------------------------------


def without(x, order):
    """Derivatives of the product of all entries: the products of those that are left."""
    found = np.zeros((len(x),) * order, dtype=x.dtype)
    for index in itertools.permutations(range(len(x)), order):
        found[index] = math.prod(np.delete(x, index))
    return found


@pytest.mark.parametrize("mode", ["torch", "torch:forward"])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_a_lifted_product_is_right_at_zeros_to_any_order(zeros, mode):
    x, v = np.array([1.5, -0.7, 2.0, 0.3, 1.1]), np.arange(1.0, 6.0)
    x[:zeros] = 0
    close(ad.gradient(np.prod, x, backend=mode), without(x, 1))
    close(ad.jvp(np.prod, x, v=v, backend=mode), without(x, 1) @ v)
    close(ad.prepare_hvp(np.prod, x + 1, backend=mode)(x, v=v), without(x, 2) @ v)
    hessian = lambda x: ad.hessian(np.prod, x, backend=mode)  # noqa: E731
    close(hessian(x), without(x, 2))
    close(ad.jacobian(hessian, x, backend="torch"), without(x, 3))
    both = ad.hvp(
        lambda x: np.sum(np.prod(x, axis=0)), np.stack([x, x + 1], 1), v=np.ones((5, 2)), backend=mode
    )
    close(both, np.stack([without(x, 2).sum(0), without(x + 1, 2).sum(0)], 1))


def test_a_lifted_product_of_many_or_complex_entries():
    x = np.linspace(0.9, 1.1, 200)
    x[[7, 150]] = 0
    expected = np.zeros((200, 200))
    expected[7, 150] = expected[150, 7] = math.prod(np.delete(x, [7, 150]))
    close(ad.hessian(np.prod, x, backend="torch"), expected)
    # torch's own gradient is zero where the product underflows
    assert ad.gradient(np.prod, np.array([1e-300, 1e-300, 1e300, 1.0]), backend="torch")[0] == 1.0
    z, v = np.array([1 + 2j, 0, 3 - 1j, 1j]), np.array([1j, 2.0, 1.0, 1 - 1j])

    def f(z):
        return np.real(np.prod(z)) + np.imag(np.prod(z)) ** 2

    close(ad.gradient(f, z, backend="torch"), ad.gradient(f, z, backend="finite"), 1e-7)
    close(ad.hvp(f, z, v=v, backend="torch"), ad.hvp(f, z, v=v, backend="numpy"))


@pytest.mark.parametrize("mode", MODES)
def test_the_known_hvp_in_every_form(mode):
    x, v = torch.arange(1.0, 6.0, dtype=torch.float64), torch.arange(6.0, 11.0, dtype=torch.float64)
    backend = Torch(mode=mode)
    close(ad.hvp(known, x, v=v, backend=backend), KNOWN)
    close(ad.prepare_hvp(known, 2 * x, backend=backend)(x, v=v), KNOWN)
    close(ad.hessian(known, x, backend=backend) @ v, KNOWN)
    two = torch.stack([v, 2 * v])
    close(ad.hvp(known, x, v=two, batched=True, backend=backend)[1], 2 * np.array(KNOWN))


DET = vector(2.0, 0.3, -0.5, 1.0, 1.5, 0.2, 0.7, -0.4, 3.0).reshape(3, 3)


@pytest.mark.parametrize("mode", MODES)
def test_second_order_of_a_determinant(mode):
    # torch 2.13 gives wrong numbers for derivatives of its forward mode here, without an error.
    # d2 det(A)[V, V] = det(A) ((tr A^-1 V)^2 - tr (A^-1 V)^2)
    v = torch.arange(9.0, dtype=torch.float64).reshape(3, 3) / 9
    s = np.linalg.solve(DET.numpy(), v.numpy())
    wanted = np.linalg.det(DET.numpy()) * (np.trace(s) ** 2 - np.trace(s @ s))
    hv = ad.hvp(torch.linalg.det, DET, v=v, backend=Torch(mode=mode))
    close((hv * v).sum(), wanted)
    primitive = ad.FromPrimitive(Torch(), mode=mode or "forward")
    close((ad.hvp(torch.linalg.det, DET, v=v, backend=primitive) * v).sum(), wanted)


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_a_pushforward_inside_a_derivative_is_never_torchs_forward_mode(outer, inner):
    # d/dt of the tangent of log det(t A + I): the tangent along t is tr((t A + I)^-1 A)
    m = DET / 5
    eye = torch.eye(3, dtype=torch.float64)

    def slope(t):
        return ad.derivative(lambda s: torch.linalg.slogdet(s * m + eye)[1], t, backend=Torch(mode=inner))

    got = ad.derivative(slope, vector(0.7)[0], backend=Torch(mode=outer))
    s = np.linalg.solve(0.7 * m.numpy() + np.eye(3), m.numpy())
    close(got, -np.trace(s @ s))


@pytest.mark.parametrize("mode", [None, "reverse"])
@pytest.mark.parametrize("columns", [False, True])
def test_a_jacobian_of_complex_output(mode, columns):
    n = 150 if columns else 3  # both directions of the sweep
    c = torch.linspace(0.5, 1.5, n, dtype=torch.float64)
    x = vector(0.3, 0.4)
    jacobian = ad.jacobian(lambda x: torch.exp(1j * c * x[0]) * x[1], x, backend=Torch(mode=mode))
    e = np.exp(1j * c.numpy() * 0.3)
    close(jacobian, np.stack([1j * c.numpy() * e * 0.4, e], axis=1))


def test_complex_products_are_adjoint():
    z, v = torch.tensor([1 + 2j, 0.5 - 1j]), torch.tensor([0.3 - 1j, 2 + 0.1j])
    z, v = z.to(torch.complex128), v.to(torch.complex128)
    close(ad.gradient(lambda z: (z.abs() ** 2).sum(), z, backend="torch"), 2 * z)
    for mode in MODES:
        f = lambda z: z**2 * torch.conj(z[0])  # noqa: E731
        w = torch.tensor([1 - 1j, 2.0 + 0j]).to(torch.complex128)
        dy = ad.jvp(f, z, v=v, backend=Torch(mode=mode))
        dz = ad.vjp(f, z, w=w, backend=Torch(mode=mode))
        close((w.conj() * dy).sum().real, (dz.conj() * v).sum().real)
        close(dy, 2 * z * v * z[0].conj() + z**2 * v[0].conj())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    x = torch.ones(3, dtype=dtype)
    for result in (
        ad.gradient(lambda x: (x**3).sum(), x, backend="torch"),
        ad.hessian(lambda x: (x**3).sum(), x, backend="torch"),
        ad.jvp(lambda x: x**3, x, v=x, backend="torch"),
        ad.gradient(lambda x: 2.0, x, backend="torch"),
    ):
        assert result.dtype is dtype


def test_directions_are_counted_in_chunks():
    x = torch.linspace(0.1, 1.0, 7, dtype=torch.float64)
    wanted = np.diag(6 * x.numpy())
    close(ad.hessian(lambda x: (x**3).sum(), x, backend=Torch(chunk_size=3)), wanted)


# -- what torch lacks --------------------------------------------------------------------------


def distance(x):
    return torch.cdist(x[None], 2 * x[None] + 1).reshape(())


def test_pushforward_where_torch_has_neither_forward_mode_nor_double_backward():
    x = vector(1.0, 2.0, -0.5)
    prepared = ad.prepare_jvp(distance, x, backend="torch")
    # |x - (2x + 1)| = |x + 1|
    close(prepared(x, v=vector(1.0, 0.0, 2.0)), (2.0 + 0.5 * 2) / math.sqrt(4 + 9 + 0.25))
    assert "by rows" in prepared.strategy


def test_a_missing_second_derivative_is_named_at_preparation():
    with pytest.raises(FunctionNotSupportedError, match="_cdist_backward"):
        ad.prepare_hvp(distance, vector(1.0, 2.0), backend="torch")


def test_a_missing_forward_formula_is_named():
    def f(x):
        return torch.special.gammainc(torch.tensor(2.0, dtype=torch.float64), x).sum()

    x = vector(1.0, 2.0)
    with pytest.raises(FunctionNotSupportedError, match=r"no forward-mode formula.*backend='torch'"):
        ad.jvp(f, x, v=x, backend="torch:forward")
    close(ad.jvp(f, x, v=x, backend="torch"), (x**2 * torch.exp(-x)).sum())


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        if float(g.sum()) == math.inf:  # no batching rule has float()
            return g
        return 2 * x * g


class Detached(Square):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(2 * x.detach().numpy() * g.detach().numpy())


class Once(Square):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


def test_a_backward_pass_that_takes_no_batches_runs_one_by_one():
    x = vector(1.0, 2.0)
    prepared = ad.prepare_jacobian(Square.apply, x, backend="torch")
    close(prepared(x), np.diag([2.0, 4.0]))
    assert "one direction after the other" in prepared.strategy


@pytest.mark.parametrize("function", [Detached, Once])
def test_a_backward_pass_without_derivative_is_never_zero(function):
    x = vector(1.0, 2.0)

    def f(x):
        return function.apply(x).sum()

    close(ad.gradient(f, x, backend="torch"), 2 * x)
    close(ad.jvp(function.apply, x, v=x, backend="torch"), 2 * x * x)
    for call in (ad.hvp, ad.prepare_hvp):
        with pytest.raises(FunctionNotSupportedError, match="cannot be differentiated"):
            call(f, x, v=x, backend="torch")


# -- derivatives that torch would drop -----------------------------------------------------------

# each with its gradient at (0.5, 1)
LEAKS = {
    "float": (lambda x: (x**2).sum() * float(x[0]), [1.75, 1.0]),
    "item": (lambda x: (x**2).sum() * x[0].item(), [1.75, 1.0]),
    "math": (
        lambda x: (x**2).sum() * math.sin(x[0]),
        [math.sin(0.5) + 1.25 * math.cos(0.5), 2 * math.sin(0.5)],
    ),
    "tolist": (lambda x: x.sum() * x.tolist()[0], [2.0, 0.5]),
    "torch.tensor": (lambda x: torch.tensor([x[0], x[1]]).sum() + x.sum(), [2.0, 2.0]),
    "torch.as_tensor": (lambda x: torch.as_tensor([x[0], x[1]]).sum() + x.sum(), [2.0, 2.0]),
    "linspace": (lambda x: torch.linspace(x[0], 1, 5, dtype=torch.float64).sum() + x.sum(), [3.5, 1.0]),
    "a number": (lambda x: math.exp(x[0]), [math.exp(0.5), 0.0]),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("lift", [None, False])
def test_dropped_derivatives_are_right_or_refused(leak, mode, lift):
    f, wanted = LEAKS[leak]
    x, backend = vector(0.5, 1.0), Torch(mode=mode, lift=lift)
    for call in (ad.gradient, lambda *a, **k: ad.prepare_gradient(*a, **k)(x)):
        if lift is False:
            with pytest.raises(FunctionNotSupportedError, match="drops the derivative"):
                call(f, x, backend=backend)
            continue
        try:
            got = call(f, x, backend=backend)
        except FunctionNotSupportedError:
            continue
        close(got, wanted)  # polyad's own boxes follow some of them


def test_a_number_computed_behind_torchs_back_is_refused():
    def f(x):
        return np.sum(x.detach().numpy() ** 2)

    with pytest.raises(FunctionNotSupportedError, match="depends on the input"):
        ad.prepare_gradient(f, vector(0.5, 1.0), backend=Torch(lift=False))


def test_the_message_names_function_and_line():
    def f(x):
        return (x**2).sum() * math.sin(x[0])

    with pytest.raises(FunctionNotSupportedError, match=r"f at .*math.sin\(x\[0\]\).*float\(t\).*detach"):
        ad.gradient(f, vector(1.0, 2.0), backend=Torch(lift=False))


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # torch's own, for the parameter
def test_what_is_cut_on_purpose_stays_allowed():
    scale = torch.nn.Parameter(vector(2.0))
    text = []

    def f(x):
        text.append(f"{x[0]:.3f} {x}")
        if x[0] > 0:
            # the module's own parameter is no input, so its value may be used
            return (x**2).sum() * float(x.detach()[0]) * float(scale)
        return x.sum() * 0 + torch.zeros_like(x).sum()

    close(ad.gradient(f, vector(0.5, 1.0), backend="torch"), 2 * vector(0.5, 1.0) * 0.5 * 2)
    assert text[0].startswith("0.500")


def test_numpy_functions_are_named():
    def f(x):
        return np.sum(np.sin(x))

    def g(x):
        return (np.ones(2) * x).sum()

    for function in (f, g):
        with pytest.raises(FunctionNotSupportedError, match=r"polyad.namespace\(x\)"):
            ad.gradient(function, vector(1.0, 2.0), backend=Torch(lift=False))


# -- the user's torch stays as it is ---------------------------------------------------------------


def test_nothing_of_the_user_is_touched():
    x = torch.nn.Parameter(vector(1.0, 2.0))
    x.grad = vector(7.0, 7.0)
    plain = vector(1.0, 2.0)
    y, g = ad.value_and_gradient(lambda x: (x**3).sum(), x, backend="torch")
    assert not g.requires_grad and not y.requires_grad and type(g) is torch.Tensor
    close(x.grad, [7.0, 7.0])
    ad.prepare_hessian(lambda x: (x**3).sum(), plain, backend="torch").value_and(plain)
    assert not plain.requires_grad and plain.grad is None
    assert torch.get_default_dtype() is torch.float32 and torch.is_grad_enabled()


@pytest.mark.parametrize("scope", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("numpy", [False, True])
def test_inside_no_grad(scope, numpy):
    x = vector(1.0, 2.0)
    x = x.numpy() if numpy else x
    outside = ad.prepare_gradient(lambda x: (x**3).sum(), x, backend="torch")
    with scope():
        close(outside(x), [3.0, 12.0])
        close(ad.gradient(lambda x: (x**3).sum(), x, backend="torch"), [3.0, 12.0])
        close(ad.hvp(lambda x: (x**3).sum(), x, v=x, backend="torch"), [6.0, 24.0])
        _, linear = ad.linearize(lambda x: x**2, x, backend="torch")
        close(linear.jvp(x), [2.0, 8.0])
    close(linear.vjp(x), [2.0, 8.0])


def test_results_stay_attached_where_asked():
    x = vector(1.0, 2.0).requires_grad_()
    assert not ad.gradient(lambda x: (x**3).sum(), x, backend="torch").requires_grad
    g = ad.gradient(lambda x: (x**3).sum(), x, backend=Torch(create_graph=True))
    close(torch.autograd.grad(g.sum(), x)[0], [6.0, 12.0])
    for options in ({"mode": "forward"}, {"compile": True}):
        with pytest.raises(ArgumentError, match="create_graph"):
            Torch(create_graph=True, **options)


def test_inside_transforms_of_torch():
    inner = ad.prepare_gradient(lambda x: (x**3).sum(), vector(1.0, 1.0), backend="torch")
    x = vector(0.5, 2.0)
    close(torch.func.jacrev(inner)(x), np.diag(6 * x.numpy()))
    close(torch.func.jacfwd(inner)(x), np.diag(6 * x.numpy()))


def test_writing_into_the_argument_is_refused():
    def f(x):
        x[0] = 1.0
        return x.sum()

    for mode in MODES:
        x = np.array([3.0, 4.0])
        with pytest.raises(FunctionNotSupportedError, match="clone"):
            ad.gradient(f, x, backend=Torch(mode=mode, lift=False))
        close(x, [3.0, 4.0])


# -- one point ---------------------------------------------------------------------------------


def test_linearize_evaluates_once():
    calls = []

    def f(x):
        calls.append(1)
        return torch.tanh(A @ x)

    x = vector(0.1, -0.2, 0.3)
    y, linear = ad.linearize(f, x, backend="torch")
    before = len(calls)
    jacobian = ((1 - y**2)[:, None] * A).numpy()
    eye3, eye4 = torch.eye(3, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    for _ in range(2):
        close(linear.jvp(x), jacobian @ x.numpy())
        close(linear.vjp(y), y.numpy() @ jacobian)
        close(linear.jvp(eye3, batched=True), jacobian.T)
        close(linear.vjp(eye4, batched=True), jacobian)
    assert len(calls) == before


def test_linearize_serves_many_threads():
    x = torch.linspace(0.1, 1.0, 3, dtype=torch.float64)
    y, linear = ad.linearize(lambda x: torch.tanh(A @ x), x, backend="torch")
    jacobian = ((1 - y**2)[:, None] * A).numpy()
    errors = []

    def work(k):
        try:
            v, w = torch.full((3,), float(k), dtype=torch.float64), torch.full((4,), float(k)).double()
            for _ in range(30):
                close(linear.jvp(v), jacobian @ v.numpy())
                close(linear.vjp(w), w.numpy() @ jacobian)
                close(linear.jvp(torch.stack([v, -v]), batched=True)[1], -jacobian @ v.numpy())
        except BaseException as error:  # reported by the main thread
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors


# -- compilation ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
class TestCompiled:
    def test_gradient_with_constants_that_change(self):
        def f(x, a, c):
            return (a * x**3 * c).sum()

        x, c = vector(1.0, 2.0), vector(1.0, -1.0)
        grad = ad.prepare_gradient(f, x, 2.0, c, backend=Torch(compile=True))
        assert "compiled by torch.compile" in grad.strategy
        close(grad(x, 3.0, 2 * c), 3 * 3.0 * x**2 * 2 * c)
        y, g = grad.value_and(x, 0.5, c)
        close(y, 0.5 * (1 - 8))
        close(g, 1.5 * x**2 * c)
        # a compiled program cannot be differentiated: inside a derivative the eager one runs
        outer = ad.gradient(lambda x: (grad(x, 1.0, c) * c).sum(), x, backend="torch")
        close(outer, 6 * x)

    @pytest.mark.parametrize("mode", [None, "forward"])
    def test_second_order_is_not_zero(self, mode):
        x, v = np.arange(1.0, 6.0), np.arange(6.0, 11.0)
        hvp = ad.prepare_hvp(known, np.ones(5), backend=Torch(compile=True, mode=mode))
        close(hvp(x, v=v), KNOWN)

    def test_a_branch_is_refused(self):
        def f(x):
            return (x**2).sum() if x[0] > 0 else x.sum()

        with pytest.raises(FunctionNotSupportedError, match="branch"):
            ad.prepare_gradient(f, vector(1.0, 2.0), backend=Torch(compile=True))

    def test_an_unprepared_call_is_not_compiled(self):
        f = lambda x: (x**2).sum() if x[0] > 0 else x.sum()  # noqa: E731
        close(ad.gradient(f, vector(1.0, 2.0), backend=Torch(compile=True)), [2.0, 4.0])


# -- modules -------------------------------------------------------------------------------------


def test_parameters_of_a_module():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    x, y = A, A[:, :1]

    def loss(parameters):
        return ((torch.func.functional_call(net, parameters, (x,)) - y) ** 2).mean()

    parameters = dict(net.named_parameters())
    gradient = ad.gradient(loss, parameters, backend="torch")
    wanted = torch.autograd.grad(((net(x) - y) ** 2).mean(), list(parameters.values()))
    assert set(gradient) == set(parameters)
    for name, expected in zip(parameters, wanted, strict=True):
        close(gradient[name], expected)
    assert all(p.grad is None for p in net.parameters())


def test_the_example_of_a_module_fits():
    path = Path(__file__).parents[1] / "examples" / "torch_module.py"
    spec = importlib.util.spec_from_file_location("torch_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before, after = module.main()
    assert after < 1e-3 * before


def test_non_scalar_output_is_refused():
    with pytest.raises(NonScalarOutputError, match="jacobian"):
        ad.gradient(lambda x: x, vector(1.0, 2.0), backend="torch")


def test_the_order_of_equal_entries_is_numpys_or_refused_where_torch_has_no_values():
    x, c = np.array([0.3, -1.0, 0.3, 2.0]), np.arange(4.0)
    compiled = ad.Torch(compile=True)
    with pytest.raises(PolyadError, match="kind='stable'"):
        ad.prepare_gradient(lambda x: np.sum(x[np.argsort(x)] * c), x, backend=compiled)
    stable = ad.prepare_gradient(lambda x: np.sum(x[np.argsort(x, kind="stable")] * c), x, backend=compiled)
    np.testing.assert_allclose(stable(x), [1.0, 0.0, 2.0, 3.0])


WRITES = {
    "augmented": lambda c: c.__iadd__(1.0),
    "method": lambda c: c.add_(1.0),
    "entries": lambda c: c.__setitem__(slice(None), c + 1.0),
    "out": lambda c: torch.add(c, 1.0, out=c),
}


@pytest.mark.parametrize("name", ["augmented", "method", "entries", "out", "helper"])
@pytest.mark.parametrize("form", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_writing_to_a_constant_that_begins_after_preparation_reaches_a_copy(name, form):
    now = False

    def f(x, c):
        if now:
            if name == "augmented":
                c += 1.0
            elif name == "method":
                c.add_(1.0)
            elif name == "entries":
                c[:] = c + 1.0
            elif name == "out":
                torch.add(c, 1.0, out=c)
            else:
                WRITES["method"](c)
        return torch.sum(x * c)

    x, c = form([1.0, 2.0]), form([3.0, 4.0])
    prepared = ad.prepare_gradient(f, x, c, backend="torch")
    prepared(x, c)
    now = True
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(prepared(x, c)), [4.0, 5.0])
        np.testing.assert_array_equal(np.asarray(c), [3.0, 4.0])


def test_a_lift_of_the_users_is_watched_too():
    """What a user's function of tensors drops within lifted NumPy code is refused, not lost."""
    lifts = {"torch": lambda x: torch.tensor([t.item() ** 2 for t in x], dtype=torch.float64) + 0 * x}
    square = ad.define(lambda x: x**2, lambda x: 2 * x, lifts=lifts)
    with pytest.raises(ad.errors.PolyadError, match=r"t\.item\(\)"):
        ad.gradient(lambda x: np.sum(square(x)), np.ones(3), backend="torch")


@pytest.mark.parametrize("backend", ["torch", "numpy", "jax", "finite", "autograd"])
def test_bfloat16_is_taken_or_refused_by_name(backend):
    if backend not in ("numpy", "finite", *AVAILABLE):
        pytest.skip("not installed")
    x = torch.tensor([0.5, 2.0], dtype=torch.bfloat16)
    f = lambda x: (x * x * x[0]).sum()  # noqa: E731
    try:
        found = ad.gradient(f, x, backend=backend)
    except PolyadError as error:  # NumPy has it only where ml_dtypes is loaded
        assert "bfloat16" in str(error) and ("x.double()" in str(error) or "x.astype" in str(error))
        return
    assert found.dtype == torch.bfloat16
    np.testing.assert_allclose(found.double().numpy(), [4.75, 2.0], rtol=1e-2)


TWICE = torch.tensor([0, 0, 2])


def stored(x):
    y = torch.zeros(3, dtype=x.dtype)
    y[TWICE] = x * x
    return (y * y).sum()


def stored_where_computed(x):
    y = torch.zeros(3, dtype=x.dtype)
    y[torch.argsort(x)[[0, 0, 1]]] = x * x
    return (y * y).sum()


@pytest.mark.parametrize("backend", ["torch", "torch:forward"])
@pytest.mark.parametrize(
    "f",
    [
        stored,
        stored_where_computed,
        lambda x: (torch.zeros(3, dtype=x.dtype).index_put((TWICE,), x * x) ** 2).sum(),
        lambda x: (torch.zeros(3, dtype=x.dtype).scatter(0, TWICE, x * x) ** 2).sum(),
        lambda x: (torch.zeros(3, dtype=x.dtype).index_copy(0, TWICE, x * x) ** 2).sum(),
    ],
)
def test_torchs_writes_to_a_place_twice_are_refused(f, backend):
    """Its reverse mode gave the entry that was overwritten the cotangent of the one that stays."""
    with pytest.raises(FunctionNotSupportedError, match="writes to a place twice"):
        ad.gradient(f, np.array([0.7, 1.3, 2.0]), backend=backend)


@pytest.mark.parametrize("backend", ["torch", "torch:forward"])
def test_the_remedies_of_writes_to_a_place_twice(backend):
    x = np.array([0.7, 1.3, 2.0])
    a, b = x[0] ** 2 + x[1] ** 2, x[2] ** 2
    expected = [4 * a * x[0], 4 * a * x[1], 4 * b * x[2]]
    for f in (
        lambda x: (torch.zeros(3, dtype=x.dtype).index_put((TWICE,), x * x, accumulate=True) ** 2).sum(),
        lambda x: (torch.zeros(3, dtype=x.dtype).scatter_add(0, TWICE, x * x) ** 2).sum(),
        lambda x: (torch.zeros(3, dtype=x.dtype).index_add(0, TWICE, x * x) ** 2).sum(),
    ):
        np.testing.assert_allclose(ad.gradient(f, x, backend=backend), expected, rtol=1e-14)
    rows = torch.tensor([0, 1, 2])

    def each_once(x):
        y = torch.zeros((3, 3), dtype=x.dtype)
        y[TWICE, rows] = x * x
        y[0] = 3.0
        y[:, TWICE] = 1.0
        return (y * y).sum()

    np.testing.assert_allclose(ad.gradient(each_once, x, backend=backend), [0.0, 0.0, 0.0], atol=1e-15)


class Labelled(torch.Tensor):
    """A subclass, whose operations torch dispatches."""


def test_the_short_way_to_torchs_engine_is_torchs_own_function(monkeypatch):
    from polyad.systems.torch import graph

    assert graph._engine_of(torch) is not None, "this torch has its engine in another place: see sweeper"
    quick, seen = graph.sweeper(), []
    monkeypatch.setattr(graph, "_engine_of", lambda torch: None)
    slow = graph.sweeper.__wrapped__()

    def told(sweep, make, w, options):
        x = tuple(a.clone().requires_grad_() for a in (vector(1.0, 2.0), vector(3.0, 4.0)))
        try:
            found = sweep(make(*x), x, w, *options)
            return [None if g is None else (type(g), g.requires_grad, g.dtype, g.tolist()) for g in found]
        except Exception as error:
            return type(error), str(error)

    one, two = torch.ones((), dtype=torch.float64), vector(2.0, 3.0)
    cases = [
        (lambda x, z: ((x * z).sum(),), None),
        (lambda x, z: ((x * x).sum(),), None),
        (lambda x, z: (x * z,), None),
        (lambda x, z: ((x * z).sum(), x.prod()), None),
        (lambda x, z: (x**3, z.sum()), (two, one)),
        (lambda x, z: (x**3,), (one,)),
        (lambda x, z: (x**3,), (two.float(),)),
        (lambda x, z: (x**3,), (two.clone().requires_grad_(),)),
        (lambda x, z: ((x * z).sum().float(),), None),
        (lambda x, z: ((x * (1 + 2j)).sum().abs(),), None),
        (lambda x, z: ((x * 2j).sum(),), None),
        (lambda x, z: ((x.as_subclass(Labelled) * z).sum(),), None),
        (lambda x, z: (one,), None),
    ]
    for make, w in cases:
        for options in ((), (True,), (False, True)):
            assert told(quick, make, w, options) == told(slow, make, w, options)

    class Seen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Seen():
        told(quick, *cases[0], ())
    assert torch.autograd.grad in seen
    rows = torch.func.vmap(lambda w: quick((A @ A.T @ A[:, 0],), (A,), (w,))[0], chunk_size=None)
    with pytest.raises(RuntimeError):
        rows(torch.eye(4, dtype=torch.float64))  # A is in no graph
    x = A[0].clone().requires_grad_()
    found = torch.func.vmap(lambda w: quick((x**2,), (x,), (w,), False, True)[0])(
        torch.eye(3, dtype=torch.float64)
    )
    close(found, torch.diag(2 * A[0]))
