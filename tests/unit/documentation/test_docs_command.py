"""``cds-service docs``: writes the pages, or names those that are stale."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main

ROOT = Path(__file__).parents[3]
CASES = str(ROOT / "tests" / "vignettes")


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder: there are no cases at the usual place."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["docs", *arguments])


def test_pages_are_written_where_they_belong(tmp_path: Path) -> None:
    result = run()
    assert (result.exit_code, result.output) == (0, "")
    page = (tmp_path / "docs/rules/baclofen-dose-above-60.md").read_text("utf-8")
    assert "## Cases" not in page
    assert run("--check").exit_code == 0


def test_cases_are_shown_where_they_are_named(tmp_path: Path) -> None:
    assert run("--out", "pages", "--cases", CASES).exit_code == 0
    assert "## Cases" in (tmp_path / "pages/baclofen-dose-above-60.md").read_text("utf-8")


def test_check_names_stale_pages_and_writes_nothing(tmp_path: Path) -> None:
    run("--out", "pages")
    page = tmp_path / "pages/statements.md"
    page.write_text("old", encoding="utf-8")
    result = run("--out", "pages", "--check")
    assert result.exit_code == 1
    assert result.stdout == "pages/statements.md is stale\n"
    assert "make docs" in result.stderr
    assert page.read_text("utf-8") == "old"


@pytest.mark.parametrize(
    ("option", "code"), [("--cases", 2), ("--rules", 1)], ids=["no cases", "no rulebook"]
)
def test_a_folder_that_is_not_there_is_told(option: str, code: int, tmp_path: Path) -> None:
    result = run(option, str(tmp_path / "nowhere"))
    assert result.exit_code == code
    assert "nowhere" in result.stderr
    assert not (tmp_path / "docs").exists()
