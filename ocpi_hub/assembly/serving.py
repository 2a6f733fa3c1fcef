"""What partners reach over HTTP, and the registration behind it."""

from __future__ import annotations

from datetime import timedelta

from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.admin.metrics.sinks import CountedDecisions
from ocpi_hub.assembly.delivery import Delivery
from ocpi_hub.assembly.offer import OFFERED
from ocpi_hub.assembly.stores import Stores
from ocpi_hub.assembly.surroundings import Surroundings
from ocpi_hub.authorization.service import Authorizer
from ocpi_hub.delivery.answer_url_limit import AnswerUrlLimit
from ocpi_hub.delivery.ask import AskByRelay
from ocpi_hub.delivery.asynchronous import AsynchronousAnswers
from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.domain.party import Module
from ocpi_hub.registration.expired import ExpiredInvitations
from ocpi_hub.registration.handshake import Handshake
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.registration.renewal import Renewal
from ocpi_hub.server.app import Handler, OcpiServer
from ocpi_hub.server.configuration import ConfigurationHandler
from ocpi_hub.server.handlers.cdrs import CdrsHandler
from ocpi_hub.server.handlers.charging_profiles import ChargingProfilesHandler
from ocpi_hub.server.handlers.commands import CommandsHandler
from ocpi_hub.server.handlers.common import Limits
from ocpi_hub.server.handlers.custom import CustomModulesHandler
from ocpi_hub.server.handlers.hub_client_info import HubClientInfoHandler
from ocpi_hub.server.handlers.locations import LocationsHandler
from ocpi_hub.server.handlers.sessions import SessionsHandler
from ocpi_hub.server.handlers.shared import Services
from ocpi_hub.server.handlers.tariffs import TariffsHandler
from ocpi_hub.server.handlers.tokens import TokensHandler
from ocpi_hub.server.inbound import Authenticator
from ocpi_hub.store.handshake_steps import PostgresSteps


def ocpi_server(
    around: Surroundings,
    stores: Stores,
    delivery: Delivery,
    keeper: DirectoryKeeper,
    instruments: Instruments,
) -> OcpiServer:
    settings = around.settings
    steps = PostgresSteps(around.database)
    expired = ExpiredInvitations(keeper.look_up_credentials, steps, around.clock)
    handshake = Handshake(
        stores.registration,
        delivery.handshake_client,
        UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks),
        settings,
        public_url=around.public_url,
        offered=OFFERED,
        changed=keeper.refresh,
        introduce=delivery.client_info.introduce,
        steps=steps,
    )
    return OcpiServer(
        settings,
        around.clock,
        keeper,
        Authenticator(lambda: keeper.current, expired.look_up, around.clock.now),
        ConfigurationHandler(
            handshake,
            HubClientInfoHandler(
                stores.client_info,
                page_limit=settings.page_limit,
                public_url=around.public_url,
                unrelated_planned=settings.client_info_unrelated == "planned",
            ),
        ),
        _handlers(around, stores, delivery, instruments),
        CustomModulesHandler(delivery.relay, delivery.links, json_depth=settings.max_json_depth),
        delivery.liveness.seen,
        delivery.recorder,
        instruments.refused,
    )


def _handlers(
    around: Surroundings, stores: Stores, delivery: Delivery, instruments: Instruments
) -> dict[str, Handler]:
    settings, public_url = around.settings, around.public_url
    limits = Limits(
        settings.max_json_depth,
        settings.max_object_bytes,
        settings.page_limit,
        settings.page_bytes,
    )
    authorizer = Authorizer(
        AskByRelay(delivery.relay),
        stores.token_cache,
        CountedDecisions(stores.decisions, instruments),
        delivery.circuits,
        settings=settings,
        clock=around.clock,
        mask=around.mask_uid,
    )
    services = Services(
        stores.shared,
        delivery.relay,
        AddressedPushes(delivery.relay, stores.shared, stores.feed),
        delivery.links,
        limits,
        public_url,
        delivery.quality,
    )
    answers = AsynchronousAnswers(
        stores.answer_urls,
        delivery.relay,
        UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks),
        around.clock,
        public_url=public_url,
        keep_s=settings.answer_url_keep_s,
        limit=AnswerUrlLimit(
            stores.answer_urls, around.clock, per_platform=settings.answer_urls_per_platform
        ),
    )
    return {
        Module.LOCATIONS.value: LocationsHandler(services),
        Module.TARIFFS.value: TariffsHandler(services),
        Module.TOKENS.value: TokensHandler(services, authorizer),
        Module.SESSIONS.value: SessionsHandler(
            delivery.sessions,
            stores.sessions,
            delivery.relay,
            delivery.links,
            limits,
            public_url,
            delivery.quality,
        ),
        Module.CDRS.value: CdrsHandler(
            delivery.directed,
            delivery.custody,
            delivery.relay,
            delivery.links,
            delivery.examiner,
            limits,
            public_url,
            delivery.quality,
        ),
        Module.COMMANDS.value: CommandsHandler(
            answers, stores.addressees, limits, delivery.quality
        ),
        Module.CHARGING_PROFILES.value: ChargingProfilesHandler(
            answers, stores.addressees, delivery.relay, limits, delivery.quality
        ),
    }


def renewal(
    around: Surroundings, stores: Stores, delivery: Delivery, keeper: DirectoryKeeper
) -> Renewal:
    settings, url = around.settings, around.known_url
    return Renewal(
        stores.renewal,
        onboarding(around, stores, delivery),
        keeper,
        max_age=timedelta(days=settings.credentials_renew_days) if url else timedelta(),
        # Processes without a configured URL may disagree on it: they would take turns.
        watch_offer=bool(settings.public_url),
        grace_s=settings.grace_s,
    )


def onboarding(around: Surroundings, stores: Stores, delivery: Delivery) -> Onboarding:
    settings = around.settings
    return Onboarding(
        stores.registration,
        delivery.handshake_client,
        UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks),
        settings,
        public_url=around.public_url,
        offered=OFFERED,
        steps=PostgresSteps(around.database),
    )
