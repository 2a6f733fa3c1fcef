"""A hub that seems to run on a machine of its own: the host's name is $HOST_NAME."""

from __future__ import annotations

import os
import runpy
from unittest.mock import patch

if __name__ == "__main__":
    with patch("socket.gethostname", return_value=os.environ["HOST_NAME"]):
        runpy.run_module("ocpi_hub", run_name="__main__")
