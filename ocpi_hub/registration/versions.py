"""What the hub offers: its versions, its endpoints, its credentials object.

SENDER and RECEIVER interfaces have different URLs (decision D-8): a path behind `locations` could
belong to either, and the routing headers carry no role.
Spec: 2.2.1 versions_module, credentials_credentials_object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    Module,
    OcpiVersion,
    PartyId,
    Role,
)
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.settings import Settings

VERSION: Final = OcpiVersion("2.2.1")

OFFERED_VERSIONS: Final = (VERSION,)
"""Versions of this hub: one is advertised once it passes its conformance tests."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the hub hands out about itself; every method returns the JSON text of `data`.

    Attributes:
        public_url: base of every URL, without a trailing slash.
        interfaces: functional modules by interface.
        offered: versions, each with the same modules.
    """

    hub: PartyId
    name: str
    public_url: str
    interfaces: Sequence[tuple[str, InterfaceRole]]
    offered: Sequence[OcpiVersion] = OFFERED_VERSIONS

    @property
    def versions_url(self) -> str:
        return f"{self.public_url}/ocpi/versions"

    def versions(self) -> bytes:
        """Spec: 2.2.1 version_information_endpoint_version_class."""
        return dump(
            [
                {"version": version, "url": f"{self.public_url}/ocpi/{version}"}
                for version in self.offered
            ]
        )

    def details(self, version: OcpiVersion, custom_modules: Iterable[str] = ()) -> bytes:
        """Spec: 2.2.1 version_information_endpoint_version_details_endpoint.

        Args:
            custom_modules: those agreed on with whoever asks; nobody else hears of them (VE-11).
        """
        base = f"{self.public_url}/ocpi/{version}"
        # The role means nothing for credentials; SENDER is what the specification advises.
        credentials = _endpoint(Module.CREDENTIALS, InterfaceRole.SENDER, f"{base}/credentials")
        functional = [
            _endpoint(module, role, f"{base}/{role.lower()}/{module}")
            for module, role in (*self.interfaces, *_both_roles(custom_modules))
        ]
        return dump({"version": version, "endpoints": [credentials, *functional]})

    @property
    def digest(self) -> bytes:
        """Changes with the endpoints: a partner that was told another one has to read them again
        (VE-10). Custom modules are not part of it: they are not the same for everybody."""
        return hashlib.sha256(b"".join(map(self.details, self.offered))).digest()

    def credentials(self, token: CredentialsToken) -> bytes:
        """The credentials object with which a partner reaches this hub.

        The hub reports itself only, never the parties behind it (CR-18).
        """
        role = {
            "role": Role.HUB.value,
            "business_details": {"name": self.name},
            "party_id": self.hub.party_id,
            "country_code": self.hub.country_code,
        }
        return dump({"token": str(token), "url": self.versions_url, "roles": [role]})


def make_offer(
    settings: Settings,
    public_url: str,
    interfaces: Sequence[tuple[str, InterfaceRole]],
    offered: Sequence[OcpiVersion] = OFFERED_VERSIONS,
) -> Offer:
    """The offer of the hub that `settings` describe, reached under `public_url`."""
    hub = PartyId(settings.hub_country_code, settings.hub_party_id)
    return Offer(hub, settings.hub_name, public_url, interfaces, offered)


def highest_first(versions: Iterable[OcpiVersion]) -> list[OcpiVersion]:
    """Versions of this hub, in the order in which it wants to use them (VE-08)."""
    return sorted(versions, key=lambda each: tuple(map(int, each.split("."))), reverse=True)


def _both_roles(modules: Iterable[str]) -> list[tuple[str, InterfaceRole]]:
    return [(module, role) for module in sorted(modules) for role in InterfaceRole]


def _endpoint(identifier: str, role: InterfaceRole, url: str) -> dict[str, str]:
    return {"identifier": str(identifier), "role": role.value, "url": url}
