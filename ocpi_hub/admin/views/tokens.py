"""How tokens look to operators."""

from __future__ import annotations

from ocpi_hub.admin.personal import OptionalName, PersonalName
from ocpi_hub.admin.views.base import PartyText, View
from ocpi_hub.store.token_admin import Erased, FoundToken

KEPT = (
    "Sessions and CDRs stay, with the token in them: they are owed money. So does what a CPO or an"
    " eMSP holds, and the Token itself until its eMSP takes it back."
)


class TokenItem(View):
    """A stored Token.

    Attributes:
        audience: `*`, or the only CPO it is for.
        serial: its place in the order of arrival.
    """

    emsp: PartyText
    uid: PersonalName
    type: str
    audience: str
    contract_id: OptionalName
    visual_number: OptionalName
    group_id: OptionalName
    issuer: str | None
    valid: bool
    whitelist: str | None
    last_updated: str | None
    origin: str
    serial: int


class TokenErased(View):
    """What is erased of a token, and what is not."""

    decisions: int
    messages: int
    examples: int
    stored_tokens: int
    kept: str


def token_item(token: FoundToken) -> TokenItem:
    """A token, in clear."""
    return TokenItem(
        emsp=str(token.emsp),
        uid=_text(token, "uid") or "",
        type=_text(token, "type") or "",
        audience=token.audience,
        contract_id=_text(token, "contract_id"),
        visual_number=_text(token, "visual_number"),
        group_id=_text(token, "group_id"),
        issuer=_text(token, "issuer"),
        valid=token.fields.get("valid") is True,
        whitelist=_text(token, "whitelist"),
        last_updated=_text(token, "last_updated"),
        origin=token.origin,
        serial=token.serial,
    )


def token_erased(erased: Erased) -> TokenErased:
    return TokenErased(
        decisions=erased.decisions,
        messages=erased.messages,
        examples=erased.examples,
        stored_tokens=erased.stored_tokens,
        kept=KEPT,
    )


def _text(token: FoundToken, name: str) -> str | None:
    given = token.fields.get(name)
    return given if isinstance(given, str) else None
