"""What a CPO tells about a charge: the Session, its changes, the CDR.

Spec: 2.2.1 mod_sessions_session_object, mod_cdrs_cdr_object.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.party.charging import Charge
from ocpi_hub.party.spots import Spot

CURRENCY = "EUR"
"""Of Sessions that no Tariff prices."""

_CDR_LOCATION = ("id", "name", "address", "city", "postal_code", "state", "country", "coordinates")
_ENERGY_ALONE = {"price_components"}


def session(charge: Charge, now: datetime) -> dict[str, Any]:
    """The Session as it stands."""
    told = {
        "country_code": charge.owner.country_code,
        "party_id": charge.owner.party_id,
        "id": charge.session_id,
        "start_date_time": timestamp(charge.began),
        "cdr_token": charge.authorization.cdr_token,
        "auth_method": charge.authorization.method.value,
        "location_id": charge.spot.location["id"],
        "evse_uid": charge.spot.evse["uid"],
        "connector_id": charge.spot.connector["id"],
        "currency": _currency(charge),
        **changes(charge, now),
    }
    if charge.authorization.reference is not None:
        told["authorization_reference"] = charge.authorization.reference
    if charge.periods:
        told["charging_periods"] = charge.periods
    return told


def changes(charge: Charge, now: datetime) -> dict[str, Any]:
    """What changes of the Session while it lasts, but for its charging periods."""
    told: dict[str, Any] = {
        "kwh": charge.kwh,
        "status": charge.status.value,
        "last_updated": timestamp(now),
    }
    if charge.ended is not None:
        told["end_date_time"] = timestamp(charge.ended)
    price = cost(charge)
    if price is not None and charge.charged:
        told["total_cost"] = price
    return told


def cdr(charge: Charge, now: datetime) -> dict[str, Any]:
    """The CDR of a charge that is over. What cannot be priced costs nothing, and says so."""
    price = cost(charge)
    ended = charge.ended or now
    told = {
        "country_code": charge.owner.country_code,
        "party_id": charge.owner.party_id,
        "id": charge.session_id,
        "start_date_time": timestamp(charge.began),
        "end_date_time": timestamp(ended),
        "session_id": charge.session_id,
        "cdr_token": charge.authorization.cdr_token,
        "auth_method": charge.authorization.method.value,
        "cdr_location": cdr_location(charge.spot),
        "currency": _currency(charge),
        "charging_periods": charge.periods,
        "total_cost": price or {"excl_vat": 0.0},
        "total_energy": charge.kwh,
        "total_time": round((ended - charge.began).total_seconds() / 3600, 4),
        "last_updated": timestamp(now),
    }
    if charge.authorization.reference is not None:
        told["authorization_reference"] = charge.authorization.reference
    if price is None:
        told["remark"] = "This platform prices energy only: not priced"
    else:
        told |= {"tariffs": [charge.spot.tariff], "total_energy_cost": price}
    return told


def cost(charge: Charge) -> dict[str, float] | None:
    """What the energy costs so far; None: this platform cannot price it."""
    price = energy_price(charge.spot.tariff)
    if price is None:
        return None
    excl_vat, vat = price
    amount = {"excl_vat": round(charge.kwh * excl_vat, 4)}
    if vat is not None:
        amount["incl_vat"] = round(amount["excl_vat"] * (1 + vat / 100), 4)
    return amount


def _currency(charge: Charge) -> str:
    return str(charge.spot.tariff["currency"]) if charge.spot.tariff else CURRENCY


def cdr_location(spot: Spot) -> dict[str, Any]:
    """Spec: 2.2.1 mod_cdrs_cdr_location_class."""
    place = {name: spot.location[name] for name in _CDR_LOCATION if name in spot.location}
    return {
        **place,
        "evse_uid": spot.evse["uid"],
        "evse_id": spot.evse.get("evse_id", spot.evse["uid"]),
        "connector_id": spot.connector["id"],
        "connector_standard": spot.connector["standard"],
        "connector_format": spot.connector["format"],
        "connector_power_type": spot.connector["power_type"],
    }


def energy_price(tariff: Mapping[str, Any] | None) -> tuple[float, float | None] | None:
    """Price of a kWh and VAT in percent, for a Tariff that says no more than that; else None.

    A Tariff with fees, restrictions or steps needs a real price engine, which this is not.
    """
    if tariff is None or {"min_price", "max_price"} & tariff.keys():
        return None
    match tariff["elements"]:
        case [{"price_components": [{"type": "ENERGY", "price": price} as only]} as element] if (
            element.keys() == _ENERGY_ALONE and only.get("step_size", 0) <= 1
        ):
            vat = only.get("vat")
            return float(price), None if vat is None else float(vat)
        case _:
            return None
