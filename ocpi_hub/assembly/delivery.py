"""The way out: relays, custody, feed, liveness."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from ocpi_hub.assembly.offer import FEED_MODULES
from ocpi_hub.assembly.stores import Stores
from ocpi_hub.assembly.surroundings import Surroundings
from ocpi_hub.authorization.circuit_keeper import CircuitKeeper
from ocpi_hub.authorization.circuits import Circuits
from ocpi_hub.clearing.checks import configured_rules
from ocpi_hub.delivery.cdr_examiner import CdrExaminer
from ocpi_hub.delivery.cdr_rechecks import CdrRechecks
from ocpi_hub.delivery.client_info_follower import ClientInfoFollower
from ocpi_hub.delivery.client_info_pusher import ClientInfoPusher
from ocpi_hub.delivery.directed import DirectedDelivery
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.sender import FeedLimits
from ocpi_hub.delivery.feed.worker import FeedWorker
from ocpi_hub.delivery.late_endpoints import LateEndpoints
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.liveness import Liveness
from ocpi_hub.delivery.messages import RecordedClient, Recorder
from ocpi_hub.delivery.quality import Quality
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.session_delivery import SessionDelivery
from ocpi_hub.delivery.tombstones import Tombstones
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.message_record import SeenLeg
from ocpi_hub.store.circuits import CHANNEL as CIRCUITS


class Delivery:
    """What leaves the hub, and what comes back.

    Args:
        measure: told about every request in either direction.
        deviates: told about every mild fault; see `Quality`.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        directory: Callable[[], Directory],
        measure: Callable[[SeenLeg], None],
        deviates: Callable[[str, str, int], None],
    ) -> None:
        def noted(seen: SeenLeg) -> None:
            measure(seen)
            stores.messages.records.offer(seen)

        settings, clock = around.settings, around.clock
        self.quality = Quality(
            stores.quality,
            clock,
            mask=around.mask_uid,
            counted=deviates,
            tariff_wait_s=settings.tariff_wait_s,
        )
        self.examiner = CdrExaminer(stores.check_contexts, configured_rules(settings), clock)
        self.custody = around.wrappers.custody(stores.custody)
        self.errands = Errands(grace_s=settings.grace_s)
        self.liveness = Liveness(
            stores.liveness,
            around.client,
            directory,
            clock,
            still_alive_s=settings.still_alive_s,
            offline_after=settings.offline_after_failures,
            check_s=settings.handshake_timeout_s,
            returned=lambda: self.directed.wake(),
        )
        self.circuits = Circuits(failures=settings.circuit_failures)
        stores.directory.also_listen(CIRCUITS, self.circuits.wake.set)
        self.circuit_keeper = CircuitKeeper(
            self.circuits,
            stores.circuits,
            self.liveness.answers,
            directory,
            clock,
            pause_s=settings.circuit_probe_s,
        )
        self.recorder = Recorder(
            noted,
            clock,
            body_bytes=settings.message_body_bytes if settings.message_bodies else 0,
            waiting=lambda: stores.messages.records.queued,
        )
        self.client = RecordedClient(
            around.wrappers.client(around.client),
            self.recorder,
            clock,
            answered=self.liveness.answered,
        )
        self.handshake_client = RecordedClient(around.client, self.recorder, clock)
        self.directed = DirectedDelivery(
            self.custody,
            self.client,
            self.errands,
            directory,
            clock,
            wait_s=settings.custody_wait_s,
            attempt_s=settings.relay_timeout_s,
            rest_s=settings.retry_min_s,
            poll_s=settings.delivery_poll_s,
            per_receiver=settings.max_in_flight_per_receiver,
            refused=self.liveness.missed,
        )
        self.cdr_rechecks = CdrRechecks(
            stores.cdr_rechecks,
            self.examiner,
            directory,
            clock,
            let_go=self.directed.wake,
            max_depth=settings.max_json_depth,
            poll_s=settings.delivery_poll_s,
        )
        self.sessions = SessionDelivery(
            stores.sessions, self.directed, clock, wait_s=settings.custody_wait_s
        )
        self.tombstones = Tombstones(
            stores.tombstones, directory, keep=timedelta(days=settings.tombstone_days)
        )
        self.late_endpoints = LateEndpoints(stores.custody, directory, found=self.directed.wake)
        self.links = PageLinks(
            around.public_url,
            lambda text: around.keyring.mac("page link", text),
            clock,
            days=settings.page_link_days,
        )
        self.relay = Relay(self.client, self.links, timeout_s=settings.relay_timeout_s)
        self.client_info = _client_info_pusher(around, stores, self.client, directory)


def _client_info_pusher(
    around: Surroundings, stores: Stores, client: OutboundClient, directory: Callable[[], Directory]
) -> ClientInfoPusher:
    settings, clock = around.settings, around.clock
    return ClientInfoPusher(
        ClientInfoFollower(
            stores.client_info,
            clock,
            hold=timedelta(seconds=settings.client_info_offline_after_s),
            unrelated_planned=settings.client_info_unrelated == "planned",
        ),
        stores.client_info,
        client,
        directory,
        clock,
        attempt_s=settings.relay_timeout_s,
        first_s=settings.retry_min_s,
        longest_s=settings.retry_max_s,
    )


def feed_worker(
    around: Surroundings, stores: Stores, delivery: Delivery, keeper: DirectoryKeeper
) -> FeedWorker:
    settings = around.settings
    return FeedWorker(
        stores.feed,
        delivery.client,
        delivery.errands,
        lambda: keeper.current,
        around.clock,
        keeper.process.process_id,
        FEED_MODULES,
        FeedLimits(
            lease=timedelta(seconds=settings.lane_lease_s + settings.relay_timeout_s),
            attempt_s=settings.relay_timeout_s,
            poll_s=settings.feed_poll_s,
            per_receiver=settings.max_in_flight_per_receiver,
            catch_up_rps=settings.catch_up_rps,
            first_s=settings.retry_min_s,
            longest_s=settings.retry_max_s,
            alive=timedelta(seconds=settings.directory_max_age_s),
        ),
    )
