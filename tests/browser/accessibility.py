"""axe-core over a page: contrast, names, roles, landmarks (WCAG 2.2 A and AA)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = (
    "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})"
)


def violations(page: Page) -> list[str]:
    """What axe finds wrong, one line for each place."""
    # The debugging protocol runs it beside the page's own policy: no script tag is needed.
    page.evaluate(_AXE.read_text("utf-8"))
    result: dict[str, Any] = page.evaluate(_RUN, _TAGS)
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in result["violations"]
        for node in found["nodes"]
    ]
