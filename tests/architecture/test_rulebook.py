"""What every rule must have, and what the services must ask for on its behalf."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from cds_service.cards.suggestions import builder_names
from cds_service.cds import Service
from cds_service.chart.record import DRUG_LISTS
from cds_service.fhir.terminology import LOINC
from cds_service.rules.criteria.registry import READS, all_criteria
from cds_service.rules.offers import OFFER_KINDS, OFFER_SUBJECTS, OFFER_VALUES
from cds_service.rules.prefetch import runs_in
from cds_service.rules.rulebook import Rulebook, load_rulebook
from cds_service.rules.schema import Rule

ROOT = Path(__file__).parents[2]
RULEBOOK = ROOT / "hooks" / "spasticity"
CASES = ROOT / "tests" / "vignettes"
RULES = sorted(path.stem for path in (RULEBOOK / "rules").rglob("*.yaml"))
SERVICES = [
    entry["id"]
    for entry in yaml.safe_load((RULEBOOK / "services.yaml").read_text("utf-8"))["services"]
]
each_rule = pytest.mark.parametrize("name", RULES)
each_service = pytest.mark.parametrize("service_id", SERVICES)

PRIMARY_HOSTS = {
    "www.accessdata.fda.gov",  # labels and approvals, by the authority
    "api.fda.gov",  # the same, as records
    "dailymed.nlm.nih.gov",  # labels as filed
    "pubmed.ncbi.nlm.nih.gov",  # the record of a paper
    "pmc.ncbi.nlm.nih.gov",  # the paper
    "doi.org",  # the paper
    "www.ices.on.ca",  # the institute that made the study
}
"""Where a card may lead. A page that tells what another document says is not among them."""


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook(RULEBOOK)


def listed(what: str, names: Iterable[str]) -> str:
    """A message that names all of them."""
    return "\n  ".join([f"{what}:", *names])


def written(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


# --- every rule -----------------------------------------------------------------------------------


@each_rule
def test_a_rule_cites_a_source_that_is_held(name: str, rulebook: Rulebook) -> None:
    rule = rulebook.rules[name]
    assert rule.citations
    for citation in rule.citations:
        assert citation.source is rulebook.sources[citation.source.id]


def test_a_rule_quotes_its_sentence_or_says_that_there_is_none(rulebook: Rulebook) -> None:
    """The note stands under ``not_covered`` and speaks of the guideline."""
    silent = [
        name
        for name, rule in rulebook.rules.items()
        if not rule.sentence and not any("guideline" in note for note in rule.not_covered)
    ]
    assert silent == [], listed("neither a sentence nor a note in not_covered why", silent)


@each_rule
def test_a_sentence_is_one_of_the_guideline(name: str, rulebook: Rulebook) -> None:
    """Word for word; a rule that rests on two neighbouring sentences quotes both."""
    guideline = " ".join((RULEBOOK / "guideline.txt").read_text("utf-8").split())
    for part in rulebook.rules[name].sentence.split(". "):
        assert " ".join(part.split()) in guideline


def test_a_rule_and_the_list_of_claims_name_each_other(rulebook: Rulebook) -> None:
    claims = written(RULEBOOK / "statements.yaml")
    by_list = {
        (rule, claim["id"]) for claim in claims for rule in claim["rules"] if rule in rulebook.rules
    }
    by_rule = {(name, each) for name, rule in rulebook.rules.items() for each in rule.statements}
    one_sided = [f"{rule} does not name {claim}" for rule, claim in sorted(by_list - by_rule)]
    one_sided += [f"{claim} does not name {rule}" for rule, claim in sorted(by_rule - by_list)]
    assert one_sided == [], listed("rule file and statements.yaml differ", one_sided)


def test_every_rule_has_a_file_of_cases() -> None:
    missing = [name for name in RULES if not (CASES / f"{name}.yaml").is_file()]
    assert missing == [], listed("write tests/vignettes/<rule-id>.yaml for", missing)


@each_rule
def test_a_rule_offers_reasons_for_another_choice(name: str, rulebook: Rulebook) -> None:
    reasons = rulebook.rules[name].override_reasons
    assert 3 <= len(set(reasons)) == len(reasons) <= 5


@each_rule
def test_a_rule_and_its_sources_were_reviewed_on_a_day(name: str, rulebook: Rulebook) -> None:
    rule = rulebook.rules[name]
    days = [rule.last_reviewed, *(each.source.last_reviewed for each in rule.citations)]
    assert [date.fromisoformat(day).isoformat() for day in days] == days


@each_rule
def test_a_proposed_number_rests_on_a_decision_of_the_service(
    name: str, rulebook: Rulebook
) -> None:
    rule = rulebook.rules[name]
    if any(parameter.origin == "proposed" for parameter in rule.parameters.values()):
        assert "opinion" in {citation.strength for citation in rule.citations}


@each_rule
def test_a_card_leads_to_primary_sources_only(name: str, rulebook: Rulebook) -> None:
    for citation in rulebook.rules[name].citations:
        if citation.source.url is not None:
            assert urlsplit(citation.source.url).hostname in PRIMARY_HOSTS, citation.source.id
            assert citation.source.kind not in {"guideline", "opinion"}, citation.source.id


def test_every_source_is_cited_by_a_rule(rulebook: Rulebook) -> None:
    """Only the guideline is never cited: it is quoted, and its statements cite for it."""
    cited = {each.source.id for rule in rulebook.rules.values() for each in rule.citations}
    idle = sorted(set(rulebook.sources) - cited - {"guideline"})
    assert idle == [], listed("cite it in a rule or delete it from sources.yaml", idle)


def test_every_address_is_that_of_a_primary_source() -> None:
    """The further addresses as well, which no card shows."""
    secondary = [
        f"{name}: {url}"
        for name, source in written(RULEBOOK / "sources.yaml").items()
        for url in (source.get("url"), *source.get("other_urls", []))
        if url is not None and urlsplit(url).hostname not in PRIMARY_HOSTS
    ]
    assert secondary == [], listed("no primary source", secondary)


@each_rule
def test_a_rule_file_stands_in_a_folder_of_its_topic(name: str) -> None:
    (path,) = (RULEBOOK / "rules").rglob(f"{name}.yaml")
    assert path.parent.parent == RULEBOOK / "rules"


# --- suggestions ----------------------------------------------------------------------------------


def test_every_kind_of_suggestion_has_a_builder_and_the_reverse() -> None:
    assert set(OFFER_KINDS) == builder_names()
    assert OFFER_VALUES.keys() | OFFER_SUBJECTS.keys() <= OFFER_KINDS.keys()


# --- criteria -------------------------------------------------------------------------------------


def test_every_criterion_reads_data_that_are_known(rulebook: Rulebook) -> None:
    sets = rulebook.vocabulary.terminology.value_sets
    for criterion in all_criteria().values():
        assert set(criterion.reads) <= READS.keys(), criterion.name
        assert set(criterion.observations) <= sets.keys(), criterion.name


def test_every_criterion_is_used_by_a_rule(rulebook: Rulebook) -> None:
    used = {call.criterion.name for rule in rulebook.rules.values() for call in rule.calls()}
    unused = sorted(all_criteria().keys() - used)
    assert unused == [], listed("no rule asks", unused)


# --- services -------------------------------------------------------------------------------------


def rules_of(service: Service, rulebook: Rulebook) -> list[Rule]:
    return [rule for rule in rulebook.rules.values() if runs_in(rule, service)]


def test_a_service_runs_the_rules_that_a_call_of_it_can_bring_up(rulebook: Rulebook) -> None:
    """medication-prescribe drafts drugs: an intrathecal dose, but neither splint nor implant."""
    runs = {
        name: {rule.id for rule in rules_of(service, rulebook)}
        for name, service in rulebook.services.items()
    }
    prescribing = runs["spasticity-medication-prescribe"]
    assert prescribing > {"baclofen-renal-impairment", "pump-infection", "pump-anticoagulant"}
    assert runs["spasticity-order-sign"] - prescribing == {
        "functional-dystonia-splint",
        "functional-disorder-therapy",
        "pump-recent-brain-injury",
    }
    assert rulebook.rules.keys() - runs["spasticity-order-sign"] == {"pump-refill-due"}
    assert "pump-refill-due" in runs["spasticity-patient-view"]


def drug_lists(service: Service) -> set[str]:
    """Every list a patient's drugs may be in; only DSTU2 has orders of the older name."""
    older = {"MedicationOrder"} if service.hook != "medication-prescribe" else set()
    return set(DRUG_LISTS) - older


