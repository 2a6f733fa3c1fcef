"""The hub's calls to a partner during a handshake: versions, version details, credentials.

A partner can answer anything; whatever it does becomes one of three errors that name the step, its
URL and what was wrong, fit for the `status_message` of the partner's own request. A partner that
does not take the Base64 of a token (many 2.1.1 and 2.2 platforms) is tried once without it.

Spec: 2.2.1 credentials_registration, credentials_errors_during_registration.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ocpi_hub.domain.exchange import (
    Answer,
    Exchange,
    LegInfo,
    LegKind,
    OutboundClient,
    OutboundRequest,
)
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    Module,
    OcpiVersion,
    PlatformId,
)
from ocpi_hub.errors import (
    ClientApiUnusable,
    EndpointsMissing,
    InvalidRequest,
)
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.parse import validate_object
from ocpi_hub.ocpi.places import leads_below
from ocpi_hub.ocpi.v2_2_1.versions import Endpoint, VersionDetails
from ocpi_hub.registration.partner_answers import (
    Agreed,
    Declined,
    Unclear,
    credentials_outcome,
    data_of,
    details_url,
    quoted,
)
from ocpi_hub.registration.protocols import UrlCheck
from ocpi_hub.registration.steps import Attempt, NoSteps, Step, StepLog, StepName, noting, shown
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MAX_ENDPOINTS = 200
"""Endpoints of one version that a partner may announce."""

MAX_IDENTIFIER = 100
"""Characters of a module identifier; longer ones are nobody's module."""

