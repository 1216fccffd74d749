"""The house: every floor imports only from the floors under it (DESIGN, section 2)."""

from __future__ import annotations

import ast
import functools
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "polyad"
MODULES = sorted(ROOT.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})

# From the top floor to the ground. "polyad" is the package itself, the public interface: what is
# above it uses it as a user would.
FLOORS = (
    ("cli",),
    ("solvers",),
    ("benchmark", "testing"),
    ("polyad",),
    ("linear", "linalg", "special", "stats", "integrate", "optimize", "interpolate", "extend"),
    ("operators",),
    ("call",),
    ("sparse",),
    ("combine",),
    ("systems",),
    ("engine",),
    ("arrays", "workers"),
    ("errors",),
)
# The floors of single rooms, the top one first; "." is what lies in the room itself, in no folder of it.
WITHIN = {
    "engine": (
        (".", "implicit", "user"),
        ("loops",),
        ("follow",),
        ("distributions",),
        ("numbers",),
        ("boxes", "programs", "patterns"),
        ("functions",),
        ("rules",),
        ("interpretations",),
        ("core",),
    ),
    "call": ((".", "single"), ("saved",), ("function",), ("inputs",)),
}
# What is above the systems enters the engine by these doors only.
DOORS = {"define", "expand", "following", "lift", "notices", "run", "stop"}
ABOVE = ("operators", "call", "combine", "sparse")

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
NAMESPACES = {"systems/autograd/namespace.py"}
LINES = 400
ROOMS = 16


def level(floors: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    return {room: len(floors) - k for k, rooms in enumerate(floors) for room in rooms}


LEVEL = level(FLOORS)


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """A module as it is parsed: once, for all tests."""
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    """The full name of a module."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def room_of(name: str) -> str | None:
    """The room of the house in which a module stands; None if it leaves the house."""
    first, _, rest = name.partition(".")
    if first != "polyad":
        return None
    room = rest.partition(".")[0]
    return room if room in LEVEL else "polyad"


def part_of(name: str, room: str) -> str:
    """The folder of a room in which a module stands, or "."."""
    below = name.removeprefix(f"polyad.{room}").strip(".").split(".")
    return below[0] if len(below) > 1 or f"polyad.{room}.{below[0]}" in PACKAGES else "."


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that a syntax tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full in NAMES or node.module == "polyad" else str(node.module)


PACKAGES = {name for name, path in NAMES.items() if path.name == "__init__.py"}


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


def running(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """As ``imported``, without what is imported for annotations only."""
    conditions = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    types = [node for node in conditions if "TYPE_CHECKING" in ast.unparse(node.test)]
    lines = {line for node in types for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    return ((line, name) for line, name in imported(tree) if line not in lines)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_from_the_floors_below_only(path: Path) -> None:
    room = room_of(name_of(path))
    assert room in LEVEL, f"{room} has no floor: give it one here and in the design"
    if room == "polyad":
        assert path.parent == ROOT, f"{path.parent.name} has no floor: give it one here and in the design"
        return
    wrong = []
    for line, name in imported(tree_of(path)):
        target = room_of(name)
        if target is not None and target != room and LEVEL[target] > LEVEL[room]:
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name} from above")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", WITHIN)
def test_the_folders_of_a_room_stand_in_one_order(room: str) -> None:
    floors, wrong = level(WITHIN[room]), []
    for path in sorted((ROOT / room).rglob("*.py")):
        here = part_of(name_of(path), room)
        assert here in floors, f"{room}/{here} has no floor: give it one here and in the design"
        for line, name in running(tree_of(path)):
            if room_of(name) == room and floors[part_of(name, room)] > floors[here] and name not in PACKAGES:
                # what runs only when it is called may ask the door of the engine
                if room == "engine" and name in ("polyad.engine.run", "polyad.engine.define"):
                    continue
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name} from above")
    assert not wrong, "\n".join(wrong)


def test_systems_do_not_know_each_other() -> None:
    systems = {folder.name for folder in FOLDERS if folder.parent.name == "systems"} - {"derive"}
    wrong = []
    for path in sorted((ROOT / "systems").rglob("*.py")):
        here = part_of(name_of(path), "systems")
        for line, name in imported(tree_of(path)):
            there = part_of(name, "systems") if room_of(name) == "systems" else here
            if there in systems and there != here:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_from_above_the_engine_has_its_doors_only() -> None:
    wrong = []
    for room in ABOVE:
        for path in sorted((ROOT / room).rglob("*.py")):
            for line, name in imported(tree_of(path)):
                if room_of(name) == "engine" and name.split(".")[2:3] and name.split(".")[2] not in DOORS:
                    wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_private_name_stays_in_its_module(path: Path) -> None:
    tree, modules, wrong = tree_of(path), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and room_of(str(node.module)) is not None:
            for alias in node.names:
                if f"{node.module}.{alias.name}" in NAMES:
                    modules.add(alias.asname or alias.name)
                elif alias.name.startswith("_") and not alias.name.startswith("__"):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {node.module}.{alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            if node.attr.startswith("_") and not node.attr.startswith("__"):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} asks for {node.value.id}.{node.attr}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_framework_is_imported_with_a_module(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() in NAMESPACES:
        return
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for statement in at_import(tree_of(path))
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for line, name in imported(ast.Module([statement], []))
        if name.partition(".")[0] in FRAMEWORKS
    ]
    assert not wrong, "\n".join(wrong)


def test_one_way_to_silence_numpy() -> None:
    """Ctrl-C within ``np.errstate`` can leave NumPy silent for good: see polyad.arrays.silence."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: take polyad.arrays.silence"
        for path in MODULES
        if path.relative_to(ROOT).as_posix() not in {"arrays/silence.py", "testing/fuzz/program.py"}
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in {"errstate", "seterr"}
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    count = len(path.read_text().splitlines())
    assert count <= LINES, f"{path.relative_to(ROOT)} has {count} lines: split it"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    modules = sorted(p.stem for p in folder.glob("*.py") if p.name != "__init__.py")
    assert len(modules) <= ROOMS, f"{folder.relative_to(ROOT)} has {len(modules)} modules"
    siblings = {p.name for p in folder.iterdir() if p.is_dir()}
    prefixes = defaultdict(list)
    for module in modules:
        for k in itertools.accumulate(module.split("_")[:-1], lambda a, b: f"{a}_{b}"):
            prefixes[k].append(module)
    families = {p: found for p, found in prefixes.items() if len(found) > 2 or p in siblings}
    assert not families, f"a prefix is a folder: {families}"


def test_no_two_test_modules_have_one_name() -> None:
    """pytest imports tests by their base name: of two with one name the second is an error, not a run."""
    found = defaultdict(list)
    for path in Path(__file__).parent.rglob("test_*.py"):
        found[path.name].append(path)
    assert not {name: paths for name, paths in found.items() if len(paths) > 1}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_says_what_it_is_for(folder: Path) -> None:
    assert ast.get_docstring(tree_of(folder / "__init__.py"))


@pytest.mark.parametrize("room", sorted(LEVEL))
def test_a_class_name_stands_once_on_a_floor(room: str) -> None:
    places = defaultdict(list)
    for path in MODULES:
        if room_of(name_of(path)) == room and path.parent != ROOT:
            for node in tree_of(path).body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not twice, twice