@each_service
def test_a_service_asks_for_what_its_rules_read_and_no_more(
    service_id: str, rulebook: Rulebook
) -> None:
    service = rulebook.services[service_id]
    read: set[str] = {"Patient"}
    for rule in rules_of(service, rulebook):
        for kind in rule.reads:
            read |= drug_lists(service) if kind == "medications" else set(READS[kind])
    asked = {re.split(r"[?/]", template)[0] for template in service.prefetch.values()}
    assert sorted(read - asked) == [], "read, and not asked for"
    assert sorted(asked - read) == [], "asked for, and read by no rule"


@each_service
def test_a_service_asks_for_the_results_its_rules_read_and_no_others(
    service_id: str, rulebook: Rulebook
) -> None:
    service = rulebook.services[service_id]
    terminology = rulebook.vocabulary.terminology
    read = {
        code
        for rule in rules_of(service, rulebook)
        for call in rule.calls()
        for name in call.criterion.observations
        for code in terminology.codes_of(name, LOINC)
    }
    asked = [
        code
        for template in service.prefetch.values()
        for code in re.findall(rf"{re.escape(LOINC)}\|([^,&]+)", template)
    ]
    assert sorted(read - set(asked)) == [], "read, and not asked for"
    assert sorted(set(asked) - read) == [], "asked for, and read by no rule"
    assert len(asked) == len(set(asked)), "asked for twice"


@each_service
def test_a_service_never_asks_for_all_results(service_id: str, rulebook: Rulebook) -> None:
    for template in rulebook.services[service_id].prefetch.values():
        if template.startswith("Observation"):
            assert f"&code={LOINC}|" in template


@each_service
def test_what_is_asked_for_is_of_the_patient(service_id: str, rulebook: Rulebook) -> None:
    for key, template in rulebook.services[service_id].prefetch.items():
        whose = r"Patient/|\w+\?patient="
        assert re.match(rf"({whose})\{{\{{context\.patientId\}}\}}", template), key
