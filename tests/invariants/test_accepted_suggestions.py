"""Whatever a card suggests can be accepted: nothing new comes of it, and what was told is better.

Each suggestion of each card of each case is followed as a client would, and the same service is
asked again about the same patient.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.invariants.acceptance import Told, problems_of_acceptance, told
from tests.invariants.accepting import AS_RENDERED, SHAPES, Shape
from tests.vignettes.moment import Moment
from tests.vignettes.service_client import service_client
from tests.vignettes.single_calls import SingleCall, single_calls

CALLS = {call.id: call for call in single_calls()}


@cache
def _told(call_id: str, shape: Shape) -> Told:
    return told(service_client(), call_id, CALLS[call_id].case, shape, Moment.current())


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_every_suggestion_can_be_accepted(call: SingleCall) -> None:
    """No new finding and no graver one; what was answered is gone or lower; the form is kept."""
    plain = _told(call.id, AS_RENDERED)
    problems = [*problems_of_acceptance(plain)]
    if plain.changes_an_order:
        for shape in SHAPES:
            if shape.applies(call.case):
                problems += problems_of_acceptance(_told(call.id, shape))
    assert not problems, "\n\n".join([f"{call.case.source}: {call.case.title}", *problems])


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_each_shape_carries_suggestions(shape: Shape) -> None:
    """A shape in which nothing is ever suggested would prove nothing."""
    assert any(
        _told(call.id, shape).changes_an_order
        for call in CALLS.values()
        if shape.applies(call.case)
    )
