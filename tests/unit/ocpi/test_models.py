"""The objects of 2.2.1: required fields, lengths, cardinalities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from ocpi_hub.domain.party import CredentialsToken, PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel, Rule
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.registry import V2_2_1, body_models, versions
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR, AuthMethod, CdrDimensionType, SignedData
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import (
    DEFAULT_TOKEN_TYPE,
    AllowedType,
    AuthorizationInfo,
    LocationReferences,
    Token,
    TokenType,
    WhitelistType,
)
from ocpi_hub.ocpi.v2_2_1.versions import Version, VersionDetails, VersionNumber
from tests.unit.ocpi.factories import (
    encode,
    make_cdr,
    make_credentials,
    make_role,
    make_tariff,
    make_token,
)

M = TypeVar("M", bound=OcpiModel)


def accept(value: dict[str, Any], model: type[M]) -> Parsed[M]:
    return parse_object(encode(value), model, max_depth=16)


def rules(model: type[OcpiModel], value: dict[str, Any]) -> list[tuple[str, Rule]]:
    return [(found.path, found.rule) for found in accept(value, model).findings]


def required_fields(model: type[OcpiModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


@pytest.mark.parametrize(
    ("model", "make"),
    [
        pytest.param(Token, make_token, marks=pytest.mark.req("TK-15")),
        pytest.param(CDR, make_cdr, marks=pytest.mark.req("CD-13")),
        pytest.param(Tariff, make_tariff),
        pytest.param(Credentials, make_credentials, marks=pytest.mark.req("CR-19")),
    ],
)
def test_every_required_field_is_missed(
    model: type[OcpiModel], make: Callable[..., dict[str, Any]]
) -> None:
    complete = make()
    assert rules(model, complete) == []
    assert required_fields(model) <= set(complete)
    for name in required_fields(model):
        rest = {key: value for key, value in complete.items() if key != name}
        with pytest.raises(InvalidRequest, match=rf"^{name}: is required$"):
            accept(rest, model)
        with pytest.raises(InvalidRequest, match=f"^{name}: must be"):
            accept({**complete, name: None}, model)


@pytest.mark.req("CD-13", "CD-14", "TK-15")
def test_fields_of_cdr_and_token_are_those_of_the_specification() -> None:
    assert required_fields(CDR) == {
        *("country_code", "party_id", "id", "start_date_time", "end_date_time", "cdr_token"),
        *("auth_method", "cdr_location", "currency", "charging_periods", "total_cost"),
        *("total_energy", "total_time", "last_updated"),
    }
    assert set(CDR.model_fields) - required_fields(CDR) == {
        *("session_id", "authorization_reference", "meter_id", "tariffs", "signed_data"),
        *("total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_time"),
        *("total_parking_cost", "total_reservation_cost", "remark", "invoice_reference_id"),
        *("credit", "credit_reference_id", "home_charging_compensation"),
    }
    assert required_fields(Token) == set(make_token())
    assert set(Token.model_fields) - required_fields(Token) == {
        *("visual_number", "group_id", "language", "default_profile_type", "energy_contract"),
    }


@pytest.mark.req("TK-15")
def test_token_lengths() -> None:
    full = make_token(
        uid="u" * 36,
        contract_id="c" * 36,
        visual_number="v" * 64,
        issuer="ü" * 64,
        group_id="g" * 36,
        language="de",
        default_profile_type="GREEN",
        energy_contract={"supplier_name": "s" * 64, "contract_id": "c" * 64},
    )
    assert rules(Token, full) == []
    over = {
        name: value + "x"
        for name, value in full.items()
        if name in {"uid", "contract_id", "visual_number", "issuer", "group_id"}
    }
    assert dict(rules(Token, {**full, **over})) == dict.fromkeys(over, Rule.TOO_LONG)


@pytest.mark.req("TK-16")
def test_token_types_and_location_references() -> None:
    assert {member.value for member in TokenType} == {"AD_HOC_USER", "APP_USER", "OTHER", "RFID"}
    assert {member.value for member in WhitelistType} == {
        *("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"),
    }
    place = {"location_id": "l" * 36, "evse_uids": ["e" * 36, "#NA"]}
    assert rules(LocationReferences, place) == []
    assert rules(LocationReferences, {"location_id": "LOC1", "evse_uids": None}) == []
    assert rules(LocationReferences, {"location_id": "LOC1", "evse_uids": ["e" * 37]}) == [
        ("evse_uids[0]", Rule.TOO_LONG)
    ]


@pytest.mark.req("TK-02")
def test_token_type_of_a_request_that_names_none_is_rfid() -> None:
    assert DEFAULT_TOKEN_TYPE == "RFID"


def test_authorization_info_is_written_as_ocpi_json() -> None:
    token = accept(make_token(), Token).value
    info = AuthorizationInfo(
        allowed=AllowedType.ALLOWED,
        token=token,
        location=LocationReferences(location_id="LOC1"),
        authorization_reference="ref-1",
    )
    assert parse_object(info.to_json(), AuthorizationInfo, max_depth=8).value == info
    assert b'"last_updated":"2026-02-03T04:05:06.000Z"' in info.to_json()
    assert b'"allowed":"ALLOWED"' in info.to_json()
    assert b"evse_uids" not in info.to_json()


def test_owner_compares_case_insensitively_and_keeps_its_spelling() -> None:
    token = accept(make_token(country_code="de", party_id="Msp"), Token).value
    assert token.owner == PartyId("DE", "MSP")
    assert (token.country_code, token.party_id) == ("de", "Msp")


@pytest.mark.req("CR-17")
@pytest.mark.parametrize("token", ["!", "~" * 64, "a==", "{}"])
def test_credentials_token_of_printable_ascii_is_accepted(token: str) -> None:
    credentials = accept(make_credentials(token=token), Credentials).value
    assert credentials.credentials_token == CredentialsToken(token)


@pytest.mark.req("CR-17")
@pytest.mark.parametrize("token", ["", "~" * 65, "a b", "a\tb", "tökén", "abc\n", " abc"])
def test_other_credentials_tokens_are_refused_without_being_shown(token: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        accept(make_credentials(token=token), Credentials)
    assert refusal.value.message == (
        "token: must be 1 to 64 printable ASCII characters without white space"
    )


def test_credentials_do_not_show_their_token() -> None:
    credentials = accept(make_credentials(), Credentials).value
    assert "n0t-a-s3cret" not in repr(credentials)


@pytest.mark.req("CR-19")
def test_roles_may_share_a_role_or_a_party_but_not_both() -> None:
    roles = [
        make_role(),
        make_role(party_id="CP2"),
        make_role(role="EMSP"),
        make_role(country_code="BE"),
    ]
    assert rules(Credentials, make_credentials(roles=roles)) == []
    with pytest.raises(InvalidRequest, match=r"^roles: each role, party_id and country_code"):
        accept(make_credentials(roles=[make_role(), make_role(party_id="cpo")]), Credentials)
    with pytest.raises(InvalidRequest, match=r"^roles: must have at least one element"):
        accept(make_credentials(roles=[]), Credentials)


@pytest.mark.req("CR-19")
@pytest.mark.parametrize(
    "wrong",
    [{"party_id": "ABCD"}, {"party_id": "A*B"}, {"country_code": "N1"}, {"country_code": "NLD"}],
)
def test_role_that_names_no_party_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match=r"^roles\[0\]: country_code must be two letters"):
        accept(make_credentials(roles=[make_role(**wrong)]), Credentials)


@pytest.mark.req("CR-19")
def test_role_tells_its_party_and_details() -> None:
    details = {"name": "n" * 100, "website": "https://cpo.example", "logo": None}
    role = accept(
        make_credentials(roles=[make_role(business_details=details)]), Credentials
    ).value.roles[0]
    assert role.party == PartyId("NL", "CPO")
    assert role.business_details.name == "n" * 100


@pytest.mark.req("CR-18")
def test_credentials_of_a_hub_are_expressible() -> None:
    hub = make_credentials(roles=[make_role(role="HUB", country_code="EU", party_id="HUB")])
    assert rules(Credentials, hub) == []


@pytest.mark.req("VE-01", "VE-02")
def test_versions() -> None:
    assert {member.value for member in VersionNumber} >= {"2.0", "2.1", "2.1.1", "2.2", "2.2.1"}
    assert rules(Version, {"version": "2.2.1", "url": "https://a.example/2.2.1"}) == []
    assert rules(Version, {"version": "3.0", "url": "https://a.example/3.0"}) == [
        ("version", Rule.UNKNOWN_VALUE)
    ]


@pytest.mark.req("VE-03")
def test_version_details_need_an_endpoint_and_its_role() -> None:
    endpoint = {"identifier": "tokens", "role": "SENDER", "url": "https://a.example/tokens"}
    assert rules(VersionDetails, {"version": "2.2.1", "endpoints": [endpoint]}) == []
    with pytest.raises(InvalidRequest, match=r"^endpoints: must have at least one element"):
        accept({"version": "2.2.1", "endpoints": []}, VersionDetails)
    del endpoint["role"]
    with pytest.raises(InvalidRequest, match=r"^endpoints\[0\].role: is required"):
        accept({"version": "2.2.1", "endpoints": [endpoint]}, VersionDetails)


@pytest.mark.req("CD-12")
def test_only_credit_cdrs_have_ids_over_36_characters() -> None:
    assert rules(CDR, make_cdr(id="i" * 36)) == []
    assert rules(CDR, make_cdr(id="i" * 37)) == [("id", Rule.CROSS_FIELD)]
    credit = make_cdr(id="i" * 39, credit=True, credit_reference_id="i" * 36)
    assert rules(CDR, credit) == []
    assert rules(CDR, {**credit, "id": "i" * 40}) == [("id", Rule.TOO_LONG)]
    assert rules(CDR, {**credit, "credit_reference_id": None}) == [
        ("credit_reference_id", Rule.CROSS_FIELD)
    ]


@pytest.mark.req("CD-14")
def test_optional_cdr_fields() -> None:
    price = {"excl_vat": -1.5, "incl_vat": 0}
    cdr = make_cdr(
        session_id="s" * 36,
        authorization_reference="a" * 36,
        meter_id="m" * 255,
        tariffs=None,
        total_fixed_cost=price,
        total_energy_cost=price,
        total_time_cost=price,
        total_parking_time=0.25,
        total_parking_cost=price,
        total_reservation_cost=price,
        remark="r" * 255,
        invoice_reference_id="i" * 39,
        credit=False,
        home_charging_compensation=False,
    )
    assert rules(CDR, cdr) == [("tariffs", Rule.MISSING)]
    value = accept(cdr, CDR).value
    assert value.tariffs == ()


@pytest.mark.req("CD-15")
@pytest.mark.parametrize("name", ["country_code", "party_id", "uid", "type", "contract_id"])
def test_cdr_token_is_complete(name: str) -> None:
    cdr = make_cdr()
    del cdr["cdr_token"][name]
    with pytest.raises(InvalidRequest, match=rf"^cdr_token\.{name}: is required$"):
        accept(cdr, CDR)


def test_receiver_of_a_cdr_is_the_party_in_its_token() -> None:
    cdr = accept(make_cdr(), CDR).value
    assert (cdr.owner, cdr.cdr_token.owner) == (PartyId("NL", "CPO"), PartyId("DE", "MSP"))


@pytest.mark.req("CD-16")
def test_cdr_location_takes_the_lengths_of_a_location() -> None:
    cdr = make_cdr()
    cdr["cdr_location"] |= {
        "name": "n" * 255,
        "address": "a" * 255,
        "city": "c" * 45,
        "postal_code": "p" * 10,
        "state": "s" * 45,
    }
    assert rules(CDR, cdr) == []
    for name in ("id", "city", "country", "coordinates", "evse_uid", "evse_id", "connector_id"):
        place = {key: item for key, item in cdr["cdr_location"].items() if key != name}
        with pytest.raises(InvalidRequest, match=rf"^cdr_location\.{name}: is required$"):
            accept({**cdr, "cdr_location": place}, CDR)


@pytest.mark.req("CD-17", "TF-28")
def test_cdr_of_a_reservation_may_name_no_connector() -> None:
    cdr = make_cdr()
    cdr["cdr_location"] |= {"evse_uid": "#NA", "evse_id": "#NA", "connector_id": "#NA"}
    assert rules(CDR, cdr) == []


@pytest.mark.req("CD-18")
def test_charging_period_needs_dimensions_and_may_lack_a_tariff() -> None:
    period: dict[str, Any] = {"start_date_time": "2026-02-03T04:00:00Z", "dimensions": []}
    with pytest.raises(InvalidRequest, match=r"^charging_periods\[0\].dimensions: must have at"):
        accept(make_cdr(charging_periods=[period]), CDR)
    with pytest.raises(InvalidRequest, match=r"^charging_periods: must have at least one"):
        accept(make_cdr(charging_periods=[]), CDR)
    period["dimensions"] = [{"type": "TIME", "volume": 1}]
    value = accept(make_cdr(charging_periods=[period]), CDR).value
    assert value.charging_periods[0].tariff_id is None


@pytest.mark.req("CD-19")
@pytest.mark.parametrize("dimension", list(CdrDimensionType))
def test_cdr_dimensions(dimension: str) -> None:
    period = {
        "start_date_time": "2026-02-03T04:00:00Z",
        "dimensions": [{"type": dimension, "volume": -0.1}],
    }
    assert rules(CDR, make_cdr(charging_periods=[period])) == []


def test_auth_methods() -> None:
    assert {member.value for member in AuthMethod} == {"AUTH_REQUEST", "COMMAND", "WHITELIST"}


@pytest.mark.req("CD-22")
def test_signed_data_lengths() -> None:
    value = {"nature": "Start", "plain_data": "p" * 5000, "signed_data": "s" * 5000}
    signed = {
        "encoding_method": "OCMF",
        "encoding_method_version": 1,
        "public_key": "k" * 512,
        "signed_values": [value],
        "url": "https://cpo.example/" + "u" * 492,
    }
    assert rules(SignedData, signed) == []
    assert rules(SignedData, {**signed, "signed_values": [{**value, "nature": "Custom"}]}) == []
    assert rules(
        SignedData, {**signed, "signed_values": [{**value, "plain_data": "p" * 5001}]}
    ) == [("signed_values[0].plain_data", Rule.TOO_LONG)]
    with pytest.raises(InvalidRequest, match=r"^signed_values: must have at least one"):
        accept({**signed, "signed_values": []}, SignedData)


@pytest.mark.req("CD-23")
def test_signed_values_pass_character_by_character() -> None:
    text = 'OCMF|{\n  "a": 1.0}\t|e\u0301 \u00a0'
    value = {"nature": "End", "plain_data": text, "signed_data": text}
    cdr = make_cdr(signed_data={"encoding_method": "OCMF", "signed_values": [value]})
    parsed = parse_object(encode(cdr), CDR, max_depth=16)
    assert parsed.value.signed_data is not None
    assert parsed.value.signed_data.signed_values[0].plain_data == text


@pytest.mark.req("CD-24")
def test_cdr_without_known_times_is_accepted() -> None:
    unknown = "1970-1-1T00:00:00Z"
    cdr = accept(make_cdr(start_date_time=unknown, end_date_time=unknown), CDR).value
    assert cdr.start_date_time == cdr.end_date_time == datetime(1970, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidRequest, match=r"^last_updated: must be a DateTime"):
        accept(make_cdr(last_updated=unknown), CDR)


@pytest.mark.req("TY-11")
def test_unknown_enum_values_deep_inside_survive_and_are_found() -> None:
    tariff = make_tariff(
        elements=[
            {
                "price_components": [{"type": "KM", "price": 1, "step_size": 1}],
                "restrictions": {"day_of_week": ["MONDAY", "Tuesday"], "start_time": "8:00"},
            }
        ]
    )
    assert rules(CDR, make_cdr(tariffs=[tariff])) == [
        ("tariffs[0].elements[0].price_components[0].type", Rule.UNKNOWN_VALUE),
        ("tariffs[0].elements[0].restrictions.start_time", Rule.WRONG_FORM),
        ("tariffs[0].elements[0].restrictions.day_of_week[1]", Rule.UNKNOWN_VALUE),
    ]


def test_registry_knows_the_objects_by_version() -> None:
    assert versions() == (V2_2_1,)
    assert body_models(V2_2_1)["CDR"] is CDR
    assert body_models(V2_2_1)["AuthorizationInfo"] is AuthorizationInfo
