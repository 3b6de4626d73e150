"""Resources with something wrong in them, anywhere: what real servers send now and then."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.vignettes.fhir_json import Json, walk
from tests.vignettes.hook_request import ORDERS_OF_HOOK

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**6, Decimal("1e-9"), Decimal("123456789.123456789")),
    *("", " ", "x", "2026-13-45", "0001-01-01", "9999-12-31T23:59:59Z", "Patient/", "#", "//"),
    *([], {}, [None], [[]], [{}], {"value": None}, {"value": -5, "unit": "mg"}, {"coding": [{}]}),
    *(
        {"reference": "#nowhere"},
        {"reference": "Medication/none"},
        {"start": "2027", "end": "2019"},
    ),
    *(["a", 1, {"b": []}], {"low": {"value": 9}, "high": {"value": 1}}, "MedicationRequest"),
    *("active", "draft", "stopped", "mg", "[drp]", "mL/h", 3.5, 0.0),
)


@st.composite
def faults(draw: st.DrawFn) -> list[tuple[int, str, Any]]:
    """Where (counted over all values of all resources), what is done there, and with what."""
    fault = st.tuples(
        st.integers(min_value=0, max_value=10**6),
        st.sampled_from(["replace", "replace", "remove", "twice"]),
        st.sampled_from(ODD),
    )
    return draw(st.lists(fault, min_size=1, max_size=4))


def with_faults(request: Json, wanted: list[tuple[int, str, Any]]) -> Json:
    """The request with these faults in its resources; the patient and the envelope stay whole."""
    made = deepcopy(request)
    for position, kind, value in wanted:
        places = [*_places(made)]
        if places:
            _break(*places[position % len(places)], kind, deepcopy(value))
    return made


def _places(request: Json) -> list[tuple[Any, Any]]:
    """Every member of every resource, as its container and its name or index."""
    bundles = [value for key, value in request["prefetch"].items() if key != "patient"]
    if request["hook"] in ORDERS_OF_HOOK:
        bundles.append(request["context"][ORDERS_OF_HOOK[request["hook"]]])
    found: list[tuple[Any, Any]] = []
    for bundle in bundles:
        for entry in (bundle or {}).get("entry", []):
            for _, value in walk(entry.get("resource")):
                if isinstance(value, dict):
                    found += [(value, name) for name in value]
                elif isinstance(value, list):
                    found += [(value, index) for index in range(len(value))]
    return found


def _break(container: Any, name: Any, kind: str, value: Any) -> None:
    if kind == "replace":
        container[name] = value
    elif kind == "remove":
        del container[name]
    elif isinstance(container, list):
        container.append(deepcopy(container[name]))
    else:
        container[name] = [container[name], deepcopy(container[name])]
