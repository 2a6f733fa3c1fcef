"""Bodies as partners send them."""

from __future__ import annotations

import json
from typing import Any


def make_token(**overrides: Any) -> dict[str, Any]:
    """A Token with the required fields."""
    return {
        "country_code": "DE",
        "party_id": "MSP",
        "uid": "04A2B3C4",
        "type": "RFID",
        "contract_id": "DE-MSP-C00000001-X",
        "issuer": "Beispiel Mobilität",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-02-03T04:05:06Z",
        **overrides,
    }


def make_tariff(**overrides: Any) -> dict[str, Any]:
    """A Tariff with the required fields."""
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "T1",
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.29, "step_size": 1}]}],
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def make_cdr(**overrides: Any) -> dict[str, Any]:
    """A CDR with the required fields and a tariff."""
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "CDR1",
        "start_date_time": "2026-02-03T04:00:00Z",
        "end_date_time": "2026-02-03T05:00:00Z",
        "cdr_token": {
            "country_code": "DE",
            "party_id": "MSP",
            "uid": "04A2B3C4",
            "type": "RFID",
            "contract_id": "DE-MSP-C00000001-X",
        },
        "auth_method": "AUTH_REQUEST",
        "cdr_location": {
            "id": "LOC1",
            "address": "Keizersgracht 1",
            "city": "Amsterdam",
            "country": "NLD",
            "coordinates": {"latitude": "52.37403", "longitude": "4.88969"},
            "evse_uid": "E1",
            "evse_id": "NL*CPO*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [make_tariff()],
        "charging_periods": [
            {
                "start_date_time": "2026-02-03T04:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 11.5}],
                "tariff_id": "T1",
            }
        ],
        "total_cost": {"excl_vat": 3.34},
        "total_energy": 11.5,
        "total_time": 1,
        "last_updated": "2026-02-03T05:01:00Z",
        **overrides,
    }


def make_session(**overrides: Any) -> dict[str, Any]:
    """A Session with the required fields and a charging period."""
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "S1",
        "start_date_time": "2026-02-03T04:00:00Z",
        "kwh": 3.25,
        "cdr_token": make_cdr()["cdr_token"],
        "auth_method": "COMMAND",
        "location_id": "LOC1",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "charging_periods": make_cdr()["charging_periods"],
        "status": "ACTIVE",
        "last_updated": "2026-02-03T04:30:00Z",
        **overrides,
    }


def make_command(**overrides: Any) -> dict[str, Any]:
    """What every command has, and the fields that are given."""
    return {"response_url": "https://msp.example/ocpi/2.2.1/commands/results/17", **overrides}


def make_charging_profile(**overrides: Any) -> dict[str, Any]:
    """A ChargingProfile with two periods."""
    return {
        "charging_rate_unit": "A",
        "charging_profile_period": [
            {"start_period": 0, "limit": 16},
            {"start_period": 900, "limit": 6.5},
        ],
        **overrides,
    }


def make_credentials(**overrides: Any) -> dict[str, Any]:
    """Credentials of a platform with one CPO."""
    return {
        "token": "n0t-a-s3cret",
        "url": "https://cpo.example/ocpi/versions",
        "roles": [make_role()],
        **overrides,
    }


def make_role(**overrides: Any) -> dict[str, Any]:
    return {
        "role": "CPO",
        "business_details": {"name": "Laadpaal BV"},
        "party_id": "CPO",
        "country_code": "NL",
        **overrides,
    }


def make_connector(**overrides: Any) -> dict[str, Any]:
    """A Connector with the required fields."""
    return {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": "2026-01-02T00:00:00Z",
        **overrides,
    }


def make_evse(**overrides: Any) -> dict[str, Any]:
    """An EVSE with the required fields and its id for people."""
    return {
        "uid": "E1",
        "evse_id": "NL*CPO*E1",
        "status": "AVAILABLE",
        "connectors": [make_connector()],
        "last_updated": "2026-01-03T00:00:00Z",
        **overrides,
    }


def make_location(**overrides: Any) -> dict[str, Any]:
    """A Location with the required fields and an EVSE."""
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "LOC1",
        "publish": True,
        "address": "Keizersgracht 1",
        "city": "Amsterdam",
        "country": "NLD",
        "coordinates": {"latitude": "52.37403", "longitude": "4.88969"},
        "evses": [make_evse()],
        "time_zone": "Europe/Amsterdam",
        "last_updated": "2026-01-04T00:00:00Z",
        **overrides,
    }


def make_client_info(**overrides: Any) -> dict[str, Any]:
    """The ClientInfo of a connected CPO."""
    return {
        "party_id": "CPO",
        "country_code": "NL",
        "role": "CPO",
        "status": "CONNECTED",
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
