"""Every page of the rulebook, written to a folder or held against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cds_service.documentation.index import index_page
from cds_service.documentation.markdown import MADE_BY
from cds_service.documentation.material import Material
from cds_service.documentation.rule_page import rule_page
from cds_service.documentation.statements import statements_page
from cds_service.documentation.value_sets import (
    value_set_file,
    value_set_page,
    value_sets_page,
)


def make_pages(material: Material, *, with_snomed_ct: bool = False) -> Mapping[str, str]:
    """File name -> page; equal material gives equal pages.

    ``with_snomed_ct`` lists its codes, too: for the pages of a service that holds them.
    """
    value_sets = material.rulebook.vocabulary.terminology.value_sets
    return {
        "README.md": index_page(material),
        "statements.md": statements_page(material),
        "value-sets.md": value_sets_page(material),
        **{
            value_set_file(name): value_set_page(name, material, with_snomed_ct=with_snomed_ct)
            for name in sorted(value_sets)
        },
        **{f"{rule.id}.md": rule_page(rule, material) for rule in material.rulebook.rules.values()},
    }


def write_pages(pages: Mapping[str, str], folder: Path) -> None:
    """Write what has changed, and take away pages made for rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale_pages(pages, folder):
        file = folder / name
        if name in pages:
            file.write_text(pages[name], encoding="utf-8", newline="\n")
        else:
            file.unlink()


def stale_pages(pages: Mapping[str, str], folder: Path) -> list[str]:
    """The pages that are missing, differ, or were made for a rule that is gone."""
    present = {file.name: file.read_text("utf-8") for file in sorted(folder.glob("*.md"))}
    changed = [name for name, text in pages.items() if present.get(name) != text]
    left = [
        name for name, text in present.items() if name not in pages and text.startswith(MADE_BY)
    ]
    return sorted(changed + left)
