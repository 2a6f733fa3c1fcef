"""The credentials handshake, from both ends.

As Sender the platform starts a registration, rotates or withdraws; as Receiver it answers one.
While a POST or PUT of ours is open, the token in it is accepted already: the peer calls back
within that request. Spec: 2.2.1 credentials_registration, credentials_use_cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ocpi_hub.domain.party import CredentialsToken, InterfaceRole
from ocpi_hub.errors import (
    ClientApiUnusable,
    EndpointsMissing,
    InvalidRequest,
    MethodNotAllowed,
    OperatorError,
    UnsupportedVersion,
)
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.party.client import Outgoing, PeerClient, SendResult
from ocpi_hub.party.config import VERSION, PartyConfig
from ocpi_hub.party.credentials import Access, CredentialsStore, Peer
from ocpi_hub.party.exchange import Answer, Inbound, success, success_value
from ocpi_hub.party.listener import Listener

CALL_BACK_TIMEOUT_S = 10.0
"""Seconds for each GET that reads the peer's versions and endpoints."""


class Handshake:
    """Registration, rotation and withdrawal with one peer."""

    def __init__(
        self,
        config: PartyConfig,
        credentials: CredentialsStore,
        client: PeerClient,
        address: Listener,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._client = client
        self._address = address
        self._one_at_a_time = asyncio.Lock()

    def credentials_object(self, token: str) -> dict[str, Any]:
        return {
            "token": token,
            "url": self._address.versions_url,
            "roles": [
                {
                    "role": party.role.value,
                    "country_code": party.party.country_code,
                    "party_id": party.party.party_id,
                    "business_details": {"name": party.name},
                }
                for party in self._config.parties
            ],
        }

    async def register(self, versions_url: str, token_a: str) -> None:
        """Register with a platform that invited us.

        Raises:
            OperatorError: registered already, or it did not work; nothing has changed then.
        """
        async with self._one_at_a_time:
            if self._credentials.peer is not None:
                raise OperatorError("registered already: unregister first, or rotate")
            invitation = CredentialsToken(token_a)
            endpoints = await self._discover_as_operator(versions_url, invitation)
            await self._exchange_tokens("POST", versions_url, invitation, endpoints)

    async def rotate(self) -> None:
        """Replace both tokens by PUT credentials.

        Raises:
            OperatorError: not registered, or the peer did not agree; the old tokens stay.
        """
        async with self._one_at_a_time:
            peer = self._registered()
            endpoints = await self._discover_as_operator(peer.versions_url, peer.our_token)
            await self._exchange_tokens("PUT", peer.versions_url, peer.our_token, endpoints)

    async def unregister(self) -> SendResult:
        """Withdraw by DELETE credentials.

        Raises:
            OperatorError: not registered, or the peer did not agree; nothing has changed then.
        """
        async with self._one_at_a_time:
            peer = self._registered()
            result = await self._client.send(
                Outgoing(
                    "DELETE",
                    peer.endpoints[("credentials", InterfaceRole.SENDER)],
                    peer.our_token,
                    "credentials",
                    timeout_s=self._config.timeout_s,
                )
            )
            if not result.accepted:
                raise OperatorError(f"DELETE credentials: {_outcome(result)}")
            self._credentials.forget_all()
            return result

    def _registered(self) -> Peer:
        if self._credentials.peer is None:
            raise OperatorError("not registered with any platform")
        return self._credentials.peer

    async def _discover_as_operator(
        self, versions_url: str, token: CredentialsToken
    ) -> Mapping[tuple[str, InterfaceRole], str]:
        try:
            return await self._discover(versions_url, token)
        except (ClientApiUnusable, UnsupportedVersion, EndpointsMissing) as error:
            raise OperatorError(error.message) from None

    async def _exchange_tokens(
        self,
        method: str,
        versions_url: str,
        token: CredentialsToken,
        endpoints: Mapping[tuple[str, InterfaceRole], str],
    ) -> None:
        their_token = self._credentials.issue()
        result = await self._client.send(
            Outgoing(
                method,
                endpoints[("credentials", InterfaceRole.SENDER)],
                token,
                "credentials",
                body=dump(self.credentials_object(their_token)),
                timeout_s=self._config.timeout_s,
            )
        )
        answer = result.data()
        if not result.accepted or not _is_credentials(answer):
            # Without any answer the peer may have stored it: then only the old one must go on.
            if result.error is None or self._credentials.peer is None:
                self._credentials.withdraw(their_token)
            raise OperatorError(f"{method} credentials: {_outcome(result)}")
        peer = Peer(
            versions_url=answer["url"],
            our_token=CredentialsToken(answer["token"]),
            endpoints=endpoints,
            roles=tuple(answer["roles"]),
        )
        self._credentials.join_peer(peer, their_token, self._config.token_grace_s)

    async def _discover(
        self, versions_url: str, token: CredentialsToken
    ) -> Mapping[tuple[str, InterfaceRole], str]:
        """Read the peer's versions and the endpoints of ours.

        Raises:
            ClientApiUnusable, UnsupportedVersion, EndpointsMissing: as the names say.
        """
        versions = await self._get(versions_url, token)
        if not isinstance(versions, list):
            raise ClientApiUnusable(
                "The versions endpoint did not answer with a list: is its URL right?"
            )
        urls = [
            version.get("url")
            for version in versions
            if isinstance(version, dict) and version.get("version") == VERSION
        ]
        if not urls or not isinstance(urls[0], str):
            raise UnsupportedVersion(f"Version {VERSION} is not offered")
        details = await self._get(urls[0], token)
        listed = details.get("endpoints") if isinstance(details, dict) else None
        if not isinstance(listed, list):
            raise ClientApiUnusable("The version details hold no endpoints")
        endpoints = dict(pair for entry in listed for pair in _endpoint(entry))
        if ("credentials", InterfaceRole.SENDER) not in endpoints:
            raise EndpointsMissing("There is no credentials endpoint")
        return endpoints

    async def _get(self, url: str, token: CredentialsToken) -> Any:
        result = await self._client.send(
            Outgoing("GET", url, token, "versions", timeout_s=CALL_BACK_TIMEOUT_S)
        )
        if not result.accepted:
            raise ClientApiUnusable(f"GET {url}: {_outcome(result)}")
        return result.data()

    async def answer(self, request: Inbound, access: Access) -> Answer:
        """Answer a request to the credentials endpoint.

        Raises:
            OcpiError: what the envelope then says.
        """
        match request.method:
            case "GET":
                current = self._credentials.current_token()
                if access is Access.INVITED or current is None:
                    current = self._credentials.token_a
                return success_value(self.credentials_object(current or ""))
            case "POST" if access is Access.INVITED and self._credentials.peer is None:
                return await self._accept(request)
            case "PUT" if access is Access.PEER and self._credentials.peer is not None:
                return await self._accept(request)
            case "DELETE" if access is Access.PEER and self._credentials.peer is not None:
                self._credentials.forget_all()
                return success()
            case "POST":
                raise MethodNotAllowed("Registered already: use PUT")
            case "PUT" | "DELETE":
                raise MethodNotAllowed("Not registered: use POST")
            case _:
                raise MethodNotAllowed

    async def _accept(self, request: Inbound) -> Answer:
        value = request.json_object()
        if not _is_credentials(value):
            raise InvalidRequest("token, url and at least one role are needed")
        our_token = CredentialsToken(value["token"])
        before = self._credentials.peer
        endpoints = await self._discover(value["url"], our_token)
        if self._credentials.peer is not before:
            raise MethodNotAllowed("Another handshake came first")
        peer = Peer(value["url"], our_token, endpoints, tuple(value["roles"]))
        their_token = self._credentials.admit_peer(peer, self._config.token_grace_s)
        return success_value(self.credentials_object(their_token))


def _is_credentials(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("token"), str)
        and 0 < len(value["token"]) <= 64
        and isinstance(value.get("url"), str)
        and isinstance(value.get("roles"), list)
        and bool(value["roles"])
        and all(isinstance(role, dict) for role in value["roles"])
    )


def _endpoint(entry: object) -> list[tuple[tuple[str, InterfaceRole], str]]:
    """The endpoints that one entry of the version details names; none if it is not usable."""
    if not isinstance(entry, dict):
        return []
    identifier, url = entry.get("identifier"), entry.get("url")
    if not isinstance(identifier, str) or not isinstance(url, str):
        return []
    if identifier == "credentials":
        # The role is ignored there: both sides have one credentials endpoint.
        return [((identifier, role), url) for role in InterfaceRole]
    return [((identifier, role), url) for role in InterfaceRole if role.value == entry.get("role")]


def _outcome(result: SendResult) -> str:
    if result.error is not None:
        return result.error
    return f"HTTP {result.http}, OCPI {result.ocpi}: {result.body[:200]}"
