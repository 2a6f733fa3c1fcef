"""The checks of CDRs where CDRs enter: what belongs to each is looked up, and custody comes first.

A CDR is taken whatever becomes of its examination. What cannot be looked up now, and a price that
takes long to recompute, is left to `delivery.cdr_rechecks`; a CDR that may have to be held because
of it waits until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ocpi_hub.clearing.checks import CheckContext, HoldRules, examine, examine_in_part, is_large
from ocpi_hub.clearing.ledger import Examination, ledger_facts
from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import PartyId, Relation
from ocpi_hub.domain.value import value
from ocpi_hub.errors import Overloaded, StoreError, StoreUnavailable
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


@value
class Asked:
    """What is asked about a CDR. Ids are folded to upper case, but for `reference`.

    Attributes:
        tariff_ids: that its periods name and it does not hold.
        without_tariff: it holds none, and its periods name none.
    """

    owner: PartyId
    receiver: PartyId
    cdr_id: str
    received_at: datetime
    started_at: datetime
    session_id: str | None
    reference: str | None
    credited_id: str | None
    location_id: str
    evse_uid: str
    connector_id: str
    tariff_ids: tuple[str, ...]
    without_tariff: bool


class ContextLookups(Protocol):
    """Finds what belongs to CDRs. All raise StoreError; `context` Overloaded, too."""

    async def context(self, asked: Asked) -> CheckContext:
        """For one of many that come at the same time."""
        ...

    async def read(
        self, asked: Sequence[Asked], *, arriving: bool = False
    ) -> Sequence[CheckContext]:
        """For many at once, in order; `arriving`: they are not in the ledger yet."""
        ...


def ask_about(cdr: CDR, received_at: datetime) -> Asked:
    """What the checks have to know beside a CDR."""
    at = cdr.cdr_location
    held = {tariff.id.upper() for tariff in cdr.tariffs}
    named = {each.tariff_id.upper() for each in cdr.charging_periods if each.tariff_id}
    return Asked(
        owner=cdr.owner,
        receiver=cdr.cdr_token.owner,
        cdr_id=cdr.id.upper(),
        received_at=received_at,
        started_at=cdr.start_date_time,
        session_id=cdr.session_id.upper() if cdr.session_id else None,
        reference=cdr.authorization_reference or None,
        credited_id=cdr.credit_reference_id.upper()
        if cdr.credit and cdr.credit_reference_id
        else None,
        location_id=at.id.upper(),
        evse_uid=at.evse_uid.upper(),
        connector_id=at.connector_id.upper(),
        tariff_ids=tuple(sorted(named - held)),
        without_tariff=not cdr.tariffs and not named,
    )


class CdrExaminer:
    """Examines CDRs.

    Args:
        rules: of the hub; relations have their own over them.
    """

    def __init__(self, lookups: ContextLookups, rules: HoldRules, clock: Clock) -> None:
        self._lookups = lookups
        self._rules = rules
        self._clock = clock

    async def examine(self, cdr: CDR, relation: Relation) -> Examination:
        """A CDR that comes now, and whose sender waits. Never raises."""
        now = self._clock.now()
        context: CheckContext | None = None
        try:
            context = await self._lookups.context(ask_about(cdr, now))
        except (StoreError, Overloaded) as error:
            log.warning("cdr_examined_in_part", cdr=cdr.id, reason=str(error))
        except Exception:  # what stands beside a CDR counts for less than the CDR, too
            log.exception("cdr_lookup_failed", cdr=cdr.id, owner=str(cdr.owner))
        return self._at_once(cdr, context, now, relation)

    async def examine_listed(self, cdrs: Sequence[tuple[CDR, Relation]]) -> Sequence[Examination]:
        """CDRs that come now, many at once. Never raises."""
        now = self._clock.now()
        contexts: Sequence[CheckContext | None]
        try:
            contexts = await self._lookups.read(
                [ask_about(cdr, now) for cdr, _ in cdrs], arriving=True
            )
        except StoreError as error:
            log.warning("cdrs_examined_in_part", cdrs=len(cdrs), reason=str(error))
            contexts = [None] * len(cdrs)
        except Exception:  # as for one
            log.exception("cdr_lookups_failed", cdrs=len(cdrs))
            contexts = [None] * len(cdrs)
        return [
            self._at_once(cdr, context, now, relation)
            for (cdr, relation), context in zip(cdrs, contexts, strict=True)
        ]

    async def examine_again(
        self, cdrs: Sequence[tuple[CDR, Relation, datetime]]
    ) -> Sequence[Examination | None]:
        """CDRs in custody, with when they came; large ones too, beside the event loop. None: the
        checks failed.

        Raises:
            StoreError: the database does not answer.
        """
        asked = [ask_about(cdr, at) for cdr, _, at in cdrs]
        try:
            contexts: Sequence[CheckContext | None] = await self._lookups.read(asked)
        except StoreUnavailable:
            raise
        except Exception:  # one of them may be the reason
            log.exception("cdr_lookups_failed", cdrs=len(cdrs))
            contexts = [await self._alone(each) for each in asked]
        return [
            None
            if context is None
            else await asyncio.to_thread(self._whole, cdr, context, relation)
            for (cdr, relation, _), context in zip(cdrs, contexts, strict=True)
        ]

    async def _alone(self, asked: Asked) -> CheckContext | None:
        try:
            return (await self._lookups.read([asked]))[0]
        except StoreUnavailable:
            raise
        except Exception:  # the others are examined all the same
            log.exception("cdr_lookup_failed", cdr=asked.cdr_id, owner=str(asked.owner))
            return None

    def _at_once(
        self, cdr: CDR, context: CheckContext | None, now: datetime, relation: Relation
    ) -> Examination:
        rules = self._rules.under(relation.cdr_rules)
        try:
            if context is None or is_large(cdr, context.tariffs):
                return examine_in_part(cdr, context, now, rules)
            return examine(cdr, context, rules)
        except Exception:  # the CDR counts for more than what a check makes of it
            log.exception("cdr_checks_failed", cdr=cdr.id, owner=str(cdr.owner))
            return Examination(ledger_facts(cdr))

    def _whole(self, cdr: CDR, context: CheckContext, relation: Relation) -> Examination | None:
        try:
            return examine(cdr, context, self._rules.under(relation.cdr_rules))
        except Exception:  # the others are examined all the same
            log.exception("cdr_checks_failed", cdr=cdr.id, owner=str(cdr.owner))
            return None