_CREDENTIALS = (Module.CREDENTIALS.value, InterfaceRole.SENDER)
_ANSWERS = 3
"""A credentials request lasts as long as this many calls: the partner calls back within it."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the hub identifies itself to a partner in a handshake.

    Attributes:
        raw: the token travels without Base64.
        limit_key: see `OutboundRequest`; not the platform's own, so that traffic which waits for
            a slow partner does not keep the handshake from repairing it.
        platform_id: for the message records; None as long as the platform has none.
        attempt: what the calls are steps of.
    """

    token: CredentialsToken
    limit_key: str
    raw: bool = False
    platform_id: PlatformId | None = None
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a partner offers in the version of the handshake.

    Attributes:
        raw: the token had to travel without Base64.
    """

    version: OcpiVersion
    endpoints: Mapping[tuple[str, InterfaceRole], str]
    raw: bool

    @property
    def credentials_url(self) -> str:
        return self.endpoints[_CREDENTIALS]


class PartnerCalls:
    """Reads what a partner offers and exchanges credentials with it.

    Args:
        own_url: base of the hub's own URLs. A partner that announces one of them would make the
            hub call itself.
        timeout_s: seconds for one call.
        steps: where calls are noted for people.
    """

    def __init__(
        self,
        client: OutboundClient,
        urls: UrlCheck,
        *,
        own_url: str,
        timeout_s: float,
        max_depth: int,
        steps: StepLog | None = None,
    ) -> None:
        self._steps: StepLog = steps or NoSteps()
        self._own_urls = f"{own_url}/ocpi"
        self._client = client
        self._urls = urls
        self._timeout_s = timeout_s
        self._max_depth = max_depth

    @property
    def credentials_s(self) -> float:
        """Seconds that `send_credentials` may take."""
        return _ANSWERS * self._timeout_s

    async def discover(
        self, versions_url: str, access: Access, wanted: Sequence[OcpiVersion]
    ) -> Discovered:
        """Read versions and version details.

        Args:
            wanted: versions of OCPI; the first that the partner offers is taken.

        Raises:
            ClientApiUnusable: one of the calls failed, or its answer cannot be used (3001).
            UnsupportedVersion: the partner offers none of them (3002).
            EndpointsMissing: it has no credentials endpoint (3003).
        """
        version, details_url, access = await self._version(versions_url, access, wanted)
        endpoints = await self._details(details_url, access, version)
        return Discovered(version, endpoints, access.raw)

    async def _version(
        self, versions_url: str, access: Access, wanted: Sequence[OcpiVersion]
    ) -> tuple[OcpiVersion, str, Access]:
        """The version to use, the URL of its details, and how the token travels."""
        step = f"GET versions ({quoted(versions_url)})"
        about = Step(StepName.VERSIONS, f"GET {quoted(versions_url)}")
        async with noting(self._steps, access.attempt, about, access.token) as noted:
            self._check(step, versions_url)
            noted.exchange, access = await self._get_versions(versions_url, access)
            version, url = details_url(
                data_of(step, noted.exchange, self._max_depth, access.token), step, wanted
            )
        return version, url, access

    async def _details(
        self, url: str, access: Access, version: OcpiVersion
    ) -> Mapping[tuple[str, InterfaceRole], str]:
        """The endpoints of a version."""
        step = f"GET version details ({quoted(url)})"
        about = Step(StepName.DETAILS, f"GET {quoted(url)}")
        async with noting(self._steps, access.attempt, about, access.token) as noted:
            self._check(step, url)
            noted.exchange = await self._send("GET", url, access, self._timeout_s)
            data = data_of(step, noted.exchange, self._max_depth, access.token)
            try:
                details = validate_object(data, VersionDetails).value
            except InvalidRequest as error:
                raise ClientApiUnusable(f"{step}: {error.message}") from None
            if details.version != version:
                raise ClientApiUnusable(
                    f"{step}: these are the details of {quoted(details.version)}"
                )
            if len(details.endpoints) > MAX_ENDPOINTS:
                raise ClientApiUnusable(f"{step}: more than {MAX_ENDPOINTS} endpoints")
            endpoints = self._endpoints(step, details.endpoints)
            if _CREDENTIALS not in endpoints:
                raise EndpointsMissing(f"{step}: there is no credentials endpoint")
            return endpoints

    async def send_credentials(
        self, method: str, url: str, access: Access, body: bytes
    ) -> Agreed | Declined | Unclear:
        """POST or PUT the hub's credentials object."""
        step = f"{method} credentials ({quoted(url)})"
        about = Step(StepName.CREDENTIALS, f"{method} {quoted(url)}", shown(body))
        secrets = (access.token, _token_in(body))
        async with noting(self._steps, access.attempt, about, *secrets) as noted:
            noted.exchange = await self._send(method, url, access, self.credentials_s, body)
            result = credentials_outcome(step, noted.exchange, self._max_depth, *secrets)
            noted.failed = None if isinstance(result, Agreed) else result.reason
            return result

    async def withdraw(self, url: str, access: Access) -> None:
        """DELETE credentials, as a courtesy: the outcome changes nothing for the hub."""
        exchange = await self._send("DELETE", url, access, self._timeout_s)
        outcome = exchange.http_status if isinstance(exchange, Answer) else exchange.reason
        log.info("credentials_withdrawn", partner=access.limit_key, outcome=outcome)

    async def _get_versions(self, url: str, access: Access) -> tuple[Exchange, Access]:
        exchange = await self._send("GET", url, access, self._timeout_s)
        if not isinstance(exchange, Answer) or exchange.http_status != 401:
            return exchange, access
        other = replace(access, raw=not access.raw)
        second = await self._send("GET", url, other, self._timeout_s)
        if isinstance(second, Answer) and second.http_status == 200:
            log.info("credentials_spelling_found", partner=access.limit_key, raw=other.raw)
            return second, other
        return exchange, access

    async def _send(
        self, method: str, url: str, access: Access, deadline_s: float, body: bytes | None = None
    ) -> Exchange:
        ids = MessageIds(str(uuid.uuid4()), str(uuid.uuid4()))
        all_headers = {
            headers.AUTHORIZATION: headers.authorization(access.token, raw=access.raw),
            **headers.id_headers(ids),
        }
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        # Versions are read with GET, credentials never are.
        module = "versions" if method == "GET" else Module.CREDENTIALS.value
        request = OutboundRequest(
            method,
            url,
            access.limit_key,
            deadline_s,
            all_headers,
            body,
            about=LegInfo(
                LegKind.HANDSHAKE, access.platform_id, None, None, module, None, ids, endpoint=url
            ),
        )
        return await self._client.send(request)

    def _endpoints(
        self, step: str, announced: Iterable[Endpoint]
    ) -> dict[tuple[str, InterfaceRole], str]:
        """Endpoints by interface. Identifiers the hub does not know stay as they are (VE-11)."""
        endpoints: dict[tuple[str, InterfaceRole], str] = {}
        for endpoint in announced:
            self._check(f"{step}: endpoint {quoted(endpoint.identifier)}", endpoint.url)
            identifier = endpoint.identifier.lower()
            if identifier == Module.CREDENTIALS:
                endpoints.setdefault(_CREDENTIALS, endpoint.url)
            elif endpoint.role in InterfaceRole.__members__ and len(identifier) <= MAX_IDENTIFIER:
                endpoints.setdefault((identifier, InterfaceRole(endpoint.role)), endpoint.url)
        return endpoints

    def _check(self, step: str, url: str) -> None:
        reason = self._urls.check(url)
        if reason is None and leads_below(url, self._own_urls):
            reason = "this is a URL of the hub itself"
        if reason is not None:
            raise ClientApiUnusable(f"{step}: {reason}")


def _token_in(body: bytes) -> str:
    """The token in credentials of ours, which a partner may quote."""
    value = json.loads(body)
    return str(value.get("token", "")) if isinstance(value, dict) else ""
