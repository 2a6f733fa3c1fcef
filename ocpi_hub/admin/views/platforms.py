"""How platforms look."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.authorization.circuit_keeper import OpenCircuit
from ocpi_hub.directory.snapshot import PartyStatus, told_status
from ocpi_hub.domain.party import (
    InterfaceRole,
    PartyRole,
    Platform,
    PlatformState,
    Quirk,
    Role,
)
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.registration.invitations import Invitation
from ocpi_hub.store.platform_admin import PlatformHistory, RoleDetails


class PlatformParty(View):
    """A party in one role."""

    party: PartyText
    role: Role
    status: PartyStatus


class PlatformItem(View):
    """A platform as lists show it."""

    platform: str
    name: str
    state: PlatformState
    version: str | None
    parties: tuple[PlatformParty, ...]
    quirks: tuple[Quirk, ...]


class EndpointView(View):
    """An interface that the platform announced."""

    module: str
    role: InterfaceRole
    url: str


class BusinessDetailsView(View):
    """What a party told about itself in the handshake."""

    party: PartyText
    role: str
    details: JsonValue


class CircuitView(View):
    """A platform that left authorizations without an answer, and counts as OFFLINE for them.

    Attributes:
        failed_probes: how often it did not answer the hub since.
    """

    opened_at: Moment
    failed_probes: int
    next_probe_at: Moment

    @classmethod
    def of(cls, circuit: OpenCircuit) -> CircuitView:
        return cls(
            opened_at=timestamp(circuit.opened_at),
            failed_probes=circuit.failed_probes,
            next_probe_at=timestamp(circuit.probe_at),
        )


class PlatformDetails(PlatformItem):
    """A platform in detail; tokens are never shown."""

    online: bool
    circuit: CircuitView | None
    versions_url: str | None
    endpoints: tuple[EndpointView, ...]
    business_details: tuple[BusinessDetailsView, ...]
    page_limit: int | None
    catch_up: str
    created_at: Moment | None
    connected_at: Moment | None
    last_contact_at: Moment | None
    invitation_expires_at: Moment | None
    allowed_parties: tuple[PartyText, ...]
    custom_modules: tuple[str, ...]
    resumes_as: PlatformState | None


class InvitationView(View):
    """What a partner needs to register."""

    platform: str
    versions_url: str
    token: str
    """CREDENTIALS_TOKEN_A, shown this once."""


class PlatformRemoved(View):
    platform: str
    removed: bool


def platform_item(platform: Platform) -> PlatformItem:
    return PlatformItem(
        platform=platform.platform_id,
        name=platform.name,
        state=platform.state,
        version=platform.version,
        parties=tuple(
            PlatformParty(party=str(held.party), role=held.role, status=_status(platform, held))
            for held in platform.roles
        ),
        quirks=tuple(sorted(platform.quirks)),
    )


def platform_details(
    platform: Platform, history: PlatformHistory, details: Sequence[RoleDetails]
) -> PlatformDetails:
    return PlatformDetails(
        **dict(platform_item(platform)),
        online=platform.online,
        circuit=CircuitView.of(history.circuit) if history.circuit else None,
        versions_url=platform.versions_url,
        endpoints=tuple(
            EndpointView(module=module, role=role, url=url)
            for (module, role), url in sorted(platform.endpoints.items())
        ),
        business_details=tuple(
            BusinessDetailsView(
                party=str(held.party), role=held.role, details=json.loads(held.text)
            )
            for held in details
        ),
        page_limit=platform.page_limit,
        catch_up=platform.catch_up,
        created_at=moment(history.created_at),
        connected_at=moment(history.connected_at),
        last_contact_at=moment(history.last_contact_at),
        invitation_expires_at=moment(history.invitation_expires_at),
        allowed_parties=tuple(map(str, history.permitted)),
        custom_modules=tuple(sorted(platform.custom_modules)),
        resumes_as=history.resume_state,
    )


def invitation_view(invitation: Invitation) -> InvitationView:
    return InvitationView(
        platform=invitation.platform_id,
        versions_url=invitation.versions_url,
        token=str(invitation.token),
    )


def _status(platform: Platform, held: PartyRole) -> PartyStatus:
    """A role that the platform withdrew is suspended, whatever the platform's state."""
    return told_status(platform, held.role) if held.active else PartyStatus.SUSPENDED
