"""Whatever a chart holds, the service answers, soundly, and its suggestions can be followed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.invariants.acceptance import problems_of_acceptance, told
from tests.invariants.accepting import AS_RENDERED, SHAPES, Shape
from tests.invariants.broken import faults, with_faults
from tests.invariants.generated import cases
from tests.invariants.sites import MOMENT, request_of, site
from tests.invariants.wire import ask, ask_why, exactly
from tests.vignettes.cases import SERVICE_OF_HOOK, Case
from tests.vignettes.response_checks import problems_of_answer

many = settings(max_examples=60, deadline=None)


@many
@given(cases(), st.sampled_from(sorted(SERVICE_OF_HOOK)), faults())
def test_no_chart_makes_a_rule_fail(
    case: Case, hook: str, wanted: list[tuple[int, str, Any]]
) -> None:
    """Whatever is wrong in resources: an answer, a sound one, and no rule that breaks."""
    case = case.changed({"hook": hook})
    request = with_faults(exactly(request_of(case)), wanted)
    answer = ask(site().http, case.service, request)
    # What a broken draft brings along, nulls or an odd id, is offered back as it came.
    problems = [
        each
        for each in problems_of_answer(answer, request)
        if ".resource." not in each and "which is no Type/id" not in each
    ]
    assert not problems, problems
    ask_why(site().http, case.service, request)


@many
@given(cases(), st.sampled_from([AS_RENDERED, *SHAPES]))
def test_suggestions_about_any_chart_can_be_accepted(case: Case, shape: Shape) -> None:
    """As for the written cases: nothing new, nothing graver, what was answered gone or lower."""
    if not shape.applies(case):
        shape = AS_RENDERED
    problems = [*problems_of_acceptance(told(site(), "GEN", case, shape, MOMENT))]
    assert not problems, "\n\n".join([*problems, str(case.data)])
