"""Relations: set."""

from __future__ import annotations

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.views.relations import RelationItem, relation_item
from ocpi_hub.directory.snapshot import (
    CPO_SIDE,
    DELEGATED_SIDE,
    DELEGATING_SIDE,
    EMSP_SIDE,
    Directory,
)
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.platform_admin import RelationChange
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


async def set_relation(
    access: OperatorAccess, cpo: PartyId, emsp: PartyId, change: RelationChange
) -> RelationItem:
    """The relation, once every process acts on it."""
    _check_sides(await access.load(), cpo, emsp)
    await access.admin.set_relation(cpo, emsp, change)
    await access.until_everyone_follows()
    return relation_item((await access.load()).relation(cpo, emsp))


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
