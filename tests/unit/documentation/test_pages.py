"""The pages in docs/rules: up to date, complete, and linked to places that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cds_service.documentation.markdown import MADE_BY
from cds_service.documentation.material import Material
from cds_service.documentation.pages import stale_pages, write_pages

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "rules"
LINK = re.compile(r"\]\(([^)]+)\)")
ROW = re.compile(r"^\| <a id=\"(s-\d\d)\"></a>(S-\d\d) \|(.+)\|$", re.MULTILINE)
CELLS = re.compile(r"(?<!\\)\|")


def test_the_pages_are_up_to_date(pages: Mapping[str, str]) -> None:
    stale = stale_pages(pages, FOLDER)
    assert stale == [], "docs/rules is stale: run `make docs`"


def test_equal_material_gives_equal_pages(tmp_path: Path) -> None:
    """Whatever order sets come in."""
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "cds_service.cli", "docs", "--out", str(tmp_path / seed)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / seed).iterdir()}
        for seed in ("1", "2")
    )
    assert first == second


def test_every_rule_has_a_page_and_stands_in_the_index(
    pages: Mapping[str, str], material: Material
) -> None:
    assert set(pages) == {
        "README.md",
        "statements.md",
        "value-sets.md",
        *(f"value-set-{name}.md" for name in material.rulebook.vocabulary.terminology.value_sets),
        *(f"{rule}.md" for rule in material.rulebook.rules),
    }
    left_out = [
        rule for rule in material.rulebook.rules if f"({rule}.md)" not in pages["README.md"]
    ]
    assert left_out == []


def test_every_link_leads_somewhere(pages: Mapping[str, str]) -> None:
    dead = []
    for name, text in pages.items():
        for target in LINK.findall(text):
            if target.startswith("https://"):
                continue
            file, _, place = target.partition("#")
            there = pages.get(file)
            if there is None or (place and f'<a id="{place}"></a>' not in there):
                dead.append(f"{name}: {target}")
    assert dead == []


def test_every_row_of_a_table_has_as_many_cells_as_its_heading(pages: Mapping[str, str]) -> None:
    broken = []
    for name, text in pages.items():
        for block in text.split("\n\n"):
            lines = block.splitlines()
            if len(lines) > 1 and lines[1].startswith("| ---"):
                widths = {len(CELLS.split(line)) for line in lines}
                broken += [f"{name}: {lines[0]}"] if len(widths) != 1 else []
    assert broken == []


# --- statements -----------------------------------------------------------------------------------


def test_every_statement_has_exactly_one_row(pages: Mapping[str, str], material: Material) -> None:
    rows = ROW.findall(pages["statements.md"])
    assert [name for _, name, _ in rows] == [each.id for each in material.statements]
    assert [name for _, name, _ in rows] == [f"S-{number:02d}" for number in range(1, 56)]
    assert all(place == name.lower() for place, name, _ in rows)


def test_every_row_names_a_rule_or_says_why_there_is_none(
    pages: Mapping[str, str], material: Material
) -> None:
    known = material.rulebook.rules
    for _, name, rest in ROW.findall(pages["statements.md"]):
        sentence, claim, carried_by, reason = (cell.strip() for cell in CELLS.split(rest))
        assert sentence, name
        assert claim, name
        assert reason, name
        linked = re.findall(r"\[`([a-z0-9-]+)`\]", carried_by)
        planned = re.findall(r"planned: `([a-z0-9-]+)`", carried_by)
        assert set(linked) <= known.keys(), name
        assert not set(planned) & known.keys(), name
        assert linked or planned or carried_by == "background, no trigger", name


# --- writing --------------------------------------------------------------------------------------


def test_stale_pages_are_missing_changed_or_left_over(tmp_path: Path) -> None:
    (tmp_path / "same.md").write_text("same\n", encoding="utf-8")
    (tmp_path / "changed.md").write_text("old\n", encoding="utf-8")
    (tmp_path / "gone.md").write_text(f"{MADE_BY}\n", encoding="utf-8")
    (tmp_path / "by-hand.md").write_text("# Ours\n", encoding="utf-8")
    wanted = {"same.md": "same\n", "changed.md": "new\n", "missing.md": "new\n"}
    assert stale_pages(wanted, tmp_path) == ["changed.md", "gone.md", "missing.md"]
    write_pages(wanted, tmp_path)
    assert stale_pages(wanted, tmp_path) == []
    assert {file.name for file in tmp_path.iterdir()} == {*wanted, "by-hand.md"}


@pytest.mark.parametrize("name", ["README.md", "statements.md", "value-sets.md"])
def test_every_page_says_that_it_is_made(pages: Mapping[str, str], name: str) -> None:
    assert pages[name].startswith(MADE_BY)
    assert pages[name].endswith("\n")
    assert "\n\n\n" not in pages[name]
