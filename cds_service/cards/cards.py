"""From findings to cards: words, links, suggestions, reasons for another choice."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence

from cds_service.cards.editing import Json
from cds_service.cards.keys import Keys
from cds_service.cards.suggestions import Suggestion, build
from cds_service.rules.engine import Finding, Note
from cds_service.rules.schema import Rulebook

FINDINGS_EXTENSION = "org.cds-service.findings"
TOPIC_SYSTEM = "urn:x-cds-service:topic"
OVERRIDE_SYSTEM = "urn:x-cds-service:override-reason"
AT_MOST_ONE = "at-most-one"
_MOST_SUGGESTIONS = 3
_MOST_REASONS = 5
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#~])")


def plain(text: str) -> str:
    """A value as it may stand in Markdown: nothing of it forms a link or markup."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def build_card(
    group: Sequence[Finding],
    rulebook: Rulebook,
    keys: Keys,
    accept: Callable[[Finding, Suggestion], bool],
    notes: Sequence[Note] = (),
    *,
    knows_any: bool = True,
) -> Json:
    """One card for findings that belong together; the first is the highest.

    ``accept`` says whether a suggestion, once followed, raises nothing new. ``notes`` are
    sentences of silent rules about the same order. ``knows_any`` is false for clients of CDS
    Hooks 1.0: they take a card whose selectionBehavior is not `at-most-one` for an error.
    """
    leading = group[0]
    citation = leading.rule.citations[0]
    source: Json = {"label": citation.source.label}
    if citation.source.url is not None:
        source["url"] = citation.source.url
    source["topic"] = {
        "system": TOPIC_SYSTEM,
        "code": leading.rule.topic,
        "display": leading.rule.topic.replace("-", " ").capitalize(),
    }
    suggestions = _suggestions(group, keys, accept)
    card: Json = {
        "uuid": str(uuid.uuid4()),
        "summary": leading.grade.wording.summary.format_map(leading.answer.values),
        "detail": _detail(group, rulebook, suggestions, notes),
        "indicator": leading.indicator.value,
        "source": source,
        "overrideReasons": _override_reasons(group, rulebook),
        "extension": {FINDINGS_EXTENSION: [_finding(finding, keys) for finding in group]},
    }
    links = _links(group)
    if links:
        card["links"] = links
    if suggestions:
        behavior = _selection(group, suggestions) if knows_any else AT_MOST_ONE
        card["suggestions"] = _as_json(suggestions, only_one=behavior == AT_MOST_ONE)
        card["selectionBehavior"] = behavior
    return card


def _selection(group: Sequence[Finding], suggestions: Sequence[Suggestion]) -> str:
    """``any`` only where every rule of the card says so and several additions are offered.

    With a single suggestion both words mean the same, and every client knows `at-most-one`.
    """
    chosen = {finding.rule.selection for finding in group if finding.grade.offers}
    is_additions = not any(each.changes_an_order for each in suggestions)
    if len(suggestions) > 1 and chosen == {"any"} and is_additions:
        return "any"
    return AT_MOST_ONE


def _as_json(suggestions: Sequence[Suggestion], *, only_one: bool) -> list[Json]:
    """The suggestions; where they exclude each other only the first is recommended."""
    found = []
    seen = False
    for suggestion in suggestions:
        entry = suggestion.as_json()
        if only_one and seen:
            entry.pop("isRecommended", None)
        seen = seen or suggestion.is_recommended
        found.append(entry)
    return found


def _suggestions(
    group: Sequence[Finding], keys: Keys, accept: Callable[[Finding, Suggestion], bool]
) -> list[Suggestion]:
    found: list[Suggestion] = []
    for finding in group:
        for suggestion in build(finding, f"Patient/{keys.patient_id}"):
            known = any(suggestion.label == other.label for other in found)
            if len(found) < _MOST_SUGGESTIONS and not known and accept(finding, suggestion):
                found.append(suggestion)
    return found


def _detail(
    group: Sequence[Finding],
    rulebook: Rulebook,
    suggestions: Sequence[Suggestion],
    notes: Sequence[Note],
) -> str:
    sections = [_section(finding, is_alone=len(group) == 1) for finding in group]
    sections += [f"Also: {plain(note.text)}" for note in notes]
    sections += [
        f"**{plain(suggestion.label)}**\n\n{suggestion.detail}"
        for suggestion in suggestions
        if suggestion.detail
    ]
    sections.append(f"Rulebook {rulebook.version} · decision support, not a medical device")
    return "\n\n".join(sections)


def _section(finding: Finding, *, is_alone: bool) -> str:
    values = {name: plain(text) for name, text in finding.answer.values.items()}
    wording = finding.grade.wording
    lines = [] if is_alone else [f"**{wording.summary.format_map(values)}**"]
    lines.append(wording.detail.strip().format_map(values))
    if finding.answer.reason:
        lines.append(f"Seen: {plain(finding.answer.reason)}.")
    if finding.answer.doubt:
        is_lower = finding.indicator is not finding.grade.indicator
        lower = " Shown one level lower for that." if is_lower else ""
        lines.append(f"Not certain: {plain(finding.answer.doubt)}.{lower}")
    cited = "; ".join(
        f"{citation.source.label} ({citation.strength})" for citation in finding.rule.citations
    )
    lines.append(f"Evidence: {cited}. Rule `{finding.rule.id}`.")
    return "\n\n".join(lines)


def _finding(finding: Finding, keys: Keys) -> Json:
    entry: Json = {
        "rule": finding.rule.id,
        "indicator": finding.indicator.value,
        "key": keys.of(finding),
    }
    if finding.order:
        entry["order"] = finding.order
    entry["reason"] = finding.answer.reason or finding.rule.title
    if finding.answer.evidence:
        entry["evidence"] = list(finding.answer.evidence)
    return entry


def _links(group: Sequence[Finding]) -> list[Json]:
    """The sources that are not the card's own, each once."""
    leading = group[0].rule.citations[0].source
    found: dict[str, Json] = {}
    for finding in group:
        for citation in finding.rule.citations:
            source = citation.source
            if source.url is not None and source.id != leading.id:
                link = {"label": source.label, "url": source.url, "type": "absolute"}
                found.setdefault(source.id, link)
    return list(found.values())


def _override_reasons(group: Sequence[Finding], rulebook: Rulebook) -> list[Json]:
    codes = dict.fromkeys(code for finding in group for code in finding.rule.override_reasons)
    return [
        {
            "code": code,
            "system": OVERRIDE_SYSTEM,
            "display": rulebook.override_reasons[code].display,
        }
        for code in list(codes)[:_MOST_REASONS]
    ]
