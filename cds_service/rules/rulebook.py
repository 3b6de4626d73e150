"""Load a rulebook: its files become one frozen, checked ``Rulebook``, or a list of problems."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cds_service.cds import Service
from cds_service.chart.intrathecal import ORDER_KINDS
from cds_service.chart.limits import DataAges
from cds_service.chart.record import DRUG_LISTS
from cds_service.chart.vocabulary import Vocabulary
from cds_service.errors import RulebookError
from cds_service.fhir.terminology import Terminology
from cds_service.rules import criteria
from cds_service.rules.content import (
    check_value_sets,
    read_codes,
    read_override_reasons,
    read_routes,
    read_service_kinds,
    read_services,
    read_sources,
    read_value_sets,
)
from cds_service.rules.criteria.registry import READS, ValueSetName
from cds_service.rules.parameters import read_parameters
from cds_service.rules.reading import Fields, Problems
from cds_service.rules.rulefile import Surroundings, read_rule
from cds_service.rules.schema import Merge, Parameter, Rule, Rulebook, SilenceLimits

MISSING_DATA = "missing-data"
_PATIENT_VIEW = "patient-view"
_MEDICATION_PRESCRIBE = "medication-prescribe"
# Value sets that reading a chart names itself.
_NEEDED_VALUE_SETS = (
    "baclofen", "tizanidine", "creatinine", "reported-egfr", "body-weight", "body-height", "inr",
    "platelets", "dialysis", "kidney-disease-coded", "pregnancy", "pump-implant", "pump-explant",
    "pump-complication", "pump-failure", "vitamin-k-antagonist",
)  # fmt: skip

__all__ = ["Rulebook", "load_rulebook"]


def load_rulebook(
    directory: Path, parameters: Mapping[str, Mapping[str, object]] | None = None
) -> Rulebook:
    """Read and check every file of a rulebook.

    ``parameters`` are the site's own values, rule id -> name -> value. Raises
    ``RulebookError`` with every problem, each naming file and field.
    """
    criteria.register_all()
    problems = Problems(directory)
    site = parameters or {}
    files = {
        name: directory / f"{name}.yaml"
        for name in ("value_sets", "routes", "service_kinds", "sources", "override_reasons",
                     "services", "cards")
    }  # fmt: skip
    rows = read_codes(directory / "codes", problems)
    sets = read_value_sets(files["value_sets"], frozenset(row.concept for row in rows), problems)
    terminology = Terminology(rows, sets)
    check_value_sets(terminology, files["value_sets"], problems)
    for name in _NEEDED_VALUE_SETS:
        if name not in sets:
            problems.add(files["value_sets"], name, "is missing: reading a chart needs it")
    routes = read_routes(files["routes"], problems)
    kinds, device_words = read_service_kinds(files["service_kinds"], problems)
    sources = read_sources(files["sources"], problems)
    reasons = read_override_reasons(files["override_reasons"], problems)
    if problems.found:
        raise RulebookError(problems.found)
    version, services = read_services(files["services"], terminology, problems)
    rules, all_parameters = _rules(directory, site, problems, lambda found: Surroundings(
        terminology=terminology,
        sources=sources,
        override_reasons=reasons,
        service_kinds=frozenset(kinds) | ORDER_KINDS,
        routes=frozenset(routes),
        parameters=found,
    ))  # fmt: skip
    ordered, merges, silence = _catalogue(files["cards"], rules, problems)
    _check_swallowing(ordered, directory, problems)
    _check_data(ordered, services, files["services"], problems)
    ages = _data_ages(all_parameters.get(MISSING_DATA, {}), directory, problems)
    if problems.found or ages is None:
        raise RulebookError(problems.found)
    return Rulebook(
        version=f"{version}+{_digest(directory, site)}",
        services=services,
        rules=ordered,
        vocabulary=Vocabulary(
            terminology=terminology,
            routes=routes,
            service_kinds=kinds,
            data_ages=ages,
            device_words=device_words,
            partner_ingredients=_partner_ingredients(ordered.values(), terminology),
            service_ingredients=frozenset().union(
                *(
                    _ingredients(rule.subject.partner, terminology)
                    for rule in ordered.values()
                    if rule.subject.services and rule.subject.partner is not None
                )
            ),
        ),
        sources=sources,
        override_reasons=reasons,
        merges=merges,
        silence=silence,
    )


def _rules(
    directory: Path,
    site: Mapping[str, Mapping[str, object]],
    problems: Problems,
    surroundings: object,
) -> tuple[dict[str, Rule], Mapping[str, Mapping[str, Parameter]]]:
    tops = {}
    for file in sorted((directory / "rules").rglob("*.yaml")):
        if file.stem in tops:
            problems.add(file, "id", "another rule file has this name")
        content = problems.load(file)
        if content is not None:
            tops[file.stem] = Fields(content, file, "", problems)
    for name in site:
        if name not in tops:
            problems.add("settings", f"rules.parameters.{name}", "is no rule")
    parameters = {
        name: read_parameters(top, site.get(name, {}), problems) for name, top in tops.items()
    }
    around = surroundings(parameters)  # type: ignore[operator]
    return {name: read_rule(top, around) for name, top in tops.items()}, parameters


def _catalogue(
    file: Path, rules: Mapping[str, Rule], problems: Problems
) -> tuple[dict[str, Rule], tuple[Merge, ...], SilenceLimits]:
    """The rules in the order of the catalogue, which share a card, how long one is silenced."""
    top = Fields(problems.load(file), file, "", problems)
    top.only({"order", "merges", "silence"})
    order = top.texts("order", required=True)
    for name in rules:
        if name not in order:
            top.complain("order", f"{name} is missing: ties are broken by this order")
    merges = []
    for item in top.items("merges"):
        item.only({"rules", "same_partner"})
        names = item.texts("rules", required=True)
        for name in names:
            if name not in order:
                item.complain("rules", f"{name} is no rule")
        merges.append(Merge(frozenset(names), item.flag("same_partner")))
    known = [name for name in order if name in rules]
    for name in order:
        if name not in rules:
            top.complain("order", f"{name} has no rule file")
    return {name: rules[name] for name in known}, tuple(merges), _silence(top, order)


def _silence(top: Fields, order: Sequence[str]) -> SilenceLimits:
    item = top.mapping("silence", required=True)
    item.only({"short_hours", "short_rules"})
    hours = item.content.get("short_hours")
    if not isinstance(hours, int) or hours < 1:
        item.complain("short_hours", "must be a whole number of hours, at least 1")
        hours = 1
    names = item.texts("short_rules")
    for name in names:
        if name not in order:
            item.complain("short_rules", f"{name} is no rule")
    return SilenceLimits(hours, frozenset(names))


def _check_swallowing(rules: Mapping[str, Rule], directory: Path, problems: Problems) -> None:
    """Only known rules, and no circle in which two findings would hide each other."""
    for rule in rules.values():
        file = Path(rule.file)
        for name in rule.swallowed_by:
            if name not in rules:
                problems.add(file, "swallowed_by", f"{name} is no rule")
        seen: set[str] = set()
        open_ends = list(rule.swallowed_by)
        while open_ends:
            name = open_ends.pop()
            if name == rule.id:
                problems.add(file, "swallowed_by", "the rule would hide itself")
                break
            if name in rules and name not in seen:
                seen.add(name)
                open_ends += rules[name].swallowed_by


def _check_data(
    rules: Mapping[str, Rule], services: Mapping[str, Service], file: Path, problems: Problems
) -> None:
    """Every criterion needs data that each service running its rule requests."""
    for service in services.values():
        types = {template.split("?")[0].split("/")[0] for template in service.prefetch.values()}
        queries = " ".join(service.prefetch.values())
        for rule in rules.values():
            if not _runs_in(rule, service):
                continue
            for call in rule.calls():
                for kind in call.criterion.reads:
                    wanted = READS[kind]
                    if kind == "medications":
                        wanted = DRUG_LISTS[:1]
                    for name in wanted:
                        if name not in types:
                            problems.add(
                                Path(rule.file),
                                call.criterion.name,
                                f"needs {name}, which {service.id} does not request",
                            )
                if call.criterion.observations and "Observation?" not in queries:
                    problems.add(file, service.id, f"{call.criterion.name} needs observations")


def _runs_in(rule: Rule, service: Service) -> bool:
    if service.hook == _PATIENT_VIEW:
        return rule.in_patient_view
    if service.hook == _MEDICATION_PRESCRIBE:
        return rule.in_order_hooks and rule.subject.about != "service"
    return rule.in_order_hooks


def _data_ages(
    parameters: Mapping[str, Parameter], directory: Path, problems: Problems
) -> DataAges | None:
    values = {}
    for name in DataAges.__dataclass_fields__:
        parameter = parameters.get(name)
        if parameter is None or isinstance(parameter.value, str):
            problems.add(directory / "rules", MISSING_DATA, f"needs the parameter {name} in days")
        else:
            values[name] = int(parameter.value)
    return DataAges(**values) if len(values) == len(DataAges.__dataclass_fields__) else None


def _partner_ingredients(
    rules: Iterable[Rule], terminology: Terminology
) -> Mapping[str, frozenset[str]]:
    """Own ingredient -> every ingredient that a rule about it reads."""
    found: dict[str, set[str]] = {}
    for rule in rules:
        if rule.subject.drug is None:
            continue
        partners = {rule.subject.partner} | {
            str(value)
            for call in rule.calls()
            for name, value in call.arguments.items()
            if call.criterion.parameters[name] is ValueSetName
        }
        for own in _ingredients(rule.subject.drug, terminology):
            names = found.setdefault(own, {own})
            for partner in partners - {None}:
                names |= _ingredients(str(partner), terminology)
    return {own: frozenset(names) for own, names in found.items()}


def _ingredients(value_set: str, terminology: Terminology) -> set[str]:
    """The ingredients a drug value set is about.

    Those that stand alone in it, or in more than half of its products; the other half of some
    combination product concerns no rule.
    """
    wanted = terminology.value_sets[value_set]
    rows = [row for row in terminology.rows if wanted.takes(row, row.system, row.code)]
    counted = Counter(name for row in rows for name in row.ingredients)
    alone = {row.ingredients[0] for row in rows if len(row.ingredients) == 1}
    usual = {name for name, count in counted.items() if count * 2 > len(rows)}
    return {name for name in alone | usual if not name.endswith("(class)")}


def _digest(directory: Path, site: Mapping[str, Mapping[str, object]]) -> str:
    """A short fingerprint of every file and every site parameter."""
    digest = hashlib.sha256()
    for file in sorted(directory.rglob("*")):
        if file.suffix in (".yaml", ".csv"):
            digest.update(file.relative_to(directory).as_posix().encode())
            digest.update(file.read_bytes())
    digest.update(
        repr(sorted((name, sorted(each.items())) for name, each in site.items())).encode()
    )
    return digest.hexdigest()[:8]
