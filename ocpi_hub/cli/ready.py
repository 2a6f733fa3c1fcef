"""ready: whether the hub on this machine can serve, for container runtimes and scripts."""

from __future__ import annotations

import argparse
import logging
import ssl

import httpx

from ocpi_hub.errors import OperatorError
from ocpi_hub.listening import local_url
from ocpi_hub.settings import Settings

TIMEOUT_S = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - asked, not bound

EXAMPLE = """\
example:
  ocpi-hub ready

Asks /readyz of the hub that runs on this machine with these settings, over TLS if it speaks that.
Exit status 1, with the reason, when it cannot serve.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own; sets `run`."""
    parser.epilog = EXAMPLE
    parser.set_defaults(run=run_ready)


async def run_ready(_: argparse.Namespace, settings: Settings) -> str:
    """What the hub says.

    Raises:
        OperatorError: it cannot serve, or does not answer.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request, else
    url = local_url(settings, _ANYWHERE.get(settings.host, settings.host), settings.port)
    async with httpx.AsyncClient(verify=_trust(), trust_env=False, timeout=TIMEOUT_S) as client:
        try:
            answer = await client.get(f"{url}/readyz")
        except (httpx.HTTPError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise OperatorError(f"no hub answers at {url}: {reason}") from None
    if answer.status_code != httpx.codes.OK:
        raise OperatorError(f"HTTP {answer.status_code}: {answer.text.strip()}")
    return answer.text.strip()


def _trust() -> ssl.SSLContext:
    """The certificate names the host that partners know, and nothing secret is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
