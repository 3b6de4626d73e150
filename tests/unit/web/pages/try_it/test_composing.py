"""Fields become the FHIR of an order."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_service.app import load_site_rulebook, shipped_stories
from cds_service.settings import load_settings
from cds_service.web.pages.try_it.banner import orders_of_chart
from cds_service.web.pages.try_it.composing import Composer
from cds_service.web.pages.try_it.menu import read_menu
from cds_service.web.pages.try_it.patient_bundle import Unusable
from cds_service.web.pages.try_it.rows import Phase, Row
from tests.vignettes.resource_validity import problem_of_resource

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MENU = read_menu(shipped_stories())
VOCABULARY = load_site_rulebook(load_settings()).vocabulary
THRICE = Phase("4", "3")


def composer(story: str = "abrupt-stop") -> Composer:
    chart = MENU.stories[story].chart(NOW.date())
    return Composer(MENU, chart, orders_of_chart(chart, VOCABULARY), NOW)


def order(row: Row, story: str = "abrupt-stop") -> dict[str, Any]:
    (made,) = composer(story).orders(row, 1)
    found: dict[str, Any] = json.loads(made.raw)
    assert problem_of_resource(found) is None
    return found


def dosage(row: Row, story: str = "abrupt-stop") -> dict[str, Any]:
    (found,) = order(row, story)["dosageInstruction"]
    assert isinstance(found, dict)
    return found


def test_a_new_order() -> None:
    made = order(Row("tizanidine", (THRICE,), unit="mg"))
    assert made["status"] == "draft"
    assert made["subject"] == {"reference": "Patient/abrupt-stop-pat"}
    found = made["dosageInstruction"][0]
    assert found["text"] == "4 mg three times daily"
    assert found["timing"]["repeat"] == {"frequency": 3, "period": 1, "periodUnit": "d"}
    assert found["doseAndRate"][0]["doseQuantity"]["code"] == "mg"
    assert found["route"]["text"] == "Oral route"


def test_tablets_a_bolus_and_a_continuous_rate() -> None:
    tablets = dosage(Row("baclofen-10", (Phase("1.5", "2"),)))
    assert tablets["text"] == "1.5 tablets twice daily"
    assert tablets["doseAndRate"] == [{"doseQuantity": {"value": 1.5, "unit": "tablet"}}]
    bolus = dosage(Row("baclofen-intrathecal", (Phase("50", "once"),)))
    assert bolus["timing"] == {"repeat": {"count": 1}}
    assert bolus["route"]["text"] == "Intrathecal route"
    rate = dosage(Row("baclofen-intrathecal", (Phase("350"),), unit="ug/d"))
    assert rate["doseAndRate"][0]["rateQuantity"]["code"] == "ug/d"


def test_when_needed_with_a_most_in_a_day() -> None:
    found = dosage(Row("tizanidine", (Phase("2", "3"),), as_needed=True, most="8"))
    assert found["asNeededBoolean"] is True
    assert found["maxDosePerPeriod"]["numerator"]["value"] == 8


def test_phases_follow_one_another() -> None:
    phases = (Phase("15", "4", "7"), Phase("10", "4", "7"), Phase("5", "4"))
    found = order(Row("baclofen", phases))["dosageInstruction"]
    assert [each["sequence"] for each in found] == [1, 2, 3]
    assert found[0]["timing"]["repeat"]["boundsDuration"]["value"] == 7
    assert found[0]["text"] == "15 mg four times daily for 7 days"


def test_an_order_of_the_chart_is_stopped_or_changed_under_its_own_id() -> None:
    (known,) = composer().of_chart
    assert known.label == "baclofen 20 mg × 4 a day"
    stop = order(Row(f"stop:{known.ref}"))
    assert (f"MedicationRequest/{stop['id']}", stop["status"]) == (known.ref, "stopped")
    change = order(Row(f"change:{known.ref}", (Phase("10", "4"),), unit="mg"))
    assert (f"MedicationRequest/{change['id']}", change["status"]) == (known.ref, "draft")
    assert change["dosageInstruction"][0]["text"] == "10 mg four times daily"
    assert change["dosageInstruction"][0]["route"]["text"] == "Oral route"


def test_procedures_and_referrals_have_no_dose() -> None:
    made = order(Row("pump-implant", (THRICE,)))
    assert made["resourceType"] == "ServiceRequest"
    assert "dosageInstruction" not in made


def test_a_unit_that_does_not_fit_gives_way() -> None:
    assert composer().settled(Row("tizanidine-4", unit="ug")).unit == "tablet"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("tizanidine", (Phase("", "3"),)), "Order 1, dose: write a number"),
        (Row("tizanidine", (Phase("0", "3"),)), "Order 1, dose: write a number"),
        (Row("tizanidine", (Phase("1e9", "3"),)), "Order 1, dose: write a number"),
        (Row("tizanidine", (Phase("NaN", "3"),)), "Order 1, dose: write a number"),
        (Row("tizanidine", (Phase("4"),)), "Order 1: choose how often"),
        (Row("tizanidine", (THRICE, Phase("x", "2"))), "Order 1, dose 2, dose: write a number"),
        (Row("tizanidine", (THRICE,), most="much"), "Order 1, at most in a day"),
        (Row("stop:MedicationRequest/other", (THRICE,)), "not in this chart"),
        (Row(written="{"), "Order 1 is not valid JSON"),
        (Row(written='{"resourceType":"Condition"}'), "Order 1 is a Condition"),
    ],
)
def test_what_cannot_be_ordered_is_named(row: Row, words: str) -> None:
    with pytest.raises(Unusable, match=words):
        composer().orders(row, 1)


def test_nothing_chosen_is_no_order() -> None:
    assert composer().orders(Row(), 1) == []
    assert composer().orders(Row(written=" "), 1) == []


def test_a_pasted_bundle_may_hold_several_orders() -> None:
    one = {"resourceType": "ServiceRequest", "id": "a"}
    pasted = {"resourceType": "Bundle", "entry": [{"resource": one}, {"resource": one}]}
    assert len(composer().orders(Row(written=json.dumps(pasted)), 1)) == 2
