"""The content beside the rules: codes, value sets, routes, services, sources, reasons."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from cds_service.cds import Service
from cds_service.chart.drugs import RouteWords
from cds_service.chart.services import ServiceKind
from cds_service.fhir.terminology import (
    LOINC,
    CodeRow,
    CodeRule,
    Part,
    Terminology,
    ValueSet,
    normal_code,
    normal_system,
)
from cds_service.rules.reading import Fields, Problems, named
from cds_service.rules.schema import OverrideReason, Source

_COLUMNS = ["system", "code", "match", "display", "ingredient", "strength", "form", "evidence"]
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
_LEAST_COUNT = 50


def read_codes(folder: Path, problems: Problems) -> tuple[CodeRow, ...]:
    """Every code of every concept; a file's name is its concept."""
    rows: list[CodeRow] = []
    for file in sorted(folder.rglob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            header = stream.readline().strip()
            if header != ",".join(f'"{name}"' for name in _COLUMNS):
                problems.add(file, "line 1", f"the columns must be {', '.join(_COLUMNS)}, quoted")
                continue
            lines = stream.read().splitlines()
        for number, line in enumerate(lines, start=2):
            if not line.startswith('"'):
                problems.add(file, f"line {number}", "every field must be quoted, codes above all")
        before = len(rows)
        for number, values in enumerate(csv.reader(lines), start=2):
            row = _code_row(file, number, values, problems)
            if row is not None:
                rows.append(row)
        if len(rows) == before:
            problems.add(file, "", "holds no codes")
    return tuple(rows)


def _code_row(file: Path, number: int, values: list[str], problems: Problems) -> CodeRow | None:
    if len(values) != len(_COLUMNS):
        problems.add(file, f"line {number}", f"must have {len(_COLUMNS)} fields")
        return None
    system, code, match, display, ingredient, strength, form, evidence = values
    if not (system and code and display and evidence) or match not in ("exact", "prefix"):
        problems.add(file, f"line {number}", "needs system, code, display, evidence and match")
        return None
    name = normal_system(system)
    return CodeRow(
        concept=file.stem,
        system=name,
        code=normal_code(name, code),
        is_prefix=match == "prefix",
        display=display,
        ingredients=tuple(part.strip() for part in ingredient.split("+") if part.strip()),
        strength=strength or None,
        form=form or None,
    )


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


def check_value_sets(terminology: Terminology, file: Path, problems: Problems) -> None:
    """A value set without codes would silently never match."""
    filled = {
        name
        for name, value_set in terminology.value_sets.items()
        if any(value_set.takes(row, row.system, row.code) for row in terminology.rows)
    }
    for name in terminology.value_sets:
        if name not in filled:
            problems.add(file, name, "holds no codes")


def read_routes(file: Path, problems: Problems) -> Mapping[str, RouteWords]:
    """Routes in the order they are tried."""
    top = Fields({"routes": problems.load(file)}, file, "", problems)
    found = {}
    for name, item in named(top.items("routes", required=True), "name").items():
        item.only({"name", "codes", "words", "forms", "systemic"})
        found[name] = RouteWords(
            name=name,
            code_set=item.text("codes", required=False) or None,
            words=item.texts("words"),
            forms=item.texts("forms"),
            is_systemic=item.flag("systemic"),
        )
    return found


def read_service_kinds(
    file: Path, problems: Problems
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
    return kinds, top.texts("pump_device_words", required=True)


def read_sources(file: Path, problems: Problems) -> Mapping[str, Source]:
    """Every document that a rule may cite."""
    content = problems.load(file)
    top = Fields(content, file, "", problems)
    found = {}
    for name in top.content:
        item = top.mapping(name)
        url = item.text("url", required=False)
        if url and not url.startswith("https://"):
            item.complain("url", "must be an https address")
        found[name] = Source(
            id=name,
            label=item.text("label"),
            title=item.text("title"),
            kind=item.text("kind"),
            url=url or None,
            last_reviewed=item.text("last_reviewed"),
        )
    return found


def read_override_reasons(file: Path, problems: Problems) -> Mapping[str, OverrideReason]:
    """The coded reasons for not following a card."""
    top = Fields(problems.load(file), file, "", problems)
    return {
        code: OverrideReason(code, item.text("display"))
        for code, item in named(top.items("reasons", required=True), "code").items()
    }


def read_services(
    file: Path, terminology: Terminology, problems: Problems
) -> tuple[str, Mapping[str, Service]]:
    """The version of the rulebook and its services, with their prefetch templates."""
    top = Fields(problems.load(file), file, "", problems)
    top.only({"version", "queries", "services"})
    queries = {}
    for name, item in named(top.items("queries", required=True), "key").items():
        item.only({"key", "query", "observations"})
        codes = [
            f"{LOINC}|{code}"
            for value_set in item.texts("observations")
            if _is_known(item, value_set, terminology)
            for code in terminology.codes_of(value_set, LOINC)
        ]
        template = item.text("query")
        if codes:
            template += "&code=" + ",".join(dict.fromkeys(codes))
        _check_template(item, template)
        queries[name] = template
    services = {}
    for name, item in named(top.items("services", required=True), "id").items():
        item.only({"id", "hook", "title", "description", "usage_requirements", "prefetch"})
        keys = item.texts("prefetch", required=True)
        for key in keys:
            if key not in queries:
                item.complain("prefetch", f"{key} is no query of this file")
        services[name] = Service(
            id=name,
            hook=item.text("hook"),
            title=item.text("title"),
            description=item.text("description"),
            prefetch={key: queries[key] for key in keys if key in queries},
            usage_requirements=item.text("usage_requirements", required=False) or None,
        )
    return top.text("version"), services


def _is_known(item: Fields, value_set: str, terminology: Terminology) -> bool:
    if value_set in terminology.value_sets:
        return True
    item.complain("observations", f"{value_set} is no value set")
    return False


def _check_template(item: Fields, template: str) -> None:
    """Legal under CDS Hooks 2.0.1 and safe with the public sandbox."""
    for token in _TOKEN.findall(template):
        if token not in _LEGAL_TOKENS:
            item.complain("query", f"the token {token} is not legal under CDS Hooks 2.0.1")
    _, _, search = template.partition("?")
    names = [part.partition("=")[0] for part in search.split("&") if part]
    for name in sorted({each for each in names if names.count(each) > 1}):
        item.complain("query", f"the parameter {name} stands twice: clients join repeated ones")
    if any(
        name.startswith(("_include", "_revinclude", "_has")) or ":not" in name for name in names
    ):
        item.complain("query", "uses a search feature outside the permitted subset")
    if any(name in ("status", "clinical-status") for name in names):
        item.complain("query", "must not filter by status: stopped and resolved records count too")
    for part in search.split("&"):
        name, _, value = part.partition("=")
        if name == "_count" and (not value.isdigit() or int(value) < _LEAST_COUNT):
            item.complain("query", f"_count must be at least {_LEAST_COUNT}")
