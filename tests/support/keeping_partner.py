"""A partner platform that keeps what it is given, serves lists of what it owns, and has troubles.

It does what the specification asks of a receiver: PUT replaces, PATCH merges (charging periods of a
Session are appended), an EVSE goes into its Location, DELETE removes.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from urllib.parse import unquote

from aiohttp import web

from tests.support.copies import Fields, Given, Key, changed_object
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of

OWNED = {"CPO": ("locations", "tariffs", "sessions", "cdrs"), "EMSP": ("tokens",)}
"""Modules by the role that owns their objects."""
OTHER_ROLE = {"CPO": "EMSP", "EMSP": "CPO"}


@dataclass(frozen=True, slots=True)
class Mood:
    """How likely each thing is to happen to a push; otherwise it is taken and answered.

    Attributes:
        lost: it is taken, and the connection ends without an answer.
        late: it is taken, and the answer comes too late.
        dropped: the connection ends before it is taken.
        broken: HTTP 500.
        refused: OCPI 2001.
        slow: it waits for a while, and is taken and answered then.
    """

    lost: float = 0.0
    late: float = 0.0
    dropped: float = 0.0
    broken: float = 0.0
    refused: float = 0.0
    slow: float = 0.0

    def draw(self, chance: random.Random) -> str:
        names, weights = [field.name for field in fields(self)], astuple(self)
        return chance.choices([*names, "taken"], [*weights, 1 - sum(weights)])[0]


CALM = Mood()


class KeepingPartner(ScriptedPartner):
    """A platform of parties that all have one role.

    Args:
        listed: the objects of a module that a party owns by now.
        late_s: seconds after which an answer is too late.
        slow_s: seconds that a slow push waits at most.

    Attributes:
        mood: what happens to pushes while it is there.
        held: what each of its parties has.
        clients: what it was told of other parties: status by party and role.
        refused: (party, object) pairs whose newest push it refused.
        faults: what it was given and should not have been.
        objection: why a push should not have come; None if it may.
        noted: told each push and what happened to it.
    """

    def __init__(
        self,
        role: str,
        parties: Iterable[str],
        listed: Callable[[str, str], Iterable[Fields]],
        *,
        seed: int,
        late_s: float,
        slow_s: float = 0.0,
    ) -> None:
        self.parties = tuple(parties)
        super().__init__(*(role_of(party, role, party) for party in self.parties))
        self.role = role
        self.token = f"token-of-{self.parties[0]}"
        self.mood = CALM
        self.held: defaultdict[str, dict[Key, Fields]] = defaultdict(dict)
        self.clients: dict[tuple[str, str], str] = {}
        self.refused: set[tuple[str, Key]] = set()
        self.faults: list[str] = []
        self.objection: Callable[[Given], str | None] = lambda _: None
        self.noted: Callable[[Given, str], None] = lambda *_: None
        self.listed = listed
        self._late_s = late_s
        self._slow_s = slow_s
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._away = False

    async def __aenter__(self) -> KeepingPartner:
        await super().__aenter__()
        mine = [(module, "SENDER") for module in OWNED[self.role]]
        given = (*OWNED[OTHER_ROLE[self.role]], "hubclientinfo")
        self.endpoints += [
            (module, role, f"{self.base_url}/{role.lower()}/{module}")
            for module, role in (*mine, *((module, "RECEIVER") for module in given))
        ]
        return self

    @property
    def away(self) -> bool:
        return self._away

    async def leave(self) -> None:
        """Nobody listens any more, and connections that stand are cut when they are used."""
        assert self._runner is not None
        self._away = True
        for site in list(self._runner.sites):
            await site.stop()

    async def come_back(self) -> None:
        assert self._runner is not None
        port = int(self.base_url.rpartition(":")[2])
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True).start()
        self._away = False

    # Requests ------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        _, side, *rest = request.path.split("/")
        if self._away:
            return _cut(request)
        match side:
            case "sender":
                return self._list(request, rest[0])
            case "receiver":
                given = _given(request, await request.read())
                return await self._receive(request, given)
            case _:
                return await super()._handle(request)

    def _list(self, request: web.Request, module: str) -> web.Response:
        """The whole list: whoever asks from a date on gets more than asked for."""
        return _answer(data=list(self.listed(_party(request, "to"), module)))

    async def _receive(self, request: web.Request, given: Given) -> web.StreamResponse:
        fate = self.mood.draw(self._chance)
        self.noted(given, fate)
        if fate == "dropped":
            return _cut(request)
        if fate == "broken":
            return web.Response(status=500)
        if fate == "refused" and given.key.module != "hubclientinfo":
            self.refused.add((given.receiver, given.key))
            return _answer(2001)
        if fate == "slow":
            await asyncio.sleep(self._chance.random() * self._slow_s)
        answer = self._take(given)
        if fate == "lost":
            return _cut(request)
        if fate == "late":
            await asyncio.sleep(self._late_s)
            return _cut(request)
        return answer

    def _take(self, given: Given) -> web.Response:
        if given.key.module == "hubclientinfo":
            self.clients[given.key.owner, given.fields["role"]] = given.fields["status"]
            return _answer()
        if fault := self.objection(given):
            self.faults.append(fault)
        held, key = self.held[given.receiver], given.key
        if given.method == "DELETE":
            return _answer() if held.pop(key, None) else _answer(2001, http=404)
        if given.method == "POST":
            return self._take_cdr(given, held)
        changed = changed_object(held.get(key), given)
        if changed is None:
            return _answer(2003 if given.part else 2001, http=404)
        held[key] = changed
        if not given.part:
            self.refused.discard((given.receiver, key))
        return _answer()

    def _take_cdr(self, given: Given, held: dict[Key, Fields]) -> web.Response:
        before = held.setdefault(given.key, given.fields)
        if before != given.fields:
            self.faults.append(f"{given.key} came with two contents")
        self.refused.discard((given.receiver, given.key))
        return _answer()


def _given(request: web.Request, body: bytes) -> Given:
    _, _, module, *segments = (unquote(each) for each in request.rel_url.raw_path.split("/"))
    fields = json.loads(body) if body else {}
    if module == "cdrs":
        segments = [fields["country_code"], fields["party_id"], fields["id"]]
    owner = f"{segments[0]}*{segments[1]}"
    object_id = segments[2] if len(segments) > 2 else ""
    kind = request.query.get("type", "") or (fields.get("type", "") if module == "tokens" else "")
    key = Key(module, owner, object_id, kind)
    return Given(request.method, _party(request, "to"), key, tuple(segments[3:]), fields)


def _party(request: web.Request, end: str) -> str:
    country, party = (request.headers.get(f"OCPI-{end}-{each}") for each in _ID)
    return f"{country}*{party}"


_ID = ("country-code", "party-id")


def _answer(code: int = 1000, *, http: int = 200, data: object = None) -> web.Response:
    return web.Response(status=http, body=envelope(data, code), content_type="application/json")


def _cut(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
