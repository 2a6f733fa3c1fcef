"""Examinations of CDRs without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ocpi_hub.clearing.checks import CheckContext, HoldRules
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.cdr_examiner import Asked, CdrExaminer
from ocpi_hub.domain.cdr_rules import NO_RULES, CdrRules
from ocpi_hub.errors import StoreUnavailable
from tests.support.factories import cdr

CAME_AT = datetime(2026, 10, 2, 8, tzinfo=UTC)


class KnownContexts:
    """Knows nothing beside a CDR, unless told.

    Attributes:
        away: the database does not answer.
        asked: everything that was asked.
    """

    def __init__(self) -> None:
        self.away = False
        self.asked: list[Asked] = []

    async def context(self, asked: Asked) -> CheckContext:
        return (await self.read([asked]))[0]

    async def read(
        self, asked: Sequence[Asked], *, arriving: bool = False
    ) -> Sequence[CheckContext]:
        if self.away:
            raise StoreUnavailable("the database is away")
        self.asked += asked
        return [CheckContext(each.received_at) for each in asked]


def make_examiner(rules: CdrRules = NO_RULES, contexts: KnownContexts | None = None) -> CdrExaminer:
    """An examiner that knows nothing beside the CDRs."""
    return CdrExaminer(contexts or KnownContexts(), HoldRules.of(rules), CameAt())


def good_cdr(cdr_id: str = "CDR-1", **fields: object) -> dict[str, object]:
    """A CDR about which no check has anything to say."""
    component = {"type": "ENERGY", "price": 0.4, "vat": 21, "step_size": 1}
    tariff = {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "T1",
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
        "last_updated": "2026-01-01T00:00:00Z",
    }
    tariffs: dict[str, Any] = {"tariffs": [tariff]}
    return cdr(cdr_id, **(tariffs | fields))


class CameAt(SystemClock):
    """The day after the session of `good_cdr`."""

    def now(self) -> datetime:
        return CAME_AT
