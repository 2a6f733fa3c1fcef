"""Tokens module. Spec: 2.2.1 mod_tokens_tokens_module."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.base import (
    Boolean,
    CiString,
    CountryCode,
    DateTime,
    Identifier,
    Language,
    Many,
    OcpiModel,
    OcpiString,
    OpenEnum,
    PartyCode,
)
from ocpi_hub.ocpi.v2_2_1.common import DisplayText, ProfileType


class TokenType(StrEnum):
    """Spec: 2.2.1 mod_tokens_tokentype_enum."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    OTHER = "OTHER"
    RFID = "RFID"


DEFAULT_TOKEN_TYPE: Final = TokenType.RFID
"""What a request without the parameter `type` means (TK-02)."""


class WhitelistType(StrEnum):
    """Spec: 2.2.1 mod_tokens_whitelisttype_enum."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class AllowedType(StrEnum):
    """Spec: 2.2.1 mod_tokens_allowed_enum."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


class EnergyContract(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_tokens_energy_contract."""

    supplier_name: Annotated[str, OcpiString(64)]
    contract_id: Annotated[str, OcpiString(64)] | None = None


class Token(OcpiModel, frozen=True):
    """Identity: country_code, party_id, uid and type. Spec: 2.2.1 mod_tokens_token_object."""

    country_code: CountryCode
    party_id: PartyCode
    uid: Annotated[str, Identifier(36)]
    type: Annotated[str, OpenEnum(TokenType)]
    contract_id: Annotated[str, CiString(36)]
    visual_number: Annotated[str, OcpiString(64)] | None = None
    issuer: Annotated[str, OcpiString(64)]
    group_id: Annotated[str, CiString(36)] | None = None
    valid: Boolean
    whitelist: Annotated[str, OpenEnum(WhitelistType)]
    language: Language | None = None
    default_profile_type: Annotated[str, OpenEnum(ProfileType)] | None = None
    energy_contract: EnergyContract | None = None
    last_updated: DateTime

    @property
    def owner(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)


class LocationReferences(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_tokens_locationreferences_class."""

    location_id: Annotated[str, Identifier(36)]
    evse_uids: Many[Annotated[str, Identifier(36)]] = ()


class AuthorizationInfo(OcpiModel, frozen=True):
    """The answer to authorize. Spec: 2.2.1 mod_tokens_authorizationinfo_object."""

    allowed: Annotated[str, OpenEnum(AllowedType)]
    token: Token
    location: LocationReferences | None = None
    authorization_reference: Annotated[str, CiString(36)] | None = None
    info: DisplayText | None = None
