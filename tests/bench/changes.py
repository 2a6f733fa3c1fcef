"""An object that is changed again and again, and the requests that do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ocpi_hub.domain.party import PartyId
from tests.bench import messages
from tests.bench.seeding import Partner, parties
from tests.support import factories


@dataclass(frozen=True, slots=True)
class Change:
    """How one object is made and changed.

    Attributes:
        receives: role of those it is pushed to.
        first: the request that brings the object.
        turns: what the object becomes, by turns.
    """

    module: str
    owner: Partner
    receives: str
    first: bytes
    turns: Sequence[Mapping[str, object]]
    path: str
    method: str

    def request(self, number: int) -> bytes:
        """The n-th change, newer than all before."""
        at = datetime(2026, 10, 2, tzinfo=UTC) + timedelta(seconds=number)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = factories.text(
            {**self.turns[number % len(self.turns)], "last_updated": stamp}
        ).encode()
        return messages.request(
            self.method, self.path, body, token=self.owner.token, sender=self.owner.party
        )


def evse_change(base_url: str) -> Change:
    """A CPO's EVSE, whose status changes."""
    owner = Partner(PartyId("NL", "CPO"), "CPO", base_url)
    path = "/ocpi/2.2.1/receiver/locations/NL/CPO/LOC1"
    first = messages.request(
        "PUT",
        path,
        factories.text(make_location(owner.party)).encode(),
        token=owner.token,
        sender=owner.party,
    )
    turns = [{"status": status} for status in ("AVAILABLE", "CHARGING")]
    return Change("locations", owner, "EMSP", first, turns, f"{path}/EVSE1", "PATCH")


def receivers(change: Change, ports: Sequence[int]) -> Sequence[Partner]:
    """A platform on each port, which is pushed what is changed."""
    return [
        Partner(
            party,
            change.receives,
            f"http://127.0.0.1:{port}",
            [(change.module, "RECEIVER", f"http://127.0.0.1:{port}/{change.module}")],
        )
        for party, port in zip(parties("FR", len(ports)), ports, strict=True)
    ]


def make_location(owner: PartyId, location_id: str = "LOC1") -> dict[str, object]:
    """A site of four EVSEs with two connectors each."""
    at = "2026-10-01T08:00:00Z"
    evses = [
        {
            "uid": f"EVSE{number}",
            "evse_id": f"NL*CPO*E{number}",
            "status": "AVAILABLE",
            "connectors": [
                {
                    "id": str(connector),
                    "standard": "IEC_62196_T2",
                    "format": "SOCKET",
                    "power_type": "AC_3_PHASE",
                    "max_voltage": 230,
                    "max_amperage": 32,
                    "last_updated": at,
                }
                for connector in (1, 2)
            ],
            "last_updated": at,
        }
        for number in range(1, 5)
    ]
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": location_id,
        "publish": True,
        "address": "Dorpsstraat 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.090700", "longitude": "5.121400"},
        "time_zone": "Europe/Amsterdam",
        "evses": evses,
        "last_updated": at,
    }
