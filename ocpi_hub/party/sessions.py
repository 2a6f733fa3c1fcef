"""Sessions that the platform holds: its CPO's own, or those that a CPO gave it.

Spec: 2.2.1 mod_sessions_sessions_module.
"""

from __future__ import annotations

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, UnknownForPatch
from ocpi_hub.ocpi.parse import require_object_text
from ocpi_hub.ocpi.session_text import appended_periods
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.party.exchange import Answer, Inbound, success
from ocpi_hub.party.paging import parse_datetime
from ocpi_hub.party.tables import required_text
from ocpi_hub.party.texts import TextTable


class SessionTable(TextTable):
    """Sessions by owner and id."""

    def __init__(self) -> None:
        super().__init__(Session)

    def get(self, owner: PartyId, session_id: str) -> str | None:
        held = self.find(owner, session_id)
        return held.decode() if held else None

    def patch(self, request: Inbound, owner: PartyId, session_id: str) -> None:
        """Change a Session: its charging periods follow those that are there.

        Raises:
            UnknownForPatch: there is none.
            InvalidRequest: no last_updated, or it would become unusable.
        """
        parse_datetime(required_text(request.json_object(), "last_updated"))
        held = self.get(owner, session_id)
        if held is None:
            raise UnknownForPatch("This platform does not hold the Session: PUT it in full")
        try:
            changed = appended_periods(held, require_object_text(request.body))
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        self.put(changed.encode(), (owner, session_id))


def push_session(table: SessionTable, request: Inbound, owner: PartyId, session_id: str) -> Answer:
    """Raises: OcpiError: what the envelope then says."""
    match request.method:
        case "GET":
            text = table.get(owner, session_id)
            if text is None:
                raise NotFound
            return success(text.encode())
        case "PUT":
            new = table.put(request.body, (owner, session_id))
            return success(http_status=201 if new else 200)
        case "PATCH":
            table.patch(request, owner, session_id)
            return success()
        case _:
            raise MethodNotAllowed
