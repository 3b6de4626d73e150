"""Which kinds of suggestion a rule file may offer, and the arguments each takes.

The kinds are data here and builders in ``cards``; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cds_service.rules.arguments import Amount, Count
from cds_service.rules.schema import About

_REQUEST: Mapping[str, Any] = {
    "text": str, "system": str, "code": str, "display": str, "note": str,
}  # fmt: skip

OFFER_KINDS: Mapping[str, Mapping[str, Any]] = {
    "dose": {"amount_mg": Amount, "times_a_day": Count},
    "label-start": {
        "amount_mg": Amount,
        "times_a_day": Count,
        "older_from_years": int,
        "older_times_a_day": Count,
        "reduced_egfr_below": Decimal,
        "reduced_egfr_times_a_day": Count,
    },
    "previous-dose": {},
    "remove": {},
    "reenter": {},
    "order": _REQUEST,
    "remove-and-order": _REQUEST,
    "taper": {
        "step_mg": Amount,
        "step_below_20_mg": Amount,
        "interval_days": Count,
        "lowest_mg": Amount,
    },
    "note": {"text": str},
}
"""Kind -> argument -> its type."""

_OF_AN_ORDER: frozenset[About] = frozenset({"order", "pair", "service", "datum"})

OFFER_SUBJECTS: Mapping[str, frozenset[About]] = {
    "dose": _OF_AN_ORDER,
    "label-start": _OF_AN_ORDER,
    "previous-dose": _OF_AN_ORDER,
    "reenter": _OF_AN_ORDER,
    "taper": frozenset({"change"}),
}
"""Kind -> the only subjects of a rule for which it can be built; any other kind: all."""

OFFER_VALUES: Mapping[str, Mapping[str, int]] = {
    "dose": {"dose": 40},
    "label-start": {"dose": 40},
    "previous-dose": {"dose": 120},
    "taper": {"from": 10, "days": 5},
}
"""Kind -> the values its builder can put into its label, with the longest text of each."""

CODING = ("system", "code", "display")
"""Optional arguments that are given together or not at all."""

OPTIONAL_ARGUMENTS = frozenset({*CODING, "note"})
