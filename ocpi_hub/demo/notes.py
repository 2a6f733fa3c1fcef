"""What a party has on record of the modules that the checks look at. Pure but for `take_notes`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from ocpi_hub.demo.parties import COMPANIES, Company
from ocpi_hub.demo.processes import Party
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.ocpi import headers as ocpi_headers

NOTED = (Module.COMMANDS, Module.CHARGING_PROFILES, Module.SESSIONS, Module.TARIFFS)


@dataclass(frozen=True, slots=True)
class Leg:
    """A request as the party that sent or got it has it on record.

    Attributes:
        at: when it was settled, an OCPI DateTime; all are written alike.
        sent: by this party; else it arrived there.
        sender, to: of the routing headers.
        acked: the party that was called took it.
    """

    at: str
    sent: bool
    module: str
    role: str
    method: str
    path: str
    query: str
    body: str
    sender: PartyId | None
    to: PartyId | None
    correlation_id: str
    acked: bool

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Leg:
        """An item of a party's record."""
        headers = item["headers"]
        return cls(
            at=item["at"],
            sent=item["direction"] == "out",
            module=item["module"],
            role=item["role"] or "",
            method=item["method"],
            path=item["path"],
            query=item["query"],
            body=item["body"],
            sender=ocpi_headers.routing_pair(
                headers, ocpi_headers.FROM_COUNTRY, ocpi_headers.FROM_PARTY
            ),
            to=ocpi_headers.routing_pair(headers, ocpi_headers.TO_COUNTRY, ocpi_headers.TO_PARTY),
            correlation_id=headers.get(ocpi_headers.CORRELATION_ID, ""),
            acked=item["acked"],
        )

    @property
    def place(self) -> str:
        """What the URL says behind the module."""
        return self.path.partition(f"/{self.module}/")[2]

    @property
    def response_url(self) -> str:
        """Where the result of this request is wanted; empty if it asks for none."""
        if self.method in ("GET", "DELETE"):
            return parse_qs(self.query).get("response_url", [""])[0]
        body = json.loads(self.body)
        return str(body.get("response_url", "")) if isinstance(body, dict) else ""


@dataclass(frozen=True, slots=True)
class Notes:
    """What one party has on record, and what it holds.

    Attributes:
        sessions, tariffs: its own if it is a CPO, else those it was given; with exact numbers.
    """

    legs: Sequence[Leg]
    sessions: Sequence[Mapping[str, Any]]
    tariffs: Sequence[Mapping[str, Any]]

    def sent(self, module: str, role: str) -> Iterator[Leg]:
        return self._legs(module, role, sent=True)

    def arrived(self, module: str, role: str) -> Iterator[Leg]:
        return self._legs(module, role, sent=False)

    def _legs(self, module: str, role: str, *, sent: bool) -> Iterator[Leg]:
        return (
            leg for leg in self.legs if (leg.sent, leg.module, leg.role) == (sent, module, role)
        )


AllNotes = Mapping[Company, Notes]


async def take_notes(parties: Mapping[Company, Party]) -> AllNotes:
    """The notes of all parties."""
    notes = await asyncio.gather(*(_notes_of(party) for party in parties.values()))
    return dict(zip(parties, notes, strict=True))


async def _notes_of(party: Party) -> Notes:
    records = [await party.control("GET", "/record", module=module.value) for module in NOTED]
    return Notes(
        legs=[Leg.read(item) for record in records for item in record["items"]],
        sessions=await held(party, "sessions"),
        tariffs=await held(party, "tariffs"),
    )


async def held(party: Party, table: str) -> list[dict[str, Any]]:
    """The objects of a table: a CPO's own, or those an eMSP was given; with exact numbers."""
    side = "own" if party.company.is_cpo else "cached"
    return list(exact(await party.control_text("GET", f"/{table}"))[side])


def company_of(party: PartyId | None) -> Company | None:
    return next((company for company in COMPANIES if company.party == party), None)


def exact(text: str) -> Any:
    """JSON with numbers by their decimal value."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)
