"""The house: every floor imports only from the floors under it (DESIGN, section 2)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "polyad"
MODULES = sorted(ROOT.rglob("*.py"))

# From the top floor to the ground. "polyad" is the package itself, the public interface: what is
# above it uses it as a user would.
FLOORS = (
    ("cli", "cli_args"),
    ("solvers",),
    ("benchmark", "testing"),
    ("polyad",),
    ("linear", "overview", "linalg", "special"),
    ("operators",),
    ("sparse",),
    ("combine",),
    ("backends",),
    ("engine",),
    ("arrays",),
    ("errors",),
)
LEVEL = {room: len(FLOORS) - k for k, rooms in enumerate(FLOORS) for room in rooms}

FRAMEWORKS = {
    "autograd",
    "casadi",
    "jax",
    "jaxlib",
    "llvmlite",
    "matplotlib",
    "numba",
    "pandas",
    "rich",
    "sympy",
    "torch",
}
# A namespace of a framework, imported by ``polyad.namespace`` when an array of it turns up.
NAMESPACES = {"arrays/autograd_numpy.py"}
LINES = 400


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "polyad" if first in ("__init__", "__main__") else first


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a syntax tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            # "from polyad import errors" imports a room, "from polyad.errors import X" its content
            deep = node.module == "polyad"
            yield from ((node.lineno, f"{node.module}.{a.name}" if deep else node.module) for a in node.names)


def target_of(name: str) -> str | None:
    """The room that an import enters, or None if it leaves the house."""
    first, _, rest = name.partition(".")
    if first != "polyad":
        return None
    room = rest.partition(".")[0]
    return room if room in LEVEL else "polyad"


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_from_the_floors_below_only(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{room} has no floor: give it one here and in the design"
    if room == "polyad":
        return
    wrong = []
    for line, name in imported(ast.parse(path.read_text())):
        target = target_of(name)
        if target is not None and target != room and LEVEL[target] > LEVEL[room]:
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name} from above")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_framework_is_imported_with_a_module(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() in NAMESPACES:
        return
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for statement in at_import(ast.parse(path.read_text()))
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for line, name in imported(ast.Module([statement], []))
        if name.partition(".")[0] in FRAMEWORKS
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    count = len(path.read_text().splitlines())
    assert count <= LINES, f"{path.relative_to(ROOT)} has {count} lines: split it"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_a_room_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


# The fuzzer is a program of one thread; torch's own import would be an error in place of a warning.
CHANGES_FILTERS = {"testing/fuzz/program.py", "backends/torch_func.py"}


def test_the_filters_of_warnings_belong_to_all_threads():
    words = ("catch_warnings", "simplefilter", "filterwarnings", "showwarning")
    found = {
        path.relative_to(ROOT).as_posix() for path in MODULES if any(w in path.read_text() for w in words)
    }
    assert found == CHANGES_FILTERS
