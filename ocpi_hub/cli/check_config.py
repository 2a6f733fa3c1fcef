"""check-config: the settings in force."""

from __future__ import annotations

import argparse

from ocpi_hub.clearing.checks import configured_rules
from ocpi_hub.listening import server_tls
from ocpi_hub.settings import Settings
from ocpi_hub.store.secret_key import load_keyring

EXAMPLE = """\
example:
  OCPI_HUB_CONFIG=/etc/ocpi-hub.toml ocpi-hub check-config --json

Prints every key with the value in force; secrets are masked.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own; sets `run`."""
    parser.epilog = EXAMPLE
    parser.set_defaults(run=run_check)


async def run_check(_: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """All settings, secrets masked."""
    if settings.secret_key.get_secret_value():
        load_keyring(settings)
    server_tls(settings)
    configured_rules(settings)
    return settings.model_dump(mode="json") | {"data_dir": str(settings.data_path)}
