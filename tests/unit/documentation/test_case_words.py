"""Cases in plain words: nothing of what a case says is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from cds_service.documentation.case_words import later_calls, orders, record, who
from cds_service.documentation.dose_words import dose
from cds_service.documentation.material import Material
from tests.vignettes.cases import load_cases
from tests.vignettes.results import BASELINE


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{amount: 10, unit: mg, frequency: 3}", "10 mg 3 times a day"),
        ("{amount: 2, unit: mg, frequency: 1}", "2 mg once a day"),
        ("{amount: 5, unit: mg, frequency: 1, period: 6, period_unit: h}", "5 mg every 6 hours"),
        ("{low: 5, high: 10, unit: mg, frequency: 1, frequency_max: 4}", "5 to 10 mg 1 to 4 times a day"),
        ("{amount: 10, unit: mg, frequency: 1, period: 4, period_max: 8, period_unit: h}", "10 mg every 4 to 8 hours"),
        ("{amount: 20, unit: mg, prn: true, max: [3, dose, 1, d]}", "20 mg as needed at most 3 dose in 1 day"),
        ("{amount: 50, unit: ug, count: 1, text: screening bolus}", "50 µg once “screening bolus”"),
        ("{rate: 8.4, rate_unit: ug/d}", "8.4 µg/day"),
        ("[{amount: 20, unit: mg, when: MORN, for_days: 1}, {amount: 15, unit: mg, when: HS}]", "20 mg in the morning for 1 day, then 15 mg at bedtime"),
        ("{amount: 4, unit: mg, frequency: 3, days_of_week: [mon, fri]}", "4 mg 3 times a day on Mon, Fri"),
        ("{rate_ratio: [1, mL, 2, h], time_of_day: '08:00'}", "at 08:00 at 1 mL in 2 hour"),
        ("null", ""),
    ],
)  # fmt: skip
def test_a_dose_in_words(written: str, expected: str) -> None:
    assert dose(yaml.safe_load(written)) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{}", "baseline"),
        ("{patient: {age: 1, sex: male, weight_lb: 22}}", "man of 1 year, 22 lb"),
        ("{patient: {age: null, birthday_in_days: 3, birth_sex: F}}", "person of unknown age, birth sex F, birthday in 3 days"),
        ("{baseline: {omit: [weight, multiple-sclerosis]}}", "without weight, multiple sclerosis"),
    ],
)  # fmt: skip
def test_who(written: str, expected: str) -> None:
    assert who(yaml.safe_load(written)) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{conditions: [{is: ckd-stage-4, onset: -300, verification: provisional}]}", "CKD stage 4 (provisional, begun 300 days ago)"),
        ("{results: [{test: blood-pressure, value: [90, null], day: 0}]}", "blood pressure 90/? (today)"),
        ("{results: [{test: creatinine, comparator: '>', value: 3.5, unit: none, day: -1}]}", "creatinine > 3.5 without unit (1 day ago)"),
        ("{medications: [{drug: baclofen, as: [sct, atc], until: -3}]}", "baclofen (as SCT and ATC, ended 3 days ago)"),
        ("{allergies: [{drug: baclofen, as: text, reaction: rash}]}", "allergy to baclofen (as text only, rash)"),
        ("{history: [pump, dialysis]}", "has a baclofen pump; on dialysis"),
        ("{fhir: STU3, prefetch: {drop: '^Medication', empty_as_null: true}}", "FHIR STU3; not sent: Medication; what is empty is sent as null"),
        ("{encounters: [{class: IMP}], family_history: [{is: sepsis}]}", "father with sepsis; in hospital"),
    ],
)  # fmt: skip
def test_what_the_record_holds(written: str, expected: str) -> None:
    assert record(yaml.safe_load(written)) == expected


def test_orders_name_the_drug_they_take_the_place_of() -> None:
    case = yaml.safe_load(
        "{medications: [{id: home, drug: baclofen}], hook: order-sign, orders: ["
        "{drug: tizanidine, replaces: home}, {stop: home, stop_reason: rash}, {service: pump-refill}]}"
    )
    assert orders(case) == (
        "tizanidine (in place of baclofen); baclofen stopped (rash); pump refill (order-sign)"
    )


def test_later_calls_are_numbered() -> None:
    case = yaml.safe_load(
        "{patient: {age: 17, sex: male}, medications: [{id: home, drug: baclofen}], steps: ["
        "{call: {}}, {feedback: r}, {call: {with: {patient: {age: 18}}}}, "
        "{accept: {rule: r, type: delete, suggestion: 2}}, "
        "{call: {hook: order-sign, with: {orders: [{stop: home}]}}}]}"
    )
    assert list(later_calls(case)) == [
        "then an override of r",
        "call 2: man of 18 years",
        "call 3: after suggestion 2 of r (delete) is accepted",
        "call 4: ordered: baclofen stopped; at order-sign",
    ]


def values_in(part: Any) -> Iterator[str]:
    """Numbers of a case: what a pharmacist checks."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name not in {"sequence", "id", "frequency", "count", "period", "bounds_days"}:
                yield from values_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from values_in(value)
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield str(abs(part))


def test_every_number_of_every_case_is_told(material: Material) -> None:
    told = {row.id: f"{row.who} {row.record} {row.orders}" for row in material.cases}
    lost = []
    for case in load_cases().values():
        facts = {
            name: value
            for name, value in case.data.items()
            if name not in {"id", "title", "section", "pair", "expect", "steps"}
        }
        lost += [
            f"{case.id}: {value}"
            for value in values_in(facts)
            if value != "0" and value not in told[case.id]
        ]
    assert lost == []


def test_the_baseline_is_that_of_the_cases() -> None:
    """The sentence above the table says 70 kg and 170 cm."""
    sizes = {each["test"]: each["value"] for each in BASELINE}
    assert (sizes["weight"], sizes["height"]) == (70, 170)
