"""What an owner's list holds: each CDR into custody, once.

A CDR whose receiver is known and related, but not connected now (PLANNED, SUSPENDED), enters
custody and waits: nobody would bring it again. A push of the same CDR is refused instead (4003):
its sender hears of it.

Spec: 2.2.1 mod_cdrs_pull_model.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

from ocpi_hub.clearing.holds import HoldLimits, examine
from ocpi_hub.delivery.custody import CustodyStore, Intake, Repeat, Start
from ocpi_hub.delivery.listed import (
    Listed,
    OneByOne,
    Source,
    note_left_out,
    receiving_platform,
    require_own,
    subject_of,
)
from ocpi_hub.delivery.quality import Noticed, Quality, noticed
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform
from ocpi_hub.errors import OcpiError, StoreError, StoreUnavailable
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

BatchDue = Callable[[PartyId, PartyId], datetime | None]


class ListedCdrs(OneByOne):
    """Implements `delivery.listed.ListedObjects` for CDRs: into custody.

    Args:
        found: called for each one that is new.
        batch_due: when a CDR of these owner and receiver is due, with others; None: at once.
    """

    def __init__(
        self,
        custody: CustodyStore,
        *,
        max_depth: int,
        holds: HoldLimits,
        found: Callable[[], None],
        quality: Quality,
        batch_due: BatchDue = lambda _owner, _receiver: None,
    ) -> None:
        self._custody = custody
        self._quality = quality
        self._max_depth = max_depth
        self._holds = holds
        self._found = found
        self._batch_due = batch_due

    async def take(self, text: str, source: Source) -> Listed:
        platform = source.platform
        try:
            intake, cdr_id, seen = self._intake(text, platform, source.directory)
        except OcpiError as error:
            note_left_out(self._quality, source, Module.CDRS, error)
            log.warning("listed_object_skipped", platform=platform.platform_id, reason=str(error))
            return Listed.BROKEN
        try:
            taken = await self._custody.take_in(intake)
        except StoreUnavailable:
            raise
        except StoreError as error:
            log.error("listed_object_not_stored", platform=platform.platform_id, error=str(error))
            return Listed.BROKEN
        if taken.repeat not in (None, Repeat.REPLACE):
            return Listed.KNOWN
        self._found()
        self._quality.accepted(subject_of(source, Module.CDRS, intake.key.owner, cdr_id), seen)
        return Listed.TAKEN

    def _intake(
        self, text: str, platform: Platform, directory: Directory
    ) -> tuple[Intake, str, Noticed]:
        """The CDR, its id, and what is to be counted about it.

        Raises:
            OcpiError: it cannot be taken.
        """
        body = text.encode()
        parsed = parse_object(body, CDR, max_depth=self._max_depth)
        cdr = parsed.value
        owner = PartyId(cdr.country_code, cdr.party_id)
        require_own(owner, platform)
        payer = PartyId(cdr.cdr_token.country_code, cdr.cdr_token.party_id)
        receiving = receiving_platform(payer, owner, directory)
        examined = examine(cdr, self._holds)
        reason = examined.hold_reason
        pushable = (Module.CDRS.value, InterfaceRole.RECEIVER) in receiving.endpoints
        start = Start.WAIT if pushable else Start.PULL
        intake = Intake(
            key=ObjectKey(Module.CDRS.value, owner, cdr.id),
            receiver=payer,
            body=text,
            fingerprint=fingerprint(body),
            last_updated=cdr.last_updated,
            correlation_id=str(uuid.uuid4()),
            start=Start.HOLD if reason else start,
            attempt_id=uuid.uuid4(),
            reason=reason,
            resend=False,
            batch_due_at=self._batch_due(owner, payer),
            examined=examined,
        )
        return intake, cdr.id, noticed(parsed)
