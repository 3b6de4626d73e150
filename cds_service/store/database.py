"""The store: feedback, what was shown, and which client tokens were used."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Table,
    and_,
    delete,
    false,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.cards.history import Override, ShownCard
from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store import schema
from cds_service.store.connections import Connections, create_file
from cds_service.store.entries import AnsweredCall, FeedbackEntry, StoredFeedback
from cds_service.store.figures import Insights, Scope
from cds_service.store.insights import read_insights
from cds_service.store.rows import call_row, card_of, card_row, entry_of, feedback_row
from cds_service.store.tables import (
    accepted_suggestions,
    calls,
    feedback,
    shown_cards,
    shown_suggestions,
    used_tokens,
)

_CALL_WAIT_MS = 250
"""A call is answered late rather than never remembered, but not by much."""
_PROBE_WAIT_MS = 500
_MOST_PURGED = 100
_PAGE = 500


class Store:
    """What survives a restart, in SQLite or PostgreSQL, shared by all workers.

    Each method is one transaction, on the disk before it returns. Every method raises
    ``StoreUnavailable`` where the database fails; then nothing of it was stored.
    """

    def __init__(self, database_url: str) -> None:
        """Connect to nothing yet; raises ``SettingsError`` for a URL that cannot be used."""
        self._connections = Connections(database_url)
        self._upgrading = threading.Lock()
        self._is_prepared = not self.upgrades_itself

    def close(self) -> None:
        """Close the connections of this process; the next use opens them again."""
        self._connections.close()

    # --- the schema ---

    @property
    def upgrades_itself(self) -> bool:
        """A SQLite file is made and upgraded when it is first used; PostgreSQL by its operator."""
        return self._connections.file is not None

    def upgrade(self) -> None:
        """Make or upgrade the tables; safe for several processes at once."""
        with self._upgrading:
            if (file := self._connections.file) is not None:
                create_file(file)
            with self._connections.transaction() as connection:
                schema.upgrade(connection)
            self._is_prepared = True

    def is_current(self) -> bool:
        """Whether the tables are those of this version."""
        with self._connections.transaction(writes=False) as connection:
            return schema.is_current(connection)

    def require_current(self) -> None:
        """Raise ``SettingsError`` where the tables are not those of this version."""
        if not self.is_current():
            raise SettingsError(
                "feedback.database_url: the tables of the database are not those of this version: "
                "run `cds-service db upgrade`"
            )

    def is_reachable(self) -> bool:
        """Whether feedback would be stored now; changes nothing."""
        try:
            self._prepare()
            with self._connections.transaction(wait_ms=_PROBE_WAIT_MS) as connection:
                connection.execute(delete(used_tokens).where(false()))  # refused where read-only
                return schema.is_current(connection)
        except StoreUnavailable:
            return False

    def _prepare(self) -> None:
        """Make up for an upgrade that was not possible at the start."""
        if not self._is_prepared:
            try:
                self.upgrade()
            except SettingsError:
                raise StoreUnavailable("tables of a newer version") from None

    # --- client tokens ---

    def consume_token(self, issuer: str, jti: str, expires_at: datetime, now: datetime) -> bool:
        """Whether a token is used for the first time: true exactly once over all workers.

        It is remembered until ``expires_at``, which must include the leeway that is granted.
        """
        self._prepare()
        with self._connections.transaction() as connection:
            _purge_tokens(connection, now)
            digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()
            inserted = connection.execute(
                _insert_new(connection, used_tokens).execution_options(preserve_rowcount=True),
                {"issuer": issuer, "jti": digest, "expires_at": expires_at},
            )
            return inserted.rowcount == 1

    # --- what was shown ---

    def remember(self, call: AnsweredCall) -> None:
        """Store an answered call and its cards. Waits only shortly for a lock."""
        self._prepare()
        id = str(uuid.uuid4())
        suggestions = [
            {"uuid": each, "card": card.uuid} for card in call.cards for each in card.suggestions
        ]
        with self._connections.transaction(wait_ms=_CALL_WAIT_MS) as connection:
            connection.execute(calls.insert(), call_row(call, id))
            if call.cards:
                connection.execute(
                    shown_cards.insert(), [card_row(each, id) for each in call.cards]
                )
            if suggestions:
                connection.execute(shown_suggestions.insert(), suggestions)

    def overrides(self, tenant: str, patient_key: str, since: datetime) -> list[Override]:
        """Cards of this patient that were overridden with a reason since then, newest first.

        A card counts from its first override: a repeat does not prolong anything. Only feedback of
        the tenant that the card was shown to counts.
        """
        self._prepare()
        with self._connections.transaction(writes=False) as connection:
            rows = connection.execute(_overridden(tenant, patient_key, since)).mappings().all()
            return [Override(row["overridden_at"], card_of(row)) for row in rows]

    # --- feedback ---

    def add_feedback(
        self, service: str, tenant: str, entries: Sequence[FeedbackEntry], now: datetime
    ) -> None:
        """Store feedback, all or nothing; what is there already stays as it was received."""
        self._prepare()
        rows = {}
        accepted = {}
        for entry in entries:
            row = feedback_row(entry, service, tenant, now)
            rows[row["id"]] = row
            for suggestion in entry.accepted_suggestions:
                accepted[row["id"], suggestion] = {"feedback": row["id"], "suggestion": suggestion}
        with self._connections.transaction() as connection:
            # In one order everywhere: two workers with the same entries would block each other.
            if rows:
                connection.execute(
                    _insert_new(connection, feedback), [rows[id] for id in sorted(rows)]
                )
            if accepted:
                connection.execute(
                    _insert_new(connection, accepted_suggestions),
                    [accepted[key] for key in sorted(accepted)],
                )

    def shown(self, tenant: str, uuids: Iterable[str]) -> list[ShownCard]:
        """Those of these cards that were shown to the tenant, without their suggestions."""
        self._prepare()
        query = (
            select(shown_cards.c.uuid, shown_cards.c.indicator, shown_cards.c.findings)
            .join(calls, calls.c.id == shown_cards.c.call)
            .where(calls.c.tenant == tenant, shown_cards.c.uuid.in_(list(uuids)))
        )
        with self._connections.transaction(writes=False) as connection:
            return [card_of(row) for row in connection.execute(query).mappings()]

    def stored_feedback(self, since: datetime | None = None) -> Iterator[StoredFeedback]:
        """Everything reported since then, in the order it was received."""
        query = _reported().order_by(feedback.c.received_at, feedback.c.id)
        if since is not None:
            query = query.where(feedback.c.received_at >= since)
        with self._connections.transaction(writes=False) as connection:
            result = connection.execution_options(yield_per=_PAGE).execute(query)
            for page in result.mappings().partitions():
                suggestions = _suggestions(connection, [row["id"] for row in page])
                for row in page:
                    yield StoredFeedback(
                        id=row["id"],
                        received_at=row["received_at"],
                        service=row["service"],
                        tenant=row["tenant"],
                        entry=entry_of(row, tuple(suggestions.get(row["id"], ()))),
                        card=None if row["uuid"] is None else card_of(row),
                        hook=row["hook"],
                        shown_at=row["at"],
                        rulebook=row["rulebook"],
                    )

    # --- figures ---

    def insights(self, scope: Scope) -> Insights:
        """What became of the cards of a period."""
        self._prepare()
        with self._connections.transaction(writes=False) as connection:
            return read_insights(connection, scope)


def _insert_new(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that leaves a row with the same key as it is."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def _purge_tokens(connection: Connection, now: datetime) -> None:
    """Forget tokens that are refused by their age; what another worker forgets is passed over."""
    key = tuple_(used_tokens.c.issuer, used_tokens.c.jti)
    expired = (
        select(used_tokens.c.issuer, used_tokens.c.jti)
        .where(used_tokens.c.expires_at < now)
        .limit(_MOST_PURGED)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(used_tokens).where(key.in_(expired)))


def _overridden(tenant: str, patient_key: str, since: datetime) -> Select[Any]:
    first = func.min(feedback.c.received_at)
    return (
        select(
            shown_cards.c.uuid,
            shown_cards.c.indicator,
            shown_cards.c.findings,
            first.label("overridden_at"),
        )
        .join(calls, calls.c.id == shown_cards.c.call)
        .join(feedback, feedback.c.card == shown_cards.c.uuid)
        .where(
            calls.c.tenant == tenant,
            calls.c.patient_key == patient_key,
            feedback.c.tenant == tenant,
            feedback.c.outcome == "overridden",
            or_(feedback.c.reason_code.is_not(None), feedback.c.user_comment.is_not(None)),
        )
        .group_by(shown_cards.c.uuid)
        .having(first >= since)
        .order_by(first.desc(), shown_cards.c.uuid)
    )


def _reported() -> Select[Any]:
    """Feedback beside the card it is about, where that card was shown to the same tenant."""
    shown = (
        select(
            shown_cards.c.uuid,
            shown_cards.c.indicator,
            shown_cards.c.findings,
            calls.c.tenant.label("shown_to"),
            calls.c.hook,
            calls.c.at,
            calls.c.rulebook,
        )
        .join(calls, calls.c.id == shown_cards.c.call)
        .subquery()
    )
    of_the_card = and_(shown.c.uuid == feedback.c.card, shown.c.shown_to == feedback.c.tenant)
    return select(feedback, shown).join_from(feedback, shown, of_the_card, isouter=True)


def _suggestions(connection: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    rows = connection.execute(
        select(accepted_suggestions)
        .where(accepted_suggestions.c.feedback.in_(ids))
        .order_by(accepted_suggestions.c.suggestion)
    )
    found: dict[str, list[str]] = {}
    for id, suggestion in rows:
        found.setdefault(id, []).append(suggestion)
    return found
