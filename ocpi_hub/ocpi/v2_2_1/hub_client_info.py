"""HubClientInfo module. Spec: 2.2.1 mod_hub_client_info_module."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.ocpi.base import CountryCode, DateTime, OcpiModel, OpenEnum, PartyCode


class ConnectionStatus(StrEnum):
    """Spec: 2.2.1 mod_hub_client_info_hub_connection_type_enum."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


class ClientInfo(OcpiModel, frozen=True):
    """How a party in one role stands with the hub, which owns this object and its `last_updated`.

    Spec: 2.2.1 mod_hub_client_info_hub_client_info_object.
    """

    party_id: PartyCode
    country_code: CountryCode
    role: Annotated[str, OpenEnum(Role)]
    status: Annotated[str, OpenEnum(ConnectionStatus)]
    last_updated: DateTime

    @property
    def party(self) -> PartyId:
        """The party it is about."""
        return PartyId(self.country_code, self.party_id)
