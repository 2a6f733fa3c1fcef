"""docs/routing.md: what becomes of each message, asked of the code that decides it.

`python -m tests.support.routing_page` writes it. The real handlers, put together as the service
does it, get example requests for each module, method and addressing; what stands around them notes
what they are told to do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import structlog

from ocpi_hub.assembly.offer import FEED_MODULES
from ocpi_hub.assembly.serving import _handlers
from ocpi_hub.delivery.answer_url import AnswerUrl
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.directed import Kept
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.shared import Change, Changed, Deletion, Page, Placed
from ocpi_hub.domain.exchange import Exchange, OutboundRequest
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import Module, PartyId, Role
from ocpi_hub.errors import OcpiError
from ocpi_hub.server.inbound import Inbound
from tests.support.directory import ManualClock
from tests.support.examining import make_examiner
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_message, make_platform
from tests.support.party import make_location
from tests.support.postgres import make_settings
from tests.support.quality import make_quality
from tests.support.routing_examples import RESPONSE_URL, Example, examples
from tests.support.scripted import answer

PAGE = Path(__file__).parents[2] / "docs" / "routing.md"
PUBLIC_URL = "https://hub.example"
AT = datetime(2026, 1, 1, tzinfo=UTC)
PARTIES = {CPO: Role.CPO, EMSP: Role.EMSP}

STORED = "stored"
RELAYED = "relayed"
BROADCAST = "broadcast"
CUSTODY = "custody"
RETRIED = "retried"
SHOWN = "from the store"
DECIDED = "decided"
SWAPPED = "URL swapped"
WORDS = (SHOWN, DECIDED, STORED, CUSTODY, BROADCAST, SWAPPED, RELAYED, RETRIED)

INTRODUCTION = """\
# What becomes of a message

Written by `make docs`: the code that decides was asked, for each module, method and addressing,
with requests between parties that have a relation. A test keeps this page current.

| Word | Meaning |
|-|-|
| from the store | the hub answers from what it keeps |
| decided | asked in real time or answered from stored tokens: docs/authorization.md |
| stored | the hub keeps it as current state, for lists and for who was away |
| custody | committed first; the answer is the receiver's, or 1000 if that takes too long |
| broadcast | every related party of the other side gets it; the hub answers once it is stored |
| relayed | one receiver gets it at once; its answer is the answer |
| URL swapped | a `response_url` of the hub stands for the requester's: decision 0012 |
| retried | whoever did not take it gets the state it has by then: docs/feed.md, decision 0014 |
| 405, 2001, 4001, ... | refused: the HTTP status, or with HTTP 200 the OCPI status code |

A message that is only relayed is never sent again: without an answer of its receiver it is answered
4002, and 4003 where there is no connection, no relation, or the receiver is OFFLINE. Custom modules
are relayed, to the party that TO names. `hubclientinfo` is the hub's own: docs/architecture.md.
Methods that are not shown are answered 405.
"""


class Around:
    """Stores, client and custody that note what they are asked to do."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, *words: str) -> None:
        self.notes += words

    # The client ----------------------------------------------------------------------------------

    async def send(self, request: OutboundRequest) -> Exchange:
        self.note(RELAYED)
        data = "[]" if request.method == "GET" else '{"result":"ACCEPTED","timeout":30}'
        return answer(data=data)

    # Shared objects ------------------------------------------------------------------------------

    async def change(self, change: Change) -> Changed:
        return self._stored(change, Changed.UPDATED)

    async def delete(self, deletion: Deletion) -> Changed:
        return self._stored(deletion, Changed.DELETED)

    async def place(self, change: Change | Deletion) -> Placed:
        changed = Changed.DELETED if isinstance(change, Deletion) else Changed.UPDATED
        return Placed(self._stored(change, changed), 1)

    def _stored(self, change: Change | Deletion, changed: Changed) -> Changed:
        self.note(STORED)
        if change.key.audience == EVERYBODY:
            self.note(BROADCAST)
        if change.key.module in FEED_MODULES:
            self.note(RETRIED)
        return changed

    async def page(self, *_: object, **__: object) -> Page:
        self.note(SHOWN)
        return Page((), 0, None)

    async def find(self, key: ObjectKey) -> SharedObject:
        self.note(SHOWN)
        return self._held(key)

    async def visible(self, module: str, object_id: str, *_: object, **__: object) -> Any:
        self.note(SHOWN)
        return [self._held(ObjectKey(module, CPO, object_id))]

    @staticmethod
    def _held(key: ObjectKey) -> SharedObject:
        body = json.dumps(make_location())
        return SharedObject(key, body, AT, 1, 1, Origin.BROADCAST, "c")

    async def close_addressed(self, *_: object) -> None:
        """The verdict of a relayed push is known."""

    # Custody -------------------------------------------------------------------------------------

    def start_for(self, *_: object, **__: object) -> Start:
        return Start.SEND

    async def accept(self, *_: object, **__: object) -> Kept:
        self.note(STORED, CUSTODY, RETRIED)
        return Kept("The hub holds it")

    async def find_session(self, key: ObjectKey) -> Any:
        self.note(SHOWN)
        return SimpleNamespace(key=key, receiver=EMSP, body="{}")

    async def called(self, session_id: str) -> Any:
        return [await self.find_session(ObjectKey("sessions", CPO, session_id))]

    async def shown_sessions(self, *_: object) -> Any:
        self.note(SHOWN)
        return SimpleNamespace(page=Page((), 0, None), versions=())

    # Authorization, asynchronous answers ---------------------------------------------------------

    async def authorize(self, *_: object, **__: object) -> Reply:
        self.note(DECIDED)
        return Reply(200, b"{}")

    async def keep(self, _: AnswerUrl) -> None:
        self.note(SWAPPED)

    async def find_answer(self, answer_id: str) -> AnswerUrl:
        action, module = ("PUT", "chargingprofiles")
        if answer_id.startswith("command"):
            action, module = ("STOP_SESSION", "commands")
        return AnswerUrl(answer_id, RESPONSE_URL, module, action, "", EMSP, CPO, "c")

    async def found(self, *_: object) -> list[PartyId]:
        return [CPO]

    async def asker(self, *_: object) -> list[PartyId]:
        return [EMSP]

    def batch_due(self, *_: object) -> None:
        """No relation here has batches."""

    async def nothing(self, *_: object, **__: object) -> None:
        """What leaves no trace in the table."""


