"""CDRs: taken into custody for the eMSP that pays them. Spec: 2.2.1 mod_cdrs."""

from __future__ import annotations

import uuid
from typing import assert_never
from urllib.parse import quote

from ocpi_hub.delivery.cdr_examiner import CdrExaminer
from ocpi_hub.delivery.custody import CustodyStore, Intake, Start
from ocpi_hub.delivery.directed import (
    Acceptance,
    Conflicting,
    DirectedDelivery,
    Judged,
    JudgedBefore,
    Kept,
)
from ocpi_hub.delivery.keepable import require_keepable
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.quality import Quality, noticed
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.verdict import Delivered
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import DirectedState, ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import InvalidRequest, NotFound, ReceiverNotConnected, UnknownReceiver
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.routing.route import ToParty, check_caller, route, to_party
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import (
    Limits,
    addressed_by_link,
    page_asked,
    subject_of,
)
from ocpi_hub.server.handlers.directed import is_copy_for_scsp, refused_before
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.server.replies import ok, page_reply

RULE = RULES[Module.CDRS]


class CdrsHandler:
    """Serves both interfaces of the CDRs module.

    Args:
        examiner: says what is odd about a CDR, and whether it waits for an operator.
    """

    def __init__(
        self,
        delivery: DirectedDelivery,
        store: CustodyStore,
        relay: Relay,
        links: PageLinks,
        examiner: CdrExaminer,
        limits: Limits,
        public_url: str,
        quality: Quality,
    ) -> None:
        self._delivery = delivery
        self._store = store
        self._relay = relay
        self._links = links
        self._examiner = examiner
        self._limits = limits
        self._public_url = public_url
        self._quality = quality

    async def __call__(self, inbound: Inbound) -> Reply:
        message, directory = inbound.message, inbound.directory
        check_caller(message, RULE, directory)
        if message.interface_role is InterfaceRole.RECEIVER and message.path:
            return await self._copy(message)
        if message.path:
            raise NotFound("cdrs SENDER serves the list only")
        if message.method == "POST":
            return await self._post(message, directory)
        if message.interface_role is InterfaceRole.RECEIVER:
            raise NotFound("A CDR is read at the URL given in the answer to its POST")
        return await self._list(addressed_by_link(message, self._links), directory)

    async def _list(self, message: Message, directory: Directory) -> Reply:
        target = route(message, RULE, directory)
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        page = page_asked(message, self._limits)
        found = await self._store.page(RULE.module, message.sender, page)
        if found.serials:
            await self._store.pulled(RULE.module, message.sender, found.serials)
        return page_reply(found, page, message, self._public_url)

    async def _copy(self, message: Message) -> Reply:
        """The hub's copy at the URL it gave to the poster (CD-03, CD-04, decision D-6)."""
        if message.method != "GET" or len(message.path) != 3:
            raise NotFound("There is no such CDR")
        owner = PartyId(message.path[0], message.path[1])
        if all(held.party != owner for held in message.platform.roles):
            raise NotFound("There is no such CDR")
        found = await self._store.find(ObjectKey(RULE.module, owner, message.path[2]))
        if found is None:
            raise NotFound("There is no such CDR")
        return ok(found.body.encode())

    # POST ----------------------------------------------------------------------------------------

    async def _post(self, message: Message, directory: Directory) -> Reply:
        parsed = parse_object(message.body, CDR, max_depth=self._limits.json_depth)
        cdr = parsed.value
        owner = PartyId(cdr.country_code, cdr.party_id)
        if owner != message.sender:
            raise InvalidRequest(f"The CDR belongs to {owner}, but was sent by {message.sender}")
        require_keepable("id", cdr.id)
        payer = PartyId(cdr.cdr_token.country_code, cdr.cdr_token.party_id)
        target = route(message, RULE, directory, content_party=payer)
        if not isinstance(target, ToParty):
            raise UnknownReceiver
        self._quality.accepted(subject_of(message, owner, cdr.id), noticed(parsed))
        if is_copy_for_scsp(target, payer, directory):
            return await self._relay.pass_on(message, target)
        paying = _payer(message.sender, payer, target, directory)
        relation = directory.relation(owner, paying.receiver)
        examined = await self._examiner.examine(cdr, relation)
        reason = examined.hold_reason
        batch_due_at = self._delivery.batch_due(owner, paying.receiver)
        start = self._delivery.start_for(
            paying.platform, paying.receiver, RULE.module, online=paying.online
        )
        if batch_due_at is not None and start is Start.SEND:
            start = Start.WAIT
        intake = Intake(
            key=ObjectKey(RULE.module, owner, cdr.id),
            receiver=paying.receiver,
            body=require_object_text(message.body),
            fingerprint=fingerprint(message.body),
            last_updated=cdr.last_updated,
            correlation_id=message.ids.correlation_id,
            start=Start.HOLD if reason else start,
            attempt_id=uuid.uuid4(),
            reason=reason,
            batch_due_at=batch_due_at,
            examined=examined,
        )
        acceptance = await self._delivery.accept(intake, paying.platform)
        return self._reply(acceptance, message, target.receiver, cdr)

    def _reply(
        self, acceptance: Acceptance, message: Message, receiver: PartyId, cdr: CDR
    ) -> Reply:
        location = {"Location": self._copy_url(message, cdr)}
        match acceptance:
            case Judged(answer=answer, verdict=verdict):
                headers = location if isinstance(verdict, Delivered) else {}
                return Reply(answer.http_status, answer.body, headers=headers, sender=receiver)
            case JudgedBefore(state=DirectedState.DELIVERED):
                return ok(message="The receiver already has this CDR", extra=location)
            case JudgedBefore(answer=answer):
                return refused_before(answer, receiver)
            case Kept(reason=reason):
                return ok(http_status=201, message=reason, extra=location)
            case Conflicting():
                raise InvalidRequest(
                    f"CDR {cdr.id} was sent before with other content; a CDR cannot be changed:"
                    " send a Credit CDR and a new one"
                )
            case _:
                assert_never(acceptance)

    def _copy_url(self, message: Message, cdr: CDR) -> str:
        segments = (cdr.country_code, cdr.party_id, cdr.id)
        path = "/".join(quote(segment, safe="") for segment in segments)
        return f"{self._public_url}/ocpi/{message.version}/receiver/{RULE.module}/{path}"


def _payer(sender: PartyId, payer: PartyId, target: ToParty, directory: Directory) -> ToParty:
    """A CDR is the business of the eMSP in its token, and of nobody else (CD-07).

    It may be addressed to another party of the payer's platform, which may share one inbox. It is
    the payer's all the same: the payer's relation counts, and the payer has it in its list.

    Raises:
        InvalidRequest: it is addressed to a party on another platform.
        ReceiverNotConnected: the paying party cannot be reached through this hub.
    """
    if target.receiver == payer:
        return target
    platform = directory.platform_of(payer)
    if platform is None:
        raise ReceiverNotConnected(f"{payer}, which cdr_token names, is not on this hub")
    if platform.platform_id != target.platform.platform_id:
        raise InvalidRequest(
            f"cdr_token names {payer}, but the CDR is addressed to {target.receiver}"
        )
    return to_party(sender, payer, directory, by_file=RULE.by_file)
