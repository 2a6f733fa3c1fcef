"""Tariffs that the platform holds: its CPO's own, or those that a CPO gave it.

They are kept as text, so that what two platforms hold can be compared to the digit.
Spec: 2.2.1 mod_tariffs_tariffs_module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.party.exchange import Answer, Inbound, success
from ocpi_hub.party.paging import Listed

MAX_DEPTH = 32


class TariffTable:
    """Tariffs by owner and id, listed in the order in which they were first seen."""

    def __init__(self) -> None:
        self._held: dict[tuple[PartyId, str], Listed] = {}

    def __iter__(self) -> Iterator[str]:
        return (item.text.decode() for item in self._held.values())

    def listed(self) -> Iterable[Listed]:
        return self._held.values()

    def get(self, owner: PartyId, tariff_id: str) -> bytes:
        """Raises: NotFound: there is none."""
        held = self._held.get((owner, tariff_id.casefold()))
        if held is None:
            raise NotFound("This platform does not hold the Tariff")
        return held.text

    def put(self, body: bytes, named: tuple[PartyId, str] | None = None) -> bool:
        """Store a Tariff; true when it was not known before.

        Args:
            named: owner and id in the URL.

        Raises:
            InvalidRequest: it is none, or another one than the URL says.
        """
        tariff = parse_object(body, Tariff, max_depth=MAX_DEPTH).value
        key = (tariff.owner, tariff.id.casefold())
        if named is not None and key != (named[0], named[1].casefold()):
            raise InvalidRequest("The body names another Tariff than the URL")
        new = key not in self._held
        text = require_object_text(body).encode()
        self._held[key] = Listed(key[0], tariff.last_updated, text)
        return new

    def delete(self, owner: PartyId, tariff_id: str) -> None:
        """Raises: NotFound: there is none."""
        if self._held.pop((owner, tariff_id.casefold()), None) is None:
            raise NotFound("This platform does not hold the Tariff")


def push_tariff(table: TariffTable, request: Inbound, owner: PartyId, tariff_id: str) -> Answer:
    """Raises: OcpiError: what the envelope then says."""
    match request.method:
        case "GET":
            return success(table.get(owner, tariff_id))
        case "PUT":
            new = table.put(request.body, (owner, tariff_id))
            return success(http_status=201 if new else 200)
        case "DELETE":
            table.delete(owner, tariff_id)
            return success()
        case _:
            raise MethodNotAllowed
