"""What a criterion looks at: one subject of a rule in one chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cds_service.chart.chart import Chart, Partner
from cds_service.chart.medications import DrugUse
from cds_service.chart.orders import Change, DrugOrder
from cds_service.chart.record import DiagnosisFact, PatientRecord
from cds_service.chart.regimen_change import RegimenChange
from cds_service.chart.services import ServiceOrder
from cds_service.fhir.dates import When

RECENT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Case:
    """One subject: an order, a pair, a change of a regimen, a datum of an order, the patient."""

    chart: Chart
    order: DrugOrder | None = None
    service: ServiceOrder | None = None
    established: DrugUse | None = None
    """The rule's own drug where it is taken already and only its partner is drafted."""
    partner: Partner | None = None
    regimen_change: RegimenChange | None = None
    datum: str | None = None
    is_answered: bool = True
    """Whether the rule speaks to this change of therapy at all."""
    only_new_facts: bool = False
    """A stable renewal: a partner or diagnosis counts only if it is newer than the therapy."""

    @property
    def record(self) -> PatientRecord:
        """The patient's record."""
        return self.chart.record

    @property
    def ref(self) -> str:
        """How the subject's order is named on the wire; empty for the patient."""
        for each in (self.order, self.service, self.regimen_change):
            if each is not None:
                return each.ref
        return ""

    @property
    def change(self) -> Change:
        """The change of therapy; a service order is always new."""
        if self.regimen_change is not None:
            return self.regimen_change.change
        return self.order.change if self.order is not None else Change.NEW

    @property
    def own_use(self) -> DrugUse | None:
        """The rule's own drug: the draft, or what is taken."""
        return self.established or (self.order.use if self.order is not None else None)

    @property
    def own_drug_starts(self) -> bool:
        """Whether the rule's own drug is new to the patient now."""
        return (
            self.established is None
            and self.order is not None
            and self.order.change.starts_the_drug
        )

    def counts(self, since: When | None) -> bool:
        """Whether a fact that began then speaks to this change of therapy."""
        if not self.only_new_facts:
            return True
        if since is None:
            return False
        if since.low >= self.record.clock.now - RECENT:
            return True
        prior = self.order.prior if self.order is not None else None
        return prior is not None and prior.start is not None and since.low > prior.start.high

    def facts(self, value_set: str, *, history: bool = False) -> list[DiagnosisFact]:
        """Diagnoses of a value set that count, the certain ones first."""
        found = [
            fact
            for fact in self.record.facts(value_set, history=history)
            if self.counts(fact.diagnosis.onset)
        ]
        return sorted(found, key=lambda fact: fact.diagnosis.doubt is not None)
