"""What is missing among the CDRs, or needs somebody. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("cdr_gaps")


class GapKind(StrEnum):
    SESSION_WITHOUT_CDR = "session_without_cdr"
    """A session that was completed a while ago, and no CDR names it."""
    CDR_WITHOUT_SESSION = "cdr_without_session"
    """A CDR whose session the hub never saw, of a CPO that sends its sessions."""
    NUMBER_MISSING = "number_missing"
    """A CPO counts its CDRs, and one number did not come."""
    REFUSED_AFTER_ACK = "refused_after_ack"
    """Its sender was told 1000, and then the receiver refused it."""
    DEAD = "dead"
    """It could not be delivered."""
    CREDIT_MISSING = "credit_missing"
    """A dispute was accepted, and no Credit CDR came."""


KINDS: Final = tuple(GapKind)
ALL: Final = 2**31 - 1
QUERIES: Final[Mapping[GapKind, str]] = MappingProxyType({kind: SQL[kind] for kind in GapKind})


@value
class CdrGap:
    """Something missing.

    Attributes:
        receiver: None for numbers: nobody knows whom they were for.
        id: of a CDR, or of a session without one.
        card: uid and contract_id that a receiver's words in the text may quote.
    """

    kind: GapKind
    owner: PartyId
    receiver: PartyId | None
    id: str
    at: datetime
    text: str
    card: tuple[str, ...] = ()


async def cdr_gaps(
    database: Database,
    *,
    since: datetime,
    expected_after_h: int,
    owner: PartyId | None = None,
    receiver: PartyId | None = None,
    limit: int,
    looked_at: int = ALL,
    kinds: Collection[GapKind] = KINDS,
) -> Sequence[CdrGap]:
    """Gaps of all kinds, oldest first within each.

    Args:
        expected_after_h: hours after which a completed session should have its CDR.
        limit: of each kind, at most.
        looked_at: sessions, and CDRs, that are held against others: so many of the newest ones.
    """
    parties = (
        *(party_columns(owner) if owner else (None, None)),
        *(party_columns(receiver) if receiver else (None, None)),
    )
    found: list[CdrGap] = []
    async with database.connection() as connection:
        for kind in kinds:
            rows = await connection.fetch(
                QUERIES[kind], since, *parties, limit, expected_after_h, looked_at
            )
            for row in rows:
                country, party = row["receiver_country_code"], row["receiver_party_id"]
                found.append(
                    CdrGap(
                        kind=kind,
                        owner=PartyId(row["country_code"], row["party_id"]),
                        receiver=PartyId(country, party) if country else None,
                        id=row["id"],
                        at=row["at"],
                        text=row["text"],
                        card=tuple(row.get("card", ())),
                    )
                )
    return found
