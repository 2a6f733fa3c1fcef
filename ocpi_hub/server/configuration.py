"""Configuration modules: between a platform and the hub, never routed.

Spec: 2.2.1 versions_module, credentials_credentials_endpoint, mod_hub_client_info_hub_interface.
"""

from __future__ import annotations

from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.party import Platform
from ocpi_hub.errors import MethodNotAllowed, NotFound
from ocpi_hub.registration.handshake import Handshake
from ocpi_hub.server.handlers.hub_client_info import HubClientInfoHandler
from ocpi_hub.server.inbound import Caller, Target
from ocpi_hub.server.replies import ok


class ConfigurationHandler:
    """Serves `/ocpi/versions`, `/ocpi/{version}`, and below that credentials and hubclientinfo."""

    def __init__(self, handshake: Handshake, client_info: HubClientInfoHandler) -> None:
        self._handshake = handshake
        self._client_info = client_info

    def require_served(self, version: str, platform: Platform) -> None:
        """Modules are served in the version of the platform's connection alone: that of the
        credentials endpoint it called last (VE-08, CR-08).

        Raises:
            NotFound: it is another one.
        """
        if version not in self._handshake.offer.offered:
            raise NotFound("This hub offers no such module in this version: see /ocpi/versions")
        if platform.version not in (None, version):
            raise NotFound(
                f"This platform is connected with version {platform.version}: call the endpoints"
                f" of that version, or PUT credentials to that of {version}"
            )

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
                await self._handshake.note_visit(caller.platform, "GET versions")
                return ok(self._handshake.versions())
            case ("ocpi", version):
                data = self._handshake.details(version, caller.platform.custom_modules)
                _only(method, "GET")
                visit = f"GET version details ({version})"
                await self._handshake.note_visit(caller.platform, visit)
                return ok(data)
            case ("ocpi", version, "credentials") if version in self._handshake.offer.offered:
                return await self._credentials(method, caller, body, version)
            case ("ocpi", version, "sender", "hubclientinfo"):
                self.require_served(version, caller.platform)
                _only(method, "GET")
                return await self._client_info.list(target, caller)
            case _:
                raise NotFound("There is no such path on this hub: see /ocpi/versions")

    async def _credentials(self, method: str, caller: Caller, body: bytes, version: str) -> Reply:
        handshake, platform, issued = self._handshake, caller.platform, caller.issued
        match method:
            case "GET":
                return ok(handshake.get_credentials(caller.presented))
            case "POST":
                return ok(await handshake.post_credentials(platform, issued, body, version))
            case "PUT":
                return ok(await handshake.put_credentials(platform, issued, body, version))
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
