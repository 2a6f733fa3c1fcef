"""What the handlers of directed objects have in common."""

from __future__ import annotations

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.objects import LastAnswer
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.envelope import envelope
from ocpi_hub.routing.route import ToParty


def is_copy_for_scsp(target: ToParty, payer: PartyId, directory: Directory) -> bool:
    """Copies to an SCSP are relayed, without custody (design: Directed objects)."""
    return target.receiver != payer and Role.SCSP in directory.roles_of(target.receiver)


def refused_before(answer: LastAnswer | None, receiver: PartyId) -> Reply:
    """A refusal that is on record: the codes and the text of it are."""
    http = (answer and answer.http) or 200
    code = (answer and answer.ocpi) or InvalidRequest.status_code
    text = (answer and answer.message) or "The receiver refused this object"
    return Reply(http, envelope(status_code=code, message=text), sender=receiver)
