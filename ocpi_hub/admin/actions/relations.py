"""Relations: set."""

from __future__ import annotations

from datetime import UTC, datetime

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change as noted_change
from ocpi_hub.admin.views.relations import RelationItem, relation_item
from ocpi_hub.delivery.cdr_batches import batch_due
from ocpi_hub.delivery.cron import require_cron
from ocpi_hub.directory.snapshot import (
    CPO_SIDE,
    DELEGATED_SIDE,
    DELEGATING_SIDE,
    EMSP_SIDE,
    Directory,
)
from ocpi_hub.domain.party import CdrExchange, PartyId, Relation, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.cdr_batches import CdrBatches
from ocpi_hub.store.platform_admin import RelationChange
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


async def set_relation(
    access: OperatorAccess, cpo: PartyId, emsp: PartyId, change: RelationChange
) -> RelationItem:
    """The relation, once every process acts on it."""
    directory = await access.load()
    before = directory.relation(cpo, emsp)
    async with noted_change("relation.set", f"{cpo}/{emsp}", relation_item(before)) as noted:
        _check_sides(directory, cpo, emsp)
        _check_batches(before, change)
        await access.admin.set_relation(cpo, emsp, change)
        await _move_batches(access, cpo, emsp)
        await access.until_everyone_follows()
        # What came meanwhile was taken in by processes that did not follow yet.
        await _move_batches(access, cpo, emsp)
        return noted.became(relation_item((await access.load()).relation(cpo, emsp)))


def _check_batches(before: Relation, change: RelationChange) -> None:
    """Batches need a schedule.

    Raises:
        OperatorError: there is none, or it is no cron expression.
    """
    if change.cdr_schedule is not None:
        require_cron(change.cdr_schedule, datetime.now(UTC))
    if (change.cdrs or before.cdrs) is CdrExchange.BATCH and not (
        change.cdr_schedule or before.cdr_schedule
    ):
        raise OperatorError("batches need a schedule: when does a period end (--cdr-schedule)?")


async def _move_batches(access: OperatorAccess, cpo: PartyId, emsp: PartyId) -> None:
    """What waits for the end of a period is due when the relation says so now."""
    relation = (await access.load()).relation(cpo, emsp)
    due_at = batch_due(relation, datetime.now(UTC))
    moved = await CdrBatches(access.database).move(cpo, emsp, due_at)
    if moved:
        log.info("cdr_batch_moved", cpo=str(cpo), emsp=str(emsp), cdrs=moved)


def _check_sides(directory: Directory, cpo: PartyId, emsp: PartyId) -> None:
    """Catch parties given the wrong way round; unknown ones may come later.

    Raises:
        OperatorError: a party that is on board has no role of its side.
    """
    if cpo == emsp:
        raise OperatorError("a relation has two different parties")
    delegated = not directory.roles_of(emsp).isdisjoint(DELEGATED_SIDE)
    first = CPO_SIDE | DELEGATING_SIDE if delegated else CPO_SIDE
    for party, side, word in ((cpo, first, "CPO"), (emsp, EMSP_SIDE, "eMSP")):
        roles: frozenset[Role] = directory.roles_of(party)
        if not roles:
            log.warning("party_not_on_board", party=str(party), remedy="see platform list")
        elif roles.isdisjoint(side):
            names = ", ".join(sorted(roles))
            raise OperatorError(f"{party} is no {word} but {names}: write the CPO first")
