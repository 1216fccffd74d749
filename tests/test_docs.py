"""Every Python block of the README and the documentation runs, and prints what the page says.

* The blocks of a page share one namespace, in the order of the page.
* A ``text`` block right after a ``python`` block is what it prints; ``...`` matches anything.
* ``console`` blocks are not run; ``.ci/run`` runs those of the README's set-up.
* ``<!-- needs: jax, torch -->`` before a block says which frameworks it needs. All others run in an
  installation of the core alone.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import runpy
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.S | re.M)
NEEDS = re.compile(r"<!-- needs: ([\w, ]+) -->\s*\Z")
# the pages of those who use polyad, which need nothing but the core but for the blocks that say so
GUIDES = [p for p in PAGES if p.name != "writing-a-backend.md"]
FRAMEWORKS = (
    "jax",
    "jaxlib",
    "torch",
    "autograd",
    "casadi",
    "sympy",
    "numba",
    "matplotlib",
    "pandas",
    "rich",
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    line: int
    code: str
    expected: str | None
    needs: tuple[str, ...] = ()


def blocks_of(text: str) -> list[Block]:
    """The Python blocks of a page, each with the output that the page shows for it."""
    found = list(FENCE.finditer(text))
    blocks = []
    for k, match in enumerate(found):
        if match["language"] != "python":
            continue
        after = found[k + 1] if k + 1 < len(found) else None
        shown = (
            after is not None
            and after["language"] == "text"
            and not text[match.end() : after.start()].strip()
        )
        needs = NEEDS.search(text[: match.start()])
        blocks.append(
            Block(
                text[: match.start("code")].count("\n"),
                _dedent(match["code"], match["indent"]),
                _dedent(after["code"], after["indent"]) if shown else None,
                tuple(re.findall(r"\w+", needs[1])) if needs else (),
            )
        )
    return blocks


def _dedent(code: str, indent: str) -> str:
    return re.sub(f"^{indent}", "", code, flags=re.M)


def run(path: Path, blocks: list[Block]) -> None:
    """Run the blocks of a page; traceback lines are those of the page."""
    module = types.ModuleType("page")
    sys.modules["page"] = module  # dataclasses look their module up
    try:
        for block in blocks:
            printed = io.StringIO()
            code = compile("\n" * block.line + block.code, str(path), "exec")
            with contextlib.redirect_stdout(printed):
                exec(code, module.__dict__)
            if block.expected is not None:
                got = printed.getvalue()
                assert doctest.OutputChecker().check_output(block.expected, got, OPTIONS), (
                    f"{path.relative_to(ROOT)}:{block.line} prints\n{got}\n"
                    f"but the page says\n{block.expected}"
                )
    finally:
        del sys.modules["page"]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_code_of_a_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = blocks_of(path.read_text())
    monkeypatch.chdir(tmp_path)
    run(path, blocks)


WITHOUT_FRAMEWORKS = """
import sys

class Without:  # None in sys.modules would do, if SciPy did not take it for a module
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {frameworks!r} else self.finder.find_spec(name, path, target)


sys.meta_path[:] = map(Without, sys.meta_path)
sys.path.insert(0, {tests!r})
import test_docs
for page in test_docs.GUIDES:
    blocks = test_docs.blocks_of(page.read_text())
    try:
        test_docs.run(page, [block for block in blocks if not block.needs])
    except Exception as error:
        raise SystemExit(f"{{page.relative_to(test_docs.ROOT)}}, without frameworks: {{error!r}}")
