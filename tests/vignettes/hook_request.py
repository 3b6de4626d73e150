"""The whole hook call of a rendered case."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from tests.vignettes.encodings import shuffled
from tests.vignettes.fhir_json import SERVER, Json, reference_to
from tests.vignettes.prefetch import USER, answer_templates
from tests.vignettes.rendering import Rendered

ORDERS_OF_HOOK = {
    "order-select": "draftOrders",
    "order-sign": "draftOrders",
    "medication-prescribe": "medications",
}


def hook_request(rendered: Rendered, templates: Mapping[str, str], call: int = 1) -> Json:
    """The JSON body of the call; ``call`` numbers the calls so that each is a fresh one."""
    case, moment = rendered.case, rendered.moment
    context: Json = {"userId": USER, "patientId": rendered.patient_id}
    encounter = _open_encounter(rendered)
    if encounter is not None:
        context["encounterId"] = encounter
    if case.hook == "order-select":
        context["selections"] = [reference_to(draft) for draft in rendered.drafts]
    if case.hook in ORDERS_OF_HOOK:
        context[ORDERS_OF_HOOK[case.hook]] = _orders(rendered)
    reorder = None
    if case.get("encoding", {}).get("shuffle"):

        def reorder(entries: list[Json]) -> list[Json]:
            return shuffled(entries, case.id)

    instance = f"{rendered.patient_id}/{moment.now.isoformat()}/{case.hook}/{call}"
    return {
        "hook": case.hook,
        "hookInstance": str(uuid5(NAMESPACE_URL, instance)),
        "context": context,
        "prefetch": answer_templates(
            templates, context, moment, rendered.chart, case.get("prefetch", {}), reorder
        ),
    }


def _orders(rendered: Rendered) -> Json:
    resources = [*rendered.drafts, *rendered.draft_medications]
    style = rendered.case.get("encoding", {}).get("references", "relative")
    entries: list[Json] = []
    for resource in resources:
        entry: Json = {"resource": resource}
        if style != "relative":
            entry = {"fullUrl": f"{SERVER}/{reference_to(resource)}", **entry}
        entries.append(entry)
    bundle: Json = {"resourceType": "Bundle", "type": "collection"}
    if entries:
        bundle["entry"] = entries
    return bundle


def _open_encounter(rendered: Rendered) -> str | None:
    for resource in rendered.chart:
        if resource["resourceType"] == "Encounter" and resource["status"] == "in-progress":
            return str(resource["id"])
    return None
