"""One CDR: what it says, what the checks make of it, what happened to it, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.directed import CdrGiven
from ocpi_hub.admin.views.cdr_life import CdrLifeStory, RelatedCdr
from ocpi_hub.clearing.checks import CODES
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, url
from ocpi_hub.console.forms import Form, read_form
from ocpi_hub.console.pages.cdr_cells import (
    cdr_url,
    decisions_grid,
    difference,
    messages_link,
    number,
    party_cell,
    reason_for,
    sees,
    sees_linked,
    session_url,
    stage_chips,
    verdict_chip,
    weight_chip,
    who,
)
from ocpi_hub.console.pages.cdr_deeds import ONE, decisions, dispute_forms
from ocpi_hub.console.pages.cdr_events import life
from ocpi_hub.console.pages.cdr_meter import meter_blocks
from ocpi_hub.console.pages.cdr_price import price_blocks
from ocpi_hub.console.stories import Ask, Block, Body, Facts, Grid, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit


async def load(visit: Visit) -> CdrLifeStory:
    given = read_form(CdrGiven, visit.place)
    found = await cdrs.show(visit.parts.admin.access.cdrs, cdrs.cdr_key(given.owner, given.id))
    return visit.privacy.quotes(found) if visit.privacy else found


async def tell(visit: Visit, shown: CdrLifeStory) -> Story:
    given = read_form(CdrGiven, visit.place)
    linked = await visit.parts.admin.decisions.of(cdrs.cdr_key(given.owner, given.id))
    kind = "cdr.credit_title" if shown.figures and shown.figures.credit else "cdr.title"
    blocks = [
        *_because(visit, shown),
        *_ask("cdr.decide", decisions(shown)),
        _figures(visit, shown),
        _findings(visit, shown),
        *price_blocks(shown),
        *meter_blocks(shown),
        _custody(visit, shown),
        life(visit, shown),
        decisions_grid(linked),
        *_relatives(visit, shown),
        *_disputes(visit, shown),
        *_ask("cdr.dispute_ask", dispute_forms(shown)),
        *_contents(visit, shown),
    ]
    return Story(
        t(kind, id=shown.id),
        blocks,
        state=stage_chips(shown.stage, shown.disputed),
        crumbs=[(t("cdrs.title"), url("cdrs"))],
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ, sees=sees)


def _because(visit: Visit, shown: CdrLifeStory) -> Iterator[Block]:
    if reason := reason_for(visit.viewer, shown):
        tone = Tone.NOTE if shown.state in ("pending", "in_flight", "delivered") else Tone.WARN
        yield Note(reason, tone)
    if shown.refused_after_ack:
        yield Note(t("cdr.refused_after_ack"), Tone.WARN)


def _ask(title: str, forms: Sequence[Form]) -> Iterator[Block]:
    if forms:
        yield Ask(t(title), forms)


# What it says -------------------------------------------------------------------------------------


def _figures(visit: Visit, shown: CdrLifeStory) -> Block:
    parties: list[tuple[str, Cell]] = [
        (t.label("owner"), party_cell(visit, shown.owner)),
        (t.label("receiver"), party_cell(visit, shown.receiver)),
    ]
    figures = shown.figures
    if figures is None:
        return Facts(t("cdr.says"), [*parties, (t("cdr.ledger"), t("cdr.not_entered"))])
    currency = figures.currency
    return Facts(
        t("cdr.says"),
        [
            *parties,
            (t.label("started_at"), At(figures.started_at)),
            (t.label("ended_at"), At(figures.ended_at)),
            (t.label("energy"), number(figures.energy_kwh, 3, "kWh")),
            (t.label("duration"), number(figures.time_h, 2, "h")),
            (t.label("parking"), number(figures.parking_h, 2, "h")),
            (t.label("excl_vat"), number(figures.excl_vat, 2, currency)),
            (t.label("incl_vat"), number(figures.incl_vat, 2, currency)),
            (t("cdr.recomputed"), number(figures.price_excl_vat, 2, currency)),
            (t.label("difference"), number(difference(figures), 2, currency)),
            (t.label("verdict"), verdict_chip(figures.price_verdict)),
            (t.label("metering"), Chip(figures.metering)),
            (
                t.label("location"),
                Link(figures.location_id, url("locations", shown.owner, figures.location_id)),
            ),
            (t.label("evse_id"), [Code(figures.evse_id), Code(figures.connector_id)]),
            (t.label("session"), _session(shown)),
            (t.label("statement"), _statement(shown)),
        ],
    )


def _session(shown: CdrLifeStory) -> Cell:
    session = shown.session
    if session is None:
        return None
    if session.state is None:
        return [Code(session.id), t("cdr.no_such_session")]
    return Link(session.id, session_url(shown.owner, session.id))


def _statement(shown: CdrLifeStory) -> Cell:
    statement = shown.statement
    if statement is None or statement.month is None:
        return None
    path = url("statements", statement.month, shown.owner, shown.receiver)
    return [Link(statement.month, path), Chip("closed" if statement.closed_at else "closing")]


def _findings(visit: Visit, shown: CdrLifeStory) -> Grid:
    """To a receiver what was found is told in general words: the others may name its rivals."""
    told = visit.viewer.sees_party(shown.owner)
    checked = shown.figures is not None and shown.figures.checked_at is not None
    return Grid(
        t("cdr.findings"),
        [t.label("code"), t.label("weight"), t("cdr.meaning"), t("cdr.found")],
        [
            [
                Code(each.code),
                weight_chip(hold=each.hold),
                CODES[each.code].meaning if each.code in CODES else None,
                each.text if told else None,
            ]
            for each in shown.findings
        ],
        t("cdr.no_findings") if checked else t("cdr.not_checked"),
    )


def _custody(visit: Visit, shown: CdrLifeStory) -> Facts:
    return Facts(
        t("cdr.delivery"),
        [
            (t.label("state"), Chip(shown.state)),
            (t.label("attempts"), shown.attempts),
            (t.label("last_answer"), shown.status),
            (t.label("next_attempt_at"), At(shown.next_attempt_at)),
            (t("cdr.unknown_outcomes"), shown.unknown_outcomes),
            (t.label("received_at"), At(shown.received_at)),
            (t.label("version"), shown.version),
            (t.label("messages"), messages_link(shown.correlation_id)),
            *_audit(visit, shown),
        ],
    )


def _audit(visit: Visit, shown: CdrLifeStory) -> list[tuple[str, Cell]]:
    if not visit.viewer.may(Scope.OPERATE):
        return []
    name = f"{shown.owner}/{shown.id.upper()}"
    return [(t("platforms.changes"), Link(t("nav.audit"), url("audit", object=name)))]


# What belongs to it -------------------------------------------------------------------------------


def _relatives(visit: Visit, shown: CdrLifeStory) -> Iterator[Block]:
    """A receiver sees those that are its own."""
    credits_ = shown.credits
    if credits_ is None:
        return
    told: dict[str, tuple[str, RelatedCdr]] = {}
    groups = (
        ("takes_back", (credits_.takes_back,) if credits_.takes_back else ()),
        ("taken_back_by", credits_.taken_back_by),
        ("same_session", credits_.same_session),
    )
    for word, group in groups:
        for each in group:
            if sees_linked(visit.viewer, shown.owner, each.receiver, each.stage):
                told.setdefault(each.id, (word, each))
    if told:
        heads = [
            t.label(name)
            for name in ("relation", "id", "receiver", "stage", "excl_vat", "delivered_at")
        ]
        yield Grid(t("cdr.relatives"), heads, [_relative(shown, *each) for each in told.values()])


def _relative(shown: CdrLifeStory, word: str, other: RelatedCdr) -> list[Cell]:
    credits_ = shown.credits
    if credits_ is not None and other.id in credits_.corrected_by:
        word = "corrected_by"
    elif credits_ is not None and other.id == credits_.corrects:
        word = "corrects"
    return [
        t(f"cdr.{word}"),
        Link(other.id, cdr_url(shown.owner, other.id)),
        Code(other.receiver),
        stage_chips(other.stage, disputed=False),
        number(other.excl_vat, 2, other.currency),
        At(other.delivered_at),
    ]


def _disputes(visit: Visit, shown: CdrLifeStory) -> Iterator[Block]:
    if shown.disputes:
        names = ("opened_at", "raised_by", "amount", "reason", "answer", "outcome", "note", "by")
        yield Grid(
            t("cdr.disputes"),
            [t.label(name) for name in names],
            [
                [
                    At(each.opened_at),
                    Chip(each.raised_by),
                    number(each.amount, 2, each.currency or ""),
                    each.reason,
                    each.answer,
                    [Chip(each.outcome or "open"), *_awaits(awaits=each.awaits_credit)],
                    each.note,
                    who(visit.viewer, each.closed_by or each.opened_by),
                ]
                for each in shown.disputes
            ],
        )


def _awaits(*, awaits: bool) -> list[Cell]:
    return [Chip(t("disputes.awaits_credit"), Tone.WARN)] if awaits else []


def _contents(visit: Visit, shown: CdrLifeStory) -> Iterator[Block]:
    """Texts. Others than the one in custody are their owner's matter."""
    if visit.viewer.sees_party(shown.owner):
        if shown.conflicting_fields:
            fields = ", ".join(shown.conflicting_fields)
            yield Note(t("cdr.conflicts", fields=fields), Tone.WARN)
        for other in shown.other_contents:
            at = (other.at or "")[:19].replace("T", " ")
            yield Body(t(f"cdr.content_{other.kind}", at=at), other.body)
    yield Body(t("cdr.body"), shown.body)
