"""Comments and docstrings in plain speech: what can be tested of it.

* Callers, users and authors are "they": no "he", "his", "him".
* Some phrases stood for many things; there is a plainer word for each.
* A module says in the first line of its docstring what it is for, in one sentence.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "polyad").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_generated" not in p.parts)]
PRONOUNS = re.compile(r"\b(he|his|him|himself|she|hers?|herself)\b", re.I)
# code in a page, in a block or a line
CODE = re.compile(r"```.*?```|`[^`]*`", re.S)
# phrase -> what to say
PLAINER = {
    r"\b(the|its) way back\b": "the reverse sweep",
    r"\bon (the|its) way\b": "in between, meanwhile, or nothing",
    r"\bby way of\b": "through, by",
    r"\b(short|shorter|shortest|long|longer|general|second) ways?\b": "the fast path, the general code",
    r"\bin its own way\b": "natively, by itself",
    r"\bin the way\b": "what prevents it",
    r"\blest\b": "so that ... not",
    r"\bto no harm\b": "which does no harm",
    r"\bthough (it|its \w+) be\b": "even if it is",
    r"\bfor ever\b": "without end",
    r"\bnobody is asked\b": "it is not found out",
}


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines of the comments and docstrings of a module."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and type(node.value.value) is str
        ):
            yield from ((k, lines[k - 1]) for k in range(node.lineno, (node.end_lineno or 0) + 1))


def test_comments_are_plain() -> None:
    grates = []
    for path in SOURCES:
        for line, text in prose(path.read_text()):
            where = f"{path.relative_to(ROOT)}:{line}"
            grates += [f"{where} {m[0]!r}: say the caller, the user, their" for m in PRONOUNS.finditer(text)]
            for phrase, plainer in PLAINER.items():
                grates += [f"{where} {m[0]!r}: say {plainer}" for m in re.finditer(phrase, text, re.I)]
    assert not grates, "\n".join(grates)


def test_pages_say_they() -> None:
    grates = []
    for path in PAGES:
        text = CODE.sub(lambda m: "\n" * m[0].count("\n"), path.read_text())
        for line, words in enumerate(text.splitlines(), 1):
            grates += [f"{path.relative_to(ROOT)}:{line} {m[0]!r}" for m in PRONOUNS.finditer(words)]
    assert not grates, "\n".join(grates)


def test_a_module_says_in_a_line_what_it_is_for() -> None:
    silent = []
    for path in SOURCES:
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        first = (text.splitlines() or [""])[0]
        if not first.endswith((".", ":")) or len(first.split()) < 3:
            silent.append(f"{path.relative_to(ROOT)}: {first!r}")
    assert not silent, "\n".join(silent)
