"""The chart as one call sees it: the patient's record and the drafts read against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from cds_service.chart.medications import DrugUse, Taking, is_an_order
from cds_service.chart.orders import Change, DrugOrder, read_orders
from cds_service.chart.record import PatientRecord
from cds_service.chart.services import ServiceOrder
from cds_service.fhir.dates import When
from cds_service.fhir.drug_records import DrugHead
from cds_service.fhir.reading import Obtained
from cds_service.fhir.records import Record, ServiceRequest
from cds_service.fhir.terminology import Match


@dataclass(frozen=True, slots=True)
class Partner:
    """A drug of a value set that is, will be, or lately was in the patient."""

    use: DrugUse
    match: Match
    doubt: str | None
    order: DrugOrder | None
    """Set where it is itself a draft of this call."""
    since: When | None

    @property
    def ingredient(self) -> str:
        """Its name: the ingredients that put it into the value set."""
        return partner_name(self.match.ingredients) or self.use.name


def partner_name(ingredients: Iterable[str]) -> str:
    """How a drug is called that a code puts into a value set, as wash-out times name it."""
    return " / ".join(sorted(name.removesuffix(" (class)") for name in ingredients))


class Chart:
    """A patient's record and the draft orders of one call."""

    def __init__(self, record: PatientRecord, drafts: Sequence[Record]) -> None:
        self.record = record
        self.drafts = drafts
        read = [
            record.pharmacy.read(draft, is_draft=True)
            for draft in drafts
            if isinstance(draft, DrugHead) and is_an_order(draft)
        ]
        self.draft_uses = tuple(use for use in read if use is not None)

    @cached_property
    def drug_orders(self) -> tuple[DrugOrder, ...]:
        """Drafted drugs, each with its change of therapy, in the order of the bundle."""
        return self._read_orders(self.draft_uses)

    def _read_orders(self, drafts: Sequence[DrugUse]) -> tuple[DrugOrder, ...]:
        record = self.record
        is_whole = record.medications_obtained is Obtained.YES
        return read_orders(drafts, record.drug_uses, record.clock, list_is_whole=is_whole)

    @cached_property
    def service_orders(self) -> tuple[ServiceOrder, ...]:
        """Drafted orders that are not drugs."""
        reader = self.record.services_reader
        read = [reader.order(each) for each in self.drafts if isinstance(each, ServiceRequest)]
        return tuple(each for each in read if each is not None)

    @cached_property
    def review_orders(self) -> tuple[DrugOrder, ...]:
        """Active prescriptions looked at without a draft, when the chart is opened."""
        uses = [use for use in self.record.drug_uses if use.taking is Taking.NOW]
        requests = [use for use in uses if use.kind == "request" and not use.is_paused]
        orders = self._read_orders(requests)
        return tuple(replace(order, change=Change.REVIEW) for order in orders)

    @cached_property
    def stopped_refs(self) -> frozenset[str]:
        """Records of the chart that a stop of this bundle ends."""
        return frozenset(
            order.prior.ref
            for order in self.drug_orders
            if order.change is Change.STOP and order.prior is not None
        )

    def partners(
        self,
        value_set: str,
        *,
        washout_days: int = 0,
        include_paused: bool = True,
        systemic_only: bool = True,
        washout_is_certain: bool = False,
    ) -> list[Partner]:
        """Drugs of a value set in the regimen to come, and those stopped within the wash-out.

        What was stopped lately counts with a doubt; with ``washout_is_certain`` it counts in
        full, and so does what ended on a day that is not known.
        """
        found = [
            partner
            for partner in self._partners(
                value_set, washout_days, washout_is_certain=washout_is_certain
            )
            if (include_paused or not partner.use.is_paused)
            and (not systemic_only or self.record.pharmacy.is_systemic(partner.use))
        ]
        return sorted(found, key=lambda partner: partner.doubt is not None)

    def _partners(
        self, value_set: str, washout_days: int, *, washout_is_certain: bool
    ) -> Iterator[Partner]:
        terminology = self.record.terminology
        running = [order for order in self.drug_orders if order.change is not Change.STOP]
        for order in running:
            match = order.use.drug.match(value_set, terminology)
            if match is not None:
                since = order.prior.start if order.prior is not None else order.use.start
                yield Partner(order.use, match, None, order, since)
        replaced = {order.prior.ref for order in running if order.prior is not None}
        for use, match in self.record.uses_of(value_set):
            if use.ref in self.stopped_refs:
                doubt = None if washout_is_certain else "stopped with this order"
                if washout_days:
                    yield Partner(use, match, doubt, None, use.start)
            elif use.ref not in replaced:
                yield Partner(use, match, use.doubt, None, use.start)
        if washout_days:
            earliest = self.record.clock.now - timedelta(days=washout_days)
            for use, match in self.record.uses_of(value_set, Taking.PAST):
                if use.end is None or use.ended_unknown:
                    began_in_window = use.start is not None and use.start.low >= earliest
                    if washout_is_certain or began_in_window:
                        doubt = None if washout_is_certain else "stopped, the day is not recorded"
                        yield Partner(use, match, doubt, None, use.start)
                elif use.end.high >= earliest:
                    doubt = None if washout_is_certain else f"stopped on {use.end.text}"
                    yield Partner(use, match, doubt, None, use.start)
