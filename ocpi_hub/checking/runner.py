"""Makes all checks, one after the other, and one report of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress

from ocpi_hub.checking.apart import apart, called_here
from ocpi_hub.checking.conversation import Conversation, Seen
from ocpi_hub.checking.masking import Mask
from ocpi_hub.checking.model import (
    MOST_EVIDENCE,
    MOST_FAULTS,
    Check,
    Evidence,
    Fault,
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
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

STUMBLED = "the answers are such that this check could not be made"
NOT_ASKED_FOR = "it writes, which was not asked for (--write)"
_MAX_REMARK = 500

Progress = Callable[[int, int], Coroutine[object, object, None]]


async def check_partner(
    target: Target,
    settings: Settings,
    clock: Clock,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a partner, beside the event loop; never raises for what it answers.

    Args:
        settings: say which URLs may be called, and how large an answer may be.
        progress: told how many checks are done, and of how many.
    """
    bounds = limits or Limits()
    smaller = {"max_answer_bytes": min(settings.max_answer_bytes, bounds.answer_bytes)}
    told = called_here(progress) if progress is not None else None

    async def check() -> Report:
        async with HttpClient(settings.model_copy(update=smaller), clock=clock) as client:
            return await check_over(client, target, settings, clock, bounds, told)

    return await apart(check)


async def check_over(
    client: OutboundClient,
    target: Target,
    settings: Settings,
    clock: Clock,
    limits: Limits,
    progress: Progress | None = None,
) -> Report:
    """The same over a client that is open."""
    conversation = Conversation(client, target, limits, clock)
    partner = Partner(
        conversation, target, limits, clock, TlsProbe(settings).look,
        http_allowed=settings.allow_http,
    )  # fmt: skip
    started, began = clock.now(), clock.monotonic()
    mask = Mask(target.token)
    await _find_spelling(partner)
    await _choose_sender(partner)
    results = []
    for check in CHECKS:
        results.append(await _result(check, partner, mask))
        if progress is not None:
            await progress(len(results), len(CHECKS))
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
        party_names=tuple(
            f"{party} {mask.text(role, 20)}" for party, role in await _roles(partner)
        ),
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
    except Exception as error:
        # A partner that says what nobody thought of gets its report all the same.
        log.exception("check_stumbled", check=check.check_id)
        notes.fault(f"{STUMBLED} ({type(error).__name__})", _last(partner))
    if notes.faults:
        failed = check.severity is Severity.MUST
        outcome = Outcome.FAILED if failed else Outcome.WARNING
        return Result(check, outcome, _faults(notes, mask), _evidence(notes.faults, mask))
    text = mask.text("; ".join(notes.remarks), _MAX_REMARK)
    looked = [Fault("", seen) for seen in notes.seen[:1]]
    return Result(check, Outcome.PASSED, text, _evidence(looked, mask))


def _last(partner: Partner) -> Seen | None:
    return partner.conversation.said[-1] if partner.conversation.said else None


def _faults(notes: Notes, mask: Mask) -> str:
    texts = list(dict.fromkeys(mask.text(fault.text) for fault in notes.faults))
    more = len(texts) - MOST_FAULTS
    return "; ".join(texts[:MOST_FAULTS]) + (f"; and {more} more" if more > 0 else "")


def _evidence(faults: Sequence[Fault], mask: Mask) -> tuple[Evidence, ...]:
    different = {(id(fault.seen), id(fault.item)): fault for fault in faults}
    shown = [fault for fault in different.values() if fault.seen is not None][:MOST_EVIDENCE]
    return tuple(mask.evidence(fault.seen, fault.item) for fault in shown if fault.seen)
