"""Replies: envelopes, error responses, pages. The one place that turns errors into answers.

Spec: 2.2.1 transport_and_format_response_format, transport_and_format_paginated_response,
status_codes_status_codes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ocpi_hub.delivery.shared import Page
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.errors import (
    HubRoutingError,
    OcpiError,
    Overloaded,
    ServerFault,
    StoreError,
    StoreUnavailable,
)
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.envelope import envelope
from ocpi_hub.ocpi.paging import Cursor, PageRequest, Query, next_url
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


def ok(
    data: bytes | None = None,
    *,
    http_status: int = 200,
    message: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> Reply:
    """A success of the hub itself."""
    return Reply(http_status, envelope(data, message=message), headers=extra or {})


def page_reply(page: Page, request: PageRequest, message: Message, public_url: str) -> Reply:
    """A list page from stored texts, with total, limit and next link (TF-15, TF-16)."""
    path = f"{message.version}/{message.interface_role.lower()}/{message.module}"
    return page_at(f"{public_url}/ocpi/{path}", page, request, message.query)


def page_at(list_url: str, page: Page, request: PageRequest, query: Query) -> Reply:
    """The same for the list at this URL."""
    extra = {headers.TOTAL_COUNT: str(page.total), headers.LIMIT: str(request.limit)}
    if page.last_serial is not None:
        url = next_url(
            list_url,
            query,
            offset=request.offset + len(page.texts),
            limit=request.limit,
            cursor=Cursor(page.last_serial, page.total),
        )
        extra[headers.LINK] = f'<{url}>; rel="next"'
    return ok(("[" + ",".join(page.texts) + "]").encode(), extra=extra)


def error_reply(error: Exception, *, functional: bool) -> Reply:
    """The answer to a request that failed. Logs it once.

    Args:
        functional: whether the module is routed: the unexpected is then a hub error (4000),
            else a server error (3000).
    """
    ocpi_error = _as_ocpi(error, functional=functional)
    body = envelope(status_code=ocpi_error.status_code, message=ocpi_error.message)
    return Reply(ocpi_error.http_status, body, headers=ocpi_error.headers)


def _as_ocpi(error: Exception, *, functional: bool) -> OcpiError:
    if isinstance(error, OcpiError):
        level = log.warning if error.http_status >= 500 else log.info
        level("request_refused", status_code=error.status_code, reason=error.message)
        return error
    if isinstance(error, StoreUnavailable):
        log.error("request_without_database", reason=str(error))
        return Overloaded(
            "The hub's database cannot be reached; nothing was accepted, try again shortly",
            headers={"Retry-After": "2"},
        )
    if isinstance(error, StoreError):
        # Sent again, it would fail again.
        log.error("request_cannot_be_stored", reason=str(error))
        text = "The hub could not store this; nothing was accepted"
        return HubRoutingError(text) if functional else ServerFault(text)
    log.error("request_failed", exc_info=error)
    return HubRoutingError("Generic hub error") if functional else ServerFault()
