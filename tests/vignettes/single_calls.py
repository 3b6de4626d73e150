"""The single hook calls of the cases: what a test asks that plays no conversation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.vignettes.cases import Case, load_cases, reason_not_to_run


@dataclass(frozen=True, slots=True)
class SingleCall:
    """One call of a case; a case with steps has one for each call among them."""

    id: str
    """The id of the case; from its second call on with the number of the step, ``Q01/3``."""
    case: Case


@cache
def single_calls() -> tuple[SingleCall, ...]:
    """Every call of every case that runs, in the order of the files."""
    return tuple(
        call
        for case in load_cases().values()
        if reason_not_to_run(case, feedback=True) is None
        for call in _calls_of(case)
    )


def _calls_of(case: Case) -> list[SingleCall]:
    found: list[SingleCall] = []
    for number, step in enumerate(case.steps, start=1):
        if "accept" in step or "feedback" in step:
            continue
        call = step.get("call") or {}
        changed = case.changed(call.get("with") or {})
        if "hook" in call:
            changed = changed.changed({"hook": call["hook"]})
        found.append(SingleCall(f"{case.id}/{number}" if found else case.id, changed))
    return found
