"""Who may work with whom, by roles and relations."""

from __future__ import annotations

import pytest

from ocpi_hub.domain.party import PartyId, Relation, RelationMode, Role
from tests.support.factories import CPO, EMSP, make_directory, make_platform

OTHER = PartyId("FR", "OTH")


@pytest.mark.req("CP-10", "RT-20")
@pytest.mark.parametrize(
    ("one", "other", "related"),
    [
        (Role.CPO, Role.EMSP, True),
        (Role.CPO, Role.SCSP, True),
        (Role.EMSP, Role.SCSP, True),
        (Role.OTHER, Role.SCSP, True),
        (Role.NSP, Role.SCSP, False),
        (Role.EMSP, Role.EMSP, False),
        (Role.CPO, Role.CPO, False),
        (Role.SCSP, Role.SCSP, False),
    ],
)
def test_the_default_relation_joins_parties_whose_roles_work_together(
    one: Role, other: Role, related: bool
) -> None:
    platforms = (make_platform((CPO, one)), make_platform((OTHER, other)))
    directory = make_directory(*platforms)
    assert directory.related(CPO, OTHER) is directory.related(OTHER, CPO) is related
    closed = make_directory(*platforms, default_relation=RelationMode.NONE)
    assert not closed.related(CPO, OTHER)


@pytest.mark.req("CP-10")
def test_a_relation_of_an_emsp_and_its_scsp_is_written_with_the_emsp_first() -> None:
    platforms = (make_platform((EMSP, Role.EMSP)), make_platform((OTHER, Role.SCSP)))
    for relation, related in (
        (Relation(EMSP, OTHER, RelationMode.REALTIME), True),
        (Relation(OTHER, EMSP, RelationMode.REALTIME), False),
    ):
        directory = make_directory(
            *platforms, relations=[relation], default_relation=RelationMode.NONE
        )
        assert directory.related(OTHER, EMSP) is related
