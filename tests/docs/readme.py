"""The README's request and answer: written by ``python -m tests.docs.readme``, held by a test."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cds_service.app import create_app
from tests.temporary import temporary_settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
STORY = ROOT / "fixtures/fhir/tizanidine-with-ciprofloxacin.order-sign.json"
DAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
_VOLATILE = re.compile(r'("uuid": |"key": )"[^"]*"|\d{4}\.\d{2}\+[0-9a-f]{8}')


def answer() -> dict[str, Any]:
    """What the service says to the story on its day."""
    client = create_app(temporary_settings(), clock=lambda: DAY).test_client()
    response = client.post(
        "/cds-services/spasticity-order-sign", json=json.loads(STORY.read_text())
    )
    assert response.status_code == 200
    body: dict[str, Any] = response.get_json()
    return body


def blocks() -> dict[str, str]:
    """The generated parts of the README by name."""
    body = answer()
    lines = [
        f"> **{card['indicator']}** {card['summary']}\n>\n> "
        + ", ".join(f"[{suggestion['label']}]" for suggestion in card.get("suggestions", []))
        for card in body["cards"]
    ]
    return {
        "cards": "\n\n".join(lines),
        "answer": "```json\n" + json.dumps(body, indent=2, ensure_ascii=False) + "\n```",
    }


def with_blocks(text: str) -> str:
    """The README with its generated parts replaced."""
    for name, content in blocks().items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{content}\n{end}{after}"
    return text


def comparable(text: str) -> str:
    """Without what differs from call to call or with every edit of a rule."""
    return _VOLATILE.sub("…", text)


if __name__ == "__main__":
    README.write_text(with_blocks(README.read_text(encoding="utf-8")), encoding="utf-8")
