"""What is asked of a library or a backend is an attribute of its class, never a test of its name."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyad.arrays.libraries import library_names
from polyad.systems.registry import names

ROOT = Path(__file__).parents[1] / "src" / "polyad"
# "numpy" is also the name of the shared language: of modules, and of the home of functions. It is looked
# for where a name of a library or a backend stands on the other side.
SHARED = {"numpy", "engine", "recording"}
WORDS = {*names(), *library_names(), "jaxlib", "tensorflow", "mlx", "cupy"} - SHARED
ASKED = {"name", "library", "lifts_to", "follows"}
ATTRIBUTES = {"packages", "backends", "requires"}
# tables of a run, which say over what it goes
TABLES = {"testing/fuzz/ways.py"}


def words_of(node: ast.expr | None) -> set[str]:
    """The strings that an expression is, or is a row of."""
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return set().union(*map(words_of, node.elts))
    if isinstance(node, ast.Call) and node.args:  # frozenset(("jax", "torch"))
        named = isinstance(node.func, ast.Name) and node.func.id in ("frozenset", "set", "tuple", "list")
        return words_of(node.args[0]) if named else set()
    return set()


def asks(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ASKED


def says(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether a statement gives a class of a library or a backend one of its attributes."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(t, ast.Name) and t.id in ATTRIBUTES for t in targets)


def found(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines on which a name of a library or a backend is compared, or is the key of a table."""
    for node in ast.walk(tree):
        words: set[str] = set()
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            words = set().union(*map(words_of, sides)) & (
                WORDS | (SHARED if any(map(asks, sides)) else set())
            )
        elif isinstance(node, ast.Dict):
            words = set().union(*map(words_of, node.keys)) & WORDS
        elif isinstance(node, ast.BinOp):
            words = (words_of(node.left) | words_of(node.right)) & WORDS
        elif isinstance(node, ast.Assign | ast.AnnAssign):  # a table that something is looked up in
            words = words_of(node.value) if len(words_of(node.value)) > 1 and not says(node) else set()
            words &= WORDS
        elif isinstance(node, ast.MatchValue):
            words = words_of(node.value) & WORDS
        elif isinstance(node, ast.Subscript):
            words = words_of(node.slice) & WORDS - modules_of(node)
        yield from ((node.lineno, word) for word in sorted(words))


def modules_of(node: ast.Subscript) -> set[str]:
    """``sys.modules["jax"]`` asks for a module, not for a name."""
    return words_of(node.slice) if ast.unparse(node.value) == "sys.modules" else set()


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)) if isinstance(p, Path) else p
)
def test_no_name_of_a_library_or_a_backend_is_tested(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    if place in TABLES:
        return
    wrong = [f"{place}:{line} tests the name {word!r}" for line, word in found(ast.parse(path.read_text()))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "owner.name == 'numpy'",
        "library in ('jax', 'torch')",
        "{'jax': 1}",
        "FRAMEWORKS = frozenset({'jax', 'torch'})",
        "names & {'autograd'}",
        "table['sympy']",
        "match name:\n    case 'torch': pass",
    ],
)
def test_the_test_can_fail(code: str) -> None:
    assert list(found(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["sys.modules['jax']", "module == 'numpy'", "home == 'numpy'", "name = 'jax'"]
)
def test_the_test_knows_what_is_allowed(code: str) -> None:
    assert not list(found(ast.parse(code)))


# -- operators -----------------------------------------------------------------------------------------


COMMON = {"backend": None, "argnums": 0, "has_aux": False, "follow": None}


def test_operators_have_the_same_keywords_with_the_same_defaults() -> None:
    """They are spelt out in every signature, where Python and editors read them."""
    import polyad as ad
    from polyad.systems.operations import operations

    names = [
        name
        for operation in (*operations().values(), *operations(0).values())
        for name in (operation.name, operation.with_value, f"prepare_{operation.name}")
        if hasattr(ad, name)
    ]
    assert len(names) > 20
    for name in (*names, "laplacian", "bilaplacian", "prepare_laplacian", "prepare_bilaplacian"):
        found = inspect.signature(getattr(ad, name)).parameters
        common = {key: found[key].default for key in found if key in COMMON}
        assert list(common.items()) == list(COMMON.items()), name
        last = list(found)[-1]
        assert last in (("on_mismatch", "batched") if name.startswith("prepare") else ("out", "batched")), (
            name
        )
