"""Which fields of tokens and CDRs have columns of their own. Spec: 2.2.1 mod_tokens_token_object,
mod_cdrs_cdr_object."""

from __future__ import annotations

from typing import Final

from ocpi_hub.delivery.files.columns import Column, Kind, Table


def _needed(*names: str, kind: Kind = Kind.TEXT) -> list[Column]:
    return [Column(name, kind, required=True) for name in names]


def _optional(*names: str, kind: Kind = Kind.TEXT) -> list[Column]:
    return [Column(name, kind) for name in names]


def _price(name: str, *, required: bool = False) -> list[Column]:
    return [
        Column(f"{name}.excl_vat", Kind.NUMBER, required),
        Column(f"{name}.incl_vat", Kind.NUMBER),
    ]


TOKENS: Final = Table(
    [
        *_needed("country_code", "party_id", "uid", "type", "contract_id"),
        *_optional("visual_number"),
        *_needed("issuer"),
        *_optional("group_id"),
        *_needed("valid", kind=Kind.FLAG),
        *_needed("whitelist"),
        *_optional("language", "default_profile_type"),
        *_optional("energy_contract.supplier_name", "energy_contract.contract_id"),
        *_needed("last_updated"),
    ]
)

CDRS: Final = Table(
    [
        *_needed("country_code", "party_id", "id", "start_date_time", "end_date_time"),
        *_optional("session_id"),
        *_needed(
            "cdr_token.country_code",
            "cdr_token.party_id",
            "cdr_token.uid",
            "cdr_token.type",
            "cdr_token.contract_id",
            "auth_method",
        ),
        *_optional("authorization_reference"),
        *_needed("cdr_location.id"),
        *_optional("cdr_location.name"),
        *_needed("cdr_location.address", "cdr_location.city"),
        *_optional("cdr_location.postal_code", "cdr_location.state"),
        *_needed(
            "cdr_location.country",
            "cdr_location.coordinates.latitude",
            "cdr_location.coordinates.longitude",
            "cdr_location.evse_uid",
            "cdr_location.evse_id",
            "cdr_location.connector_id",
            "cdr_location.connector_standard",
            "cdr_location.connector_format",
            "cdr_location.connector_power_type",
        ),
        *_optional("meter_id"),
        *_needed("currency"),
        *_optional("tariffs", kind=Kind.JSON),
        *_needed("charging_periods", kind=Kind.JSON),
        *_optional("signed_data", kind=Kind.JSON),
        *_price("total_cost", required=True),
        *_price("total_fixed_cost"),
        *_needed("total_energy", kind=Kind.NUMBER),
        *_price("total_energy_cost"),
        *_needed("total_time", kind=Kind.NUMBER),
        *_price("total_time_cost"),
        *_optional("total_parking_time", kind=Kind.NUMBER),
        *_price("total_parking_cost"),
        *_price("total_reservation_cost"),
        *_optional("remark", "invoice_reference_id"),
        *_optional("credit", kind=Kind.FLAG),
        *_optional("credit_reference_id"),
        *_optional("home_charging_compensation", kind=Kind.FLAG),
        *_needed("last_updated"),
    ]
)
