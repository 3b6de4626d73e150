"""Which kinds of suggestion a rule file may offer, and the arguments each takes.

The kinds are data here and builders in ``cards``; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping

OFFER_KINDS: Mapping[str, Mapping[str, type]] = {
    "dose": {"amount_mg": object, "times_a_day": int},
    "label-start": {
        "amount_mg": object,
        "times_a_day": int,
        "older_from_years": int,
        "older_times_a_day": int,
        "reduced_egfr_below": object,
        "reduced_egfr_times_a_day": int,
    },
    "previous-dose": {},
    "remove": {},
    "reenter": {},
    "order": {"text": str, "system": str, "code": str, "display": str, "note": str},
    "remove-and-order": {
        "text": str,
        "system": str,
        "code": str,
        "display": str,
        "note": str,
    },
    "taper": {
        "step_mg": object,
        "step_below_20_mg": object,
        "interval_days": object,
        "lowest_mg": object,
    },
    "note": {"text": str},
}
"""Kind -> argument -> its type; ``object`` is a number or a named parameter."""

OFFER_VALUES: Mapping[str, Mapping[str, int]] = {
    "dose": {"dose": 40},
    "label-start": {"dose": 40},
    "previous-dose": {"dose": 120},
    "taper": {"from": 10, "days": 5},
}
"""Kind -> the values its builder can put into its label, with the longest text of each."""

OPTIONAL_ARGUMENTS = frozenset({"system", "code", "display", "note"})
