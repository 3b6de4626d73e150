"""One rule file: read, checked, and turned into a ``Rule``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cds_service.cds import Indicator
from cds_service.chart.orders import Change
from cds_service.fhir.elements import Coding
from cds_service.fhir.terminology import SYSTEMS, Terminology, normal_system
from cds_service.rules.about import read_subject
from cds_service.rules.arguments import Arguments, is_reference
from cds_service.rules.conditions import ConditionReader
from cds_service.rules.offers import (
    CODING,
    OFFER_KINDS,
    OFFER_SUBJECTS,
    OFFER_VALUES,
    OPTIONAL_ARGUMENTS,
)
from cds_service.rules.reading import Fields, named
from cds_service.rules.schema import (
    Aside,
    Citation,
    Grade,
    Offer,
    OverrideReason,
    Parameter,
    Rule,
    Source,
    Subject,
    When,
    Wording,
)
from cds_service.rules.wording import check_placeholders, check_wording, guaranteed

TOPICS = (
    "indication", "dose", "renal", "interaction", "withdrawal", "procedure", "population",
    "monitoring", "missing-data",
)  # fmt: skip
_STRENGTHS = ("label", "literature", "consensus", "opinion")
_SELECTIONS = ("at-most-one", "any")
_KEYS = {
    "id", "title", "sentence", "statements", "topic", "sources", "last_reviewed", "about",
    "changes", "all", "any", "none", "given", "parameters", "grades", "summary", "detail",
    "selection", "offers", "override_reasons", "swallowed_by", "patient_view", "not_covered",
    "aside",
}  # fmt: skip
_GRADE_KEYS = {
    "indicator", "changes", "datum", "all", "any", "none", "given", "summary", "detail", "offers",
}  # fmt: skip
_MOST_REASONS = 5


@dataclass(frozen=True)
class Surroundings:
    """What a rule file may refer to."""

    terminology: Terminology
    sources: Mapping[str, Source]
    override_reasons: Mapping[str, OverrideReason]
    service_kinds: frozenset[str]
    routes: frozenset[str]
    parameters: Mapping[str, Mapping[str, Parameter]]
    """Rule id -> its parameters, for arguments written ``$name`` or ``$rule-id.name``."""


def read_rule(top: Fields, around: Surroundings) -> Rule:
    """Build the rule; everything wrong is noted with the file's problems."""
    top.only(_KEYS)
    identity = top.text("id")
    if identity != top.file.stem:
        top.complain("id", f"must be the file's name, {top.file.stem}")
    reader = _RuleReader(top, around)
    return reader.rule(identity)


