"""Answers partners on the credentials module, the hub being the Receiver.

A POST or PUT is answered after the hub has called the partner back. Until those calls have
succeeded nothing is stored, then all of it is in one transaction, which also checks that the
credentials that opened the request are still good: of two handshakes with one invitation one wins.

Spec: 2.2.1 credentials_credentials_endpoint, versions_module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ocpi_hub.directory.snapshot import CredentialsKind, IssuedCredentials
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    OcpiVersion,
    Platform,
    PlatformId,
    PlatformState,
    Quirk,
)
from ocpi_hub.errors import (
    BodyTooLarge,
    ClientApiUnusable,
    EndpointsMissing,
    MethodNotAllowed,
    NotFound,
    NotPermitted,
    OcpiError,
    StoreError,
    TooManyRequests,
    Unauthenticated,
    UnsupportedVersion,
)
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.registration.claims import claimed_roles, new_token
from ocpi_hub.registration.failures import Failure, failure_of_store
from ocpi_hub.registration.partner import Access, PartnerCalls
from ocpi_hub.registration.partner_answers import MAX_BYTES
from ocpi_hub.registration.protocols import (
    PartyReserved,
    PartyTaken,
    Registration,
    RegistrationStore,
    StoreResult,
    UrlCheck,
)
from ocpi_hub.registration.refusals import raise_to_partner
from ocpi_hub.registration.steps import (
    MAX_SAID,
    Attempt,
    NoSteps,
    Step,
    StepLog,
    StepName,
    shown,
)
from ocpi_hub.registration.versions import OFFERED_VERSIONS, VERSION, make_offer
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

AT_ONCE: Final = 8
"""Credentials requests of one platform that one process works on at a time."""


async def _nothing() -> None:
    """What happens after a change when nobody has to be told."""


async def _nobody(_: PlatformId) -> None:
    """To whom a platform is introduced when nobody else is there."""


class Handshake:
    """Versions and credentials as partners see them. Results are the JSON text of `data`.

    Args:
        public_url: base of every URL the hub hands out.
        offered: functional modules by interface.
        versions: those of OCPI that the hub offers. The endpoint that a partner calls says which
            one is meant; its connection has that version from then on (CR-08).
        changed: called after every change, so that this process acts on it at once; all the
            others follow by themselves.
        introduce: returns once others know of a platform, or after a moment; it is answered then.
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
        changed: Callable[[], Awaitable[None]] = _nothing,
        introduce: Callable[[PlatformId], Awaitable[None]] = _nobody,
        steps: StepLog | None = None,
    ) -> None:
        self._steps: StepLog = steps or NoSteps()
        self._store = store
        self._max_depth = settings.max_json_depth
        self._changed = changed
        self._introduce = introduce
        self._under_way: Counter[PlatformId] = Counter()
        self.offer = make_offer(settings, public_url, offered, versions)
        self._partner = PartnerCalls(
            client,
            urls,
            own_url=public_url,
            timeout_s=settings.handshake_timeout_s,
            max_depth=self._max_depth,
            steps=self._steps,
        )

    async def note_visit(self, platform: Platform, request: str) -> None:
        """A partner that has not registered yet asks what there is, or does so while the hub
        registers with it."""
        if platform.state in (PlatformState.INVITED, PlatformState.CONNECTING):
            step = Step(StepName.CAME, request[:MAX_SAID], http_status=200)
            await self._steps.note(Attempt.new(platform.platform_id), step)

    def versions(self) -> bytes:
        """GET versions."""
        return self.offer.versions()

    def details(self, version: str, custom_modules: Iterable[str] = ()) -> bytes:
        """GET version details.

        Args:
            custom_modules: those agreed on with the caller's platform.

        Raises:
            NotFound: the hub does not offer this version.
        """
        return self.offer.details(self._offered(version), custom_modules)

    def get_credentials(self, presented: CredentialsToken) -> bytes:
        """GET credentials: the object that this client uses towards the hub, with the token it
        presented, an invitation's included (CR-12)."""
        return self.offer.credentials(presented)

    async def post_credentials(
        self,
        platform: Platform,
        issued: IssuedCredentials,
        body: bytes,
        version: str = VERSION,
    ) -> bytes:
        """POST credentials: register.

        Raises:
            NotFound: the hub does not offer this version.
            MethodNotAllowed: registered already (CR-06).
            InvalidRequest: the body, or a role it claims, cannot be accepted.
            ClientApiUnusable, UnsupportedVersion, EndpointsMissing: the calls back failed.
            Unauthenticated: the invitation was used or withdrawn meanwhile.
        """
        if issued.kind is CredentialsKind.ACCESS:
            raise MethodNotAllowed("This platform is registered already: use PUT")
        return await self._noted("POST", platform, issued, body, self._offered(version))

    async def put_credentials(
        self,
        platform: Platform,
        issued: IssuedCredentials,
        body: bytes,
        version: str = VERSION,
    ) -> bytes:
        """PUT credentials: new tokens, roles and endpoints, perhaps of another version.

        Raises:
            MethodNotAllowed: not registered (CR-06).
            OcpiError: as `post_credentials`.
        """
        _require_registered(platform, issued)
        return await self._noted("PUT", platform, issued, body, self._offered(version))

    async def delete_credentials(self, platform: Platform, issued: IssuedCredentials) -> None:
        """DELETE credentials: end the connection; only an operator's new invitation leads back.

        Raises:
            MethodNotAllowed: not registered (CR-06).
            Unauthenticated: the credentials were withdrawn meanwhile.
        """
        _require_registered(platform, issued)
        raise_to_partner(await self._store.disconnect(issued), platform)
        log.warning("platform_disconnected", platform=platform.platform_id)
        step = Step(StepName.CAME, "DELETE credentials", http_status=200)
        await self._steps.note(Attempt.new(platform.platform_id), step)
        await self._tell_changed()

    def _offered(self, version: str) -> OcpiVersion:
        for each in self.offer.offered:
            if each == version:
                return each
        raise NotFound(f"This hub does not offer version {version[:20]}")

    async def _noted(
        self,
        method: str,
        platform: Platform,
        issued: IssuedCredentials,
        body: bytes,
        version: OcpiVersion,
    ) -> bytes:
        """Accept credentials, and note what came and how it was answered.

        Raises:
            TooManyRequests: others of this platform wait for its own answers already.
            BodyTooLarge: no credentials have that size.
        """
        with self._room(platform.platform_id):
            return await self._answered(method, platform, issued, body, version)

    @contextmanager
    def _room(self, platform_id: PlatformId) -> Iterator[None]:
        """A request that registers waits for its sender, half a minute at worst: a partner that
        does not answer must not fill the hub with such requests."""
        if self._under_way[platform_id] >= AT_ONCE:
            raise TooManyRequests(
                "Other credentials requests of this platform are under way",
                headers={"Retry-After": "10"},
            )
        self._under_way[platform_id] += 1
        try:
            yield
        finally:
            self._under_way[platform_id] -= 1
            if not self._under_way[platform_id]:
                del self._under_way[platform_id]

    async def _answered(
        self,
        method: str,
        platform: Platform,
        issued: IssuedCredentials,
        body: bytes,
        version: OcpiVersion,
    ) -> bytes:
        if len(body) > MAX_BYTES:
            raise BodyTooLarge(f"Credentials are larger than {MAX_BYTES} bytes")
        attempt = Attempt.new(platform.platform_id)
        came = Step(StepName.CREDENTIALS_CAME, f"{method} credentials ({version})", shown(body))
        await self._steps.note(attempt, came)
        try:
            answer = await self._accept(platform, issued, body, version, attempt)
        except OcpiError as error:
            text = f"HTTP {error.http_status}, OCPI {error.status_code}"
            failure = _failure(error)
            said = error.message[:MAX_SAID]
            await self._steps.note(
                attempt, Step(StepName.ANSWERED, text, failure=failure, said=said)
            )
            raise
        await self._steps.note(attempt, Step(StepName.ANSWERED, "HTTP 200, OCPI 1000"))
        return answer

    async def _accept(
        self,
        platform: Platform,
        issued: IssuedCredentials,
        body: bytes,
        version: OcpiVersion,
        attempt: Attempt,
    ) -> bytes:
        credentials = parse_object(body, Credentials, max_depth=self._max_depth).value
        roles = claimed_roles(credentials, self.offer.hub)
        their_access = Access(
            credentials.credentials_token,
            limit_key=f"handshake {platform.platform_id}",
            raw=Quirk.RAW_TOKEN in platform.quirks,
            platform_id=platform.platform_id,
            attempt=attempt,
        )
        found = await self._partner.discover(credentials.url, their_access, (version,))
        registration = Registration(
            version=version,
            versions_url=credentials.url,
            our_token=credentials.credentials_token,
            roles=roles,
            endpoints=found.endpoints,
            raw_token=found.raw,
            offer_digest=self.offer.digest,
            custom_modules=platform.custom_modules,
        )
        new = new_token()
        stored = await self._store.complete_answered(issued, registration, new.sha256)
        await self._note_stored(attempt, stored)
        raise_to_partner(stored, platform)
        log.info(
            "platform_registered",
            platform=platform.platform_id,
            version=version,
            parties=sorted({str(held.party) for held in roles}),
            again=issued.kind is CredentialsKind.ACCESS,
        )
        await self._tell_changed()
        await self._introduce(platform.platform_id)
        return self.offer.credentials(new)

    async def _note_stored(self, attempt: Attempt, result: StoreResult) -> None:
        failure = failure_of_store(result)
        party = result.party if isinstance(result, PartyTaken | PartyReserved) else None
        said = str(party) if party is not None else None
        await self._steps.note(attempt, Step(StepName.STORED, "", failure=failure, said=said))

    async def _tell_changed(self) -> None:
        try:
            await self._changed()
        except StoreError as error:
            # It is committed, and the partner must learn its new token.
            log.warning("directory_not_refreshed", reason=str(error))


def _failure(error: OcpiError) -> Failure:
    match error:
        case ClientApiUnusable() | UnsupportedVersion() | EndpointsMissing():
            return Failure.CALLS
        case Unauthenticated():
            return Failure.USED
        case NotPermitted() | MethodNotAllowed():
            return Failure.STATE
        case _:
            return Failure.CREDENTIALS


def _require_registered(platform: Platform, issued: IssuedCredentials) -> None:
    if issued.kind is not CredentialsKind.ACCESS or platform.state is not PlatformState.CONNECTED:
        raise MethodNotAllowed("This platform is not registered: use POST")
