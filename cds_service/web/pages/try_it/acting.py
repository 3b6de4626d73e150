"""What a prescriber does with a card: accept a suggestion, or dismiss it with a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cds_service.cards.cards import OVERRIDE_SYSTEM
from cds_service.errors import StoreUnavailable
from cds_service.web.pages.try_it.checking import accepted
from cds_service.web.pages.try_it.patient_bundle import Unusable
from cds_service.web.pages.try_it.view import Site, View
from cds_service.web.problems import Issue, Refusal
from cds_service.web.wire import encode


def accept(view: View, offer: str, site: Site) -> None:
    """Change the orders as the suggestion says; ``offer`` is the value of its button."""
    try:
        content = json.loads(offer, parse_float=Decimal)
        actions, label = content["actions"], str(content["label"])
        view.rows, changes = accepted(view.rows, view.orders, actions)
    except (ValueError, KeyError, TypeError, RecursionError):
        view.notices.append("The suggestion cannot be read: check again, then accept it.")
        return
    except Unusable as problem:
        view.notices.append(str(problem))
        return
    view.notices += [f"Accepted: {label}.", *changes]
    told = {
        "card": content.get("card"),
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": content.get("suggestion")}],
    }
    _tell(view, told, site, "")


def dismiss(view: View, card: str, form: Mapping[str, str], site: Site) -> None:
    """Report an override, where a reason is given; the next check then leaves the card out."""
    code = form.get(f"reason-{card}", "")
    comment = form.get(f"comment-{card}", "").strip()
    known = site.rulebook.override_reasons.get(code)
    if known is None and not comment:
        view.notices.append("Choose a reason or write a comment, then dismiss the card.")
        return
    why: dict[str, Any] = {}
    if known is not None:
        why["reason"] = {"code": code, "system": OVERRIDE_SYSTEM, "display": known.display}
    if comment:
        why["userComment"] = comment
    told = {"card": card, "outcome": "overridden", "overrideReason": why}
    stored = (
        "Dismissed, and the reason is stored as feedback. The card stays silent for this patient "
        "until something gets worse."
        if site.desk.silence_days is not None
        else "Dismissed, and the reason is stored as feedback. This site shows the card again."
    )
    _tell(view, told, site, stored)


def _tell(view: View, told: dict[str, Any], site: Site, stored: str) -> None:
    """Send feedback as an EHR does; beyond this machine a page for everyone stores nothing."""
    if not site.operator.is_asking:
        if stored:
            view.notices.append(
                "Here the reason would be stored as feedback, and the card would stay silent. This "
                "page is open to others, so nothing is stored."
            )
        return
    entry = {**told, "outcomeTimestamp": site.desk.now().isoformat(timespec="seconds")}
    try:
        site.keep_feedback(encode({"feedback": [entry]}), site.service(view.sheet.hook))
    except (StoreUnavailable, Refusal) as error:
        issues: tuple[Issue, ...] = getattr(error, "issues", ())
        texts = [issue.text for issue in issues] or ["the store cannot be used now."]
        view.notices.append(f"The feedback was not stored: {' '.join(texts)}")
    else:
        view.notices += [stored] if stored else []
