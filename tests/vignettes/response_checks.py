"""What every answer to a hook call must satisfy, whatever was asked.

The checks follow the response rules of CDS Hooks (RSP-01 to RSP-15 of the project's
checklist) and what this service promises beyond them: findings, topics, a summary of the
rules that were looked at. Nothing here knows a rule. Each check returns sentences that say
what is wrong; an empty list means the answer is sound.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from tests.vignettes.fhir_json import Json, reference_to, walk

FINDINGS = "org.cds-service.findings"
SUMMARY = "org.cds-service.summary"
INDICATORS = ("info", "warning", "critical")
SUMMARY_LIMIT = 140
MOST_CARDS_OF_AN_ORDER = 4
TOPICS = {
    *("indication", "dose", "renal", "interaction", "withdrawal", "procedure", "population"),
    *("monitoring", "missing-data"),
}
TOPIC_SYSTEM = "urn:x-cds-service:topic"
OVERRIDE_SYSTEM = "urn:x-cds-service:override-reason"

_KEYS: dict[str, set[str]] = {
    "answer": {"cards", "systemActions", "extension"},
    "card": {
        *("uuid", "summary", "detail", "indicator", "source", "suggestions"),
        *("selectionBehavior", "overrideReasons", "links", "extension"),
    },
    "source": {"label", "url", "icon", "topic"},
    "coding": {"code", "system", "display", "version"},
    "suggestion": {"label", "uuid", "isRecommended", "actions", "extension"},
    "action": {"type", "description", "resource", "resourceId", "extension"},
    "link": {"label", "url", "type", "appContext", "autolaunchable", "extension"},
    "finding": {"rule", "indicator", "key", "order", "reason", "evidence"},
}
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


class Response(Protocol):
    """As much of an HTTP response as the checks read."""

    @property
    def status_code(self) -> int: ...

    @property
    def mimetype(self) -> str | None: ...

    @property
    def data(self) -> bytes: ...


def read_answer(response: Response) -> Json:
    """The JSON of a 200 answer, decimals exact; anything else is an ``AssertionError``."""
    assert response.status_code == 200, (
        f"HTTP {response.status_code}: {response.data[:2000].decode('utf-8', 'replace')}"
    )
    assert response.mimetype == "application/json", f"media type {response.mimetype!r}"
    answer = json.loads(
        response.data.decode("utf-8"),
        parse_float=Decimal,
        parse_constant=_no_constant,
        object_pairs_hook=_no_duplicates,
    )
    assert isinstance(answer, dict), "the answer is not a JSON object"
    return answer


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    assert len(made) == len(pairs), f"a key occurs twice among {[key for key, _ in pairs]}"
    return made


def problems_of_answer(answer: Json, request: Json | None = None) -> list[str]:
    """All that is wrong with an answer; ``request`` lets actions be held against drafts."""
    return [*_problems(answer, request)]


def problems_of_repeat(first: Json, second: Json) -> list[str]:
    """What may not differ, and what must, between two answers to the same question."""
    problems = []
    if Counter(keys_of(first)) != Counter(keys_of(second)):
        problems.append(f"keys differ: {sorted(keys_of(first))} and {sorted(keys_of(second))}")
    again = set(_uuids(first)) & set(_uuids(second))
    if again:
        problems.append(f"uuids used again: {sorted(again)}")
    return problems


def findings_of(answer: Json) -> list[Json]:
    """Every finding of every card, in their order."""
    return [finding for card in answer.get("cards", []) for finding in findings_of_card(card)]


def findings_of_card(card: Json) -> list[Json]:
    """The findings of one card."""
    return list(card.get("extension", {}).get(FINDINGS, []))


def keys_of(answer: Json) -> list[str]:
    """The key of every finding."""
    return [finding["key"] for finding in findings_of(answer)]


def _problems(answer: Json, request: Json | None) -> Iterator[str]:
    yield from _no_empty_members(answer)
    yield from _unknown_keys("answer", answer, "$")
    cards = answer.get("cards")
    if not isinstance(cards, list):
        yield "cards is not an array (RSP-01)"
        return
    drafts = drafts_of(request)
    for index, card in enumerate(cards):
        for problem in _card(card, drafts):
            yield f"cards[{index}] {problem}"
    for action in answer.get("systemActions", []):
        for problem in _action(action, drafts):
            yield f"systemActions {problem}"
    twice = [uuid for uuid, times in Counter(_uuids(answer)).items() if times > 1]
    if twice:
        yield f"uuids occur twice: {twice} (RSP-11)"
    yield from _summary(answer)
    yield from _too_many_cards(cards)


def _no_empty_members(answer: Json) -> Iterator[str]:
    for path, value in walk(answer):
        if path == "$.cards":
            continue
        if value is None:
            yield f"{path} is null (RSP-12)"
        elif isinstance(value, (list, dict)) and not value:
            yield f"{path} is empty (RSP-12)"
        elif isinstance(value, str) and not value.strip():
            yield f"{path} is a blank string (RSP-12)"


def _unknown_keys(kind: str, value: Json, where: str) -> Iterator[str]:
    for key in value:
        if key not in _KEYS[kind]:
            yield f"{where}: unknown member {key!r} (RSP-14)"


def _card(card: Json, drafts: dict[str, Json] | None) -> Iterator[str]:
    yield from _unknown_keys("card", card, "card")
    yield from _strings(card, ("summary", "indicator", "uuid"), "RSP-02")
    summary = str(card.get("summary", ""))
    if max(len(summary), len(summary.encode("utf-16-le")) // 2) >= SUMMARY_LIMIT:
        yield f"summary has {len(summary)} characters (RSP-03): {summary!r}"
    if card.get("indicator") not in INDICATORS:
        yield f"indicator {card.get('indicator')!r} (RSP-04)"
    yield from _uuid(card)
    yield from _source(card.get("source"))
    yield from _suggestions(card, drafts)
    for reason in card.get("overrideReasons", []):
        yield from _coding(reason, OVERRIDE_SYSTEM, "overrideReasons (RSP-07)", display=True)
    for link in card.get("links", []):
        yield from _link(link)
    yield from _findings(card)


def _strings(value: Json, names: Iterable[str], rule: str) -> Iterator[str]:
    for name in names:
        text = value.get(name)
        if not isinstance(text, str) or not text.strip():
            yield f"{name} is no text: {text!r} ({rule})"


def _uuid(value: Json) -> Iterator[str]:
    try:
        UUID(str(value.get("uuid")))
    except ValueError:
        yield f"uuid {value.get('uuid')!r} is no UUID"


def _uuids(answer: Json) -> list[str]:
    found = []
    for card in answer.get("cards", []):
        for bearer in (card, *card.get("suggestions", [])):
            if "uuid" in bearer:
                found.append(str(bearer["uuid"]))
    return found


def _source(source: Any) -> Iterator[str]:
    if not isinstance(source, dict):
        yield "has no source (RSP-02)"
        return
    yield from _unknown_keys("source", source, "source")
    yield from _strings(source, ("label",), "RSP-02 source")
    for name in ("url", "icon"):
        if name in source:
            yield from _url(source[name], f"source.{name}")
    topic = source.get("topic")
    if not isinstance(topic, dict):
        yield "source has no topic"
        return
    yield from _coding(topic, TOPIC_SYSTEM, "topic", display=False)
    if topic.get("code") not in TOPICS:
        yield f"topic {topic.get('code')!r} is not one of the promised ones"


def _coding(coding: Json, system: str, where: str, *, display: bool) -> Iterator[str]:
    yield from _unknown_keys("coding", coding, where)
    yield from _strings(coding, ("code", "system", *(("display",) if display else ())), where)
    if coding.get("system") != system:
        yield f"{where}: system {coding.get('system')!r}, not {system!r}"


def _url(url: Any, where: str) -> Iterator[str]:
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.netloc or " " in str(url):
        yield f"{where} {url!r} is no absolute http URL (RSP-09)"


def _link(link: Json) -> Iterator[str]:
    yield from _unknown_keys("link", link, "link")
    yield from _strings(link, ("label", "url", "type"), "RSP-08 link")
    yield from _url(link.get("url"), "link.url")
    if link.get("type") not in ("absolute", "smart"):
        yield f"link.type {link.get('type')!r} (RSP-08)"
    if "appContext" in link and link.get("type") != "smart":
        yield "appContext on a link that is not smart (RSP-08)"


def _suggestions(card: Json, drafts: dict[str, Json] | None) -> Iterator[str]:
    suggestions = card.get("suggestions", [])
    behavior = card.get("selectionBehavior")
    if suggestions and behavior not in ("at-most-one", "any"):
        yield f"selectionBehavior {behavior!r} with suggestions (RSP-05)"
    if behavior is not None and not suggestions:
        yield "selectionBehavior without suggestions (RSP-06)"
    recommended = [one for one in suggestions if one.get("isRecommended")]
    if len(recommended) > 1 and behavior != "any":
        yield "several recommended suggestions, but not `any` (RSP-13)"
    for suggestion in suggestions:
        yield from _unknown_keys("suggestion", suggestion, "suggestion")
        yield from _strings(suggestion, ("label", "uuid"), "suggestion")
        yield from _uuid(suggestion)
        for action in suggestion.get("actions", []):
            yield from _action(action, drafts)


def _action(action: Json, drafts: dict[str, Json] | None) -> Iterator[str]:
    yield from _unknown_keys("action", action, "action")
    yield from _strings(action, ("type", "description"), "RSP-10 action")
    check = _ACTIONS.get(str(action.get("type")))
    if check is None:
        yield f"action type {action.get('type')!r} (RSP-10)"
        return
    yield from check(action, drafts)


def _create(action: Json, drafts: dict[str, Json] | None) -> Iterator[str]:
    resource = action.get("resource")
    if not isinstance(resource, dict) or "resourceType" not in resource:
        yield "create without a resource (RSP-10)"
    if "resourceId" in action:
        yield "create with a resourceId (RSP-10)"


def _update(action: Json, drafts: dict[str, Json] | None) -> Iterator[str]:
    resource = action.get("resource")
    if not isinstance(resource, dict) or not {"resourceType", "id"} <= resource.keys():
        yield "update without a resource of type and id (RSP-10)"
        return
    if drafts is not None and reference_to(resource) not in drafts:
        yield f"update of {reference_to(resource)}, which is no draft (RSP-10)"
    if action.get("resourceId", reference_to(resource)) != reference_to(resource):
        yield "update whose resourceId names another resource (RSP-10)"


def _delete(action: Json, drafts: dict[str, Json] | None) -> Iterator[str]:
    target = str(action.get("resourceId"))
    if not _REFERENCE.fullmatch(target):
        yield f"delete of {target!r}, which is no Type/id (RSP-10)"
    elif drafts is not None and target not in drafts:
        yield f"delete of {target}, which is no draft (RSP-10)"
    if "resource" in action:
        yield "delete with a resource (RSP-10)"


_ACTIONS: dict[str, Callable[[Json, dict[str, Json] | None], Iterator[str]]] = {
    "create": _create,
    "update": _update,
    "delete": _delete,
}


def drafts_of(request: Json | None) -> dict[str, Json] | None:
    """``Type/id`` -> resource of the order bundle of a request."""
    if request is None:
        return None
    context = request.get("context", {})
    bundle = context.get("draftOrders") or context.get("medications") or {}
    resources = [entry["resource"] for entry in bundle.get("entry", []) if "resource" in entry]
    return {reference_to(one): one for one in resources if {"resourceType", "id"} <= one.keys()}


def _findings(card: Json) -> Iterator[str]:
    findings = findings_of_card(card)
    if not findings:
        yield "carries no finding"
        return
    for finding in findings:
        yield from _unknown_keys("finding", finding, "finding")
        yield from _strings(finding, ("rule", "indicator", "key", "reason"), "finding")
        if finding.get("indicator") not in INDICATORS:
            yield f"finding {finding.get('rule')}: indicator {finding.get('indicator')!r}"
            return
    highest = max(INDICATORS.index(finding["indicator"]) for finding in findings)
    if card.get("indicator") != INDICATORS[highest]:
        yield f"indicator {card.get('indicator')!r}, its findings reach {INDICATORS[highest]!r}"


def _summary(answer: Json) -> Iterator[str]:
    summary = answer.get("extension", {}).get(SUMMARY)
    if not isinstance(summary, dict):
        yield f"no extension {SUMMARY}"
        return
    counts = [summary.get(name) for name in ("yes", "no", "unknown")]
    numbers = [count for count in counts if isinstance(count, int)]
    if len(numbers) < 3 or summary.get("evaluated") != sum(numbers):
        yield f"the summary does not add up: {summary}"
    if not summary.get("rulebook"):
        yield "the summary names no rulebook"


def _too_many_cards(cards: list[Json]) -> Iterator[str]:
    counted: Counter[str] = Counter()
    for card in cards:
        counted.update({finding.get("order", "") for finding in findings_of_card(card)} - {""})
    for order, number in counted.items():
        if number > MOST_CARDS_OF_AN_ORDER:
            yield f"{number} cards about {order}"
