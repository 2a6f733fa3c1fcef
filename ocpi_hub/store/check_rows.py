"""What rows and texts say to the checks of CDRs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import asyncpg

from ocpi_hub.clearing.checks import AuthorizationSeen, LocationSeen, SessionSeen
from ocpi_hub.clearing.credits import Booked, Total
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OcpiError
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff

_TARIFF_DEPTH: Final = 32


def tariff_of(body: str) -> Tariff | None:
    try:
        return parse_object(body.encode(), Tariff, max_depth=_TARIFF_DEPTH).value
    except OcpiError:
        return None  # kept by an earlier release that asked less of it


def session_of(row: asyncpg.Record) -> SessionSeen | None:
    if not row["session_found"]:
        return None
    return SessionSeen(
        status=row["status"],
        kwh=_decimal(row["kwh"]),
        currency=row["currency"],
        token_uid=row["token_uid"],
        location_id=row["location_id"],
        evse_uid=row["evse_uid"],
    )


def authorization_of(row: asyncpg.Record) -> AuthorizationSeen | None:
    uid = row["uid"]
    return None if uid is None else AuthorizationSeen(row["allowed"], uid)


def booked_of(row: asyncpg.Record) -> Booked:
    back = row["credited_excl_vat"]
    return Booked(
        owner=PartyId(row["country_code"], row["party_id"]),
        receiver=PartyId(row["receiver_country_code"], row["receiver_party_id"]),
        cdr_id=row["cdr_id"],
        spelled_id=row["spelled_id"],
        session_id=row["session_id"].upper() if row["session_id"] else None,
        is_credit=row["is_credit"],
        credited_id=row["credited_id"],
        currency=row["currency"],
        cost=Total(row["cost_excl_vat"], row["cost_incl_vat"]),
        credited=None if back is None else Total(back, row["credited_incl_vat"]),
    )


def location_of(body: str) -> LocationSeen:
    """A Location that was checked when it came, though maybe by an earlier release."""
    read: object = json.loads(body, parse_float=Decimal)
    location = _dict(read)
    powers: dict[tuple[str, str], Decimal | None] = {}
    tariffs: dict[tuple[str, str], tuple[str, ...]] = {}
    for evse in map(_dict, _list(location.get("evses"))):
        for connector in map(_dict, _list(evse.get("connectors"))):
            key = (str(evse.get("uid", "")).upper(), str(connector.get("id", "")).upper())
            watts = connector.get("max_electric_power")
            kilowatts = Decimal(watts) / 1000 if isinstance(watts, int | Decimal) else None
            powers[key] = kilowatts or None
            named = _list(connector.get("tariff_ids"))
            tariffs[key] = tuple(each.upper() for each in named if isinstance(each, str))
    zone = location.get("time_zone")
    return LocationSeen(
        time_zone=zone if isinstance(zone, str) else None,
        published=location.get("publish") is not False,
        connectors=powers,
        tariff_ids=tariffs,
    )


def _dict(given: object) -> Mapping[str, object]:
    return given if isinstance(given, dict) else {}


def _list(given: object) -> Sequence[object]:
    return given if isinstance(given, list) else ()


def _decimal(text: str | None) -> Decimal | None:
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None
