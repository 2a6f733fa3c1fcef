"""What a CPO accepts now and answers later: commands and requests for charging profiles.

How it reacts is scripted: what it says at once, and the result it sends to the `response_url`
afterwards. Spec: 2.2.1 mod_commands_flow, mod_charging_profiles_flow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import InterfaceRole, Module, OcpiVersion, PartyId
from ocpi_hub.errors import HubError, InvalidRequest
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import command_body
from ocpi_hub.ocpi.v2_2_1.charging_profiles import SetChargingProfile
from ocpi_hub.party.config import VERSION
from ocpi_hub.party.exchange import Answer, Inbound, success_value
from ocpi_hub.party.outbox import Outbox, SendRequest

log = logging.getLogger(__name__)

MAX_JSON_DEPTH = 64
_NO_LIMIT = {
    "charging_rate_unit": "A",
    "charging_profile_period": [{"start_period": 0, "limit": 32.0}],
}
"""What an EVSE does as long as nobody has set a profile."""


class Reaction(BaseModel):
    """How the CPO reacts to a request.

    `action` is a command, or the method of a request for a charging profile; None: all of them.
    `answer` is the result it says at once, with its `timeout` in seconds. If that is ACCEPTED, it
    sends `result` after `after_s`; None: it sends none by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: str | None = None
    answer: str = "ACCEPTED"
    timeout: int = 30
    result: str | None = "ACCEPTED"
    after_s: float = Field(0.1, ge=0)


@dataclass(slots=True)
class Request:
    """A request that was answered at once; results go to its `response_url`.

    Attributes:
        number: counts all of them, from 0.
        action: see `Reaction`.
        session_id: of a charging profile; else empty.
        asker, asked: who sent it, and which party of this platform it is for.
        results: those sent, with the HTTP status and OCPI code of their answers.
    """

    number: int
    module: str
    action: str
    session_id: str
    response_url: str
    body: str
    asker: PartyId | None
    asked: PartyId
    results: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "module": self.module,
            "action": self.action,
            "session_id": self.session_id,
            "response_url": self.response_url,
            "body": self.body,
            "asker": str(self.asker) if self.asker else None,
            "asked": str(self.asked),
            "results": self.results,
        }


@dataclass(frozen=True, slots=True)
class Due:
    """A result to be sent."""

    request: Request
    body: Mapping[str, Any]
    after_s: float


class RequestTable:
    """The requests of the CPO's partners, and how it reacts to them.

    Attributes:
        due: results that the scripted reactions want sent.
    """

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._reactions: list[Reaction] = []
        self._profiles: dict[str, Any] = {}
        self.due: asyncio.Queue[Due] = asyncio.Queue()

    def react(self, reaction: Reaction) -> None:
        """React like this from now on; later words win."""
        self._reactions.insert(0, reaction)

    def as_json(self) -> list[dict[str, Any]]:
        return [request.as_json() for request in self._requests]

    def get(self, number: int) -> Request | None:
        return self._requests[number] if 0 <= number < len(self._requests) else None

    def take_command(self, request: Inbound, name: str, asked: PartyId) -> Answer:
        """Raises: OcpiError: what the envelope then says."""
        model = command_body(OcpiVersion(VERSION), name)
        if model is None:
            raise InvalidRequest("There is no such command")
        command = parse_object(request.body, model, max_depth=MAX_JSON_DEPTH).value
        return self._take(request, name, "", command.response_url, asked)

    def take_profile(self, request: Inbound, session_id: str, asked: PartyId) -> Answer:
        """Raises: OcpiError: what the envelope then says."""
        match request.method:
            case "PUT":
                wanted = parse_object(request.body, SetChargingProfile, max_depth=MAX_JSON_DEPTH)
                self._profiles[session_id.upper()] = request.json_object()["charging_profile"]
                url = wanted.value.response_url
            case _:
                url = request.query.get("response_url", "")
                if request.method == "GET" and not request.query.get("duration", "").isdecimal():
                    raise InvalidRequest("duration is missing or no number")
                if request.method == "DELETE":
                    self._profiles.pop(session_id.upper(), None)
        if not url:
            raise InvalidRequest("response_url is missing")
        return self._take(request, request.method, session_id, url, asked)

    def result_of(self, request: Request, result: str) -> dict[str, Any]:
        """The body that tells this result."""
        if (request.module, request.action) != (Module.CHARGING_PROFILES, "GET"):
            return {"result": result}
        profile = self._profiles.get(request.session_id.upper(), _NO_LIMIT)
        active = {"start_date_time": timestamp(), "charging_profile": profile}
        return {"result": result, "profile": active}

    def _take(
        self, inbound: Inbound, action: str, session_id: str, url: str, asked: PartyId
    ) -> Answer:
        request = Request(
            number=len(self._requests),
            module=inbound.module,
            action=action,
            session_id=session_id,
            response_url=url,
            body=inbound.text,
            asker=inbound.sender,
            asked=asked,
        )
        self._requests.append(request)
        fitting = (each for each in self._reactions if each.action in (None, action))
        reaction = next(fitting, Reaction())
        if reaction.answer == "ACCEPTED" and reaction.result is not None:
            body = self.result_of(request, reaction.result)
            self.due.put_nowait(Due(request, body, reaction.after_s))
        return success_value({"result": reaction.answer, "timeout": reaction.timeout})


class ResultSender:
    """Sends results to where their requests want them."""

    def __init__(self, requests: RequestTable, outbox: Outbox, clock: Clock) -> None:
        self._requests = requests
        self._outbox = outbox
        self._clock = clock

    async def run(self) -> None:
        """Send what reactions want sent, each in its time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._send_later(await self._requests.due.get()))

    async def send(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a result now; the answer.

        Raises:
            HubError: not registered, or the `response_url` is not on a host of the peer.
        """
        result = await self._outbox.send(
            SendRequest(
                method="POST",
                module=request.module,
                role=InterfaceRole.SENDER,
                url=request.response_url,
                body=dict(body),
                to=request.asker,
                sender=request.asked,
            )
        )
        answer = result.as_json()
        request.results.append({"body": dict(body), "http": result.http, "ocpi": result.ocpi})
        return answer

    async def _send_later(self, due: Due) -> None:
        await self._clock.sleep(due.after_s)
        try:
            await self.send(due.request, due.body)
        except HubError as error:
            log.warning("a result cannot be sent: %s", error)
