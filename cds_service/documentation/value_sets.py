"""The page about value sets: what each holds, what it leaves out, and which rules read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from cds_service.documentation.markdown import anchor, bullets, code, link, page, plain, table
from cds_service.documentation.material import Material, Written
from cds_service.documentation.words import SYSTEMS, system_name
from cds_service.fhir.terminology import CodeRow, Part, Terminology, normal_system
from cds_service.rules.criteria.registry import ValueSetName
from cds_service.rules.schema import Rule, Rulebook


def sets_of(rule: Rule, rulebook: Rulebook) -> list[str]:
    """Every value set that a rule reads, by name."""
    found = {name for name in (rule.subject.drug, rule.subject.partner) if name is not None}
    for call in rule.calls():
        found.update(call.criterion.observations)
        for name, kind in call.criterion.parameters.items():
            if kind is ValueSetName and name in call.arguments:
                found.add(call.arguments[name])
    for name in rule.subject.services:
        kind_of_order = rulebook.vocabulary.service_kinds.get(name)
        found.update(kind_of_order.value_sets if kind_of_order is not None else ())
    return sorted(found)


def concepts_of(name: str, terminology: Terminology) -> list[str]:
    """The code lists that a value set is made of."""
    return sorted({each for part in terminology.value_sets[name].parts for each in part.concepts})


def codes_by_system(name: str, terminology: Terminology) -> Mapping[str, int]:
    """How many codes of each system a value set lists, the systems in the order of the pages."""
    codes = {
        entry
        for part in terminology.value_sets[name].parts
        for row in terminology.rows
        if row.concept in part.concepts
        for entry in _entries(part, row)
    }
    counted = Counter(system for system, _ in codes)
    order = [*SYSTEMS, *sorted(counted.keys() - SYSTEMS.keys())]
    return {system: counted[system] for system in order if system in counted}


def _entries(part: Part, row: CodeRow) -> Iterator[tuple[str, str]]:
    if part.takes(row, row.system, row.code):
        yield row.system, row.code
    elif row.is_prefix:
        # A list may hold a chapter of which the set wants only some codes.
        for rule in part.only_codes:
            for each in rule.codes:
                if each.startswith(row.code) and part.takes(row, rule.system, each):
                    yield rule.system, each


def code_counts(name: str, terminology: Terminology) -> str:
    """Codes per system in one line."""
    counts = codes_by_system(name, terminology)
    return ", ".join(f"{system_name(system)} {count}" for system, count in counts.items())


def value_set_table(names: list[str], rulebook: Rulebook) -> list[str]:
    """Value sets as rows, each linked to its entry."""
    terminology = rulebook.vocabulary.terminology
    return table(
        ["value set", "title", "codes", "code lists"],
        [
            [
                link(code(name), f"value-sets.md#{name}"),
                plain(terminology.value_sets[name].title),
                code_counts(name, terminology),
                ", ".join(code(each) for each in concepts_of(name, terminology)),
            ]
            for name in names
        ],
    )


def value_sets_page(material: Material) -> str:
    """Every value set of the rulebook."""
    rulebook = material.rulebook
    sets = rulebook.vocabulary.terminology.value_sets
    users: dict[str, list[str]] = {name: [] for name in sets}
    for rule in rulebook.rules.values():
        for name in sets_of(rule, rulebook):
            users[name].append(rule.id)
    blocks = [
        block for name in sorted(sets) for block in _entry(name, material, sorted(users[name]))
    ]
    return page(
        ["# Value sets"],
        [
            (
                "The codes that mean one clinical idea to a rule. A set is made of code lists, the "
                "files in the folder `codes` of the rulebook, where every code stands with its "
                "name and its evidence. A code of ICD-10, ICD-10-CM or ATC that is listed as a "
                "prefix stands for everything below it, and counts here as one."
            )
        ],
        [link("All rules", "README.md")],
        *blocks,
    )


def _entry(name: str, material: Material, users: list[str]) -> Iterator[list[str]]:
    terminology = material.rulebook.vocabulary.terminology
    written: Written = material.value_sets.get(name, {})
    yield [f"## {anchor(name)}{code(name)}"]
    yield [f"**{plain(terminology.value_sets[name].title)}**"]
    if "note" in written:
        yield [plain(str(written["note"]))]
    facts = [_part(part) for part in written.get("parts", ())]
    if written.get("unless"):
        facts.append(f"Not if the record also carries a code of {_names(written['unless'])}.")
    facts.append(f"Codes: {code_counts(name, terminology)}.")
    linked = ", ".join(link(code(user), f"{user}.md") for user in users)
    facts.append(f"Read by: {linked or 'no rule itself, but needed to read a chart'}.")
    yield bullets(facts)


def _part(part: Written) -> str:
    text = f"Code lists: {_names(part['concepts'])}"
    if "ingredients" in part:
        text += f"; only {', '.join(map(plain, part['ingredients']))}"
    if "without_ingredients" in part:
        text += f"; without {', '.join(map(plain, part['without_ingredients']))}"
    if "only_codes" in part:
        text += f"; only {_codes(part['only_codes'])}"
    if "without_codes" in part:
        text += f"; without {_codes(part['without_codes'])}"
    return text + "."


def _names(concepts: list[str]) -> str:
    return ", ".join(code(each) for each in concepts)


def _codes(rules: list[Written]) -> str:
    return "; ".join(
        f"{system_name(normal_system(rule['system']))} {', '.join(map(plain, rule['codes']))}"
        for rule in rules
    )
