"""`python -m ocpi_hub`: the same as `ocpi-hub`."""

from __future__ import annotations

import sys

from ocpi_hub.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
