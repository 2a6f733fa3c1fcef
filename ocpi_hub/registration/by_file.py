"""Partners that exchange files with the hub, and no message."""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.registration.claims import new_platform_id, require_expectable
from ocpi_hub.registration.protocols import (
    ExpectedRole,
    PartyTaken,
    RegistrationStore,
    Stored,
    WrongState,
)


async def serve_by_file(
    store: RegistrationStore, hub: PartyId, name: str, parties: Collection[ExpectedRole]
) -> PlatformId:
    """A new platform whose parties take part by file.

    Raises:
        OperatorError: there is no party, or one is the hub itself or belongs to another platform.
    """
    if not parties:
        raise OperatorError("name the parties that files are exchanged with")
    require_expectable(parties, hub)
    while True:
        platform_id = new_platform_id()
        stored = await store.serve_by_file(platform_id, name, parties)
        if stored is not None:
            _require_stored(stored, platform_id)
            return platform_id


async def turn_to_files(
    store: RegistrationStore,
    hub: PartyId,
    platform_id: PlatformId,
    parties: Collection[ExpectedRole],
) -> None:
    """A platform that has not registered, or withdrew, takes part by file.

    Raises:
        NoSuchObject: there is no such platform.
        OperatorError: see `serve_by_file`, or it exchanges messages.
    """
    require_expectable(parties, hub)
    stored = await store.turn_to_files(platform_id, parties)
    if stored is None:
        raise NoSuchObject(f"there is no platform {platform_id}; see platform list")
    _require_stored(stored, platform_id)


def _require_stored(result: Stored | PartyTaken | WrongState, platform_id: PlatformId) -> None:
    match result:
        case Stored():
            return
        case PartyTaken(party):
            raise OperatorError(f"{party} belongs to another platform; see platform list")
        case WrongState(state):
            raise OperatorError(
                f"{platform_id} is {state}: only one that is invited or disconnected can turn to"
                " files"
            )
        case _:
            assert_never(result)
