"""The socket of the hub: where it listens, whether with TLS, and the URL that leads to it."""

from __future__ import annotations

import socket
import ssl

from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings

BACKLOG = 1024


def listen(settings: Settings) -> socket.socket:
    """A socket bound to `host` and `port`.

    Raises:
        ConfigError: the address cannot be used.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"host, port: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """The base URL of a hub without `public_url`."""
    host, port = listener.getsockname()[:2]
    return local_url(settings, host, port)


def local_url(settings: Settings, host: str, port: int) -> str:
    """The base URL of a hub that listens on this address itself."""
    scheme = "https" if settings.tls_certificate_file else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """How the hub itself speaks TLS; None when something in front of it does.

    A certificate is shown, never asked for: partners identify themselves by their token.
    Spec: 2.2.1 transport_and_format_security.

    Raises:
        ConfigError: a file cannot be used.
    """
    if not settings.tls_certificate_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _require_readable("tls_certificate_file", settings.tls_certificate_file)
    _require_readable("tls_key_file", settings.tls_key_file)
    try:
        context.load_cert_chain(
            settings.tls_certificate_file,
            settings.tls_key_file,
            password=lambda: "",  # else OpenSSL asks the terminal when the key is encrypted
        )
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"tls_certificate_file, tls_key_file: not a PEM certificate and its key: {error}"
        ) from None
    return context


def _require_readable(key: str, path: str) -> None:
    """OpenSSL does not say which of its files is missing."""
    try:
        with open(path, "rb"):
            return
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path}: {error.strerror}") from None
