"""The page about one rule."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.cds import Indicator
from cds_service.documentation.case_words import BASELINE
from cds_service.documentation.cases import case_table
from cds_service.documentation.conditions import Conditions, explanations
from cds_service.documentation.markdown import (
    bullets,
    code,
    link,
    page,
    plain,
    quote,
    table,
    with_gaps,
)
from cds_service.documentation.material import Material, Written
from cds_service.documentation.offers import described, label, written_offers
from cds_service.documentation.statements import statement_link
from cds_service.documentation.subject import change_block, services_line, subject_lines
from cds_service.documentation.value_sets import sets_of, value_set_table
from cds_service.documentation.words import (
    ORIGINS,
    SELECTIONS,
    STRENGTHS,
    change_names,
    indicators,
    quantity,
)
from cds_service.rules.schema import Grade, Parameter, Rule

Blocks = Iterator[list[str]]


def rule_page(rule: Rule, material: Material) -> str:
    """Everything there is to know about one rule."""
    return page(*_blocks(rule, material))


def _blocks(rule: Rule, material: Material) -> Blocks:
    rulebook = material.rulebook
    written = material.rule_files[rule.id]
    conditions = Conditions(rulebook, rule.id)
    yield [f"# {plain(rule.title)}"]
    yield [
        (
            f"{code(rule.id)} · {rule.topic} · "
            f"{indicators(grade.indicator for grade in rule.grades)} · "
            f"last reviewed {rule.last_reviewed}"
        )
    ]
    yield [
        " · ".join(
            [
                link("All rules", "README.md"),
                link("Guideline", "statements.md"),
                link("Value sets", "value-sets.md"),
            ]
        )
    ]
    yield from _origin(rule, material)
    yield ["## What it looks at"]
    yield subject_lines(rule, rulebook)
    yield change_block(rule)
    yield [services_line(rule, rulebook)]
    yield from _grades(rule, written, conditions)
    yield from _wordings(rule)
    yield from _suggestions(rule, written, conditions)
    yield from _numbers(rule, written)
    yield ["## Reasons for another choice"]
    yield bullets(
        f"{reason}: {plain(rulebook.override_reasons[reason].display)}"
        for reason in rule.override_reasons
    )
    yield from _beside_others(rule, material)
    yield ["## Value sets"]
    yield value_set_table(sets_of(rule, rulebook), rulebook)
    yield from _cases(rule, material)
    yield ["## What it does not cover"]
    yield bullets(plain(each) for each in rule.not_covered) or ["Nothing is named."]
    yield ["## Last review and changes"]
    yield [f"Last reviewed on {rule.last_reviewed}."]
    yield bullets(f"{each.date}: {plain(each.text)}" for each in material.changes_of(rule.id))


def _origin(rule: Rule, material: Material) -> Blocks:
    yield ["## Where it comes from"]
    if rule.sentence:
        yield quote(plain(rule.sentence))
    else:
        yield [
            (
                "No sentence of the guideline asks for this rule as it stands; it rests on the "
                "sources below."
            )
        ]
    statements = material.statements_of(rule.id)
    if statements:
        yield bullets(f"{statement_link(each)}: {plain(each.claim)}" for each in statements)
    yield table(
        ["source", "strength", "last compared"],
        [
            [
                link(plain(citation.source.label), citation.source.url)
                if citation.source.url is not None
                else plain(citation.source.label),
                STRENGTHS.get(citation.strength, citation.strength),
                citation.source.last_reviewed,
            ]
            for citation in rule.citations
        ],
    )


# --- grades ---------------------------------------------------------------------------------------


def _grades(rule: Rule, written: Written, conditions: Conditions) -> Blocks:
    yield ["## When it speaks"]
    common = conditions.blocks(rule.when, written)
    if common:
        yield ["### Every grade"]
        yield from common
    if len(rule.grades) > 1:
        each = "Of each datum the" if rule.subject.about == "datum" else "The"
        yield [f"{each} grades are tried in this order; the first that holds is shown."]
    for position, (grade, entry) in enumerate(
        zip(rule.grades, written["grades"], strict=True), start=1
    ):
        datum = f", about {grade.datum}" if grade.datum is not None else ""
        yield [f"### Grade {position}: {grade.indicator.value}{datum}"]
        chosen = entry.get("indicator")
        if isinstance(chosen, str) and chosen.startswith("$"):
            yield [f"A site may choose another indicator: {code(chosen[1:])}."]
        if grade.changes != frozenset(rule.changes):
            yield [f"Only for: {change_names(grade.changes)}."]
        yield from conditions.blocks(grade.when, entry) or [["Whenever the rule is asked."]]
        yield [f"**Card:** {plain(with_gaps(grade.wording.summary))}"]
        if grade.offers:
            yield [f"**Offered:** {', '.join(label(offer) for offer in grade.offers)}"]
    details = explanations(call.criterion for call in rule.calls())
    if details:
        yield ["### How it is decided"]
        yield bullets(details)


def _wordings(rule: Rule) -> Blocks:
    yield ["## What the cards say"]
    by_detail: dict[str, list[int]] = {}
    for position, grade in enumerate(rule.grades, start=1):
        by_detail.setdefault(grade.wording.detail, []).append(position)
    for detail, positions in by_detail.items():
        if len(by_detail) > 1:
            yield [f"{_positions(positions)}:"]
        yield quote(with_gaps(detail))


def _suggestions(rule: Rule, written: Written, conditions: Conditions) -> Blocks:
    found: dict[str, list[int]] = {}
    for position, grade, offer, entry in written_offers(rule, written):
        text = described(offer, grade, entry, conditions)
        found.setdefault(text, []).append(position)
    yield ["## Suggestions"]
    if not found:
        yield ["None: the card informs, and changes nothing."]
        return
    everywhere = list(range(1, len(rule.grades) + 1))
    yield bullets(
        text if positions == everywhere else f"{_positions(positions)}: {text}"
        for text, positions in found.items()
    )
    more = SELECTIONS.get(rule.selection or "", "") if len(found) > 1 else ""
    yield [
        f"{more} A suggestion is left out where it would change nothing, or would raise a finding "
        "itself.".strip()
    ]


def _positions(positions: list[int]) -> str:
    """``Grade 2``, ``Grades 1, 3``: each once."""
    unique = sorted(set(positions))
    return f"Grade{'s' if len(unique) > 1 else ''} {', '.join(map(str, unique))}"


# --- numbers --------------------------------------------------------------------------------------


def _numbers(rule: Rule, written: Written) -> Blocks:
    yield ["## Numbers"]
    if not rule.parameters:
        yield ["No number of this rule is for a site to change."]
        return
    choices = {entry["name"]: entry.get("choices", ()) for entry in written["parameters"]}
    yield table(
        ["name", "value", "origin", "meaning"],
        [
            [
                code(name),
                _with_choices(parameter, choices[name]),
                ORIGINS[parameter.origin],
                plain(parameter.meaning),
            ]
            for name, parameter in rule.parameters.items()
        ],
    )
    yield ["A site changes them in its settings file:"]
    yield [
        "```toml",
        f"[rules.parameters.{rule.id}]",
        *(f"{name} = {_as_toml(each)}" for name, each in rule.parameters.items()),
        "```",
    ]


def _with_choices(parameter: Parameter, choices: list[str]) -> str:
    shown = quantity(parameter)
    return (
        f"{shown} (or {', '.join(each for each in choices if each != shown)})" if choices else shown
    )


def _as_toml(parameter: Parameter) -> str:
    if isinstance(parameter.value, str):
        return f'"{parameter.value}"'
    return f"{parameter.value:f}"


# --- other rules, cases ---------------------------------------------------------------------------


def _beside_others(rule: Rule, material: Material) -> Blocks:
    rulebook = material.rulebook
    lines = []
    for name, at in rule.swallowed_by.items():
        lines.append(
            f"Not shown where {link(code(name), f'{name}.md')} speaks about the same order"
            f"{_at(at, rulebook.rules[name].grades)}: that says more about the same thing."
        )
    lines += [
        f"Hides {link(code(other.id), f'{other.id}.md')} about the same order"
        f"{_at(other.swallowed_by[rule.id], rule.grades)}."
        for other in rulebook.rules.values()
        if rule.id in other.swallowed_by
    ]
    for merge in rulebook.merges:
        if rule.id in merge.rules:
            others = [name for name in rulebook.rules if name in merge.rules - {rule.id}]
            linked = ", ".join(link(code(name), f"{name}.md") for name in others)
            same = " if both rest on the same drug" if merge.same_partner else ""
            lines.append(f"Shares a card with {linked}{same}; both stay findings of their own.")
    yield ["## Together with other rules"]
    yield bullets(lines) or ["It neither hides another rule nor is hidden by one."]


def _at(at: frozenset[Indicator], grades: tuple[Grade, ...]) -> str:
    """At which indicators; nothing where they are all that the rule can give."""
    given = {grade.indicator for grade in grades}
    shown = [each for each in given if each in at]
    return "" if len(shown) == len(given) else f" at {indicators(shown)}"


def _cases(rule: Rule, material: Material) -> Blocks:
    if not material.cases:
        return
    yield ["## Cases"]
    found = [case for case in material.cases if rule.id in case.rules]
    if not found:
        yield ["No case is written yet."]
        return
    yield [
        (
            "Each is a patient and an order, played by the tests with the numbers as shipped. What "
            "is named must be found, and nothing else; *not* names what in any case must not. "
            + BASELINE
        )
    ]
    yield case_table(found, rule.id, material)
