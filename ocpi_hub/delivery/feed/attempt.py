"""One attempt to bring a receiver up to date with one object.

An EVSE goes out alone. A receiver that lacks its Location gets that at once instead.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from ocpi_hub.delivery.feed.evses import EvseHabit, lacks_location
from ocpi_hub.delivery.feed.lane import Lane, order_key
from ocpi_hub.delivery.feed.protocols import Current, FeedStore
from ocpi_hub.delivery.feed.push import is_told_by_delete, push_leg
from ocpi_hub.delivery.feed.receivers import gets_broadcasts
from ocpi_hub.delivery.leg import outbound_request
from ocpi_hub.delivery.shared import is_evse
from ocpi_hub.delivery.unpublished import gets_published_only, is_published
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Verdict, judge
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.objects import EVERYBODY, LastAnswer
from ocpi_hub.domain.party import Module, PartyId, Platform
from ocpi_hub.domain.value import value
from ocpi_hub.errors import HubRoutingError, InvalidRequest


@value
class Outcome:
    """What came of an attempt.

    Attributes:
        location: the whole Location, if the receiver took that.
    """

    verdict: Verdict
    location: Current | None = None


class Attempts:
    """Sends objects; `attempt_s` are the seconds a request may take."""

    def __init__(
        self,
        store: FeedStore,
        client: OutboundClient,
        directory: Callable[[], Directory],
        attempt_s: float,
    ) -> None:
        self._store = store
        self._client = client
        self._directory = directory
        self._attempt_s = attempt_s

    async def is_withheld(self, current: Current, lane: Lane) -> bool:
        """Whether it is not for this receiver: it is broadcast to others, the receiver has an own
        copy in its place or had one once, or it is of a Location that is not to be published."""
        directory, receiver = self._directory(), lane.lane_id.receiver
        if current.key.audience == EVERYBODY and not gets_broadcasts(directory, lane.lane_id):
            return True
        if str(receiver) in current.own or current.outlived:
            return True
        if current.deleted and current.key.module == Module.LOCATIONS:
            return True  # there is no message that says so
        if not gets_published_only(directory, receiver, current.key):
            return False
        whole = current
        if is_evse(current.key):
            whole = await self._store.current(order_key(current.key)) or current
        return not is_published(whole.body) and not self.is_last_word(current, lane)

    def is_last_word(self, current: Current, lane: Lane) -> bool:
        """Whether it is a Location that is published no more, and this receiver may hold it as it
        was published: it is owed the last state, by a gap."""
        return (
            current.key in lane.gaps
            and not is_evse(current.key)
            and gets_published_only(self._directory(), lane.lane_id.receiver, current.key)
            and not is_published(current.body)
        )

    async def send(
        self,
        current: Current,
        receiver: PartyId,
        platform: Platform,
        habit: EvseHabit,
        may_go_on: Callable[[], bool],
    ) -> Outcome:
        """Send an object.

        Args:
            may_go_on: whether there is time for another request.
        """
        if is_evse(current.key):
            if not habit.wants_locations():
                verdict = await self._push(current, receiver, platform)
                if isinstance(verdict, Delivered):
                    habit.took_evse()
                if not lacks_location(verdict):
                    return Outcome(verdict)
            if not may_go_on():
                return Outcome(NotSent(LastAnswer(None, None, "the lease is in doubt")))
            location = await self._store.current(order_key(current.key))
            if location is not None:
                outcome = await self._send_whole(location, receiver, platform)
                if outcome.location is not None:
                    habit.took_location()
                return outcome
        return await self._send_whole(current, receiver, platform)

    async def _send_whole(self, current: Current, receiver: PartyId, platform: Platform) -> Outcome:
        verdict = await self._push(current, receiver, platform)
        location = current.key.module == Module.LOCATIONS and not is_evse(current.key)
        return Outcome(verdict, current if location and isinstance(verdict, Delivered) else None)

    async def _push(self, current: Current, receiver: PartyId, platform: Platform) -> Verdict:
        leg = push_leg(current, receiver, platform, self._directory().hub)
        try:
            request = outbound_request(leg, deadline_s=self._attempt_s)
        except HubRoutingError as error:
            return Failed(LastAnswer(None, None, error.message))
        except InvalidRequest as error:
            # No URL can name it, whoever the receiver is.
            return Refused(LastAnswer(None, None, error.message))
        verdict = judge(await self._client.send(request))
        if is_told_by_delete(current) and verdict.answer.http == HTTPStatus.NOT_FOUND:
            return Delivered(verdict.answer)  # what is not there is as good as deleted
        return verdict