class _RuleReader:
    def __init__(self, top: Fields, around: Surroundings) -> None:
        self.top = top
        self.around = around
        self.arguments = Arguments(top.file.stem, around.terminology, around.parameters)
        self.subject = read_subject(
            top.mapping("about", required=True),
            around.terminology,
            around.routes,
            around.service_kinds,
        )
        self.conditions = ConditionReader(self.subject.about, self.arguments)

    def rule(self, identity: str) -> Rule:
        top = self.top
        changes = self._rule_changes(self.subject)
        when = self.conditions.when(top)
        offers = self._offers(top, frozenset(changes))
        grades = tuple(
            self._grade(item, frozenset(changes), when, offers)
            for item in top.items("grades", required=True)
        )
        selection = top.choice("selection", _SELECTIONS) if "selection" in top.content else None
        if selection is None and any(grade.offers for grade in grades):
            top.complain("selection", f"one of {', '.join(_SELECTIONS)} is needed beside offers")
        shown = top.content.get("patient_view", False)
        if shown not in (True, False, "only"):
            top.complain("patient_view", "must be true, false or only")
        return Rule(
            id=identity,
            file=top.file.as_posix(),
            title=top.text("title"),
            sentence=top.text("sentence", required=False),
            statements=top.texts("statements"),
            topic=top.choice("topic", TOPICS),
            citations=self._citations(),
            last_reviewed=top.day("last_reviewed"),
            subject=self.subject,
            changes=changes,
            when=when,
            parameters=self.around.parameters.get(top.file.stem, {}),
            grades=grades,
            selection=selection,
            override_reasons=self._override_reasons(),
            aside=self._aside(when),
            swallowed_by=self._swallowed_by(),
            in_patient_view=bool(shown),
            in_order_hooks=shown != "only",
            not_covered=top.texts("not_covered"),
        )

    def _rule_changes(self, subject: Subject) -> Mapping[Change, Literal["full", "new-facts"]]:
        has_service = bool(subject.services) and subject.drug is None
        if "changes" not in self.top.content and (has_service or subject.about == "patient"):
            return dict.fromkeys(Change, "full")
        if "changes" not in self.top.content and subject.about == "change":
            # A service order that ends a therapy is new itself.
            return dict.fromkeys((Change.STOP, Change.DECREASE, Change.NEW), "full")
        item = self.top.mapping("changes", required=True)
        found: dict[Change, Literal["full", "new-facts"]] = {Change.REVIEW: "full"}
        for name, mode in item.content.items():
            if name not in {change.value for change in Change}:
                item.complain(name, "is no change of therapy")
            elif mode not in ("full", "new-facts"):
                item.complain(name, "must be full or new-facts")
            else:
                found[Change(name)] = mode
        if not item.content:
            item.complain("", "must name a change that the rule answers")
        return found

    def _grade(
        self,
        item: Fields,
        changes: frozenset[Change],
        rule_when: When,
        rule_offers: tuple[Offer, ...],
    ) -> Grade:
        item.only(_GRADE_KEYS)
        own_changes = self._changes(item, changes)
        when = self.conditions.when(item)
        text = item if "summary" in item.content or "detail" in item.content else self.top
        wording = Wording(
            summary=(item if "summary" in item.content else self.top).text("summary"),
            detail=(item if "detail" in item.content else self.top).text("detail"),
        )
        values = guaranteed(rule_when) | guaranteed(when)
        check_wording(text, wording, values)
        offers = self._offers(item, own_changes) if "offers" in item.content else rule_offers
        for offer in offers:
            given = {**values, **OFFER_VALUES.get(offer.kind, {})}
            check_placeholders(item, "offers.label", offer.label, given)
        is_about_data = self.subject.about == "datum"
        if "datum" in item.content and not is_about_data:
            item.complain("datum", "is only for a rule about: datum; here the grade never holds")
        return Grade(
            indicator=Indicator(self._indicator(item)),
            when=when,
            changes=own_changes,
            wording=wording,
            offers=offers,
            datum=item.text("datum", required=is_about_data) or None,
        )

    def _indicator(self, item: Fields) -> str:
        known = [each.value for each in Indicator]
        value = item.content.get("indicator")
        if not is_reference(value):
            return item.choice("indicator", known)
        chosen = self.arguments.referred(item, "indicator", str(value))
        if chosen in known:
            return str(chosen)
        if chosen is not None:
            item.complain("indicator", f"{value} is {chosen}, and no indicator")
        return Indicator.INFO.value

    def _changes(self, item: Fields, allowed: frozenset[Change]) -> frozenset[Change]:
        names = item.texts("changes")
        if not names:
            return allowed
        found = set()
        for name in names:
            if name not in {change.value for change in allowed}:
                item.complain("changes", f"{name} is no change this rule speaks to")
            else:
                found.add(Change(name))
        return frozenset(found)

    def _offers(self, item: Fields, allowed: frozenset[Change]) -> tuple[Offer, ...]:
        found = []
        if item.content.get("offers") == []:
            return ()
        for offer in item.items("offers"):
            kind = offer.choice("kind", OFFER_KINDS)
            arguments = OFFER_KINDS[kind]
            subjects = OFFER_SUBJECTS.get(kind)
            if subjects is not None and self.subject.about not in subjects:
                offer.complain(
                    "kind", f"{kind} is never made by a rule about: {self.subject.about}"
                )
            offer.only({"kind", "label", "changes", "recommended", *arguments})
            given = {
                name: self.arguments.value(offer, name, offer.content[name], type_)
                for name, type_ in arguments.items()
                if name in offer.content
            }
            for name in arguments:
                if name not in given and name not in OPTIONAL_ARGUMENTS:
                    offer.complain(name, "is needed for this kind of offer")
            if not given.keys().isdisjoint(CODING) and not self._may_use(offer, given):
                given = {name: given[name] for name in given if name not in CODING}
            found.append(
                Offer(
                    kind=kind,
                    label=offer.text("label"),
                    changes=self._changes(offer, allowed),
                    arguments=given,
                    is_recommended=offer.flag("recommended"),
                )
            )
        return tuple(found)

    def _may_use(self, offer: Fields, given: Mapping[str, object]) -> bool:
        """Whether the code may be sent; what is of a system the site left out is said in words."""
        for name in CODING:
            if name not in given:
                offer.complain(name, f"is needed: {', '.join(CODING)} belong together")
        system, code = given.get("system"), given.get("code")
        if not isinstance(code, str) or not isinstance(system, str):
            return False
        terminology = self.around.terminology
        if normal_system(system) in SYSTEMS - {row.system for row in terminology.rows}:
            return False
        if not terminology.lookup(Coding(system=system, code=code)):
            offer.complain("code", f"{code} is not among the verified codes")
        return True

    def _citations(self) -> tuple[Citation, ...]:
        found = []
        for item in self.top.items("sources", required=True):
            item.only({"id", "strength"})
            name = item.text("id")
            strength = item.choice("strength", _STRENGTHS)
            if name not in self.around.sources:
                item.complain("id", f"{name} is no source of sources.yaml")
            else:
                found.append(Citation(self.around.sources[name], strength))
        return tuple(found)

    def _override_reasons(self) -> tuple[str, ...]:
        codes = self.top.texts("override_reasons", required=True)
        if len(codes) > _MOST_REASONS:
            self.top.complain("override_reasons", f"at most {_MOST_REASONS}")
        for code in codes:
            if code not in self.around.override_reasons:
                self.top.complain("override_reasons", f"{code} is no override reason")
        return codes

    def _aside(self, rule_when: When) -> Aside | None:
        if "aside" not in self.top.content:
            return None
        item = self.top.mapping("aside")
        item.only({"all", "any", "none", "given", "text"})
        when = self.conditions.when(item)
        text = item.text("text")
        check_placeholders(item, "text", text, guaranteed(rule_when) | guaranteed(when))
        return Aside(when, text)

    def _swallowed_by(self) -> Mapping[str, frozenset[Indicator]]:
        found = {}
        for rule, item in named(self.top.items("swallowed_by"), "rule").items():
            item.only({"rule", "indicators"})
            names = item.texts("indicators") or tuple(each.value for each in Indicator)
            known = {each.value for each in Indicator}
            for name in set(names) - known:
                item.complain("indicators", f"{name} is no indicator")
            found[rule] = frozenset(Indicator(name) for name in set(names) & known)
        return found
