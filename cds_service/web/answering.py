"""A call between its envelope and its answer: completed, decided, remembered.

The store is not needed for cards: where it fails the overrides are unknown, so everything is
shown, and the answer is not held up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service import consultation
from cds_service.cards.history import History
from cds_service.cards.keys import Keys
from cds_service.cds import HookRequest
from cds_service.consultation import Consultation, Filters
from cds_service.ehr.reading_back import EhrReader
from cds_service.errors import StoreUnavailable
from cds_service.rules.rulebook import Rulebook
from cds_service.store.database import Store
from cds_service.store.entries import AnsweredCall, tenant_of

log = logging.getLogger(__name__)

_HISTORY_UNKNOWN = "overrides-unknown"
_NOT_REMEMBERED = "cards-not-remembered"


Note = Callable[[str], None]
"""Told a fixed word for the log about something that was missing on the way."""


@dataclass(frozen=True)
class Desk:
    """Answers calls with what the site has chosen."""

    rulebook: Rulebook
    reader: EhrReader
    store: Store
    filters: Filters
    secret: bytes
    now: Callable[[], datetime]
    """Aware instants in the zone of the site."""
    silence_days: int | None
    """How long an override holds; ``None``: it silences nothing."""
    monotonic: Callable[[], float] = time.monotonic

    def explain(self, request: HookRequest, note: Note) -> Consultation:
        """What a call would be answered; nobody has seen the cards, so they are not remembered."""
        return self._decide(request, self.now(), note)

    def answer(self, request: HookRequest, note: Note) -> Consultation:
        """The answer to a call; its cards can be overridden from now on."""
        started, moment = self.monotonic(), self.now()
        given = self._decide(request, moment, note)
        call = AnsweredCall(
            at=moment,
            service=request.service,
            hook=request.hook,
            tenant=tenant_of(request.issuer, request.tenant),
            patient_key=self._keys(request).patient,
            rulebook=self.rulebook.version,
            duration_ms=round((self.monotonic() - started) * 1000, 1),
            unknowns=given.unknowns,
            cards=given.cards,
        )
        try:
            self.store.remember(call)
        except StoreUnavailable as error:
            log.warning("cards not remembered", extra={"fault": error.fault})
            note(_NOT_REMEMBERED)
        return given

    def _decide(self, request: HookRequest, moment: datetime, note: Note) -> Consultation:
        service = self.rulebook.services[request.service]
        completed = self.reader.complete(request, service, moment.date())
        for each in completed.notes:
            note(each)
        try:
            history = self._history(request, moment)
        except StoreUnavailable as error:
            log.warning("overrides unknown", extra={"fault": error.fault})
            note(_HISTORY_UNKNOWN)
            history = History()
        return consultation.consult(
            completed.request,
            self.rulebook,
            now=moment,
            filters=self.filters,
            history=history,
            secret=self.secret,
        )

    def _history(self, request: HookRequest, moment: datetime) -> History:
        if self.silence_days is None:
            return History()
        since = moment - timedelta(days=self.silence_days)
        tenant = tenant_of(request.issuer, request.tenant)
        overrides = self.store.overrides(tenant, self._keys(request).patient, since)
        return History(overrides, self.silence_days)

    def _keys(self, request: HookRequest) -> Keys:
        return Keys.for_request(self.secret, request)
