"""Tariffs that the platform holds: its CPO's own, or those that a CPO gave it.

Spec: 2.2.1 mod_tariffs_tariffs_module.
"""

from __future__ import annotations

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import MethodNotAllowed, NotFound
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.party.exchange import Answer, Inbound, success
from ocpi_hub.party.texts import TextTable


class TariffTable(TextTable):
    """Tariffs by owner and id."""

    def __init__(self) -> None:
        super().__init__(Tariff)

    def get(self, owner: PartyId, tariff_id: str) -> bytes:
        """Raises: NotFound: there is none."""
        held = self.find(owner, tariff_id)
        if held is None:
            raise NotFound("This platform does not hold the Tariff")
        return held

    def delete(self, owner: PartyId, tariff_id: str) -> None:
        """Raises: NotFound: there is none."""
        if not self.remove(owner, tariff_id):
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
