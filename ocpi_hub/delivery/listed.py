"""What owners' lists hold, whichever module it is: objects that are taken one by one.

An object that breaks the specification, or that the platform may not bring, is skipped with a word
in the log; there is no way to report it in-band (TF-19).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

from ocpi_hub.delivery.quality import Quality
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId, Platform
from ocpi_hub.domain.quality import Subject
from ocpi_hub.errors import InvalidRequest, OcpiError, ReceiverNotConnected, UnknownReceiver
from ocpi_hub.ocpi.faults import Finding, Rule
from ocpi_hub.ocpi.json_text import elements, members
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

REASONS: Final = 3
"""Why objects were left out: as many are told."""


class Listed(Enum):
    """What became of an object of a list."""

    TAKEN = auto()
    CHANGED = auto()
    """Taken in the place of what was known of it."""
    KNOWN = auto()
    BROKEN = auto()
    UNNAMED = auto()
    """Broken, so that nobody can tell which object it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose list it is, and who is who at the time of reading.

    Attributes:
        known: where takers of shared objects note those that they had already, as they stand, and
            those that are listed in a form that cannot be taken.
        skipped: where takers say why they left an object out.
    """

    platform: Platform
    directory: Directory
    known: list[ObjectKey] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def subject_of(source: Source, module: str, owner: PartyId | None, object_id: str) -> Subject:
    """What a list brings, as it is counted; arguments as of `Subject`."""
    return Subject(source.platform.platform_id, module, owner, object_id)


def note_left_out(quality: Quality, source: Source, module: str, error: OcpiError) -> None:
    """Count an object that is broken itself; its partner does not hear of it."""
    if isinstance(error, InvalidRequest):
        subject = subject_of(source, module, None, "")
        quality.deviates(subject, Finding(Rule.SKIPPED, "", error.message))


def log_skipped(source: Source, module: str) -> None:
    """One line for all that were left out: a list may hold nothing else, page after page."""
    if source.skipped:
        log.warning(
            "listed_objects_skipped",
            platform=source.platform.platform_id,
            module=module,
            objects=len(source.skipped),
            reasons=list(dict.fromkeys(source.skipped))[:REASONS],
        )


class ListedObjects(Protocol):
    """Takes the objects of one module."""

    async def take_all(self, texts: Sequence[str], source: Source) -> Sequence[Listed]:
        """Objects of a list, at most a few hundred: kept, or skipped with a word in the log.

        Raises:
            StoreUnavailable: nothing is known to be stored; all have come to an end.
            Overloaded: likewise.
        """
        ...


class OneByOne(ABC):
    """`ListedObjects` that are taken each for itself."""

    @abstractmethod
    async def take(self, text: str, source: Source) -> Listed:
        """One object; see `ListedObjects.take_all`."""

    async def take_all(self, texts: Sequence[str], source: Source) -> Sequence[Listed]:
        results = await asyncio.gather(
            *(self.take(text, source) for text in texts), return_exceptions=True
        )
        taken: list[Listed] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            taken.append(result)
        return taken


def require_own(owner: PartyId, platform: Platform) -> None:
    """A platform brings objects of its own parties only.

    Raises:
        InvalidRequest: the owner is no party of this platform.
    """
    if all(held.party != owner for held in platform.roles if held.active):
        raise InvalidRequest(f"{owner} is not a party of this platform")


def receiving_platform(receiver: PartyId, owner: PartyId, directory: Directory) -> Platform:
    """The platform of the receiver of a directed object, whatever state it is in.

    Raises:
        UnknownReceiver: nobody has this party id.
        ReceiverNotConnected: owner and receiver have no relation.
    """
    platform = directory.platform_of(receiver)
    if platform is None:
        raise UnknownReceiver(f"this hub does not know {receiver}")
    if not directory.related(owner, receiver):
        raise ReceiverNotConnected(f"{owner} and {receiver} have no relation")
    return platform


def data_elements(body: bytes) -> list[str]:
    """The texts of the objects in an envelope's `data`, untouched.

    Raises:
        ValueError: `data` is not a list.
    """
    data = dict(members(body.decode())).get("data", "[]")
    return elements(data)
