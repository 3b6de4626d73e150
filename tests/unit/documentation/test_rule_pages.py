"""The page of one rule: every condition, number, word and case of it, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.answer import no
from cds_service.chart.orders import Change
from cds_service.documentation.conditions import Conditions, first_line
from cds_service.documentation.markdown import plain, with_gaps
from cds_service.documentation.material import Material, read_material
from cds_service.documentation.pages import make_pages
from cds_service.documentation.value_sets import codes_by_system, codes_of
from cds_service.documentation.words import (
    CHANGES,
    OFFERS,
    ORIGINS,
    STRENGTHS,
    SYSTEMS,
    number,
    quantity,
)
from cds_service.fhir.terminology import SNOMED_CT, CodeRow, CodeRule, Part, Terminology, ValueSet
from cds_service.rules.criteria.registry import Criterion, ValueSetName, all_criteria
from cds_service.rules.offers import OFFER_KINDS, OPTIONAL_ARGUMENTS
from cds_service.rules.rulebook import Rulebook, load_rulebook
from cds_service.rules.schema import Call, Group, Rule, When

RULEBOOK = Path(__file__).parents[3] / "hooks" / "spasticity"
RULES = sorted(path.stem for path in (RULEBOOK / "rules").rglob("*.yaml"))
PLACES = r"a value set|a limit|some |a datum|a share|`"
"""Where the sentence of a criterion is filled in."""

each_rule = pytest.mark.parametrize("name", RULES)


def conditions_of(rule: Rule, material: Material) -> str:
    """Every condition of the rule, as its page words them."""
    writer = Conditions(material.rulebook, rule.id)
    file = material.rule_files[rule.id]
    blocks = writer.blocks(rule.when, file)
    for grade, entry in zip(rule.grades, file["grades"], strict=True):
        blocks += writer.blocks(grade.when, entry)
    return "\n".join(line for block in blocks for line in block)


# --- conditions -----------------------------------------------------------------------------------


def test_every_criterion_says_in_a_sentence_what_it_asks(rulebook: Rulebook) -> None:
    wordless = [
        name
        for name, criterion in all_criteria().items()
        if not re.fullmatch(r"[A-Za-z].*\w.*\.", first_line(criterion))
    ]
    assert wordless == []


@each_rule
def test_every_criterion_stands_on_the_page_with_its_arguments(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    page = pages[f"{name}.md"]
    rule = material.rulebook.rules[name]
    for line in conditions_of(rule, material).splitlines():
        assert line in page
    for call in rule.calls():
        assert re.split(PLACES, first_line(call.criterion))[0].rstrip(". ") in page
        for argument, kind in call.criterion.parameters.items():
            value = call.arguments.get(argument)
            if kind is ValueSetName and value is not None:
                assert f"(value-set-{value}.md)" in page, call.criterion.name
            elif isinstance(value, Decimal):
                assert f"**{number(value, '')}" in page, call.criterion.name


def asks(
    sentence: str, parameters: Mapping[str, Any], required: frozenset[str] = frozenset()
) -> Criterion:
    return Criterion("asks", lambda case: no(""), (), (), {}, parameters, required, sentence)


@pytest.mark.parametrize(
    ("criterion", "arguments", "written", "expected"),
    [
        (asks("The drug is new.", {}), {}, {}, "The drug is new."),
        (
            asks("The dose lies above a limit.", {"limit": Decimal}),
            {"limit": Decimal(60)},
            {"limit": "$limit_mg"},
            "The dose lies above **60 mg/day** (`limit_mg`, literature).",
        ),
        (
            asks("The dose lies above a limit.", {"limit": Decimal}),
            {"limit": Decimal(15)},
            {"limit": "$baclofen-high-starting-dose.label_start_mg"},
            ("The dose lies above **15 mg/day** (`label_start_mg` of "
            "[`baclofen-high-starting-dose`](baclofen-high-starting-dose.md), label)."),
        ),
        (
            asks("A diagnosis of a value set within some days.", {"of": ValueSetName, "days": int}),
            {"of": "creatinine", "days": 1},
            {"of": "creatinine", "days": 1},
            "A diagnosis of the set [serum creatinine](value-set-creatinine.md) within **1 day**.",
        ),
        (
            asks("The patient has reached an age.", {"years": int}),
            {"years": 18},
            {"years": 18},
            "The patient has reached an age: **18 years**.",
        ),
        (
            asks("It falls: by what it may.", {"step_mg": Decimal}),
            {"step_mg": Decimal("2.50")},
            {"step_mg": Decimal("2.50")},
            "It falls: by what it may (**2.5 mg**).",
        ),
        (
            asks("Brief and low.", {"days": int, "daily_mg": Decimal}),
            {"days": 7, "daily_mg": Decimal(15)},
            {"days": 7, "daily_mg": Decimal(15)},
            "Brief and low: `days` **7 days**, `daily_mg` **15 mg**.",
        ),
        (
            asks("One of these reasons.", {"codes": tuple[str, ...]}),
            {"codes": ("sintol", "salg")},
            {"codes": ["sintol", "salg"]},
            "One of these reasons: **sintol**, **salg**.",
        ),
        (
            asks("It is there, and is new enough unless ``however_old``.", {"however_old": bool}),
            {},
            {},
            "It is there, and is new enough.",
        ),
        (
            asks("It is there, and is new enough unless ``however_old``.", {"however_old": bool}),
            {"however_old": True},
            {"however_old": True},
            "It is there, **however old**.",
        ),
        (
            asks("It rises by more than a share (or by it, ``or_more``).", {"percent": Decimal, "or_more": int}),
            {"percent": Decimal(40)},
            {"percent": Decimal(40)},
            "It rises by more than **40 %**.",
        ),
        (
            asks("It rises by more than a share (or by it, ``or_more``).", {"percent": Decimal, "or_more": int}),
            {"percent": Decimal(40), "or_more": 1},
            {"percent": Decimal(40), "or_more": 1},
            "It rises by more than **40 %** (or by it, **or more**).",
        ),
    ],
)  # fmt: skip
def test_a_criterion_is_a_sentence_with_its_numbers_in_place(
    criterion: Criterion,
    arguments: Mapping[str, Any],
    written: Mapping[str, Any],
    expected: str,
    rulebook: Rulebook,
) -> None:
    when = When(all=(Call(criterion, arguments),))
    writer = Conditions(rulebook, "baclofen-dose-above-60")
    blocks = writer.blocks(when, {"all": [{"asks": written} if written else "asks"]})
    assert blocks == [["This must hold:"], [f"- {expected}"]]


def test_many_arguments_stand_in_a_list_and_groups_are_indented(rulebook: Rulebook) -> None:
    arguments = {"first_mg": Decimal(1), "second_mg": Decimal(2), "third_mg": Decimal(3)}
    many = Call(asks("It falls.", dict.fromkeys(arguments, Decimal)), arguments)
    plain_call = Call(asks("It is new.", {}), {})
    when = When(any=(Group("none", (plain_call, many)),), none=(plain_call,))
    written = {"any": [{"none": ["asks", {"asks": arguments}]}], "none": ["asks"]}
    assert Conditions(rulebook, "baclofen-dose-above-60").blocks(when, written) == [
        ["At least one of these must hold:"],
        [
            "- none of these:",
            "  - It is new.",
            "  - It falls:",
            "    - `first_mg`: **1 mg**",
            "    - `second_mg`: **2 mg**",
            "    - `third_mg`: **3 mg**",
        ],
        ["And none of this may hold, where a doubtful fact counts in full:"],
        ["- It is new."],
    ]


@each_rule
def test_every_parameter_shows_value_origin_meaning_and_how_to_change_it(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    page = pages[f"{name}.md"]
    parameters = material.rulebook.rules[name].parameters
    assert (f"[rules.parameters.{name}]" in page) is bool(parameters)
    for parameter in parameters.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{parameter.name}` |"))
        assert quantity(parameter) in row
        assert ORIGINS[parameter.origin] in row
        assert plain(parameter.meaning) in row
        assert re.search(rf"^{parameter.name} = ", page, re.MULTILINE)


def test_what_awaits_a_pharmacist_is_marked_wherever_it_stands(
    pages: Mapping[str, str], material: Material
) -> None:
    """On its own page and on those of rules that borrow it, and nothing else is."""
    used = re.compile(r"\(`([a-z0-9_]+)`(?: of \[`([a-z0-9-]+)`\]\([^)]*\))?, ([^)]+)\)")
    seen = 0
    for name, rule in material.rulebook.rules.items():
        for parameter_name, owner, mark in used.findall(pages[f"{name}.md"]):
            parameter = material.rulebook.rules[owner or rule.id].parameters[parameter_name]
            wanted = "[proposed]" if parameter.origin == "proposed" else parameter.origin
            assert mark == wanted, f"{name}: {parameter_name}"
            seen += 1
        for parameter in rule.parameters.values():
            if parameter.origin == "proposed":
                row = f"| `{parameter.name}` | "
                lines = [line for line in pages[f"{name}.md"].splitlines() if line.startswith(row)]
                assert len(lines) == 1
                assert "proposed, to be confirmed by a pharmacist" in lines[0]
    assert seen > 0


def test_a_site_sees_its_own_numbers() -> None:
    rulebook = load_rulebook(RULEBOOK, {"baclofen-dose-above-60": {"limit_mg": 55}})
    page = make_pages(read_material(rulebook, RULEBOOK))["baclofen-dose-above-60.md"]
    assert "lies above **55 mg/day** (`limit_mg`, literature)" in page
    assert "| `limit_mg` | 55 mg/day |" in page


def test_numbers_are_spelt_with_their_units() -> None:
    values = [("14", "d"), ("1", "d"), ("1.40", ""), ("2", "1/d")]
    shown = [number(Decimal(value), unit) for value, unit in values]
    assert shown == ["14 days", "1 day", "1.4", "2 times a day"]
    assert number("warning", "") == "warning"


# --- words, suggestions, other rules --------------------------------------------------------------


@each_rule
def test_the_words_of_every_card_stand_on_the_page(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    page = pages[f"{name}.md"]
    for grade in material.rulebook.rules[name].grades:
        assert plain(with_gaps(grade.wording.summary)) in page
        for line in with_gaps(grade.wording.detail).splitlines():
            assert line.strip() in page
        for offer in grade.offers:
            assert f"“{plain(with_gaps(offer.label))}”: " in page


@each_rule
def test_sources_reasons_and_review_stand_on_the_page(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    page = pages[f"{name}.md"]
    rule = material.rulebook.rules[name]
    assert f"last reviewed {rule.last_reviewed}" in page
    assert plain(rule.sentence) in page
    for citation in rule.citations:
        assert plain(citation.source.label) in page
        assert f"]({citation.source.url})" in page or citation.source.url is None
        assert STRENGTHS[citation.strength] in page
    for code in rule.override_reasons:
        assert f"- {code}: {plain(material.rulebook.override_reasons[code].display)}" in page
    for each in rule.not_covered:
        assert f"- {plain(each)}" in page
    for statement in rule.statements:
        assert f"[{statement}](statements.md#{statement.lower()})" in page


@each_rule
def test_other_rules_that_hide_it_or_share_its_card_are_named(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    rule = material.rulebook.rules[name]
    section = pages[f"{name}.md"].partition("## Together with other rules")[2].partition("\n## ")[0]
    partners = {
        other for merge in material.rulebook.merges if name in merge.rules for other in merge.rules
    }
    hidden = {other.id for other in material.rulebook.rules.values() if name in other.swallowed_by}
    linked = set(re.findall(r"\(([a-z0-9-]+)\.md\)", section))
    assert linked == (set(rule.swallowed_by) | partners | hidden) - {name}


@each_rule
def test_every_case_that_names_the_rule_is_a_row(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    page = pages[f"{name}.md"]
    for case in material.cases:
        if name in case.rules:
            assert f"| {plain(case.id)} | {plain(case.title)} | " in page


def test_without_cases_there_is_no_section_of_cases(rulebook: Rulebook) -> None:
    """As in an installed package."""
    pages = make_pages(read_material(rulebook, RULEBOOK))
    assert not any("## Cases" in page for page in pages.values())


def test_every_word_of_the_rulebook_has_words_for_the_page() -> None:
    assert OFFERS.keys() == OFFER_KINDS.keys()
    assert CHANGES.keys() == set(Change)
    for kind, arguments in OFFER_KINDS.items():
        named = set(re.findall(r"\{(\w+)\}", OFFERS[kind]))
        assert named <= arguments.keys(), kind
        assert arguments.keys() - OPTIONAL_ARGUMENTS <= named, kind


@each_rule
def test_every_number_of_a_suggestion_stands_on_the_page(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    section = pages[f"{name}.md"].partition("\n## Suggestions\n")[2].partition("\n## ")[0]
    for grade in material.rulebook.rules[name].grades:
        for offer in grade.offers:
            for argument, value in offer.arguments.items():
                shown = (
                    f"**{number(value, '')}" if isinstance(value, Decimal | int) else plain(value)
                )
                assert shown in section or argument == "system", argument


# --- value sets -----------------------------------------------------------------------------------


@each_rule
def test_the_value_sets_of_a_rule_are_listed_with_their_codes(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    page = pages[f"{name}.md"]
    terminology = material.rulebook.vocabulary.terminology
    for used in re.findall(r"\]\(value-set-([a-z0-9-]+)\.md\)", page):
        row = next(line for line in page.splitlines() if line.startswith(f"| [`{used}`]"))
        assert plain(terminology.value_sets[used].title) in row
        for system, count in codes_by_system(used, terminology).items():
            assert f"{SYSTEMS[system]} {count}" in row


def test_the_page_of_a_value_set_lists_every_code_with_its_name(
    pages: Mapping[str, str], material: Material
) -> None:
    terminology = material.rulebook.vocabulary.terminology
    for name in terminology.value_sets:
        page = pages[f"value-set-{name}.md"]
        for system, codes in codes_of(name, terminology).items():
            if system != SNOMED_CT:
                assert f"\n## {SYSTEMS[system]}\n" in page
                assert page.count("\n| `") >= len(codes)
                assert all(plain(row.display) in page for _, row in codes)


def test_pages_that_are_handed_on_name_no_code_of_snomed_ct(
    pages: Mapping[str, str], material: Material
) -> None:
    """Its names may only reach those who have a licence; the service itself shows them."""
    listed = make_pages(material, with_snomed_ct=True)["value-set-alpha-2-agonist.md"]
    assert "| `372805007` | clonidine |" in listed
    handed_on = pages["value-set-alpha-2-agonist.md"]
    assert "372805007" not in handed_on
    assert "codes/snomed-ct/alpha-2-agonist.csv" in handed_on


def test_icd_codes_are_printed_with_their_dot(pages: Mapping[str, str]) -> None:
    page = pages["value-set-alcohol-or-substance-use-disorder.md"]
    assert re.search(r"\| `F1\d\.\d+`", page)
    assert "| `F30` and below |" in pages["value-set-bipolar-disorder.md"]


@each_rule
def test_the_page_of_a_rule_ends_with_review_and_changes(
    name: str, pages: Mapping[str, str], material: Material
) -> None:
    section = pages[f"{name}.md"].partition("\n## Last review and changes\n")[2]
    assert material.rulebook.rules[name].last_reviewed in section
    assert "First version." in section


def test_a_code_below_a_listed_chapter_is_counted() -> None:
    """A list holds N18 with all below; the set wants two codes of it."""
    system = "http://hl7.org/fhir/sid/icd-10"
    row = CodeRow("ckd", system, "N18", is_prefix=True, display="chronic kidney disease")
    part = Part(frozenset({"ckd"}), only_codes=(CodeRule(system, ("N184", "N185")),))
    terminology = Terminology((row,), {"late": ValueSet("late", "late", (part,))})
    assert codes_by_system("late", terminology) == {system: 2}
