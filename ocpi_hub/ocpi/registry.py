"""Which objects the hub knows, by version: version is data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ocpi_hub.domain.party import OcpiVersion
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.patch import patch_of
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.charging_profiles import (
    PROFILE_RESULTS,
    ActiveChargingProfile,
    ChargingProfile,
    ChargingProfileResponse,
    ProfileResult,
    SetChargingProfile,
)
from ocpi_hub.ocpi.v2_2_1.commands import COMMANDS, Command, CommandResponse, CommandResult
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.ocpi.v2_2_1.hub_client_info import ClientInfo
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.ocpi.v2_2_1.sessions import (
    ChargingPreferences,
    ChargingPreferencesResponse,
    Session,
)
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
            Session,
            ChargingPreferences,
            *COMMANDS.values(),
            CommandResponse,
            CommandResult,
            ChargingProfile,
            SetChargingProfile,
            ActiveChargingProfile,
            ChargingProfileResponse,
            *PROFILE_RESULTS.values(),
        )
    }
)
_BARE_STRINGS: Final[Mapping[OcpiVersion, tuple[type[StrEnum], ...]]] = MappingProxyType(
    {V2_2_1: (ChargingPreferencesResponse,)}
)
_PATCHED: Final[Mapping[OcpiVersion, tuple[type[OcpiModel], ...]]] = MappingProxyType(
    {V2_2_1: (Location, EVSE, Connector, Session, Token)}
)
_COMMANDS: Final[Mapping[OcpiVersion, Mapping[str, type[Command]]]] = MappingProxyType(
    {V2_2_1: COMMANDS}
)
_PROFILE_RESULTS: Final[Mapping[OcpiVersion, Mapping[str, type[ProfileResult]]]] = MappingProxyType(
    {V2_2_1: PROFILE_RESULTS}
)


def versions() -> tuple[OcpiVersion, ...]:
    """The versions with models."""
    return tuple(_BODIES)


def body_models(version: OcpiVersion) -> Mapping[str, type[OcpiModel]]:
    """The objects that travel as a body or as an element of a list, by their OCPI name; the bodies
    of PATCH requests are called after their object, such as SessionPatch."""
    patches = (patch_of(model) for model in _PATCHED[version])
    return {model.__name__: model for model in (*_BODIES[version], *patches)}


def bare_strings(version: OcpiVersion) -> Mapping[str, type[StrEnum]]:
    """The enums of which a value is the whole `data` of an answer, by their OCPI name."""
    return {enum.__name__: enum for enum in _BARE_STRINGS[version]}


def command_body(version: OcpiVersion, command: str) -> type[Command] | None:
    """The body of a command; None when this version has no such command (CM-02)."""
    return _COMMANDS[version].get(command)


def profile_result(version: OcpiVersion, method: str) -> type[ProfileResult] | None:
    """What arrives later, at the `response_url` of a request for a charging profile (CP-05)."""
    return _PROFILE_RESULTS[version].get(method)
