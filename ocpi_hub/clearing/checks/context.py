"""What the hub knows beside a CDR. Looked up by `store.check_context`; the checks only read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from ocpi_hub.clearing.credits import Booked, Total
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff


@value
class LocationSeen:
    """A Location as the hub has it now.

    Attributes:
        connectors: power in kW by EVSE uid and connector id, folded; None: not told.
        tariff_ids: of each connector, likewise.
    """

    time_zone: str | None
    published: bool
    connectors: Mapping[tuple[str, str], Decimal | None]
    tariff_ids: Mapping[tuple[str, str], tuple[str, ...]]


@value
class SessionSeen:
    """A Session as the hub has it; texts as they came, None: not told.

    Attributes:
        kwh: None too where it is no number.
    """

    status: str | None
    kwh: Decimal | None
    currency: str | None
    token_uid: str | None
    location_id: str | None
    evse_uid: str | None


@value
class AuthorizationSeen:
    """The latest decision with a CDR's reference.

    Attributes:
        allowed: None: nobody decided.
    """

    allowed: str | None
    uid: str


@value
class CheckContext:
    """What belongs to one CDR.

    Attributes:
        received_at: when the hub got it.
        knows_locations: the hub has some Location of its owner.
        tariffs: known to the hub, for ids that the CDR does not hold itself.
        original: what a Credit CDR takes back.
        credited: the sum of other CDRs that take the same back; None: there are none.
        others: CDRs of the same owner and session.
        crowded: what it takes back, or another CDR of its session, comes together with it, and is
            not seen yet.
    """

    received_at: datetime
    knows_locations: bool = False
    location: LocationSeen | None = None
    session: SessionSeen | None = None
    authorization: AuthorizationSeen | None = None
    tariffs: tuple[Tariff, ...] = ()
    original: Booked | None = None
    credited: Total | None = None
    others: tuple[Booked, ...] = ()
    crowded: bool = False
