"""`ocpi-hub` that offers commands and charging profiles, whatever the hub offers by itself yet."""

from __future__ import annotations

import sys

from ocpi_hub.assembly import offer, serving
from ocpi_hub.cli.main import main
from ocpi_hub.domain.party import InterfaceRole, Module

OFFERED = tuple(
    dict.fromkeys(
        (
            *offer.OFFERED,
            *(
                (module.value, role)
                for module in (Module.COMMANDS, Module.CHARGING_PROFILES)
                for role in InterfaceRole
            ),
        )
    )
)

if __name__ == "__main__":
    vars(serving)["OFFERED"] = OFFERED
    sys.exit(main())
