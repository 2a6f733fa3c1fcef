"""What an owner's list holds: each session into custody, where it is newer than what is there.

The worker brings it to its receiver as a whole. As with CDRs, one whose receiver is known and
related, but not connected now, enters custody and waits.

Spec: 2.2.1 mod_sessions_pull_model.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.keepable import require_keepable
from ocpi_hub.delivery.listed import (
    Listed,
    OneByOne,
    Source,
    note_left_out,
    receiving_platform,
    require_own,
    subject_of,
)
from ocpi_hub.delivery.quality import Noticed, Quality, noticed
from ocpi_hub.delivery.session_change import (
    Arrival,
    SessionChange,
    SessionRead,
    SessionStore,
)
from ocpi_hub.delivery.session_delivery import log_changed_late
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform
from ocpi_hub.errors import OcpiError, Overloaded, StoreError, StoreUnavailable
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


class ListedSessions(OneByOne):
    """Implements `delivery.listed.ListedObjects` for sessions.

    Args:
        max_bytes: of a session.
        found: called for each one that is new or changed.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        max_depth: int,
        max_bytes: int,
        found: Callable[[], None],
        quality: Quality,
    ) -> None:
        self._store = store
        self._quality = quality
        self._max_depth = max_depth
        self._max_bytes = max_bytes
        self._found = found

    async def take(self, text: str, source: Source) -> Listed:
        platform = source.platform.platform_id
        try:
            change, session_id, seen = self._change(text, source.platform, source.directory)
            taken = await self._store.take(change)
        except (StoreUnavailable, Overloaded):
            raise
        except OcpiError as error:
            note_left_out(self._quality, source, Module.SESSIONS, error)
            source.skipped.append(str(error))
            return Listed.BROKEN
        except StoreError as error:
            log.error("listed_object_not_stored", platform=platform, error=str(error))
            return Listed.BROKEN
        if taken.arrival not in (Arrival.CREATED, Arrival.CHANGED):
            return Listed.KNOWN
        if taken.over:
            log_changed_late(change)
        self._found()
        subject = subject_of(source, Module.SESSIONS, change.key.owner, session_id)
        self._quality.accepted(subject, seen)
        return Listed.TAKEN

    def _change(
        self, text: str, platform: Platform, directory: Directory
    ) -> tuple[SessionChange, str, Noticed]:
        """The session, its id, and what is to be counted about it.

        Raises:
            OcpiError: it cannot be taken.
        """
        parsed = parse_object(text.encode(), Session, max_depth=self._max_depth)
        session = parsed.value
        require_own(session.owner, platform)
        require_keepable("id", session.id)
        payer = PartyId(session.cdr_token.country_code, session.cdr_token.party_id)
        receiving = receiving_platform(payer, session.owner, directory)
        pushable = (Module.SESSIONS.value, InterfaceRole.RECEIVER) in receiving.endpoints
        read = SessionRead(payer, session.last_updated)
        change = SessionChange(
            key=ObjectKey(Module.SESSIONS.value, session.owner, session.id),
            receiver=payer,
            path=(),
            body=text,
            partial=False,
            last_updated=session.last_updated,
            correlation_id=str(uuid.uuid4()),
            start=Start.WAIT if pushable else Start.PULL,
            attempt_id=uuid.uuid4(),
            read=lambda _: read,
            max_bytes=self._max_bytes,
            listed=True,
        )
        return change, session.id, noticed(parsed)
