"""What the platform holds: issued tokens, cached tokens, CDRs sent and CDRs received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.party.paging import Listed, parse_datetime
from ocpi_hub.party.rawjson import fingerprint

DEFAULT_TOKEN_TYPE = "RFID"  # noqa: S105 - a TokenType, not a secret


def owner_of(value: Mapping[str, Any]) -> PartyId:
    """The party that an object names as its owner.

    Raises:
        InvalidRequest: it names none.
    """
    try:
        return PartyId.parse(f"{value['country_code']}*{value['party_id']}")
    except (KeyError, ValueError):
        raise InvalidRequest("country_code and party_id must name a party") from None


def named_owner(country_code: str, party_id: str) -> PartyId:
    """The party that a URL names as the owner.

    Raises:
        InvalidRequest: it names none.
    """
    return owner_of({"country_code": country_code, "party_id": party_id})


def required_text(value: Mapping[str, Any], name: str) -> str:
    """Raises: InvalidRequest: the field is absent, no string or empty."""
    field = value.get(name)
    if not isinstance(field, str) or not field:
        raise InvalidRequest(f"{name} is missing or not a string")
    return field


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A Token with its place in the list."""

    value: Mapping[str, Any]
    listed: Listed

    @property
    def valid(self) -> bool:
        return self.value.get("valid") is True


class TokenTable:
    """Tokens by owner, uid and type, listed in the order in which they were first seen."""

    def __init__(self) -> None:
        self._entries: dict[tuple[PartyId, str, str], TokenEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (entry.value for entry in self._entries.values())

    def listed(self) -> Iterable[Listed]:
        return (entry.listed for entry in self._entries.values())

    def get(self, owner: PartyId, uid: str, token_type: str) -> TokenEntry | None:
        return self._entries.get((owner, uid.upper(), token_type))

    def put(self, value: Mapping[str, Any]) -> bool:
        """Store a Token; true when it was not known before.

        Raises:
            InvalidRequest: a field that this platform needs is missing.
        """
        owner = owner_of(value)
        uid = required_text(value, "uid")
        token_type = required_text(value, "type")
        if not isinstance(value.get("valid"), bool):
            raise InvalidRequest("valid is missing or not a boolean")
        last_updated = parse_datetime(required_text(value, "last_updated"))
        key = (owner, uid.upper(), token_type)
        new = key not in self._entries
        self._entries[key] = TokenEntry(dict(value), Listed(owner, last_updated, dump(value)))
        return new


@dataclass(slots=True)
class ReceivedCdr:
    """A CDR the eMSP holds.

    Attributes:
        text: the body as it came.
        count: how often it was delivered with this content; 0: it was only found on a list.
        conflicts: how often other content came under its identity, which was refused.
    """

    serial: int
    owner: PartyId
    cdr_id: str
    text: str
    fingerprint: bytes
    count: int = 0
    conflicts: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "owner": str(self.owner),
            "id": self.cdr_id,
            "count": self.count,
            "conflicts": self.conflicts,
            "body": self.text,
        }


class CdrTable:
    """CDRs of both directions. A received CDR never changes."""

    def __init__(self) -> None:
        self._received: dict[tuple[PartyId, str], ReceivedCdr] = {}
        self._by_serial: list[ReceivedCdr] = []
        self._sent: dict[tuple[PartyId, str], Listed] = {}

    def received(self) -> list[ReceivedCdr]:
        return list(self._by_serial)

    def by_serial(self, serial: int) -> ReceivedCdr | None:
        return self._by_serial[serial] if 0 <= serial < len(self._by_serial) else None

    def listed(self) -> Iterable[Listed]:
        """The CPO's own CDRs, in the order in which they were loaded."""
        return self._sent.values()

    def receive(self, value: Mapping[str, Any], text: str) -> ReceivedCdr:
        """Store a CDR, or count it as delivered again.

        Raises:
            InvalidRequest: no identity, or other content under a known identity.
        """
        held = self.learn(value, text)
        held.count += 1
        return held

    def learn(self, value: Mapping[str, Any], text: str) -> ReceivedCdr:
        """Store a CDR that was found on a list, which is no delivery.

        Raises:
            InvalidRequest: no identity, or other content under a known identity.
        """
        key, cdr_id = self._identity(value)
        digest = fingerprint(text)
        held = self._received.get(key)
        if held is None:
            held = ReceivedCdr(len(self._by_serial), key[0], cdr_id, text, digest)
            self._received[key] = held
            self._by_serial.append(held)
        elif held.fingerprint != digest:
            held.conflicts += 1
            raise InvalidRequest(f"CDR {cdr_id} is known with other content")
        return held

    def load(self, value: Mapping[str, Any], text: str) -> None:
        """Put a CDR on the list the CPO serves.

        Raises:
            InvalidRequest: no identity or no last_updated.
        """
        key, _ = self._identity(value)
        last_updated = parse_datetime(required_text(value, "last_updated"))
        self._sent[key] = Listed(key[0], last_updated, text.encode())

    @staticmethod
    def _identity(value: Mapping[str, Any]) -> tuple[tuple[PartyId, str], str]:
        owner, cdr_id = owner_of(value), required_text(value, "id")
        return (owner, cdr_id.upper()), cdr_id


class ClientTable:
    """What the hub told about other parties, by party and role, as it came."""

    def __init__(self) -> None:
        self._held: dict[PartyId, dict[str, str]] = {}

    def get(self, party: PartyId) -> str | None:
        """What came last about a party; one URL stands for all its roles."""
        held = self._held.get(party)
        return next(reversed(held.values())) if held else None

    def put(self, party: PartyId, value: Mapping[str, Any], text: str) -> bool:
        """Store a ClientInfo; true when it was not known before.

        Raises:
            InvalidRequest: it lacks a field, or is about another party than the URL.
        """
        if owner_of(value) != party:
            raise InvalidRequest("The body names another party than the URL")
        role = required_text(value, "role")
        required_text(value, "status")
        parse_datetime(required_text(value, "last_updated"))
        held = self._held.setdefault(party, {})
        new = held.pop(role, None) is None
        held[role] = text
        return new
