"""Configuration modules: between a platform and the hub, never routed.

Spec: 2.2.1 versions_module, credentials_credentials_endpoint, mod_hub_client_info_hub_interface.
"""

from __future__ import annotations

from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.party import OcpiVersion
from ocpi_hub.errors import MethodNotAllowed, NotFound
from ocpi_hub.registration.handshake import Handshake
from ocpi_hub.registration.versions import VERSION
from ocpi_hub.server.handlers.hub_client_info import HubClientInfoHandler
from ocpi_hub.server.inbound import Caller, Target
from ocpi_hub.server.replies import ok


class ConfigurationHandler:
    """Serves `/ocpi/versions`, `/ocpi/{version}`, and below that credentials and hubclientinfo."""

    def __init__(self, handshake: Handshake, client_info: HubClientInfoHandler) -> None:
        self._handshake = handshake
        self._client_info = client_info

    @property
    def version(self) -> OcpiVersion:
        """The version whose functional modules are served."""
        return VERSION

    async def handle(self, method: str, target: Target, caller: Caller, body: bytes) -> Reply:
        """Serve one request.

        Raises:
            NotFound: no such path.
            MethodNotAllowed: only GET, or a method credentials do not have.
            OcpiError: what the handshake or the list refuses.
        """
        match target.segments:
            case ("ocpi", "versions"):
                _only(method, "GET")
                return ok(self._handshake.versions())
            case ("ocpi", version):
                data = self._handshake.details(version)
                _only(method, "GET")
                return ok(data)
            case ("ocpi", version, "credentials") if version == VERSION:
                return await self._credentials(method, caller, body)
            case ("ocpi", version, "sender", "hubclientinfo") if version == VERSION:
                _only(method, "GET")
                return await self._client_info.list(target, caller)
            case _:
                raise NotFound("There is no such path on this hub: see /ocpi/versions")

    async def _credentials(self, method: str, caller: Caller, body: bytes) -> Reply:
        handshake, platform, issued = self._handshake, caller.platform, caller.issued
        match method:
            case "GET":
                return ok(handshake.get_credentials(caller.presented))
            case "POST":
                return ok(await handshake.post_credentials(platform, issued, body))
            case "PUT":
                return ok(await handshake.put_credentials(platform, issued, body))
            case "DELETE":
                await handshake.delete_credentials(platform, issued)
                return ok()
            case _:
                _only(method, "GET", "POST", "PUT", "DELETE")
                raise AssertionError("refused above")


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed(
            f"{method} is not defined here: use {', '.join(allowed)}",
            headers={"Allow": ", ".join(allowed)},
        )
