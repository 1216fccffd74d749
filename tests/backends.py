"""The backends that tests run over, each only where its framework is installed.

``POLYAD_TEST_BACKENDS="jax,autograd"`` runs those only.
"""

from __future__ import annotations

import os

import polyad as ad
from polyad.systems.base import Backend
from polyad.systems.registry import is_installed, load, names

WANTED = os.environ.get("POLYAD_TEST_BACKENDS", "numpy,jax,torch,autograd,casadi,sympy,finite").split(",")
AVAILABLE = tuple(name for name in WANTED if name in names() and is_installed(load(name)))
EXACT = tuple(name for name in AVAILABLE if name != "finite")


def eager(name: str, mode: str | None = None) -> Backend:
    """The backend without compilation, which is dear in tests and changes no derivative."""
    backend = load(name)(mode=mode)
    return backend.replace(jit=False) if name == "jax" else backend


def matrix() -> list[tuple[str, Backend, str]]:
    """Name, backend, and which scenarios it runs: ``"all"`` or ``"smoke"``.

    * Every framework runs all scenarios once in its natural mode (JAX without compilation: a
      compilation costs 100 times the run); compiled JAX runs one scenario of each function.
    * Forced modes and the derivations from one primitive run all under polyad's own engine, where that is
      cheap, and one scenario of each function under the others. The derivations are not
      JAX's, and its operations compile one by one: they are left to the other frameworks.
    """
    rows: list[tuple[str, Backend, str]] = []
    for name in AVAILABLE:
        amount = "all" if name in ("numpy", "finite") else "smoke"
        if name == "jax":
            rows.append(("jax", ad.JAX(), "smoke"))
            rows.append(("jax eager", eager("jax"), "all"))
        else:
            rows.append((name, eager(name), "all"))
        if name == "numpy":
            rows.append(("numpy compiled", ad.NumPy(compile=True), "all"))
        for mode in sorted(load(name).supports):
            if len(load(name).supports) > 1:
                rows.append((f"{name}:{mode}", eager(name, mode), amount))
            if name not in ("finite", "jax"):
                rows.append((f"primitive {name}:{mode}", ad.FromPrimitive(eager(name), mode=mode), amount))
    return rows
