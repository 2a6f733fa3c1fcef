"""Valid objects and directory entries with overrides, for tests of every level."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, MessageIds
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    OcpiVersion,
    PartyId,
    PartyRole,
    Platform,
    PlatformId,
    PlatformState,
    Relation,
    RelationMode,
    Role,
)

HUB = PartyId("EU", "HUB")
CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")

BOTH_ROLES = {
    (module, role): f"https://partner.example/{role.lower()}/{module}"
    for module in (
        "tokens",
        "cdrs",
        "locations",
        "tariffs",
        "sessions",
        "commands",
        "chargingprofiles",
    )
    for role in InterfaceRole
}


def make_platform(
    *roles: tuple[PartyId, Role],
    state: PlatformState = PlatformState.CONNECTED,
    online: bool = True,
    endpoints: Mapping[tuple[str, InterfaceRole], str] | None = None,
) -> Platform:
    """A platform that hosts these parties; all interfaces unless told otherwise."""
    return Platform(
        platform_id=PlatformId(f"p-{uuid.uuid4().hex[:8]}"),
        name="a partner",
        state=state,
        online=online,
        version=OcpiVersion("2.2.1"),
        versions_url="https://partner.example/versions",
        our_token=CredentialsToken("our-token-at-the-partner"),
        roles=tuple(PartyRole(party, role, str(party)) for party, role in roles),
        endpoints=BOTH_ROLES if endpoints is None else endpoints,
    )


def make_directory(
    *platforms: Platform,
    relations: Iterable[Relation] = (),
    default_relation: RelationMode = RelationMode.REALTIME,
) -> Directory:
    """A directory snapshot; open to everyone unless told otherwise."""
    return Directory.build(
        version=1,
        hub=HUB,
        default_relation=default_relation,
        platforms=platforms,
        relations=relations,
    )


def make_message(
    platform: Platform,
    sender: PartyId,
    *,
    to: PartyId | None = None,
    module: str = "tokens",
    interface_role: InterfaceRole = InterfaceRole.RECEIVER,
    method: str = "PUT",
    path: tuple[str, ...] = (),
    query: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Message:
    return Message(
        platform=platform,
        sender=sender,
        to=to,
        version=OcpiVersion("2.2.1"),
        module=module,
        interface_role=interface_role,
        method=method,
        path=path,
        query=query,
        body=body,
        ids=MessageIds("request-1", "correlation-1"),
    )


def token(uid: str = "04AABBCC", *, owner: PartyId = EMSP, **fields: object) -> dict[str, object]:
    """A Token object."""
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"{owner.country_code}-{owner.party_id}-C{uid[-8:]}",
        "issuer": "A provider",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-10-01T08:00:00Z",
    } | fields


def cdr(
    cdr_id: str = "CDR-1", *, owner: PartyId = CPO, payer: PartyId = EMSP, **fields: object
) -> dict[str, object]:
    """A CDR of one charging period."""
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": cdr_id,
        "start_date_time": "2026-10-01T08:00:00Z",
        "end_date_time": "2026-10-01T09:30:00Z",
        "cdr_token": {
            "country_code": payer.country_code,
            "party_id": payer.party_id,
            "uid": "04AABBCC",
            "type": "RFID",
            "contract_id": f"{payer.country_code}-{payer.party_id}-C12345678",
        },
        "auth_method": "AUTH_REQUEST",
        "cdr_location": {
            "id": "LOC1",
            "address": "Dorpsstraat 1",
            "city": "Utrecht",
            "country": "NLD",
            "coordinates": {"latitude": "52.090700", "longitude": "5.121400"},
            "evse_uid": "EVSE1",
            "evse_id": "NL*CPO*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-10-01T08:00:00Z",
                "dimensions": [
                    {"type": "ENERGY", "volume": 22.5},
                    {"type": "TIME", "volume": 1.5},
                ],
            }
        ],
        "total_cost": {"excl_vat": 9.0, "incl_vat": 10.89},
        "total_energy": 22.5,
        "total_time": 1.5,
        "last_updated": "2026-10-01T09:31:00Z",
    } | fields


def text(value: object) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))
