"""Makes all checks, one after the other, and one report of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress

from ocpi_hub.checking.conversation import Conversation, Seen
from ocpi_hub.checking.masking import Mask
from ocpi_hub.checking.model import (
    MOST_EVIDENCE,
    MOST_FAULTS,
    Check,
    Evidence,
    Limits,
    Notes,
    Outcome,
    Report,
    Result,
    Severity,
    Skip,
    Target,
)
from ocpi_hub.checking.partner import Partner
from ocpi_hub.checking.registry import AREAS, CHECKS
from ocpi_hub.checking.tls import TlsProbe
from ocpi_hub.clock import Clock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

NOT_ASKED_FOR = "it writes, which was not asked for (--write)"
_MAX_REMARK = 500


async def check_partner(
    target: Target, settings: Settings, clock: Clock, limits: Limits | None = None
) -> Report:
    """Check a partner; never raises for what it answers.

    Args:
        settings: say which URLs may be called, and how large an answer may be.
    """
    bounds = limits or Limits()
    async with HttpClient(settings, clock=clock) as client:
        conversation = Conversation(client, target, bounds, clock)
        look = TlsProbe(settings).look
        partner = Partner(
            conversation, target, bounds, clock, look, http_allowed=settings.allow_http
        )
        return await run_checks(partner, CHECKS)


async def run_checks(partner: Partner, checks: Sequence[Check]) -> Report:
    """Make these checks of a partner."""
    target, clock, conversation = partner.target, partner.clock, partner.conversation
    started, began = clock.now(), clock.monotonic()
    mask = Mask(target.token)
    await _find_spelling(partner)
    await _choose_sender(partner)
    results = [await _result(check, partner, mask) for check in checks]
    order = {area: number for number, area in enumerate(AREAS)}
    results.sort(key=lambda each: order[each.check.area])
    times = [seen.seconds * 1000 for seen in conversation.said if seen.failure is None] or [0.0]
    report = Report(
        versions_url=mask.text(target.versions_url),
        started=started,
        seconds=clock.monotonic() - began,
        requests=len(conversation.said),
        median_ms=round(statistics.median(times)),
        slowest_ms=round(max(times)),
        party_names=tuple(f"{party} {role[:20]}" for party, role in await _roles(partner)),
        wrote=target.write,
        results=tuple(results),
    )
    log.info("partner_checked", requests=report.requests, failed=report.count(Outcome.FAILED))
    return report


async def _find_spelling(partner: Partner) -> None:
    """Leave the Base64 out if the partner only takes the token without it."""
    conversation = partner.conversation
    try:
        if (await partner.versions()).http != 401:
            return
        conversation.raw = not conversation.raw
        if not (await partner.versions()).succeeded:
            conversation.raw = not conversation.raw
    except Skip:
        return


async def _choose_sender(partner: Partner) -> None:
    if partner.target.sender is not None:
        return
    with suppress(Skip):
        if not await partner.is_hub():
            partner.conversation.sender = partner.target.own


async def _roles(partner: Partner) -> Sequence[tuple[object, str]]:
    return (await partner.known_roles())[:50]


async def _result(check: Check, partner: Partner, mask: Mask) -> Result:
    if check.writes and not partner.target.write:
        return Result(check, Outcome.SKIPPED, NOT_ASKED_FOR)
    notes = Notes()
    try:
        await check.run(partner, notes)
    except Skip as reason:
        # What was found before the reason came up is found all the same.
        if not notes.faults:
            return Result(check, Outcome.SKIPPED, mask.text(str(reason)))
    if notes.faults:
        failed = check.severity is Severity.MUST
        outcome = Outcome.FAILED if failed else Outcome.WARNING
        shown = [seen for _, seen in notes.faults if seen is not None]
        return Result(check, outcome, _faults(notes, mask), _evidence(shown, mask))
    text = mask.text("; ".join(notes.remarks), _MAX_REMARK)
    return Result(check, Outcome.PASSED, text, _evidence(notes.seen[:1], mask))


def _faults(notes: Notes, mask: Mask) -> str:
    texts = list(dict.fromkeys(mask.text(text) for text, _ in notes.faults))
    more = len(texts) - MOST_FAULTS
    return "; ".join(texts[:MOST_FAULTS]) + (f"; and {more} more" if more > 0 else "")


def _evidence(seen: Sequence[Seen], mask: Mask) -> tuple[Evidence, ...]:
    different = list({id(each): each for each in seen}.values())
    return tuple(mask.evidence(each) for each in different[:MOST_EVIDENCE])
