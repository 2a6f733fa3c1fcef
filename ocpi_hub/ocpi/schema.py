"""JSON Schemas of the OCPI objects, generated from the models.

`python -m ocpi_hub.ocpi.schema` writes them, `--check` says whether they are current. A schema asks
for what the specification asks: what it accepts passes the models without a finding. Rules between
fields (roles that differ, what a credit CDR needs) are the models' alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic.json_schema import JsonSchemaValue

from ocpi_hub.domain.party import OcpiVersion
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.registry import body_models, versions

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DIRECTORY: Final = Path("schemas")


def schema_of(model: type[OcpiModel], version: OcpiVersion) -> JsonSchemaValue:
    """The JSON Schema of an object."""
    generated = model.model_json_schema()
    return {
        "$schema": DIALECT,
        **generated,
        "title": f"OCPI {version} {model.__name__}",
    }


def schema_files() -> Iterator[tuple[Path, str]]:
    """Path below the schema directory, and content, of every schema."""
    for version in versions():
        for name, model in body_models(version).items():
            text = json.dumps(schema_of(model, version), indent=2, sort_keys=True)
            yield Path(version) / f"{name}.json", f"{text}\n"


def outdated(directory: Path) -> list[Path]:
    """The schema files that are missing, differ from the models, or have no model."""
    expected = {directory / path: text for path, text in schema_files()}
    stale = [
        path
        for path, text in expected.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    return sorted(stale + [path for path in directory.rglob("*.json") if path not in expected])


def write(directory: Path) -> None:
    """Write all schemas; remove those without a model."""
    for path, text in schema_files():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    for leftover in outdated(directory):
        leftover.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the schemas; 1 when a check finds an outdated file."""
    parser = argparse.ArgumentParser(description="JSON Schemas of the OCPI objects")
    parser.add_argument("--check", action="store_true", help="report outdated files, write nothing")
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.directory)
        return 0
    stale = outdated(options.directory)
    for path in stale:
        sys.stderr.write(f"{path} is not current: run python -m ocpi_hub.ocpi.schema\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
