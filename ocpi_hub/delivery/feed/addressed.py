"""Pushes of shared objects that are addressed to one party (decision D-16).

The object is stored under its audience, relayed at once, and answered with the receiver's verdict.
Storing it opens a gap of the receiver's lane in the same transaction; the verdict closes it. So
whatever happens to the relay, the receiver is brought up to date by the feed, like with any other
object: after an outage, after a kill of this process, or when it does not know the object that a
PATCH was about (TF-23: it then gets the whole object by PUT). An EVSE or connector that it refuses
because it lacks the Location is followed by the Location the same way.
"""

from __future__ import annotations

from dataclasses import replace

from ocpi_hub.delivery.feed.evses import lacks_location
from ocpi_hub.delivery.feed.protocols import FeedStore, LaneId
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.shared import SharedStore, is_evse
from ocpi_hub.delivery.verdict import Delivered, Refused, judge
from ocpi_hub.domain.exchange import Exchange
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Quirk
from ocpi_hub.errors import HubRoutingError, StoreError
from ocpi_hub.routing.route import ToParty
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


class AddressedPushes:
    """Relays what was stored under a receiver's audience."""

    def __init__(self, relay: Relay, shared: SharedStore, feed: FeedStore) -> None:
        self._relay = relay
        self._shared = shared
        self._feed = feed

    async def pass_on(
        self, message: Message, target: ToParty, key: ObjectKey, position: int
    ) -> Reply:
        """Relay a push that is stored under `key` at `position`; raises as `Relay.pass_on`."""
        sent = await self._as_the_receiver_takes_it(message, target, key)
        try:
            exchange = await self._relay.exchange(sent, target)
        except HubRoutingError:
            if target.platform.catch_up != "push":
                # It fetches what it missed, and its owner is told that it was not reached.
                await self._close(target, key, position)
            raise
        await self._tell_feed(exchange, message, target, key, position)
        return self._relay.reply(exchange, message, target)

    async def _as_the_receiver_takes_it(
        self, message: Message, target: ToParty, key: ObjectKey
    ) -> Message:
        """A platform that takes no PATCH gets the whole object (quirk no_patch, D-11)."""
        if message.method != "PATCH" or Quirk.NO_PATCH not in target.platform.quirks:
            return message
        whole = await self._shared.find(key)
        if whole is None:
            return message
        path = message.path[: 4 if is_evse(key) else 3]
        return replace(message, method="PUT", path=path, body=whole.body.encode())

    async def _tell_feed(
        self,
        exchange: Exchange,
        message: Message,
        target: ToParty,
        key: ObjectKey,
        position: int,
    ) -> None:
        verdict = judge(exchange)
        lacks_it = message.method == "PATCH" and verdict.answer.http == 404
        if is_evse(key):
            lacks_it = lacks_location(verdict)
        if isinstance(verdict, Refused) and lacks_it and target.platform.catch_up == "push":
            await self._hasten(target, key)
        elif isinstance(verdict, Delivered | Refused) or target.platform.catch_up != "push":
            await self._close(target, key, position)

    async def _hasten(self, target: ToParty, key: ObjectKey) -> None:
        try:
            await self._feed.hasten_gap(LaneId(target.receiver, key.module), key)
        except StoreError as error:
            # It is due later.
            log.warning("gap_not_hastened", receiver=str(target.receiver), error=str(error))

    async def _close(self, target: ToParty, key: ObjectKey, position: int) -> None:
        try:
            await self._feed.close_addressed(LaneId(target.receiver, key.module), key, position)
        except StoreError as error:
            # The gap stays: the receiver gets the object once more.
            log.warning("gap_not_closed", receiver=str(target.receiver), error=str(error))
