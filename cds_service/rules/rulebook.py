"""Load a rulebook: its files become one frozen, checked ``Rulebook``, or a list of problems."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from cds_service.chart.intrathecal import ORDER_KINDS
from cds_service.chart.limits import DataAges
from cds_service.chart.vocabulary import Vocabulary
from cds_service.errors import RulebookError
from cds_service.fhir.terminology import Terminology
from cds_service.rules import criteria
from cds_service.rules.arguments import is_reference
from cds_service.rules.codes import read_codes, read_concepts
from cds_service.rules.content import (
    NEEDED_VALUE_SETS,
    check_value_sets,
    read_override_reasons,
    read_routes,
    read_service_kinds,
    read_sources,
    read_value_sets,
)
from cds_service.rules.criteria.registry import ValueSetName, all_criteria
from cds_service.rules.parameters import read_parameters, setting
from cds_service.rules.prefetch import check_requests, read_services
from cds_service.rules.reading import Fields, Problems
from cds_service.rules.rulefile import Surroundings, read_rule
from cds_service.rules.schema import Merge, Parameter, Rule, Rulebook, SilenceLimits

MISSING_DATA = "missing-data"
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
    concepts = read_concepts(directory / "codes")
    sets = read_value_sets(files["value_sets"], concepts, problems)
    terminology = Terminology(rows, sets)
    observed = {each for asked in all_criteria().values() for each in asked.observations}
    check_value_sets(terminology, observed | NEEDED_VALUE_SETS, files["value_sets"], problems)
    routes = read_routes(files["routes"], concepts, problems)
    kinds, device_words = read_service_kinds(files["service_kinds"], sets, problems)
    sources = read_sources(files["sources"], problems)
    reasons = read_override_reasons(files["override_reasons"], problems)
    if problems.found:
        raise RulebookError(problems.found)
    version, services = read_services(files["services"], terminology, problems)
    tops = _rule_files(directory / "rules", problems)
    around = Surroundings(
        terminology=terminology,
        sources=sources,
        override_reasons=reasons,
        service_kinds=frozenset(kinds) | ORDER_KINDS,
        routes=frozenset(routes),
        parameters=_parameters(tops, site, problems),
    )
    rules = {name: read_rule(top, around) for name, top in tops.items()}
    ordered, merges, silence = _catalogue(files["cards"], rules, problems)
    _check_swallowing(ordered, directory, problems)
    check_requests(ordered.values(), services.values(), files["services"], terminology, problems)
    ages = _data_ages(around.parameters.get(MISSING_DATA, {}), site, directory, problems)
    _check_references(tops, around.parameters)
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


def _rule_files(folder: Path, problems: Problems) -> Mapping[str, Fields]:
    """The content of every rule file, by the file's name."""
    for file in sorted(folder.rglob("*.yml")):
        problems.add(file, "", "is not read: name it .yaml")
    tops: dict[str, Fields] = {}
    for file in sorted(folder.rglob("*.yaml")):
        if file.stem in tops:
            problems.add(file, "id", "another rule file has this name")
        content = problems.load(file)
        if content is not None:
            tops[file.stem] = Fields(content, file, "", problems)
    return tops


def _parameters(
    tops: Mapping[str, Fields], site: Mapping[str, Mapping[str, object]], problems: Problems
) -> Mapping[str, Mapping[str, Parameter]]:
    """Rule id -> its parameters, as the site has set them."""
    for name in site:
        if name not in tops:
            problems.add("settings", f"rules.parameters.{name}", "is no rule")
    return {name: read_parameters(top, site.get(name, {}), problems) for name, top in tops.items()}


def _check_references(
    tops: Mapping[str, Fields], parameters: Mapping[str, Mapping[str, Parameter]]
) -> None:
    """A parameter that nothing refers to could be set without any effect."""
    used = {(MISSING_DATA, name) for name in DataAges.__dataclass_fields__}
    for rule_id, top in tops.items():
        for reference in _references(top.content):
            owner, _, name = reference[1:].rpartition(".")
            used.add((owner or rule_id, name))
    for rule_id, own in parameters.items():
        for name in own:
            if (rule_id, name) not in used:
                tops[rule_id].complain(f"parameters.{name}", f"nothing refers to it as ${name}")


def _references(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from _references(each)
    elif isinstance(content, str) and is_reference(content):
        yield content


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
        if len(names) == 1:
            item.complain("rules", "needs two rules or more")
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


def _data_ages(
    parameters: Mapping[str, Parameter],
    site: Mapping[str, Mapping[str, object]],
    directory: Path,
    problems: Problems,
) -> DataAges | None:
    values = {}
    for name in DataAges.__dataclass_fields__:
        parameter = parameters.get(name)
        days = parameter.value if parameter is not None else None
        if isinstance(days, Decimal) and days == int(days):
            values[name] = int(days)
        elif name in site.get(MISSING_DATA, {}):
            problems.add(*setting(MISSING_DATA, name), "must be a whole number of days")
        else:
            message = f"needs the parameter {name}, a whole number of days"
            problems.add(directory / "rules", MISSING_DATA, message)
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
    rows = terminology.members(value_set)
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
