"""Tokens: search, one with the decisions about it, erasing its records.

What names a driver never stands in a path: a token is known by its place in the order of arrival.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ocpi_hub.admin.actions import tokens
from ocpi_hub.admin.faults import Code as FaultCode
from ocpi_hub.admin.faults import Refusal
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.tokens import TokenListing, list_tokens
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.tokens import TokenItem, token_item
from ocpi_hub.authorization.protocols import DecisionRecord
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, url
from ocpi_hub.console.forms import Form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.cdr_cells import decision_url, messages_link, party_cell
from ocpi_hub.console.stories import Block, Body, Facts, Grid, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.store.authorization import DecisionFilter
from ocpi_hub.store.token_admin import FoundToken

ONE = "/tokens/{serial}"
SHOWN_DECISIONS = 20
_DIGITS = 18


def token_pages() -> tuple[Page, ...]:
    return (LIST.page(), STORY.page(), Page("POST", f"{ONE}/erase", Scope.ADMIN, erase))


def _is_clear(visit: Visit) -> bool:
    """Whether whoever looks is shown what names a driver."""
    return visit.viewer.may(Scope.OPERATE)


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: TokenListing) -> Items[TokenItem]:
    if not given.wanted.names:
        return Items(items=(), next=None)
    access, account = visit.parts.admin.access, visit.viewer.account_id
    return await list_tokens(access, given, asked_by=account, clear=_is_clear(visit))


LIST: ListPage[TokenItem, TokenListing] = ListPage(
    path="/tokens",
    area="tokens",
    listing=TokenListing,
    columns=(
        Column("uid", lambda item: Code(item.uid)),
        Column("type", lambda item: item.type),
        Column("emsp", lambda item: Code(item.emsp)),
        Column("visual_number", lambda item: Code(item.visual_number)),
        Column("contract_id", lambda item: Code(item.contract_id)),
        Column("group_id", lambda item: Code(item.group_id)),
        Column("issuer", lambda item: item.issuer),
        Column("valid", lambda item: _valid(item)),
        Column("whitelist", lambda item: item.whitelist),
        Column("last_updated", lambda item: At(item.last_updated)),
    ),
    fetch=fetch,
    link=lambda item: url("tokens", str(item.serial)),
    search="uid",
    nav="nav.tokens",
)


def _valid(item: TokenItem) -> Chip:
    return Chip("valid", Tone.GOOD) if item.valid else Chip("not valid", Tone.BAD)


# One token ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A token, and the latest decisions about it."""

    token: FoundToken
    decisions: Sequence[DecisionRecord]

    @property
    def uid(self) -> str:
        return str(self.token.fields.get("uid", ""))


async def load(visit: Visit) -> Found:
    admin = visit.parts.admin
    token = await tokens.show(
        admin.access,
        _serial(visit),
        asked_by=visit.viewer.account_id,
        clear=_is_clear(visit),
    )
    uid = str(token.fields.get("uid", ""))
    wanted = DecisionFilter(uid=uid, emsp=token.emsp)
    return Found(token, await admin.decisions.list_decisions(SHOWN_DECISIONS, wanted))


async def tell(visit: Visit, found: Found) -> Story:
    item = token_item(found.token)
    item = visit.privacy.view(item) if visit.privacy else item
    blocks: list[Block] = [_facts(visit, found, item), _decisions(visit, found)]
    if _is_clear(visit):
        text = json.dumps(dict(found.token.fields), ensure_ascii=False)
        blocks.append(Body(t("tokens.stored"), text))
    else:
        blocks.insert(0, Note(t("tokens.masked"), Tone.NOTE))
    return Story(
        item.uid,
        blocks,
        state=_valid(item),
        crumbs=[(t("tokens.title"), url("tokens"))],
        deeds=[
            Form(
                f"{url('tokens', str(item.serial))}/erase",
                t("tokens.erase"),
                needs=Scope.ADMIN,
                confirm=t("tokens.erase_sure"),
                danger=True,
            )
        ],
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ)


def _facts(visit: Visit, found: Found, item: TokenItem) -> Facts:
    rows: list[tuple[str, Cell]] = [
        (t.label("uid"), Code(item.uid)),
        (t.label("type"), item.type),
        (t.label("emsp"), party_cell(visit, item.emsp)),
        (t("tokens.audience"), Code(item.audience)),
        (t.label("contract_id"), Code(item.contract_id)),
        (t.label("visual_number"), Code(item.visual_number)),
        (t.label("group_id"), Code(item.group_id)),
        (t.label("issuer"), item.issuer),
        (t.label("valid"), _valid(item)),
        (t.label("whitelist"), item.whitelist),
        (t.label("last_updated"), At(item.last_updated)),
        (t.label("origin"), item.origin),
    ]
    if _is_clear(visit):
        everything = url("authorizations", uid=found.uid)
        rows.append((t("nav.authorizations"), Link(t("tokens.authorizations"), everything)))
    return Facts(t("tokens.facts"), rows)


def _decisions(visit: Visit, found: Found) -> Grid:
    return Grid(
        t("tokens.decisions"),
        [t.label("at"), t.label("cpo"), t.label("decided_by"), t("tokens.why"),
         t.label("allowed"), t.label("reference"), t("tokens.messages")],
        [
            [
                At(each.at),
                party_cell(visit, str(each.cpo)),
                Chip(each.decided_by),
                # A decision tells the uid: from what is masked, nothing leads there.
                Link(each.reason, decision_url(each.at, each.correlation_id))
                if _is_clear(visit)
                else Code(each.reason),
                each.allowed,
                Code(each.reference) if _is_clear(visit) else None,
                messages_link(each.correlation_id) if _is_clear(visit) else None,
            ]
            for each in found.decisions
        ],
        t("tokens.no_decisions"),
    )  # fmt: skip


# Erasing ------------------------------------------------------------------------------------------


async def erase(visit: Visit) -> Answer:
    access, account = visit.parts.admin.access, visit.viewer.account_id
    token = await tokens.show(access, _serial(visit), asked_by=account)
    uid, kind = (str(token.fields.get(name, "")) for name in ("uid", "type"))
    done = await tokens.erase(access, uid, kind or None, asked_by=account)
    text = t(
        "tokens.erased",
        decisions=done.decisions,
        messages=done.messages,
        examples=done.examples,
        kept=done.kept,
    )
    return Redirect(f"/tokens/{token.serial}", (Tone.GOOD, text))


def _serial(visit: Visit) -> int:
    text = visit.place["serial"]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Refusal(FaultCode.NOT_FOUND, t("base.no_such_page"))
    return int(text)
