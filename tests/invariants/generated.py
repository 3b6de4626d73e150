"""Charts and drafts nobody wrote: cases built of the concept lists by chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.vignettes.cases import Case
from tests.vignettes.concepts import load_concepts
from tests.vignettes.fhir_json import Json
from tests.vignettes.schema import problems_of

OWN = ("baclofen", "tizanidine")
DRUGS = sorted(load_concepts().sections["drugs"])
PARTNERS = [name for name in DRUGS if not name.startswith(OWN)]
CONDITIONS = sorted(load_concepts().sections["conditions"])
SERVICES = sorted(load_concepts().sections["services"])
RECORDS = (
    *("MedicationRequest", "MedicationStatement"),
    *("MedicationDispense", "MedicationAdministration"),
)
VERIFICATIONS = ("confirmed", "missing", "unconfirmed", "provisional", "differential")

_past = st.sampled_from([-1500, -400, -120, -89, -40, -20, -6, -2, -1])


def case_of(data: Json) -> Case:
    """The case, after a look at its fields: a misspelt one would test nothing."""
    made = {"id": "GEN", "title": "Made by chance.", "expect": {}, **data}
    problems = problems_of(made)
    assert not problems, problems
    return Case(made, "generated")


# --- patients -------------------------------------------------------------------------------------


@st.composite
def patients(draw: st.DrawFn, youngest: int = 1, *, is_exact: bool = False) -> Json:
    """Age, sex and size; unless exact ones are wanted some of it is vague or not recorded."""
    made: Json = {
        "age": draw(st.integers(min_value=youngest, max_value=96)),
        "sex": draw(st.sampled_from(["female", "male"])),
        "height_cm": draw(st.integers(min_value=100, max_value=200)),
    }
    grown = made["age"] >= 18
    lightest, heaviest = (40, 150) if grown else (12, 70)
    made["weight_kg"] = draw(st.integers(min_value=lightest, max_value=heaviest))
    if is_exact:
        return made
    return {
        **made,
        "sex": draw(st.sampled_from(["female", "male", "female", "male", "unknown", None])),
        "birth_date_precision": draw(st.sampled_from(["day", "day", "day", "month", "year"])),
        "birthday_in_days": draw(st.sampled_from([-300, -120, -1, 0, 3, 50])),
    }


@st.composite
def results(draw: st.DrawFn) -> list[Json]:
    """Results in place of the baseline: some, of any age, some of them far from normal."""
    ranges: dict[str, tuple[Any, ...]] = {
        "creatinine": (0.4, 0.8, 1.1, 1.5, 2.0, 2.9, 4.4, 9.0, 88),
        "alt": (18, 80, 119, 121, 400),
        "pulse": (44, 49, 50, 72),
        "inr": (0.9, 1.4, 1.5, 3.0),
        "platelets": (30, 49, 50, 99, 100, 250),
        "blood-pressure": ([84, 50], [89, 60], [90, 60], [99, 60], [100, 60], [150, 90]),
        "weight": (20, 38, 52.5, 71, 120),
    }
    made = []
    for test in draw(st.lists(st.sampled_from(sorted(ranges)), unique=True, max_size=3)):
        one: Json = {"test": test, "value": draw(st.sampled_from(ranges[test]))}
        one["day"] = draw(st.sampled_from([-1, -1, -10, -40, -100, -200, -400]))
        one["status"] = draw(st.sampled_from(["final", "final", "final", "amended", "preliminary"]))
        made.append(one)
    return made


@st.composite
def conditions(draw: st.DrawFn) -> Json:
    """A disease in any state."""
    made: Json = {
        "is": draw(st.sampled_from(CONDITIONS)),
        "status": draw(
            st.sampled_from(["active", "active", "recurrence", "inactive", "remission", "resolved"])
        ),
        "verification": draw(st.sampled_from(VERIFICATIONS)),
        "onset": draw(st.none() | _past),
    }
    if made["status"] in ("inactive", "resolved"):
        made["abated"] = draw(st.none() | st.just(-1))
    return made


# --- medicines ------------------------------------------------------------------------------------


@st.composite
def doses(draw: st.DrawFn, drug: str) -> Json:
    """An oral dose from far below the label to far above it, often enough as needed."""
    amounts = (2, 4, 6, 8, 12, 16, 20) if drug == "tizanidine" else (2.5, 5, 10, 15, 20, 25, 40)
    made: Json = {
        "amount": draw(st.sampled_from(amounts)),
        "unit": "mg",
        "frequency": draw(st.integers(min_value=1, max_value=4)),
    }
    if draw(st.integers(min_value=0, max_value=4)) == 0:
        made["prn"] = True
    return made


@st.composite
def partners(draw: st.DrawFn) -> Json:
    """Another drug of the chart, taken now, held, or in the past."""
    made: Json = {
        "drug": draw(st.sampled_from(PARTNERS)),
        "resource": draw(st.sampled_from(RECORDS)),
        "since": draw(_past),
    }
    if made["resource"] == "MedicationDispense":
        made["days_supply"] = draw(st.sampled_from([7, 30, 90]))
    if made["resource"] in ("MedicationRequest", "MedicationStatement"):
        made["status"] = draw(st.sampled_from(["active", "active", "active", "on-hold"]))
        if draw(st.booleans()) and made["since"] < -6:
            made |= {"status": "completed", "until": draw(st.sampled_from([-5, -3, -1]))}
    return made


@st.composite
def orders(draw: st.DrawFn, taken: list[str]) -> Json:
    """A draft: a new drug, a change or the stop of what is taken, or a service."""
    kinds = ["new", "new", "service", "partner"]
    kinds += ["change", "change", "same", "stop"] if taken else []
    kind = draw(st.sampled_from(kinds))
    if kind == "service":
        return {"service": draw(st.sampled_from(SERVICES))}
    if kind == "partner":
        return {"drug": draw(st.sampled_from(PARTNERS))}
    if kind == "new":
        return new_order(draw)
    name = draw(st.sampled_from(taken))
    if kind == "stop":
        return {"stop": name, "status": draw(st.sampled_from(["stopped", "on-hold"]))}
    link = "same_id" if kind == "same" else "replaces"
    return {"drug": name, link: name, "dose": draw(doses(name))}


def new_order(draw: st.DrawFn) -> Json:
    """A draft of one of our own drugs that names no older order."""
    drug = draw(st.sampled_from(OWN))
    return {"drug": drug, "dose": draw(doses(drug))}


# --- whole cases ----------------------------------------------------------------------------------


@st.composite
def charts(draw: st.DrawFn, *, is_exact: bool = False, youngest: int = 1) -> Json:
    """All that is known of a patient, without orders; an exact one has nothing vague."""
    made: Json = {
        "patient": draw(patients(youngest, is_exact=is_exact)),
        "conditions": draw(st.lists(conditions(), max_size=3)),
        "medications": draw(st.lists(partners(), max_size=3)),
    }
    if not is_exact:
        made["results"] = draw(results())
        facts = ["multiple-sclerosis", "weight", "height", "creatinine", "alt", "blood-pressure"]
        omitted = draw(st.lists(st.sampled_from(facts), unique=True, max_size=2))
        made["baseline"] = {"omit": omitted}
    stories = ["dialysis", "pump", "oral-baclofen-trial", "screening-positive"]
    made["history"] = draw(st.lists(st.sampled_from(stories), unique=True, max_size=1))
    return made


@st.composite
def treated(draw: st.DrawFn, /, **wishes: Any) -> tuple[Json, list[str]]:
    """A chart with own drugs taken already, and their names."""
    chart = draw(charts(**wishes))
    taken = draw(st.lists(st.sampled_from(OWN), unique=True, max_size=2))
    own = [
        {"id": drug, "drug": drug, "since": draw(_past), "dose": draw(doses(drug))}
        for drug in taken
    ]
    return {**chart, "medications": [*own, *chart["medications"]]}, taken


@st.composite
def high_starts(draw: st.DrawFn) -> Case:
    """A new order that is too high in more ways than one, so that findings hide each other."""
    chart = draw(charts(is_exact=True, youngest=18))
    creatinine = draw(st.sampled_from([1.5, 1.2, 1.5, 0.8, 2.0, 3.5]))
    if draw(st.integers(min_value=0, max_value=3)):
        order: Json = {"drug": "baclofen", "dose": {"unit": "mg"}}
        order["dose"]["amount"] = draw(st.sampled_from([40, 25, 22, 20, 12, 8, 5]))
        order["dose"]["frequency"] = draw(st.integers(min_value=2, max_value=4))
    else:
        amount = draw(st.sampled_from([0.05, 0.3, 1, 3, 50]))
        dose = {"amount": amount, "unit": "mg", "count": 1, "text": "screening bolus"}
        order = {"drug": "baclofen", "route": "intrathecal", "dose": dose}
    result = {"test": "creatinine", "value": creatinine, "day": -3}
    return case_of({**chart, "results": [result], "orders": [order]})


@st.composite
def cases(draw: st.DrawFn, /, **wishes: Any) -> Case:
    """A whole call while choosing an order: a chart and one to three drafts."""
    chart, taken = draw(treated(**wishes))
    drafts: list[Json] = []
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        draft = draw(orders(taken))
        named = [each.get("same_id", each.get("stop")) for each in drafts]
        # Two drafts with the id of one order would be one draft.
        if draft.get("same_id", draft.get("stop", "")) not in named:
            drafts.append(draft)
    return case_of({**chart, "orders": drafts})