async def outcome(example: Example, to: PartyId | None) -> str:
    """What the hub does with an example: words of the page, or the code of a refusal."""
    around = Around()
    platforms = {party: make_platform((party, role)) for party, role in PARTIES.items()}
    directory = make_directory(*platforms.values())
    message = make_message(
        platforms[example.sender],
        example.sender,
        to=to,
        module=example.module,
        interface_role=example.role,
        method=example.method,
        path=example.path,
        query=example.query,
        body=b"" if example.body is None else json.dumps(example.body).encode(),
    )
    query = "&".join(f"{name}={value}" for name, value in example.query)
    inbound = Inbound(replace(message, raw_query=query), directory, 0.0)
    try:
        await _built(around)[example.module](inbound)
    except OcpiError as error:
        return str(error.status_code if error.http_status == 200 else error.http_status)
    words = set(around.notes)
    if words & {RELAYED, CUSTODY}:
        words.discard(SHOWN)  # it was looked for to find the way
    return ", ".join(word for word in WORDS if word in words)


def _built(around: Around) -> dict[str, Any]:
    """The handlers as the service puts them together, with `around` in place of the rest."""
    clock = ManualClock()
    links = PageLinks(PUBLIC_URL, lambda text: text, clock, days=1)
    relay = Relay(around, links, timeout_s=1.0)
    sessions = SimpleNamespace(
        find=around.find_session,
        called=around.called,
        page=around.shown_sessions,
        fetched=around.nothing,
    )
    stores = SimpleNamespace(
        shared=around,
        feed=around,
        sessions=sessions,
        token_cache=None,
        decisions=None,
        answer_urls=SimpleNamespace(
            keep=around.keep, find=around.find_answer, waiting=_none, shorten=around.nothing
        ),
        addressees=SimpleNamespace(
            with_location=around.found,
            with_session=around.found,
            with_reservation=around.found,
            with_profile=around.asker,
        ),
    )
    delivery = SimpleNamespace(
        relay=relay,
        links=links,
        sessions=around,
        directed=around,
        custody=around,
        examiner=make_examiner(),
        quality=make_quality(),
        circuits=None,
    )
    surroundings = SimpleNamespace(
        settings=make_settings(), public_url=PUBLIC_URL, clock=clock, mask_uid=str
    )
    handlers: dict[str, Any] = dict(
        _handlers(*(cast(Any, each) for each in (surroundings, stores, delivery, None)))
    )
    handlers[Module.TOKENS]._authorizer = around
    return handlers


async def _none(*_: object) -> int:
    return 0


async def table() -> Sequence[str]:
    """The lines of the table."""
    lines = [
        "| Module | Interface | Method | Path | TO = a party | TO = the hub | no TO |",
        "|-|-|-|-|-|-|-|",
    ]
    for example in examples():
        other = EMSP if example.sender == CPO else CPO
        cells = [await outcome(example, to) for to in (other, HUB, None)]
        names = (example.module.value, example.role.value, example.method, example.label or "-")
        lines.append(f"| {' | '.join([*names, *cells])} |")
    return lines


async def page() -> str:
    """The Markdown file."""
    return "\n".join([INTRODUCTION, *(await table())]) + "\n"


def main() -> None:
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")


if __name__ == "__main__":
    main()
