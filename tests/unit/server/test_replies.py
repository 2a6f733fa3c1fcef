"""Errors and pages as answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from ocpi_hub.delivery.shared import Page
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.party import InterfaceRole, Role
from ocpi_hub.errors import (
    HubError,
    MethodNotAllowed,
    NotOwnUrl,
    OcpiError,
    ReceiverTimeout,
    StoreError,
    StoreUnavailable,
    TooManyRequests,
    UnknownToken,
)
from ocpi_hub.ocpi.paging import PageRequest, parse_page
from ocpi_hub.server.replies import error_reply, ok, page_reply
from tests.support.factories import CPO, make_message, make_platform


def envelope(reply: Reply) -> dict[str, Any]:
    return dict(json.loads(reply.body))


@pytest.mark.req("ER-05", "TF-10")
@pytest.mark.parametrize(
    ("error", "http", "code"),
    [
        (NotOwnUrl(), 404, 2001),
        (UnknownToken(), 404, 2004),
        (ReceiverTimeout("DE*MSP did not answer"), 200, 4002),
        (MethodNotAllowed("GET only", headers={"Allow": "GET"}), 405, 2000),
        (TooManyRequests(headers={"Retry-After": "3"}), 429, 3000),
    ],
)
def test_an_error_of_the_protocol_carries_its_pair_text_and_headers(
    error: OcpiError, http: int, code: int
) -> None:
    with capture_logs() as logs:
        reply = error_reply(error, functional=True)
    assert (reply.http_status, envelope(reply)["status_code"]) == (http, code)
    assert envelope(reply)["status_message"] == error.message
    assert reply.headers == error.headers
    assert [line["event"] for line in logs] == ["request_refused"]


@pytest.mark.req("ER-13")
def test_without_the_database_nothing_is_accepted_and_the_reason_stays_here() -> None:
    error = StoreUnavailable("gone")
    with capture_logs() as logs:
        reply = error_reply(error, functional=True)
    assert (reply.http_status, envelope(reply)["status_code"]) == (503, 3000)
    assert "nothing was accepted" in envelope(reply)["status_message"]
    assert str(error) not in reply.body.decode()
    assert reply.headers["Retry-After"]
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("request_without_database", str(error))
    ]


@pytest.mark.parametrize(("functional", "code"), [(True, 4000), (False, 3000)])
def test_what_cannot_be_stored_is_not_asked_for_again(functional: bool, code: int) -> None:
    with capture_logs() as logs:
        reply = error_reply(StoreError("row is too big"), functional=functional)
    assert (reply.http_status, envelope(reply)["status_code"]) == (200, code)
    assert "could not store" in envelope(reply)["status_message"]
    assert "too big" not in reply.body.decode()
    assert "Retry-After" not in reply.headers
    assert [(line["event"], line["reason"], line["log_level"]) for line in logs] == [
        ("request_cannot_be_stored", "row is too big", "error")
    ]


@pytest.mark.parametrize(("functional", "code"), [(True, 4000), (False, 3000)])
@pytest.mark.parametrize(
    "error", [KeyError("secret"), HubError("secret"), RecursionError("secret")]
)
def test_the_unexpected_is_logged_with_its_traceback_and_says_nothing(
    error: Exception, functional: bool, code: int
) -> None:
    with capture_logs() as logs:
        reply = error_reply(error, functional=functional)
    assert (reply.http_status, envelope(reply)["status_code"]) == (200, code)
    assert "secret" not in reply.body.decode()
    assert [(line["event"], line["exc_info"]) for line in logs] == [("request_failed", error)]


@pytest.mark.req("TF-11")
def test_a_success_without_data_leaves_data_out() -> None:
    assert envelope(ok()).keys() == {"status_code", "timestamp"}
    assert envelope(ok(b"[]"))["data"] == []


def reply_for(page: Page, **query: str) -> tuple[Reply, PageRequest]:
    message = make_message(
        make_platform((CPO, Role.CPO)),
        CPO,
        interface_role=InterfaceRole.SENDER,
        method="GET",
        query=tuple(query.items()),
    )
    request = parse_page(message.query, maximum=50)
    return page_reply(page, request, message, "https://hub.example"), request


@pytest.mark.req("TF-15", "TF-16", "RT-40")
def test_a_page_is_the_stored_texts_joined() -> None:
    page = Page(('{"a":1.10}', '{"b": 1E2}'), total=9, last_serial=17)
    reply, request = reply_for(page, limit="2", offset="4", date_from="2026-01-01T00:00:00Z")
    assert b'"data":[{"a":1.10},{"b": 1E2}]' in reply.body
    assert (reply.headers["X-Total-Count"], reply.headers["X-Limit"]) == ("9", "2")
    link = reply.headers["Link"]
    assert link.startswith("<https://hub.example/ocpi/2.2.1/sender/tokens?")
    assert link.endswith('>; rel="next"')
    assert "offset=6" in link
    assert "date_from=2026-01-01T00:00:00Z" in link
    assert request.limit == 2


@pytest.mark.req("TF-15", "TF-16")
def test_the_last_page_has_no_link() -> None:
    reply, _ = reply_for(Page((), total=0, last_serial=None))
    assert envelope(reply)["data"] == []
    assert reply.headers == {"X-Total-Count": "0", "X-Limit": "50"}
