"""Every page as pictures, light and dark: ``python -m tests.browser.screenshots``.

For looking at, not for comparing: they go to .cache/screenshots. The picture of the README,
docs/pictures/try-it.png, is made again where the page / is among those wanted.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from playwright.sync_api import FloatRect, ViewportSize, sync_playwright

from cds_service.store.database import Store
from tests.browser.browsing import DESKTOP, PHONE, Visitor, chromium, launched, served
from tests.seeding import seed

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "screenshots"
OF_README = ROOT / "docs" / "pictures" / "try-it.png"
CLIP = FloatRect(x=0, y=0, width=1280, height=1110)
"""Of the picture of the README: down into the second card, and below 300 kB."""
PAGES = {
    "try-it": "/?story=ciprofloxacin",
    "try-it-stop": "/?story=abrupt-stop",
    "rules": "/rules",
    "rules-found": "/rules?q=ciprofloxacin",
    "rule": "/rules/tizanidine-low-creatinine-clearance",
    "rule-critical": "/rules/baclofen-abrupt-withdrawal",
    "value-sets": "/rules/value-sets",
    "value-set": "/rules/value-sets/strong-cyp1a2-inhibitor",
    "statements": "/rules/statements",
    "not-found": "/rules/no-such-rule",
    "insights": "/insights?days=90",
    "insights-of-a-rule": "/insights?days=365&rule=baclofen-cns-depressants",
    "insights-empty": "/insights?from=2020-01-01&to=2020-01-31",
    "insights-refused": "/insights?from=2020-02-01&to=2020-01-31",
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES: dict[str, ViewportSize] = {
    "desktop": ViewportSize(width=DESKTOP["width"], height=DESKTOP["height"]),
    "phone": ViewportSize(width=PHONE["width"], height=PHONE["height"]),
}


def main(program: str, wanted: list[str]) -> None:
    """Write a picture of each page at each size; ``wanted`` narrows by name."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as server,
        closing(Store(f"sqlite:///{folder}/feedback.db")) as store,
        sync_playwright() as playwright,
        launched(playwright, program) as browser,
    ):
        seed(store, datetime.now(UTC))
        for scheme in SCHEMES:
            for size, viewport in SIZES.items():
                context = browser.new_context(viewport=viewport, color_scheme=scheme)
                visitor = Visitor(context, f"http://127.0.0.1:{server.port}")
                for name, path in PAGES.items():
                    if wanted and name not in wanted:
                        continue
                    page = visitor.visit(path)
                    height = min(page.evaluate("document.documentElement.scrollHeight"), 6000)
                    page.set_viewport_size(ViewportSize(width=viewport["width"], height=height))
                    file = FOLDER / f"{name}-{size}-{scheme}.png"
                    page.screenshot(path=file)
                    if (name, size, scheme) == ("try-it", "desktop", "light"):
                        page.screenshot(path=OF_README, clip=CLIP)
                    page.set_viewport_size(viewport)
                    sys.stdout.write(f"{file}\n")
                context.close()
                complaints += [each for each in visitor.complaints if not re.search("40[04]", each)]
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    if (found := chromium()) is None:
        sys.exit("There is no Chromium: apt-get install chromium")
    main(found, sys.argv[1:])
