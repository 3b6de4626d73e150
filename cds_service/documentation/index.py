"""The index: every rule by topic, and what the marks on the pages mean."""

from __future__ import annotations

from cds_service.documentation.markdown import bullets, code, link, page, plain, table
from cds_service.documentation.material import Material
from cds_service.documentation.statements import statement_link
from cds_service.documentation.subject import short_subject
from cds_service.documentation.words import ORIGINS, STRENGTHS, indicators
from cds_service.rules.rulefile import TOPICS
from cds_service.rules.schema import Rule


def index_page(material: Material) -> str:
    """Every rule by topic."""
    rules = material.rulebook.rules.values()
    blocks: list[list[str]] = []
    for topic in TOPICS:
        of_topic = [rule for rule in rules if rule.topic == topic]
        if of_topic:
            blocks.append([f"## {topic.replace('-', ' ').capitalize()}"])
            blocks.append(
                table(
                    ["rule", "title", "about", "indicators", "claims of the guideline"],
                    [_row(rule, material) for rule in of_topic],
                )
            )
    planned = material.planned()
    if planned:
        blocks += [
            ["## Planned"],
            ["The guideline asks for these rules; this rulebook does not have them yet."],
            bullets(code(name) for name in planned),
        ]
    return page(
        ["# The rules"],
        [
            (
                "One page a rule: where it comes from, when it speaks, with which numbers, and "
                "what its cards say. "
                f"See also {link('the guideline, sentence by sentence', 'statements.md')} and "
                f"{link('the value sets', 'value-sets.md')}."
            )
        ],
        [
            (
                "Nothing here is medical advice: a pharmacist or physician signs off every limit "
                "before real use."
            )
        ],
        *blocks,
        ["## How to read a page"],
        bullets(_legend()),
    )


def _row(rule: Rule, material: Material) -> list[str]:
    return [
        link(code(rule.id), f"{rule.id}.md"),
        plain(rule.title),
        short_subject(rule, material.rulebook),
        indicators(grade.indicator for grade in rule.grades),
        ", ".join(statement_link(each) for each in material.statements_of(rule.id)),
    ]


def _legend() -> list[str]:
    return [
        (
            "The indicator of a card is `info`, `warning` or `critical`. The grades of a rule are "
            "tried in the order of its page; the first that holds is shown."
        ),
        (
            "A finding that rests on a doubtful fact alone (provisional, on hold, possibly over) "
            "is shown one level lower."
        ),
        (
            "Where the record cannot decide, the answer is *unknown*, never *no*: the rule stays "
            "silent, and [`missing-data`](missing-data.md) names what could not be checked."
        ),
        (
            "*New enough to matter*: on a renewal after more than 90 days some rules count only "
            "what began within 90 days or after the prescription; else everything counts."
        ),
        "In the words of a card, ‹marks› stand for values of the patient.",
        (
            f"A number comes from: {'; '.join(ORIGINS.values())}. Where `[proposed]` stands beside "
            f"a number, it is {ORIGINS['proposed']}."
        ),
        f"The strength of a source is: {'; '.join(STRENGTHS.values())}.",
        "A site changes a number in its settings file; the page of the rule shows the lines.",
    ]
