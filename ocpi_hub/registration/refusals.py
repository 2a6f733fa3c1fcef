"""What kept a handshake from being stored, as it is told: to the partner, and to the operator."""

from __future__ import annotations

from typing import assert_never

from ocpi_hub.domain.party import Platform, PlatformState
from ocpi_hub.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotPermitted,
    OperatorError,
    Unauthenticated,
)
from ocpi_hub.registration.protocols import (
    CredentialsGone,
    PartyReserved,
    PartyTaken,
    Stored,
    StoreResult,
    TooManyParties,
    WrongState,
)
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


def raise_to_partner(result: StoreResult, platform: Platform) -> None:
    """Refuse what a partner asked for, unless it is stored.

    Raises:
        OcpiError: the answer to the partner.
    """
    match result:
        case Stored():
            return
        case PartyTaken(party):
            log.warning("party_claimed_twice", party=str(party))
            raise InvalidRequest(
                f"roles: {party} belongs to another platform of this hub;"
                " ask the hub's operator if it has moved"
            )
        case PartyReserved(party):
            log.warning(
                "party_needs_permission",
                party=str(party),
                platform=platform.platform_id,
                remedy=f"ocpi-hub platform set {platform.platform_id} --allow-party {party}",
            )
            raise InvalidRequest(
                f"roles: {party} is known to this hub from before; ask the hub's operator to"
                " allow it to this platform"
            )
        case TooManyParties(most):
            raise InvalidRequest(
                f"roles: a platform has at most {most} parties, those included that it has"
                " claimed before; ask the hub's operator"
            )
        case CredentialsGone():
            raise Unauthenticated(
                "These credentials were used or replaced meanwhile, or have expired"
            )
        case WrongState(PlatformState.SUSPENDED):
            raise NotPermitted("This platform is suspended on this hub: ask the hub's operator")
        case WrongState():
            raise MethodNotAllowed("This platform is not registered: use POST")
        case _ as unreachable:
            assert_never(unreachable)


def raise_to_operator(result: StoreResult) -> None:
    """Give up what an operator began, unless it is stored.

    Raises:
        OperatorError: with what to do next.
    """
    match result:
        case Stored():
            return
        case PartyTaken(party):
            raise OperatorError(
                f"the partner claims {party}, which belongs to another platform; see platform list"
            )
        case PartyReserved(party):
            raise OperatorError(
                f"the partner claims {party}, which the hub knows from before: another platform"
                f" had it, or a relation names it. If it is this partner's, allow it: `platform"
                f" connect` with --party {party}, or `platform set ID --allow-party {party}`"
            )
        case TooManyParties(most):
            raise OperatorError(
                f"the partner would have more than {most} parties, those included that it has"
                " claimed before"
            )
        case CredentialsGone() | WrongState():
            raise OperatorError("the platform was changed meanwhile; see platform list")
        case _ as unreachable:
            assert_never(unreachable)
