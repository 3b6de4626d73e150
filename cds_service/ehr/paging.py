"""Pages of a FHIR search: what comes next, whether it may be read, and one Bundle of them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import msgspec
from msgspec import Raw, Struct

from cds_service.ehr.guarded import Cause, ReadFailed, origin_of


class _Kind(Struct):
    resourceType: str | None = None  # noqa: N815 (as FHIR calls it)


class _Link(Struct):
    relation: str | None = None
    url: str | None = None


class Page(Struct):
    """A Bundle as far as paging looks into it."""

    entry: list[Raw] | None = None
    link: list[_Link] | None = None
    total: Any = None

    @property
    def has_next(self) -> bool:
        """Whether there is more of the search."""
        return any(link.relation == "next" for link in self.link or [])

    def next_address(self, base: str, current: str) -> str:
        """Where more of it is; raises ``ReadFailed`` where the link leads away from the base."""
        for link in self.link or []:
            if link.relation == "next" and link.url:
                found = within(base, current, link.url)
                if found is not None:
                    return found
        raise ReadFailed(Cause.OTHER_ORIGIN)


_KIND = msgspec.json.Decoder(_Kind)
_PAGE = msgspec.json.Decoder(Page)


def read_type(body: bytes) -> str:
    """The resource type of a body; raises ``ReadFailed`` where it is no FHIR resource."""
    try:
        body.decode()  # the decoder does not look at UTF-8 inside a raw value
        return _KIND.decode(body).resourceType or ""
    except msgspec.ValidationError:
        raise ReadFailed(Cause.WRONG_TYPE) from None
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        raise ReadFailed(Cause.NOT_JSON) from None


def read_page(body: bytes) -> Page:
    """A Bundle; raises ``ReadFailed`` where it is none."""
    if read_type(body) != "Bundle":
        raise ReadFailed(Cause.WRONG_TYPE)
    try:
        return _PAGE.decode(body)
    except msgspec.DecodeError:
        raise ReadFailed(Cause.WRONG_TYPE) from None


def within(base: str, current: str, link: str) -> str | None:
    """A link found at ``current`` as an address under the base; ``None`` where it leads elsewhere.

    The address begins with the base's own scheme, host and port: whatever a parser makes of the
    link, no request goes anywhere else.
    """
    try:
        parts = urlsplit(urljoin(current, link))
        if origin_of(parts.geturl()) != origin_of(base):
            return None
    except ValueError:
        return None
    root = urlsplit(base).path.rstrip("/")
    plain = unquote(parts.path)
    if plain != root and not plain.startswith(f"{root}/"):
        return None
    if "\\" in plain or {".", ".."} & set(plain.split("/")):
        return None
    home = urlsplit(base)
    return home._replace(path=parts.path, query=parts.query).geturl()


def joined(pages: Sequence[Page], *, is_complete: bool) -> bytes:
    """All pages as one Bundle; where some are missing a ``next`` link without address says so."""
    entries = b",".join(bytes(entry) for page in pages for entry in page.entry or [])
    members = [b'"resourceType":"Bundle"', b'"type":"searchset"']
    total = pages[0].total
    if isinstance(total, int):
        members.append(b'"total":%d' % total)
    if not is_complete:
        members.append(b'"link":[{"relation":"next"}]')
    return b"{" + b",".join([*members, b'"entry":[' + entries + b"]"]) + b"}"


def bundle_of(resources: Sequence[bytes]) -> bytes:
    """Single resources as one Bundle."""
    entries = b",".join(b'{"resource":' + each + b"}" for each in resources)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"
