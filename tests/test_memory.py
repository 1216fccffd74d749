"""Large arrays: no fresh pages for every temporary, nothing raised for small ones."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import weakref

import numpy as np
import pytest

import polyad as ad

PROGRAM = """
import resource
import numpy as np, polyad as ad

def f(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

def faults(call):
    call()
    found = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        call()
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return min(found)  # a system short of memory takes pages away now and then

small = ad.prepare_gradient(f, np.ones(5), backend="numpy")
x = np.ones(100_000)
plain = lambda: [np.exp(x) * x + x for _ in range(3)]
print(faults(plain))
grad = ad.prepare_gradient(f, x, backend="numpy")
print(faults(lambda: grad(x)))
print(faults(plain))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a property of glibc's allocator")
def test_temporaries_use_the_pages_of_those_before():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
    )
    before, gradient, after = map(int, found.stdout.split())
    assert before > 200  # arrays of 100000 entries take 195 pages each, again and again
    assert gradient < 50
    assert after < 50


def test_the_collector_is_as_it_was_after_a_program_was_built() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return np.sum(x * x)

    def refused(x: np.ndarray) -> float:
        return float(np.sum(x))

    for on in (True, False):
        (gc.enable if on else gc.disable)()
        try:
            ad.prepare_gradient(f, np.ones(3), backend=ad.NumPy(compile=True))
            assert gc.isenabled() == on
            with pytest.raises(ad.errors.PolyadError):
                ad.prepare_gradient(refused, np.ones(3), backend=ad.NumPy(compile=True), follow=False)
            assert gc.isenabled() == on
        finally:
            gc.enable()


def weighted(x: np.ndarray) -> np.ndarray:
    return np.sum(np.sin(x) * x[0])


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd"])
@pytest.mark.parametrize("operator", ["gradient", "value_and_gradient", "hvp"])
def test_a_single_call_keeps_nothing_of_its_arguments(operator: str, backend: str) -> None:
    # without the collector, which would find what holds itself at some later time
    given = {"v": np.ones(3)} if operator == "hvp" else {}
    getattr(ad, operator)(weighted, np.ones(3), backend=backend, **given)
    on = gc.isenabled()
    gc.disable()
    try:
        x = np.array([0.1, 0.2, 0.3])
        kept = weakref.ref(x)
        getattr(ad, operator)(weighted, x, backend=backend, **given)
        del x
        assert kept() is None
    finally:
        if on:
            gc.enable()
