"""What is known of a patient besides medicines, as FHIR R4 resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.vignettes.concepts import Concepts, concept_of, drug_coding
from tests.vignettes.fhir_json import (
    SYSTEMS,
    TERMINOLOGY,
    Json,
    coded,
    coding,
    hl7_code,
    reference,
)
from tests.vignettes.moment import Moment

CONDITION_ONSET = -1500
_BIRTHDAY = -120
_BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
_OUTCOMES = {
    "successful": ("385669000", "Successful"),
    "unsuccessful": ("385671000", "Unsuccessful"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """Renders the facts of one patient."""

    concepts: Concepts
    moment: Moment
    subject: Json

    def patient(self, facts: Json, patient_id: str, name: str) -> Json:
        """The Patient; ``age`` or ``sex`` of ``None`` leaves birth date or gender out."""
        made: Json = {
            "resourceType": "Patient",
            "id": patient_id,
            "active": True,
            "name": [{"family": "Vignette", "given": [name]}],
        }
        if "birth_sex" in facts:
            made["extension"] = [{"url": _BIRTH_SEX, "valueCode": facts["birth_sex"]}]
        if facts.get("sex") is not None:
            made["gender"] = facts["sex"]
        if facts.get("age") is not None:
            made["birthDate"] = self.moment.birth_date(
                facts["age"],
                facts.get("birthday_in_days", _BIRTHDAY),
                facts.get("birth_date_precision", "day"),
            )
        return made

    def condition(self, facts: Json, resource_id: str) -> Json:
        """A Condition; one entered in error has no clinical status."""
        made: Json = {"resourceType": "Condition", "id": resource_id}
        verification = facts.get("verification", "confirmed")
        status = facts.get("status", "active")
        if status != "missing" and verification != "entered-in-error":
            made["clinicalStatus"] = hl7_code("condition-clinical", status)
        if verification != "missing":
            made["verificationStatus"] = hl7_code("condition-ver-status", verification)
        category = facts.get("category", "problem-list-item")
        made["category"] = [hl7_code("condition-category", category)]
        entry = facts.get("concept") or self.concepts.entry("conditions", facts["is"])
        made["code"] = concept_of(
            entry,
            facts.get("as"),
            text=facts.get("text"),
            text_only=bool(facts.get("text_only")),
        )
        self._body_site(made, facts)
        made["subject"] = self.subject
        onset = facts.get("onset", CONDITION_ONSET)
        if onset is not None:
            made["onsetDateTime"] = made["recordedDate"] = self.moment.day(onset)
        if facts.get("abated") is not None:
            made["abatementDateTime"] = self.moment.day(facts["abated"])
        return made

    def _body_site(self, made: Json, facts: Json) -> None:
        if "body_site" in facts:
            site = self.concepts.entry("body_sites", facts["body_site"])
            made["bodySite"] = [concept_of(site)]

    def allergy(self, facts: Json, resource_id: str) -> Json:
        """An AllergyIntolerance to a drug."""
        made: Json = {"resourceType": "AllergyIntolerance", "id": resource_id}
        verification = facts.get("verification", "confirmed")
        status = facts.get("status", "active")
        if status != "missing" and verification != "entered-in-error":
            made["clinicalStatus"] = hl7_code("allergyintolerance-clinical", status)
        made["verificationStatus"] = hl7_code("allergyintolerance-verification", verification)
        if "type" in facts:
            made["type"] = facts["type"]
        made["category"] = ["medication"]
        if "criticality" in facts:
            made["criticality"] = facts["criticality"]
        made["code"] = drug_coding(self.concepts, facts["drug"], facts.get("as")).concept
        made["patient"] = self.subject
        if "reaction" in facts or "severity" in facts:
            text = facts.get("reaction", "reaction")
            reaction: Json = {"manifestation": [coded([], text)]}
            if "severity" in facts:
                reaction["severity"] = facts["severity"]
            made["reaction"] = [reaction]
        return made

    def procedure(self, facts: Json, resource_id: str) -> Json:
        """A Procedure of the past."""
        entry = facts.get("concept") or self.concepts.find(
            facts["is"], "procedures", "services", "conditions"
        )
        made: Json = {
            "resourceType": "Procedure",
            "id": resource_id,
            "status": facts.get("status", "completed"),
            "code": concept_of(entry, facts.get("as"), text=facts.get("text")),
            "subject": self.subject,
        }
        if facts.get("day") is not None:
            made["performedDateTime"] = self.moment.instant(facts["day"], facts.get("hours_ago"))
        if "outcome" in facts:
            made["outcome"] = _outcome(facts["outcome"])
        return made

    def device(self, facts: Json, resource_id: str) -> Json:
        """A Device the patient has."""
        entry = self.concepts.find(facts["is"], "devices", "services")
        return {
            "resourceType": "Device",
            "id": resource_id,
            "status": facts.get("status", "active"),
            "type": concept_of(entry, facts.get("as"), text=facts.get("text")),
            "patient": self.subject,
        }

    def service_request(
        self, facts: Json, resource_id: str, *, status: str, since: float | None
    ) -> Json:
        """A ServiceRequest, of the chart or a draft."""
        entry = self.concepts.entry("services", facts["service"])
        made: Json = {
            "resourceType": "ServiceRequest",
            "id": resource_id,
            "status": facts.get("status", status),
            "intent": facts.get("intent", "order"),
            "code": concept_of(entry, facts.get("as"), text=facts.get("text")),
            "subject": self.subject,
        }
        self._body_site(made, facts)
        self._request_details(made, facts, since)
        return made

    def device_request(
        self, facts: Json, resource_id: str, *, status: str, since: float | None
    ) -> Json:
        """A DeviceRequest, of the chart or a draft."""
        entry = self.concepts.find(facts["device"], "services", "devices")
        made: Json = {
            "resourceType": "DeviceRequest",
            "id": resource_id,
            "status": facts.get("status", status),
            "intent": facts.get("intent", "order"),
            "codeCodeableConcept": concept_of(entry, facts.get("as"), text=facts.get("text")),
            "subject": self.subject,
        }
        self._request_details(made, facts, since)
        return made

    def _request_details(self, made: Json, facts: Json, since: float | None) -> None:
        if facts.get("do_not_perform"):
            made["doNotPerform"] = True
        since = facts.get("since", since)
        if since is not None:
            made["authoredOn"] = self.moment.instant(since, facts.get("hours_ago"))
        if facts.get("occurs") is not None:
            made["occurrenceDateTime"] = self.moment.day(facts["occurs"])
        if "reason_reference" in facts:
            made["reasonReference"] = [reference(facts["reason_reference"])]
        if "reason_code" in facts:
            reason = self.concepts.find(facts["reason_code"], "conditions")
            made["reasonCode"] = [concept_of(reason)]

    def family_history(self, facts: Json, resource_id: str) -> Json:
        """A disease of the father."""
        entry = self.concepts.entry("conditions", facts["is"])
        return {
            "resourceType": "FamilyMemberHistory",
            "id": resource_id,
            "status": "completed",
            "patient": self.subject,
            "relationship": hl7_code("v3-RoleCode", "FTH", "father"),
            "condition": [{"code": concept_of(entry, facts.get("as"))}],
        }

    def encounter(self, facts: Json, resource_id: str) -> Json:
        """An Encounter by ActCode class, since yesterday unless the case says so."""
        made: Json = {
            "resourceType": "Encounter",
            "id": resource_id,
            "status": facts.get("status", "in-progress"),
            "class": coding(f"{TERMINOLOGY}/v3-ActCode", facts.get("class", "IMP")),
            "subject": self.subject,
        }
        since = facts.get("since", -1)
        if since is not None:
            made["period"] = {"start": self.moment.instant(since)}
            if facts.get("until") is not None:
                made["period"]["end"] = self.moment.instant(facts["until"])
        return made


def _outcome(outcome: Any) -> Json:
    if outcome in _OUTCOMES:
        code, display = _OUTCOMES[outcome]
        return coded([coding(SYSTEMS["sct"], code, display)], display)
    return coded([], str(outcome))
