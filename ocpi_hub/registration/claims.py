"""The roles that a partner claims in its credentials object.

Spec: 2.2.1 credentials_credentials_role_class.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

from ocpi_hub.domain.party import CredentialsToken, PartyId, PlatformId, Role
from ocpi_hub.errors import InvalidRequest, OperatorError
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.registration.protocols import ClaimedRole, ExpectedRole
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MAX_ROLES = 1000
"""Roles of one platform."""
MAX_PARTIES = 2000
"""Parties of one platform, those included that it does not claim any more, which stay its own."""

_ID_BYTES = 4
_TOKEN_BYTES = 36  # 48 characters of URL-safe Base64; a token has at most 64


def new_platform_id() -> PlatformId:
    """An id that hardly any platform has; the store tells."""
    return PlatformId(f"p-{secrets.token_hex(_ID_BYTES)}")


def require_expectable(expected: Collection[ExpectedRole], hub: PartyId) -> None:
    """Roles that an operator names have to be somebody's.

    Raises:
        OperatorError: one is the hub's, or that of a hub.
    """
    for held in expected:
        if held.party == hub:
            raise OperatorError(f"{held.party} is this hub itself")
        if held.role is Role.HUB:
            raise OperatorError(f"{held.party}: a hub's parties are not known beforehand")


def new_token() -> CredentialsToken:
    """A credentials token nobody can guess."""
    return CredentialsToken(secrets.token_urlsafe(_TOKEN_BYTES))


def claimed_roles(credentials: Credentials, hub: PartyId) -> Sequence[ClaimedRole]:
    """The roles to register. A role of a later OCPI version is left out: the hub cannot route it.

    Another hub lists itself and the parties behind it: what it tells later by hubclientinfo is not
    taken, so that nobody comes to a party without a claim that is checked.

    Raises:
        InvalidRequest: it claims to be this hub, or claims nothing that can be routed.
    """
    if len(credentials.roles) > MAX_ROLES:
        raise InvalidRequest(f"roles: at most {MAX_ROLES} are accepted")
    claimed = []
    for held in credentials.roles:
        if held.party == hub:
            raise InvalidRequest(f"roles: {hub} is this hub itself")
        if held.role not in Role.__members__:
            log.warning("unknown_role_left_out", party=str(held.party), role=held.role[:40])
            continue
        details = held.business_details
        claimed.append(
            ClaimedRole(held.party, Role(held.role), details.name, details.to_json().decode())
        )
    if not claimed:
        raise InvalidRequest(f"roles: none of them is known; use {', '.join(_USABLE)}")
    if all(held.role is Role.HUB for held in claimed):
        raise InvalidRequest(
            f"roles: {claimed[0].party} is a hub: list the parties behind it too, with their roles"
        )
    return claimed


_USABLE = tuple(role.value for role in Role if role is not Role.HUB)
