"""Which objects the hub knows, by version: version is data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ocpi_hub.domain.party import Module, OcpiVersion
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.ocpi.v2_2_1.hub_client_info import ClientInfo
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import AuthorizationInfo, LocationReferences, Token
from ocpi_hub.ocpi.v2_2_1.versions import Version, VersionDetails

V2_2_1: Final = OcpiVersion("2.2.1")

_BODIES: Final[Mapping[OcpiVersion, tuple[type[OcpiModel], ...]]] = MappingProxyType(
    {
        V2_2_1: (
            Version,
            VersionDetails,
            Credentials,
            ClientInfo,
            Location,
            EVSE,
            Connector,
            Token,
            LocationReferences,
            AuthorizationInfo,
            Tariff,
            CDR,
        )
    }
)
_MODULE_OBJECTS: Final[Mapping[OcpiVersion, Mapping[Module, type[OcpiModel]]]] = MappingProxyType(
    {
        V2_2_1: MappingProxyType(
            {
                Module.CDRS: CDR,
                Module.CREDENTIALS: Credentials,
                Module.HUB_CLIENT_INFO: ClientInfo,
                Module.LOCATIONS: Location,
                Module.TARIFFS: Tariff,
                Module.TOKENS: Token,
            }
        )
    }
)


def versions() -> tuple[OcpiVersion, ...]:
    """The versions with models."""
    return tuple(_BODIES)


def body_models(version: OcpiVersion) -> Mapping[str, type[OcpiModel]]:
    """The objects that travel as a body or as an element of a list, by their OCPI name."""
    return {model.__name__: model for model in _BODIES[version]}


def module_object(version: OcpiVersion, module: Module) -> type[OcpiModel] | None:
    """The object that a module exchanges; None when this version has no model of it."""
    return _MODULE_OBJECTS[version].get(module)
