"""When a rule or a grade holds, in plain words: the criteria with their numbers filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cds_service.documentation.markdown import code, link, plain
from cds_service.documentation.material import Written
from cds_service.documentation.value_sets import value_set_file
from cds_service.documentation.words import mark, number, quantity, unit_of
from cds_service.rules.criteria.registry import Criterion, ValueSetName
from cds_service.rules.schema import Call, Group, Rulebook, When

_HEADINGS: Mapping[str, str] = {
    "all": "this must hold:",
    "any": "at least one of these must hold:",
    "given": "this must hold, where a doubtful fact counts in full:",
    "none": "none of this may hold, where a doubtful fact counts in full:",
}
_GROUP_HEADINGS: Mapping[str, str] = {
    "all": "all of these:",
    "any": "at least one of these:",
    "none": "none of these:",
}
_PLACES: Mapping[str, tuple[str, ...]] = {
    "days": ("some days",),
    "gap_days": ("some days",),
    "hours": ("some hours",),
    "datum": ("a datum",),
}
"""Argument -> the words of a criterion's sentence that its value takes the place of."""
_PLACES_OF_NUMBERS = ("a limit in micrograms a day", "a limit in mg", "a limit")
_PLACES_OF_SHARES = ("a share",)
_PLACES_OF_VALUE_SETS = ("a value set",)
_MOST_IN_A_LINE = 2


def value_set_link(rulebook: Rulebook, name: str) -> str:
    """A value set by its title, linked to its page."""
    title = rulebook.vocabulary.terminology.value_sets[name].title
    return link(plain(title), value_set_file(name))


@dataclass(frozen=True)
class Conditions:
    """Writes the conditions of one rule."""

    rulebook: Rulebook
    rule: str

    def blocks(self, when: When, written: Written) -> list[list[str]]:
        """A heading and a list for each kind of condition; ``written`` is as in the file."""
        found: list[list[str]] = []
        for kind, heading in _HEADINGS.items():
            nodes: tuple[Call | Group, ...] = getattr(when, kind)
            if nodes:
                lines: list[str] = []
                for node, source in zip(nodes, written[kind], strict=True):
                    lines += self._node(node, source)
                found += [[f"And {heading}" if found else heading.capitalize()], lines]
        return found

    def value(self, written: object, resolved: object, name: str, kind: object = None) -> str:
        """One argument: a parameter with its origin, a value set by title, a number with unit."""
        if isinstance(written, str) and written.startswith("$"):
            return self._parameter(written)
        if kind is ValueSetName:
            return f"the set {value_set_link(self.rulebook, str(resolved))}"
        if isinstance(resolved, tuple):
            sources = written if isinstance(written, list) else list(resolved)
            pairs = zip(sources, resolved, strict=True)
            return ", ".join(self.value(source, each, name) for source, each in pairs)
        if isinstance(resolved, bool):
            return "**yes**" if resolved else "**no**"
        if isinstance(resolved, int | Decimal):
            return f"**{number(resolved, unit_of(name))}**"
        return f"**{plain(str(resolved))}**"

    def _parameter(self, written: str) -> str:
        owner, _, name = written[1:].rpartition(".")
        parameter = self.rulebook.rules[owner or self.rule].parameters[name]
        shown = code(name) if not owner else f"{code(name)} of {link(code(owner), f'{owner}.md')}"
        return f"**{quantity(parameter)}** ({shown}, {mark(parameter)})"

    def _node(self, node: Call | Group, written: Any) -> list[str]:
        if isinstance(node, Call):
            return self._call(node, written, "")
        lines = [f"- {_GROUP_HEADINGS[node.kind]}"]
        for call, source in zip(node.members, written[node.kind], strict=True):
            lines += self._call(call, source, "  ")
        return lines

    def _call(self, call: Call, written: Any, indent: str) -> list[str]:
        sources = next(iter(written.values())) if isinstance(written, dict) else {}
        sentence = first_line(call.criterion).removesuffix(".")
        left: list[tuple[str, str]] = []
        for name, kind in call.criterion.parameters.items():
            sentence, is_told = _with_option(sentence, name, given=bool(call.arguments.get(name)))
            if is_told or name not in call.arguments:
                continue
            value = self.value((sources or {}).get(name), call.arguments[name], name, kind)
            filled = _filled(sentence, _places(name, kind), value)
            if filled is None:
                left.append((name, value))
            else:
                sentence = filled
        if not left:
            return [f"{indent}- {sentence}."]
        if len(left) == 1:
            value = f" ({left[0][1]})" if ": " in sentence else f": {left[0][1]}"
            return [f"{indent}- {sentence}{value}."]
        if len(left) <= _MOST_IN_A_LINE:
            joined = ", ".join(f"{code(name)} {value}" for name, value in left)
            return [f"{indent}- {sentence}: {joined}."]
        lines = [f"{indent}- {sentence}:"]
        return lines + [f"{indent}  - {code(name)}: {value}" for name, value in left]


def _with_option(sentence: str, name: str, *, given: bool) -> tuple[str, bool]:
    """A sentence with what it says about an option, and whether it says anything.

    "…, new enough unless `however_old`" and "… a share (or by it, `or_more`)" are how criteria
    speak of options.
    """
    words = f"**{name.replace('_', ' ')}**"
    unless = re.compile(rf",( and)?[^,]*? unless `{name}`" if given else rf" unless `{name}`")
    aside = re.compile(rf"`{name}`" if given else rf" \([^()]*`{name}`\)")
    for pattern, told in ((unless, f", {words}"), (aside, words)):
        if pattern.search(sentence) is not None:
            return pattern.sub(told if given else "", sentence), True
    return sentence, False


def _places(name: str, kind: object) -> tuple[str, ...]:
    if kind is ValueSetName:
        return _PLACES_OF_VALUE_SETS
    if name.endswith("percent"):
        return _PLACES_OF_SHARES
    return _PLACES.get(name, _PLACES_OF_NUMBERS if kind is Decimal else ())


def _filled(sentence: str, places: tuple[str, ...], value: str) -> str | None:
    """The sentence with a value in its place; ``None`` where it has no such place."""
    for place in places:
        pattern = re.compile(rf"(?<!\w){re.escape(place)}(?!\w)")
        if pattern.search(sentence) is not None:
            return pattern.sub(lambda _: value, sentence, count=1)
    return None


def first_line(criterion: Criterion) -> str:
    """The sentence that says what a criterion asks."""
    return criterion.summary.partition("\n")[0].strip().replace("``", "`")


def explanations(criteria: Iterator[Criterion]) -> list[str]:
    """What the sentences of criteria leave open: the rest of their descriptions, each once."""
    found: dict[str, str] = {}
    for criterion in criteria:
        _, _, rest = criterion.summary.partition("\n\n")
        if rest.strip():
            text = " ".join(rest.split()).replace("``", "`")
            found[criterion.name] = f"*{first_line(criterion)}* {text}"
    return [found[name] for name in sorted(found)]
