"""Registrations that the hub's operator begins: handshakes as Sender, rotation.

As Sender the hub's own token has to work while its POST is open, because the partner calls back
within it, and any process may get that call: the token is committed first, as a provisional one
that expires by itself if this process dies. It becomes a lasting one with the partner's answer.

Spec: 2.2.1 credentials_registration, credentials_updating_the_credentials_and_resetting_the_token.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import assert_never
from urllib.parse import urlsplit

from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    OcpiVersion,
    PartyId,
    Platform,
    PlatformId,
    PlatformState,
    Quirk,
)
from ocpi_hub.errors import (
    ClientApiUnusable,
    EndpointsMissing,
    InvalidRequest,
    OperatorError,
    RefusedByPartner,
    UnsupportedVersion,
)
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.registration.claims import (
    claimed_roles,
    new_platform_id,
    new_token,
)
from ocpi_hub.registration.failures import Failure, failure_of_store
from ocpi_hub.registration.invitations import Invitations
from ocpi_hub.registration.partner import Access, Discovered, PartnerCalls
from ocpi_hub.registration.partner_answers import Agreed, Declined, Unclear
from ocpi_hub.registration.protocols import (
    KnownAlready,
    Registration,
    RegistrationStore,
    StoreResult,
    UrlCheck,
)
from ocpi_hub.registration.refusals import raise_to_operator
from ocpi_hub.registration.steps import MAX_SAID, Attempt, NoSteps, Step, StepLog, StepName
from ocpi_hub.registration.versions import OFFERED_VERSIONS, highest_first, make_offer
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

_PROVISIONAL_MARGIN_S = 30.0


class Onboarding:
    """Starts registrations. Every method raises OperatorError with what to do next.

    Args:
        public_url: base of every URL the hub hands out.
        offered: functional modules by interface.
        versions: those of OCPI that the hub offers. A handshake takes the highest that the partner
            offers too, so that a connection moves once both know a new one (VE-08).
        steps: where the steps of handshakes are noted for people.
    """

    def __init__(
        self,
        store: RegistrationStore,
        client: OutboundClient,
        urls: UrlCheck,
        settings: Settings,
        *,
        public_url: str,
        offered: Sequence[tuple[str, InterfaceRole]],
        versions: Sequence[OcpiVersion] = OFFERED_VERSIONS,
        steps: StepLog | None = None,
    ) -> None:
        self._steps: StepLog = steps or NoSteps()
        self._store = store
        self._offer = make_offer(settings, public_url, offered, versions)
        self.invitations = Invitations(store, self._offer, settings.invitation_days)
        self._versions = highest_first(versions)
        self._partner = PartnerCalls(
            client,
            urls,
            own_url=public_url,
            timeout_s=settings.handshake_timeout_s,
            max_depth=settings.max_json_depth,
            steps=self._steps,
        )

    @property
    def offer_digest(self) -> bytes:
        """Of the hub's endpoints, as partners are told them now."""
        return self._offer.digest

    @property
    def versions_url(self) -> str:
        """The hub's own, as partners are given it."""
        return self._offer.versions_url

    async def connect(
        self,
        versions_url: str,
        token_a: CredentialsToken,
        name: str | None = None,
        *,
        permit: Collection[PartyId] = (),
        attempt: Attempt | None = None,
    ) -> PlatformId:
        """Register with a partner that gave us its versions URL and CREDENTIALS_TOKEN_A.

        Args:
            permit: parties that it may claim although the hub knows them already.
            attempt: under which the steps are noted.

        Raises:
            OperatorError: it did not work; nothing is left of the attempt.
        """
        attempt = attempt or Attempt.new()
        access = Access(token_a, limit_key=f"handshake {versions_url}", attempt=attempt)
        found = await self._discover(versions_url, access)
        our_token = new_token()
        started = await self._store.start_connecting(
            new_platform_id(),
            name or urlsplit(versions_url).hostname or versions_url,
            versions_url,
            our_token.sha256,
            valid_s=self._partner.credentials_s + _PROVISIONAL_MARGIN_S,
            permit=permit,
        )
        if isinstance(started, KnownAlready):
            text = (
                f"{started.platform_id} is registered with this versions URL already:"
                f" `platform rotate {started.platform_id}` renews its credentials"
            )
            await self._note_stored(access, Failure.KNOWN, text)
            raise OperatorError(text)
        platform_id = started.platform_id
        access = replace(access, platform_id=platform_id)
        try:
            await self._connect(platform_id, found, access, our_token)
        except BaseException:
            await self._store.abandon_connecting(platform_id, our_token.sha256)
            raise
        await self._steps.belongs(attempt, platform_id)
        log.info("platform_connected", platform=platform_id)
        return platform_id

    async def rotate(self, platform: Platform) -> None:
        """Replace both credentials tokens by PUT credentials; also makes the partner read the
        hub's endpoints again (VE-10).

        Raises:
            RefusedByPartner: the partner does not want to.
            OperatorError: it did not work; what worked before goes on working, unless the text
                says that this is not known.
        """
        if (
            platform.state is not PlatformState.CONNECTED
            or platform.our_token is None
            or platform.versions_url is None
        ):
            raise OperatorError(
                f"{platform.platform_id} is {platform.state}, not connected: there is nothing to"
                f" rotate; `platform invite --renew {platform.platform_id}` starts anew"
            )
        access = Access(
            platform.our_token,
            limit_key=f"handshake {platform.platform_id}",
            raw=Quirk.RAW_TOKEN in platform.quirks,
            platform_id=platform.platform_id,
            attempt=Attempt.new(platform.platform_id),
        )
        found = await self._discover(platform.versions_url, access)
        new = new_token()
        await self._store.start_rotation(
            platform.platform_id,
            new.sha256,
            valid_s=self._partner.credentials_s + _PROVISIONAL_MARGIN_S,
        )
        keep = True  # until it says no, the partner may have it, also when this is cancelled
        done = False
        try:
            answer = await self._send("PUT", found, access, new)
            keep = not isinstance(answer, Declined)
            if not isinstance(answer, Agreed):
                raise _not_agreed(answer, platform.platform_id)
            registration = await self._registration(
                found, answer.credentials, access, platform.custom_modules
            )
            await self._require_stored(
                await self._store.complete_rotation(platform.platform_id, registration, new.sha256),
                registration,
                access,
            )
            done = True
        finally:
            if not done:
                await self._store.end_rotation(platform.platform_id, new.sha256, keep=keep)
        log.info("credentials_rotated", platform=platform.platform_id)

    async def _connect(
        self,
        platform_id: PlatformId,
        found: Discovered,
        access: Access,
        our_token: CredentialsToken,
    ) -> None:
        answer = await self._send("POST", found, access, our_token)
        if not isinstance(answer, Agreed):
            raise OperatorError(answer.reason)
        try:
            registration = await self._registration(found, answer.credentials, access)
            await self._require_stored(
                await self._store.complete_connecting(platform_id, registration, our_token.sha256),
                registration,
                access,
            )
        except OperatorError:
            # The partner believes that we are registered.
            token_c = answer.credentials.credentials_token
            await self._partner.withdraw(
                found.credentials_url, replace(access, token=token_c, raw=found.raw)
            )
            raise

    async def _discover(self, versions_url: str, access: Access) -> Discovered:
        try:
            return await self._partner.discover(versions_url, access, self._versions)
        except (ClientApiUnusable, UnsupportedVersion, EndpointsMissing) as error:
            raise OperatorError(error.message) from None

    async def _send(
        self, method: str, found: Discovered, access: Access, token: CredentialsToken
    ) -> Agreed | Declined | Unclear:
        return await self._partner.send_credentials(
            method,
            found.credentials_url,
            replace(access, raw=found.raw),
            self._offer.credentials(token),
        )

    async def _registration(
        self,
        found: Discovered,
        credentials: Credentials,
        access: Access,
        custom_modules: frozenset[str] = frozenset(),
    ) -> Registration:
        try:
            roles = claimed_roles(credentials, self._offer.hub)
        except InvalidRequest as error:
            await self._note_stored(access, Failure.CREDENTIALS, error.message)
            raise OperatorError(f"the partner's credentials: {error.message}") from None
        return Registration(
            version=found.version,
            versions_url=credentials.url,
            our_token=credentials.credentials_token,
            roles=roles,
            endpoints=found.endpoints,
            raw_token=found.raw,
            offer_digest=self._offer.digest,
            custom_modules=custom_modules,
        )

    async def _require_stored(
        self, result: StoreResult, registration: Registration, access: Access
    ) -> None:
        try:
            raise_to_operator(result)
        except OperatorError as error:
            await self._note_stored(access, failure_of_store(result), str(error))
            raise
        parties = ", ".join(sorted({f"{held.party} {held.role}" for held in registration.roles}))
        await self._note_stored(access, None, parties)

    async def _note_stored(self, access: Access, failure: Failure | None, said: str) -> None:
        if access.attempt is not None:
            step = Step(StepName.STORED, "", failure=failure, said=said[:MAX_SAID])
            await self._steps.note(access.attempt, step)


def _not_agreed(answer: Declined | Unclear, platform_id: PlatformId) -> OperatorError:
    match answer:
        case Declined(reason, reached):
            return RefusedByPartner(reason) if reached else OperatorError(reason)
        case Unclear(reason):
            return OperatorError(
                f"{reason}. Whether the partner has taken the new credentials is not known: the hub"
                f" accepts its new token besides those it accepted before. If calls to it fail now,"
                f" `platform invite --renew {platform_id}` starts anew"
            )
        case _ as unreachable:
            assert_never(unreachable)
