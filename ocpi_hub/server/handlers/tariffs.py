"""Tariffs: pushed and deleted by CPOs, listed for eMSPs. Spec: 2.2.1 mod_tariffs."""

from __future__ import annotations

from ocpi_hub.domain.message import Message
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NotFound
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import require_same
from ocpi_hub.server.handlers.shared import OWNER, Read, SharedHandler


class TariffsHandler(SharedHandler):
    """Serves both interfaces of the tariffs module."""

    rule = RULES[Module.TARIFFS]

    async def _held(self, message: Message, owner: PartyId) -> str:
        found = await self._store.find(ObjectKey(self.rule.module, owner, message.path[OWNER]))
        if found is None:
            raise NotFound("The hub holds no such Tariff")
        return found.body

    def _read(self, message: Message, body: bytes) -> Read:
        parsed = parse_object(body, Tariff, max_depth=self._limits.json_depth)
        tariff = parsed.value
        country_code, party_id, tariff_id = message.path
        require_same("country_code", country_code, tariff.country_code)
        require_same("party_id", party_id, tariff.party_id)
        require_same("id", tariff_id, tariff.id)
        return Read(tariff.last_updated, parsed)

    def _model(self, message: Message) -> type[OcpiModel]:
        return Tariff
