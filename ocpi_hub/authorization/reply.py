"""The authorize request as it came, and the answer to it. Pure.

Spec: 2.2.1 mod_tokens_post_method, mod_tokens_authorizationinfo_object.
"""

from __future__ import annotations

import functools
from typing import assert_never

from ocpi_hub.authorization.answer import Asked
from ocpi_hub.authorization.candidates import Refuse
from ocpi_hub.authorization.decision import AnswerFromStore, Final, PassOn
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.value import value
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.envelope import dump, envelope
from ocpi_hub.ocpi.headers import new_id
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType, LocationReferences, TokenType

MAX_UID = 100
"""Characters of a uid that is asked about; the specification allows 36. The evidence of a decision
is found by it, and an index does not take any length."""
MAX_QUERY = 500
"""Characters of names and values in the query: what a CPO makes too long to be called would look
like an eMSP that cannot be reached."""
REMEMBERED = 500
"""Bytes of a body that is read once for many requests: what is longer, somebody made up."""


@value
class Request:
    """An authorize request.

    Attributes:
        location: JSON text of the LocationReferences, as it came; None without a body.
    """

    message: Message
    asked: Asked
    location: str | None


def read_request(message: Message, *, max_depth: int) -> Request:
    """Read `{uid}/authorize?type=`.

    Any type and any location are taken as they are, and any uid up to `MAX_UID` characters.

    Raises:
        MalformedJson: the body is not JSON.
        InvalidRequest: the body is no LocationReferences, or the uid or the query is too long.
    """
    if len(message.path[0]) > MAX_UID:
        raise InvalidRequest(f"token_uid: {len(message.path[0])} characters, at most {MAX_UID}")
    length = sum([len(name) + len(text) for name, text in message.query])
    if length > MAX_QUERY:
        raise InvalidRequest(f"the query: {length} characters, at most {MAX_QUERY}")
    asked = Asked(message.path[0], message.parameter("type") or TokenType.RFID)
    if not message.body:
        return Request(message, asked, None)
    read = _location if len(message.body) <= REMEMBERED else _read_location
    return Request(message, asked, read(message.body, max_depth))


def _read_location(body: bytes, max_depth: int) -> str | None:
    """The text of LocationReferences; None without any. Raises as `read_request`."""
    if not body.strip():
        return None
    parse_object(body, LocationReferences, max_depth=max_depth)
    return require_object_text(body)


# A charger names the same place in every request.
_location = functools.lru_cache(maxsize=1024)(_read_location)


def new_reference(final: Final) -> str | None:
    """An `authorization_reference` for an ALLOWED of the hub; nobody can guess it."""
    if isinstance(final, AnswerFromStore) and final.allowed is AllowedType.ALLOWED:
        return new_id()
    return None


def reply_of(final: Final, request: Request, reference: str | None) -> Reply:
    """The answer to the CPO.

    An eMSP's answer leaves as it came, in the eMSP's name; the hub's own in the hub's (RT-16).

    Raises:
        OcpiError: what stands for the lack of a decision.
    """
    match final:
        case PassOn(candidate=candidate, answered=answered):
            answer = answered.answer
            return Reply(answer.http_status, answer.body, sender=candidate.emsp)
        case AnswerFromStore():
            return Reply(200, envelope(_authorization_info(final, request, reference)))
        case Refuse(error=error):
            raise error
        case _:
            assert_never(final)


def _authorization_info(final: AnswerFromStore, request: Request, reference: str | None) -> bytes:
    """AuthorizationInfo around the stored text; the location returns only with an ALLOWED."""
    fields = [b'"allowed":' + dump(final.allowed.value), b'"token":' + final.token.body.encode()]
    if final.allowed is AllowedType.ALLOWED and request.location is not None:
        fields.append(b'"location":' + request.location.encode())
    if reference is not None:
        fields.append(b'"authorization_reference":' + dump(reference))
    return b"{" + b",".join(fields) + b"}"
