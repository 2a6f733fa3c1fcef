"""Credentials module. Spec: 2.2.1 credentials_credentials_object."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema, model_validator

from ocpi_hub.domain.party import CredentialsToken, PartyId, Role
from ocpi_hub.ocpi.base import CountryCode, OcpiModel, OpenEnum, PartyCode, Some, Url
from ocpi_hub.ocpi.v2_2_1.common import BusinessDetails

_FORM: Final = r"[\x21-\x7e]{1,64}"


def _usable_token(value: str) -> CredentialsToken:
    # The rule alone stands in the message: the value is a secret.
    if not re.fullmatch(_FORM, value):
        raise ValueError("must be 1 to 64 printable ASCII characters without white space")
    return CredentialsToken(value)


class CredentialsRole(OcpiModel, frozen=True):
    """A party of a platform, in one role. Spec: 2.2.1 credentials_credentials_role_class."""

    role: Annotated[str, OpenEnum(Role)]
    business_details: BusinessDetails
    party_id: PartyCode
    country_code: CountryCode

    @model_validator(mode="after")
    def _names_a_party(self) -> CredentialsRole:
        # Routing works with these values, so a form that other objects may have is no use here.
        try:
            PartyId.parse(f"{self.country_code}*{self.party_id}")
        except ValueError:
            raise ValueError(
                "country_code must be two letters, party_id three letters or digits"
            ) from None
        return self

    @property
    def party(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)


class Credentials(OcpiModel, frozen=True):
    """How to reach a platform, and who is on it. Spec: 2.2.1 credentials_credentials_object."""

    token: Annotated[
        str,
        AfterValidator(_usable_token),
        WithJsonSchema({"type": "string", "pattern": f"^{_FORM}$"}),
    ]
    url: Url
    roles: Some[CredentialsRole]

    @model_validator(mode="after")
    def _roles_differ(self) -> Credentials:
        keys = {(held.role, held.party) for held in self.roles}
        if len(keys) < len(self.roles):
            raise ValueError("roles: each role, party_id and country_code may stand here once")
        return self

    @property
    def credentials_token(self) -> CredentialsToken:
        return CredentialsToken(self.token)
