"""What went wrong in a handshake, told apart for people."""

from __future__ import annotations

import ipaddress
import json

import pytest

from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.party import PartyId, PlatformState
from ocpi_hub.errors import ClientApiUnusable, EndpointsMissing, HubError, UnsupportedVersion
from ocpi_hub.registration.failures import (
    Failure,
    failure_of_call,
    failure_of_reason,
    failure_of_store,
)
from ocpi_hub.registration.protocols import (
    CredentialsGone,
    PartyReserved,
    PartyTaken,
    Stored,
    StoreResult,
    TooManyParties,
    WrongState,
)
from ocpi_hub.registration.steps import MAX_SHOWN, shown

PARTY = PartyId("NL", "CPO")
UNUSABLE = ClientApiUnusable("GET versions (https://x.example): something")


def answer(status: int, body: object) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {}, sent)


@pytest.mark.parametrize(
    ("url", "failure"),
    [
        ("http://partner.example/", Failure.NO_TLS),
        ("ftp://partner.example/", Failure.NO_TLS),
        ("https://10.0.0.1/", Failure.PRIVATE_ADDRESS),
        ("https://127.0.0.1/", Failure.PRIVATE_ADDRESS),
        ("https://[::1]/", Failure.PRIVATE_ADDRESS),
        ("https://169.254.169.254/", Failure.PRIVATE_ADDRESS),
        ("https://100.64.0.1/", Failure.PRIVATE_ADDRESS),
        ("https://user@partner.example/", Failure.BAD_URL),
        ("https://127.1/", Failure.BAD_URL),
        ("https:// partner.example/", Failure.BAD_URL),
        ("https:///path", Failure.BAD_URL),
    ],
)
def test_urls_that_are_not_called_are_told_apart(url: str, failure: Failure) -> None:
    reason = UrlPolicy(allow_http=False, allow_networks=()).check(url)
    assert reason is not None
    assert failure_of_call(None, ClientApiUnusable(f"GET versions ({url}): {reason}")) is failure


def test_every_kind_of_address_is_one() -> None:
    policy = UrlPolicy(allow_http=False, allow_networks=())
    for text in ("10.0.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "fe80::1", "168.63.129.16"):  # noqa: S104 - nothing is bound
        kind = policy.check_address(ipaddress.ip_address(text))
        assert kind is not None
        assert failure_of_reason(kind) is Failure.PRIVATE_ADDRESS


@pytest.mark.parametrize(
    ("exchange", "error", "failure"),
    [
        (None, ClientApiUnusable("GET x: this is a URL of the hub itself"), Failure.OWN_URL),
        (Unreachable("the host name cannot be resolved"), UNUSABLE, Failure.UNKNOWN_HOST),
        (Unreachable("TLS: certificate has expired"), UNUSABLE, Failure.CERTIFICATE),
        (Unreachable("TLS: wrong version number"), UNUSABLE, Failure.PLAIN_HTTP),
        (Unreachable("connection refused"), UNUSABLE, Failure.NO_CONNECTION),
        (Unreachable("no connection within 3 s"), UNUSABLE, Failure.NO_CONNECTION),
        (NoAnswer("no answer within 3 s"), UNUSABLE, Failure.TIMEOUT),
        (NoAnswer("the connection was lost before the answer"), UNUSABLE, Failure.LOST),
        (answer(401, {"status_code": 2000}), UNUSABLE, Failure.WRONG_TOKEN),
        (answer(404, b"<html>"), UNUSABLE, Failure.NO_SUCH_PATH),
        (answer(302, b""), UNUSABLE, Failure.REDIRECT),
        (answer(503, b""), UNUSABLE, Failure.SERVER_ERROR),
        (answer(200, b" <!doctype html>"), UNUSABLE, Failure.HTML),
        (answer(200, b"ok"), UNUSABLE, Failure.NO_JSON),
        (answer(200, b"[" * 100_000), UNUSABLE, Failure.NO_JSON),
        (answer(200, {"versions": []}), UNUSABLE, Failure.NO_OCPI),
        (answer(200, []), UNUSABLE, Failure.NO_OCPI),
        (answer(200, {"status_code": 2001}), UNUSABLE, Failure.REFUSED),
        (answer(400, {"status_code": 1000}), UNUSABLE, Failure.REFUSED),
        (answer(200, {"status_code": 3001}), UNUSABLE, Failure.NO_CALL_BACK),
        (answer(200, {"status_code": 1000}), UNUSABLE, Failure.CONTENT),
        (
            answer(200, {"status_code": 1000}),
            ClientApiUnusable("GET x: endpoint cdrs: the URL's host is a private address"),
            Failure.PRIVATE_ADDRESS,
        ),
        (answer(200, {"status_code": 1000}), UnsupportedVersion("x"), Failure.NO_VERSION),
        (answer(200, {"status_code": 1000}), EndpointsMissing("x"), Failure.NO_CREDENTIALS),
    ],
    ids=lambda value: None if isinstance(value, Failure) else "",
)
def test_calls_of_no_use_are_told_apart(
    exchange: Exchange | None, error: HubError, failure: Failure
) -> None:
    assert failure_of_call(exchange, error) is failure


@pytest.mark.parametrize(
    ("result", "failure"),
    [
        (Stored(), None),
        (PartyTaken(PARTY), Failure.PARTY_TAKEN),
        (PartyReserved(PARTY), Failure.PARTY_RESERVED),
        (TooManyParties(5), Failure.TOO_MANY),
        (CredentialsGone(), Failure.USED),
        (WrongState(PlatformState.SUSPENDED), Failure.STATE),
    ],
)
def test_registrations_that_are_not_stored_are_told_apart(
    result: StoreResult, failure: Failure | None
) -> None:
    assert failure_of_store(result) is failure


@pytest.mark.parametrize(
    "body",
    [
        b'{"token": "our-secret", "url": "x"}',
        b'{"data": [{"TOKEN": "their-secret", "deep": {"Access_Token": "their-secret"}}]}',
        b'{"status_message": "our-secret is not known"}',
        b'{"status_message": "Token b3VyLXNlY3JldA== is not known"}',
        b'{"data": {"token": "their-secret", "cut": ',
        b"token=their-secret",
        b"<html>token: 'their-secret'</html>",
    ],
)
def test_what_is_kept_of_a_body_holds_no_token(body: bytes) -> None:
    text = shown(body, "our-secret")
    assert "our-secret" not in text
    assert "their-secret" not in text
    assert "b3VyLXNlY3JldA==" not in text
    assert "***" in text


def test_what_is_kept_of_a_body_is_short_and_printable() -> None:
    assert len(shown(json.dumps(["x" * 100] * 1000).encode())) == MAX_SHOWN + 1
    assert "\0" not in shown(b'{"a": "\\u0000\\ud800"}')
    shown(b'{"a": "\\u0000\\ud800"}').encode()
    assert shown(b"[" * 100_000)
    assert len(shown(b"no json " * 1000)) < 300
    assert shown(b'{"token": "their-secret"}' + b" " * 300_000) == "300025 bytes"
