"""An overridden card stays silent for a while, until the input gets worse."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import rulebook_directory
from cds_service.cards.history import History, Override, ShownCard
from cds_service.cds import HookRequest
from cds_service.consultation import Consultation, consult
from cds_service.rules.rulebook import load_rulebook
from cds_service.web import envelope

RULEBOOK = load_rulebook(rulebook_directory())
STORY = Path(__file__).parents[3] / "fixtures/fhir/tizanidine-with-ciprofloxacin.order-sign.json"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = b"a secret of these tests"
CYP = "tizanidine-strong-cyp1a2-inhibitor"
KIDNEY = "tizanidine-low-creatinine-clearance"

Json = dict[str, Any]
Change = Callable[[Json], None]


def answer(
    *changes: Change,
    overrides: tuple[Override, ...] = (),
    days: int = 90,
) -> Consultation:
    content = json.loads(STORY.read_text(encoding="utf-8"))
    for change in changes:
        change(content)
    return consult(
        as_request(content),
        RULEBOOK,
        now=NOW,
        history=History(overrides, days),
        secret=SECRET,
    )


def as_request(content: Json) -> HookRequest:
    members = envelope.parse(json.dumps(content).encode())
    return envelope.read(members, RULEBOOK.services["spasticity-order-sign"]).request


def rules(consultation: Consultation) -> set[str]:
    return {finding.rule for card in consultation.cards for finding in card.findings}


def card_of(rule: str, *changes: Change) -> ShownCard:
    (card,) = [
        card
        for card in answer(*changes).cards
        if any(finding.rule == rule for finding in card.findings)
    ]
    return card


def overridden(rule: str, *changes: Change) -> tuple[Override, ...]:
    """The card of that rule was shown and overridden, now."""
    return (Override(NOW, card_of(rule, *changes)),)


def observation(content: Json, code: str) -> Json:
    (found,) = [
        entry["resource"]
        for bundle in content["prefetch"].values()
        for entry in (bundle or {}).get("entry", ())
        if any(
            coding["code"] == code for coding in entry["resource"].get("code", {}).get("coding", ())
        )
    ]
    resource: Json = found
    return resource


def creatinine(value: float) -> Change:
    def change(content: Json) -> None:
        observation(content, "2160-0")["valueQuantity"]["value"] = value

    return change


def single_dose(milligrams: float) -> Change:
    def change(content: Json) -> None:
        order = content["context"]["draftOrders"]["entry"][0]["resource"]
        quantity = order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
        quantity["value"] = milligrams

    return change


def another_id(content: Json) -> None:
    content["context"]["draftOrders"]["entry"][0]["resource"]["id"] = "another"


def another_patient(content: Json) -> None:
    content["context"]["patientId"] = content["prefetch"]["patient"]["id"] = "somebody-else"
    order = content["context"]["draftOrders"]["entry"][0]["resource"]
    order["subject"]["reference"] = "Patient/somebody-else"
    for bundle in content["prefetch"].values():
        for entry in (bundle or {}).get("entry", ()):
            for name in ("subject", "patient"):
                if name in entry["resource"]:
                    entry["resource"][name] = {"reference": "Patient/somebody-else"}


def test_the_story_shows_an_interaction_and_the_kidneys() -> None:
    assert rules(answer()) == {CYP, KIDNEY}


def test_what_was_overridden_is_silent_and_the_rest_is_not() -> None:
    assert rules(answer(overrides=overridden(KIDNEY))) == {CYP}


def test_the_silence_is_told_by_the_explanation() -> None:
    explanation = answer(overrides=overridden(KIDNEY)).explanation
    (silenced,) = explanation["silenced"]
    assert silenced["rule"] == KIDNEY
    assert silenced["key"] in {finding.key for finding in card_of(KIDNEY).findings}
    verdicts = {rule["rule"]: rule["verdict"] for rule in explanation["rules"]}
    assert verdicts[KIDNEY] == "yes"


def test_another_id_of_the_draft_changes_nothing() -> None:
    assert rules(answer(another_id, overrides=overridden(KIDNEY))) == {CYP}


def test_another_patient_is_another_matter() -> None:
    assert rules(answer(another_patient, overrides=overridden(KIDNEY))) == {CYP, KIDNEY}


@pytest.mark.parametrize(
    ("rule", "after", "is_silent"),
    [
        (KIDNEY, timedelta(days=89, hours=23), True),
        (KIDNEY, timedelta(days=90), False),
        (CYP, timedelta(hours=23, minutes=59), True),
        (CYP, timedelta(hours=24), False),
        (KIDNEY, timedelta(seconds=-1), False),
    ],
)
def test_a_warning_is_silent_for_90_days_and_a_critical_finding_for_a_day(
    rule: str, after: timedelta, is_silent: bool
) -> None:
    override = Override(NOW - after, card_of(rule))
    assert (rule not in rules(answer(overrides=(override,)))) is is_silent


def test_a_site_may_shorten_the_silence_and_cannot_lengthen_it_for_critical_findings() -> None:
    two_days_ago = NOW - timedelta(days=2)
    warning, critical = (Override(two_days_ago, card_of(rule)) for rule in (KIDNEY, CYP))
    assert KIDNEY in rules(answer(overrides=(warning,), days=1))
    assert CYP in rules(answer(overrides=(critical,), days=365))


@pytest.mark.parametrize(
    ("change", "is_silent"),
    [
        (single_dose(4), True),
        (single_dose(2.5), True),
        (single_dose(5), False),
        (creatinine(2.3), True),
        (creatinine(2.6), True),
        (creatinine(2.7), False),
    ],
)
def test_the_silence_ends_where_the_dose_rises_or_the_kidneys_fail_further(
    change: Change, is_silent: bool
) -> None:
    assert (KIDNEY not in rules(answer(change, overrides=overridden(KIDNEY)))) is is_silent


def test_the_silence_ends_where_the_finding_has_become_graver() -> None:
    def brief(content: Json) -> None:
        """Ciprofloxacin that ended three days ago: one level lower."""
        for entry in content["prefetch"]["medicationRequests"]["entry"]:
            entry["resource"]["status"] = "completed"
            for dosage in entry["resource"]["dosageInstruction"]:
                dosage.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = {
                    "start": "2026-11-10", "end": "2026-11-22",
                }  # fmt: skip

    lower = card_of(CYP, brief)
    assert lower.indicator == "warning"
    assert rules(answer(brief, overrides=(Override(NOW, lower),))) == {KIDNEY}
    assert rules(answer(overrides=(Override(NOW, lower),))) == {CYP, KIDNEY}


def test_a_dose_that_can_no_longer_be_computed_is_not_silent() -> None:
    def no_dose(content: Json) -> None:
        del content["context"]["draftOrders"]["entry"][0]["resource"]["dosageInstruction"]

    assert KIDNEY in rules(answer(no_dose, overrides=overridden(KIDNEY)))


def test_each_card_may_have_been_overridden_by_somebody_else() -> None:
    assert rules(answer(overrides=overridden(KIDNEY) + overridden(CYP))) == set()
