"""A sample of every object of 2.2.1, with most of its optional fields."""

from __future__ import annotations

from typing import Any

from tests.unit.ocpi.factories import (
    make_cdr,
    make_charging_profile,
    make_client_info,
    make_command,
    make_connector,
    make_credentials,
    make_evse,
    make_location,
    make_session,
    make_tariff,
    make_token,
)

CONNECTOR = make_connector(
    max_electric_power=22000, tariff_ids=["T1"], terms_and_conditions="https://a.example/terms"
)
IMAGE = {
    "url": "https://a.example/i.png",
    "thumbnail": "https://a.example/t.png",
    "category": "CHARGER",
    "type": "png",
    "width": 800,
    "height": 600,
}
EVSE = make_evse(
    evse_id="NL*CPO*E1",
    status_schedule=[
        {
            "period_begin": "2026-05-01T00:00:00Z",
            "period_end": "2026-06-01T00:00:00Z",
            "status": "PLANNED",
        }
    ],
    capabilities=["RESERVABLE"],
    connectors=[CONNECTOR],
    floor_level="-1",
    coordinates={"latitude": "52.37403", "longitude": "-4.88969"},
    physical_reference="7",
    directions=[{"language": "nl", "text": "Links"}],
    parking_restrictions=["EV_ONLY"],
    images=[IMAGE],
)
LOCATION = make_location(
    publish=False,
    publish_allowed_to=[
        {
            "uid": "04A2B3C4",
            "type": "RFID",
            "visual_number": "1234",
            "issuer": "Beispiel",
            "group_id": "G",
        }
    ],
    name="Gracht",
    postal_code="1015 CJ",
    state="Noord-Holland",
    related_locations=[
        {
            "latitude": "52.37403",
            "longitude": "4.88969",
            "name": {"language": "nl", "text": "Ingang"},
        }
    ],
    parking_type="ON_STREET",
    evses=[make_evse()],
    operator={"name": "Laadpaal BV", "website": "https://a.example", "logo": IMAGE},
    facilities=["HOTEL"],
    opening_times={
        "twentyfourseven": False,
        "regular_hours": [{"weekday": 7, "period_begin": "08:00", "period_end": "20:00"}],
        "exceptional_openings": [
            {"period_begin": "2026-05-01T00:00:00Z", "period_end": "2026-05-02T00:00:00Z"}
        ],
    },
    charging_when_closed=False,
)

TOKEN = make_token(
    visual_number="1234",
    group_id="G",
    language="de",
    default_profile_type="FAST",
    energy_contract={"supplier_name": "S", "contract_id": "C"},
)
TEXT = {"language": "de", "text": "Gleich"}
SESSION = make_session(
    end_date_time="2026-02-03T04:30:00.0001",
    authorization_reference="ref",
    meter_id="M",
    total_cost={"excl_vat": 0.00, "incl_vat": 0},
)
PROFILE = make_charging_profile(
    start_date_time="2026-02-03T04:00:00", duration=3600, min_charging_rate=6.1
)
ACTIVE = {"start_date_time": "2026-02-03T04:00:00Z", "charging_profile": PROFILE}

COMPLETE: dict[str, dict[str, Any]] = {
    "Version": {"version": "2.2.1", "url": "https://a.example/ocpi/2.2.1"},
    "VersionDetails": {
        "version": "2.2.1",
        "endpoints": [
            {"identifier": "cdrs", "role": "SENDER", "url": "https://a.example/ocpi/2.2.1/cdrs"}
        ],
    },
    "Credentials": make_credentials(),
    "ClientInfo": make_client_info(),
    "Location": LOCATION,
    "EVSE": EVSE,
    "Connector": CONNECTOR,
    "Token": TOKEN,
    "LocationReferences": {"location_id": "LOC1", "evse_uids": ["E1"]},
    "AuthorizationInfo": {
        "allowed": "ALLOWED",
        "token": make_token(),
        "location": {"location_id": "LOC1"},
        "authorization_reference": "ref",
        "info": {"language": "de", "text": "Willkommen"},
    },
    "Tariff": make_tariff(
        type="REGULAR",
        tariff_alt_text=[{"language": "nl", "text": "Goedkoop"}],
        tariff_alt_url="https://a.example/t",
        min_price={"excl_vat": 1, "incl_vat": 1.21},
        start_date_time="2026-01-01T00:00:00",
        energy_mix={
            "is_green_energy": True,
            "energy_sources": [{"source": "WIND", "percentage": 100}],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 0.5}],
        },
        elements=[
            {
                "price_components": [
                    {"type": "ENERGY", "price": 0.29, "vat": 21.0, "step_size": 1.0}
                ],
                "restrictions": {
                    "start_time": "08:00",
                    "start_date": "2026-01-01",
                    "max_kwh": 50,
                    "min_duration": 60,
                    "day_of_week": ["MONDAY"],
                    "reservation": "RESERVATION",
                },
            }
        ],
    ),
    "CDR": make_cdr(
        signed_data={
            "encoding_method": "OCMF",
            "signed_values": [{"nature": "Start", "plain_data": "p", "signed_data": "s"}],
        },
        home_charging_compensation=False,
        remark="r",
    ),
    "Session": SESSION,
    "ChargingPreferences": {
        "profile_type": "GREEN",
        "departure_time": "2026-02-03T17:00:00.25",
        "energy_need": 12.5,
        "discharge_allowed": False,
    },
    "CancelReservation": make_command(reservation_id="R1"),
    "ReserveNow": make_command(
        token=make_token(),
        expiry_date="2026-02-03T17:00:00Z",
        reservation_id="R1",
        location_id="LOC1",
        evse_uid="E1",
        authorization_reference="ref",
    ),
    "StartSession": make_command(
        token=make_token(),
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        authorization_reference="ref",
    ),
    "StopSession": make_command(session_id="S1"),
    "UnlockConnector": make_command(location_id="LOC1", evse_uid="E1", connector_id="1"),
    "CommandResponse": {"result": "ACCEPTED", "timeout": 30, "message": [TEXT]},
    "CommandResult": {"result": "CANCELED_RESERVATION", "message": [TEXT]},
    "ChargingProfile": PROFILE,
    "SetChargingProfile": {"charging_profile": PROFILE, "response_url": "https://a.example/r?id=1"},
    "ActiveChargingProfile": ACTIVE,
    "ChargingProfileResponse": {"result": "TOO_OFTEN", "timeout": 0},
    "ActiveChargingProfileResult": {"result": "ACCEPTED", "profile": ACTIVE},
    "ChargingProfileResult": {"result": "REJECTED"},
    "ClearProfileResult": {"result": "UNKNOWN"},
    "LocationPatch": LOCATION,
    "EVSEPatch": EVSE,
    "ConnectorPatch": CONNECTOR,
    "SessionPatch": SESSION,
    "TokenPatch": TOKEN,
}
