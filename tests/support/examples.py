"""The specification's own examples, which are not part of this project.

They lie beside the checkout, or where `OCPI_EXAMPLES` says. Their `index.json` tells the type of
each file, whether it is valid and what is wrong with it.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(
    os.environ.get("OCPI_EXAMPLES", Path(__file__).parents[2] / ".." / "shared" / "ocpi-examples")
)
ABSENT = f"the specification's examples are not in {FOLDER}; OCPI_EXAMPLES may name their folder"


@cache
def example_index() -> tuple[dict[str, Any], ...]:
    """All entries of the index; none where the folder is absent."""
    path = FOLDER / "index.json"
    if not path.is_file():
        return ()
    return tuple(json.loads(path.read_text(encoding="utf-8"))["examples"])


def example_text(entry: dict[str, Any]) -> str:
    """An example as it was printed."""
    return (FOLDER / str(entry["file"])).read_text(encoding="utf-8")
