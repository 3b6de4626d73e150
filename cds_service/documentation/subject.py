"""What a rule looks at, in plain words: which orders, by which routes, for which changes."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.chart.intrathecal import ORDER_KINDS
from cds_service.chart.orders import Change
from cds_service.documentation.conditions import value_set_link
from cds_service.documentation.markdown import bullets, plain, table
from cds_service.documentation.words import CHANGES, MODES, number, service_kind
from cds_service.rules.schema import Rule, Rulebook

_PATIENT_VIEW = "patient-view"
_MEDICATION_PRESCRIBE = "medication-prescribe"


def short_subject(rule: Rule, rulebook: Rulebook) -> str:
    """Drugs or kinds of order in a few words, for the index."""
    sets = rulebook.vocabulary.terminology.value_sets
    subject = rule.subject
    own = [sets[subject.drug].title] if subject.drug is not None else []
    own += [service_kind(rulebook, name) for name in sorted(subject.services)]
    text = ", ".join(own) or "the patient"
    if subject.partner is not None:
        text += f", with {sets[subject.partner].title}"
    return plain(text)


def subject_lines(rule: Rule, rulebook: Rulebook) -> list[str]:
    """What the rule is about, one fact a line."""
    return bullets(_facts(rule, rulebook))


def _facts(rule: Rule, rulebook: Rulebook) -> Iterator[str]:
    subject = rule.subject
    if subject.about == "patient":
        yield "The patient, without regard to an order."
    elif subject.about == "change":
        yield (
            f"Each stop and each fall in dose of {_drug(rule, rulebook)}. What stops it and what "
            "takes its place in the same set of orders is judged as one change."
        )
    elif subject.drug is not None:
        datum = " Each missing datum is a finding of its own." if subject.about == "datum" else ""
        yield f"Each draft order for {_drug(rule, rulebook)}.{datum}"
        if subject.about == "datum":
            yield "Of a draft without a known code, whose words name one of our drugs, the code."
    if subject.routes:
        yield f"By these routes only: {', '.join(sorted(subject.routes))}."
    for name in sorted(subject.services):
        yield f"Each draft order for: {_service(rulebook, name)}."
    if subject.partner is not None:
        yield from _partner_facts(rule, rulebook)
    if rule.in_patient_view and subject.about != "patient":
        yield (
            "Also each active prescription when the chart is opened; then only warnings and "
            "critical findings are shown."
        )


def _drug(rule: Rule, rulebook: Rulebook) -> str:
    return f"a drug of the set {value_set_link(rulebook, rule.subject.drug or '')}"


def _partner_facts(rule: Rule, rulebook: Rulebook) -> Iterator[str]:
    subject = rule.subject
    partner = value_set_link(rulebook, subject.partner or "")
    if subject.about != "pair":
        yield f"Also where only a drug of the set {partner} is drafted, and this one is taken."
        return
    yield (
        f"Together with each drug of the set {partner} that is taken, on hold or drafted: one "
        "finding for each such drug."
    )
    if subject.drug is not None:
        yield "It also speaks where only the other drug is drafted, and this one is taken."
    if subject.partner_by_any_route:
        yield "The other drug counts by any route; the set says which forms are meant."
    else:
        yield "The other drug counts only where its route reaches the whole body."
    certain = "in full" if subject.washout_is_certain else "one level lower"
    for name in sorted(subject.washout_days):
        days = number(subject.washout_days[name], "d")
        whose = "After its stop the other drug" if name == "default" else f"After a stop {name}"
        yield f"{whose} still counts for {days}, {certain}."


def _service(rulebook: Rulebook, name: str) -> str:
    title = plain(service_kind(rulebook, name))
    kind = rulebook.vocabulary.service_kinds.get(name)
    if kind is None:
        return title
    sets = [f"a code of {value_set_link(rulebook, each)}" for each in kind.value_sets]
    words = [f"the words {', '.join(f'“{word}”' for word in kind.words)}"] if kind.words else []
    unless = ", ".join(f"“{word}”" for word in kind.unless_words)
    but = f" (unless it also says {unless})" if unless else ""
    return f"{title}. Known by {', or by '.join([*sets, *words])}{but}"


def change_block(rule: Rule) -> list[str]:
    """Which changes of therapy the rule answers."""
    if rule.subject.about == "patient":
        return ["No order is needed."]
    if rule.subject.drug is None:
        return ["Every such order is judged as a new one."]
    changes = dict(rule.changes)
    if rule.subject.about == "change":
        # Only an order that is no drug counts as new here: one that ends the therapy.
        changes.pop(Change.NEW, None)
    asked = [each for each in Change if each is not Change.REVIEW or rule.in_patient_view]
    return table(
        ["change of therapy", "the rule speaks"],
        [[CHANGES[change], MODES[changes.get(change)]] for change in asked],
    )


def services_line(rule: Rule, rulebook: Rulebook) -> str:
    """The hooks at which the rule is asked."""
    services = rulebook.services.values()
    hooks = [service.hook for service in services if _is_asked_at(rule, service.hook)]
    return f"Asked at: {', '.join(dict.fromkeys(hooks))}."


def _is_asked_at(rule: Rule, hook: str) -> bool:
    if hook == _PATIENT_VIEW:
        return rule.in_patient_view
    if hook == _MEDICATION_PRESCRIBE and rule.subject.services:
        # Only drugs are drafted there.
        return rule.subject.drug is not None or bool(rule.subject.services & ORDER_KINDS)
    return True
