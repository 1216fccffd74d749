"""Arrays stay on the device they are on. Runs where an accelerator is present, and says so where not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import polyad as ad
from polyad.arrays.libraries import ArraySpec
from polyad.systems.derive.basis import basis

N = 6
X = np.linspace(0.2, 1.5, N)
V = np.linspace(-1.0, 1.0, N)
M = np.linspace(-1.0, 1.0, 3 * N).reshape(3, N)


def torch_device():
    """The first accelerator of torch that has float64, or the reason why there is none."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    import torch

    if not torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} sees no CUDA or ROCm device here")
    return torch.device("cuda", 0)


def jax_device():
    """The first accelerator of JAX, or the reason why there is none."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    import jax

    found = [device for device in jax.devices() if device.platform != "cpu"]
    if not found:
        pytest.skip(f"jax {jax.__version__} sees no device but the CPU here")
    return found[0]


def enter(name):
    """From NumPy to the device, and the check that a result is there."""
    if name.startswith("torch"):
        import torch

        device = torch_device()

        def there(a):
            assert a.device.type == device.type
            return a.cpu().numpy()

        return lambda a: torch.from_numpy(a).to(device), there
    import jax

    device = jax_device()

    def here(a):
        assert a.devices() == {device}
        return np.asarray(a)

    def put(a):
        with jax.enable_x64(True):
            return jax.device_put(a, device)

    return put, here


def cubes(x, m):
    """Number from a vector; the constant stays on the device as well."""
    xp = ad.namespace(x)
    return xp.sum((m @ x) ** 3) + xp.sum(xp.sin(x))


def layer(x, m):
    xp = ad.namespace(x)
    return xp.tanh(m @ x)


R = M @ X
SLOPE = (1 - np.tanh(R) ** 2)[:, None] * M
HESSIAN = 6 * M.T @ (R[:, None] * M) - np.diag(np.sin(X))
W = np.array([1.0, -0.5, 2.0])
CASES = {
    "gradient": (cubes, {}, 3 * M.T @ R**2 + np.cos(X)),
    "hvp": (cubes, {"v": V}, HESSIAN @ V),
    "hessian": (cubes, {}, HESSIAN),
    "jacobian": (layer, {}, SLOPE),
    "jvp": (layer, {"v": V}, SLOPE @ V),
    "vjp": (layer, {"w": W}, W @ SLOPE),
}


@pytest.mark.parametrize("operator", CASES)
@pytest.mark.parametrize("name", ["torch", "torch:forward", "jax"])
def test_results_stay_on_the_device(name, operator):
    put, there = enter(name)
    f, seeds, wanted = CASES[operator]
    on_device = {key: put(value) for key, value in seeds.items()}
    x, m = put(X), put(M)
    unprepared = getattr(ad, operator)(f, x, m, backend=name, **on_device)
    np.testing.assert_allclose(there(unprepared), wanted, rtol=1e-9, atol=1e-9)
    prepared = getattr(ad, f"prepare_{operator}")(f, 2 * x, m, backend=name, **on_device)
    np.testing.assert_allclose(there(prepared(x, m, **on_device)), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_batches_and_linearization_stay_on_the_device(name):
    put, there = enter(name)
    x, m, eye = put(X), put(M), put(np.eye(N))
    columns = ad.jvp(layer, x, m, v=eye, batched=True, backend=name)
    np.testing.assert_allclose(there(columns), SLOPE.T, rtol=1e-9, atol=1e-9)
    _, linear = ad.linearize(layer, x, m, backend=name)
    np.testing.assert_allclose(there(linear.jvp(put(V))), SLOPE @ V, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(there(linear.vjp(put(W))), W @ SLOPE, rtol=1e-9, atol=1e-9)


def test_unit_seeds_are_made_on_the_device():
    import array_api_compat.torch as xp

    put, _ = enter("torch")
    x = put(X)
    spec = ArraySpec((N,), np.dtype("float64"))
    for _, seeds in basis(xp, (spec,), (x,), 4):
        assert all(seed.device.type == x.device.type for seed in seeds)


def test_many_threads_on_one_device():
    import threading

    put, there = enter("torch")
    hessian = ad.prepare_hessian(cubes, put(X), put(M), backend="torch")
    results = [None] * 4

    def work(k):
        for _ in range(10):
            results[k] = hessian(put(X), put(M))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_allclose(there(result), HESSIAN, rtol=1e-9, atol=1e-9)
