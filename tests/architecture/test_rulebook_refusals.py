"""A rulebook with a fault never starts: each is named by file and field, all of them at once.

Every case copies the rulebook, breaks one thing in it and loads it.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cds_service.errors import RulebookError
from cds_service.rules.rulebook import load_rulebook

RULEBOOK = Path(__file__).parents[2] / "hooks" / "spasticity"

ABOVE_60 = "rules/dose/baclofen-dose-above-60.yaml"
START = "rules/dose/baclofen-high-starting-dose.yaml"
ABOVE_36 = "rules/dose/tizanidine-dose-above-36.yaml"
INDICATION = "rules/indication/baclofen-unestablished-indication.yaml"
CYP1A2 = "rules/interaction/tizanidine-strong-cyp1a2-inhibitor.yaml"
WITHDRAWAL = "rules/withdrawal/baclofen-abrupt-withdrawal.yaml"
SPLINT = "rules/functional/functional-dystonia-splint.yaml"
INFECTION = "rules/procedure/pump-infection.yaml"
MISSING = "rules/missing-data/missing-data.yaml"
ANTICOAGULANT = "rules/procedure/pump-anticoagulant.yaml"
LIMIT_SETTING = "settings: rules.parameters.baclofen-dose-above-60.limit_mg: "

MOST_PRODUCTS = 3
"""So many codes of each drug and system stay in the copies."""

Edit = Callable[[Path], None]
Site = Mapping[str, Mapping[str, object]]


def change(file: str, old: str, new: str) -> Edit:
    """Replace the first text that fits a pattern."""

    def edit(folder: Path) -> None:
        path = folder / file
        text = path.read_text("utf-8")
        changed = re.sub(old, new, text, count=1, flags=re.MULTILINE)
        assert changed != text, f"{file} holds no {old}: bring this test up to date"
        path.write_text(changed, encoding="utf-8")

    return edit


def add(file: str, text: str) -> Edit:
    """Append a text to a file, which may be new."""

    def edit(folder: Path) -> None:
        with (folder / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    return edit


def both(*edits: Edit) -> Edit:
    """Several changes after each other."""

    def edit(folder: Path) -> None:
        for each in edits:
            each(folder)

    return edit


def spoil(file: str) -> Edit:
    """Append a byte that is no UTF-8."""

    def edit(folder: Path) -> None:
        with (folder / file).open("ab") as stream:
            stream.write(b"\xff")

    return edit


def remove(file: str) -> Edit:
    """Take a file away."""
    return lambda folder: (folder / file).unlink()


def thinned(path: Path) -> str:
    """A code list with a few products of each drug: loading all of them takes most of the time."""
    header, *rows = path.read_text("utf-8").splitlines(keepends=True)
    kept, seen = [header], Counter[tuple[str, str]]()
    for row, fields in zip(rows, csv.reader(rows), strict=True):
        system, ingredient = fields[0], fields[4]
        seen[system, ingredient] += 1
        if not ingredient or seen[system, ingredient] <= MOST_PRODUCTS:
            kept.append(row)
    return "".join(kept)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rulebook with shorter lists of drugs."""
    copy = shutil.copytree(RULEBOOK, tmp_path_factory.mktemp("rulebook") / "spasticity")
    for path in (copy / "codes").rglob("*.csv"):
        path.write_text(thinned(path), encoding="utf-8")
    return copy


@pytest.fixture
def folder(small: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small, tmp_path / "spasticity")


def problems_of(folder: Path, site: Site | None = None) -> tuple[str, ...]:
    with pytest.raises(RulebookError) as raised:
        load_rulebook(folder, site)
    return raised.value.problems


def test_the_copy_itself_is_without_fault(folder: Path) -> None:
    assert load_rulebook(folder).rules


