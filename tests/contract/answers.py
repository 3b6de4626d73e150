"""The rules of CDS Hooks 2.0.1 for an answer, as assertions (RSP-01 to RSP-14, ACT-01, ACT-02)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from tests.contract.support import nulls_and_empties

INDICATORS = {"info": 0, "warning": 1, "critical": 2}
CARD = {
    "uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior",
    "overrideReasons", "links", "extension",
}  # fmt: skip
TOPICS = {
    "indication", "dose", "renal", "interaction", "withdrawal", "procedure", "population",
    "monitoring", "missing-data",
}  # fmt: skip
FINDINGS = "org.cds-service.findings"
SUMMARY = "org.cds-service.summary"


def check_answer(answer: Mapping[str, Any]) -> None:
    """Everything the protocol and the contract say about a response."""
    assert set(answer) <= {"cards", "systemActions", "extension"}, "RSP-14"
    assert isinstance(answer["cards"], list), "RSP-01"
    assert list(nulls_and_empties(answer)) == [], "RSP-12"
    summary = answer["extension"][SUMMARY]
    assert set(summary) == {"rulebook", "evaluated", "yes", "no", "unknown"}
    assert summary["evaluated"] == summary["yes"] + summary["no"] + summary["unknown"]
    uuids = []
    for card in answer["cards"]:
        uuids += _check_card(card)
    assert len(uuids) == len(set(uuids)), "RSP-11"


def _check_card(card: Mapping[str, Any]) -> list[str]:
    assert set(card) <= CARD, "RSP-14"
    assert is_text(card["summary"]), "RSP-02"
    assert len(card["summary"]) < 140, "RSP-03"
    assert len(card["summary"].encode("utf-16-le")) < 280, "RSP-03 in UTF-16"
    assert card["indicator"] in INDICATORS, "RSP-04"
    assert is_text(card["source"]["label"]), "RSP-02"
    assert card["source"]["topic"]["code"] in TOPICS
    assert card["source"]["topic"]["system"] == "urn:x-cds-service:topic"
    for url in (card["source"].get("url"), card["source"].get("icon")):
        assert url is None or is_web_address(url), "RSP-09"
    for link in card.get("links", []):
        assert is_text(link["label"])
        assert is_web_address(link["url"]), "RSP-09"
        assert link["type"] in {"absolute", "smart"}, "RSP-08"
        assert "appContext" not in link or link["type"] == "smart", "RSP-08"
    for reason in card.get("overrideReasons", []):
        assert all(is_text(reason[name]) for name in ("code", "system", "display")), "RSP-07"
    suggestions = card.get("suggestions", [])
    assert ("selectionBehavior" in card) == bool(suggestions), "RSP-05, RSP-06"
    assert card.get("selectionBehavior", "any") in {"at-most-one", "any"}, "RSP-05"
    recommended = [each for each in suggestions if each.get("isRecommended")]
    assert len(recommended) <= 1 or card["selectionBehavior"] == "any", "RSP-13"
    findings = card["extension"][FINDINGS]
    worst = max(INDICATORS[finding["indicator"]] for finding in findings)
    assert INDICATORS[card["indicator"]] == worst, "contract section 2"
    assert all(is_text(finding["key"]) for finding in findings)
    uuids = [card["uuid"]]
    for suggestion in suggestions:
        assert is_text(suggestion["label"])
        assert "actionSelectionBehavior" not in suggestion
        uuids.append(suggestion["uuid"])
        for action in suggestion["actions"]:
            _check_action(action)
    return [str(UUID(each)) for each in uuids]


def _check_action(action: Mapping[str, Any]) -> None:
    assert action["type"] in {"create", "update", "delete"}, "RSP-10"
    assert is_text(action["description"]), "RSP-10"
    if action["type"] == "delete":
        kind, _, id = action["resourceId"].partition("/")
        assert kind, "ACT-02"
        assert id, "ACT-02"
        assert "resource" not in action, "ACT-02"
    else:
        assert is_text(action["resource"]["resourceType"]), "ACT-01"
        assert action["type"] == "create" or is_text(action["resource"]["id"]), "ACT-01"


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_web_address(url: str) -> bool:
    return urlsplit(url).scheme in {"http", "https"} and bool(urlsplit(url).netloc)
