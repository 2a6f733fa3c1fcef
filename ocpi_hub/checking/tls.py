"""The certificate of a partner, seen by connecting once more."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from ocpi_hub.delivery.transport import tls_context
from ocpi_hub.delivery.url_safety import Address, CheckedResolver, ForbiddenAddress, UrlPolicy
from ocpi_hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a verified connection shows.

    Attributes:
        protocol: for instance `TLSv1.3`.
    """

    protocol: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class NoCertificate:
    """Why there is none: no connection, or a certificate that is not trusted.

    Attributes:
        untrusted: it is the certificate's fault.
    """

    reason: str
    untrusted: bool


@dataclass(frozen=True, slots=True)
class TlsProbe:
    """Connects to a server as calls of the hub do, but for its certificate only."""

    settings: Settings

    async def look(self, url: str) -> Certificate | NoCertificate | None:
        """None: the URL is not of https, or must not be called."""
        settings = self.settings
        policy = UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks)
        place = policy.place(url)
        if isinstance(place, str) or not place.server.tls:
            return None
        resolver = CheckedResolver(policy)
        server = place.server
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                known = server.address
                addresses = [known] if known else await resolver.resolve(server.host, server.port)
                return await self._connect(addresses[0], server.host.rstrip("."))
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message or "it does not match the name"
            return NoCertificate(reason, untrusted=True)
        except ssl.SSLError as error:
            reason = (error.reason or "handshake failed").lower().replace("_", " ")
            return NoCertificate(reason, untrusted=False)
        except TimeoutError:
            return NoCertificate("no connection in time", untrusted=False)
        except (OSError, ForbiddenAddress) as error:
            return NoCertificate(type(error).__name__, untrusted=False)
        finally:
            resolver.close()

    async def _connect(self, address: Address, name: str) -> Certificate | NoCertificate:
        _, writer = await asyncio.open_connection(
            str(address.ip), address.port, ssl=tls_context(self.settings), server_hostname=name
        )
        try:
            shown = writer.get_extra_info("ssl_object")
            seen = shown.getpeercert() if isinstance(shown, ssl.SSLObject) else None
            protocol = shown.version() if isinstance(shown, ssl.SSLObject) else None
            until = seen.get("notAfter") if seen else None
            if not isinstance(until, str) or protocol is None:
                return NoCertificate("there is no certificate", untrusted=True)
            expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC)
            return Certificate(protocol, expires)
        finally:
            writer.transport.abort()
