"""A third party's backend: the package in ``examples/backend``, found by its entry point."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import polyad as ad
from polyad.benchmark.comparison import _backends
from polyad.systems import registry
from polyad.systems.contract import Variant
from polyad.testing import check_backend

EXAMPLE = Path(__file__).parents[1] / "examples" / "backend"
MODULE = EXAMPLE / "polyad_torchvjp.py"

pytest.importorskip("torch")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The package as an installer would leave it, on the path of this process."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
            for group, entries in project["entry-points"].items()
        )
    )
    shutil.copy(MODULE, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    registry.refresh()
    yield "torchvjp"
    monkeypatch.undo()
    registry.refresh()


def test_it_is_unknown_until_it_is_installed() -> None:
    with pytest.raises(ad.errors.BackendNotFoundError, match="torchvjp"):
        ad.gradient(lambda x: (x**2).sum(), np.ones(2), backend="torchvjp")


def test_its_name_serves_wherever_a_backend_is_wanted(installed: str) -> None:
    assert installed in registry.names()
    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(ad.gradient(lambda x: (x**3).sum(), x, backend=installed), [3.0, 12.0])
    prepared = ad.prepare_hvp(lambda x: (x**3).sum(), x, backend=f"{installed}:reverse")
    np.testing.assert_allclose(prepared(x, v=np.ones(2)), [6.0, 12.0])
    assert "TorchVJP" in repr(prepared)


def test_it_passes_the_conformance_suite(installed: str) -> None:
    report = check_backend(installed)
    report.raise_if_failed()
    assert not report.select("refused")


def test_a_mode_that_it_does_not_have_is_refused(installed: str) -> None:
    with pytest.raises(ad.errors.ArgumentError, match="TorchVJP has mode 'reverse'"):
        ad.gradient(lambda x: (x**2).sum(), np.ones(2), backend=f"{installed}:forward")


def test_it_may_declare_variants(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.load(installed)
    words = {
        "small": Variant({"lift": True}, compared=True, most_inputs=3),
        "other": Variant({"lift": False}),
    }
    monkeypatch.setattr(cls, "variants", words)
    assert registry.resolve(f"{installed}:reverse:small") == cls(mode="reverse", lift=True)
    assert registry.resolve(f"{installed}:other:reverse") == cls(mode="reverse", lift=False)
    with pytest.raises(ad.errors.ArgumentError, match=f"did you mean '{installed}:small'"):
        registry.resolve(f"{installed}:smal")
    with pytest.raises(ad.errors.ArgumentError, match="contradicts or repeats itself at 'other'"):
        registry.resolve(f"{installed}:small:other")
    (info,) = [info for info in ad.backends() if info.name == installed]
    assert info.variants == ("small", "other")
    few, many = ([label for label, _ in _backends(None, n)[0]] for n in (3, 4))
    assert f"{installed}:small" in few and f"{installed}:small" not in many
    assert installed in many and f"{installed}:other" not in few


def test_it_is_short() -> None:
    assert len(MODULE.read_text().splitlines()) < 60
