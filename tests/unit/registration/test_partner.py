"""Whether a partner took the hub's credentials, by what it answered."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, OutboundRequest, Unreachable
from ocpi_hub.domain.party import CredentialsToken
from ocpi_hub.registration.partner import Access, PartnerCalls
from ocpi_hub.registration.partner_answers import MAX_BYTES, Agreed, Declined, Unclear
from tests.support.scripted_partner import envelope, role_of

URL = "https://partner.example/credentials"
CREDENTIALS = {"token": "t", "url": "https://partner.example/versions", "roles": [role_of()]}


class OneAnswer:
    """A client that gets one answer to everything."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.sent: list[OutboundRequest] = []

    async def send(self, request: OutboundRequest) -> Exchange:
        self.sent.append(request)
        return self._exchange


class AnyUrl:
    def check(self, url: str) -> str | None:
        return None


def answer(status: int, body: bytes) -> Answer:
    return Answer(status, {}, body)


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        (answer(200, envelope(CREDENTIALS)), Agreed),
        (answer(201, envelope(CREDENTIALS)), Agreed),
        (answer(200, envelope(CREDENTIALS, 1900)), Agreed),
        (answer(200, envelope(None, 2001)), Declined),
        (answer(200, envelope(None, 3001)), Declined),
        (answer(405, b""), Declined),
        (answer(401, envelope(None, 2000)), Declined),
        (answer(302, b""), Declined),
        (Unreachable("connection refused"), Declined),
        (NoAnswer("no answer within 1 s"), Unclear),
        (answer(500, b""), Unclear),
        (answer(502, b"<html>"), Unclear),
        (answer(200, b"<html>"), Unclear),
        (answer(200, b"{}"), Unclear),
        (answer(200, envelope(None)), Unclear),
        (answer(200, envelope({**CREDENTIALS, "token": "with space"})), Unclear),
        (answer(200, envelope(CREDENTIALS) + b" " * MAX_BYTES), Unclear),
        (answer(400, b" " * (MAX_BYTES + 1)), Declined),
    ],
)
async def test_only_a_clear_no_counts_as_declined(exchange: Exchange, kind: type[object]) -> None:
    client = OneAnswer(exchange)
    calls = PartnerCalls(
        client, AnyUrl(), own_url="https://hub.example", timeout_s=2.0, max_depth=32
    )
    access = Access(CredentialsToken("secret"), "key")
    outcome = await calls.send_credentials("POST", URL, access, json.dumps({}).encode())
    assert type(outcome) is kind
    (sent,) = client.sent
    # The partner calls back within the request, so it may last longer than one call.
    assert sent.deadline_s > 2 * 2.0
    assert "secret" not in repr(access)
    if isinstance(outcome, Declined | Unclear):
        assert outcome.reason.startswith(f"POST credentials ({URL}): ")
        assert "with space" not in outcome.reason
