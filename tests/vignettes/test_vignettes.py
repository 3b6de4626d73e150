"""Every clinical case, asked over HTTP: exactly the findings it names, in a sound answer."""

from __future__ import annotations

import pytest

from tests.vignettes.cases import Case, listed_as_waiting, load_cases, reason_not_to_run
from tests.vignettes.conversation import Conversation
from tests.vignettes.moment import Moment
from tests.vignettes.service_client import service_client, takes_feedback

CASES = list(load_cases().values())


@pytest.mark.parametrize("case", CASES, ids=[f"{case.id} {case.title}" for case in CASES])
def test_case(case: Case) -> None:
    """The answer carries what the title of the case says."""
    reason = reason_not_to_run(case, feedback=takes_feedback())
    if reason is not None:
        pytest.skip(reason)
    suffix = f"-{Moment.current().now:%Y%m%d%H%M%S}" if "steps" in case.data else ""
    problems = Conversation(case, service_client(), suffix).play()
    if problems:
        report = "\n".join(problems)
        pytest.fail(f"{case.id} ({case.source}): {case.title}\n{report}", pytrace=False)


def test_only_listed_cases_wait() -> None:
    """A case that does not run is listed with its reason, and the list has no other case."""
    waiting = {
        case.id: reason
        for case in CASES
        if (reason := reason_not_to_run(case, feedback=takes_feedback())) is not None
    }
    listed = listed_as_waiting()
    assert listed == waiting, (
        "not_yet.yaml is out of date; `python -m tests.vignettes.not_yet` prints it afresh"
    )
