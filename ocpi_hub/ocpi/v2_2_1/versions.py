"""Versions module: what a platform offers. Spec: 2.2.1 versions_module."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ocpi_hub.domain.party import InterfaceRole, Module
from ocpi_hub.ocpi.base import OcpiModel, OpenEnum, Some, Url


class VersionNumber(StrEnum):
    """Spec: 2.2.1 version_information_endpoint_versionnumber_enum; 2.3.0 adds the last one."""

    V2_0 = "2.0"
    V2_1 = "2.1"
    V2_1_1 = "2.1.1"
    V2_2 = "2.2"
    V2_2_1 = "2.2.1"
    V2_3_0 = "2.3.0"


class Version(OcpiModel, frozen=True):
    """Spec: 2.2.1 version_information_endpoint_version_class."""

    version: Annotated[str, OpenEnum(VersionNumber)]
    url: Url


class Endpoint(OcpiModel, frozen=True):
    """An interface of a module. Custom modules make the identifier an open set (VE-11).

    Spec: 2.2.1 version_information_endpoint_endpoint_class.
    """

    identifier: Annotated[str, OpenEnum(Module)]
    role: Annotated[str, OpenEnum(InterfaceRole)]
    url: Url


class VersionDetails(OcpiModel, frozen=True):
    """Spec: 2.2.1 version_information_endpoint_version_details_endpoint."""

    version: Annotated[str, OpenEnum(VersionNumber)]
    endpoints: Some[Endpoint]
