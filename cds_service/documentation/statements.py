"""The page about the guideline: every sentence, its claims, and what became of each."""

from __future__ import annotations

from cds_service.documentation.markdown import anchor, code, link, page, plain, table
from cds_service.documentation.material import Material, Statement


def rule_name(rule: str, material: Material) -> str:
    """A rule with a link to its page; one that is not in the rulebook yet is *planned*."""
    if rule in material.rulebook.rules:
        return link(code(rule), f"{rule}.md")
    return f"planned: {code(rule)}"


def statement_link(statement: Statement) -> str:
    """A claim by its number, linked to its row."""
    return link(statement.id, f"statements.md#{statement.id.lower()}")


def statements_page(material: Material) -> str:
    """One row for every claim."""
    rows = [
        [
            f"{anchor(statement.id.lower())}{statement.id}",
            plain(statement.sentence),
            plain(statement.claim),
            _carried_by(statement, material),
            plain(statement.reason),
        ]
        for statement in material.statements
    ]
    return page(
        ["# From the guideline to the rules"],
        [
            (
                "Every sentence of the guideline, split into the claims it makes. A claim that can "
                "be decided from one patient's record is carried by a rule; the others are "
                "background and never trigger a card. A rule that is planned is not in this "
                "rulebook yet."
            )
        ],
        [link("All rules", "README.md")],
        table(["", "sentence of the guideline", "claim", "carried by", "how, or why not"], rows),
    )


def _carried_by(statement: Statement, material: Material) -> str:
    if statement.role == "background":
        return "background, no trigger"
    names = list(statement.rules)
    names += [
        rule.id
        for rule in material.rulebook.rules.values()
        if statement.id in rule.statements and rule.id not in names
    ]
    text = ", ".join(rule_name(name, material) for name in names)
    return f"quoted by {text}" if statement.role == "quoted" else text
