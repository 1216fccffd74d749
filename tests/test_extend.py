"""The door for authors: it is enough for the documentation and the examples, and all of it is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import polyad.extend
from polyad.arrays.library import Library
from polyad.systems.registry import load, names
from test_import import loaded_after

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "writing-a-backend.md"
EXAMPLES = sorted(
    path for folder in ("backend", "mlx") for path in (ROOT / "examples" / folder).rglob("*.py")
)
# what users have, authors have as well
OPEN = {"polyad", "polyad.extend", "polyad.testing"}


def imports(code: str) -> Iterator[tuple[str, str]]:
    """Modules of polyad that code imports from, and what."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.partition(".")[0] == "polyad")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "polyad":
            yield from ((str(node.module), a.name) for a in node.names)


def closed(code: str) -> list[str]:
    """What code imports from behind the door."""
    wrong = [f"{module}.{name}" for module, name in imports(code) if module not in OPEN]
    return wrong + [
        f"polyad.extend.{name}"
        for module, name in imports(code)
        if module == "polyad.extend" and name not in polyad.extend.__all__
    ]


def test_the_page_needs_the_door_only() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) > 3
    assert not [name for block in blocks for name in closed(block)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_an_example_needs_the_door_only(path: Path) -> None:
    assert not closed(path.read_text())


@pytest.mark.parametrize("code", ["from polyad.systems.base import Backend", "from polyad.extend import Box"])
def test_the_test_can_fail(code: str) -> None:
    assert closed(code)


def test_what_is_exported_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "contract.md").read_text()
    missing = [
        name
        for name in polyad.extend.__all__
        if f"::: polyad.extend.{name}\n" not in page and f"`{name}`" not in page
    ]
    assert not missing
    assert not [name for name in polyad.extend.__all__ if not getattr(polyad.extend, name).__doc__]


def test_the_members_of_the_base_classes_are_documented() -> None:
    page = (ROOT / "docs" / "reference" / "contract.md").read_text()
    attributes = str(Library.__doc__)
    for name in vars(Library):
        if not name.startswith("_") and name != "is_foreign":
            assert re.search(rf"\b{name}\b", page) or f"    {name} : " in attributes, name


def test_the_door_loads_no_framework() -> None:
    assert loaded_after("import polyad.extend") == []


def test_libraries_have_backends_and_adapters_that_exist() -> None:
    from polyad.arrays.libraries import library, library_names
    from polyad.engine.interpretations.adapter import adapter

    for name in library_names():
        found = library(name)
        assert found.name == name and set(found.backends) <= set(names())
        for backend in found.backends:
            pytest.importorskip(load(backend).requires[0])
        if found.adapter:
            pytest.importorskip(name)
            assert adapter(name).name == name
