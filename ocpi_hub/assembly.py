"""Which part gets which: one process of the hub, put together.

Read top down, this is the dependency graph: stores, the way out, what happens to messages, HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from ocpi_hub.authorization.service import Authorizer
from ocpi_hub.clearing.holds import HoldLimits
from ocpi_hub.clock import Clock
from ocpi_hub.delivery.ask import AskByRelay
from ocpi_hub.delivery.client_info_pusher import ClientInfoPusher
from ocpi_hub.delivery.custody import CustodyStore, Patience
from ocpi_hub.delivery.directed import DirectedDelivery
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.feed.sender import FeedLimits
from ocpi_hub.delivery.feed.worker import FeedWorker
from ocpi_hub.delivery.inbound_catch_up import InboundCatchUp
from ocpi_hub.delivery.late_endpoints import LateEndpoints
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.listed_cdrs import ListedCdrs
from ocpi_hub.delivery.liveness import Liveness, ObservedClient
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, RelationMode
from ocpi_hub.errors import StoreError
from ocpi_hub.registration.handshake import Handshake
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.registration.renewal import Renewal
from ocpi_hub.server.app import Handler, OcpiServer, build_app
from ocpi_hub.server.configuration import ConfigurationHandler
from ocpi_hub.server.handlers.cdrs import CdrsHandler
from ocpi_hub.server.handlers.common import Limits
from ocpi_hub.server.handlers.hub_client_info import HubClientInfoHandler
from ocpi_hub.server.handlers.tokens import TokensHandler
from ocpi_hub.server.inbound import Authenticator
from ocpi_hub.settings import Settings
from ocpi_hub.store.authorization import PostgresDecisionStore, PostgresTokenLookup
from ocpi_hub.store.client_info import PostgresClientInfoStore
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.feed import PostgresFeedStore
from ocpi_hub.store.liveness import PostgresCatchUpStore, PostgresLivenessStore
from ocpi_hub.store.migrate import pending
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.renewal import PostgresRenewalStore
from ocpi_hub.store.secret_key import Keyring
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.writer import BatchWriter

OFFERED = (
    *((module.value, role) for module in (Module.TOKENS, Module.CDRS) for role in InterfaceRole),
    (Module.HUB_CLIENT_INFO.value, InterfaceRole.SENDER),
)
"""Modules of this hub besides credentials, by interface."""

FEED_MODULES = (Module.TOKENS.value,)
"""Modules whose objects are pushed to everybody related."""

CHECK_AGAIN_S = 60.0
"""Seconds between checks of a platform that stays silent, at most."""

Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Roles:
    """What a process does: answer requests, work in the background, or both."""

    api: bool = True
    worker: bool = True


@dataclass(frozen=True, slots=True)
class Wrappers:
    """Places where a test may stand between parts of the real service."""

    client: Callable[[OutboundClient], OutboundClient] = lambda client: client
    custody: Callable[[CustodyStore], CustodyStore] = lambda store: store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process is built on.

    Attributes:
        public_url: base of every URL the hub hands out.
        serves: whether this process accepts requests itself.
    """

    settings: Settings
    database: Database
    keyring: Keyring
    client: OutboundClient
    clock: Clock
    public_url: str
    serves: bool
    wrappers: Wrappers

    @property
    def known_url(self) -> str | None:
        """`public_url` if partners can reach the hub there: a process that only works in the
        background listens nowhere, and knows no other URL than a configured one."""
        return self.public_url if self.serves or self.settings.public_url else None


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process is made of, as far as it has to be started and stopped."""

    keeper: DirectoryKeeper
    liveness_store: PostgresLivenessStore
    always: tuple[tuple[str, Loop], ...]
    background: tuple[tuple[str, Loop], ...]
    writers: tuple[BatchWriter[Any, Any], ...]
    app: web.Application

    def loops(self, roles: Roles) -> tuple[tuple[str, Loop], ...]:
        """The loops of a process, by name."""
        return self.always + (self.background if roles.worker else ())


class _Stores:
    """Everything that is kept, on one pool."""

    def __init__(self, around: Surroundings) -> None:
        settings, database = around.settings, around.database
        batches = {
            "batch_rows": settings.batch_rows,
            "batch_queue_rows": settings.batch_queue_rows,
        }
        self.directory = PostgresDirectoryStore(
            database,
            around.keyring,
            PartyId(settings.hub_country_code, settings.hub_party_id),
            RelationMode(settings.default_relation),
        )
        self.registration = PostgresRegistrationStore(
            database, around.keyring, overlap=timedelta(seconds=settings.catch_up_overlap_s)
        )
        self.renewal = PostgresRenewalStore(database)
        self.shared = PostgresSharedStore(
            database, relay_time=timedelta(seconds=settings.lease_s), **batches
        )
        self.custody = PostgresCustodyStore(
            database,
            lease=timedelta(seconds=settings.lease_s),
            patience=Patience(
                settings.retry_min_s,
                settings.retry_max_s,
                timedelta(days=settings.retry_give_up_days),
            ),
            **batches,
        )
        self.feed = PostgresFeedStore(
            database, gap_lease=timedelta(seconds=settings.lease_s), **batches
        )
        self.client_info = PostgresClientInfoStore(
            database, lease=timedelta(seconds=settings.lease_s)
        )
        self.decisions = PostgresDecisionStore(database, **batches)
        self.tokens = PostgresTokenLookup(database, **batches)
        self.liveness = PostgresLivenessStore(
            database,
            check_every=timedelta(seconds=min(settings.still_alive_s, CHECK_AGAIN_S)),
            overlap=timedelta(seconds=settings.catch_up_overlap_s),
        )
        self.catch_up = PostgresCatchUpStore(database, lease=timedelta(seconds=settings.lease_s))


class _Delivery:
    """The way out: relays, custody, liveness, catch-up."""

    def __init__(
        self, around: Surroundings, stores: _Stores, directory: Callable[[], Directory]
    ) -> None:
        settings, clock = around.settings, around.clock
        self.holds = _hold_limits(settings)
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
        self.client = ObservedClient(around.wrappers.client(around.client), self.liveness.answered)
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
        listed = ListedCdrs(
            self.custody,
            max_depth=settings.max_json_depth,
            holds=self.holds,
            found=self.directed.wake,
        )
        self.catch_up = InboundCatchUp(
            stores.catch_up,
            listed,
            self.client,
            directory,
            clock,
            timeout_s=settings.relay_timeout_s,
        )
        self.late_endpoints = LateEndpoints(stores.custody, directory, found=self.directed.wake)
        self.links = PageLinks(
            around.public_url,
            lambda text: around.keyring.mac("page link", text),
            clock,
            days=settings.page_link_days,
        )
        self.relay = Relay(self.client, self.links, timeout_s=settings.relay_timeout_s)
        self.client_info = ClientInfoPusher(
            stores.client_info,
            self.client,
            directory,
            clock,
            attempt_s=settings.relay_timeout_s,
            first_s=settings.retry_min_s,
            longest_s=settings.retry_max_s,
        )


def assemble(around: Surroundings) -> Parts:
    """Put a process together; nothing runs yet."""
    stores = _Stores(around)
    keeper = DirectoryKeeper(
        stores.directory, around.settings, around.clock, public_url=around.known_url
    )
    delivery = _Delivery(around, stores, lambda: keeper.current)
    feed = _feed(around, stores, delivery, keeper)
    server = _server(around, stores, delivery, keeper)

    async def not_ready() -> str | None:
        return await _not_ready(around.database, keeper)

    return Parts(
        keeper=keeper,
        liveness_store=stores.liveness,
        always=(
            ("directory", keeper.run),
            ("liveness", delivery.liveness.run),
            ("errands", delivery.errands.run),
        ),
        background=(
            ("delivery", delivery.directed.run),
            ("late-endpoints", delivery.late_endpoints.run),
            ("catch-up", delivery.catch_up.run),
            ("renewal", _renewal(around, stores, keeper).run),
            ("feed", feed.run),
            ("client-info", delivery.client_info.run),
        ),
        writers=(
            stores.shared.changes,
            stores.custody.intakes,
            stores.custody.reports,
            stores.decisions.decisions,
            stores.tokens.questions,
            stores.feed.questions,
            stores.feed.gaps,
        ),
        app=build_app(server, max_body_bytes=around.settings.max_body_bytes, ready=not_ready),
    )


def _feed(
    around: Surroundings, stores: _Stores, delivery: _Delivery, keeper: DirectoryKeeper
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


def _renewal(around: Surroundings, stores: _Stores, keeper: DirectoryKeeper) -> Renewal:
    settings, url = around.settings, around.known_url
    onboarding = Onboarding(
        stores.registration,
        around.client,
        UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks),
        settings,
        public_url=around.public_url,
        offered=OFFERED,
    )
    return Renewal(
        stores.renewal,
        onboarding,
        keeper,
        max_age=timedelta(days=settings.credentials_renew_days) if url else timedelta(),
        # Processes without a configured URL may disagree on it: they would take turns.
        watch_offer=bool(settings.public_url),
        grace_s=settings.grace_s,
    )


def _server(
    around: Surroundings, stores: _Stores, delivery: _Delivery, keeper: DirectoryKeeper
) -> OcpiServer:
    settings = around.settings
    handshake = Handshake(
        stores.registration,
        around.client,
        UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks),
        settings,
        public_url=around.public_url,
        offered=OFFERED,
        changed=keeper.refresh,
    )
    return OcpiServer(
        settings,
        around.clock,
        keeper,
        Authenticator(lambda: keeper.current, keeper.look_up_credentials, around.clock.now),
        ConfigurationHandler(
            handshake,
            HubClientInfoHandler(
                stores.client_info,
                page_limit=settings.page_limit,
                public_url=around.public_url,
            ),
        ),
        _handlers(around, stores, delivery),
        delivery.liveness.seen,
    )


def _handlers(around: Surroundings, stores: _Stores, delivery: _Delivery) -> dict[str, Handler]:
    settings, public_url = around.settings, around.public_url
    limits = Limits(
        settings.max_json_depth,
        settings.max_object_bytes,
        settings.page_limit,
        settings.page_bytes,
    )
    authorizer = Authorizer(
        AskByRelay(delivery.relay),
        stores.tokens,
        stores.decisions,
        settings=settings,
        clock=around.clock,
        mask=lambda uid: around.keyring.mac("token uid", uid),
    )
    return {
        Module.TOKENS.value: TokensHandler(
            stores.shared,
            delivery.relay,
            AddressedPushes(delivery.relay, stores.shared, stores.feed),
            delivery.links,
            authorizer,
            limits,
            public_url,
        ),
        Module.CDRS.value: CdrsHandler(
            delivery.directed,
            delivery.custody,
            delivery.relay,
            delivery.links,
            delivery.holds,
            limits,
            public_url,
        ),
    }


def _hold_limits(settings: Settings) -> HoldLimits:
    return HoldLimits(
        Decimal(str(settings.hold_energy_kwh)),
        Decimal(str(settings.hold_duration_h)),
        Decimal(str(settings.hold_total_cost)),
    )


async def _not_ready(database: Database, keeper: DirectoryKeeper) -> str | None:
    """Why the service cannot serve now (surface `/readyz`)."""
    if not keeper.fresh():
        return "the directory could not be verified lately"
    try:
        async with database.connection() as connection:
            missing = await pending(connection)
    except StoreError as error:
        return f"the database cannot be used: {error}"
    return f"migrations are missing: {', '.join(missing)}" if missing else None
