"""Who may send the form: pages of this service alone."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request


def is_from_our_page(request: Request) -> bool:
    """Whether a form was sent by a page of this service.

    There is no cookie to steal, but a visitor's browser reaches a service that another site does
    not. Browsers tell where a form stood; what tells nothing is no browser, and calls the hooks.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.host
