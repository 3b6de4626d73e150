"""One hook call, start to end, without HTTP, clock or environment.

Request -> typed records -> chart -> decision -> cards. Everything that was seen, decided and
set aside is in the explanation; the cards and the explanation come from one decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cds_service.answer import Verdict
from cds_service.cards.cards import build_card
from cds_service.cards.editing import Json, apply_actions
from cds_service.cards.history import History, ShownCard, as_shown, not_silenced
from cds_service.cards.keys import Keys
from cds_service.cards.selection import Filters, cards_of, shown_findings
from cds_service.cards.suggestions import Suggestion
from cds_service.cds import MEDICATION_PRESCRIBE, PATIENT_VIEW, HookRequest, Service
from cds_service.chart.chart import Chart
from cds_service.chart.facts import Clock
from cds_service.chart.record import PatientRecord
from cds_service.errors import PatientUnobtainable
from cds_service.fhir.drug_records import Medication
from cds_service.fhir.reading import Answered, Obtained, read_value
from cds_service.fhir.records import Patient, Record, SubjectRecord
from cds_service.fhir.references import relative
from cds_service.rules.engine import Decision, Evaluation, Finding, Note, decide
from cds_service.rules.schema import Rulebook

__all__ = ["Consultation", "Filters", "consult"]

SUMMARY_EXTENSION = "org.cds-service.summary"


@dataclass(frozen=True, slots=True)
class Consultation:
    """The response of a call and the whole decision behind it, both ready for JSON.

    ``cards`` is what must be remembered for an override, ``unknowns`` what could not be checked:
    pairs of a datum and its cause.
    """

    response: dict[str, Any]
    explanation: dict[str, Any]
    cards: tuple[ShownCard, ...] = ()
    unknowns: tuple[tuple[str, str], ...] = ()


def consult(
    request: HookRequest,
    rulebook: Rulebook,
    *,
    now: datetime,
    filters: Filters = Filters(),  # noqa: B008 - frozen, and the same for every call
    history: History = History(),  # noqa: B008 - the same
    secret: bytes = b"",
) -> Consultation:
    """Answer one hook call as of an aware instant, whose zone is the site's.

    ``history`` holds the overrides that were made at this patient.
    Raises ``PatientUnobtainable`` where the patient is missing or is somebody else.
    """
    rulebook = _without(rulebook, filters.disabled)
    service = rulebook.services[request.service]
    answers = {key: read_value(value, f"prefetch.{key}") for key, value in request.prefetch.items()}
    drafts = read_value(request.orders, "context.orders") if request.orders else Answered()
    patient = _patient(request, answers)
    in_chart = [record for each in answers.values() for record in each.records]
    in_chart = _once(_about_the_patient(in_chart, patient, request.patient_id))
    in_drafts = _once(_about_the_patient(drafts.records, patient, request.patient_id))
    set_aside = [each for answer in (*answers.values(), drafts) for each in answer.set_aside]
    record = PatientRecord(
        # Products that only the drafts bring are needed to read them.
        records=[*in_chart, *(each for each in in_drafts if isinstance(each, Medication))],
        patient=patient,
        clock=Clock(now, now.tzinfo or _no_zone(now)),
        vocabulary=rulebook.vocabulary,
        obtained=_obtained(request, service, answers),
        set_aside=set_aside,
    )
    chart = Chart(record, in_drafts)
    keys = Keys.for_request(secret, request)
    call = _Call(rulebook, service, record, filters, history, keys)
    return call.answer(chart)


def _without(rulebook: Rulebook, disabled: frozenset[str]) -> Rulebook:
    """A rule that a site has switched off is decided nowhere and hides nothing."""
    rules = {name: rule for name, rule in rulebook.rules.items() if name not in disabled}
    return replace(rulebook, rules=rules)


def _no_zone(now: datetime) -> Any:
    raise TypeError(f"the moment of a decision must carry its time zone: {now.isoformat()}")


@dataclass(frozen=True, slots=True)
class _Call:
    """What stays the same when a suggestion is tried out."""

    rulebook: Rulebook
    service: Service
    record: PatientRecord
    filters: Filters
    history: History
    keys: Keys

    def answer(self, chart: Chart) -> Consultation:
        decision = decide(chart, self.rulebook, review=self.service.hook == PATIENT_VIEW)
        shown = shown_findings(decision.findings, self.service, self.rulebook, self.filters)
        before = self._by_key(shown)

        def accept(finding: Finding, suggestion: Suggestion) -> bool:
            return self._raises_nothing_new(chart, finding, suggestion, before)

        heard = not_silenced(shown, self._cards_of, self.history, self.rulebook.silence, self.keys)
        cards = []
        remembered = []
        told: set[str] = set()
        for group in self._cards_of(heard):
            # The first card of an order carries what its silent rules still have to say.
            order = group[0].order
            notes = [] if order in told else self._notes(decision, order)
            told.add(order)
            cards.append(
                build_card(
                    group,
                    self.rulebook,
                    self.keys,
                    accept,
                    notes,
                    # Deprecated since 1.0: whoever calls it speaks 1.0. No other hook tells.
                    knows_any=self.service.hook != MEDICATION_PRESCRIBE,
                )
            )
            remembered.append(self._remembered(group, cards[-1]))
        response = {"cards": cards, "extension": {SUMMARY_EXTENSION: self._summary(decision)}}
        return Consultation(
            response=response,
            explanation=self._explanation(decision, cards, silent=_not_among(shown, heard)),
            cards=tuple(remembered),
            unknowns=tuple(_unknowns(decision.findings)),
        )

    def _cards_of(self, findings: Sequence[Finding]) -> list[list[Finding]]:
        return cards_of(findings, self.rulebook)

    def _remembered(self, group: Sequence[Finding], card: Json) -> ShownCard:
        return ShownCard(
            uuid=card["uuid"],
            indicator=group[0].indicator,
            findings=tuple(as_shown(finding, self.keys) for finding in group),
            suggestions=tuple(each["uuid"] for each in card.get("suggestions", ())),
        )

    def _notes(self, decision: Decision, order: str) -> list[Note]:
        return [
            note
            for note in decision.notes
            if note.order == order and note.rule not in self.filters.shadow
        ]

    def _by_key(self, findings: Iterable[Finding]) -> Mapping[str, int]:
        ranks: dict[str, int] = {}
        for finding in findings:
            key = self.keys.of(finding)
            ranks[key] = max(ranks.get(key, 0), finding.indicator.rank)
        return ranks

    def _raises_nothing_new(
        self,
        chart: Chart,
        finding: Finding,
        suggestion: Suggestion,
        before: Mapping[str, int],
    ) -> bool:
        """Follow the suggestion, decide again, and compare."""
        bundle = b"[" + b",".join(apply_actions(chart.drafts, suggestion.actions)) + b"]"
        drafts = read_value(bundle, "suggestion").records
        decision = decide(Chart(self.record, drafts), self.rulebook)
        shown = shown_findings(decision.findings, self.service, self.rulebook, self.filters)
        after = self._by_key(shown)
        if any(rank > before.get(key, -1) for key, rank in after.items()):
            return False
        answered = self.keys.of(finding)
        if suggestion.changes_an_order and answered in after:
            return after[answered] < before[answered]
        return True

    def _summary(self, decision: Decision) -> Json:
        verdicts = [evaluation.verdict for evaluation in decision.evaluations]
        return {
            "rulebook": self.rulebook.version,
            "evaluated": len(verdicts),
            "yes": verdicts.count(Verdict.YES),
            "no": verdicts.count(Verdict.NO),
            "unknown": verdicts.count(Verdict.UNKNOWN),
        }

    def _explanation(
        self, decision: Decision, cards: list[Json], silent: Sequence[Finding]
    ) -> Json:
        explanation: Json = {
            "rulebook": self.rulebook.version,
            "cards": cards,
            "rules": [_explained(evaluation) for evaluation in decision.evaluations],
        }
        if silent:
            explanation["silenced"] = [
                _filled(
                    {
                        "rule": finding.rule.id,
                        "order": finding.order,
                        "key": self.keys.of(finding),
                        "reason": "an earlier card was overridden with a reason",
                    }
                )
                for finding in silent
            ]
        set_aside = dict.fromkeys(self.record.set_aside)
        if set_aside:
            explanation["setAside"] = [
                _filled({"origin": each.origin, "type": each.resource_type, "resource": each.ref,
                         "reason": each.reason})
                for each in set_aside
            ]  # fmt: skip
        return explanation


def _not_among(findings: Sequence[Finding], others: Sequence[Finding]) -> list[Finding]:
    known = {id(each) for each in others}
    return [finding for finding in findings if id(finding) not in known]


def _unknowns(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """What could not be checked, and whether it was there at all."""
    for finding in findings:
        if finding.case.datum is not None:
            yield finding.case.datum, finding.answer.values.get("cause") or "unusable"


def _explained(evaluation: Evaluation) -> Json:
    return _filled(
        {
            "rule": evaluation.rule,
            "order": evaluation.order,
            "verdict": evaluation.verdict.value,
            "indicator": evaluation.indicator.value if evaluation.indicator else None,
            "reason": evaluation.reason,
            "evidence": [ref for ref in evaluation.evidence if ref],
            "parts": [
                _filled(
                    {
                        "criterion": part.criterion,
                        "verdict": part.answer.verdict.value,
                        "reason": part.answer.reason,
                        "evidence": [ref for ref in part.answer.evidence if ref],
                    }
                )
                for part in evaluation.parts
            ],
        }
    )


def _filled(members: Mapping[str, Any]) -> Json:
    """Without null and empty members: the wire allows none."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def _patient(request: HookRequest, answers: Mapping[str, Answered]) -> Patient:
    patients = [
        record
        for answer in answers.values()
        for record in answer.records
        if isinstance(record, Patient)
    ]
    if not patients:
        raise PatientUnobtainable(
            "prefetch.patient",
            "holds no Patient; send the resource"
            if "patient" in request.prefetch
            else "was not sent, and could not be read from a FHIR server; send it as prefetch",
        )
    for patient in patients:
        if patient.id in (None, request.patient_id):
            return patient
    raise PatientUnobtainable("prefetch.patient", "is another patient than context.patientId names")


