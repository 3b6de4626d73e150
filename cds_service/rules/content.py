"""The content beside the rules: value sets, routes, kinds of orders, sources, reasons."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from cds_service.chart.drugs import RouteWords
from cds_service.chart.services import ServiceKind
from cds_service.fhir.terminology import (
    SYSTEMS,
    CodeRule,
    Part,
    Terminology,
    ValueSet,
    normal_code,
    normal_system,
)
from cds_service.rules.reading import Fields, Problems, named
from cds_service.rules.schema import OverrideReason, Source

# What reading a chart names itself.
NEEDED_VALUE_SETS = frozenset({
    "baclofen", "tizanidine", "creatinine", "reported-egfr", "body-weight", "body-height", "inr",
    "platelets", "dialysis", "kidney-disease-coded", "pregnancy", "pump-implant", "pump-explant",
    "pump-complication", "pump-failure", "successful-outcome", "vitamin-k-antagonist",
})  # fmt: skip
NEEDED_ROUTES = ("oral", "intrathecal")
NEEDED_KINDS = ("pump-implant", "pump-explant", "pump-refill", "screening-trial")
_SOURCE_FIELDS = {
    "label", "title", "publisher", "authors", "edition", "date", "url", "other_urls", "terms",
    "kind", "last_reviewed", "note",
}  # fmt: skip
_SOURCE_KINDS = ("label", "literature", "consensus", "guideline", "opinion")


def read_value_sets(
    file: Path, concepts: frozenset[str], problems: Problems
) -> Mapping[str, ValueSet]:
    """Named sets of codes, each of concepts that exist."""
    top = Fields({"sets": problems.load(file)}, file, "", problems)
    found: dict[str, ValueSet] = {}
    for name, item in named(top.items("sets", required=True), "name").items():
        item.where = name
        item.only({"name", "title", "parts", "unless", "note"})
        parts = tuple(_part(part, concepts) for part in item.items("parts", required=True))
        unless = item.texts("unless")
        for concept in unless:
            if concept not in concepts:
                item.complain("unless", f"{concept} is no concept: there is no such file of codes")
        found[name] = ValueSet(name, item.text("title"), parts, frozenset(unless))
    return found


def _part(item: Fields, concepts: frozenset[str]) -> Part:
    item.only({"concepts", "ingredients", "without_ingredients", "only_codes", "without_codes"})
    names = item.texts("concepts", required=True)
    for name in names:
        if name not in concepts:
            item.complain("concepts", f"{name} is no concept: there is no such file of codes")
    return Part(
        concepts=frozenset(names),
        ingredients=frozenset(item.texts("ingredients")),
        without_ingredients=frozenset(item.texts("without_ingredients")),
        only_codes=_code_rules(item, "only_codes"),
        without_codes=_code_rules(item, "without_codes"),
    )


def _code_rules(item: Fields, name: str) -> tuple[CodeRule, ...]:
    rules = []
    for rule in item.items(name):
        rule.only({"system", "codes"})
        system = normal_system(rule.text("system"))
        codes = rule.texts("codes", required=True)
        rules.append(CodeRule(system, tuple(normal_code(system, code) for code in codes)))
    return tuple(rules)


def _is_empty(value_set: ValueSet, terminology: Terminology) -> bool:
    """Whether no code of it is held, though the site left out neither its folder nor its system."""
    present = {row.system for row in terminology.rows}
    for part in value_set.parts:
        rows = [row for concept in part.concepts for row in terminology.rows_for(concept)]
        held = [rule for rule in part.only_codes if rule.system in present]
        if not rows or (part.only_codes and not held):
            return False  # left out
        if any(
            row.system == rule.system and row.is_prefix and code.startswith(row.code)
            for row in rows
            for rule in held
            for code in rule.codes
        ):
            return False
    return not terminology.members(value_set.name)


def check_value_sets(
    terminology: Terminology, needed: Iterable[str], file: Path, problems: Problems
) -> None:
    """A set, or a part of one, that holds no code would silently never match."""
    systems = SYSTEMS | {row.system for row in terminology.rows}
    for name, value_set in terminology.value_sets.items():
        if _is_empty(value_set, terminology):
            problems.add(file, name, "holds no codes")
        for position, part in enumerate(value_set.parts):
            where = f"{name}.parts[{position}]"
            rows = [row for concept in part.concepts for row in terminology.rows_for(concept)]
            known = {ingredient for row in rows for ingredient in row.ingredients}
            # A system may be left out of the code lists for its licence; classes stand in ATC only.
            for each in sorted(part.ingredients - known):
                if not each.endswith("(class)"):
                    problems.add(file, f"{where}.ingredients", f"{each} is none of its concepts")
            for rule in (*part.only_codes, *part.without_codes):
                if rule.system not in systems:
                    problems.add(file, where, f"{rule.system} is no system of the code lists")
    for name in sorted(set(needed) - terminology.value_sets.keys()):
        problems.add(file, name, "is missing: reading a chart needs it")


def read_routes(
    file: Path, concepts: frozenset[str], problems: Problems
) -> Mapping[str, RouteWords]:
    """Routes in the order they are tried."""
    top = Fields({"routes": problems.load(file)}, file, "", problems)
    found = {}
    for name, item in named(top.items("routes", required=True), "name").items():
        item.only({"name", "codes", "words", "forms", "systemic"})
        code_set = item.text("codes", required=False)
        if code_set and code_set not in concepts:
            item.complain("codes", f"{code_set} is no concept: there is no such file of codes")
        found[name] = RouteWords(
            name=name,
            code_set=code_set or None,
            words=item.texts("words"),
            forms=item.texts("forms"),
            is_systemic=item.flag("systemic"),
        )
        _recognisable(item, "codes", "words", "forms")
    _all_there(top, "routes", NEEDED_ROUTES, found)
    return found


def read_service_kinds(
    file: Path, value_sets: Container[str], problems: Problems
) -> tuple[Mapping[str, ServiceKind], tuple[str, ...]]:
    """Kinds of service orders, and the words that name a pump device."""
    top = Fields(problems.load(file), file, "", problems)
    top.only({"service_kinds", "pump_device_words"})
    kinds = {}
    for name, item in named(top.items("service_kinds", required=True), "name").items():
        item.only({"name", "title", "value_sets", "words", "and_words", "unless_words"})
        kinds[name] = ServiceKind(
            name=name,
            title=item.text("title"),
            value_sets=item.texts("value_sets"),
            words=item.texts("words"),
            and_words=item.texts("and_words"),
            unless_words=item.texts("unless_words"),
        )
        for value_set in kinds[name].value_sets:
            if value_set not in value_sets:
                item.complain("value_sets", f"{value_set} is no value set")
        _recognisable(item, "value_sets", "words")
    _all_there(top, "service_kinds", NEEDED_KINDS, kinds)
    return kinds, top.texts("pump_device_words", required=True)


def _recognisable(item: Fields, *names: str) -> None:
    if item.content.keys().isdisjoint(names):
        item.complain("", f"would never be recognised: give it {' or '.join(names)}")


def _all_there(top: Fields, name: str, needed: Iterable[str], found: Container[str]) -> None:
    for each in needed:
        if each not in found:
            top.complain(name, f"{each} is missing: reading a chart needs it")


def read_sources(file: Path, problems: Problems) -> Mapping[str, Source]:
    """Every document that a rule may cite."""
    content = problems.load(file)
    top = Fields(content, file, "", problems)
    found = {}
    for name in top.content:
        item = top.mapping(name)
        item.only(_SOURCE_FIELDS)
        url = item.text("url", required=False)
        if url and not url.startswith("https://"):
            item.complain("url", "must be an https address")
        found[name] = Source(
            id=name,
            label=item.text("label"),
            title=item.text("title"),
            kind=item.choice("kind", _SOURCE_KINDS),
            url=url or None,
            last_reviewed=item.day("last_reviewed"),
        )
    return found


def read_override_reasons(file: Path, problems: Problems) -> Mapping[str, OverrideReason]:
    """The coded reasons for not following a card."""
    top = Fields(problems.load(file), file, "", problems)
    top.only({"system", "reasons"})
    found = {}
    for code, item in named(top.items("reasons", required=True), "code").items():
        item.only({"code", "display", "meaning"})
        found[code] = OverrideReason(code, item.text("display"))
    return found
