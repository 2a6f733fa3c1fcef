"""Requests down to their bytes, as a CPO sends them: what load generators repeat."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi import headers
from tests.support import factories

SERIAL = "#" * 12
"""Stands in a request for digits that are different every time it is sent."""

PERIODS = 20
"""Charging periods of a CDR."""


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    token: str = "",
    to: PartyId | None = None,
    sender: PartyId | None = None,
) -> bytes:
    """One HTTP/1.1 request.

    Args:
        token: the credentials token that the sender presents.
    """
    fields = {
        "Host": "127.0.0.1",
        "User-Agent": "bench",
        headers.AUTHORIZATION: headers.authorization(token),
        headers.REQUEST_ID: str(uuid.uuid4()),
        headers.CORRELATION_ID: str(uuid.uuid4()),
        **headers.routing_headers(to=to, sender=sender),
    }
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def authorize(base: str, uid: str, *, token: str, to: PartyId | None, sender: PartyId) -> bytes:
    """A real-time authorization below a tokens SENDER path."""
    body = json.dumps({"location_id": "LOC1", "evse_uids": ["EVSE1"]}).encode()
    path = f"{base}/{uid}/authorize?type=RFID"
    return request("POST", path, body, token=token, to=to, sender=sender)


def cdr(*, token: str, payer: PartyId, sender: PartyId) -> bytes:
    """A CDR of `PERIODS` charging periods, whose id is new each time."""
    periods = [
        {
            "start_date_time": f"2026-10-01T08:{3 * number:02}:00Z",
            "dimensions": [
                {"type": "ENERGY", "volume": 1.125},
                {"type": "TIME", "volume": 0.05},
                {"type": "MAX_CURRENT", "volume": 31.5},
            ],
            "tariff_id": "T1",
        }
        for number in range(PERIODS)
    ]
    content = factories.cdr(SERIAL, owner=sender, payer=payer, charging_periods=periods)
    body = factories.text(content).encode()
    path = "/ocpi/2.2.1/receiver/cdrs"
    return request("POST", path, body, token=token, to=payer, sender=sender)


def write_requests(path: Path, requests: Iterable[bytes]) -> Path:
    """A file of requests: each after a line with its length."""
    path.write_bytes(b"".join(b"%d\n%b" % (len(each), each) for each in requests))
    return path


def read_requests(path: Path) -> Sequence[bytes]:
    """What `write_requests` wrote."""
    found, rest = [], path.read_bytes()
    while rest:
        length, _, rest = rest.partition(b"\n")
        found.append(rest[: int(length)])
        rest = rest[int(length) :]
    return found
