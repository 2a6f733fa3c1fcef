"""Sessions that the platform holds: its CPO's own, or those that a CPO gave it.

They are kept as text, so that what two platforms hold can be compared to the digit.
Spec: 2.2.1 mod_sessions_sessions_module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, UnknownForPatch
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.session_text import appended_periods
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.party.exchange import Answer, Inbound, success
from ocpi_hub.party.paging import Listed, parse_datetime
from ocpi_hub.party.tables import required_text

MAX_DEPTH = 32


class SessionTable:
    """Sessions by owner and id, listed in the order in which they were first seen."""

    def __init__(self) -> None:
        self._held: dict[tuple[PartyId, str], Listed] = {}

    def __iter__(self) -> Iterator[str]:
        return (item.text.decode() for item in self._held.values())

    def listed(self) -> Iterable[Listed]:
        return self._held.values()

    def get(self, owner: PartyId, session_id: str) -> str | None:
        held = self._held.get((owner, session_id.casefold()))
        return held.text.decode() if held else None

    def put(self, body: bytes, named: tuple[PartyId, str] | None = None) -> bool:
        """Store a Session; true when it was not known before.

        Args:
            named: owner and id in the URL.

        Raises:
            InvalidRequest: it is none, or another one than the URL says.
        """
        session = parse_object(body, Session, max_depth=MAX_DEPTH).value
        key = (session.owner, session.id.casefold())
        if named is not None and key != (named[0], named[1].casefold()):
            raise InvalidRequest("The body names another Session than the URL")
        new = key not in self._held
        text = require_object_text(body).encode()
        self._held[key] = Listed(session.owner, session.last_updated, text)
        return new

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
