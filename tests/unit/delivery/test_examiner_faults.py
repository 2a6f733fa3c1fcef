"""What cannot be looked up costs no CDR its way, and no other its examination."""

from __future__ import annotations

from collections.abc import Sequence

from ocpi_hub.clearing.checks import CheckContext
from ocpi_hub.delivery.cdr_examiner import Asked
from ocpi_hub.domain.party import Relation, RelationMode
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from tests.support.examining import CAME_AT, KnownContexts, good_cdr, make_examiner
from tests.support.factories import CPO, EMSP, text

RELATION = Relation(CPO, EMSP, RelationMode.REALTIME)


class FaultyContexts(KnownContexts):
    """Cannot read what belongs to the CDR BAD."""

    async def read(
        self, asked: Sequence[Asked], *, arriving: bool = False
    ) -> Sequence[CheckContext]:
        if any(each.cdr_id == "BAD" for each in asked):
            raise ValueError("a Location without end")
        return await super().read(asked, arriving=arriving)


def read(cdr_id: str) -> CDR:
    return parse_object(text(good_cdr(cdr_id)).encode(), CDR, max_depth=32).value


async def test_a_cdr_is_taken_without_what_cannot_be_read_beside_it() -> None:
    examiner = make_examiner(contexts=FaultyContexts())
    found = await examiner.examine(read("BAD"), RELATION)
    assert (found.complete, found.hold_reason) == (False, None)
    both = await examiner.examine_listed([(read("A"), RELATION), (read("BAD"), RELATION)])
    assert [each.facts.spelled_id for each in both] == ["A", "BAD"]


async def test_cdrs_are_examined_again_but_for_the_faulty_one() -> None:
    examiner = make_examiner(contexts=FaultyContexts())
    found = await examiner.examine_again(
        [(read(each), RELATION, CAME_AT) for each in ("A", "BAD", "C")]
    )
    assert [each is not None and each.complete for each in found] == [True, False, True]
