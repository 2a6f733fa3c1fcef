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

from ocpi_hub.clearing.ledger import Examination
from ocpi_hub.delivery.cdr_examiner import CdrExaminer
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
from ocpi_hub.delivery.quality import Quality, noticed
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
        examiner: CdrExaminer,
        found: Callable[[], None],
        quality: Quality,
        batch_due: BatchDue = lambda _owner, _receiver: None,
    ) -> None:
        self._custody = custody
        self._quality = quality
        self._max_depth = max_depth
        self._examiner = examiner
        self._found = found
        self._batch_due = batch_due

    async def take(self, text: str, source: Source) -> Listed:
        platform = source.platform
        try:
            parsed = parse_object(text.encode(), CDR, max_depth=self._max_depth)
            receiving = self._receiving(parsed.value, platform, source.directory)
        except OcpiError as error:
            note_left_out(self._quality, source, Module.CDRS, error)
            source.skipped.append(str(error))
            return Listed.BROKEN
        cdr = parsed.value
        relation = source.directory.relation(cdr.owner, cdr.cdr_token.owner)
        intake = self._intake(text, cdr, receiving, await self._examiner.examine(cdr, relation))
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
        subject = subject_of(source, Module.CDRS, cdr.owner, cdr.id)
        self._quality.accepted(subject, noticed(parsed))
        return Listed.TAKEN

    def _receiving(self, cdr: CDR, platform: Platform, directory: Directory) -> Platform:
        """Whom the CDR goes to.

        Raises:
            OcpiError: it cannot be taken.
        """
        require_own(cdr.owner, platform)
        return receiving_platform(cdr.cdr_token.owner, cdr.owner, directory)

    def _intake(self, text: str, cdr: CDR, receiving: Platform, examined: Examination) -> Intake:
        owner, payer = cdr.owner, cdr.cdr_token.owner
        reason = examined.hold_reason
        pushable = (Module.CDRS.value, InterfaceRole.RECEIVER) in receiving.endpoints
        start = Start.WAIT if pushable else Start.PULL
        return Intake(
            key=ObjectKey(Module.CDRS.value, owner, cdr.id),
            receiver=payer,
            body=text,
            fingerprint=fingerprint(text),
            last_updated=cdr.last_updated,
            correlation_id=str(uuid.uuid4()),
            start=Start.HOLD if reason else start,
            attempt_id=uuid.uuid4(),
            reason=reason,
            resend=False,
            batch_due_at=self._batch_due(owner, payer),
            examined=examined,
        )