CASES: dict[str, tuple[Edit, str]] = {
    # --- conditions
    "unknown criterion": (
        change(ABOVE_60, r"daily_dose_above:", "daily_dose_over:"),
        f"{ABOVE_60}: grades[0].all: daily_dose_over",
    ),
    "unknown argument": (
        change(ABOVE_60, r"\{limit: \$limit_mg\}", "{limit: $limit_mg, unit: mg}"),
        f"{ABOVE_60}: grades[0].all.daily_dose_above.unit: ",
    ),
    "missing argument": (
        change(ABOVE_60, r"\{daily_dose_above: .*\}$", "daily_dose_above"),
        f"{ABOVE_60}: grades[0].all.daily_dose_above: needs the argument limit",
    ),
    "argument of a wrong type": (
        change(ABOVE_60, r"\{limit: \$limit_mg\}", "{limit: sixty}"),
        f"{ABOVE_60}: grades[0].all.daily_dose_above.limit: ",
    ),
    "conditions three levels deep": (
        change(ABOVE_60, r"- (\{daily_dose_above: .*\})$", r"- any: [{all: [\1]}]"),
        f"{ABOVE_60}: grades[0].all.any.all: ",
    ),
    "unknown parameter": (
        change(ABOVE_60, r"limit: \$limit_mg", "limit: $limit"),
        f"{ABOVE_60}: grades[0].all.daily_dose_above.limit: $limit is no parameter",
    ),
    "unknown value set as an argument": (
        change(INDICATION, r"of: stroke", "of: stroek"),
        f"{INDICATION}: grades[0].any.lasting_diagnosis.of: stroek",
    ),
    "unknown value set as the drug": (
        change(ABOVE_60, r"drug: baclofen,", "drug: baclofn,"),
        f"{ABOVE_60}: about.drug: baclofn",
    ),
    "unknown value set as the partner": (
        change(CYP1A2, r"partner: .*$", "partner: nothing"),
        f"{CYP1A2}: about.partner: nothing",
    ),
    "pair without a partner": (
        change(CYP1A2, r"^  partner: .*\n", ""),
        f"{CYP1A2}: about.partner: ",
    ),
    "unknown route": (
        change(ABOVE_60, r"routes: \[oral\]", "routes: [orally]"),
        f"{ABOVE_60}: about.routes: orally",
    ),
    "unknown kind of order": (
        change(INFECTION, r"services: \[pump-implant", "services: [pump"),
        f"{INFECTION}: about.services: pump",
    ),
    "unknown change of therapy": (
        change(ABOVE_60, r"new: full", "newly: full"),
        f"{ABOVE_60}: changes.newly: ",
    ),
    "change of a grade that the rule does not answer": (
        change(START, r"- indicator: critical", "- indicator: critical\n    changes: [stop]"),
        f"{START}: grades[0].changes: stop",
    ),
    # --- what every rule has
    "unknown source": (
        change(ABOVE_60, r"id: ontario-hta-2005", "id: hearsay"),
        f"{ABOVE_60}: sources[0].id: hearsay",
    ),
    "no source": (
        change(ABOVE_60, r"^sources:\n(?:  .*\n)+", ""),
        f"{ABOVE_60}: sources: ",
    ),
    "unknown strength": (
        change(ABOVE_60, r"strength: literature", "strength: good"),
        f"{ABOVE_60}: sources[0].strength: ",
    ),
    "no review date": (
        change(ABOVE_60, r"^last_reviewed: .*\n", ""),
        f"{ABOVE_60}: last_reviewed: ",
    ),
    "no grades": (
        change(ABOVE_60, r"^grades:\n(?:  .*\n)+", ""),
        f"{ABOVE_60}: grades: ",
    ),
    "no override reasons": (
        change(ABOVE_60, r"^override_reasons: .*\n", ""),
        f"{ABOVE_60}: override_reasons: ",
    ),
    "unknown override reason": (
        change(ABOVE_60, r"override_reasons: \[", "override_reasons: [OV-99, "),
        f"{ABOVE_60}: override_reasons: OV-99",
    ),
    "too many override reasons": (
        change(ABOVE_60, r"override_reasons: .*", "override_reasons: [OV-1, OV-2, OV-3, OV-4, OV-5, OV-6]"),
        f"{ABOVE_60}: override_reasons: at most 5",
    ),
    "unknown topic": (change(ABOVE_60, r"topic: dose", "topic: doses"), f"{ABOVE_60}: topic: "),
    "misspelt field": (
        change(ABOVE_60, r"^override_reasons:", "overide_reasons:"),
        f"{ABOVE_60}: overide_reasons: ",
    ),
    "id that is not the file's name": (
        change(ABOVE_60, r"^id: .*", "id: baclofen-dose"),
        f"{ABOVE_60}: id: must be the file's name",
    ),
    "two files of one name": (
        add("rules/renal/baclofen-dose-above-60.yaml", "id: baclofen-dose-above-60\n"),
        "rules/renal/baclofen-dose-above-60.yaml: id: ",
    ),
    # --- words
    "summary that can reach 140 characters": (
        change(ABOVE_60, r"(summary: \"Oral baclofen \{daily_dose\}: )", r"\1it is known from many reports of many years and of many hands that "),
        f"{ABOVE_60}: summary: can reach ",
    ),
    "placeholder that is not given": (
        change(ABOVE_60, r"\{daily_dose\}", "{single_dose}"),
        f"{ABOVE_60}: summary: {{single_dose}}",
    ),
    "label with a placeholder that is not given": (
        change(ABOVE_36, r"Start with \{dose\}", "Start with {amount}"),
        f"{ABOVE_36}: grades[0].offers.label: {{amount}}",
    ),
    # --- suggestions
    "offers without selection": (
        change(START, r"^selection: .*\n", ""),
        f"{START}: selection: ",
    ),
    "unknown kind of offer": (
        change(START, r"kind: label-start", "kind: baclofen-start"),
        f"{START}: offers[0].kind: ",
    ),
    "offer without an argument it needs": (
        change(ABOVE_36, r"amount_mg: 2, ", ""),
        f"{ABOVE_36}: offers[0].amount_mg: ",
    ),
    "offer for a change that the rule does not answer": (
        change(START, r"(kind: label-start\n)", r"\1    changes: [stop]\n"),
        f"{START}: offers[0].changes: stop",
    ),
    "code of an offer that is not held": (
        change(SPLINT, r"code: \"306166004\"", 'code: "306166005"'),
        f"{SPLINT}: offers[0].code: 306166005",
    ),
    "unquoted code of an offer": (
        change(SPLINT, r"code: \"306166004\"", "code: 306166004"),
        f"{SPLINT}: offers[0].code: ",
    ),
    # --- numbers
    "parameter of a wrong type": (
        change(ABOVE_60, r"value: 60", "value: sixty"),
        f"{ABOVE_60}: parameters[0].value: must be a number",
    ),
    "parameter without an origin": (
        change(ABOVE_60, r"origin: literature, ", ""),
        f"{ABOVE_60}: parameters[0].origin: ",
    ),
    "parameter without a meaning": (
        change(ABOVE_60, r", meaning: .*\}", "}"),
        f"{ABOVE_60}: parameters[0].meaning: ",
    ),
    "parameter that stands twice": (
        change(START, r"name: warning_above_mg", "name: label_start_mg"),
        f"{START}: parameters[",
    ),
    "negative parameter": (
        change(ABOVE_60, r"value: 60", "value: -60"),
        f"{ABOVE_60}: parameters[0].value: must not be negative",
    ),
    # --- YAML and CSV
    "key that stands twice": (
        add(ABOVE_60, "title: Again\n"),
        f"{ABOVE_60}: line ",
    ),
    "file that is no YAML": (add(ABOVE_60, "a: [\n"), f"{ABOVE_60}: line "),
    "rule file that is a list": (
        both(remove(ABOVE_60), add(ABOVE_60, "- a\n")),
        f"{ABOVE_60}: must be a mapping",
    ),
    "unquoted row of a code list": (
        change("codes/lab-inr.csv", r'^"http://loinc.org","([^"]+)"', r'http://loinc.org,"\1"'),
        "codes/lab-inr.csv: line 2: every field must be quoted",
    ),
    "row of a code list that is too short": (
        add("codes/lab-inr.csv", '"http://loinc.org","1-8"\n'),
        "codes/lab-inr.csv: line ",
    ),
    "row of a code list without evidence": (
        change("codes/lab-inr.csv", r',"[^"]+"$(?<!evidence")', ',""'),
        "codes/lab-inr.csv: line 2: ",
    ),
    "code list with other columns": (
        change("codes/lab-inr.csv", r'^"system","code"', '"code","system"'),
        "codes/lab-inr.csv: line 1: ",
    ),
    "unquoted code of a value set": (
        change("value_sets.yaml", r'codes: \["788908000"\]', "codes: [788908000]"),
        "value_sets.yaml: functional-dystonia.parts[0].only_codes[0].codes: ",
    ),
    # --- value sets
    "value set without codes": (
        add("value_sets.yaml", "\n- name: none\n  title: none\n  parts: [{concepts: [baclofen], ingredients: [salt]}]\n"),
        "value_sets.yaml: none: holds no codes",
    ),
    "value set of a code list that is not there": (
        change("value_sets.yaml", r"concepts: \[functional-neurological-disorder\]", "concepts: [nothing]"),
        "value_sets.yaml: functional-dystonia.parts[0].concepts: nothing",
    ),
    "value set unless a code list that is not there": (
        change("value_sets.yaml", r"unless: \[[a-z0-9-]+", "unless: [nothing"),
        "value_sets.yaml: ",
    ),
    "value set that reading a chart needs": (
        change("value_sets.yaml", r"name: vitamin-k-antagonist", "name: warfarins"),
        "value_sets.yaml: vitamin-k-antagonist: ",
    ),
    # --- services
    "list that a criterion needs": (
        change("services.yaml", r"allergies, procedures, devices", "allergies, devices"),
        "services.yaml: spasticity-order-select.prefetch: asks for no Procedure",
    ),
    "results that a criterion needs": (
        change("services.yaml", r", laboratory, bodyMeasurements, vitalSigns\]", "]"),
        "services.yaml: spasticity-order-select.prefetch: asks for no Observation",
    ),
    "unknown query": (
        change("services.yaml", r"\[patient, conditions, ", "[patient, conditons, "),
        "services.yaml: services[0].prefetch: conditons",
    ),
    "token that is not legal": (
        change("services.yaml", r"\{\{context\.patientId\}\}", "{{context.patient}}"),
        "services.yaml: queries[0].query: the token context.patient ",
    ),
    "search parameter that stands twice": (
        change("services.yaml", r"(key: conditions.*_count=500)", r"\1&_count=600"),
        "services.yaml: queries[1].query: the parameter _count stands twice",
    ),
    "filter by status": (
        change("services.yaml", r"(key: conditions.*_count=500)", r"\1&clinical-status=active"),
        "services.yaml: queries[1].query: must not filter by status",
    ),
    "search feature that few servers have": (
        change("services.yaml", r"(key: medicationRequests.*_count=500)", r"\1&_include=MedicationRequest:medication"),
        "services.yaml: queries[2].query: uses a search feature",
    ),
    "page that is too short": (
        change("services.yaml", r"(key: conditions.*)_count=500", r"\1_count=20"),
        "services.yaml: queries[1].query: _count must be at least 50",
    ),
    "results of an unknown value set": (
        change("services.yaml", r"observations: \[creatinine", "observations: [kreatinine"),
        "services.yaml: queries[12].observations: kreatinine",
    ),
    "two services of one id": (
        change("services.yaml", r"id: spasticity-order-sign", "id: spasticity-order-select"),
        "services.yaml: services[1].id: spasticity-order-select stands twice",
    ),
    "no services": (remove("services.yaml"), "services.yaml: cannot be read"),
    # --- rules beside each other
    "circle of rules that hide each other": (
        change(START, r"(swallowed_by:\n)", r"\1  - {rule: baclofen-dose-above-60}\n"),
        f"{START}: swallowed_by: the rule would hide itself",
    ),
    "hidden by an unknown rule": (
        change(START, r"rule: baclofen-renal-impairment", "rule: nothing"),
        f"{START}: swallowed_by: nothing is no rule",
    ),
    "hidden at an unknown indicator": (
        change(ABOVE_60, r"indicators: \[warning", "indicators: [loud"),
        f"{ABOVE_60}: swallowed_by[",
    ),
    "unknown rule in the catalogue": (
        change("cards.yaml", r"(order:\n)", r"\1  - nothing\n"),
        "cards.yaml: order: nothing has no rule file",
    ),
    "rule that the catalogue lacks": (
        change("cards.yaml", r"^  - baclofen-dose-above-60\n", ""),
        "cards.yaml: order: baclofen-dose-above-60 is missing",
    ),
    "unknown rule that shares a card": (
        change("cards.yaml", r"\{rules: \[", "{rules: [nothing, "),
        "cards.yaml: merges[0].rules: nothing is no rule",
    ),
    "source that is no secure address": (
        change("sources.yaml", r"url: \"https://", 'url: "http://'),
        "sources.yaml: ",
    ),
    # --- words, dates and subjects
    "choice that is no indicator": (
        change(INDICATION, r"value: warning\n    choices: \[info, ", r"value: loud\n    choices: [info, loud, "),
        f"{INDICATION}: grades[0].indicator: ",
    ),
    "criterion that is about another subject": (
        change(ABOVE_60, r"^none:\n", "none:\n  - partner_is_given_once\n"),
        f"{ABOVE_60}: none: ",
    ),
    "unpaired brace": (
        change(ABOVE_60, r"\{daily_dose\}", "{daily_dose"),
        f"{ABOVE_60}: summary: has an unpaired brace",
    ),
    "number outside the choices": (
        change(INDICATION, r"value: warning", "value: 2"),
        f"{INDICATION}: parameters[0].value: must be one of info, warning",
    ),
    "indicator that is a number": (
        change(ABOVE_60, r"indicator: info", "indicator: $limit_mg"),
        f"{ABOVE_60}: grades[0].indicator: ",
    ),
    "review date that is no date": (
        change(ABOVE_60, r"^last_reviewed: .*", "last_reviewed: soon"),
        f"{ABOVE_60}: last_reviewed: ",
    ),
    "width in a placeholder of the summary": (
        change(ABOVE_60, r"\{daily_dose\}", "{daily_dose:>200}"),
        f"{ABOVE_60}: summary: ",
    ),
    "override reason that stands twice": (
        change(ABOVE_60, r"override_reasons: .*", "override_reasons: [OV-2, OV-2]"),
        f"{ABOVE_60}: override_reasons: ",
    ),
    # --- what would be silently without effect
    "code list in another encoding": (
        spoil("codes/lab-inr.csv"),
        "codes/lab-inr.csv: cannot be read",
    ),
    "order of no drug": (
        change(ABOVE_60, r"drug: baclofen, ", ""),
        f"{ABOVE_60}: about.drug: ",
    ),
    "datum of a rule that is about orders": (
        change(ABOVE_60, r"- indicator: info", "- indicator: info\n    datum: dose"),
        f"{ABOVE_60}: grades[0].datum: ",
    ),
    "list of the chart that is not known": (
        change(MISSING, r"of: medications", "of: medication"),
        f"{MISSING}: grades[4].all.list_not_obtained.of: ",
    ),
    "datum of a criterion that is not known": (
        change(MISSING, r"datum: weight, limit", "datum: wieght, limit"),
        f"{MISSING}: grades[16].all.clearance_is_undecided_by.datum: ",
    ),
    "kind of order by an unknown value set": (
        change("service_kinds.yaml", r"value_sets: \[splint\]", "value_sets: [splints]"),
        "service_kinds.yaml: service_kinds[4].value_sets: splints",
    ),
    "route by an unknown code list": (
        change("routes.yaml", r"codes: route-intrathecal", "codes: route-spinal"),
        "routes.yaml: routes[0].codes: route-spinal",
    ),
    "wash-out of an ingredient that the partner's set lacks": (
        change(CYP1A2, r"washout_days: \{default: 5", "washout_days: {default: 5, fluvoxamin: 14"),
        f"{CYP1A2}: about.washout_days.fluvoxamin: ",
    ),
    "negative wash-out": (
        change(CYP1A2, r"washout_days: \{default: 5", "washout_days: {default: -5"),
        f"{CYP1A2}: about.washout_days.default: ",
    ),
    "unknown hook": (
        change("services.yaml", r"hook: order-select", "hook: order-selected"),
        "services.yaml: services[0].hook: ",
    ),
    "results that one criterion needs": (
        change("services.yaml", r"reported-egfr, inr, ", "reported-egfr, "),
        "services.yaml: spasticity-order-select.prefetch: asks for no results of inr",
    ),
    "other lists of drugs": (
        change("services.yaml", r"medicationStatements, medicationAdministrations, medicationDispenses, ", ""),
        "services.yaml: spasticity-order-select.prefetch: asks for no MedicationAdministration",
    ),
    "query of every patient": (
        change("services.yaml", r'"Condition\?patient=\{\{context\.patientId\}\}&', '"Condition?'),
        "services.yaml: queries[1].query: ",
    ),
    "rule that the catalogue holds twice": (
        change("cards.yaml", r"^(  - baclofen-dose-above-60\n)", r"\1\1"),
        "cards.yaml: order: baclofen-dose-above-60 stands twice",
    ),
    "unquoted code in a row of a code list": (
        change("codes/lab-inr.csv", r'^("http://loinc.org"),"([^"]+)"', r"\1,\2"),
        "codes/lab-inr.csv: line 2: every field must be quoted",
    ),
    "code that stands twice in a code list": (
        change("codes/lab-inr.csv", r'^("http://loinc.org".*\n)', r"\1\1"),
        "codes/lab-inr.csv: line 3: stands twice, first in line 2 of lab-inr.csv",
    ),
    "amount of an offer that is no number": (
        change(ABOVE_36, r"amount_mg: 2,", "amount_mg: two,"),
        f"{ABOVE_36}: offers[0].amount_mg: ",
    ),
    "times a day that are no whole number": (
        change(ABOVE_36, r"times_a_day: 3,", "times_a_day: 2.5,"),
        f"{ABOVE_36}: offers[0].times_a_day: ",
    ),
    "interval of a taper that is no number": (
        change(WITHDRAWAL, r"interval_days: \$taper_interval_days", "interval_days: weekly"),
        f"{WITHDRAWAL}: grades[0].offers[0].interval_days: ",
    ),
    "code of an offer without its name": (
        change(SPLINT, r"^    display: .*\n", ""),
        f"{SPLINT}: offers[0].display: ",
    ),
    "service order of no kind": (
        change(SPLINT, r"kind: service, services: .*\}", "kind: service}"),
        f"{SPLINT}: about.services: ",
    ),
    "field that the subject does not take": (
        change(ABOVE_60, r"drug: baclofen,", "drug: baclofen, washout_days: {default: 5},"),
        f"{ABOVE_60}: about.washout_days: is not known here",
    ),
    "routes of no drug": (
        change(ANTICOAGULANT, r"^  kind: pair\n", "  kind: pair\n  routes: [oral]\n"),
        f"{ANTICOAGULANT}: about.routes: is without effect where drug is not given",
    ),
    "grade of a rule about data without its datum": (
        change(MISSING, r"- datum: route\n    indicator", "- indicator"),
        f"{MISSING}: grades[3].datum: ",
    ),
    "rule that answers no change": (
        change(ABOVE_60, r"^changes: .*", "changes: {}"),
        f"{ABOVE_60}: changes: must name a change",
    ),
    "patient view that is neither yes nor no": (
        change(ABOVE_36, r"^patient_view: true", "patient_view: sometimes"),
        f"{ABOVE_36}: patient_view: ",
    ),
    "hidden twice by the same rule": (
        change(ABOVE_60, r"(  - \{rule: baclofen-dose-above-80\}\n)", r"\1\1"),
        f"{ABOVE_60}: swallowed_by[1].rule: baclofen-dose-above-80 stands twice",
    ),
    "parameter that nothing reads": (
        change(ABOVE_60, r"limit: \$limit_mg", "limit: 60"),
        f"{ABOVE_60}: parameters.limit_mg: nothing refers to it",
    ),
    "unit that is no text": (
        change(ABOVE_60, r"unit: mg/day", "unit: 1"),
        f"{ABOVE_60}: parameters[0].unit: ",
    ),
    "indicator by an unknown parameter": (
        change(INDICATION, r"indicator: \$\w+", "indicator: $loudness"),
        f"{INDICATION}: grades[0].indicator: $loudness is no parameter",
    ),
    "list of limits that is one number": (
        change(MISSING, r"limits: \[[^]]*\]", "limits: 60"),
        f"{MISSING}: grades[13].all.egfr_is_undecided_by.limits: must be a list",
    ),
    "age of a datum that is not set": (
        change(MISSING, r"name: inr_days", "name: inr_age_days"),
        "rules: missing-data: needs the parameter inr_days",
    ),
    "suggestion that its subject never has": (
        change(WITHDRAWAL, r"kind: taper\n(.*\n)(?:        \w+_mg.*\n){2}.*\n.*\n", r"kind: previous-dose\n\1"),
        f"{WITHDRAWAL}: grades[0].offers[0].kind: previous-dose is never made by a rule about: change",
    ),
    "dose of nothing": (
        change(ABOVE_36, r"amount_mg: 2,", "amount_mg: 0,"),
        f"{ABOVE_36}: offers[0].amount_mg: 0 must be a number above 0",
    ),
    "rule file with another ending": (
        add("rules/dose/baclofen.yml", "id: baclofen\n"),
        "rules/dose/baclofen.yml: is not read",
    ),
    "empty rule file": (add("rules/dose/baclofen.yaml", ""), "rules/dose/baclofen.yaml: is empty"),
    "card that one rule shares with none": (
        change("cards.yaml", r"rules: \[baclofen-unestablished-indication, ", "rules: ["),
        "cards.yaml: merges[0].rules: needs two rules or more",
    ),
    "unknown ingredient of a value set": (
        change("value_sets.yaml", r"ingredients: \[dabigatran\]", "ingredients: [dabigatram]"),
        "value_sets.yaml: dabigatran.parts[0].ingredients: dabigatram is none",
    ),
    "value set by codes of a misspelt system": (
        change("value_sets.yaml", r'snomed.info/sct(", codes: \["788908000")', r"snomed.info/\1"),
        "value_sets.yaml: functional-dystonia.parts[0]: http://snomed.info is no system",
    ),
    "value set that only a criterion needs": (
        change("value_sets.yaml", r"name: heart-rate", "name: pulse"),
        "value_sets.yaml: heart-rate: is missing",
    ),
    "route that cannot be recognised": (
        add("routes.yaml", "\n- name: by-hand\n  systemic: false\n"),
        "routes.yaml: routes[16]: would never be recognised",
    ),
    "route that reading a chart needs": (
        change("routes.yaml", r"name: intrathecal", "name: spinal"),
        "routes.yaml: routes: intrathecal is missing",
    ),
    "kind of order that reading a chart needs": (
        change("service_kinds.yaml", r"name: pump-refill", "name: refill"),
        "service_kinds.yaml: service_kinds: pump-refill is missing",
    ),
    "prefix that is too short": (
        change("codes/dialysis.csv", r'"([A-Z]\d)[^"]*","(exact|prefix)"', r'"\1","prefix"'),
        "codes/dialysis.csv: line 2: a prefix needs 3 characters",
    ),
    "strength that cannot be read": (
        change("codes/tizanidine.csv", r'"4 mg"', '"4mg"'),
        "codes/tizanidine.csv: line 2: the strength must be written like 10 mg",
    ),
    "kind of source that is not known": (
        change("sources.yaml", r"^  kind: label", "  kind: leaflet"),
        "sources.yaml: baclofen-tablet-label.kind: ",
    ),
    "source that was compared on no day": (
        change("sources.yaml", r"^  last_reviewed: .*", "  last_reviewed: lately"),
        "sources.yaml: baclofen-tablet-label.last_reviewed: ",
    ),
    "misspelt field of an override reason": (
        change("override_reasons.yaml", r"meaning:", "meanning:"),
        "override_reasons.yaml: reasons[0].meanning: ",
    ),
    "query of every result": (
        change("services.yaml", r"^    observations: \[creatinine, reported-egfr, inr.*\n", ""),
        "services.yaml: queries[12].observations: ",
    ),
    "results of a set without a code to ask for": (
        change("services.yaml", r"observations: \[creatinine, rep", "observations: [baclofen, creatinine, rep"),
        "services.yaml: queries[12].observations: baclofen holds no LOINC code",
    ),
    "service that does not ask for the patient": (
        change("services.yaml", r"\[patient, conditions, ", "[conditions, "),
        "services.yaml: spasticity-order-select.prefetch: asks for no Patient",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_by_file_and_field(name: str, folder: Path) -> None:
    edit, told = CASES[name]
    edit(folder)
    problems = problems_of(folder)
    assert any(problem.startswith(told) for problem in problems), problems


@pytest.mark.parametrize("key", ["&_count=20&_count=20", "&status=active"])
def test_a_fault_of_a_query_stands_beside_those_of_rules(key: str, folder: Path) -> None:
    """All faults are told at once, whatever file they are in."""
    change(ABOVE_60, r"daily_dose_above:", "daily_dose_over:")(folder)
    change(ABOVE_36, r"^last_reviewed: .*\n", "")(folder)
    change("cards.yaml", r"(order:\n)", r"\1  - nothing\n")(folder)
    change("services.yaml", r"(key: conditions.*_count=500)", rf"\1{key}")(folder)
    files = {problem.partition(":")[0] for problem in problems_of(folder)}
    assert files >= {ABOVE_60, ABOVE_36, "cards.yaml", "services.yaml"}


def test_several_faults_of_one_file_are_all_told(folder: Path) -> None:
    change(ABOVE_60, r"daily_dose_above:", "daily_dose_over:")(folder)
    change(ABOVE_60, r"id: ontario-hta-2005", "id: hearsay")(folder)
    change(ABOVE_60, r"override_reasons: \[", "override_reasons: [OV-99, ")(folder)
    change(ABOVE_60, r"^last_reviewed: .*\n", "")(folder)
    text = "\n".join(problems_of(folder))
    for word in ("daily_dose_over", "hearsay", "OV-99", "last_reviewed"):
        assert word in text


def test_faults_of_codes_and_value_sets_are_told_at_once(folder: Path) -> None:
    add("codes/lab-inr.csv", '"http://loinc.org","1-8"\n')(folder)
    change("value_sets.yaml", r"unless: \[[a-z0-9-]+", "unless: [nothing")(folder)
    change("sources.yaml", r"url: \"https://", 'url: "http://')(folder)
    files = {problem.partition(":")[0] for problem in problems_of(folder)}
    assert files == {"codes/lab-inr.csv", "value_sets.yaml", "sources.yaml"}


# --- what a site sets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "told"),
    [
        (
            {"baclofen-dose-above-60": {"limit": 55}},
            "settings: rules.parameters.baclofen-dose-above-60.limit: ",
        ),
        ({"baclofen-dose": {"limit_mg": 55}}, "settings: rules.parameters.baclofen-dose: "),
        ({"baclofen-dose-above-60": {"limit_mg": "55"}}, LIMIT_SETTING),
        ({"baclofen-dose-above-60": {"limit_mg": True}}, LIMIT_SETTING),
        ({"baclofen-dose-above-60": {"limit_mg": -1}}, LIMIT_SETTING),
        (
            {"baclofen-unestablished-indication": {"stroke_and_cp_indicator": "critical"}},
            "settings: rules.parameters.baclofen-unestablished-indication.stroke_and_cp_indicator: ",
        ),
        (
            {"baclofen-high-starting-dose": {"restart_gap_days": 14.5}},
            f"{START}: all.is_a_fresh_start.gap_days: $restart_gap_days, which is 14.5, must be ",
        ),
        ({"baclofen-dose-above-60": {"limit_mg": float("nan")}}, LIMIT_SETTING),
        ({"baclofen-dose-above-60": {"limit_mg": float("inf")}}, LIMIT_SETTING),
        (
            {"missing-data": {"inr_days": 7.5}},
            "settings: rules.parameters.missing-data.inr_days: must be a whole number of days",
        ),
        (
            {"baclofen-high-starting-dose": {"start_times_a_day": 0}},
            f"{START}: offers[0].times_a_day: $start_times_a_day, which is 0, must be ",
        ),
    ],
    ids=[
        "unknown parameter", "unknown rule", "text", "flag", "negative", "choice", "half a day",
        "no number", "endless", "half a day of a datum's age", "never a day",
    ],
)  # fmt: skip
def test_a_number_of_a_site_that_cannot_be_used_is_told(site: Site, told: str, small: Path) -> None:
    problems = problems_of(small, site)
    assert any(problem.startswith(told) for problem in problems), problems


def test_a_number_of_a_site_takes_the_place_of_ours(small: Path) -> None:
    rulebook = load_rulebook(small, {"baclofen-dose-above-60": {"limit_mg": 55}})
    (call,) = rulebook.rules["baclofen-dose-above-60"].grades[0].when.all
    assert str(getattr(call, "arguments", {})["limit"]) == "55"
