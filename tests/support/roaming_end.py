"""The end of a run: nothing goes wrong any more, everything settles, and all is compared."""

from __future__ import annotations

import json

from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.custody_admin import CustodyAdmin
from tests.support.copies import Fields, Key, comparable
from tests.support.keeping_partner import CALM, OTHER_ROLE, OWNED
from tests.support.roaming_model import EVERYBODY, Owned, differences
from tests.support.roaming_run import Run
from tests.support.waiting import eventually
from tests.support.wire import Wire

SETTLE_S = 60.0

IDLE = """\
select not exists (select from directed_object where state in ('pending', 'in_flight'))
    and not exists (select from lane_gap where next_attempt_at is not null)
    and not exists (select from inbound_catch_up)
    and not exists (select from platform where not online)
    and not exists (select from client_info where not told)
    and not exists (
        select from lane l
        where l.cursor < (
            select max(o.position) from shared_object o
            where o.module = l.module and o.audience = '*'))
"""
BACKFILLS = """\
select receiver_country_code || '*' || receiver_party_id as receiver,
    owner_country_code || '*' || owner_party_id as owner
from lane_backfill
"""


class End:
    """What is to be seen at the end of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def settle(self) -> None:
        """Nothing goes wrong any more; owners see to what they know to be open."""
        for partner in self._run.partners:
            partner.mood = CALM
            if partner.away:
                await partner.come_back()
        await self._idle()
        await self._see_to_what_is_open()
        await self._settle_doubts()
        await self._idle()
        await eventually(self._no_difference, "no difference", within_s=1.0)

    async def _idle(self) -> None:
        try:
            await eventually(self._is_idle, "the hub has nothing to do", within_s=SETTLE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self._open_rows()}") from None

    async def _is_idle(self) -> bool:
        async with self._run.database.connection() as connection:
            idle = bool(await connection.fetchval(IDLE))
            # Those between parties without a relation are forgotten after a while.
            backfills = await connection.fetch(BACKFILLS)
        return idle and not any(self._run.roaming.related(*backfill) for backfill in backfills)

    async def _open_rows(self) -> str:
        queries = (
            "select object_id, module, state, next_attempt_at from directed_object"
            " where state in ('pending', 'in_flight')",
            "select * from lane_backfill",
            "select * from lane_gap where next_attempt_at is not null",
            "select * from inbound_catch_up",
            "select platform_id from platform where not online",
            "select * from client_info where not told",
            "select * from lane",
        )
        async with self._run.database.connection() as connection:
            return "\n".join([str(await connection.fetch(query)) for query in queries])

    async def _no_difference(self) -> bool:
        return not self.differences()

    async def _see_to_what_is_open(self) -> None:
        """Requests without an answer, objects that the hub may lack, and refused ones once more."""
        refused = {pair for partner in self._run.partners for pair in partner.refused}
        for item in list(self._run.roaming.objects.values()):
            while item.unsure and not item.listed:
                await self._run.again(item)
            if item.listed:
                self._run.roaming.done(item, item.unsure[-1])
                item.unsure, item.listed = [], False
            if item.payer:
                open_ = item.behind or not item.versions or (item.payer, item.key) in refused
                if open_ and self._run.roaming.related(item.key.owner, item.payer):
                    await self._run.send_all(item, [self._run.owner.whole(item)])
                continue
            for audience in {party for party, key in refused if key == item.key}:
                await self._once_more(item, audience)

    async def _settle_doubts(self) -> None:
        """CDRs whose receivers refused them after they had not answered: an operator decides."""
        admin = CustodyAdmin(self._run.database, "cdrs")
        for party in self._run.roaming.emsps:
            await admin.send_again(
                (DirectedState.UNCERTAIN,), by="a test", receiver=PartyId.parse(party)
            )

    async def _once_more(self, item: Owned, party: str) -> None:
        """Change what a party refused: it is not sent again otherwise."""
        if not self._run.roaming.related(item.key.owner, party):
            return
        audience = party if item.fields(party) is not None else EVERYBODY
        if item.fields(audience) is not None:
            await self._run.send_all(item, [self._run.owner.whole(item, audience)])

    def told(self, error: AssertionError) -> str:
        """What is wrong, and how it came to that."""
        lines = [*self.differences()[:20], *self._wrongly_told()]
        history = [
            f"  {line}"
            for key, steps in self._run.history.items()
            if any("/".join(key) in line for line in lines)
            for line in ["/".join(key), *steps[-60:]]
        ]
        return "\n".join([str(error), *lines, *history, json.dumps(self._run.counts)])

    def differences(self) -> list[str]:
        """What parties hold beside what they should, of owners they work with."""
        lines: list[str] = []
        for partner in self._run.partners:
            lines += partner.faults
            for party in partner.parties:
                held = self._of_related(party, partner.held[party])
                # Who refused a deletion, which nobody can send again, keeps what it has.
                kept = {key for whose, key in partner.refused if whose == party}
                gone = kept - self._run.roaming.should_hold(party).keys()
                lines += self._compared(party, {k: v for k, v in held.items() if k not in gone})
        return lines

    def _of_related(self, party: str, held: dict[Key, Fields]) -> dict[Key, Fields]:
        return {
            key: value for key, value in held.items() if self._run.roaming.related(party, key.owner)
        }

    def _compared(self, party: str, held: dict[Key, Fields]) -> list[str]:
        expected = self._run.roaming.should_hold(party)
        lines = differences(
            *({key: comparable(v) for key, v in d.items()} for d in (expected, held))
        )
        return [f"{party} {line}" for line in lines]

    async def check_lists(self) -> None:
        """Each party finds in the hub's lists what it should hold, and nothing else."""
        for partner in self._run.partners:
            for party in partner.parties:
                listed: dict[Key, Fields] = {}
                for module in OWNED[OTHER_ROLE[partner.role]]:
                    listed |= await self._crawl(self._run.wires[partner.token], party, module)
                if any(key.module in ("sessions", "cdrs") for key in listed):
                    # What is in custody for a party stays its own.
                    listed = self._of_related(party, listed)
                assert not self._compared(party, listed)

    async def _crawl(self, wire: Wire, party: str, module: str) -> dict[Key, Fields]:
        found: dict[Key, Fields] = {}
        url: str | None = f"/2.2.1/sender/{module}?limit=7&date_from=2026-01-01T00:00:00Z"
        while url is not None:
            page = await wire.send("GET", url, to="EU*HUB", sender=party)
            assert page.codes == (200, 1000)
            for fields in page.data:
                owner = f"{fields['country_code']}*{fields['party_id']}"
                token = module == "tokens"
                key = Key(
                    module,
                    owner,
                    fields["uid" if token else "id"],
                    fields["type"] if token else "",
                )
                assert key not in found, "each object once"
                found[key] = fields
            url = page.link
        return found

    async def check_client_info(self) -> None:
        """Each platform knows whom it works with, and who that was once."""

        async def is_right() -> bool:
            return not self._wrongly_told()

        await eventually(is_right, "client info is right", within_s=SETTLE_S)

    def _wrongly_told(self) -> list[str]:
        lines: list[str] = []
        for partner in self._run.partners:
            role = OTHER_ROLE[partner.role]
            for other in self._run.roaming.others(partner.parties[0]):
                works = any(self._run.roaming.related(party, other) for party in partner.parties)
                told = partner.clients.get((other, role))
                if told not in (("CONNECTED",) if works else (None, "SUSPENDED")):
                    lines.append(f"{partner.parties[0]} was told that {other} is {told}")
        return lines
