"""Sessions in custody: show."""

from __future__ import annotations

from ocpi_hub.admin.views.cdrs import CdrStory, cdr_story
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.authorization import linked_decisions
from ocpi_hub.store.custody_admin import CustodyAdmin


async def show(admin: CustodyAdmin, owner: PartyId, session_id: str) -> CdrStory:
    """A session with all that happened to it; it looks as a CDR does.

    Raises:
        NoSuchObject: there is no such session.
    """
    key = ObjectKey(Module.SESSIONS.value, owner, session_id)
    row = await admin.find(key)
    if row is None:
        raise NoSuchObject(f"there is no session {key.object_id} of {owner}: see `session list`")
    return cdr_story(row, *await admin.history(key), await linked_decisions(admin.database, key))
