"""The services and their prefetch: templates every EHR can serve, and all that the rules read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cds_service.cds import HOOKS, MEDICATION_PRESCRIBE, PATIENT_VIEW, Service
from cds_service.chart.record import DRUG_LISTS
from cds_service.fhir.terminology import LOINC, Terminology
from cds_service.rules.criteria.registry import MEDICATIONS, READS
from cds_service.rules.reading import Fields, Problems, named
from cds_service.rules.schema import Rule

_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_LEGAL_TOKENS = frozenset(
    {
        "context.userId",
        "context.patientId",
        "context.encounterId",
        "userPractitionerId",
        "userPractitionerRoleId",
        "userPatientId",
        "userRelatedPersonId",
    }
)
_PATIENT = "Patient/{{context.patientId}}"
_OF_THE_PATIENT = "patient={{context.patientId}}"
_LEAST_COUNT = 50
_FEW = 5
_RESULT_CODE = re.compile(re.escape(LOINC) + r"\|([^,&\s]+)")
_ONLY_DSTU2 = frozenset({"MedicationOrder"})
"""Later servers have no such list, so that a service may do without it."""


def read_services(
    file: Path, terminology: Terminology, problems: Problems
) -> tuple[str, Mapping[str, Service]]:
    """The version of the rulebook and its services, with their prefetch templates."""
    top = Fields(problems.load(file), file, "", problems)
    top.only({"version", "queries", "services"})
    queries = {
        name: _template(item, terminology)
        for name, item in named(top.items("queries", required=True), "key").items()
    }
    services = {}
    for name, item in named(top.items("services", required=True), "id").items():
        item.only({"id", "hook", "title", "description", "usage_requirements", "prefetch"})
        keys = item.texts("prefetch", required=True)
        for key in keys:
            if key not in queries:
                item.complain("prefetch", f"{key} is no query of this file")
        services[name] = Service(
            id=name,
            hook=item.choice("hook", HOOKS),
            title=item.text("title"),
            description=item.text("description"),
            prefetch={key: queries[key] for key in keys if key in queries},
            usage_requirements=item.text("usage_requirements", required=False) or None,
        )
    return top.text("version"), services


def _template(item: Fields, terminology: Terminology) -> str:
    """A query with the codes of the results it asks for."""
    item.only({"key", "query", "observations"})
    template = item.text("query")
    codes: list[str] = []
    for value_set in item.texts("observations"):
        if value_set not in terminology.value_sets:
            item.complain("observations", f"{value_set} is no value set")
            continue
        found = terminology.codes_of(value_set, LOINC)
        if not found:
            item.complain("observations", f"{value_set} holds no LOINC code to ask for")
        codes += [f"{LOINC}|{code}" for code in found]
    if template.startswith("Observation?") is not ("observations" in item.content):
        item.complain("observations", "is needed where results are asked for, and only there")
    if codes:
        template += "&code=" + ",".join(dict.fromkeys(codes))
    _check_template(item, template)
    return template


def _check_template(item: Fields, template: str) -> None:
    """Legal under CDS Hooks 2.0.1 and safe with the public sandbox."""
    for token in _TOKEN.findall(template):
        if token not in _LEGAL_TOKENS:
            item.complain("query", f"the token {token} is not legal under CDS Hooks 2.0.1")
    _, _, search = template.partition("?")
    parts = [part for part in search.split("&") if part]
    names = [part.partition("=")[0] for part in parts]
    if template != _PATIENT and _OF_THE_PATIENT not in parts:
        item.complain("query", f"must ask for the one patient: {_OF_THE_PATIENT}, or {_PATIENT}")
    for name in sorted({each for each in names if names.count(each) > 1}):
        item.complain("query", f"the parameter {name} stands twice: clients join repeated ones")
    if any(
        name.startswith(("_include", "_revinclude", "_has")) or ":not" in name for name in names
    ):
        item.complain("query", "uses a search feature outside the permitted subset")
    if any(name in ("status", "clinical-status") for name in names):
        item.complain("query", "must not filter by status: stopped and resolved records count too")
    for part in parts:
        name, _, value = part.partition("=")
        if name == "_count" and (not value.isdigit() or int(value) < _LEAST_COUNT):
            item.complain("query", f"_count must be at least {_LEAST_COUNT}")


def check_requests(
    rules: Iterable[Rule],
    services: Iterable[Service],
    file: Path,
    terminology: Terminology,
    problems: Problems,
) -> None:
    """Each service asks for everything that the rules it runs read: the rest looks absent."""
    rules = list(rules)
    for service in services:
        types = {re.split("[?/]", template)[0] for template in service.prefetch.values()}
        codes = set(_RESULT_CODE.findall(" ".join(service.prefetch.values())))
        lacking: dict[str, list[str]] = {}
        for rule in rules:
            if not runs_in(rule, service):
                continue
            for name in _types_read(rule) - types:
                lacking.setdefault(name, []).append(rule.id)
            for name in _results_read(rule) if codes else ():
                if not codes.issuperset(terminology.codes_of(name, LOINC)):
                    lacking.setdefault(f"results of {name}", []).append(rule.id)
        for name, readers in sorted(lacking.items()):
            more = f" and {len(readers) - _FEW} more" if len(readers) > _FEW else ""
            reads = f"read by {', '.join(readers[:_FEW])}{more}"
            message = f"asks for no {name}: add a query for it ({reads})"
            problems.add(file, f"{service.id}.prefetch", message)


def _types_read(rule: Rule) -> set[str]:
    kinds = set(rule.reads)
    if rule.subject.drug is not None or rule.subject.partner is not None:
        # What an order changes, and who takes a partner, is read from the lists of drugs.
        kinds.add(MEDICATIONS)
    types = {"Patient"}
    for kind in kinds:
        types.update(DRUG_LISTS if kind == MEDICATIONS else READS[kind])
    return types - _ONLY_DSTU2


def _results_read(rule: Rule) -> set[str]:
    return {each for call in rule.calls() for each in call.criterion.observations}


def runs_in(rule: Rule, service: Service) -> bool:
    """Whether a call of the service can bring up a subject of the rule."""
    if service.hook == PATIENT_VIEW:
        return rule.in_patient_view
    if service.hook == MEDICATION_PRESCRIBE and not rule.subject.can_be_a_drug_order:
        return False
    return rule.in_order_hooks
