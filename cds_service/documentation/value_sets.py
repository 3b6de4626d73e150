"""The page about value sets: what each holds, what it leaves out, and which rules read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from cds_service.documentation.markdown import bullets, code, link, page, plain, table
from cds_service.documentation.material import Material, Written
from cds_service.documentation.words import SYSTEMS, system_name
from cds_service.fhir.terminology import (
    ICD10,
    ICD10_CM,
    SNOMED_CT,
    CodeRow,
    Part,
    Terminology,
    normal_system,
)
from cds_service.rules.criteria.registry import ValueSetName
from cds_service.rules.schema import Rule, Rulebook

_BEFORE_THE_DOT = 3


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


def value_set_file(name: str) -> str:
    """The file of the page about one value set."""
    return f"value-set-{name}.md"


@lru_cache(maxsize=1)
def _rows_by_concept(terminology: Terminology) -> Mapping[str, list[CodeRow]]:
    found: dict[str, list[CodeRow]] = {}
    for row in terminology.rows:
        found.setdefault(row.concept, []).append(row)
    return found


@lru_cache(maxsize=256)
def codes_of(name: str, terminology: Terminology) -> Mapping[str, list[tuple[str, CodeRow]]]:
    """System -> the codes of a value set with the rows that list them, in order."""
    rows = {
        (system, each): row
        for part in terminology.value_sets[name].parts
        for concept in sorted(part.concepts)
        for row in _rows_by_concept(terminology).get(concept, ())
        for system, each in _entries(part, row)
    }
    found: dict[str, list[tuple[str, CodeRow]]] = {}
    for (system, each), row in sorted(rows.items(), key=lambda item: item[0]):
        found.setdefault(system, []).append((each, row))
    order = [*SYSTEMS, *sorted(found.keys() - SYSTEMS.keys())]
    return {system: found[system] for system in order if system in found}


def codes_by_system(name: str, terminology: Terminology) -> Mapping[str, int]:
    """How many codes of each system a value set lists, the systems in the order of the pages."""
    return {system: len(codes) for system, codes in codes_of(name, terminology).items()}


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
    """Value sets as rows, each linked to its page."""
    terminology = rulebook.vocabulary.terminology
    return table(
        ["value set", "title", "codes", "code lists"],
        [
            [
                link(code(name), value_set_file(name)),
                plain(terminology.value_sets[name].title),
                code_counts(name, terminology),
                ", ".join(code(each) for each in concepts_of(name, terminology)),
            ]
            for name in names
        ],
    )


def value_sets_page(material: Material) -> str:
    """Every value set of the rulebook as a row."""
    rulebook = material.rulebook
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
        value_set_table(sorted(rulebook.vocabulary.terminology.value_sets), rulebook),
    )


def value_set_page(name: str, material: Material, *, with_snomed_ct: bool) -> str:
    """One value set: what it holds and leaves out, which rules read it, and its codes.

    Pages that are handed on leave SNOMED CT out, whose names only a licensee may have.
    """
    terminology = material.rulebook.vocabulary.terminology
    written: Written = material.value_sets.get(name, {})
    rules = material.rulebook.rules.values()
    users = sorted(rule.id for rule in rules if name in sets_of(rule, material.rulebook))
    facts = [_part(part) for part in written.get("parts", ())]
    if written.get("unless"):
        facts.append(f"Not if the record also carries a code of {_names(written['unless'])}.")
    linked = ", ".join(link(code(user), f"{user}.md") for user in users)
    facts.append(f"Read by: {linked or 'no rule itself, but needed to read a chart'}.")
    return page(
        [f"# {_capital(plain(terminology.value_sets[name].title))}"],
        [f"{code(name)} · {code_counts(name, terminology)}"],
        [f"{link('All rules', 'README.md')} · {link('Value sets', 'value-sets.md')}"],
        [plain(str(written["note"]))] if "note" in written else [],
        bullets(facts),
        *_code_tables(name, terminology, with_snomed_ct=with_snomed_ct),
    )


def _readable(system: str, normal: str) -> str:
    """A code as it is printed: ICD-10 has a dot behind the third place."""
    has_dot = system in {ICD10, ICD10_CM} and len(normal) > _BEFORE_THE_DOT
    return f"{normal[:_BEFORE_THE_DOT]}.{normal[_BEFORE_THE_DOT:]}" if has_dot else normal


def _capital(text: str) -> str:
    """A title with a capital; a word such as eGFR stays as it is."""
    first = text.partition(" ")[0]
    return text if not first.islower() else text[0].upper() + text[1:]


def _code_tables(
    name: str, terminology: Terminology, *, with_snomed_ct: bool
) -> Iterator[list[str]]:
    for system, codes in codes_of(name, terminology).items():
        yield [f"## {system_name(system)}"]
        if system == SNOMED_CT and not with_snomed_ct:
            lists = sorted({row.concept for _, row in codes})
            files = ", ".join(code(f"codes/snomed-ct/{each}.csv") for each in lists)
            yield [f"{len(codes)} codes, for whoever has a licence, in the rulebook: {files}."]
            continue
        yield table(
            ["code", "name", "code list"],
            [
                [
                    code(_readable(system, each)) + (" and below" if row.is_prefix else ""),
                    plain(row.display),
                    code(row.concept),
                ]
                for each, row in codes
            ],
        )


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