def _about_the_patient(
    records: Sequence[Record], patient: Patient, patient_id: str
) -> list[Record]:
    """Search results are never trusted: records about somebody else are left out."""
    names = {f"Patient/{patient_id}", patient_id, patient.full_url, patient.ref} - {""}
    return [
        record
        for record in records
        if not isinstance(record, SubjectRecord)
        or record.about is None
        or record.about in names
        or relative(record.about) in names
    ]


def _once(records: Sequence[Record]) -> list[Record]:
    """Each resource once, however often it was sent."""
    found: dict[str, Record] = {}
    for position, record in enumerate(records):
        found.setdefault(record.ref or f"#{position}", record)
    return list(found.values())


def _obtained(
    request: HookRequest, service: Service, answers: Mapping[str, Answered]
) -> Mapping[str, Obtained]:
    """Resource type -> what became of the queries for it.

    A key is what its template asks for; under other keys what came speaks for itself. A query
    about an encounter or user that the call does not have leaves nothing out.
    """
    asked: dict[str, list[Obtained]] = {}
    for key, template in service.prefetch.items():
        name = template.split("?")[0].split("/")[0]
        answer = answers.get(key)
        unanswered = Obtained.NO if request.can_be_asked(template) else Obtained.YES
        asked.setdefault(name, []).append(answer.obtained if answer else unanswered)
    volunteered: dict[str, list[Obtained]] = {}
    for key, answer in answers.items():
        if key not in service.prefetch:
            for name in answer.types_seen:
                volunteered.setdefault(name, []).append(answer.obtained)
    found = {name: _worst(states) for name, states in volunteered.items()}
    for name, states in asked.items():
        # Results come by several queries: without one of them the answer is not whole.
        if set(states) != {Obtained.NO} or name not in found:
            found[name] = _worst(states)
    return found


def _worst(states: Sequence[Obtained]) -> Obtained:
    if Obtained.NO in states:
        return Obtained.NO
    return Obtained.INCOMPLETE if Obtained.INCOMPLETE in states else Obtained.YES
