"""Whether a resource is valid FHIR R4."""

from __future__ import annotations

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from tests.vignettes.fhir_json import Json


def problem_of_resource(resource: Json) -> str | None:
    """The first fault a strict reader finds, or ``None``."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except (ValidationError, KeyError, LookupError) as error:
        return str(error).replace("\n", " ")[:400]
    return None
