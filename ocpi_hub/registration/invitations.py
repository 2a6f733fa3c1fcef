"""Invitations: how a partner comes to call the hub's versions endpoint.

Spec: 2.2.1 credentials_registration.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from ocpi_hub.domain.party import CredentialsToken, PartyId, PlatformId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.registration.claims import new_platform_id, new_token, require_expectable
from ocpi_hub.registration.protocols import ExpectedRole, PartyTaken, RegistrationStore, WrongState
from ocpi_hub.registration.versions import Offer


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an operator hands to a partner, outside of OCPI.

    Attributes:
        token: CREDENTIALS_TOKEN_A; the hub keeps its digest only.
    """

    platform_id: PlatformId
    versions_url: str
    token: CredentialsToken = field(repr=False)
    expires_at: datetime


class Invitations:
    """Hands out CREDENTIALS_TOKEN_A. Every method raises OperatorError with what to do next.

    `permit` names parties that a platform may claim although the hub knows them already: another
    platform had them, or they are named in a relation.

    Args:
        days: for which an invitation is good.
    """

    def __init__(self, store: RegistrationStore, offer: Offer, days: int) -> None:
        self._store = store
        self._offer = offer
        self._days = days

    async def invite(
        self,
        name: str,
        *,
        permit: Collection[PartyId] = (),
        expect: Collection[ExpectedRole] = (),
    ) -> Invitation:
        """A new platform that may register once. Its expected parties are PLANNED until it does.

        Raises:
            OperatorError: an expected party is the hub itself, or belongs to another platform.
        """
        require_expectable(expect, self._offer.hub)
        token = new_token()
        while True:
            platform_id = new_platform_id()
            stored = await self._store.invite(
                platform_id, name, token.sha256, days=self._days, permit=permit, expect=expect
            )
            if stored is not None:
                return self._invitation(platform_id, token, stored)

    async def renew(
        self,
        platform_id: PlatformId,
        *,
        permit: Collection[PartyId] = (),
        expect: Collection[ExpectedRole] = (),
    ) -> Invitation:
        """A new invitation for a platform: the first one expired or was lost, the answer to a
        handshake was lost, or it had disconnected. What works at present goes on working.

        Raises:
            NoSuchObject: there is no such platform.
            OperatorError: an expected party is the hub itself, or belongs to another platform, or
                the platform has told its roles itself.
        """
        require_expectable(expect, self._offer.hub)
        token = new_token()
        stored = await self._store.renew_invitation(
            platform_id, token.sha256, days=self._days, permit=permit, expect=expect
        )
        if stored is None:
            raise NoSuchObject(f"there is no platform {platform_id}; see platform list")
        return self._invitation(platform_id, token, stored)

    def _invitation(
        self,
        platform_id: PlatformId,
        token: CredentialsToken,
        stored: datetime | PartyTaken | WrongState,
    ) -> Invitation:
        match stored:
            case PartyTaken(party):
                raise OperatorError(f"{party} belongs to another platform; see platform list")
            case WrongState(state):
                raise OperatorError(
                    f"{platform_id} is {state}: its roles are those that it claims itself"
                )
            case expires_at:
                return Invitation(platform_id, self._offer.versions_url, token, expires_at)
