"""The rooms of the house: who may import whom, and what the core may not touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cds_service"

CORE = ("answer.py", "cds.py", "errors.py", "fhir", "chart", "rules", "cards")
"""The date, the settings and the EHR reach these as arguments."""

WITHOUT_FILES = ("answer.py", "cds.py", "errors.py", "fhir", "chart", "cards")
"""Of the core only ``rules`` opens files: it loads the rulebook, once, at the start."""

CLOCK_AND_ENVIRONMENT = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.getenvb",
    "time.gmtime",
    "time.localtime",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.time",
    "time.time_ns",
}
FILE_METHODS = {"read_bytes", "read_text", "write_bytes", "write_text"}

MOST_LINES = 400


def modules(*rooms: str) -> list[Path]:
    """Every module of the rooms named; a room is a folder or a single file."""
    found: list[Path] = []
    for room in rooms:
        path = PACKAGE / room
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_names(tree: ast.AST) -> dict[str, str]:
    """Local name -> what it stands for: ``{"dt": "datetime", "now": "datetime.datetime.now"}``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
                else:
                    top = alias.name.partition(".")[0]
                    names[top] = top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported that is used: ``datetime.date.today``."""
    names = imported_names(tree)
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in names:
            yield inner.lineno, ".".join([names[inner.id], *reversed(parts)])


def test_imports_keep_to_the_contracts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tool sets up a log of its own, which would silence ours for the tests that follow.
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)
    status = lint_imports(
        config_filename=str(ROOT / "pyproject.toml"),
        cache_dir=str(ROOT / ".cache" / "import-linter"),
        no_logo=True,
    )
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("module", modules(*CORE), ids=where)
def test_the_core_reads_no_clock_and_no_environment(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    used = {
        f"{where(module)}:{line}: {name}"
        for line, name in dotted_names(tree)
        if name in CLOCK_AND_ENVIRONMENT
    }
    assert not used, "the instant and the settings are arguments of the core"


@pytest.mark.parametrize("module", modules(*WITHOUT_FILES), ids=where)
def test_the_core_opens_no_files(module: Path) -> None:
    opened = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open":
            opened.add(f"{where(module)}:{node.lineno}: open")
        elif isinstance(node.func, ast.Attribute) and node.func.attr in FILE_METHODS:
            opened.add(f"{where(module)}:{node.lineno}: {node.func.attr}")
    assert not opened, "what is in a file reaches these rooms as an argument"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import datetime\ndatetime.date.today()", "datetime.date.today"),
        ("import datetime as dt\ndt.datetime.now(dt.UTC)", "datetime.datetime.now"),
        ("from datetime import date as day\nday.today()", "datetime.date.today"),
        ("from time import time\ntime()", "time.time"),
        ("import os\nos.environ['TZ']", "os.environ"),
        ("def inner():\n    from os import getenv\n    return getenv('TZ')", "os.getenv"),
    ],
)
def test_a_hidden_clock_would_be_found(source: str, name: str) -> None:
    assert name in {found for _, found in dotted_names(ast.parse(source))}


def test_an_argument_called_today_is_no_clock() -> None:
    source = "from datetime import date\ndef age(born: date, today: date): return today - born"
    assert not {n for _, n in dotted_names(ast.parse(source))} & CLOCK_AND_ENVIRONMENT


def test_modules_stay_short_enough_to_read_in_one_go() -> None:
    lengths = {
        where(path): len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