"""


def test_the_pages_run_without_any_framework(tmp_path: Path) -> None:
    code = WITHOUT_FRAMEWORKS.format(frameworks=FRAMEWORKS, tests=str(ROOT / "tests"))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_page_says_what_a_block_needs() -> None:
    page = "Text.\n\n<!-- needs: jax, torch -->\n\n```python\nimport jax\n```\n\n```python\n1\n```\n"
    assert [block.needs for block in blocks_of(page)] == [("jax", "torch"), ()]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_reads_well_without_the_site(path: Path) -> None:
    """What only MkDocs understands stands in the reference, which is made of docstrings."""
    if path.parent.name == "reference":
        return
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.S)
    found = re.findall(
        r"^--8<--.*|^:::.*|^!!! .*|^\?\?\? .*|\[[^\]]*\]\[[^\]]*\]|\[polyad\.\w+\]|\{[:#.][^}]*\}", text, re.M
    )
    assert not found, f"{path.relative_to(ROOT)}: a code host shows this as it is: {found[:5]}"


def test_a_wrong_output_is_noticed(tmp_path: Path) -> None:
    page = "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n"
    with pytest.raises(AssertionError, match="but the page says"):
        run(ROOT / "page.md", blocks_of(page))


def test_the_page_shows_the_backend_of_the_example() -> None:
    page = (ROOT / "docs" / "writing-a-backend.md").read_text()
    code = (ROOT / "examples" / "backend" / "polyad_torchvjp.py").read_text()
    assert f"```python\n{code}```" in page


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/house.md"])
def test_the_worked_rules_are_those_in_the_files(page: str) -> None:
    found = re.findall(r"```py\n# (\S+)\n(.*?)```", (ROOT / page).read_text(), re.S)
    assert len(found) == 3
    for name, line in found:
        assert line in (ROOT / name).read_text(), f"{page} shows a line that is not in {name}"


def test_the_chart_is_drawn_from_the_newest_results() -> None:
    chart = runpy.run_path(str(ROOT / "benchmarks" / "chart.py"))
    assert chart["chart"]() == chart["CHART"].read_text(), "out of date: python benchmarks/chart.py"


def test_what_a_missing_framework_asks_for_is_what_the_readme_documents() -> None:
    from polyad.errors import how_to_install
    from polyad.systems.registry import load, names

    command = how_to_install("jax").split(" in ")[0].replace("'", '"')
    line = next(x for x in (ROOT / "README.md").read_text().splitlines() if command in x)
    for extra in {load(name).extra for name in names() if load(name).__module__.startswith("polyad.")} - {""}:
        assert extra in re.findall(r"\w+", line), f"the README does not document the extra {extra!r}"


def test_links_between_pages_hold() -> None:
    broken = []
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)} -> {target}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_stands_in_the_navigation(path: Path) -> None:
    if path.parent == ROOT:
        return
    name = path.relative_to(ROOT / "docs").as_posix()
    assert name in (ROOT / "mkdocs.yml").read_text(), f"docs/{name} is missing from nav in mkdocs.yml"


def test_the_generated_tables_are_current() -> None:
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    pytest.importorskip("autograd")
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate_tables
    finally:
        sys.path.pop(0)
    for name, (page, table) in generate_tables.TABLES.items():
        assert table() == generate_tables.shown(name), (
            f"the table of {name} in docs/{page} is out of date: python docs/generate_tables.py"
        )


def test_the_list_of_functions_is_current() -> None:
    """Every function has its line; a sample is run again."""
    for framework in ("jax", "torch", "autograd", "casadi", "sympy"):
        pytest.importorskip(framework)
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import function_coverage as marks
    finally:
        sys.path.pop(0)
    shown = (ROOT / "docs" / "followed.md").read_text()
    remedy = "python docs/generate_tables.py --coverage"
    names = list(marks.functions())
    missing = [name for name in names if f"| `{name}` |" not in shown]
    assert not missing, f"{', '.join(missing)} missing in docs/followed.md: {remedy}"
    for name, line in marks.lines(names[5::97]).items():
        assert line in shown, f"{name} is out of date in docs/followed.md: {remedy}"


def test_the_table_of_distributions_is_current() -> None:
    """Every distribution has its line; a few are run again by the quick backends, and two by every one."""
    for framework in ("jax", "torch", "autograd", "casadi", "sympy"):
        pytest.importorskip(framework)
    pytest.importorskip("mpmath")
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import distribution_table as table
        import generate_tables
    finally:
        sys.path.pop(0)
    shown = generate_tables.shown("distributions").splitlines()
    remedy = "python docs/generate_tables.py --coverage distributions"
    assert [row.split("`")[1] for row in shown[2:]] == list(table.NAMES), remedy
    lines = dict(zip(table.NAMES, shown[2:], strict=True))
    for name in ("expon", "poisson"):
        assert table.line(name) == lines[name], f"{name} is out of date: {remedy}"
    for name in ("genextreme", "logser", "wishart"):
        for backend in ("compiled", "torch", "autograd"):
            column = 2 + list(table.BACKENDS).index(backend)
            shown_there = lines[name].split("|")[column].strip()
            assert table.cell(name, backend) == shown_there, f"{name}, {backend}: {remedy}"


def test_every_error_and_every_public_name_is_documented() -> None:
    import polyad

    errors = (ROOT / "docs" / "errors.md").read_text()
    missing = [name for name in polyad.errors.__all__ if f"`{name}`" not in errors]
    reference = "\n".join(p.read_text() for p in (ROOT / "docs" / "reference").glob("*.md"))
    missing += [
        f"polyad.{name}" for name in polyad.__all__ if not re.search(rf"::: polyad\S*\.{name}\n", reference)
    ]
    assert not missing, f"undocumented: {', '.join(missing)}"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_an_example_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(path), run_name="__main__")
    assert printed.getvalue().strip(), f"{path.name} prints nothing"
    assert path.name in (ROOT / "examples" / "README.md").read_text()
