"""The control side of what is answered later: ask, react, send results, look at what came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, JsonValue

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.party.asking import QuestionTable
from ocpi_hub.party.later import Reaction, RequestTable
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.outbox import Outbox, SendRequest
from ocpi_hub.party.results import ResultSender


class _Result(BaseModel):
    """A result for the request of this number: `body`, or what tells `result`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    result: str = "ACCEPTED"
    body: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class LaterControl:
    """One handler for each thing that can be asked."""

    questions: QuestionTable
    requests: RequestTable
    results: ResultSender
    outbox: Outbox
    listener: Listener

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/ask", self._ask),
            web.get("/asked", self._asked),
            web.get("/requests", self._requests),
            web.post("/reactions", self._react),
            web.post("/results", self._result),
        ]

    async def _ask(self, request: web.Request) -> web.Response:
        """Send a command or a request for a charging profile with a `response_url` of its own."""
        wanted = SendRequest.model_validate_json(await request.read())
        question, complete = self.questions.ask(wanted, self.listener.base_url)
        result = await self.outbox.send(complete)
        return _answer({**result.as_json(), "id": question.question_id})

    async def _asked(self, _request: web.Request) -> web.Response:
        return _answer(self.questions.as_json())

    async def _requests(self, _request: web.Request) -> web.Response:
        return _answer({"items": self.requests.as_json()})

    async def _react(self, request: web.Request) -> web.Response:
        self.requests.react(Reaction.model_validate_json(await request.read()))
        return _answer({})

    async def _result(self, request: web.Request) -> web.Response:
        wanted = _Result.model_validate_json(await request.read())
        found = self.requests.get(wanted.number)
        if found is None:
            raise InvalidRequest("there is no request of this number")
        body = wanted.body or self.requests.result_of(found, wanted.result)
        return _answer(await self.results.send(found, body))


def _answer(value: Any) -> web.Response:
    return web.Response(body=dump(value), content_type="application/json")
