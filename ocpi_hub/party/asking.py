"""What an eMSP asks for and is answered later: commands and charging profiles.

Each request gets a `response_url` of its own at this platform; results at any other are refused.
Spec: 2.2.1 mod_commands_emsp_interface, mod_charging_profiles_emsp_interface.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from ocpi_hub.domain.party import InterfaceRole, Module, OcpiVersion
from ocpi_hub.errors import InvalidRequest, NotFound
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import profile_result
from ocpi_hub.ocpi.v2_2_1.charging_profiles import ActiveChargingProfile
from ocpi_hub.ocpi.v2_2_1.commands import CommandResult
from ocpi_hub.party.config import VERSION
from ocpi_hub.party.exchange import Answer, Inbound, success
from ocpi_hub.party.outbox import SendRequest

MAX_JSON_DEPTH = 64


@dataclass(slots=True)
class Question:
    """A request whose result comes later.

    Attributes:
        action: the command, or the method of a request for a charging profile.
        results: bodies as they came, in order.
    """

    question_id: str
    module: str
    action: str
    response_url: str
    results: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.question_id,
            "module": self.module,
            "action": self.action,
            "response_url": self.response_url,
            "results": self.results,
        }


class QuestionTable:
    """What the eMSP has asked for, with the results that came, and profiles that others changed."""

    def __init__(self) -> None:
        self._questions: dict[str, Question] = {}
        self._updates: list[dict[str, str]] = []

    def ask(self, request: SendRequest, base_url: str) -> tuple[Question, SendRequest]:
        """Note a request, and give it a `response_url`.

        Args:
            request: of module commands or chargingprofiles; its `path` ends in the command.
            base_url: of this platform.

        Raises:
            InvalidRequest: another module.
        """
        if request.module not in (Module.COMMANDS, Module.CHARGING_PROFILES):
            raise InvalidRequest("Only commands and chargingprofiles are answered later")
        command = request.module == Module.COMMANDS
        action = request.path if command else request.method
        question_id = secrets.token_hex(8)
        tail = f"{action}/{question_id}" if command else question_id
        url = f"{base_url}/ocpi/{VERSION}/sender/{request.module}/{tail}?of=1"
        question = Question(question_id, request.module, action, url)
        self._questions[question_id] = question
        given = {"role": InterfaceRole.RECEIVER}
        if request.method in ("GET", "DELETE"):
            query = {**request.query, "response_url": url}
            return question, request.model_copy(update={**given, "query": query})
        body = request.body if isinstance(request.body, dict) else {}
        return question, request.model_copy(update={**given, "body": {**body, "response_url": url}})

    def as_json(self) -> dict[str, Any]:
        asked = [question.as_json() for question in self._questions.values()]
        return {"asked": asked, "updates": self._updates}

    def take_result(self, request: Inbound, action: str | None, question_id: str) -> Answer:
        """Raises: OcpiError: what the envelope then says."""
        question = self._questions.get(question_id)
        if question is None or question.module != request.module:
            raise NotFound("No result is awaited here")
        if question.module == Module.COMMANDS:
            if question.action != action:
                raise NotFound("No result is awaited here")
            parse_object(request.body, CommandResult, max_depth=MAX_JSON_DEPTH)
        else:
            model = profile_result(OcpiVersion(VERSION), question.action)
            if model is None:
                raise NotFound("No result is awaited here")
            parse_object(request.body, model, max_depth=MAX_JSON_DEPTH)
        question.results.append(request.text)
        return success()

    def take_update(self, request: Inbound, session_id: str) -> Answer:
        """The CPO tells that the profile of a Session has changed.

        Raises:
            OcpiError: what the envelope then says.
        """
        parse_object(request.body, ActiveChargingProfile, max_depth=MAX_JSON_DEPTH)
        self._updates.append({"session_id": session_id, "body": request.text})
        return success()
