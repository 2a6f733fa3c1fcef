"""What a message was about, and what can be done when it failed.

Nothing is sent again as it was: who has not taken an object gets it as it is stored now, and a CDR
goes through its custody, which never delivers twice knowingly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console.cells import At, Cell, Chip, Link, url
from ocpi_hub.console.forms import Form, Input, offered
from ocpi_hub.console.pages.cdr_cells import cdr_url, decision_url, session_url
from ocpi_hub.console.stories import Facts
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Visit
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.message_record import MessageRecord
from ocpi_hub.domain.objects import DirectedState, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.store.correlated import Correlated, CorrelatedCdr, CorrelatedDecision
from ocpi_hub.store.database import Database
from ocpi_hub.store.lane_admin import GapRow

_LANES_AT_ONCE = 10
"""Receivers that are looked at; a message that reached hundreds is looked at by its lanes."""
_SENT_AGAIN = frozenset(
    {DirectedState.DEAD, DirectedState.PENDING, DirectedState.UNCERTAIN, DirectedState.REFUSED}
)
_OBJECT = re.compile(r"/([A-Za-z]{2})/([A-Za-z0-9]{3})/([^/?]{1,110})(?:$|\?)")


@dataclass(frozen=True, slots=True)
class Subjects:
    """What the requests of a correlation id were about."""

    cdrs: Sequence[CorrelatedCdr] = ()
    sessions: Sequence[tuple[PartyId, str]] = ()
    decisions: Sequence[tuple[CorrelatedDecision, str]] = ()
    gaps: Sequence[tuple[LaneId, GapRow]] = ()

    def seen_by(self, viewer: Viewer) -> Subjects:
        """Without what is between others: a CDR that was not sent is no affair of its receiver."""
        if not viewer.is_partner:
            return self
        return Subjects(
            [
                cdr
                for cdr in self.cdrs
                if viewer.sees_party(cdr.owner)
                or (cdr.attempts and viewer.sees_party(cdr.receiver))
            ],
            self.sessions,
            [each for each in self.decisions if viewer.sees_party(each[0].cpo, each[0].emsp)],
            [each for each in self.gaps if viewer.sees_party(each[0].receiver)],
        )


async def subjects(
    database: Database, correlation_id: str, legs: Sequence[MessageRecord]
) -> Subjects:
    """Look up what these requests were about."""
    correlated = Correlated(database)
    modules = {leg.module for leg in legs}
    asked = [leg for leg in legs if leg.path.partition("?")[0].endswith("/authorize")]
    decisions = (
        await correlated.decisions(correlation_id, min(leg.at for leg in asked)) if asked else ()
    )
    lanes = {
        LaneId(leg.receiver, leg.module)
        for leg in legs
        if leg.kind is LegKind.PUSH and leg.has_failed and leg.receiver is not None
    }
    return Subjects(
        await correlated.cdrs(correlation_id) if Module.CDRS.value in modules else (),
        sorted({found for leg in legs if (found := _session(leg)) is not None}),
        [(each, correlation_id) for each in decisions],
        [
            (lane, gap)
            for lane in sorted(lanes, key=str)[:_LANES_AT_ONCE]
            for gap in await correlated.gaps(lane, correlation_id)
        ],
    )


def about(found: Subjects) -> Facts:
    """Where to go on."""
    rows: list[tuple[str, Cell]] = [
        (
            t("messages.decision"),
            [Link(decision.reason, decision_url(decision.at, correlation_id)),
             Chip(decision.decided_by), decision.allowed],
        )
        for decision, correlation_id in found.decisions
    ]  # fmt: skip
    rows += [
        (t("messages.session"), Link(f"{owner} {session_id}", session_url(str(owner), session_id)))
        for owner, session_id in found.sessions
    ]
    rows += [
        (
            t("messages.cdr"),
            [Link(f"{cdr.owner} {cdr.cdr_id}", cdr_url(str(cdr.owner), cdr.cdr_id)),
             Chip(cdr.state)],
        )
        for cdr in found.cdrs
    ]  # fmt: skip
    rows += [
        (
            t("messages.not_taken", receiver=lane.receiver),
            [
                Link(
                    f"{gap.key.owner} {gap.key.object_id}",
                    url("lanes", str(lane.receiver), lane.module),
                ),
                t.label("next_attempt_at"),
                At(gap.next_attempt_at),
            ],
        )
        for lane, gap in found.gaps
    ]
    return Facts(t("messages.about"), rows)


def resend_forms(visit: Visit, found: Subjects) -> Sequence[Form]:
    """What can be sent again without harm, by whoever may."""
    forms = [
        Form(
            f"{cdr_url(str(cdr.owner), cdr.cdr_id)}/redrive",
            t("messages.resend_cdr", object=cdr.cdr_id, receiver=cdr.receiver),
            needs=Scope.OPERATE,
        )
        for cdr in found.cdrs
        if cdr.state in _SENT_AGAIN
    ]
    forms += [
        hasten_form(
            lane,
            gap.key,
            t("messages.resend_gap", object=gap.key.object_id, receiver=lane.receiver),
        )
        for lane, gap in found.gaps
    ]
    return offered(forms, visit.viewer)


def hasten_form(lane: LaneId, key: ObjectKey, submit: str) -> Form:
    """Has tried again now what a receiver did not take; see the page of the lane."""
    return Form(
        f"{url('lanes', str(lane.receiver), lane.module)}/hasten",
        submit,
        tuple(
            Input(name, "", "hidden", text)
            for name, text in (
                ("owner", str(key.owner)),
                ("id", key.object_id),
                ("type", key.object_type),
                ("audience", key.audience),
            )
            if text
        ),
        needs=Scope.OPERATE,
    )


def _session(leg: MessageRecord) -> tuple[PartyId, str] | None:
    """The Session that a request put; its path names it."""
    if leg.module != Module.SESSIONS.value or leg.method not in ("PUT", "PATCH"):
        return None
    found = _OBJECT.search(leg.path)
    return (PartyId(found[1], found[2]), unquote(found[3])) if found else None
