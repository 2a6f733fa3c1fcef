"""Objects kept as text, by owner and id: what Sessions and Tariffs of a platform have in common.

As text, so that what two platforms hold can be compared to the digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.party.paging import Listed

MAX_DEPTH = 32


class TextTable:
    """Objects of one class by owner and id, listed in the order in which they were first seen."""

    def __init__(self, model: type[Session | Tariff]) -> None:
        self._model = model
        self._held: dict[tuple[PartyId, str], Listed] = {}

    def __iter__(self) -> Iterator[str]:
        return (item.text.decode() for item in self._held.values())

    def listed(self) -> Iterable[Listed]:
        return self._held.values()

    def find(self, owner: PartyId, object_id: str) -> bytes | None:
        held = self._held.get((owner, object_id.casefold()))
        return held.text if held else None

    def put(self, body: bytes, named: tuple[PartyId, str] | None = None) -> bool:
        """Store an object; true when it was not known before.

        Args:
            named: owner and id in the URL.

        Raises:
            InvalidRequest: it is none, or another one than the URL says.
        """
        parsed = parse_object(body, self._model, max_depth=MAX_DEPTH).value
        key = (parsed.owner, parsed.id.casefold())
        if named is not None and key != (named[0], named[1].casefold()):
            raise InvalidRequest(f"The body names another {self._model.__name__} than the URL")
        new = key not in self._held
        text = require_object_text(body).encode()
        self._held[key] = Listed(parsed.owner, parsed.last_updated, text)
        return new

    def remove(self, owner: PartyId, object_id: str) -> bool:
        """False when there is none."""
        return self._held.pop((owner, object_id.casefold()), None) is not None
