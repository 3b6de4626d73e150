"""What holds of every patient, not only of those somebody thought of.

The charts are made by chance, the same ones on every run; a failure prints the case, which
``case_of`` renders again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cds_service.cds import Indicator
from tests.invariants.generated import (
    CONDITIONS,
    DRUGS,
    OWN,
    PARTNERS,
    RECORDS,
    case_of,
    cases,
    charts,
    doses,
    high_starts,
)
from tests.invariants.sites import (
    MOMENT,
    answer_to,
    explanation_of,
    request_of,
    site,
    site_rulebook,
)
from tests.invariants.told import (
    full,
    highest,
    highest_by_subject,
    listed,
    ranks,
    swallowed,
    swallowers,
    yes_rules,
)
from tests.invariants.variations import VARIATIONS, Variation
from tests.invariants.wire import ask
from tests.vignettes.cases import Case, load_cases
from tests.vignettes.fhir_json import Json
from tests.vignettes.rendering import render
from tests.vignettes.response_checks import INDICATORS, problems_of_answer

RULES = sorted(site_rulebook().rules)
many = settings(max_examples=60, deadline=None)

ENTRY_ERROR = case_of(
    {
        "patient": {"age": 40, "sex": "female", "weight_kg": 70, "height_cm": 170},
        "results": [{"test": "creatinine", "value": 1.6, "day": -3}],
        "orders": [{"drug": "baclofen", "dose": {"amount": 40, "unit": "mg", "frequency": 1}}],
    }
)
"""A start that is graver than the kidney finding that hides lesser ones."""

TWO_PARTNERS = case_of(
    {
        "medications": [
            {"id": name, "drug": name, "dose": {"amount": 2, "unit": "mg", "frequency": 3}}
            for name in OWN
        ],
        "orders": [
            {"drug": "gabapentin"},
            {
                "drug": "baclofen",
                "replaces": "baclofen",
                "dose": {"amount": 2, "unit": "mg", "frequency": 2},
            },
        ],
    }
)
"""Two drafts are partners of a drug that is taken: one is new, one lowered."""


def with_more(case: Case, field: str, *more: Json) -> Case:
    """The same case with further entries of a list."""
    return case.changed({field: [*case.get(field, []), *more]})


# --- more of what is dangerous never says less ----------------------------------------------------


@many
@given(
    high_starts() | cases(is_exact=True, youngest=18),
    st.tuples(*[st.sampled_from([0.5, 0.9, 1.1, 1.3, 1.6, 2.1, 2.6, 3.5, 5.0, 9.0])] * 2),
    st.sampled_from([-1, -20, -170]),
)
@example(case=ENTRY_ERROR, creatinine=(0.9, 1.6), day=-1)
def test_a_worse_kidney_never_lowers_the_highest_indicator(
    case: Case, creatinine: tuple[float, float], day: int
) -> None:
    """The same patient and orders with a higher creatinine."""
    better, worse = sorted(creatinine)
    assume(better < worse)

    def with_creatinine(value: float) -> Case:
        return case.changed({"results": [{"test": "creatinine", "value": value, "day": day}]})

    _never_less(with_creatinine(better), with_creatinine(worse))


@many
@given(
    charts(is_exact=True),
    st.sampled_from(OWN),
    st.data(),
)
def test_a_higher_dose_of_a_new_order_never_lowers_the_highest_indicator(
    chart: Json, drug: str, data: st.DataObject
) -> None:
    """The same new order with a larger amount, or given more often."""
    dose = data.draw(doses(drug))
    more = {
        **dose,
        "amount": dose["amount"] * data.draw(st.sampled_from([1, 2, 3, 5])),
        "frequency": min(dose["frequency"] + data.draw(st.integers(0, 2)), 4),
    }
    assume(more != dose)
    lower, higher = (
        case_of({**chart, "orders": [{"drug": drug, "dose": each}]}) for each in (dose, more)
    )
    _never_less(lower, higher)


@many
@given(cases(), st.sampled_from(PARTNERS), st.sampled_from([-400, -30, -3]))
def test_one_more_drug_never_lowers_the_highest_indicator(
    case: Case, drug: str, since: int
) -> None:
    """The same chart with one more active drug in it, that is not among the drafts.

    A draft of a drug that is taken already is a renewal and starts nothing.
    """
    first_word = drug.partition("-")[0]
    assume(all(first_word not in each.get("drug", "") for each in case.get("orders", [])))
    _never_less(case, with_more(case, "medications", {"drug": drug, "since": since}))


def _never_less(better: Case, worse: Case) -> None:
    before, after = answer_to(better), answer_to(worse)
    report = f"\n  before:\n    {listed(before)}\n  after:\n    {listed(after)}\n{worse.data}"
    assert highest(after) >= highest(before), report
    _no_rule_says_less(better, worse, report)


def _no_rule_says_less(better: Case, worse: Case, report: str) -> None:
    """Not even one that another has swallowed; missing data is no danger of its own."""
    before, after = yes_rules(explanation_of(better)), yes_rules(explanation_of(worse))
    for (rule, order), indicator in before.items():
        now = after.get((rule, order))
        less = now is None or INDICATORS.index(now) < INDICATORS.index(indicator)
        assert rule == "missing-data" or not less, f"{rule}: {indicator}, then {now}{report}"


# --- what is not so counts for nothing ------------------------------------------------------------


@many
@given(
    cases(),
    st.lists(st.sampled_from(CONDITIONS), min_size=10, max_size=30, unique=True),
    st.sampled_from(["refuted", "entered-in-error"]),
)
def test_a_disease_the_patient_does_not_have_adds_no_finding(
    case: Case, diseases: list[str], verification: str
) -> None:
    """Refuted diagnoses, and those entered in error; many at once, since few concern one order."""
    denied = [{"is": each, "verification": verification, "onset": -20} for each in diseases]
    before, after = answer_to(case), answer_to(with_more(case, "conditions", *denied))
    _adds_nothing(case, before, after)
    if verification == "entered-in-error":
        assert full(after) == full(before), listed(after)


@many
@given(
    cases(),
    st.lists(st.sampled_from(DRUGS), min_size=5, max_size=15, unique=True),
    st.sampled_from(RECORDS),
)
def test_a_drug_entered_in_error_changes_nothing(
    case: Case, drugs: list[str], resource: str
) -> None:
    """In any list of drugs, and as an allergy."""
    status = {"resource": resource, "status": "entered-in-error", "since": -20}
    wrong = [{"drug": each, **status} for each in drugs]
    allergies = [{"drug": each, "verification": "entered-in-error"} for each in drugs]
    more = with_more(with_more(case, "medications", *wrong), "allergies", *allergies)
    before, after = answer_to(case), answer_to(more)
    assert full(after) == full(before), f"{listed(before)}\n{listed(after)}\n{more.data}"


@many
@given(
    cases(),
    st.sampled_from(
        [
            ("creatinine", 9.0),
            ("inr", 4.0),
            ("platelets", 20),
            ("alt", 900),
            ("pulse", 30),
            ("weight", 35),
        ]
    ),
    st.sampled_from(["entered-in-error", "cancelled"]),
)
def test_a_result_entered_in_error_changes_nothing(
    case: Case, wrong: tuple[str, float], status: str
) -> None:
    """A result that was taken back, or never made, beside those that stand."""
    test, value = wrong
    request = request_of(case)
    rendered = render(
        with_more(case, "results", {"test": test, "value": value, "day": -1, "status": status}),
        MOMENT,
    )
    # The case's own results, the baseline among them, stay: the wrong one is a further resource.
    extra = next(
        each
        for each in reversed(rendered.chart)
        if each["resourceType"] == "Observation" and each["status"] == status
    )
    plain = render(case, MOMENT)
    more = request_of(case, plain.with_changes(chart=[*plain.chart, {**extra, "id": "gen-wrong"}]))
    http = site().http
    before, after = ask(http, case.service, request), ask(http, case.service, more)
    assert full(after) == full(before), f"{listed(before)}\n{listed(after)}\n{case.data}"


def _adds_nothing(case: Case, before: Json, after: Json) -> None:
    known = ranks(before)
    for each in full(after):
        rule, indicator, _, key = each
        report = f"{rule} ({indicator})\n{listed(before)}\n{listed(after)}\n{case.data}"
        assert INDICATORS.index(indicator) <= known.get(key, -1), report


# --- the form of the request ----------------------------------------------------------------------


def _with_unrelated(case: Case) -> Case:
    return case.changed({"encoding": {"noise": 120}})


def _in_grams(case: Case) -> Case:
    """Amounts of oral drafts in grams, and the weight too."""
    orders = [
        {**order, "dose": _dose_in_grams(order["dose"])} if "dose" in order else order
        for order in case.get("orders", [])
    ]
    results = [
        {**each, "value": each["value"] * 1000, "unit": "g"} if each["test"] == "weight" else each
        for each in case.get("results", [])
    ]
    return case.changed({"orders": orders, "results": results})


def _dose_in_grams(dose: Json) -> Json:
    amount = float(Decimal(str(dose["amount"])) / 1000)
    return {**dose, "amount": amount, "unit": "g"}


FORMS = (
    *(each for each in VARIATIONS if each.name != "thousand-unrelated-resources"),
    Variation("unrelated-resources", case=_with_unrelated),
    Variation("grams", case=_in_grams),
)


@settings(many, max_examples=150)
@given(cases(), st.sampled_from(FORMS))
@example(case=TWO_PARTNERS, form=FORMS[0])
def test_the_form_of_the_request_changes_no_finding(case: Case, form: Variation) -> None:
    """Order of entries, unrelated resources, units, references, ways to write an order."""
    assume(form.applies(case))
    varied = form.case(case)
    request = form.request(request_of(varied, form.rendered(render(varied, MOMENT))))
    plain, told = answer_to(case), ask(site().http, varied.service, request)
    before, after = (
        {(rule, indicator, key) for rule, indicator, _, key in full(each)} for each in (plain, told)
    )
    assert after == before, f"{form.name}\n{listed(plain)}\n{listed(told)}\n{case.data}"
    assert problems_of_answer(told, request) == []


# --- what a site may choose -----------------------------------------------------------------------


@many
@given(high_starts() | cases(), st.data())
def test_a_disabled_rule_takes_its_findings_along_and_shows_what_it_hid(
    case: Case, data: st.DataObject
) -> None:
    """Nothing else changes; and a rule in shadow looks the same from outside."""
    before, found = answer_to(case), yes_rules(explanation_of(case))
    # Rules that hide something are what there is most to see of.
    choices = swallowers(found) or {rule for rule, _ in found} or RULES
    rule = data.draw(st.sampled_from(sorted(choices)))
    hidden = swallowed(found)
    uncovered = hidden - swallowed(found, without=[rule])
    after = answer_to(case, site(disabled=frozenset({rule})))
    shadowed = answer_to(case, site(shadow=frozenset({rule})))
    shown = highest_by_subject(before) | {each: found[each] for each in uncovered}
    expected = {each: indicator for each, indicator in shown.items() if each[0] != rule}
    report = f"without {rule}\n{listed(before)}\n{listed(after)}\n{case.data}"
    assert highest_by_subject(after) == expected, report
    kept = {each for each in full(before) if each[0] != rule}
    assert kept <= set(full(after)), report
    assert full(shadowed) == full(after), report
    assert [_told(card) for card in shadowed["cards"]] == [_told(card) for card in after["cards"]]


def _told(value: Any) -> Any:
    """The value without what is fresh in each answer."""
    if isinstance(value, dict):
        return {name: _told(below) for name, below in value.items() if name != "uuid"}
    return [_told(each) for each in value] if isinstance(value, list) else value


@many
@given(high_starts() | cases(), st.sampled_from(list(Indicator)))
def test_the_minimum_indicator_removes_exactly_what_is_below(case: Case, least: Indicator) -> None:
    """What is hidden still hides what it hid: nothing new appears."""
    before = full(answer_to(case))
    after = full(answer_to(case, site(minimum=((case.service, least),))))
    assert set(after) == {each for each in before if INDICATORS.index(each[1]) >= least.rank}


# --- the explanation ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "rule", "reason"),
    [
        ("BW-75", "baclofen-abrupt-withdrawal", "the new dose cannot be computed"),
        ("BW-76", "baclofen-abrupt-withdrawal", "the dose before cannot be computed"),
        (
            "TWD-32",
            "tizanidine-abrupt-withdrawal",
            "the medication list could not be obtained in full",
        ),
    ],
)
def test_a_withdrawal_that_cannot_be_told_is_listed_as_unknown(
    case: str, rule: str, reason: str
) -> None:
    """No finding, and the explanation says which datum was missing."""
    lines = [each for each in explanation_of(load_cases()[case])["rules"] if each["rule"] == rule]
    assert [(each["verdict"], each["reason"]) for each in lines] == [("unknown", reason)]


@many
@given(high_starts() | cases(), st.sampled_from(["order-select", "order-sign"]))
@example(case=ENTRY_ERROR, hook="order-sign")
def test_the_explanation_is_what_the_cards_say(case: Case, hook: str) -> None:
    """The same rules say yes, and those that were hidden besides; the summary counts them all."""
    case = case.changed({"hook": hook})
    answer, explanation = answer_to(case), explanation_of(case)
    found, shown = yes_rules(explanation), highest_by_subject(answer)
    report = f"{listed(answer)}\n{found}\n{case.data}"
    assert shown.items() <= found.items(), report
    hidden = swallowed(found)
    assert not hidden & shown.keys(), report
    for rule, order in found.keys() - shown.keys() - hidden:
        left_out = hook == "order-sign" and found[rule, order] == "info"
        assert left_out, f"{rule} is missing\n{report}"
    summary = answer["extension"]["org.cds-service.summary"]
    verdicts = [each["verdict"] for each in explanation.get("rules", [])]
    counted = {name: verdicts.count(name) for name in ("yes", "no", "unknown")}
    assert {name: summary[name] for name in counted} == counted
    assert summary["evaluated"] == len(verdicts)
    assert [_told(card) for card in explanation["cards"]] == [
        _told(card) for card in answer["cards"]
    ]
