"""The prefetch table of docs/integrate.md: ``python -m tests.docs.integrate`` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from cds_service.app import rulebook_directory
from cds_service.cds import Service
from cds_service.rules.rulebook import load_rulebook

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/integrate.md"


def prefetch_table() -> str:
    """A row for each key of each hook, codes left out."""
    services = list(load_rulebook(rulebook_directory(), {}).services.values())
    lines = [
        "| service | hook |",
        "| --- | --- |",
        *(f"| `{service.id}` | {service.hook} |" for service in services),
        "",
        "| key | query | hooks |",
        "| --- | --- | --- |",
    ]
    templates = {key: text for service in services for key, text in service.prefetch.items()}
    for key, template in templates.items():
        query = re.sub(r"(&code=).*", r"\1…", template)
        lines.append(f"| {key} | `{query}` | {_hooks(services, key)} |")
    return "\n".join(lines)


def _hooks(services: list[Service], key: str) -> str:
    asking = [service.hook for service in services if key in service.prefetch]
    return "all" if len(asking) == len(services) else ", ".join(asking)


def with_table(text: str) -> str:
    """The page with its generated part replaced."""
    start, end = "<!-- prefetch -->", "<!-- /prefetch -->"
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{prefetch_table()}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
