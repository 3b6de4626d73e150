"""Decide every rule about every order: yes, no or unknown, with what was seen.

The explanation is the execution: the parts a card can be asked for are the very answers the
decision was made of.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cds_service.answer import Answer, Verdict, no, unknown, yes
from cds_service.cds import Indicator
from cds_service.chart.chart import Chart
from cds_service.chart.record import DRUG_LISTS
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import READS
from cds_service.rules.schema import Call, Grade, Group, Rule, Rulebook, When
from cds_service.rules.subjects import cases

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One criterion and its answer."""

    criterion: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that holds for one subject."""

    rule: Rule
    grade: Grade
    indicator: Indicator
    case: Case
    answer: Answer
    parts: tuple[Part, ...]

    @property
    def order(self) -> str:
        """The order it names, as ``Type/id``; empty where there is none."""
        return self.case.ref

    @property
    def subjects(self) -> tuple[str, ...]:
        """What makes the finding the same in another call: sorted ingredients, or the datum."""
        if self.case.datum is not None:
            own = self.case.own_use
            return (self.case.datum, *(sorted(own.drug.ingredients) if own else ()))
        names: set[str] = set()
        if self.case.own_use is not None:
            names |= self.case.own_use.drug.ingredients
        if self.case.partner is not None:
            names.add(self.case.partner.ingredient)
        if self.case.regimen_change is not None:
            for use in self.case.regimen_change.before:
                names |= use.drug.ingredients
        if self.case.service is not None:
            names |= self.case.service.kinds
        return tuple(sorted(names))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of one rule about one order, whether it holds or not."""

    rule: str
    order: str
    verdict: Verdict
    indicator: Indicator | None
    reason: str
    evidence: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of a silent rule for another card of the same order."""

    rule: str
    order: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Every finding, every note and every evaluation of one call."""

    findings: tuple[Finding, ...]
    evaluations: tuple[Evaluation, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    case: Case
    answer: Answer
    parts: tuple[Part, ...]
    finding: Finding | None
    note: Note | None = None


def decide(chart: Chart, rulebook: Rulebook, *, review: bool = False) -> Decision:
    """Decide all rules in catalogue order.

    ``review`` is the opening of a chart: the rules for standing risks look at the active
    prescriptions, and only warnings and critical findings count.
    """
    findings: list[Finding] = []
    evaluations: list[Evaluation] = []
    notes: list[Note] = []
    for rule in rulebook.rules.values():
        if not (rule.in_patient_view if review else rule.in_order_hooks):
            continue
        outcomes = [_decide_case(rule, case) for case in cases(rule, chart, review=review)]
        if review:
            outcomes = [_only_prominent(outcome) for outcome in outcomes]
        findings += [outcome.finding for outcome in outcomes if outcome.finding is not None]
        notes += [outcome.note for outcome in outcomes if outcome.note is not None]
        evaluations += _evaluations(rule, outcomes)
    return Decision(tuple(findings), tuple(evaluations), tuple(notes))


def _only_prominent(outcome: _Outcome) -> _Outcome:
    if outcome.finding is not None and outcome.finding.indicator is Indicator.INFO:
        return replace(outcome, finding=None)
    return outcome


def _evaluations(rule: Rule, outcomes: Sequence[_Outcome]) -> list[Evaluation]:
    """One line for each order the rule looked at; pairs and data of one order share it."""
    by_order: dict[str, list[_Outcome]] = {}
    for outcome in outcomes:
        by_order.setdefault(outcome.case.ref, []).append(outcome)
    found = []
    for ref, group in by_order.items():
        strongest = min(group, key=_strength)
        finding = strongest.finding
        parts = dict.fromkeys(part for outcome in group for part in _hashable(outcome.parts))
        found.append(
            Evaluation(
                rule=rule.id,
                order=ref,
                verdict=strongest.answer.verdict,
                indicator=finding.indicator if finding is not None else None,
                reason=strongest.answer.reason,
                evidence=strongest.answer.evidence,
                parts=tuple(Part(name, answer) for name, answer in _unique(parts, group)),
            )
        )
    return found


def _hashable(parts: Sequence[Part]) -> list[tuple[str, str, str]]:
    return [(part.criterion, part.answer.verdict, part.answer.reason) for part in parts]


def _unique(
    wanted: dict[tuple[str, str, str], None], group: Sequence[_Outcome]
) -> list[tuple[str, Answer]]:
    answers = {
        (part.criterion, part.answer.verdict.value, part.answer.reason): part.answer
        for outcome in group
        for part in outcome.parts
    }
    return [(key[0], answers[(key[0], str(key[1]), key[2])]) for key in wanted]


def _strength(outcome: _Outcome) -> tuple[int, int]:
    order = {Verdict.YES: 0, Verdict.UNKNOWN: 1, Verdict.NO: 2}
    rank = outcome.finding.indicator.rank if outcome.finding is not None else -1
    return order[outcome.answer.verdict], -rank


def _decide_case(rule: Rule, case: Case) -> _Outcome:
    try:
        return _decide(rule, case)
    except Exception as error:  # noqa: BLE001 - one rule's fault must not cost the others' cards
        # The kind of fault and the rule, never its text: that could quote the patient.
        _log.error("rule failed", extra={"rule": rule.id, "fault": type(error).__name__})
        answer = unknown("the rule could not be evaluated: internal error")
        return _Outcome(case, answer, (), None)


def _decide(rule: Rule, case: Case) -> _Outcome:
    if not case.is_answered:
        return _Outcome(case, no(f"the rule does not speak to a {case.change}"), (), None)
    if rule.subject.about == "pair" and case.partner is None:
        return _Outcome(case, _no_partner(rule, case), (), None)
    parts: list[Part] = []
    precondition = _when(rule.when, case, parts)
    if not precondition.is_yes:
        return _Outcome(case, _unreadable(rule, case, precondition), tuple(parts), None)
    winner, unknowns, silent = _grades(rule, case, parts)
    if winner is None:
        reasons = "; ".join(dict.fromkeys(reason for reason in silent if reason))
        answer = unknowns[0] if unknowns else no(reasons or "no grade of the rule applies")
        note = _aside(rule, case, parts)
        return _Outcome(case, _unreadable(rule, case, answer), tuple(parts), None, note)
    grade, indicator, answer = winner
    answer = replace(
        answer,
        reason=answer.reason or precondition.reason,
        values={**precondition.values, **answer.values},
    )
    answer = _with_subject(case, answer)
    doubt = _doubt_of_the_subject(case)
    if doubt is not None and answer.doubt is None:
        answer = replace(answer, doubt=doubt)
        indicator = indicator.lowered()
    finding = Finding(rule, grade, indicator, case, answer, tuple(parts))
    return _Outcome(case, answer, tuple(parts), finding)


def _aside(rule: Rule, case: Case, parts: list[Part]) -> Note | None:
    """What the silent rule says inside another card."""
    if rule.aside is None:
        return None
    answer = _when(rule.aside.when, case, parts)
    if not answer.is_yes:
        return None
    return Note(rule.id, case.ref, rule.aside.text.format_map(answer.values))


def _doubt_of_the_subject(case: Case) -> str | None:
    """Why it is not certain that the drugs the finding is about are taken."""
    if case.partner is not None and case.partner.doubt:
        return f"{case.partner.ingredient} ({case.partner.doubt})"
    if case.established is not None and case.established.doubt:
        return f"{case.established.name} ({case.established.doubt})"
    return None


def _grades(
    rule: Rule, case: Case, parts: list[Part]
) -> tuple[tuple[Grade, Indicator, Answer] | None, list[Answer], list[str]]:
    """The first grade that holds; a later certain one where that outranks a lowered first."""
    winner: tuple[Grade, Indicator, Answer] | None = None
    unknowns: list[Answer] = []
    silent: list[str] = []
    for grade in rule.grades:
        if case.change not in grade.changes or grade.datum != case.datum:
            continue
        answer = _when(grade.when, case, parts)
        if answer.is_unknown:
            unknowns.append(answer)
        elif answer.is_no:
            silent.append(answer.reason)
        else:
            indicator = grade.indicator.lowered() if answer.doubt else grade.indicator
            if winner is None or (answer.doubt is None and indicator.rank > winner[1].rank):
                winner = (grade, indicator, answer)
            if winner[2].doubt is None:
                break
    return winner, unknowns, silent


def _no_partner(rule: Rule, case: Case) -> Answer:
    if case.record.medications_obtained.value != "obtained":
        return unknown("the medication list could not be obtained in full")
    if case.record.has_unreadable(*DRUG_LISTS):
        return unknown("a medication record could not be read")
    return no(f"no drug of the set {rule.subject.partner} in the regimen")


def _unreadable(rule: Rule, case: Case, answer: Answer) -> Answer:
    """A *no* that rests on a list with an unreadable resource in it is *unknown*."""
    if not answer.is_no:
        return answer
    for kind in sorted(rule.reads):
        types = DRUG_LISTS if kind == "medications" else READS[kind]
        if case.record.has_unreadable(*types):
            return unknown(f"a record of the {kind} could not be read")
    return answer


def _with_subject(case: Case, answer: Answer) -> Answer:
    """The answer with the resources of its subject first."""
    refs = []
    if case.partner is not None:
        refs.append(case.partner.use.ref)
    if case.established is not None:
        refs.append(case.established.ref)
    return replace(answer, evidence=tuple(dict.fromkeys([*refs, *answer.evidence])))


def _when(when: When, case: Case, parts: list[Part]) -> Answer:
    triggers = [_node(node, case, parts) for node in when.all]
    if when.any:
        triggers.append(_any([_node(node, case, parts) for node in when.any]))
    # What modifies or excludes counts however long it has been there.
    whole = replace(case, only_new_facts=False)
    triggers += [_node(node, whole, parts).in_full() for node in when.given]
    excluded = [_node(node, whole, parts) for node in when.none]
    answer = _all([*triggers, *(_not(each) for each in excluded)])
    if answer.is_yes and not answer.reason:
        # Where nothing but absence was seen, the absence is the reason.
        reasons = dict.fromkeys(each.reason for each in excluded if each.reason)
        answer = replace(answer, reason="; ".join(reasons))
    return answer


def _node(node: Call | Group, case: Case, parts: list[Part]) -> Answer:
    if isinstance(node, Call):
        return _call(node, case, parts)
    answers = [_call(call, case, parts) for call in node.members]
    if node.kind == "all":
        return _all(answers)
    if node.kind == "any":
        return _any(answers)
    return _all([_not(answer) for answer in answers])


def _call(call: Call, case: Case, parts: list[Part]) -> Answer:
    answer = call.criterion.function(case, **call.arguments)
    parts.append(Part(call.criterion.name, answer))
    return answer


def _all(answers: Sequence[Answer]) -> Answer:
    """Yes if all are; no if any is; the doubt of any is the doubt of all."""
    for verdict in (Verdict.NO, Verdict.UNKNOWN):
        for answer in answers:
            if answer.verdict is verdict:
                return answer
    return _joined(answers)


def _any(answers: Sequence[Answer]) -> Answer:
    """Yes if any is, a certain one before a doubtful one; every certain reason is told."""
    certain = [answer for answer in answers if answer.is_yes and answer.doubt is None]
    holding = certain or [answer for answer in answers if answer.is_yes]
    if holding:
        return _joined(holding)
    return next(
        (answer for answer in answers if answer.is_unknown),
        no("; ".join(dict.fromkeys(answer.reason for answer in answers))),
    )


def _not(answer: Answer) -> Answer:
    if answer.is_yes:
        return no(answer.reason, *answer.evidence)
    return answer if answer.is_unknown else yes("")


def _joined(answers: Sequence[Answer]) -> Answer:
    reasons = dict.fromkeys(answer.reason for answer in answers if answer.reason)
    doubts = dict.fromkeys(answer.doubt for answer in answers if answer.doubt)
    values: dict[str, str] = {}
    for answer in answers:
        for name, text in answer.values.items():
            values.setdefault(name, text)
    evidence = [ref for answer in answers for ref in answer.evidence if ref]
    return yes("; ".join(reasons), *evidence, doubt="; ".join(doubts) or None, values=values)
