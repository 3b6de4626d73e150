"""``docs/conformance.md``: what the specification asks, what is answered, which test holds it.

``python -m tests.contract.conformance`` writes the page from ``requirements.yaml``.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tests.contract.test_over_http import SITUATIONS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "conformance.md"
ROWS = Path(__file__).with_name("requirements.yaml")
COMMAND = "python -m tests.contract.conformance"

_OVER_HTTP = "contract/test_over_http.py::test_situation"
_MEMBERS = {"level", "versions", "says", "answer", "tests", "pending", "not_a_test"}
_INTRODUCTION = f"""# What CDS Hooks asks of a service, and which test holds it

Made by `{COMMAND}` from `tests/contract/requirements.yaml`; do not edit.

Levels are those of the standard; *silent* means that it says nothing and the answer is our decision, *CLIENT* that it
binds the caller and the service is prepared for it. *Over HTTP* counts the situations that
`tests/contract/test_over_http.py` puts to the real server for this row. Paths are below `tests/`.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement, restated."""

    id: str
    level: str
    versions: str
    says: str
    answer: str
    tests: tuple[str, ...] = ()
    pending: str | None = None
    not_a_test: str | None = None

    @property
    def situations(self) -> int:
        """How often the real server is asked about it."""
        return Counter(one.row for one in SITUATIONS)[self.id]


@cache
def chapters() -> dict[str, list[Row]]:
    """Title -> rows."""
    content = yaml.safe_load(ROWS.read_text("utf-8"))
    return {
        title: [
            Row(id, **members | {"tests": tuple(members.get("tests", ()))})
            for id, members in rows.items()
        ]
        for title, rows in content.items()
    }


def rows() -> list[Row]:
    """Every row."""
    return [row for chapter in chapters().values() for row in chapter]


def pending() -> list[str]:
    """The rows whose tests wait for a feature, and for which."""
    return [f"{row.id}: {row.pending}" for row in rows() if row.pending]


def problems() -> Iterator[str]:
    """Rows that nothing holds, and tests that are not there."""
    for row in rows():
        held = bool(row.tests or row.situations)
        if row.not_a_test and (held or row.pending):
            yield f"{row.id}: has a test and a reason against one"
        if not (held or row.pending or row.not_a_test):
            yield f"{row.id}: no test, and no reason"
        yield from (f"{row.id}: there is no {each}" for each in row.tests if not _exists(each))
    for name in {one.row for one in SITUATIONS} - {row.id for row in rows()}:
        yield f"{name}: asked over HTTP, but no row"


def _exists(test: str) -> bool:
    file, _, function = test.partition("::")
    return function in _functions(file)


@cache
def _functions(file: str) -> frozenset[str]:
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def page() -> str:
    """What ``docs/conformance.md`` should hold now."""
    parts = [_INTRODUCTION]
    for title, chapter in chapters().items():
        parts += [f"\n## {title}\n"]
        parts += ["| row | level | versions | what is asked | what is done | over HTTP | tests |"]
        parts += ["| --- | --- | --- | --- | --- | --- | --- |"]
        parts += [_line(row) for row in chapter]
    return "\n".join(parts) + "\n"


def _line(row: Row) -> str:
    tests = "<br>".join(f"`{test}`" for test in row.tests)
    if row.pending:
        tests += f"{'<br>' * bool(tests)}to come with {row.pending}"
    if row.not_a_test:
        tests = f"not a test: {row.not_a_test}"
    cells = [row.id, row.level, row.versions, row.says, row.answer]
    cells += [str(row.situations or ""), tests]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """Command line."""
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.name} written, {len(rows())} rows\n")
    sys.stdout.write("".join(f"pending {each}\n" for each in pending()))


if __name__ == "__main__":
    main()
