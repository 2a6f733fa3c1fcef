"""A small world for authorization tests: parties, tokens, scripted eMSPs, virtual time."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ocpi_hub.authorization.circuits import Circuits
from ocpi_hub.authorization.protocols import DecisionRecord, KnownToken, LateRecord
from ocpi_hub.authorization.service import Authorizer
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer
from ocpi_hub.domain.message import Message, MessageIds, Reply
from ocpi_hub.domain.party import (
    CredentialsToken,
    Fallback,
    InterfaceRole,
    OcpiVersion,
    PartyId,
    PartyRole,
    Platform,
    PlatformId,
    PlatformState,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.errors import Overloaded
from ocpi_hub.ocpi.envelope import dump, envelope
from ocpi_hub.settings import Settings, load_settings

HUB = PartyId("EU", "HUB")
CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
OTHER = PartyId("FR", "MSP")
UID = "04A1B2C3"

Result = TypeVar("Result")


def make_settings(**overrides: object) -> Settings:
    return load_settings(**overrides)


def make_platform(
    party: PartyId,
    role: Role = Role.EMSP,
    *,
    state: PlatformState = PlatformState.CONNECTED,
    online: bool = True,
    offers: bool = True,
) -> Platform:
    endpoints = {("tokens", InterfaceRole.SENDER): f"http://{party.party_id}.test/tokens"}
    return Platform(
        platform_id=PlatformId(f"p-{party}"),
        name=str(party),
        state=state,
        online=online,
        version=OcpiVersion("2.2.1"),
        versions_url=f"http://{party.party_id}.test/versions",
        our_token=CredentialsToken("secret"),
        roles=(PartyRole(party, role, str(party)),),
        endpoints=endpoints if offers else {},
    )


def make_directory(
    *emsps: Platform,
    mode: RelationMode = RelationMode.REALTIME,
    relations: Sequence[Relation] = (),
) -> Directory:
    """The CPO, the given eMSPs, and one mode for every pair that `relations` does not name."""
    return Directory.build(
        version=1,
        hub=HUB,
        default_relation=mode,
        platforms=[make_platform(CPO, Role.CPO), *emsps],
        relations=relations,
    )


def make_relation(
    emsp: PartyId = EMSP, mode: RelationMode = RelationMode.REALTIME, **overrides: Any
) -> Relation:
    return Relation(CPO, emsp, mode, **overrides)


def token_value(owner: PartyId = EMSP, uid: str = UID, **overrides: object) -> dict[str, object]:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"{owner.country_code}-{owner.party_id}-C000001",
        "issuer": "An issuer",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2024-05-01T10:00:00Z",
        **overrides,
    }


def make_token(
    owner: PartyId = EMSP,
    *,
    valid: bool = True,
    whitelist: str = "ALLOWED",
    age_s: float | None = 10.0,
) -> KnownToken:
    value = token_value(owner, valid=valid, whitelist=whitelist, an_extra_field=1.50)
    return KnownToken(owner, valid, whitelist, json.dumps(value, indent=1), age_s)


def info_answer(
    allowed: object = "ALLOWED",
    *,
    token: object = None,
    http_status: int = 200,
    **fields: object,
) -> Answer:
    """An AuthorizationInfo in an envelope."""
    info = {"allowed": allowed, "token": token_value() if token is None else token, **fields}
    return Answer(http_status, {}, envelope(dump(info)))


def code_answer(status_code: int, http_status: int = 200) -> Answer:
    """An envelope without data."""
    return Answer(http_status, {}, envelope(status_code=status_code, message="as scripted"))


UNKNOWN = code_answer(2004, 404)


def make_message(
    *,
    to: PartyId | None = EMSP,
    uid: str = UID,
    token_type: str | None = None,
    body: bytes = b"",
) -> Message:
    return Message(
        platform=make_platform(CPO, Role.CPO),
        sender=CPO,
        to=to,
        version=OcpiVersion("2.2.1"),
        module="tokens",
        interface_role=InterfaceRole.SENDER,
        method="POST",
        path=(uid, "authorize"),
        query=() if token_type is None else (("type", token_type),),
        body=body,
        ids=MessageIds("request-1", "correlation-1"),
    )


class VirtualSelector(selectors.SelectSelector):
    """Never waits: time jumps to the next timer instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everything waits, and nothing will ever happen")
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def in_virtual_time(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run to completion; waiting takes no real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


class VirtualClock:
    """The running loop's time."""

    def now(self) -> datetime:
        return datetime(2024, 5, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


Script = Callable[[float], Awaitable[Exchange]]
"""What an eMSP does, given its deadline in seconds."""


def answers(exchange: Exchange, *, after_s: float = 0.01) -> Script:
    async def script(deadline_s: float) -> Exchange:
        await asyncio.sleep(after_s)
        return exchange

    return script


def raises(error: Exception) -> Script:
    async def script(deadline_s: float) -> Exchange:
        raise error

    return script


async def hangs(deadline_s: float) -> Exchange:
    """Even beyond its deadline."""
    await asyncio.Event().wait()
    raise AssertionError("never")


@dataclass
class ScriptedEmsps:
    """Implements Asker."""

    scripts: Mapping[PartyId, Script]
    asked: list[tuple[PartyId, Message, float]] = field(default_factory=list)
    cancelled: list[PartyId] = field(default_factory=list)
    late: dict[PartyId, Callable[[Answer], None] | None] = field(default_factory=dict)

    async def ask(
        self,
        emsp: PartyId,
        platform: Platform,
        message: Message,
        *,
        deadline_s: float,
        late: Callable[[Answer], None] | None = None,
    ) -> Exchange:
        self.asked.append((emsp, message, deadline_s))
        self.late[emsp] = late
        try:
            async with asyncio.timeout(deadline_s):
                return await self._follow(emsp, deadline_s)
        except TimeoutError:
            return NoAnswer(f"no answer within {deadline_s:g} s")

    async def _follow(self, emsp: PartyId, deadline_s: float) -> Exchange:
        try:
            return await self.scripts[emsp](deadline_s)
        except asyncio.CancelledError:
            self.cancelled.append(emsp)
            raise

    @property
    def parties(self) -> list[PartyId]:
        return [emsp for emsp, _, _ in self.asked]


@dataclass
class StoredTokens:
    """Implements TokenLookup."""

    tokens: Sequence[KnownToken] = ()
    fails: Exception | None = None
    takes_s: float = 0.0
    looked_up: list[tuple[str, str, PartyId]] = field(default_factory=list)

    def known(self, uid: str, token_type: str, cpo: PartyId) -> None:
        return None

    def find(self, uid: str, token_type: str, cpo: PartyId) -> asyncio.Future[Sequence[KnownToken]]:
        self.looked_up.append((uid, token_type, cpo))
        if isinstance(self.fails, Overloaded):
            raise self.fails
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[KnownToken]] = loop.create_future()
        if self.fails is None:
            loop.call_later(self.takes_s, found.set_result, self.tokens)
        else:
            loop.call_later(self.takes_s, found.set_exception, self.fails)
        return found


@dataclass
class Evidence:
    """Implements EvidenceSink; commits after a while, at once, never, or not at all."""

    commits_after_s: float | None = 0.002
    fails: Exception | None = None
    refuses: Exception | None = None
    records: list[DecisionRecord] = field(default_factory=list)
    late: list[LateRecord] = field(default_factory=list)

    def note(self, decision: DecisionRecord, lost: Callable[[], None]) -> None:
        self.record(decision, lost)

    def record(self, decision: DecisionRecord, lost: Callable[[], None]) -> asyncio.Future[None]:
        if self.refuses is not None:
            raise self.refuses
        self.records.append(decision)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if self.commits_after_s == 0:
            self._end(done, lost)
        elif self.commits_after_s is not None:
            loop.call_later(self.commits_after_s, self._end, done, lost)
        return done

    def record_late(self, late: LateRecord) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.late.append(late)

    def _end(self, done: asyncio.Future[None], lost: Callable[[], None]) -> None:
        if self.fails is not None:
            lost()
        if done.done():
            return
        if self.fails is None:
            done.set_result(None)
        else:
            done.set_exception(self.fails)
            done.exception()


@dataclass(frozen=True)
class Outcome:
    """What an authorization came to, and what it cost in virtual seconds."""

    reply: Reply | Exception
    took_s: float

    @property
    def body(self) -> dict[str, Any]:
        assert isinstance(self.reply, Reply), self.reply
        value: dict[str, Any] = json.loads(self.reply.body)
        return value

    @property
    def data(self) -> dict[str, Any]:
        value: dict[str, Any] = self.body["data"]
        return value


@dataclass
class Scene:
    """Everything an Authorizer needs, in virtual time."""

    directory: Directory
    emsps: ScriptedEmsps
    tokens: StoredTokens = field(default_factory=StoredTokens)
    evidence: Evidence = field(default_factory=Evidence)
    settings: Settings = field(default_factory=make_settings)
    circuits: Circuits = field(default_factory=lambda: Circuits(failures=3))

    def authorize(self, message: Message | None = None, *, spent_s: float = 0.0) -> Outcome:
        """Run one authorization.

        Args:
            spent_s: time that passed since the request's head arrived.
        """
        return in_virtual_time(self._authorize(message or make_message(), spent_s))

    def authorize_together(self, times: int) -> None:
        """Several at once."""

        async def all_of_them() -> None:
            await asyncio.gather(*(self._authorize(make_message(), 0.0) for _ in range(times)))

        in_virtual_time(all_of_them())

    def authorize_in_turn(
        self, message: Message, times: int, *, between: Callable[[], None]
    ) -> None:
        """Several one after the other, by one Authorizer."""

        async def all_of_them() -> None:
            authorizer = self._authorizer()
            for number in range(times):
                if number:
                    between()
                await self._authorize(message, 0.0, authorizer)

        in_virtual_time(all_of_them())

    def _authorizer(self) -> Authorizer:
        return Authorizer(
            self.emsps,
            self.tokens,
            self.evidence,
            self.circuits,
            settings=self.settings,
            clock=VirtualClock(),
            mask=lambda uid: f"masked-{len(uid)}",
        )

    async def _authorize(
        self, message: Message, spent_s: float, authorizer: Authorizer | None = None
    ) -> Outcome:
        clock = VirtualClock()
        authorizer = authorizer or self._authorizer()
        started = clock.monotonic()
        try:
            reply: Reply | Exception = await authorizer.authorize(
                message, self.directory, received_at=started - spent_s
            )
        except Exception as error:  # noqa: BLE001 - the test looks at it
            reply = error
        return Outcome(reply, clock.monotonic() - started)

    @property
    def record(self) -> DecisionRecord:
        """The only record."""
        (only,) = self.evidence.records
        return only


def make_scene(
    *platforms: Platform,
    scripts: Mapping[PartyId, Script] | None = None,
    tokens: Sequence[KnownToken] = (),
    relations: Sequence[Relation] = (),
    mode: RelationMode = RelationMode.REALTIME,
    **settings: object,
) -> Scene:
    """One eMSP unless platforms are given."""
    return Scene(
        directory=make_directory(
            *(platforms or (make_platform(EMSP),)), relations=relations, mode=mode
        ),
        emsps=ScriptedEmsps(scripts or {}),
        tokens=StoredTokens(tokens),
        settings=make_settings(**settings),
    )


__all__ = [
    "CPO",
    "EMSP",
    "HUB",
    "OTHER",
    "UID",
    "UNKNOWN",
    "Fallback",
    "Scene",
    "answers",
    "code_answer",
    "hangs",
    "info_answer",
    "make_directory",
    "make_message",
    "make_platform",
    "make_relation",
    "make_scene",
    "make_settings",
    "make_token",
    "raises",
    "token_value",
]
