"""Owners with several systems that push Tokens and Locations to any of several hubs at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence

import httpx

from tests.support.copies import Fields, Given, Key
from tests.support.party import make_connector, make_evse, make_location, make_token
from tests.support.roaming_model import Dates
from tests.support.state_model import Model
from tests.support.wire import Wire

OWNERS = {"CPO": "NL*CPO", "EMSP": "DE*MSP"}
MODULES = {"CPO": "locations", "EMSP": "tokens"}
"""What each role owns here."""
EVSES = ("EVSE1", "EVSE2", "EVSE3")
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER")
WHOLE, PARTS = "WHOLE", "PARTS"
"""What all writers share, Locations: one is always put whole, of the other the EVSEs change."""


class Changes:
    """What one writer changes: its own objects in every way, and what it shares with others so that
    the outcome depends on `last_updated` alone."""

    def __init__(self, seed: int, dates: Dates, name: str, role: str) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._dates = dates
        owner, module = OWNERS[role], MODULES[role]
        kind = "RFID" if module == "tokens" else ""
        own = [Key(module, owner, f"{name}-{number}", kind) for number in range(3)]
        shared = [Key(module, owner, each, kind) for each in (WHOLE, PARTS)]
        self.keys = own + shared

    def first(self) -> Iterable[Given]:
        return [self._put(key) for key in self.keys]

    def of(self, key: Key) -> Given:
        if key.module == "tokens":
            return self._chance.choice((self._put, self._patch))(key)
        if key.object_id == WHOLE:
            return self._put(key)
        if key.object_id == PARTS:
            return self._evse(key)
        ways = (self._put, self._patch, self._connector, self._evse, self._evse, self._evse)
        return self._chance.choice(ways)(key)

    def _put(self, key: Key) -> Given:
        date = self._dates.next()
        if key.module == "tokens":
            return _given("PUT", key, make_token(key.object_id, issuer=date, last_updated=date))
        evses = [self._whole_evse(uid, date) for uid in EVSES]
        dated = {"name": date, "last_updated": date}
        return _given("PUT", key, make_location(key.object_id, evses=evses, **dated))

    def _patch(self, key: Key) -> Given:
        date = self._dates.next()
        name = "issuer" if key.module == "tokens" else "name"
        return _given("PATCH", key, {name: date, "last_updated": date})

    def _evse(self, key: Key) -> Given:
        uid, date = self._chance.choice(EVSES), self._dates.next()
        whole = self._whole_evse(uid, date)
        if self._chance.random() < 0.5:
            return _given("PUT", key, whole, uid)
        # Of what is shared a PATCH says all that changes: the order is that of the dates alone.
        names = ["status", "last_updated", *(["connectors"] if key.object_id == PARTS else [])]
        return _given("PATCH", key, {name: whole[name] for name in names}, uid)

    def _connector(self, key: Key) -> Given:
        fields = {"max_amperage": self._chance.randint(6, 63), "last_updated": self._dates.next()}
        return _given("PATCH", key, fields, self._chance.choice(EVSES), "1")

    def _whole_evse(self, uid: str, date: str) -> Fields:
        status = self._chance.choice(STATUSES)
        connectors = [make_connector(last_updated=date)]
        return make_evse(uid, status=status, connectors=connectors, last_updated=date)


def _given(method: str, key: Key, fields: Fields, *part: str) -> Given:
    return Given(method, "EU*HUB", key, part, fields)


class Writer:
    """Tells the hubs what an owner changes, each change until it is acknowledged."""

    def __init__(self, changes: Changes, wires: Sequence[Wire], model: Model, seed: int) -> None:
        self._changes = changes
        self._wires = wires
        self._model = model
        self._pace = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.unanswered = 0

    async def begin(self) -> None:
        for change in self._changes.first():
            await self._tell(change)

    async def run(self, stop: asyncio.Event) -> None:
        """Each object for itself: what nobody answers holds up no other."""
        async with asyncio.TaskGroup() as group:
            for key in self._changes.keys:
                group.create_task(self._change(key, stop))

    async def _change(self, key: Key, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._tell(self._changes.of(key))
            await asyncio.sleep(self._pace.random() * 0.1)

    async def _tell(self, change: Given) -> None:
        while not await self._is_acknowledged(change):
            self.unanswered += 1
            await asyncio.sleep(self._pace.random() * 0.05)
        self._model.learn(change)

    async def _is_acknowledged(self, change: Given) -> bool:
        module, owner, object_id, kind = change.key
        path = "/".join([f"/2.2.1/receiver/{module}", *owner.split("*"), object_id, *change.part])
        wire = self._pace.choice(self._wires)
        query = {"type": kind} if kind else None
        try:
            answer = await wire.send(change.method, path, change.fields, sender=owner, query=query)
        except httpx.TransportError:
            return False
        if answer.http == 503:
            return False
        assert answer.codes in ((200, 1000), (201, 1000)), (change, answer.body)
        return True
