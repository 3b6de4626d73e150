"""Every card of every case as a clinician reads it, one file for each rule.

The first card of its kind stands in full; of the others only the lines that read differently.
A changed word thus shows once, and a changed number where it changed. The clock is fixed, so
that dates never rot; what is fresh in each answer and the version of the rulebook are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.invariants.sites import answer_to
from tests.vignettes.fhir_json import Json
from tests.vignettes.response_checks import findings_of_card
from tests.vignettes.single_calls import single_calls

CARDS = Path(__file__).parent / "cards"
COMMAND = "python -m tests.snapshots"
_HEADER = (
    f"# Every card that {{rule}} leads. Made by: {COMMAND}\n"
    "# `also`: cards that differ only in these lines.\n"
)
_VERSION = re.compile(r"\bRulebook \S+ ·")
_MOST_LINES_THAT_DIFFER = 6
_LEAST_SHARE_THAT_AGREES = 0.6
_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Recorded:
    """One card of one case as lines."""

    name: str
    findings: tuple[str, ...]
    """Each as rule and indicator, the leading one first."""
    lines: tuple[str, ...]

    @property
    def rule(self) -> str:
        """The rule that leads the card."""
        return self.findings[0].split()[0]


@dataclass(slots=True)
class _Kind:
    first: Recorded
    also: dict[str, list[str]] = field(default_factory=dict)

    def difference(self, other: Recorded) -> list[str] | None:
        """The lines of another card that read differently; ``None`` if it is of another kind.

        Cards of one kind carry the same findings with the same indicators.
        """
        if len(other.lines) != len(self.first.lines) or other.findings != self.first.findings:
            return None
        pairs = zip(self.first.lines, other.lines, strict=True)
        found = [theirs for ours, theirs in pairs if ours != theirs]
        agreeing = 1 - len(found) / len(other.lines)
        is_close = len(found) <= _MOST_LINES_THAT_DIFFER and agreeing >= _LEAST_SHARE_THAT_AGREES
        return found if is_close else None


def cards_of_all_cases() -> list[Recorded]:
    """Every card, in the order of the cases."""
    found = []
    for call in single_calls():
        counted: dict[str, int] = {}
        for card in answer_to(call.case)["cards"]:
            findings = tuple(
                f"{each['rule']} {each['indicator']}" for each in findings_of_card(card)
            )
            rule = findings[0].split()[0]
            counted[rule] = counted.get(rule, 0) + 1
            number = f" ({counted[rule]})" if counted[rule] > 1 else ""
            found.append(Recorded(f"{call.id}{number}", findings, tuple(lines_of(card))))
    return found


def lines_of(card: Json) -> list[str]:
    """What a clinician reads: indicator, summary, detail, suggestions, reasons for another way."""
    lines = [f"[{card['indicator']}] {card['summary']}"]
    lines += [f"({each['rule']} {each['indicator']})" for each in findings_of_card(card)]
    lines.append("")
    lines += _VERSION.sub("Rulebook ·", card["detail"]).splitlines()
    lines.append("")
    for suggestion in card.get("suggestions", []):
        mark = "=>" if suggestion.get("isRecommended") else "->"
        lines.append(f"{mark} {suggestion['label']}")
        lines += [f"   {each['type']}: {each['description']}" for each in suggestion["actions"]]
    lines += [f"<> {each['code']} {each['display']}" for each in card.get("overrideReasons", [])]
    return [line.rstrip() for line in lines]


def files() -> dict[str, str]:
    """File name -> what it should hold now."""
    kinds: dict[str, list[_Kind]] = {}
    for card in cards_of_all_cases():
        of_rule = kinds.setdefault(card.rule, [])
        for kind in of_rule:
            difference = kind.difference(card)
            if difference is not None:
                kind.also[card.name] = difference
                break
        else:
            of_rule.append(_Kind(card))
    return {f"{rule}.yaml": _file(rule, of_rule) for rule, of_rule in sorted(kinds.items())}


def recorded() -> dict[str, str]:
    """File name -> what it holds."""
    return {path.name: path.read_text("utf-8") for path in sorted(CARDS.glob("*.yaml"))}


def _file(rule: str, kinds: list[_Kind]) -> str:
    entries = [_entry(kind) for kind in kinds]
    return _HEADER.format(rule=rule) + "\n" + "\n".join(entries)


def _entry(kind: _Kind) -> str:
    made: Json = {"case": kind.first.name, "card": "\n".join(kind.first.lines) + "\n"}
    if kind.also:
        made["also"] = kind.also
    return yaml.dump(
        [made], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, indent=2
    )


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
