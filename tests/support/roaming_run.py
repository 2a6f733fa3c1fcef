"""A hub, its partners and the model of what they have, driven by chance round by round."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.actions.relations import set_relation
from ocpi_hub.domain.party import PartyId, RelationMode
from ocpi_hub.store.database import Database
from ocpi_hub.store.platform_admin import RelationChange
from ocpi_hub.store.secret_key import Keyring
from tests.support.copies import Given, Key
from tests.support.directory import make_directory_store
from tests.support.hub import HubProcess
from tests.support.keeping_partner import CALM, KeepingPartner, Mood
from tests.support.owner_actions import Owner
from tests.support.postgres import make_settings
from tests.support.roaming_model import EVERYBODY, Ask, Dates, Owned, Roaming
from tests.support.wire import Answer, Wire

PLATFORMS = {
    "CPO": (("NL*AAA", "NL*AAB"), ("BE*BBB",)),
    "EMSP": (("DE*CCC",), ("FR*DDD", "FR*DDE")),
}
CPOS, EMSPS = (
    tuple(party for parties in PLATFORMS[role] for party in parties) for role in ("CPO", "EMSP")
)
HUB = {
    "relay_timeout_s": "0.5",
    "lease_margin_s": "0.3",
    "custody_wait_s": "0.2",
    "retry_min_s": "0.05",
    "retry_max_s": "0.3",
    "delivery_poll_s": "0.05",
    "feed_poll_s": "0.05",
    "lane_lease_s": "1",
    "catch_up_rps": "2000",
    "directory_poll_s": "0.1",
    "directory_max_age_s": "2",
    "still_alive_s": "1",
    "log_level": "info",
}
ROUNDS_BETWEEN_KILLS = 12
MOODS = (
    CALM,
    Mood(lost=0.1, dropped=0.1, broken=0.1),
    Mood(refused=0.2),
    Mood(lost=0.2, late=0.1, dropped=0.2, broken=0.2, refused=0.1),
    Mood(broken=0.9),
)


class Run:
    """One run: the hub, the platforms, the model, and what chance brings."""

    def __init__(
        self, seed: int, hub: HubProcess, database: Database, partners: list[KeepingPartner]
    ) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.dates = Dates()
        self.owner = Owner(self.chance, self.dates)
        self.hub = hub
        self.database = database
        self.partners = partners
        self.roaming = Roaming(CPOS, EMSPS)
        self.wires: dict[str, Wire] = {}
        self.counts: Counter[str] = Counter()
        self.history: defaultdict[Key, list[str]] = defaultdict(list)
        for partner in partners:
            partner.objection = self.objection
            partner.noted = self.noted
            partner.listed = self.roaming.listed
        self.make_objects()

    def make_objects(self) -> None:
        for owner in CPOS:
            for module, letter, number in (("locations", "L", 3), ("tariffs", "T", 3)):
                self.add(*(Key(module, owner, f"{letter}{n}") for n in range(number)))
        for owner in EMSPS:
            self.add(*(Key("tokens", owner, f"K{n}", "RFID") for n in range(4)))

    def add(self, *keys: Key, payer: str = "") -> None:
        for key in keys:
            self.roaming.objects[key] = Owned(key, payer)

    def partner_of(self, party: str) -> KeepingPartner:
        return next(partner for partner in self.partners if party in partner.parties)

    def objection(self, given: Given) -> str | None:
        """Whether a party was pushed what it is not to see any more."""
        owner, receiver = given.key.owner, given.receiver
        since = self.roaming.apart.get(self.roaming.pair(owner, receiver))
        shared = given.key.module not in ("sessions", "cdrs")
        if shared and since is not None and given.fields.get("last_updated", "") > since:
            return f"{receiver} was given {given.key} although it has no relation with its owner"
        return None

    def noted(self, given: Given, fate: str) -> None:
        what = "/".join([given.method, *given.part, str(given.fields.get("last_updated", ""))])
        self.history[given.key].append(f"{given.receiver} <- {what}: {fate}")

    # One round -----------------------------------------------------------------------------------

    async def round(self, number: int) -> int:
        """A few objects change at the same time; how many requests that took."""
        await self.something_happens()
        items = self.choose()
        acts = [self.act(item) for item in items]
        if number % ROUNDS_BETWEEN_KILLS == 0:
            after_s = self.chance.random() * 0.03
            return await self.with_kill(acts, after_s)
        return sum(await asyncio.gather(*acts))

    async def with_kill(self, acts: Sequence[Coroutine[Any, Any, int]], after_s: float) -> int:
        doing = asyncio.gather(*acts)
        await asyncio.sleep(after_s)
        await self.hub.kill()
        steps = sum(await doing)
        self.counts["kills"] += 1
        for item in self.roaming.objects.values():
            # What the hub cannot read in a list has to be sent again.
            told = all(ask.audience == EVERYBODY and ask.after for ask in item.unsure)
            paid = not item.payer or self.roaming.related(item.key.owner, item.payer)
            if item.unsure and told and paid and self.chance.random() < 0.4:
                item.listed = True
        await self.hub.start()
        return steps

    async def something_happens(self) -> None:
        kind = self.chance.random()
        partner = self.chance.choice(self.partners)
        if partner.away and kind < 0.6:
            await partner.come_back()
        elif kind < 0.1 and not partner.away:
            await partner.leave()
        elif kind < 0.4:
            partner.mood = self.chance.choice(MOODS)
        elif kind < 0.5:
            await self.toggle(*self.choose_pair())
        elif kind < 0.53:
            self.counts["restarts"] += 1
            await self.hub.stop()
            await self.hub.start()

    def choose_pair(self) -> tuple[str, str]:
        """A CPO and an eMSP; most pairs work together most of the time."""
        if self.roaming.apart and self.chance.random() < 0.7:
            return self.chance.choice(sorted(self.roaming.apart))
        return self.chance.choice(CPOS), self.chance.choice(EMSPS)

    async def toggle(self, cpo: str, emsp: str) -> None:
        """Withdraw a relation, or set it again."""
        apart = self.roaming.apart
        if (cpo, emsp) in apart:
            del apart[cpo, emsp]
            await self.set_relation(cpo, emsp, RelationMode.REALTIME)
            return
        await self.set_relation(cpo, emsp, RelationMode.NONE)
        apart[cpo, emsp] = self.dates.next()
        for item in self.roaming.objects.values():
            if item.payer == emsp and item.key.owner == cpo and item.listed:
                item.listed, item.behind = False, True

    async def set_relation(self, cpo: str, emsp: str, mode: RelationMode) -> None:
        self.counts["relations set"] += 1
        keyring = Keyring(b"k" * 32)
        settings = make_settings(directory_max_age_s=2.0, directory_poll_s=0.1)
        store = make_directory_store(self.database, keyring)
        access = OperatorAccess(settings, self.database, keyring, store)
        pair = (PartyId.parse(cpo), PartyId.parse(emsp))
        await set_relation(access, *pair, RelationChange(mode))

    def choose(self) -> list[Owned]:
        """Objects to change in this round: known ones, a new CDR, now and then a new session."""
        count = len(self.roaming.objects)
        owner, payer = self.chance.choice(CPOS), self.chance.choice(EMSPS)
        if self.chance.random() < 0.5:
            self.add(Key("cdrs", owner, f"C{count}"), payer=payer)
        if self.chance.random() < 0.3:
            key = Key("sessions", owner, f"S{count}")
            self.add(key, payer=payer)
            self.roaming.objects[key].home_first = self.chance.random() < 0.5
        able = [item for item in self.roaming.objects.values() if self.may_change(item)]
        # The newest sessions and CDRs are of interest, and all of the rest.
        able = able[:33] + able[33:][-12:]
        return self.chance.sample(able, min(len(able), self.chance.randint(4, 12)))

    @staticmethod
    def may_change(item: Owned) -> bool:
        finished = item.key.module == "cdrs" and bool(item.versions) and not item.unsure
        return not item.listed and not finished

    # One owner -----------------------------------------------------------------------------------

    async def act(self, item: Owned) -> int:
        """Change an object, or send again what nobody answered; how many requests that took."""
        if item.unsure:
            return await self.again(item)
        others = list(self.roaming.others(item.key.owner))
        asks = self.owner.changes(item, (self.chance.choice(others),))
        await self.send_all(item, asks)
        return len(asks)

    async def again(self, item: Owned) -> int:
        """The same again, or, where that helps more, the whole object."""
        self.counts["sent again"] += 1
        asks, item.unsure = item.unsure, []
        last = asks[-1]
        whole = item.key.module in ("locations", "sessions") and last.after is not None
        if whole and (len(asks) > 1 or self.chance.random() < 0.5):
            assert last.after is not None
            fields = last.after | {"last_updated": self.dates.next()}
            path = "/".join(["", *item.key.owner.split("*"), item.key.object_id])
            asks = [Ask("PUT", path, fields, fields)]
        await self.send_all(item, asks, again=True)
        return len(asks)

    async def send_all(self, item: Owned, asks: list[Ask], *, again: bool = False) -> None:
        item.unsure, item.flying = list(asks), True
        answers = await asyncio.gather(*(self.send(item, ask) for ask in asks))
        item.flying = False
        if any(answer is None or answer.http == 503 for answer in answers):
            self.counts["unanswered"] += 1
            return
        item.unsure = []
        for ask, answer in zip(asks, answers, strict=True):
            assert answer is not None
            self.conclude(item, ask, answer, again=again)

    async def send(self, item: Owned, ask: Ask) -> Answer | None:
        module, owner, _, kind = item.key
        wire = self.wires[self.partner_of(owner).token]
        path = f"/2.2.1/receiver/{module}{ask.path}"
        to = None if ask.audience == EVERYBODY else ask.audience
        query = {"type": kind} if kind else None
        told = f"{ask.method} {ask.path} for {ask.audience}, {(ask.body or {}).get('last_updated')}"
        self.history[item.key].append(told)
        try:
            answer = await wire.send(ask.method, path, ask.body, to=to, sender=owner, query=query)
        except httpx.TransportError:
            self.history[item.key].append(f"{told}: no answer")
            return None
        self.history[item.key].append(f"{told}: {answer.codes}")
        return answer

    def conclude(self, item: Owned, ask: Ask, answer: Answer, *, again: bool) -> None:
        """What an answer means to the owner."""
        to = item.payer or ask.audience
        code = answer.envelope["status_code"]
        self.counts[f"{item.key.module} {code}"] += 1
        if to != EVERYBODY and not self.roaming.related(item.key.owner, to):
            assert code == 4003, (item.key, answer.body)
            item.behind = item.behind or bool(item.payer)
            return
        if code == 1000:
            self.roaming.done(item, ask)
            item.behind = item.behind and ask.method == "PATCH"
        elif item.payer:
            assert 2000 <= code < 3000, (item.key, ask, answer.body)
            # The owner takes back what was refused, unless its list has shown it by now.
            item.behind = item.behind or again or item.home_first or not item.versions
            if item.behind:
                self.roaming.done(item, ask)
        elif ask.audience != EVERYBODY or ask.method == "DELETE":
            # The receiver's own verdict; or it is gone already.
            assert code != 4001, (item.key, ask, answer.body)
            self.roaming.done(item, ask)
        else:
            raise AssertionError(f"{ask} was answered {answer.body!r}")
